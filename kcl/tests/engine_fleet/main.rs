//! A fleet of whole consumers, in one process and in virtual time, on the engine of `kinesis-local`: started, killed, joined,
//! deployed anew. Their lease table is the one in memory, with the conditions of DynamoDB and a count of requests.
//!
//! `cargo test --release -p kinesis-kcl --test engine_fleet -- --ignored --nocapture` runs 100 workers on 10,000 shards: under a
//! leader, and each for itself. `KCL_FLEET_WORKERS` and `KCL_FLEET_SHARDS` make it smaller, `KCL_FLEET_STORIES` chooses (`led`,
//! `each`, and `bare`: without the index of owners), `KCL_FLEET_TRACE=1` tells of each second.
//! `virtual_fleet` plays the same story with the deciding parts alone, in seconds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod counted;
#[path = "../../src/store/every_method.rs"]
mod every_method;
mod ledger;
mod rest;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_kinesis::primitives::Blob;
use futures::future::join_all;
use kcl::fleet::NewFleet;
use kcl::{
    Consumer, ConsumerConfig, ConsumerHandle, RecordProcessorFactory, RunError, RunSummary, ShardContext,
};
use kinesis_local::InProcess;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::counted::Counted;
use self::ledger::{FAILOVER, Ledger};

/// Some day in 2027.
const WALL: Duration = Duration::from_secs(1_800_000_000);

/// How large a fleet, and how it is led.
#[derive(Debug, Clone, Copy)]
struct Scale {
    shards: u32,
    workers: usize,
    /// How many die, join, and are deployed at a time.
    churn: usize,
    led: NewFleet,
    private: bool,
    idle: Duration,
    /// Whether the table has the index of owners.
    index: bool,
    /// Whether each second is told.
    trace: bool,
}

fn name(worker: usize) -> String {
    format!("w{worker:04}")
}

struct Fleet {
    scale: Scale,
    local: InProcess,
    table: Counted,
    ledger: Ledger,
    workers: Vec<Running>,
    born: usize,
    start: Instant,
    ticks: u64,
    put: u64,
    putting: aws_sdk_kinesis::Client,
}

struct Running {
    number: usize,
    handle: ConsumerHandle,
    task: JoinSet<Result<RunSummary, RunError>>,
}

impl Fleet {
    async fn new(scale: Scale) -> Self {
        let local = InProcess::builder().history_limit(0).start().unwrap();
        local.create_stream("sales", scale.shards).await.unwrap();
        Self {
            scale,
            putting: local.kinesis_client(),
            local,
            table: Counted::default(),
            ledger: Ledger::default(),
            workers: Vec::new(),
            born: 0,
            start: Instant::now(),
            ticks: 0,
            put: 0,
        }
    }

    fn join(&mut self) {
        let number = self.born;
        self.born += 1;
        let consumer = self.consumer(number);
        let handle = consumer.handle();
        let mut task = JoinSet::new();
        task.spawn(consumer.run());
        self.workers.push(Running { number, handle, task });
    }

    fn consumer(&self, number: usize) -> Consumer<impl RecordProcessorFactory> {
        let start = self.start;
        let config = ConsumerConfig::builder("fleet", "sales")
            .worker_id(&name(number))
            .seed(number as u64)
            .failover(FAILOVER)
            .new_fleet(self.scale.led)
            .private_fleet(self.scale.private)
            .index_of_owners(self.scale.index)
            .idle_between_reads(self.scale.idle)
            .wall_clock(move || SystemTime::UNIX_EPOCH + WALL + start.elapsed())
            .build()
            .unwrap();
        let ledger = self.ledger.clone();
        Consumer::builder(config)
            .kinesis_client(self.local.kinesis_client())
            .lease_store(Arc::new(self.table.clone()))
            .build(move |shard: &ShardContext| ledger.processor(shard, number))
            .unwrap()
    }

    /// Aborts the one in the middle of the list.
    async fn kill(&mut self) {
        let mut gone = self.workers.remove(self.workers.len() / 2);
        self.ledger.pages().kill(gone.number);
        gone.task.shutdown().await;
    }

