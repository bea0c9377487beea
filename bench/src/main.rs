//! CPU seconds and peak memory of the producer and the consumer beside the bare SDK client that does the same
//! Kinesis requests, in one run, against an endpoint in another process. Prints ratios.
//!
//! Every case runs in a process of its own, so that CPU time and peak memory are its own. The floor of the
//! producer replays the very requests our producer made (how many, how many entries, how many bytes each), and
//! computes the MD5 sums nobody can avoid: one for each key, one for each aggregate.
//!
//! `bench endpoint-cost` asks what the endpoint itself costs; `bench memory` what records in flight take while the
//! endpoint is down; `bench idle` what a worker takes that has nothing to read.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod case;
mod consumer;
mod consumer_floor;
mod consumers;
mod endpoint;
mod endpoint_cost;
mod idle;
mod low_rate;
mod memory;
mod meter;
mod producer;
mod report;
mod shapes;
mod workload;

/// Costs of kpl and kcl beside the bare SDK client, as ratios of one run.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Pairs measured for each line; the median is printed.
    #[arg(long, default_value_t = 3, global = true)]
    rounds: usize,
    /// A tenth of the records and one round: shows that it runs, measures little.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The consumer beside its floor, by polling and by enhanced fan-out.
    Consumers,
    /// A worker at rest beside the bare clients that send the same requests.
    Idle,
    /// CPU of the endpoint itself per GB put, beside that of ferrokinesis.
    EndpointCost,
    /// Memory of records in flight while the endpoint is down, beside what they are counted for.
    Memory,
    /// Serve an endpoint until killed (used by the benchmark itself).
    #[command(hide = true)]
    Endpoint {
        /// What serves.
        #[arg(value_enum)]
        engine: endpoint::Engine,
    },
    /// Run one case and print its figures (used by the benchmark itself).
    #[command(hide = true)]
    Case(case::Case),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::EndpointCost) => {
            endpoint_cost::run(if cli.quick { 1 } else { cli.rounds.max(1) }, cli.quick)
        }
        Some(Command::Memory) => memory::run(cli.quick),
        Some(Command::Endpoint { engine }) => endpoint::serve(engine),
        Some(Command::Case(case)) => case.run(),
        Some(Command::Consumers) => consumers::run(if cli.quick { 1 } else { cli.rounds.max(1) }, cli.quick),
        Some(Command::Idle) => idle::run(if cli.quick { 1 } else { cli.rounds.max(1) }, cli.quick),
        None => everything(if cli.quick { 1 } else { cli.rounds.max(1) }, cli.quick),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

/// Both tables, whatever the first says.
fn everything(rounds: usize, quick: bool) -> Result<(), BoxError> {
    let puts = report::run(rounds, quick);
    println!();
    let reads = consumers::run(rounds, quick);
    match (puts, reads) {
        (Err(puts), Err(reads)) => Err(format!("{puts}; {reads}").into()),
        (puts, reads) => puts.and(reads),
    }
}

/// A benchmark has no caller who would tell causes apart.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
