//! The program `consume`: records in, lines out, each written before it is checkpointed.
//!
//! ```text
//!  shard ──> LineWriter ──┐ whole lines          ┌──> checkpoint
//!  shard ──> LineWriter ──┼──> Output (one file) ┼──> checkpoint
//!  shard ──> LineWriter ──┘                      └──> checkpoint
//! ```
//!
//! With `--parallel-keys` each record goes that way by itself, in `by_record`.

mod args;
mod by_record;
mod error;
mod format;
mod journal;
mod line;
mod output;
mod processor;
mod settings;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use futures::future::try_join_all;
use futures::{FutureExt as _, StreamExt as _};
use kcl::dead_letter::DeadLetterFile;
use kcl::events::Events;
use kcl::lease::Lease;
use kcl::{
    ConfigError, Consumer, ConsumerHandle, DynamoDbLeaseStore, LeaseStore, ReceivedRecord, RecordOptions,
    RecordProcessorFactory, ShardContext, WorkerId,
};
use tokio_util::sync::CancellationToken;

pub use self::args::{ConsumeArgs, Start};
pub use self::error::ConsumeError;
pub use self::format::{Format, FormatError};
pub use self::journal::{Journal, Summary};
pub use self::output::{Output, Piece};
pub use self::processor::{Desk, LineWriter};
use self::settings::Settings;
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
        Err(error) => error.failure().exit_with(error.exit_code()),
    }
}

async fn consume(args: &ConsumeArgs) -> Result<(), ConsumeError> {
    let settings = Settings::of(args)?;
    let stop = program::stop_on_signal().map_err(ConsumeError::Signals)?;
    let journal = Arc::new(Journal::new(args.expect.map(u64::from)));
    let ran = tokio::select! {
        ready = prepare(args, &settings, &journal) => match ready {
            Ok(ready) => read(args, &settings, ready, &journal, &stop).await,
            Err(error) => Err(error),
        },
        () = stop.cancelled() => Ok(()),
    };
    let failed = journal.take_failure().map_or(Ok(()), Err);
    let (streams, config) = (settings.stream_names(), &settings.config);
    let summary = journal.summary(&streams, config.application_name(), config.worker_id().as_str());
    // Written whatever happened.
    let summed_up = write_summary(args, &summary);
    ran.and(failed).and(summed_up)
}

/// What is open and was seen to answer.
struct Ready {
    access: Access,
    output: Output,
    dead_letters: Option<DeadLetterFile>,
}

/// Everything that can be found wrong before the first record.
async fn prepare(
    args: &ConsumeArgs,
    settings: &Settings,
    journal: &Arc<Journal>,
) -> Result<Ready, ConsumeError> {
    let output = match args.writes_stdout() {
        true => Output::stdout(Arc::clone(journal)),
        false => {
            Output::append(&args.output, Arc::clone(journal)).map_err(|source| ConsumeError::Output {
                output: args.output.display().to_string(),
                source,
            })?
        }
    };
    let dead_letters = args.dead_letter.as_ref().map(|path| {
        DeadLetterFile::open(path).map_err(|source| ConsumeError::DeadLetters {
            path: path.display().to_string(),
            source,
        })
    });
    let dead_letters = dead_letters.transpose()?;
    let access = Access::to_both(&settings.endpoint, settings.dynamodb_endpoint_url.as_ref()).await?;
    access.tell();
    let (kinesis, dynamodb) = (access.kinesis(), access.dynamodb());
    let streams = settings
        .streams
        .iter()
        .map(|stream| require_stream(&kinesis, stream.as_str()));
    tokio::try_join!(
        try_join_all(streams),
        require_table_access(&dynamodb, settings.config.lease_table_name()),
    )?;
    Ok(Ready {
        access,
        output,
        dead_letters,
    })
}