    /// Stops the oldest ones, all at the same moment, and waits for them.
    async fn stop(&mut self, count: usize) {
        let mut gone: Vec<Running> = self.workers.drain(..count).collect();
        join_all(gone.iter().map(|worker| worker.handle.shutdown())).await;
        for worker in &mut gone {
            worker.task.join_next().await.unwrap().unwrap().unwrap();
        }
    }

    /// A tenth of a second passes; now and then a record comes.
    async fn tick(&mut self) {
        sleep(Duration::from_millis(100)).await;
        self.ticks += 1;
        if self.scale.trace && self.ticks.is_multiple_of(10) {
            self.trace().await;
        }
        if !self.ticks.is_multiple_of(4) {
            return;
        }
        let (number, client) = (self.put, self.putting.clone());
        let key = format!("k{number}");
        let put = client.put_record().stream_name("sales").partition_key(key);
        put.data(Blob::new(number.to_string())).send().await.unwrap();
        self.put += 1;
    }

    async fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            self.tick().await;
        }
    }

    /// What the leases do just now.
    async fn trace(&self) {
        let readers = self.ledger.pages().readers();
        let reads = |shard: &str, worker: &str| readers.get(shard).is_some_and(|by| name(*by) == worker);
        let unread = self.table.unread(reads).await;
        println!(
            "    {:>6.1} s: {} read, {unread}, {} requests",
            self.start.elapsed().as_secs_f64(),
            readers.len(),
            self.table.requests(),
        );
    }

    fn covered(&self) -> bool {
        self.ledger.pages().covered() == self.scale.shards as usize
    }

    /// Everything is read, by everybody, and nobody has less than half or more than twice the even share.
    fn steady(&self) -> bool {
        let (least, most) = self.spread();
        let fair = self.scale.shards as usize / self.workers.len();
        self.covered() && least * 2 >= fair && most <= fair * 2
    }

    fn spread(&self) -> (usize, usize) {
        let counts = self.ledger.pages().counts();
        let of = |worker: &Running| counts.get(&worker.number).copied().unwrap_or_default();
        let counts = self.workers.iter().map(of);
        (counts.clone().min().unwrap(), counts.max().unwrap())
    }

    /// Waits for rest after what `event` did at `since`.
    async fn settle(&mut self, event: &str, since: Instant, before: (usize, u64)) -> Duration {
        let mut covered = None;
        while !self.steady() {
            if covered.is_none() && self.covered() {
                covered = Some(since.elapsed());
            }
            self.tick().await;
            assert!(
                since.elapsed() < Duration::from_secs(300),
                "{event}: no rest, {:?} each, {} read",
                self.spread(),
                self.ledger.pages().covered()
            );
        }
        let (covered, steady) = (covered.unwrap_or_else(|| since.elapsed()), since.elapsed());
        self.tell(event, covered, steady, before, None);
        covered
    }

    /// `forecast`: how many requests a second were to be expected.
    fn tell(
        &self,
        event: &str,
        covered: Duration,
        steady: Duration,
        before: (usize, u64),
        forecast: Option<f64>,
    ) {
        let (least, most) = self.spread();
        let (begun, requests) = self.counts();
        let unread = self.ledger.pages().take_worst_unread();
        println!(
            "{event:<28} all read {:>5.1} s (one shard unread {:>4.1} s at most), steady {:>5.1} s, {:>6} moves, {:>8.1} requests/s{}, {least}-{most} shards each",
            covered.as_secs_f64(),
            unread.as_secs_f64(),
            steady.as_secs_f64(),
            begun - before.0,
            (requests - before.1) as f64 / steady.as_secs_f64().max(0.1),
            forecast.map_or_else(String::new, |forecast| format!(" (forecast {forecast:.1})")),
        );
    }

    /// Moves and requests up to now.
    fn counts(&self) -> (usize, u64) {
        (self.ledger.pages().begun, self.table.requests())
    }
}

