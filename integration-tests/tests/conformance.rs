//! Our engine keeps every rule that the service documents, over sockets and in process.
//!
//! The witnesses, and what they keep, are in the table of `local/FIDELITY.md`; the binary `conformance` makes it.

use integration_tests::conformance::{MARKER, Report, Target, cases, run};

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

/// The committed table is of these cases. What the witnesses do is looked at by whoever writes it anew.
#[test]
fn the_table_has_every_rule_and_ours_keeps_it() {
    let document = include_str!("../../local/FIDELITY.md");
    let table = document
        .split(MARKER)
        .nth(1)
        .expect("the table stands between two markers");
    for case in cases() {
        let line = format!("| {} | {} | yes | yes |", case.name(), case.source());
        assert!(table.contains(&line), "not in the table: {line}");
    }
    let rules = table.lines().filter(|line| line.contains("| yes | yes |"));
    assert_eq!(rules.count(), cases().len());
}
