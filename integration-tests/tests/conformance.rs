//! Our engine keeps every rule that the service documents, over sockets and in process.
//!
//! The witnesses, and what they keep, are in the table of `local/FIDELITY.md`; the binary `conformance` makes it.

use integration_tests::conformance::{Report, Target, cases, run};

async fn keeps_every_rule(target: Target) {
    let mut report = Report::new(cases());
    let verdicts = run(&target, report.cases()).await.expect("ours starts");
    assert!(verdicts.len() > 80, "{} cases", verdicts.len());
    report.add(target.clone(), verdicts);
    assert!(report.is_ours_green(), "{}", report.lines(&target));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_sockets() {
    keeps_every_rule(Target::Sockets).await;
}

#[tokio::test(start_paused = true)]
async fn in_process_and_in_virtual_time() {
    keeps_every_rule(Target::InProcess).await;
}