async fn story(scale: Scale) {
    let Scale {
        shards,
        workers,
        churn,
        led,
        index,
        ..
    } = scale;
    println!(
        "{shards} shards, {workers} workers, failover {} s, {led:?}, {}",
        FAILOVER.as_secs(),
        if index {
            "with the index of owners"
        } else {
            "without an index"
        }
    );
    let mut fleet = Fleet::new(scale).await;
    let (since, before) = (Instant::now(), fleet.counts());
    (0..workers).for_each(|_| fleet.join());
    fleet.settle("start", since, before).await;

    fleet.pass(90).await;
    let (since, before, asked) = (Instant::now(), fleet.counts(), fleet.table.by_method());
    // All heartbeats began together: a whole number of their periods.
    fleet.pass(60).await;
    let forecast = fleet.forecast().total().requests;
    fleet.tell(
        "60 s at rest",
        Duration::ZERO,
        since.elapsed(),
        before,
        Some(forecast),
    );
    fleet.tell_asked(&asked, since.elapsed());
    assert_eq!(fleet.counts().0, before.0, "a fleet at rest moves nothing");

    let (since, before) = (Instant::now(), fleet.counts());
    for _ in 0..churn {
        fleet.kill().await;
    }
    let covered = fleet.settle(&format!("{churn} die"), since, before).await;
    // Those who died had their last heartbeat at most a period before; then others look, the less often the larger the table is, and
    // begin to read.
    let bound = match index {
        true => FAILOVER + Duration::from_secs(2) + Duration::from_micros(200) * shards,
        // A large table is read each ten seconds only.
        false => FAILOVER * 3,
    };
    assert!(covered <= bound, "{covered:?}");

    let (since, before) = (Instant::now(), fleet.counts());
    (0..churn).for_each(|_| fleet.join());
    fleet.settle(&format!("{churn} join"), since, before).await;

    let (since, before) = (Instant::now(), fleet.counts());
    let mut slowest = Duration::ZERO;
    for batch in 1..=workers.div_ceil(churn) {
        (0..churn).for_each(|_| fleet.join());
        fleet.pass(3).await;
        let (since, before) = (Instant::now(), fleet.counts());
        fleet.stop(churn).await;
        slowest = slowest.max(
            fleet
                .settle(&format!("  deployed, part {batch}"), since, before)
                .await,
        );
    }
    fleet.tell("deploy of all", slowest, since.elapsed(), before, None);

    let put = fleet.put;
    fleet.pass(fleet.scale.idle.as_secs() * 2 + 5).await;
    let everybody = fleet.workers.len();
    fleet.stop(everybody).await;
    let pages = fleet.ledger.pages();
    assert_eq!(pages.violations, Vec::<String>::new());
    let missing = (0..put - 20)
        .filter(|number| !pages.records.contains_key(number))
        .count();
    let again: u32 = pages.records.values().map(|times| times - 1).sum();
    println!(
        "{put} records put, {missing} lost, {again} processed again; no shard was read by two workers at any moment\n"
    );
    assert_eq!(missing, 0);
}

fn in_virtual_time(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(story);
}

fn small(led: NewFleet) -> Scale {
    Scale {
        shards: 60,
        workers: 6,
        churn: 2,
        led,
        private: false,
        idle: Duration::from_secs(5),
        index: true,
        trace: false,
    }
}

#[test]
fn a_small_fleet_of_equals_lives_through_everything() {
    in_virtual_time(story(small(NewFleet::TwoX)));
}

#[test]
fn a_small_fleet_under_a_leader_lives_through_everything() {
    in_virtual_time(story(small(NewFleet::ThreeX)));
}

#[test]
#[ignore = "a large fleet, for a release build: prints its figures"]
fn a_hundred_workers_on_ten_thousand_shards() {
    let number =
        |variable: &str, default: u32| std::env::var(variable).map_or(default, |text| text.parse().unwrap());
    let workers = number("KCL_FLEET_WORKERS", 100);
    let stories = [
        ("led", NewFleet::ThreeX, true),
        ("each", NewFleet::TwoX, true),
        ("bare", NewFleet::TwoX, false),
    ];
    let chosen = std::env::var("KCL_FLEET_STORIES").unwrap_or_else(|_| "led,each".to_owned());
    for (_, led, index) in stories.into_iter().filter(|(name, ..)| chosen.contains(name)) {
        in_virtual_time(story(Scale {
            shards: number("KCL_FLEET_SHARDS", 10_000),
            workers: workers as usize,
            churn: workers.div_ceil(10) as usize,
            led,
            private: false,
            idle: Duration::from_secs(20),
            index,
            trace: std::env::var_os("KCL_FLEET_TRACE").is_some(),
        }));
    }
}
