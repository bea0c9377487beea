//! The program `consume`: records in, lines out, each written before it is checkpointed.
//!
//! ```text
//!  shard ──> LineWriter ──┐ whole lines          ┌──> checkpoint
//!  shard ──> LineWriter ──┼──> Output (one file) ┼──> checkpoint
//!  shard ──> LineWriter ──┘                      └──> checkpoint
//! ```

mod args;
mod error;
mod journal;
mod line;
mod output;
mod processor;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use futures::future::try_join_all;
use kcl::lease::Lease;
use kcl::{
    Consumer, ConsumerConfig, ConsumerHandle, DynamoDbLeaseStore, LeaseStore as _, ShardContext, WorkerId,
};
use tokio_util::sync::CancellationToken;

pub use self::args::{ConsumeArgs, Start};
pub use self::error::ConsumeError;
pub use self::journal::{Journal, Summary};
pub use self::output::{Output, Piece};
pub use self::processor::LineWriter;
use crate::endpoint::{Access, require_stream, require_table_access};
use crate::program;
use crate::progress::{Progress, Unit};

/// Runs the program on this process's arguments.
pub fn main() -> ExitCode {
    let args = ConsumeArgs::parse();
    program::run(THREADS, run(&args))
}

async fn run(args: &ConsumeArgs) -> ExitCode {
    match consume(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.failure().exit(),
    }
}

async fn consume(args: &ConsumeArgs) -> Result<(), ConsumeError> {
    let config = args.consumer_config()?;
    let worker_id = config.worker_id().to_string();
    let stop = program::stop_on_signal().map_err(ConsumeError::Signals)?;
    let journal = Arc::new(Journal::new(args.expect.map(u64::from)));
    let ran = tokio::select! {
        ready = prepare(args, &config, &journal) => match ready {
            Ok((access, output)) => read(args, config, &access, output, &journal, &stop).await,
            Err(error) => Err(error),
        },
        () = stop.cancelled() => Ok(()),
    };
    let failed = journal.take_failure().map_or(Ok(()), Err);
    let streams = args.stream_names();
    let summary = journal.summary(&streams, &args.application, &worker_id);
    // Written whatever happened.
    let summed_up = write_summary(args, &summary);
    ran.and(failed).and(summed_up)
}

/// Everything that can be found wrong before the first record.
async fn prepare(
    args: &ConsumeArgs,
    config: &ConsumerConfig,
    journal: &Arc<Journal>,
) -> Result<(Access, Output), ConsumeError> {
    let output = match args.writes_stdout() {
        true => Output::stdout(Arc::clone(journal)),
        false => {
            Output::append(&args.output, Arc::clone(journal)).map_err(|source| ConsumeError::Output {
                output: args.output.display().to_string(),
                source,
            })?
        }
    };
    let access = Access::to_both(&args.endpoint, args.dynamodb_endpoint_url.as_ref()).await?;
    access.tell();
    let (kinesis, dynamodb) = (access.kinesis(), access.dynamodb());
    let streams = args
        .streams
        .iter()
        .map(|stream| require_stream(&kinesis, stream.as_str()));
    tokio::try_join!(
        try_join_all(streams),
        require_table_access(&dynamodb, config.lease_table_name()),
    )?;
    Ok((access, output))
}

/// Reads until a signal, the expected number of records, idleness or a failure; then stops cleanly.
async fn read(
    args: &ConsumeArgs,
    config: ConsumerConfig,
    access: &Access,
    output: Output,
    journal: &Arc<Journal>,
    stop: &CancellationToken,
) -> Result<(), ConsumeError> {
    let (kinesis, dynamodb) = (access.kinesis(), access.dynamodb());
    let name: Arc<str> = args.output.display().to_string().into();
    let shared = Arc::clone(journal);
    let table = DynamoDbLeaseStore::from_sdk_config(&dynamodb, config.lease_table_name());
    let worker = config.worker_id().clone();
    let factory = move |shard: &ShardContext| {
        LineWriter::new(shard, output.clone(), Arc::clone(&name), Arc::clone(&shared))
    };
    let consumer = Consumer::builder(config)
        .kinesis_client(aws_sdk_kinesis::Client::new(&kinesis))
        .dynamodb_client(aws_sdk_dynamodb::Client::new(&dynamodb))
        .build(factory)?;
    let handle = consumer.handle();
    let ended = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = journal.done() => {}
            () = idle(args, journal, &table, &worker) => {}
            () = show_progress(args, journal) => {}
            () = tell_metrics(args, &handle) => {}
        }
    };
    let ran = consumer.run_until(ended).await;
    if args.metrics.is_some() {
        eprintln!("{}", handle.metrics());
    }
    ran?;
    Ok(())
}

/// Ends when the stream has been idle for as long as the user said. While a peer holds shards, only after the time in
/// which the peer's death would have shown and its shards would have come here: else the last worker leaves too early.
async fn idle(args: &ConsumeArgs, journal: &Journal, table: &DynamoDbLeaseStore, me: &WorkerId) {
    let Some(limit) = args.idle_exit else {
        return std::future::pending().await;
    };
    let limit = Duration::from_secs(limit.get());
    let patience = limit.max(args.failover() + TAKE_OVER);
    loop {
        journal.idle(limit).await;
        // A table that cannot be read says nothing about peers.
        let Ok(listing) = table.list().await else { return };
        let others = |lease: &Lease| !lease.is_finished() && lease.actual_owner() != Some(me);
        if journal.idle_for() >= patience || !listing.leases.iter().any(others) {
            return;
        }
        tokio::time::sleep(PEERS_SEEN_EVERY).await;
    }
}

/// Never ends by itself. Tells nothing where metrics are wanted at the end only.
async fn tell_metrics(args: &ConsumeArgs, handle: &ConsumerHandle) {
    let Some(seconds) = args.metrics.filter(|seconds| *seconds > 0) else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        eprintln!("{}", handle.metrics());
    }
}

/// Never ends by itself. Draws nothing where lines go to the same terminal.
async fn show_progress(args: &ConsumeArgs, journal: &Journal) {
    if args.writes_stdout() {
        return std::future::pending().await;
    }
    let unit = args
        .expect
        .map_or(Unit::Open, |expected| Unit::Events(expected.get()));
    let progress = Progress::new("consume", unit);
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        progress.set(journal.records());
    }
}

fn write_summary(args: &ConsumeArgs, summary: &Summary<'_>) -> Result<(), ConsumeError> {
    let Some(path) = &args.summary else { return Ok(()) };
    let mut line = serde_json::to_string(summary).expect("invariant: numbers and names are JSON");
    line.push('\n');
    std::fs::write(path, line).map_err(|source| ConsumeError::Summary {
        path: path.display().to_string(),
        source,
    })
}

/// One takes records apart, the other makes lines; writing has threads of its own.
const THREADS: usize = 2;

/// From a lease that expired to the first record read from its shard, with room to spare.
const TAKE_OVER: Duration = Duration::from_secs(5);
const PEERS_SEEN_EVERY: Duration = Duration::from_secs(1);
