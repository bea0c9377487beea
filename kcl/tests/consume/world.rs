//! A stream, workers that write down what they see, and what puts records.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use kcl::{
    BoxError, Checkpointer, Consumer, ConsumerConfig, ConsumerHandle, HashKey, RecordBatch, RecordProcessor,
    RunError, RunSummary, ShardContext,
};
use kinesis_aggregation::{AggregateBuilder, AggregateLimits};
use kinesis_local::Local;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What was processed, over all processors, in the order of processing.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<Record>>>);

#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) shard: String,
    pub(super) position: kcl::Position,
    pub(super) key: String,
    pub(super) data: String,
}

impl Seen {
    pub(super) fn all(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn data(&self) -> Vec<String> {
        self.all().into_iter().map(|record| record.data).collect()
    }

    /// Waits until so many different data were seen.
    pub(super) async fn wait_for(&self, distinct: usize) {
        let enough = async {
            while self.data().into_iter().collect::<BTreeSet<_>>().len() < distinct {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = timeout(Duration::from_secs(30), enough).await;
        assert!(waited.is_ok(), "saw {} records of {distinct}", self.data().len());
    }
}

pub(super) struct Recorder {
    pub(super) shard: String,
    pub(super) seen: Seen,
    pub(super) checkpoints: bool,
}

impl RecordProcessor for Recorder {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for record in batch.records() {
            self.seen.0.lock().unwrap().push(Record {
                shard: self.shard.clone(),
                position: record.position().clone(),
                key: record.partition_key().unwrap_or_default().to_owned(),
                data: String::from_utf8(record.data().to_vec())?,
            });
        }
        if self.checkpoints {
            checkpointer.checkpoint().await?;
        }
        Ok(())
    }
}

pub(super) struct Running {
    pub(super) handle: ConsumerHandle,
    task: JoinSet<Result<RunSummary, RunError>>,
}

impl Running {
    pub(super) async fn stop(mut self) -> RunSummary {
        timeout(Duration::from_secs(10), self.handle.shutdown())
            .await
            .expect("a clean stop is bounded");
        self.task.join_next().await.unwrap().unwrap().unwrap()
    }

    /// As a crash: nothing is told to anybody.
    pub(super) async fn kill(mut self) {
        self.task.shutdown().await;
    }
}

pub(super) fn config(worker: &str) -> ConsumerConfig {
    ConsumerConfig::builder("app", "sales")
        .worker_id(worker)
        .failover(Duration::from_millis(1500))
        .scan_interval(Duration::from_millis(150))
        .idle_between_reads(Duration::from_millis(200))
        .start_timeout(Duration::from_secs(2))
        .build()
        .unwrap()
}

pub(super) fn start_with(local: &Local, worker: &str, seen: &Seen, checkpoints: bool) -> Running {
    let seen = seen.clone();
    let consumer = Consumer::builder(config(worker))
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(local.dynamodb_client())
        .build(move |shard: &ShardContext| Recorder {
            shard: shard.shard_id().to_string(),
            seen: seen.clone(),
            checkpoints,
        })
        .unwrap();
    let handle = consumer.handle();
    let mut task = JoinSet::new();
    task.spawn(consumer.run());
    Running { handle, task }
}

pub(super) fn start(local: &Local, worker: &str, seen: &Seen) -> Running {
    start_with(local, worker, seen, true)
}

pub(super) async fn put(local: &Local, data: impl IntoIterator<Item = String>) {
    let entries: Vec<_> = data
        .into_iter()
        .map(|data| {
            PutRecordsRequestEntry::builder()
                .partition_key(format!("key-{data}"))
                .data(Blob::new(data))
                .build()
                .unwrap()
        })
        .collect();
    let count = entries.len();
    let client = local.kinesis_client();
    let output = client
        .put_records()
        .stream_name("sales")
        .set_records(Some(entries))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (output.failed_record_count(), output.records().len()),
        (Some(0), count)
    );
}

/// Puts one aggregate that lands on the shard which owns `hash_key`.
pub(super) async fn put_aggregate(local: &Local, hash_key: u128, data: &[String]) {
    let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT);
    let key = HashKey::new(hash_key);
    for data in data {
        builder
            .try_push("inner", Some(key), key, data.as_bytes())
            .unwrap();
    }
    let sealed = builder.seal().unwrap();
    let client = local.kinesis_client();
    let put = client
        .put_record()
        .stream_name("sales")
        .partition_key("a")
        .explicit_hash_key(key.to_string());
    put.data(Blob::new(sealed.into_data().to_vec()))
        .send()
        .await
        .unwrap();
}

pub(super) fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

pub(super) async fn local(shards: u32) -> Local {
    let local = Local::start().await.unwrap();
    local.create_stream("sales", shards).await.unwrap();
    local
}
