//! Who keeps the service's rules: runs the cases of `integration_tests::conformance` against any number of endpoints.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use integration_tests::conformance::{Case, Report, Target, TargetError, Verdict, cases, run};

/// Holds endpoints to the service's documented behaviour and prints who keeps which rule.
#[derive(Debug, Parser)]
struct Arguments {
    /// `ours`, `in-process`, `ferrokinesis`, `URL`, or `NAME=URL`; may be given several times. Default: all but URLs.
    #[arg(long, value_parser = target)]
    against: Vec<Target>,

    /// Only cases whose family or rule contains this.
    #[arg(long)]
    only: Option<String>,

    /// Writes the table between the two markers of this file.
    #[arg(long, conflicts_with = "only")]
    write: Option<PathBuf>,
}

fn target(text: &str) -> Result<Target, String> {
    Target::parse(text).ok_or_else(|| "neither ours, in-process, ferrokinesis, a URL nor NAME=URL".to_owned())
}

fn main() -> ExitCode {
    match everything(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether ours keeps every rule.
fn everything(mut arguments: Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    if arguments.against.is_empty() {
        arguments.against = vec![Target::Sockets, Target::InProcess, Target::Ferrokinesis];
    }
    let mut cases = cases();
    if let Some(only) = &arguments.only {
        cases.retain(|case| case.family().contains(only) || case.name().contains(only));
    }
    let mut report = Report::new(cases);
    let all = report.cases();
    // Side by side: most of the time of most targets is waiting.
    let verdicts: Vec<_> = std::thread::scope(|scope| {
        let targets = arguments.against.iter();
        let running: Vec<_> = targets
            .map(|target| scope.spawn(move || verdicts(target, all)))
            .collect();
        running
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    for (target, verdicts) in arguments.against.into_iter().zip(verdicts) {
        let verdicts = verdicts.map_err(|_| "a case panicked")??;
        report.add(target.clone(), verdicts);
        println!("== {}\n{}", target.name(), report.lines(&target));
    }
    if let Some(path) = &arguments.write {
        let document = std::fs::read_to_string(path)?;
        std::fs::write(path, report.put_into(&document)?)?;
    }
    Ok(report.is_ours_green())
}

fn verdicts(target: &Target, cases: &[Case]) -> Result<Vec<Verdict>, TargetError> {
    runtime(target)?.block_on(run(target, cases))
}

/// Virtual time for what has no socket, two threads for what has.
fn runtime(target: &Target) -> std::io::Result<tokio::runtime::Runtime> {
    if *target == Target::InProcess {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        return builder.enable_all().start_paused(true).build();
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build()
}