/// Reads until a signal, the expected number of records, idleness or a failure; then stops cleanly.
async fn read(
    args: &ConsumeArgs,
    settings: &Settings,
    ready: Ready,
    journal: &Arc<Journal>,
    stop: &CancellationToken,
) -> Result<(), ConsumeError> {
    let table = settings.lease_store(&ready.access.dynamodb());
    let mut builder = Consumer::builder(settings.config.clone())
        .kinesis_client(aws_sdk_kinesis::Client::new(&ready.access.kinesis()))
        .lease_store(Arc::clone(&table) as Arc<dyn LeaseStore>);
    let sets_aside = ready.dead_letters.is_some();
    if let Some(letters) = ready.dead_letters {
        builder = builder.dead_letters(letters);
    }
    let desk = Desk {
        output: ready.output,
        output_name: args.output.display().to_string().into(),
        journal: Arc::clone(journal),
        require: args.require,
    };
    let run = Run {
        args,
        settings,
        journal,
        stop,
        table: &table,
    };
    match args.parallel_keys {
        Some(at_once) => {
            let options = RecordOptions::builder().in_flight(at_once).drain(DRAIN);
            let write = move |record: ReceivedRecord| by_record::write(desk.clone(), sets_aside, record);
            let consumer = builder.record_options(options.build()?).for_each_record(write);
            run.with(consumer).await
        }
        None => {
            let factory = move |shard: &ShardContext| LineWriter::new(shard, desk.clone());
            run.with(builder.build(factory)).await
        }
    }
}

/// What a run of a consumer needs, whatever handles its records.
struct Run<'a> {
    args: &'a ConsumeArgs,
    settings: &'a Settings,
    journal: &'a Journal,
    stop: &'a CancellationToken,
    table: &'a DynamoDbLeaseStore,
}

impl Run<'_> {
    async fn with<F: RecordProcessorFactory>(
        &self,
        consumer: Result<Consumer<F>, ConfigError>,
    ) -> Result<(), ConsumeError> {
        let (consumer, journal) = (consumer?, self.journal);
        let handle = consumer.handle();
        let mut events = handle.events();
        let ended = async {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = journal.done() => {}
                () = idle(self) => {}
                () = show_progress(self.args, journal) => {}
                () = tell_metrics(self.args, &handle) => {}
                () = self.listen(&mut events) => {}
            }
        };
        let ran = consumer.run_until(ended).await;
        // What was told since somebody last listened.
        self.listen(&mut events).now_or_never();
        let metrics = handle.metrics();
        if self.args.parallel_keys.is_some() {
            by_record::note_checkpoints(journal, &metrics);
        }
        journal.dead_lettered_in_all(handle.record_counts().dead_lettered);
        if self.args.metrics.is_some() {
            eprintln!("{metrics}");
        }
        ran?;
        Ok(())
    }

    /// Ends with the consumer.
    async fn listen(&self, events: &mut Events) {
        while let Some(notice) = events.next().await {
            by_record::note(self.journal, self.args.parallel_keys.is_some(), notice);
        }
    }
}

/// Ends when the stream has been idle for as long as the user said. While a peer holds shards, only after the time in
/// which the peer's death would have shown and its shards would have come here: else the last worker leaves too early.
async fn idle(run: &Run<'_>) {
    let Some(limit) = run.args.idle_exit else {
        return std::future::pending().await;
    };
    let (journal, config) = (run.journal, &run.settings.config);
    let me: &WorkerId = config.worker_id();
    let limit = Duration::from_secs(limit.get());
    let patience = limit.max(config.failover() + TAKE_OVER);
    loop {
        journal.idle(limit).await;
        // A table that cannot be read says nothing about peers.
        let Ok(listing) = run.table.list().await else {
            return;
        };
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
    if !progress.is_shown() {
        return std::future::pending().await;
    }
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

/// For records under way at a stop: writing one takes milliseconds, and all of it less than a consumer has to stop.
const DRAIN: Duration = Duration::from_secs(5);
