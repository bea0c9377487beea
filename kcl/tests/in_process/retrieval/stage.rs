//! A stream, a worker, and what it saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use kcl::{
    BoxError, Checkpointer, Consumer, ConsumerConfig, ConsumerConfigBuilder, ReadBudget, RecordBatch,
    RecordProcessor, ShardContext,
};
use kinesis_local::{InProcess, Latency};
use tokio::time::{Instant, sleep};

use crate::running::{Running, SECOND};

/// With the service's limits and latencies.
pub(crate) async fn endpoint(shards: u32) -> InProcess {
    let local = InProcess::builder()
        .service_limits(true)
        .latency(Latency::service())
        .start()
        .unwrap();
    local.create_stream("sales", shards).await.unwrap();
    local
}

pub(crate) fn config() -> ConsumerConfigBuilder {
    ConsumerConfig::builder("app", "sales").worker_id("w1").seed(7)
}

/// Numbers under keys, in the order in which they were processed, and when each batch came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    numbers: BTreeMap<String, Vec<usize>>,
    records: usize,
    batches: Vec<(Instant, usize)>,
}

impl Seen {
    fn note(&self, batch: &RecordBatch) -> Result<(), BoxError> {
        let mut book = self.0.lock().unwrap();
        for record in batch.records() {
            let key = record.partition_key().ok_or("a record without key")?.to_owned();
            let number = std::str::from_utf8(record.data())?.trim_end().parse()?;
            book.numbers.entry(key).or_default().push(number);
        }
        book.records += batch.len();
        book.batches.push((Instant::now(), batch.len()));
        Ok(())
    }

    pub(crate) fn records(&self) -> usize {
        self.0.lock().unwrap().records
    }

    pub(crate) fn batches(&self) -> Vec<(Instant, usize)> {
        self.0.lock().unwrap().batches.clone()
    }

    pub(crate) async fn wait_for(&self, records: usize) {
        let began = Instant::now();
        while self.records() < records {
            assert!(
                began.elapsed() < SECOND * 3_600,
                "saw {} of {records}",
                self.records()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Each key has its numbers from 0, in order, each once.
    pub(crate) fn check(&self, keys: usize, of_each: usize) {
        let book = self.0.lock().unwrap();
        assert_eq!(book.numbers.len(), keys);
        for (key, numbers) in &book.numbers {
            assert!(numbers.iter().copied().eq(0..of_each), "{key}: {numbers:?}");
        }
    }
}

/// Takes its time over each batch, and checkpoints it.
pub(crate) struct Taker {
    pub(crate) seen: Seen,
    pub(crate) takes: Duration,
}

impl RecordProcessor for Taker {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        sleep(self.takes).await;
        self.seen.note(&batch)?;
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

pub(crate) fn start<P: RecordProcessor>(
    local: &InProcess,
    config: ConsumerConfigBuilder,
    budget: Option<&ReadBudget>,
    make: impl Fn() -> P + Send + Sync + 'static,
) -> Running {
    let mut builder = Consumer::builder(config.build().unwrap())
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(local.dynamodb_client());
    if let Some(budget) = budget {
        builder = builder.read_budget(budget.clone());
    }
    Running::of(builder.build(move |_: &ShardContext| make()).unwrap())
}

/// A worker that takes no time over its batches.
pub(crate) fn quick(local: &InProcess, config: ConsumerConfigBuilder, seen: &Seen) -> Running {
    let seen = seen.clone();
    start(local, config, None, move || Taker {
        seen: seen.clone(),
        takes: Duration::ZERO,
    })
}

/// Puts the numbers `from..to` under each of so many keys.
pub(crate) async fn put(local: &InProcess, keys: usize, numbers: std::ops::Range<usize>) {
    put_sized(local, keys, numbers, 0).await;
}

/// The same, each record filled up to a size.
pub(crate) async fn put_sized(local: &InProcess, keys: usize, numbers: std::ops::Range<usize>, size: usize) {
    let client = local.kinesis_client();
    for number in numbers {
        let mut left: Vec<_> = (0..keys)
            .map(|key| {
                PutRecordsRequestEntry::builder()
                    .partition_key(format!("key-{key}"))
                    .data(Blob::new(format!("{number:<size$}")))
                    .build()
                    .unwrap()
            })
            .collect();
        while !left.is_empty() {
            let put = client
                .put_records()
                .stream_name("sales")
                .set_records(Some(left.clone()));
            let output = put.send().await.unwrap();
            let refused = output
                .records()
                .iter()
                .map(|result| result.error_code().is_some());
            left = left
                .into_iter()
                .zip(refused)
                .filter_map(|(entry, refused)| refused.then_some(entry))
                .collect();
            sleep(Duration::from_millis(if left.is_empty() { 0 } else { 500 })).await;
        }
    }
}

/// Calls of an operation that the endpoint answered so.
pub(crate) fn calls(local: &InProcess, operation: &str, answer: &str) -> usize {
    let history = local.history().to_string();
    let is_one = |line: &&str| line.contains(operation) && line.contains(answer);
    history.lines().filter(is_one).count()
}
