//! One hour of a 16-shard stream, in virtual time and without a socket: a producer, two workers, faults, a split and a
//! merge. Every record arrives, each key in its order; and the same seed has the same hour, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::{BoxError, Checkpointer, Consumer, ConsumerConfig, RecordBatch, RecordProcessor, ShardContext};
use kinesis_local::{Fault, Faults, InProcess, Latency, Reshard};
use kpl::{Producer, ProducerConfig, Record, StreamName};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_secs(3_600);
const SHARDS: u32 = 16;
const KEYS: usize = 160;
const WORKERS: [&str; 2] = ["worker-1", "worker-2"];

/// What came of an hour.
#[derive(Debug)]
struct Hour {
    /// Per key how many records were put.
    put: BTreeMap<String, usize>,
    ledger: BTreeMap<String, Vec<(usize, &'static str)>>,
    history: String,
    took: Duration,
}

#[test]
fn an_hour_loses_nothing_keeps_each_key_in_order_and_repeats_itself() {
    // At the same time, so that neither can have anything from the other but the seed.
    let (hour, again) = both((7, HOUR), (7, HOUR));
    assert!(hour.took >= HOUR, "{:?}", hour.took);
    check(&hour);
    for what in [
        // Each fault struck, and both changes of shards were followed by writing and by reading.
        "PutRecords",
        "lost 200",
        "GetRecords stream=sales shard=shardId-000000000016",
        "GetRecords stream=sales shard=shardId-000000000018",
        "UpdateItem",
        "-> 400",
    ] {
        assert!(
            hour.history.lines().any(|line| line.contains(what)),
            "the hour has no {what}"
        );
    }

    // Not assert_eq: two histories of some megabytes help nobody.
    assert!(
        hour.history == again.history,
        "{}",
        first_difference(&hour.history, &again.history)
    );
    assert_eq!(hour.ledger, again.ledger);
}

#[test]
fn another_seed_is_another_course_of_events() {
    let minutes = Duration::from_secs(180);
    let (one, other) = both((7, minutes), (8, minutes));
    check(&one);
    check(&other);
    assert!(one.history != other.history);
}

/// Nothing is missing, and each key's records were first processed in the order in which they were put. Lost replies
/// make some come twice, which no producer can avoid.
fn check(hour: &Hour) {
    let put: usize = hour.put.values().sum();
    assert!(put > 10 * usize::try_from(hour.took.as_secs()).unwrap(), "{put}");
    assert_eq!(hour.ledger.len(), hour.put.len());
    for (key, seen) in &hour.ledger {
        let mut next = 0;
        for (number, worker) in seen {
            assert!(*number <= next, "{key}: {number} before {next} by {worker}");
            next = next.max(number + 1);
        }
        assert_eq!(next, hour.put[key], "{key}");
    }
    for worker in WORKERS {
        let share = hour.ledger.values().flatten().filter(|seen| seen.1 == worker);
        assert!(share.count() > put / 4, "{worker} has read little");
    }
}

fn both(one: (u64, Duration), other: (u64, Duration)) -> (Hour, Hour) {
    std::thread::scope(|scope| {
        let one = scope.spawn(move || run(one.0, one.1));
        (run(other.0, other.1), one.join().unwrap())
    })
}

/// A run on a runtime and a clock of its own.
fn run(seed: u64, length: Duration) -> Hour {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(hour(seed, length))
}

async fn hour(seed: u64, length: Duration) -> Hour {
    let start = Instant::now();
    let local = endpoint(seed, length);
    local.create_stream("sales", SHARDS).await.unwrap();
    let ledger = Arc::new(Ledger::default());
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for name in WORKERS {
        workers.spawn(worker(&local, seed, name, &ledger).run_until(stop.clone().cancelled_owned()));
    }
    let put = produce(&local, seed, start + length).await;
    timeout(Duration::from_secs(120), ledger.wait_for(&put))
        .await
        .expect("every record is processed");
    stop.cancel();
    while let Some(ended) = workers.join_next().await {
        ended.unwrap().unwrap();
    }
    let seen = std::mem::take(&mut *ledger.seen.lock().unwrap());
    Hour {
        put,
        ledger: seen,
        history: local.history().to_string(),
        took: start.elapsed(),
    }
}

/// With the service's limits and latencies, some of what goes wrong every day, a split and a merge.
fn endpoint(seed: u64, length: Duration) -> InProcess {
    let faults = Faults::builder()
        .seed(seed)
        .fault(Fault::reply_lost().operation("PutRecords").chance(0.01))
        .fault(Fault::entries_refused().chance(0.01))
        .fault(Fault::throttle().operation("GetRecords").chance(0.01))
        .fault(
            Fault::error("InternalFailure", 500)
                .operation("GetRecords")
                .chance(0.005),
        )
        .fault(Fault::reply_lost().conditional().chance(0.005))
        .fault(
            Fault::latency(Duration::from_millis(700))
                .client(WORKERS[0])
                .chance(0.01),
        )
        .reshard(length / 3, "sales", Reshard::split("shardId-000000000003"))
        // The upper half of the split shard and its neighbour.
        .reshard(
            length * 2 / 3,
            "sales",
            Reshard::merge("shardId-000000000017", "shardId-000000000004"),
        )
        .build()
        .unwrap();
    InProcess::builder()
        .seed(seed)
        .service_limits(true)
        .latency(Latency::service())
        .faults(faults)
        .start()
        .unwrap()
}

/// Puts 20 records a second on average, in bursts, and waits for their deliveries. Returns how many of each key.
async fn produce(local: &InProcess, seed: u64, end: Instant) -> BTreeMap<String, usize> {
    let config = ProducerConfig::builder().seed(seed).build().unwrap();
    let producer = Producer::new(&local.kinesis_config_as("producer"), config).unwrap();
    let sales = StreamName::new("sales").unwrap();
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut put = BTreeMap::new();
    let mut tickets = Vec::new();
    while Instant::now() < end {
        for _ in 0..rng.random_range(20..=140) {
            let key = format!("key-{}", rng.random_range(0..KEYS));
            let number = put.entry(key.clone()).or_default();
            let record = Record::new(key, format!("{number}")).unwrap();
            *number += 1;
            tickets.push(producer.put(&sales, record).await.unwrap());
        }
        sleep(Duration::from_millis(rng.random_range(1_000..7_000))).await;
    }
    producer.close().await.unwrap();
    for ticket in tickets {
        ticket.await.unwrap();
    }
    put
}

fn worker(
    local: &InProcess,
    seed: u64,
    name: &'static str,
    ledger: &Arc<Ledger>,
) -> Consumer<impl kcl::RecordProcessorFactory> {
    // At leisure: it is the course of an hour that matters here, not how soon each record is read.
    let config = ConsumerConfig::builder("reports", "sales")
        .worker_id(name)
        .seed(seed)
        .failover(Duration::from_secs(60))
        .scan_interval(Duration::from_secs(20))
        .idle_between_reads(Duration::from_secs(15))
        .build()
        .unwrap();
    let ledger = Arc::clone(ledger);
    Consumer::builder(config)
        .kinesis_client(aws_sdk_kinesis::Client::new(&local.kinesis_config_as(name)))
        .dynamodb_client(aws_sdk_dynamodb::Client::new(&local.dynamodb_config_as(name)))
        .build(move |_: &ShardContext| Scribe {
            worker: name,
            ledger: Arc::clone(&ledger),
        })
        .unwrap()
}

/// What the processors of both workers saw: per key the numbers, and who saw them, in the order of processing.
#[derive(Debug, Default)]
struct Ledger {
    seen: Mutex<BTreeMap<String, Vec<(usize, &'static str)>>>,
    changed: Notify,
}

impl Ledger {
    /// Waits until the last record of each key is there; whether those before it are is for the check to say.
    async fn wait_for(&self, put: &BTreeMap<String, usize>) {
        loop {
            let changed = self.changed.notified();
            if self.has_last_of(put) {
                return;
            }
            changed.await;
        }
    }

    fn has_last_of(&self, put: &BTreeMap<String, usize>) -> bool {
        let seen = self.seen.lock().unwrap();
        put.iter().all(|(key, count)| {
            let mut numbers = seen.get(key).into_iter().flatten();
            numbers.any(|(number, _)| number + 1 == *count)
        })
    }
}

#[derive(Debug)]
struct Scribe {
    worker: &'static str,
    ledger: Arc<Ledger>,
}

impl RecordProcessor for Scribe {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for record in batch.records() {
            let number = std::str::from_utf8(record.data())?.parse()?;
            let key = record.partition_key().ok_or("a record without key")?.to_owned();
            let mut seen = self.ledger.seen.lock().unwrap();
            seen.entry(key).or_default().push((number, self.worker));
        }
        checkpointer.checkpoint().await?;
        self.ledger.changed.notify_waiters();
        Ok(())
    }
}

fn first_difference(one: &str, other: &str) -> String {
    let mut lines = one.lines().zip(other.lines()).enumerate();
    let difference = lines.find(|(_, (one, other))| one != other);
    format!(
        "{difference:?} of {} and {} lines",
        one.lines().count(),
        other.lines().count()
    )
}
