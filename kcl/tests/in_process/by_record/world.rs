//! A stream of one shard in virtual time, a writer at a steady rate, and what the handlers did.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use kcl::{Consumer, ConsumerBuilder, ConsumerConfig, ReceivedRecord};
use kinesis_local::{InProcess, Latency};
use tokio::time::{Instant, sleep, timeout};

use crate::running::{MS, SECOND};

pub(crate) async fn local() -> InProcess {
    let local = InProcess::builder()
        .seed(7)
        .service_limits(true)
        .latency(Latency::service())
        .start()
        .unwrap();
    local.create_stream("sales", 1).await.unwrap();
    local
}

pub(crate) fn worker(local: &InProcess, name: &str) -> ConsumerBuilder {
    let config = ConsumerConfig::builder("app", "sales")
        .worker_id(name)
        .seed(7)
        .failover(4 * SECOND)
        .scan_interval(SECOND)
        .idle_between_reads(250 * MS)
        .prefetch_bytes(NonZeroUsize::new(8 << 20).unwrap())
        .build()
        .unwrap();
    Consumer::builder(config)
        .kinesis_client(aws_sdk_kinesis::Client::new(&local.kinesis_config_as(name)))
        .dynamodb_client(aws_sdk_dynamodb::Client::new(&local.dynamodb_config_as(name)))
}

/// Puts `numbers` at 1,000 records a second: each has its number, its key is the number modulo `keys`.
pub(crate) async fn put(local: &InProcess, numbers: std::ops::Range<u64>, keys: u64) {
    let client = aws_sdk_kinesis::Client::new(&local.kinesis_config_as("writer"));
    let mut next = Instant::now();
    let mut numbers = numbers.peekable();
    while numbers.peek().is_some() {
        let entries: Vec<_> = numbers
            .by_ref()
            .take(100)
            .map(|number| {
                let entry = PutRecordsRequestEntry::builder().partition_key(format!("key-{}", number % keys));
                entry.data(Blob::new(number.to_string())).build().unwrap()
            })
            .collect();
        let put = client
            .put_records()
            .stream_name("sales")
            .set_records(Some(entries));
        assert_eq!(put.send().await.unwrap().failed_record_count(), Some(0));
        next += 110 * MS;
        tokio::time::sleep_until(next).await;
    }
}

pub(crate) fn number(record: &ReceivedRecord) -> u64 {
    std::str::from_utf8(record.data()).unwrap().parse().unwrap()
}

/// What handlers did, in the order in which they ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    /// Each ending: number, key, by which worker, and the position.
    done: Vec<(u64, String, &'static str, kcl::Position)>,
    running: BTreeMap<String, u64>,
    most_running: usize,
    /// From the arrival in the service to the end, by the clock of the endpoint.
    lags: Vec<(Instant, Duration)>,
}

impl Ledger {
    /// A handler begins: no other one of its key may be at work.
    pub(crate) fn begin(&self, record: &ReceivedRecord, worker: &'static str) {
        let mut book = self.0.lock().unwrap();
        let key = format!("{worker} {}", record.partition_key().unwrap());
        let other = book.running.insert(key, number(record));
        assert_eq!(other, None, "two of one key at a time");
        book.most_running = book.most_running.max(book.running.len());
    }

    pub(crate) fn leave(&self, record: &ReceivedRecord, worker: &'static str) {
        let key = format!("{worker} {}", record.partition_key().unwrap());
        self.0.lock().unwrap().running.remove(&key);
    }

    pub(crate) fn done(&self, record: &ReceivedRecord, worker: &'static str, lag: Option<Duration>) {
        self.leave(record, worker);
        let mut book = self.0.lock().unwrap();
        let key = record.partition_key().unwrap().to_owned();
        let position = record.position().unwrap().clone();
        book.done.push((number(record), key, worker, position));
        if let Some(lag) = lag {
            book.lags.push((Instant::now(), lag));
        }
    }

    pub(crate) fn distinct(&self) -> BTreeSet<u64> {
        self.0.lock().unwrap().done.iter().map(|done| done.0).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().done.len()
    }

    pub(crate) fn running(&self) -> usize {
        self.0.lock().unwrap().running.len()
    }

    pub(crate) fn most_running(&self) -> usize {
        self.0.lock().unwrap().most_running
    }

    pub(crate) fn lags(&self) -> Vec<(Instant, Duration)> {
        self.0.lock().unwrap().lags.clone()
    }

    /// How often each number came, where it was more than once.
    pub(crate) fn repeated(&self) -> BTreeMap<u64, usize> {
        let mut times = BTreeMap::new();
        for done in &self.0.lock().unwrap().done {
            *times.entry(done.0).or_insert(0) += 1;
        }
        times.retain(|_, times| *times > 1);
        times
    }

    /// The positions at which a worker's handlers ended.
    pub(crate) fn positions(&self, worker: &str) -> Vec<(u64, kcl::Position)> {
        let book = self.0.lock().unwrap();
        let own = book.done.iter().filter(|done| done.2 == worker);
        own.map(|done| (done.0, done.3.clone())).collect()
    }

    /// Each key's first endings are in the order of its records.
    pub(crate) fn check_order(&self) {
        let mut seen: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for (number, key, ..) in &self.0.lock().unwrap().done {
            let seen = seen.entry(key.clone()).or_default();
            let newest = seen.last().copied();
            if !seen.contains(number) {
                assert!(
                    newest < Some(*number),
                    "{key}: {number} for the first time after {newest:?}"
                );
            }
            seen.insert(*number);
        }
    }

    pub(crate) async fn wait_for(&self, distinct: usize) {
        let enough = async {
            while self.distinct().len() < distinct {
                sleep(50 * MS).await;
            }
        };
        let waited = timeout(600 * SECOND, enough).await;
        assert!(
            waited.is_ok(),
            "saw {} records of {distinct}",
            self.distinct().len()
        );
    }
}
