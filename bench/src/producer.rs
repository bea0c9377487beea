//! The producer and its floor.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Intercept, Region};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use aws_sdk_kinesis::{Client, Config};
use futures::{StreamExt, stream};
use kpl::{Aggregation, Delivery, Producer, ProducerConfig, RateLimit, Record, StreamName};
use md5::{Digest, Md5};

use crate::BoxError;
use crate::case::Case;
use crate::meter::Figures;
use crate::shapes::{Recorder, Shapes};
use crate::workload::Events;

/// The client of every case: static credentials, no retries of its own.
pub(crate) fn client(endpoint: &str, recorder: Option<&Recorder>) -> Client {
    client_with(endpoint, recorder.cloned())
}

/// The same with somebody who looks at each request.
pub(crate) fn client_with(endpoint: &str, witness: Option<impl Intercept + 'static>) -> Client {
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint);
    if let Some(witness) = witness {
        config = config.interceptor(witness);
    }
    Client::from_conf(config.build())
}

/// What becomes of the tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tickets {
    Awaited,
    Dropped,
}

/// Puts the workload through kpl, record by record; awaits every ticket, or none.
pub(crate) async fn ours(case: &Case, fate: Tickets) -> Result<Figures, BoxError> {
    let recorder = Recorder::default();
    let workload = case.workload();
    let producer = producer(case, &recorder, Aggregation::Enabled)?;
    let stream = producer.stream(&StreamName::new(case.stream.as_str())?);
    let mut events = Events::new(workload.size, SEED);

    let started = Instant::now();
    let mut tickets = VecDeque::with_capacity(WINDOW);
    for _ in 0..workload.records {
        let ticket = stream.put(Record::new(events.key(), events.data())?).await?;
        if fate == Tickets::Dropped {
            drop(ticket);
            continue;
        }
        tickets.push_back(ticket);
        if tickets.len() == WINDOW {
            // Oldest first: most are done when their turn comes.
            for ticket in tickets.drain(..WINDOW / 2) {
                look_at(&ticket.await?);
            }
        }
    }
    producer.flush().await?;
    for ticket in tickets {
        look_at(&ticket.await?);
    }
    producer.close().await?;
    finish(case, &recorder, started)
}

/// Puts the workload through kpl as one stream, and looks at every outcome.
pub(crate) async fn put_all(case: &Case) -> Result<Figures, BoxError> {
    put_as_stream(case, Aggregation::Enabled).await
}

/// Puts the workload one Kinesis record per user record, for consumers to read.
pub(crate) async fn plain(case: &Case) -> Result<Figures, BoxError> {
    put_as_stream(case, Aggregation::Disabled).await
}

async fn put_as_stream(case: &Case, aggregation: Aggregation) -> Result<Figures, BoxError> {
    let recorder = Recorder::default();
    let workload = case.workload();
    let producer = producer(case, &recorder, aggregation)?;
    let orders = producer.stream(&StreamName::new(case.stream.as_str())?);
    let mut events = Events::new(workload.size, SEED);

    let started = Instant::now();
    let records = (0..workload.records).filter_map(move |_| Record::new(events.key(), events.data()).ok());
    let mut outcomes = orders.put_all(stream::iter(records));
    while let Some(outcome) = outcomes.next().await {
        look_at(&outcome?);
    }
    drop(outcomes);
    producer.close().await?;
    finish(case, &recorder, started)
}

/// The endpoint has no limits; what a limiter waits for is not what this measures.
fn producer(case: &Case, recorder: &Recorder, aggregation: Aggregation) -> Result<Producer, BoxError> {
    let config = ProducerConfig::builder()
        .rate_limit(RateLimit::Unlimited)
        .aggregation(aggregation)
        .build()?;
    Ok(Producer::from_client(
        client(&case.kinesis, Some(recorder)),
        config,
    )?)
}

/// As a caller would.
fn look_at(delivery: &Delivery) {
    std::hint::black_box(delivery.sequence_number());
}

fn finish(case: &Case, recorder: &Recorder, started: Instant) -> Result<Figures, BoxError> {
    let workload = case.workload();
    let mut figures = Figures::of_this_process(started.elapsed())?;
    let shapes = recorder.shapes();
    shapes.save(&case.shapes)?;
    figures.records = workload.records as u64;
    figures.bytes = (workload.records * workload.size) as u64;
    figures.kinesis_records = shapes.puts.iter().map(|entries| entries.len() as u64).sum();
    figures.requests = shapes.puts.len() as u64;
    Ok(figures)
}

/// The same requests by the bare client, and the MD5 sums: one for each key, one for each aggregate.
pub(crate) async fn floor(case: &Case) -> Result<Figures, BoxError> {
    let client = Arc::new(client(&case.kinesis, None));
    let workload = case.workload();
    let shapes = Shapes::load(&case.shapes)?;
    let largest = shapes.puts.iter().flatten().copied().max().unwrap_or_default();
    let mut events = Events::new(largest.max(workload.size), SEED);
    let requests = shapes.puts.len();
    let entries: usize = shapes.puts.iter().map(Vec::len).sum();
    let keys_per_request = workload.records.div_ceil(requests.max(1));

    let started = Instant::now();
    let sends = shapes.puts.into_iter().map(|sizes| {
        for _ in 0..keys_per_request {
            std::hint::black_box(Md5::digest(events.key().as_bytes()));
        }
        let records = sizes
            .into_iter()
            .map(|size| {
                let data = events.slice(size);
                let digest: [u8; 16] = Md5::digest(&data).into();
                PutRecordsRequestEntry::builder()
                    .partition_key("a")
                    .explicit_hash_key(u128::from_be_bytes(digest).to_string())
                    .data(Blob::from_maybe_shared(data))
                    .build()
            })
            .collect::<Result<Vec<_>, _>>();
        let call = client.put_records().stream_name(&case.stream);
        async move {
            let reply = call.set_records(Some(records?)).send().await?;
            if reply.failed_record_count().unwrap_or_default() > 0 {
                return Err(BoxError::from("the endpoint refused a record of the floor"));
            }
            Ok(())
        }
    });
    let mut replies = stream::iter(sends).buffer_unordered(CONCURRENCY);
    while let Some(reply) = replies.next().await {
        reply?;
    }

    let mut figures = Figures::of_this_process(started.elapsed())?;
    figures.records = workload.records as u64;
    figures.bytes = (workload.records * workload.size) as u64;
    figures.kinesis_records = entries as u64;
    figures.requests = requests as u64;
    Ok(figures)
}

const SEED: u64 = 7;
/// Tickets kept before the oldest are awaited.
const WINDOW: usize = 16_384;
/// Requests of the floor in flight: as many as the stream has shards.
const CONCURRENCY: usize = 4;
