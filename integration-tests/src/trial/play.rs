//! Plays a scenario: one puts, one waits for the outcomes, others make trouble and take samples; then the stream is read.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::time::Duration;

use bytes::BytesMut;
use kpl::{DeliveryTicket, Producer, RECORD_OVERHEAD, Record, StreamName};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::books::{Books, Position};
use super::competitor::compete;
use super::error::TrialError;
use super::events::Events;
use super::latencies::Latencies;
use super::observer::{Observer, POISON};
use super::process::Usage;
use super::reader::read;
use super::report::Report;
use super::resharder::reshard;
use super::scenario::{PRODUCER, Scenario};
use super::series::Series;
use super::stage::{STREAM, Stage};

/// Plays a scenario to its end and reads what it left.
///
/// # Errors
/// [`TrialError`] when it could not be played; a promise that was broken is in the report.
pub async fn play(scenario: &Scenario, stage: &Stage, seed: u64) -> Result<Report, TrialError> {
    let observer = Observer::default();
    let client =
        aws_sdk_kinesis::Client::from_conf(stage.config_as(PRODUCER).interceptor(observer.clone()).build());
    let config = scenario.producer.clone().seed(seed).build()?;
    let budget = config.max_in_flight_bytes() as u64;
    let producer = Producer::from_client(client, config)?;
    let course = Course::new(scenario);
    let begin = Usage::now()?;
    let troubles = troubles(scenario, stage, seed);
    // Troubles and samples last as long as something is put or awaited.
    tokio::select! {
        biased;
        put = course.put_all_and_wait(&producer, seed) => put?,
        trouble = troubles => trouble?,
        sampled = course.sample(&producer) => sampled?,
    }
    let end = Usage::now()?;
    drop(producer);

    let Course {
        books,
        latencies,
        last_outcome,
        in_flight,
        resident,
        poison_attempts,
        start,
        ..
    } = course;
    let mut books = books.into_inner();
    let read = read(&stage.client_as("reader"), STREAM, &mut books).await?;
    Ok(Report {
        scenario: scenario.clone(),
        balance: books.balance(),
        wire: observer.wire(),
        read,
        took: last_outcome.get().saturating_duration_since(start),
        latencies: latencies.into_inner(),
        in_flight: in_flight.into_inner(),
        resident: resident.into_inner(),
        usage: Usage {
            cpu_seconds: end.cpu_seconds - begin.cpu_seconds,
            ..end
        },
        idle_memory: begin.resident,
        budget,
        poison_attempts: poison_attempts.get(),
        is_alone: matches!(stage, Stage::Remote(_)),
    })
}

/// Whatever else happens to the stream. Has no end.
async fn troubles(scenario: &Scenario, stage: &Stage, seed: u64) -> Result<(), TrialError> {
    let operator = stage.client_as("operator");
    let other = stage.client_as("competitor");
    let resharding = async {
        match scenario.resharding {
            Some(resharding) => reshard(&operator, STREAM, resharding, seed).await,
            None => pending().await,
        }
    };
    let competing = async {
        match scenario.competitor {
            Some(bytes_per_second) => compete(&other, STREAM, bytes_per_second).await,
            None => pending().await,
        }
    };
    tokio::select! {
        biased;
        resharded = resharding => resharded,
        () = competing => Ok(()),
    }
}

/// What is known while it runs. All of it belongs to one task.
#[derive(Debug)]
struct Course<'a> {
    scenario: &'a Scenario,
    start: Instant,
    books: RefCell<Books>,
    latencies: RefCell<Latencies>,
    last_outcome: Cell<Instant>,
    /// Bytes that all records put so far took of the budget.
    put_bytes: Cell<u64>,
    in_flight: RefCell<Series>,
    resident: RefCell<Series>,
    poison_attempts: Cell<u32>,
}

/// A record that was put.
#[derive(Debug)]
struct Pending {
    number: u32,
    put_at: std::time::Instant,
    ticket: DeliveryTicket,
}

