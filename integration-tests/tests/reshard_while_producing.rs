//! A stream is split and merged while a producer writes and two workers read: nothing lost, nothing twice, each key in
//! the order in which it was put.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::{BoxError, Checkpointer, Consumer, ConsumerConfig, RecordBatch, RecordProcessor, ShardContext};
use kinesis_local::Local;
use kpl::{Producer, ProducerConfig, Record, StreamName};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const KEYS: usize = 61;
const RECORDS: usize = 12_000;
const LIMIT: Duration = Duration::from_secs(60);

/// What the processors of all workers saw: per key the numbers, in the order of processing.
#[derive(Debug, Default)]
struct Ledger {
    seen: Mutex<HashMap<String, Vec<usize>>>,
    changed: Notify,
}

impl Ledger {
    fn count(&self) -> usize {
        self.seen.lock().unwrap().values().map(Vec::len).sum()
    }

    async fn wait_for(&self, records: usize) {
        loop {
            let changed = self.changed.notified();
            if self.count() >= records {
                return;
            }
            changed.await;
        }
    }
}

#[derive(Debug)]
struct Scribe(Arc<Ledger>);

impl RecordProcessor for Scribe {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for record in batch.records() {
            let number = std::str::from_utf8(record.data())?.parse()?;
            let key = record.partition_key().ok_or("a record without key")?.to_owned();
            self.0.seen.lock().unwrap().entry(key).or_default().push(number);
        }
        checkpointer.checkpoint().await?;
        self.0.changed.notify_waiters();
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_and_a_merge_lose_nothing_and_keep_each_key_in_order() {
    let local = Local::start().await.unwrap();
    local.create_stream("sales", 2).await.unwrap();
    let ledger = Arc::new(Ledger::default());
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for name in ["one", "two"] {
        let config = ConsumerConfig::builder("reshard", "sales")
            .worker_id(name)
            .failover(Duration::from_secs(5))
            .idle_between_reads(Duration::from_millis(200))
            .build()
            .unwrap();
        let ledger = Arc::clone(&ledger);
        let consumer = Consumer::builder(config)
            .kinesis_client(local.kinesis_client())
            .dynamodb_client(local.dynamodb_client())
            .build(move |_: &ShardContext| Scribe(Arc::clone(&ledger)))
            .unwrap();
        workers.spawn(consumer.run_until(stop.clone().cancelled_owned()));
    }

    let producer = Producer::new(
        &local.kinesis_config(),
        ProducerConfig::builder()
            .linger(Duration::from_millis(10))
            .build()
            .unwrap(),
    )
    .unwrap();
    let sales = StreamName::new("sales").unwrap();
    let mut tickets = Vec::with_capacity(RECORDS);
    for number in 0..RECORDS {
        let record = Record::new(format!("key-{}", number % KEYS), number.to_string()).unwrap();
        tickets.push(producer.put(&sales, record).await.unwrap());
        match number {
            // Waited for, so that records of before and of after meet on both sides of each change.
            n if n == RECORDS / 3 => split_first_shard(&local).await,
            n if n == RECORDS * 2 / 3 => merge_newest_shards(&local).await,
            n if n % 500 == 0 => producer.flush().await.unwrap(),
            _ => {}
        }
    }
    producer.close().await.unwrap();
    for ticket in tickets {
        ticket.await.unwrap();
    }

    timeout(LIMIT, ledger.wait_for(RECORDS))
        .await
        .expect("every record is processed");
    stop.cancel();
    while let Some(ended) = workers.join_next().await {
        ended.unwrap().unwrap();
    }

    let seen = ledger.seen.lock().unwrap();
    assert_eq!(seen.len(), KEYS);
    for (key, numbers) in seen.iter() {
        let first: usize = key.strip_prefix("key-").unwrap().parse().unwrap();
        let put: Vec<usize> = (first..RECORDS).step_by(KEYS).collect();
        assert_eq!(numbers, &put, "{key}");
    }
}

async fn split_first_shard(local: &Local) {
    let client = local.kinesis_client();
    let shards = client.list_shards().stream_name("sales").send().await.unwrap();
    let shard = &shards.shards()[0];
    let range = shard.hash_key_range().unwrap();
    let end: u128 = range.ending_hash_key().parse().unwrap();
    client
        .split_shard()
        .stream_name("sales")
        .shard_to_split(shard.shard_id())
        .new_starting_hash_key((end / 2).to_string())
        .send()
        .await
        .unwrap();
    wait_active(local).await;
}

async fn merge_newest_shards(local: &Local) {
    let client = local.kinesis_client();
    let shards = client.list_shards().stream_name("sales").send().await.unwrap();
    let newest: Vec<&str> = shards
        .shards()
        .iter()
        .rev()
        .take(2)
        .map(|shard| shard.shard_id())
        .collect();
    client
        .merge_shards()
        .stream_name("sales")
        .shard_to_merge(newest[1])
        .adjacent_shard_to_merge(newest[0])
        .send()
        .await
        .unwrap();
    wait_active(local).await;
}

async fn wait_active(local: &Local) {
    let active = async {
        loop {
            let summary = local
                .kinesis_client()
                .describe_stream_summary()
                .stream_name("sales")
                .send()
                .await
                .unwrap();
            if summary
                .stream_description_summary()
                .unwrap()
                .stream_status()
                .as_str()
                == "ACTIVE"
            {
                return;
            }
        }
    };
    timeout(LIMIT, active).await.expect("the change is made");
}
