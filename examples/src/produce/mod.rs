//! The program `produce`: lines in, records out, each accounted for.
//!
//! ```text
//!  file ──> Splitter ──> Events ──> Producer::put ──> tickets, oldest first ──> Tally
//!           lines        records    waits for room    at most MAX_TICKETS
//! ```
//!
//! One reader puts in file order. Whatever ends the reading (the end of the input, a bad line, a failed delivery, a
//! signal), what was put is waited for and counted.

mod args;
mod error;
mod settings;
mod tally;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use futures::FutureExt;
use kpl::{DeliveryTicket, Producer};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::args::{Ordering, ProduceArgs, Rate, RateError, Ttl, TtlError};
pub use self::error::ProduceError;
pub use self::tally::{Summary, Tally};
use crate::endpoint::{Access, create_stream, require_stream};
use crate::lines::{Events, Splitter};
use crate::progress::{Progress, Unit};
use crate::{program, report};

/// Runs the program on this process's arguments.
pub fn main() -> ExitCode {
    let args = ProduceArgs::parse();
    program::run(THREADS, run(&args))
}

async fn run(args: &ProduceArgs) -> ExitCode {
    let start = Instant::now();
    let mut tally = Tally::default();
    let produced = produce(args, &mut tally).await;
    let summary = tally.summary(args.stream.as_str(), start.elapsed());
    let line = serde_json::to_string(&summary).expect("invariant: numbers and a name are JSON");
    let said = report::say(&line).map_err(ProduceError::Summary);
    match produced.and(said) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.failure().exit(),
    }
}

async fn produce(args: &ProduceArgs, tally: &mut Tally) -> Result<(), ProduceError> {
    let (config, endpoint) = settings::of(args)?;
    let (input, length) = open(args).await?;
    let access = Access::to_kinesis(&endpoint).await?;
    access.tell();
    let named = args.stream.arn().unwrap_or(args.stream.as_str());
    match args.create {
        Some(shards) => create_stream(&access.kinesis(), args.stream.as_str(), shards).await?,
        None => require_stream(&access.kinesis(), named).await?,
    }

    let stop = program::stop_on_signal().map_err(ProduceError::Signals)?;
    let producer = Producer::new(&access.kinesis(), config)?;
    let mut pump = Pump::new(args, &producer, length, tally);
    let pumping = async {
        let pumped = pump.run(input, &stop).await;
        pump.settle().await;
        pumped
    };
    let pumped = tokio::select! {
        biased;
        pumped = pumping => pumped,
        never = tell_metrics(args.metrics, &producer) => match never {},
    };
    let undelivered = pump.undelivered();
    // Everything has its outcome; what closing could still report the tickets have told.
    let _ = producer.close().await;
    if args.metrics.is_some() {
        say_metrics(&producer);
    }
    undelivered.and(pumped)
}

/// Says the producer's metrics every so many seconds; 0 or none says nothing. Has no end.
async fn tell_metrics(seconds: Option<u64>, producer: &Producer) -> Infallible {
    let Some(seconds @ 1..) = seconds else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        say_metrics(producer);
    }
}

fn say_metrics(producer: &Producer) {
    // A closed stdout is told by the summary, which comes last.
    let _ = report::say(producer.metrics().to_string().trim_end());
}

type Input = Box<dyn AsyncRead + Send + Unpin>;

/// Opens the input; with its length where that is known.
async fn open(args: &ProduceArgs) -> Result<(Input, Option<u64>), ProduceError> {
    if args.reads_stdin() {
        return Ok((Box::new(tokio::io::stdin()), None));
    }
    let failed = |source| ProduceError::Input {
        input: args.input_name(),
        source,
    };
    let file = File::open(&args.input).await.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    // A pipe or a device says 0 and means nothing by it.
    Ok((Box::new(file), (length > 0).then_some(length)))
}

/// Carries lines to the producer and outcomes to the tally.
struct Pump<'a> {
    args: &'a ProduceArgs,
    producer: &'a Producer,
    tally: &'a mut Tally,
    events: Events,
    pace: Pace,
    progress: Progress,
    bytes_read: u64,
    tickets: VecDeque<Pending>,
}

/// A record on its way.
struct Pending {
    line: u64,
    bytes: u64,
    ticket: DeliveryTicket,
}

impl<'a> Pump<'a> {
    fn new(args: &'a ProduceArgs, producer: &'a Producer, length: Option<u64>, tally: &'a mut Tally) -> Self {
        Self {
            args,
            producer,
            tally,
            events: Events::new(
                args.keying(),
                args.explicit_hash_key_column,
                args.text(),
                rand::random(),
            ),
            pace: Pace::new(args.records_per_second.map(u64::from)),
            progress: Progress::new("produce", Unit::Bytes(length)),
            bytes_read: 0,
            tickets: VecDeque::new(),
        }
    }

    /// Puts until the input ends, a line is bad, a record fails or a signal comes.
    async fn run(&mut self, mut input: Input, stop: &CancellationToken) -> Result<(), ProduceError> {
        let mut splitter = Splitter::new(LONGEST_LINE);
        let mut last_put = 0;
        tokio::select! {
            pumped = self.put_all(&mut input, &mut splitter, &mut last_put) => pumped,
            () = stop.cancelled() => Err(ProduceError::Stopped { input: self.args.input_name(), line: last_put }),
        }
    }

