//! Trials of the consumer: plays named scenarios, counts exactly, and fails when a promise is broken.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;
use integration_tests::trial::consumer::{
    Report, Scenario, Setting, Stage, fill, play, play_in_virtual_time, serve,
};
use integration_tests::trial::program::{exit_code, runtime, verdict};
use integration_tests::trial::{Length, TrialError};

/// Plays trials of the consumer against the engine and prints what became of each record.
///
/// Without `--process` engine and workers share this process and run in virtual time. With it the workers have a process
/// of their own, in real time and over sockets, and its memory and CPU time are told as well: for scenarios during which
/// nothing has to be done to the endpoint. The exit code is 1 when a promise was broken.
#[derive(Debug, Parser)]
#[command(name = "consumer-trial", verbatim_doc_comment)]
struct Arguments {
    /// The scenarios to play; all without any
    scenarios: Vec<String>,

    /// As much as the documentation reports; without, what fits into CI
    #[arg(long)]
    full: bool,

    /// The workers in a process of their own, in real time
    #[arg(long)]
    process: bool,

    /// A CSV file of flights for the scenarios on real events; made up without
    #[arg(long, value_name = "FILE")]
    flights: Option<PathBuf>,

    /// What chance is drawn from
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Tells the scenarios and plays none
    #[arg(long)]
    list: bool,

    /// Plays against endpoints that were prepared for the scenario: how `--process` starts itself
    #[arg(long, value_name = "URL", num_args = 2, hide = true)]
    endpoints: Option<Vec<String>>,
}

fn main() -> ExitCode {
    exit_code("consumer-trial", Arguments::parse().run())
}

type BoxError = Box<dyn std::error::Error>;

impl Arguments {
    /// Whether every promise was kept.
    fn run(&self) -> Result<bool, BoxError> {
        let setting = Setting {
            length: match self.full {
                true => Length::Full,
                false => Length::Short,
            },
            flights: self.flights.clone(),
        };
        let mut scenarios = setting.scenarios();
        let unknown = |name: &&String| scenarios.iter().all(|scenario| scenario.name() != name.as_str());
        if let Some(name) = self.scenarios.iter().find(unknown) {
            return Err(format!("there is no scenario {name}; see --list").into());
        }
        scenarios.retain(|scenario| match self.scenarios.as_slice() {
            [] => !self.process || scenario.fits_a_process(),
            names => names.iter().any(|name| name == scenario.name()),
        });
        let mut is_kept = true;
        for scenario in &scenarios {
            if self.list {
                println!("{:<16} {}", scenario.name(), scenario.about());
                continue;
            }
            is_kept &= match self.endpoints.as_deref() {
                Some([kinesis, dynamodb]) => self.played_at(scenario, kinesis, dynamodb)?,
                _ if self.process => self.in_a_process(scenario)?,
                _ => told(&play_in_virtual_time(scenario, self.seed)?),
            };
        }
        Ok(is_kept)
    }

    fn played_at(&self, scenario: &Scenario, kinesis: &str, dynamodb: &str) -> Result<bool, BoxError> {
        let stage = Stage::Remote {
            kinesis: kinesis.to_owned(),
            dynamodb: dynamodb.to_owned(),
        };
        Ok(told(&runtime()?.block_on(play(scenario, &stage, self.seed))?))
    }

    /// The endpoint here, filled, the workers in a process of their own.
    fn in_a_process(&self, scenario: &Scenario) -> Result<bool, BoxError> {
        if !scenario.fits_a_process() {
            return Err(format!("{} is for virtual time only", scenario.name()).into());
        }
        let runtime = runtime()?;
        let local = runtime.block_on(async {
            let local = serve(scenario, self.seed).await?;
            fill(scenario, &local, self.seed).await?;
            Ok::<_, TrialError>(local)
        })?;
        let mut workers = Command::new(std::env::current_exe()?);
        workers
            .arg(scenario.name())
            .args(["--endpoints", local.kinesis_url(), local.dynamodb_url()])
            .args(["--seed", &self.seed.to_string()])
            .args(self.full.then_some("--full"));
        if let Some(flights) = &self.flights {
            workers.arg("--flights").arg(flights);
        }
        let status = workers.status()?;
        runtime.block_on(local.stop());
        Ok(verdict("the workers' process", status)?)
    }
}

fn told(report: &Report) -> bool {
    println!("{report}");
    report.broken().is_empty()
}
