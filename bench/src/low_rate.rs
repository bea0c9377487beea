//! A trickle: how long a record waits for its outcome when there is nothing to hurry for, and what idling costs.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kpl::{Producer, ProducerConfig, Record, StreamName};
use tokio::time::MissedTickBehavior;

use crate::BoxError;
use crate::case::Case;
use crate::meter::Figures;
use crate::producer::client;
use crate::workload::Events;

/// Puts the workload at [`RATE`], with the producer's defaults.
pub(crate) async fn ours(case: &Case) -> Result<Figures, BoxError> {
    let workload = case.workload();
    let producer = Producer::from_client(client(&case.kinesis, None), ProducerConfig::default())?;
    let stream = producer.stream(&StreamName::new(case.stream.as_str())?);
    let mut events = Events::new(workload.size, SEED);
    // Contact is made once in the life of a producer.
    stream
        .put(Record::new(events.key(), events.data())?)
        .await?
        .await?;

    let started = Instant::now();
    let mut waits = Vec::with_capacity(workload.records);
    let mut pending = FuturesUnordered::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut left = workload.records;
    while left > 0 || !pending.is_empty() {
        tokio::select! {
            _ = ticks.tick(), if left > 0 => {
                left -= 1;
                let record = Record::new(events.key(), events.data())?;
                let put = Instant::now();
                let ticket = stream.put(record).await?;
                pending.push(async move { ticket.await.map(|_| put.elapsed()) });
            }
            Some(wait) = pending.next() => waits.push(wait?),
        }
    }
    producer.close().await?;

    waits.sort();
    let mut figures = Figures::of_this_process(started.elapsed())?;
    figures.records = workload.records as u64;
    figures.bytes = (workload.records * workload.size) as u64;
    figures.p50_ms = percentile(&waits, 50);
    figures.p99_ms = percentile(&waits, 99);
    Ok(figures)
}

/// Milliseconds that so many of a hundred did not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted
        .get(place)
        .map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
}

/// Records in a second.
pub(crate) const RATE: u32 = 200;
/// The producer's linger: what a record may wait by design.
pub(crate) const LINGER_MS: f64 = 100.0;
const SEED: u64 = 17;
