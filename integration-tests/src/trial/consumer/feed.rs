//! Puts what a scenario's load says, by the producer of this toolkit, and writes down where each record is.

use std::time::Duration;

use kcl::lease::LeaseKey;
use kcl::{Position, SequenceNumber, ShardId};
use kinesis_local::{InProcess, Local};
use kpl::{DeliveryTicket, Producer, ProducerConfig, RateLimit, StreamName};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::super::error::TrialError;
use super::super::events::Events;
use super::super::scenario::Load;
use super::ledger::Ledger;
use super::stage::STREAM;

/// Puts all of it and waits for the outcomes.
pub(super) async fn feed(
    local: &InProcess,
    load: &Load,
    seed: u64,
    ledger: &Ledger,
) -> Result<(), TrialError> {
    let config = ProducerConfig::builder().seed(seed).build()?;
    let producer = Producer::new(&local.kinesis_config_as("producer"), config)?;
    put_and_wait(&producer, load, seed, ledger).await
}

/// The same over a socket, as fast as it goes, by somebody who keeps no books.
///
/// # Errors
/// [`TrialError`] for what cannot be put.
pub(super) async fn fill(local: &Local, load: &Load, seed: u64) -> Result<(), TrialError> {
    let config = ProducerConfig::builder()
        .seed(seed)
        .rate_limit(RateLimit::Unlimited)
        .build()?;
    let producer = Producer::from_client(local.kinesis_client(), config)?;
    put_and_wait(&producer, load, seed, &Ledger::new()).await
}

/// What [`fill`] has put, for the books of whoever reads it in another process.
pub(super) fn recall(load: &Load, seed: u64, ledger: &Ledger) -> Result<(), TrialError> {
    let mut events = Events::open(&load.source, seed)?;
    for number in 0..load.records {
        let (key, _) = events.next(number)?;
        ledger.books().found(key);
    }
    Ok(())
}

async fn put_and_wait(
    producer: &Producer,
    load: &Load,
    seed: u64,
    ledger: &Ledger,
) -> Result<(), TrialError> {
    let (tickets, awaited) = mpsc::channel(MOST_TICKETS);
    let putting = async {
        let put = put_all(producer, load, seed, ledger, tickets).await;
        // What a close could report the tickets tell one by one.
        let _ = producer.close().await;
        put
    };
    let (waited, put) = tokio::join!(biased; wait_for(awaited, ledger), putting);
    put.and(waited)
}

async fn put_all(
    producer: &Producer,
    load: &Load,
    seed: u64,
    ledger: &Ledger,
    tickets: mpsc::Sender<(u32, DeliveryTicket)>,
) -> Result<(), TrialError> {
    let stream = StreamName::new(STREAM).expect("invariant: the name is one");
    let mut events = Events::open(&load.source, seed)?;
    let interval = load
        .per_second
        .map(|rate| Duration::from_nanos(1_000_000_000 / rate.max(1)));
    let mut due = Instant::now();
    for number in 0..load.records {
        let (key, record) = events.next(number)?;
        if let Some(interval) = interval {
            // Timers are too coarse to wait for each.
            if due.saturating_duration_since(Instant::now()) > COARSENESS {
                sleep_until(due).await;
            }
            due += interval;
        }
        // Before it is put: whoever reads it finds it in the books.
        let now = ledger.now();
        let entered = ledger.books().put(key, now);
        let put = producer.put(&stream, record).await;
        let ticket = put.map_err(|source| TrialError::Put { number, source })?;
        ledger.tell();
        if tickets.send((entered, ticket)).await.is_err() {
            return Err(TrialError::Ended {
                what: "waiting for outcomes",
            });
        }
    }
    Ok(())
}

async fn wait_for(
    mut tickets: mpsc::Receiver<(u32, DeliveryTicket)>,
    ledger: &Ledger,
) -> Result<(), TrialError> {
    let told = |what| TrialError::Content { what };
    while let Some((number, ticket)) = tickets.recv().await {
        let delivery = ticket.await.map_err(|source| TrialError::Delivery {
            number,
            source: Box::new(source),
        })?;
        let shard = ShardId::new(delivery.shard_id().as_str()).map_err(|_| told("no shard's id"))?;
        let sequence_number =
            SequenceNumber::parse(delivery.sequence_number()).map_err(|_| told("no sequence number"))?;
        let position = Position::new(sequence_number, delivery.sub_sequence_number().unwrap_or(0));
        ledger
            .books()
            .placed(number, &LeaseKey::of_shard(&shard), position);
        ledger.tell();
    }
    Ok(())
}

/// Tickets that wait to be looked at.
const MOST_TICKETS: usize = 10_000;
const COARSENESS: Duration = Duration::from_millis(2);
