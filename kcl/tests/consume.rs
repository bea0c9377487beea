//! The consumer against a Kinesis and a DynamoDB inside this process: real requests, real tables.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use kcl::{
    BoxError, Checkpoint, Checkpointer, Consumer, ConsumerConfig, ConsumerHandle, DynamoDbLeaseStore,
    HashKey, LeaseStore, RecordBatch, RecordProcessor, RunError, RunSummary, ShardContext,
};
use kinesis_aggregation::{AggregateBuilder, AggregateLimits};
use kinesis_local::Local;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// What was processed, over all processors, in the order of processing.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Vec<Record>>>);

#[derive(Debug, Clone)]
struct Record {
    shard: String,
    position: kcl::Position,
    key: String,
    data: String,
}

impl Seen {
    fn all(&self) -> Vec<Record> {
        self.0.lock().unwrap().clone()
    }

    fn data(&self) -> Vec<String> {
        self.all().into_iter().map(|record| record.data).collect()
    }

    /// Waits until so many different data were seen.
    async fn wait_for(&self, distinct: usize) {
        let enough = async {
            while self.data().into_iter().collect::<BTreeSet<_>>().len() < distinct {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = timeout(Duration::from_secs(30), enough).await;
        assert!(waited.is_ok(), "saw {} records of {distinct}", self.data().len());
    }
}

struct Recorder {
    shard: String,
    seen: Seen,
    checkpoints: bool,
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

struct Running {
    handle: ConsumerHandle,
    task: JoinSet<Result<RunSummary, RunError>>,
}

impl Running {
    async fn stop(mut self) -> RunSummary {
        timeout(Duration::from_secs(10), self.handle.shutdown())
            .await
            .expect("a clean stop is bounded");
        self.task.join_next().await.unwrap().unwrap().unwrap()
    }

    /// As a crash: nothing is told to anybody.
    async fn kill(mut self) {
        self.task.shutdown().await;
    }
}

fn config(worker: &str) -> ConsumerConfig {
    ConsumerConfig::builder("app", "sales")
        .worker_id(worker)
        .failover(Duration::from_millis(1500))
        .scan_interval(Duration::from_millis(150))
        .idle_between_reads(Duration::from_millis(200))
        .start_timeout(Duration::from_secs(2))
        .build()
        .unwrap()
}

fn start_with(local: &Local, worker: &str, seen: &Seen, checkpoints: bool) -> Running {
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

fn start(local: &Local, worker: &str, seen: &Seen) -> Running {
    start_with(local, worker, seen, true)
}

async fn put(local: &Local, data: impl IntoIterator<Item = String>) {
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
async fn put_aggregate(local: &Local, hash_key: u128, data: &[String]) {
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

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

async fn local(shards: u32) -> Local {
    let local = Local::start().await.unwrap();
    local.create_stream("sales", shards).await.unwrap();
    local
}

fn in_order_within_shards(records: &[Record]) {
    let mut last: BTreeMap<&str, &kcl::Position> = BTreeMap::new();
    for record in records {
        let before = last.insert(&record.shard, &record.position);
        assert!(before < Some(&record.position), "{record:?} after {before:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_and_aggregated_records_of_four_shards_come_once_and_in_order() {
    let local = local(4).await;
    put(&local, numbered("plain-", 200)).await;
    for n in 0..8_u128 {
        put_aggregate(&local, n << 125, &numbered(&format!("inner-{n}-"), 25)).await;
    }
    let seen = Seen::default();
    let began = Instant::now();
    let worker = start(&local, "w1", &seen);
    seen.wait_for(400).await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "took {:?}",
        began.elapsed()
    );
    assert_eq!(worker.handle.leases_held(), 4);
    let summary = worker.stop().await;

    let records = seen.all();
    assert_eq!(records.len(), 400, "nothing twice");
    assert_eq!(summary.records(), 400);
    in_order_within_shards(&records);
    assert_eq!(
        records
            .iter()
            .map(|record| &record.shard)
            .collect::<BTreeSet<_>>()
            .len(),
        4
    );
    let of_aggregates: Vec<_> = records.iter().filter(|record| record.key == "inner").collect();
    assert_eq!(of_aggregates.len(), 200);
    assert!(
        of_aggregates
            .iter()
            .any(|record| record.position.sub_sequence_number() == 24)
    );

    let store = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
    for lease in store.list().await.unwrap().leases {
        assert_eq!(lease.owner, None, "a clean stop gives {} up", lease.key);
        assert!(matches!(lease.checkpoint, Checkpoint::At(_)), "{lease:?}");
        assert!(lease.hash_range.is_some());
    }
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_is_followed_parents_first() {
    let local = local(1).await;
    put(&local, numbered("before-", 300)).await;
    let client = local.kinesis_client();
    let middle = (u128::MAX / 2).to_string();
    let split = client
        .split_shard()
        .stream_name("sales")
        .shard_to_split("shardId-000000000000");
    split.new_starting_hash_key(middle).send().await.unwrap();
    let wait = async {
        while client
            .list_shards()
            .stream_name("sales")
            .send()
            .await
            .unwrap()
            .shards()
            .len()
            < 3
        {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), wait).await.unwrap();
    put(&local, numbered("after-", 300)).await;

    let seen = Seen::default();
    let worker = start(&local, "w1", &seen);
    seen.wait_for(600).await;
    let summary = worker.stop().await;

    let records = seen.all();
    assert_eq!(records.len(), 600, "nothing twice");
    in_order_within_shards(&records);
    let parent = "shardId-000000000000";
    let last_of_parent = records.iter().rposition(|record| record.shard == parent).unwrap();
    let first_of_children = records.iter().position(|record| record.shard != parent).unwrap();
    assert!(
        last_of_parent < first_of_children,
        "a child ran ahead of its parent"
    );
    assert_eq!(summary.shards_finished(), 1);

    let store = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
    let leases = store.list().await.unwrap().leases;
    let finished: Vec<_> = leases.iter().filter(|lease| lease.is_finished()).collect();
    assert_eq!(leases.len(), 3);
    assert_eq!(finished.len(), 1);
    assert_eq!(finished[0].key.as_str(), parent);
    assert_eq!(finished[0].children.len(), 2);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_goes_on_after_its_checkpoint() {
    let local = local(2).await;
    put(&local, numbered("first-", 100)).await;
    let before = Seen::default();
    let worker = start(&local, "w1", &before);
    before.wait_for(100).await;
    // The last batch may be processed and not checkpointed yet.
    let store = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
    let last = |shard: &str| {
        before
            .all()
            .into_iter()
            .filter(|r| r.shard == shard)
            .map(|r| r.position)
            .max()
    };
    let checkpointed = async {
        loop {
            let leases = store.list().await.unwrap().leases;
            if leases
                .iter()
                .all(|lease| lease.checkpoint.position() == last(lease.key.as_str()).as_ref())
            {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), checkpointed).await.unwrap();
    worker.kill().await;

    put(&local, numbered("second-", 100)).await;
    let after = Seen::default();
    // The same name gets its leases back without waiting for them to expire.
    let began = Instant::now();
    let worker = start(&local, "w1", &after);
    after.wait_for(100).await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "took {:?}",
        began.elapsed()
    );
    worker.stop().await;
    let data = after.data();
    assert!(
        data.iter().all(|data| data.starts_with("second-")),
        "something came again"
    );
    assert_eq!(data.len(), 100);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_checkpointed_comes_again_after_a_kill_on_another_worker() {
    let local = local(2).await;
    put(&local, numbered("r-", 100)).await;
    let before = Seen::default();
    let worker = start_with(&local, "w1", &before, false);
    before.wait_for(100).await;
    worker.kill().await;
    let after = Seen::default();
    let worker = start(&local, "w2", &after);
    after.wait_for(100).await;
    worker.stop().await;
    assert_eq!(after.data().len(), 100);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_worker_takes_its_half_without_repeating_a_record() {
    let local = local(4).await;
    let seen = Seen::default();
    let one = start(&local, "w1", &seen);
    put(&local, numbered("a-", 100)).await;
    seen.wait_for(100).await;
    let two = start(&local, "w2", &seen);
    let halves = async {
        let mut round = 0;
        while (one.handle.leases_held(), two.handle.leases_held()) != (2, 2) {
            put(&local, numbered(&format!("during-{round}-"), 10)).await;
            round += 1;
            sleep(Duration::from_millis(100)).await;
        }
        round
    };
    let rounds = timeout(Duration::from_secs(20), halves)
        .await
        .expect("four shards, two each");
    put(&local, numbered("b-", 100)).await;
    let total = 200 + rounds * 10;
    seen.wait_for(total).await;
    one.stop().await;
    put(&local, numbered("c-", 100)).await;
    seen.wait_for(total + 100).await;
    two.stop().await;
    assert_eq!(seen.data().len(), total + 100, "a graceful move repeats nothing");
    local.stop().await;
}

fn endless(local: &Local) -> kcl::ConsumerBuilder {
    Consumer::builder(config("w1")).dynamodb_client(local.dynamodb_client())
}

async fn ends_with(builder: kcl::ConsumerBuilder) -> RunError {
    let seen = Seen::default();
    let consumer = builder
        .build(move |shard: &ShardContext| Recorder {
            shard: shard.shard_id().to_string(),
            seen: seen.clone(),
            checkpoints: true,
        })
        .unwrap();
    let ended = timeout(Duration::from_secs(15), consumer.run()).await;
    ended.expect("a start that cannot succeed ends").unwrap_err()
}

#[tokio::test]
async fn a_missing_stream_is_named() {
    let local = Local::start().await.unwrap();
    let error = ends_with(endless(&local).kinesis_client(local.kinesis_client())).await;
    assert!(matches!(error, RunError::StreamMissing { .. }), "{error:?}");
    assert_eq!(error.to_string(), "stream `sales` does not exist");
    local.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_named() {
    let local = local(1).await;
    let nowhere = local
        .kinesis_config()
        .to_builder()
        .endpoint_url("http://127.0.0.1:9")
        .build();
    let error = ends_with(endless(&local).kinesis_client(aws_sdk_kinesis::Client::new(&nowhere))).await;
    assert!(matches!(error, RunError::Unreachable { .. }), "{error:?}");

    let nowhere = aws_sdk_dynamodb::Client::new(&nowhere);
    let builder = Consumer::builder(config("w1"))
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(nowhere);
    let error = ends_with(builder).await;
    assert!(
        matches!(&error, RunError::LeaseTable { table, .. } if table == "app"),
        "{error:?}"
    );
    local.stop().await;
}

#[tokio::test]
async fn missing_credentials_are_named() {
    let local = local(1).await;
    let bare = aws_types::SdkConfig::builder()
        .behavior_version(aws_sdk_kinesis::config::BehaviorVersion::v2026_01_12())
        .region(local.kinesis_config().region().cloned())
        .endpoint_url(local.kinesis_url())
        .build();
    let error = ends_with(endless(&local).kinesis_client(aws_sdk_kinesis::Client::new(&bare))).await;
    assert!(matches!(error, RunError::NoCredentials { .. }), "{error:?}");
    local.stop().await;
}
