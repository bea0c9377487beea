use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::events::Bell;
use crate::lease::LeaseKey;
use crate::metrics::Counters;
use crate::position::SequenceNumber;
use crate::processor::RecordBatch;
use crate::record::ClientRecord;
use crate::source::ShardEnd;

const MIB: usize = 1 << 20;

/// Gives batches of these sizes, 0 for an empty one, and counts the reads begun.
struct Sizes {
    sizes: VecDeque<usize>,
    begun: Arc<Mutex<usize>>,
}

fn sizes(sizes: impl IntoIterator<Item = usize>) -> (Sizes, Arc<Mutex<usize>>) {
    let begun = Arc::default();
    (
        Sizes {
            sizes: sizes.into_iter().collect(),
            begun: Arc::clone(&begun),
        },
        begun,
    )
}

impl Reader for Sizes {
    async fn due(&mut self) {
        sleep(Duration::from_millis(200)).await;
    }

    async fn read(&mut self) -> Batch {
        *self.begun.lock().unwrap() += 1;
        match self.sizes.pop_front() {
            Some(0) => Batch::default(),
            Some(bytes) => {
                let number = SequenceNumber::parse("1").unwrap();
                let record = ClientRecord::plain(number, None, Bytes::new(), None);
                Batch {
                    records: RecordBatch::new(vec![record], Some(Duration::from_secs(60))),
                    bytes,
                    ..Batch::default()
                }
            }
            None => Batch {
                end: Some(ShardEnd::default()),
                ..Batch::default()
            },
        }
    }
}

fn start(reader: impl Reader, budget: ReadBudget) -> ReadAhead {
    let pulse = Pulse::new(
        LeaseKey::new("shardId-000000000000"),
        Bell::new(),
        Counters::for_tests(),
    );
    ReadAhead::start(reader, budget, pulse, 10_000)
}

fn budget(bytes: usize) -> ReadBudget {
    ReadBudget::of_bytes(NonZeroUsize::new(bytes).unwrap())
}

