//! The consumer and its floor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::types::ShardIteratorType;
use futures::future::try_join_all;
use kcl::{
    Checkpointer, Consumer, ConsumerConfig, InitialPosition, RecordBatch, RecordProcessor, ShardContext,
};
use md5::{Digest, Md5};

use crate::BoxError;
use crate::case::Case;
use crate::meter::Figures;
use crate::producer::client;
use crate::shapes::Recorder;
use crate::workload::Events;

/// What the processors of all shards saw.
#[derive(Debug, Default)]
struct Seen {
    records: AtomicU64,
    bytes: AtomicU64,
    enough: tokio::sync::Notify,
}

/// Counts and checkpoints each batch.
#[derive(Debug)]
struct Counter {
    seen: Arc<Seen>,
    wanted: u64,
}

impl RecordProcessor for Counter {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        let bytes: usize = batch.records().iter().map(|record| record.data().len()).sum();
        self.seen.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let count = batch.records().len() as u64;
        if self.seen.records.fetch_add(count, Ordering::Relaxed) + count >= self.wanted {
            self.seen.enough.notify_one();
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

/// Reads the stream through kcl, one worker, until every record was seen.
pub(crate) async fn ours(case: &Case) -> Result<Figures, BoxError> {
    let recorder = Recorder::default();
    let workload = case.workload();
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
            .endpoint_url(&case.dynamodb)
            .build(),
    );
    let config = ConsumerConfig::builder(&case.application, &case.stream)
        .initial_position(InitialPosition::TrimHorizon)
        .build()?;
    let seen = Arc::new(Seen::default());
    let wanted = workload.records as u64;
    let factory = {
        let seen = Arc::clone(&seen);
        move |_: &ShardContext| Counter {
            seen: Arc::clone(&seen),
            wanted,
        }
    };
    let consumer = Consumer::builder(config)
        .kinesis_client(client(&case.kinesis, Some(&recorder)))
        .dynamodb_client(dynamodb)
        .build(factory)?;

    let started = Instant::now();
    let done = {
        let seen = Arc::clone(&seen);
        async move { seen.enough.notified().await }
    };
    tokio::time::timeout(LIMIT, consumer.run_until(done)).await??;

    let mut figures = Figures::of_this_process(started.elapsed())?;
    figures.records = seen.records.load(Ordering::Relaxed);
    figures.bytes = seen.bytes.load(Ordering::Relaxed);
    figures.requests = recorder.shapes().gets;
    Ok(figures)
}

/// Reads the same Kinesis records by the bare client, and computes the MD5 sums: one for each aggregate, one for
/// each key.
pub(crate) async fn floor(case: &Case) -> Result<Figures, BoxError> {
    let client = client(&case.kinesis, None);
    let workload = case.workload();
    let listed = client.list_shards().stream_name(&case.stream).send().await?;

    let started = Instant::now();
    let shards = listed.shards();
    let share = workload.records.div_ceil(shards.len().max(1));
    let read = try_join_all(
        shards
            .iter()
            .map(|shard| read_shard(&client, case, shard.shard_id(), share)),
    )
    .await?;

    let mut figures = Figures::of_this_process(started.elapsed())?;
    figures.records = workload.records as u64;
    figures.bytes = (workload.records * workload.size) as u64;
    figures.requests = read.iter().map(|(calls, _)| calls).sum();
    figures.kinesis_records = read.iter().map(|(_, records)| records).sum();
    Ok(figures)
}

/// Reads one shard to its tip; the number of calls and of records.
async fn read_shard(
    client: &aws_sdk_kinesis::Client,
    case: &Case,
    shard: &str,
    keys: usize,
) -> Result<(u64, u64), BoxError> {
    let mut events = Events::new(1, 11);
    for _ in 0..keys {
        std::hint::black_box(Md5::digest(events.key().as_bytes()));
    }
    let mut iterator = client
        .get_shard_iterator()
        .stream_name(&case.stream)
        .shard_id(shard)
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await?
        .shard_iterator;
    let (mut calls, mut records) = (0, 0);
    while let Some(at) = iterator.take() {
        let page = client.get_records().shard_iterator(at).limit(PAGE).send().await?;
        calls += 1;
        records += page.records().len() as u64;
        for record in page.records() {
            std::hint::black_box(Md5::digest(record.data().as_ref()));
        }
        // The stream is at rest: an empty page is the tip.
        if !page.records().is_empty() {
            iterator = page.next_shard_iterator;
        }
    }
    Ok((calls, records))
}

/// A run that takes longer is a failure.
const LIMIT: Duration = Duration::from_secs(120);
/// Source: the API's own default and maximum.
const PAGE: i32 = 10_000;