impl<'a> Course<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let start = Instant::now();
        Self {
            scenario,
            start,
            books: RefCell::default(),
            latencies: RefCell::default(),
            last_outcome: Cell::new(start),
            put_bytes: Cell::new(0),
            in_flight: RefCell::new(Series::new(SAMPLE * 4)),
            resident: RefCell::new(Series::new(SAMPLE * 4)),
            poison_attempts: Cell::new(0),
        }
    }

    async fn put_all_and_wait(&self, producer: &Producer, seed: u64) -> Result<(), TrialError> {
        let (tickets, awaited) = mpsc::channel(MOST_TICKETS);
        let putting = async {
            let put = self.put_all(producer, seed, tickets).await;
            // What a close could report the tickets tell one by one.
            let _ = producer.close().await;
            put
        };
        // Outcomes first: putting alone would use up the task's turns, and tickets that are ready would pile up.
        let ((), put) = tokio::join!(biased; self.wait_for(awaited), putting);
        put
    }

    async fn put_all(
        &self,
        producer: &Producer,
        seed: u64,
        tickets: mpsc::Sender<Pending>,
    ) -> Result<(), TrialError> {
        let load = &self.scenario.load;
        let stream = StreamName::new(STREAM).expect("invariant: the name is one");
        let mut events = Events::open(&load.source, seed)?;
        let interval = load
            .per_second
            .map(|rate| Duration::from_nanos(1_000_000_000 / rate.max(1)));
        let start = Instant::now();
        let mut due = start;
        for number in 0..load.records {
            let (key, record) = events.next(number)?;
            let record = match self.scenario.poison {
                Some(poison) if poison == number => poisoned(&record),
                _ => record,
            };
            if let Some(interval) = interval {
                // Timers are too coarse to wait for each.
                if due.saturating_duration_since(Instant::now()) > COARSENESS {
                    sleep_until(due).await;
                }
                due += interval;
            }
            let cost = (record.size() + RECORD_OVERHEAD) as u64;
            let put = producer.put(&stream, record).await;
            let ticket = put.map_err(|source| TrialError::Put { number, source })?;
            self.put_bytes.set(self.put_bytes.get() + cost);
            let pending = Pending {
                number: self.books.borrow_mut().put(key),
                put_at: Instant::now().into_std(),
                ticket,
            };
            if tickets.send(pending).await.is_err() {
                return Err(TrialError::Ended {
                    what: "waiting for outcomes",
                });
            }
        }
        Ok(())
    }

    async fn wait_for(&self, mut tickets: mpsc::Receiver<Pending>) {
        while let Some(pending) = tickets.recv().await {
            let Pending {
                number,
                put_at,
                ticket,
            } = pending;
            let outcome = ticket.await;
            self.last_outcome.set(Instant::now());
            let is_poison = self.scenario.poison == Some(number as usize);
            let mut books = self.books.borrow_mut();
            match outcome {
                Ok(delivery) => {
                    let position = Position {
                        shard: delivery.shard_id().as_str(),
                        sequence_number: delivery.sequence_number(),
                        sub_sequence_number: delivery.sub_sequence_number(),
                    };
                    books.acknowledged(number, position, delivery.may_be_duplicate());
                    // The outcomes are looked at in the order of putting; when each was there its attempt knows.
                    if let Some(last) = delivery.attempts().last() {
                        let at = last.started_at() + last.duration();
                        self.latencies
                            .borrow_mut()
                            .add(at.saturating_duration_since(put_at));
                    }
                    if is_poison {
                        self.poison_attempts.set(delivery.attempt_count());
                    }
                }
                Err(error) => {
                    books.failed(number, error.kind(), error.may_have_been_stored());
                    if is_poison {
                        self.poison_attempts.set(error.attempt_count());
                    }
                }
            }
        }
    }

    async fn sample(&self, producer: &Producer) -> Result<(), TrialError> {
        loop {
            let at = self.start.elapsed();
            // Records are much alike, so their number tells their bytes; outcomes are looked at too late to tell.
            let put = (self.books.borrow().len() as u64).max(1);
            let in_flight = producer.outstanding_records() * self.put_bytes.get() / put;
            self.in_flight.borrow_mut().note(at, in_flight);
            self.resident.borrow_mut().note(at, Usage::now()?.resident);
            sleep(SAMPLE).await;
        }
    }
}

fn poisoned(record: &Record) -> Record {
    let mut data = BytesMut::from(record.data().as_ref());
    data.extend_from_slice(POISON);
    Record::new(record.partition_key(), data.freeze()).expect("invariant: its key was one before")
}

/// Runs a trial on a thread, a runtime and a paused clock of its own.
///
/// # Errors
/// As [`play`], and [`TrialError::Ended`] when the thread panicked.
pub fn play_in_virtual_time(scenario: &Scenario, seed: u64) -> Result<Report, TrialError> {
    let work = async {
        let stage = Stage::in_process(scenario, seed).await?;
        play(scenario, &stage, seed).await
    };
    on_paused_clock(work)
}

/// Runs `work` on a runtime and a paused clock of its own.
pub(super) fn on_paused_clock<T>(work: impl Future<Output = Result<T, TrialError>>) -> Result<T, TrialError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.map_err(|source| TrialError::System {
        path: "timers",
        source,
    })?;
    runtime.block_on(work)
}

/// Tickets that wait to be looked at: more than records may be in flight, so that putting does not wait for it.
const MOST_TICKETS: usize = 200_000;
const COARSENESS: Duration = Duration::from_millis(2);
const SAMPLE: Duration = Duration::from_millis(250);