#[tokio::test(start_paused = true)]
async fn of_large_batches_one_is_read_ahead_and_no_more() {
    let (reader, begun) = sizes([9 * MIB, 9 * MIB, 9 * MIB, 9 * MIB]);
    let mut ahead = start(reader, budget(64 * MIB));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(*begun.lock().unwrap(), 1);
    let _first = ahead.next().await.unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(*begun.lock().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn small_batches_are_read_ahead_and_come_as_one() {
    let (reader, begun) = sizes([1, 0, 1, 1, 1]);
    let budget = budget(64 * MIB);
    let mut ahead = start(reader, budget.clone());
    assert_eq!(
        ahead.next().await.unwrap().batch.records.len(),
        1,
        "the first at once"
    );
    sleep(Duration::from_secs(100)).await;
    let rest = ahead.next().await.unwrap();
    assert_eq!((rest.batch.records.len(), rest.batch.bytes), (3, 3));
    assert!(rest.batch.end.is_some(), "and the end with them");
    assert_eq!(*begun.lock().unwrap(), 6);
    drop(rest);
    assert_eq!(budget.free_kib(), 64 * 1024);
}

#[tokio::test(start_paused = true)]
async fn batches_are_joined_up_to_the_most_records() {
    let (reader, _) = sizes(vec![1; 10]);
    let pulse = Pulse::new(
        LeaseKey::new("shardId-000000000000"),
        Bell::new(),
        Counters::for_tests(),
    );
    let mut ahead = ReadAhead::start(reader, budget(64 * MIB), pulse, 4);
    sleep(Duration::from_secs(100)).await;
    let mut counts = Vec::new();
    while let Some(held) = ahead.next().await {
        counts.push(held.batch.records.len());
    }
    assert_eq!(counts, [4, 4, 2]);
}

/// A subscription with an event of so many bytes each tenth of a second, which counts its rests.
struct Pushed {
    bytes: usize,
    /// How far behind the tip its events are.
    lag: Option<Duration>,
    rests: Arc<Mutex<usize>>,
}

fn pushed(bytes: usize, lag: Duration) -> Pushed {
    Pushed {
        bytes,
        lag: Some(lag),
        rests: Arc::default(),
    }
}

impl Reader for Pushed {
    async fn due(&mut self) {}

    async fn read(&mut self) -> Batch {
        sleep(Duration::from_millis(100)).await;
        let number = SequenceNumber::parse("1").unwrap();
        let record = ClientRecord::plain(number, None, Bytes::new(), None);
        Batch {
            records: RecordBatch::new(vec![record], self.lag),
            bytes: self.bytes,
            ..Batch::default()
        }
    }

    fn mode(&self) -> RetrievalMode {
        RetrievalMode::FanOut
    }

    fn rest(&mut self) {
        *self.rests.lock().unwrap() += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_rests_while_there_is_no_room_and_not_at_every_batch() {
    let (rests, budget) = (Arc::default(), budget(16 * MIB));
    let reader = Pushed {
        bytes: MIB,
        lag: None,
        rests: Arc::clone(&rests),
    };
    let mut ahead = start(reader, budget.clone());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(*rests.lock().unwrap(), 1, "an eighth of the memory is full, once");
    assert!(budget.free_kib() >= 13 * 1024, "{}", budget.free_kib());
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        drop(ahead.next().await.unwrap());
        sleep(Duration::from_secs(5)).await;
    }
    let rests = *rests.lock().unwrap();
    assert!(rests <= 2, "it goes on while the shelf empties: {rests}");
}

/// How many events came with each of the first batches, and how long the last of these took to come.
async fn counts(reader: impl Reader, budget: ReadBudget) -> ([usize; 3], Duration) {
    let mut ahead = start(reader, budget);
    let (mut counts, mut took) = ([0; 3], Duration::ZERO);
    for count in &mut counts {
        let began = Instant::now();
        *count = ahead.next().await.unwrap().batch.records.len();
        took = began.elapsed();
    }
    (counts, took)
}

#[tokio::test(start_paused = true)]
async fn events_gather_far_behind_and_nowhere_else() {
    let (far, near) = (Duration::from_secs(60), Duration::from_secs(1));
    let (many, took) = counts(pushed(1, far), budget(64 * MIB)).await;
    assert!(many.iter().all(|count| (10..=11).contains(count)), "{many:?}");
    assert!(took <= Duration::from_millis(1_110), "{took:?}");
    let (each, _) = counts(pushed(1, near), budget(64 * MIB)).await;
    assert_eq!(each, [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn events_gather_no_longer_than_there_is_room() {
    let far = Duration::from_secs(60);
    let (four, took) = counts(pushed(MIB, far), budget(64 * MIB)).await;
    assert_eq!(four, [4, 4, 4], "a shard's share");
    assert!(took < Duration::from_millis(500), "{took:?}");
    // An event counts twice while it is taken in: with one on the shelf there is no memory for the next one.
    let (one, took) = counts(pushed(2 * MIB, far), budget(4 * MIB)).await;
    assert_eq!(one, [1, 1, 1]);
    assert!(took < Duration::from_millis(200), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn pages_do_not_gather() {
    let (reader, _) = sizes([1, 1, 1]);
    let (each, _) = counts(reader, budget(64 * MIB)).await;
    assert_eq!(each, [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn empty_batches_are_not_handed_on_and_the_end_is_the_last() {
    let (reader, begun) = sizes([0, 0, 1, 0]);
    let mut ahead = start(reader, budget(64 * MIB));
    assert!(ahead.next().await.unwrap().batch.end.is_none());
    assert!(ahead.next().await.unwrap().batch.end.is_some());
    assert!(ahead.next().await.is_none());
    assert_eq!(*begun.lock().unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn shards_wait_for_the_memory_of_others() {
    let budget = budget(3 * MIB);
    let (big, _) = sizes([3 * MIB, 3 * MIB]);
    let mut big = start(big, budget.clone());
    let held = big.next().await.unwrap();
    let (small, begun) = sizes([1]);
    let mut small = start(small, budget);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(*begun.lock().unwrap(), 0, "all memory is held by a batch in work");
    drop(held);
    drop(big);
    timeout(Duration::from_secs(1), small.next())
        .await
        .expect("memory is free again")
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn shards_at_the_tip_hold_no_memory_between_reads() {
    let budget = budget(MIB);
    let idle: Vec<_> = (0..50)
        .map(|_| start(sizes(vec![0; 10_000]).0, budget.clone()))
        .collect();
    let (busy, _) = sizes([MIB, MIB, MIB]);
    let mut busy = start(busy, budget);
    let began = Instant::now();
    for _ in 0..3 {
        drop(busy.next().await.unwrap());
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    drop(idle);
}

#[tokio::test(start_paused = true)]
async fn a_batch_above_the_whole_budget_passes_alone() {
    let budget = budget(MIB);
    let (reader, _) = sizes([20 * MIB, 20 * MIB]);
    let mut ahead = start(reader, budget.clone());
    for _ in 0..2 {
        let held = ahead.next().await.unwrap();
        assert_eq!(budget.free_kib(), 0);
        drop(held);
    }
    drop(ahead);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(budget.free_kib(), 1024, "everything is given back");
}

#[tokio::test(start_paused = true)]
async fn dropping_it_ends_the_reading_and_frees_the_memory() {
    let budget = budget(8 * MIB);
    let (reader, begun) = sizes(vec![0; 1000]);
    let ahead = start(reader, budget.clone());
    sleep(Duration::from_secs(2)).await;
    drop(ahead);
    sleep(Duration::from_secs(1)).await;
    let reads = *begun.lock().unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(*begun.lock().unwrap(), reads);
    assert_eq!(budget.free_kib(), 8 * 1024);
}

#[tokio::test(start_paused = true)]
async fn a_kept_clone_of_a_batch_holds_its_memory() {
    let (reader, _) = sizes([2 * MIB, 2 * MIB, 2 * MIB]);
    let budget = budget(4 * MIB);
    let mut ahead = start(reader, budget.clone());
    let kept = ahead.next().await.unwrap().batch.records.clone();
    sleep(Duration::from_secs(5)).await;
    assert!(budget.free_kib() < 2 * 1024, "one kept, one read ahead");
    drop(ahead);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(budget.free_kib(), 2 * 1024, "the kept one alone");
    drop(kept);
    assert_eq!(budget.free_kib(), 4 * 1024);
}