    async fn put_all(
        &mut self,
        input: &mut Input,
        splitter: &mut Splitter,
        last_put: &mut u64,
    ) -> Result<(), ProduceError> {
        let first = if self.args.header { 2 } else { 1 };
        let args = self.args;
        let unread = |source| ProduceError::Input {
            input: args.input_name(),
            source,
        };
        loop {
            let read = input.read_buf(splitter.spare()).await.map_err(unread)?;
            self.bytes_read += read as u64;
            while let Some(line) = self.next_line(splitter, read == 0)? {
                let number = splitter.line_number();
                if number >= first {
                    self.put(number, line).await?;
                    *last_put = number;
                }
            }
            self.collect_ready();
            if read == 0 || self.tally.failed() > 0 {
                break;
            }
        }
        if *last_put == 0 {
            return Err(ProduceError::NoRecords {
                input: self.args.input_name(),
            });
        }
        Ok(())
    }

    fn next_line(&self, splitter: &mut Splitter, at_end: bool) -> Result<Option<Bytes>, ProduceError> {
        let line = match splitter.next_line() {
            Ok(None) if at_end => splitter.rest(),
            line => line,
        };
        line.map_err(|too_long| ProduceError::LineTooLong {
            input: self.args.input_name(),
            line: too_long.line,
            limit: too_long.limit,
        })
    }

    async fn put(&mut self, line: u64, data: Bytes) -> Result<(), ProduceError> {
        let bytes = data.len() as u64;
        let record = self.events.record(data).map_err(|source| ProduceError::Line {
            input: self.args.input_name(),
            line,
            source,
        })?;
        self.pace.wait().await;
        while self.tickets.len() >= MAX_TICKETS {
            self.collect_oldest().await;
        }
        let put = self.producer.put(&self.args.stream, record).await;
        let ticket = put.map_err(|source| ProduceError::Put {
            input: self.args.input_name(),
            line,
            source,
        })?;
        // No await between the two: a record that was put is always waited for.
        self.tickets.push_back(Pending { line, bytes, ticket });
        Ok(())
    }

    /// Counts the outcomes that are there, in the order of putting.
    fn collect_ready(&mut self) {
        while let Some(oldest) = self.tickets.front_mut() {
            let Some(outcome) = (&mut oldest.ticket).now_or_never() else {
                break;
            };
            let (line, bytes) = (oldest.line, oldest.bytes);
            self.tickets.pop_front();
            self.tally.count(line, bytes, outcome);
        }
        self.progress.set(self.bytes_read);
        self.progress
            .note(format!("{} delivered", report::grouped(self.tally.delivered())));
    }

    async fn collect_oldest(&mut self) {
        if let Some(oldest) = self.tickets.front_mut() {
            let outcome = (&mut oldest.ticket).await;
            let (line, bytes) = (oldest.line, oldest.bytes);
            self.tickets.pop_front();
            self.tally.count(line, bytes, outcome);
        }
    }

    /// Sends what lingers and waits until every record has its outcome, at most its time to live.
    async fn settle(&mut self) {
        // Whether a flush worked the tickets say better, record by record.
        let _ = self.producer.flush().await;
        while !self.tickets.is_empty() {
            self.collect_oldest().await;
            self.collect_ready();
        }
    }

    fn undelivered(&mut self) -> Result<(), ProduceError> {
        let failed = self.tally.failed();
        match self.tally.take_first_failure() {
            None => Ok(()),
            Some((line, source)) => Err(ProduceError::Undelivered {
                input: self.args.input_name(),
                line,
                failed,
                source,
            }),
        }
    }
}

/// So many records per second, on average from the start.
struct Pace {
    interval: Option<Duration>,
    start: Instant,
    count: u32,
}

impl Pace {
    fn new(per_second: Option<u64>) -> Self {
        let interval = per_second.map(|rate| Duration::from_nanos(1_000_000_000 / rate.max(1)));
        Self {
            interval,
            start: Instant::now(),
            count: 0,
        }
    }

    /// Waits until the next record is due. Waits are bundled: timers are too coarse for each of them.
    async fn wait(&mut self) {
        let Some(interval) = self.interval else { return };
        if self.count == REBASE {
            self.start += interval * self.count;
            self.count = 0;
        }
        let due = self.start + interval * self.count;
        self.count += 1;
        if due.saturating_duration_since(Instant::now()) > COARSENESS {
            tokio::time::sleep_until(due).await;
        }
    }
}

/// One reads and puts, the other packs and sends.
const THREADS: usize = 2;

/// Most tickets waited for. As many as the producer takes records in flight, so the oldest holds up nothing.
const MAX_TICKETS: usize = 100_000;

/// Source: AWS API reference, PutRecords: a stream can be set to take records of up to 10 MiB. Longer lines have no
/// chance, and memory needs a bound; what the producer really takes it says itself.
const LONGEST_LINE: usize = 10 * 1024 * 1024;

/// Waits shorter than this are left for the next record.
const COARSENESS: Duration = Duration::from_millis(5);

/// Records after which the pace counts anew, so that the multiplication cannot overflow.
const REBASE: u32 = 1_000_000;
