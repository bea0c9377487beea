//! Trials of the producer: plays named scenarios, counts exactly, and fails when a promise is broken.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};
use integration_tests::trial::program::{exit_code, runtime, verdict};
use integration_tests::trial::{Length, Report, Scenario, Setting, Stage, play, play_in_virtual_time, serve};
use kpl::Ordering;

/// Plays trials of the producer against the engine and prints what became of each record.
///
/// Without `--process` engine and producer share this process and run in virtual time. With it the producer has a
/// process of its own, in real time and over a socket, and its memory and CPU time are told as well. The exit code is 1
/// when a promise was broken.
#[derive(Debug, Parser)]
#[command(name = "producer-trial", verbatim_doc_comment)]
struct Arguments {
    /// The scenarios to play; all without any
    scenarios: Vec<String>,

    /// As much as the documentation reports; without, what fits into CI
    #[arg(long)]
    full: bool,

    /// The producer in a process of its own, in real time
    #[arg(long)]
    process: bool,

    /// A CSV file of flights for the scenarios on real events; made up without
    #[arg(long, value_name = "FILE")]
    flights: Option<PathBuf>,

    /// What is kept when something fails
    #[arg(long, value_enum, default_value = "key")]
    ordering: Kept,

    /// What chance is drawn from
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Tells the scenarios and plays none
    #[arg(long)]
    list: bool,

    /// Plays against an endpoint that was prepared for the scenario: how `--process` starts itself
    #[arg(long, value_name = "URL", hide = true)]
    endpoint: Option<String>,
}

/// As `produce` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kept {
    /// Each key's order.
    Key,
    /// Nothing: each key's order is counted, and not promised.
    Relaxed,
}

fn main() -> ExitCode {
    exit_code("producer-trial", Arguments::parse().run())
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
            ordering: match self.ordering {
                Kept::Key => Ordering::PerKey,
                Kept::Relaxed => Ordering::Relaxed,
            },
        };
        let mut scenarios = setting.scenarios();
        let unknown = |name: &&String| scenarios.iter().all(|scenario| scenario.name() != name.as_str());
        if let Some(name) = self.scenarios.iter().find(unknown) {
            return Err(format!("there is no scenario {name}; see --list").into());
        }
        scenarios.retain(|scenario| {
            self.scenarios.is_empty() || self.scenarios.iter().any(|name| name == scenario.name())
        });
        let mut is_kept = true;
        for scenario in &scenarios {
            if self.list {
                println!("{:<14} {}", scenario.name(), scenario.about());
                continue;
            }
            is_kept &= match &self.endpoint {
                Some(url) => self.played_at(scenario, url)?,
                None if self.process => self.in_a_process(scenario)?,
                None => told(&play_in_virtual_time(scenario, self.seed)?),
            };
        }
        Ok(is_kept)
    }

    fn played_at(&self, scenario: &Scenario, url: &str) -> Result<bool, BoxError> {
        let stage = Stage::Remote(url.to_owned());
        Ok(told(&runtime()?.block_on(play(scenario, &stage, self.seed))?))
    }

    /// The endpoint here, the producer in a process of its own.
    fn in_a_process(&self, scenario: &Scenario) -> Result<bool, BoxError> {
        let runtime = runtime()?;
        let local = runtime.block_on(serve(scenario, self.seed))?;
        let mut producer = Command::new(std::env::current_exe()?);
        producer
            .arg(scenario.name())
            .args(["--endpoint", local.kinesis_url()])
            .args(["--seed", &self.seed.to_string()])
            .args((self.ordering == Kept::Relaxed).then_some("--ordering=relaxed"))
            .args(self.full.then_some("--full"));
        if let Some(flights) = &self.flights {
            producer.arg("--flights").arg(flights);
        }
        let status = producer.status()?;
        runtime.block_on(local.stop());
        Ok(verdict("the producer's process", status)?)
    }
}

fn told(report: &Report) -> bool {
    println!("{report}");
    report.broken().is_empty()
}
