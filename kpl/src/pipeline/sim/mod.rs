//! A pipeline in virtual time against a Kinesis of the imagination, which throttles, fails in parts and as a whole,
//! loses replies after storing, delays, reshards and lists shards late. One seed is one history.

mod checks;
mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kinesis_aggregation::{Deaggregated, HashKey, HashKeyRange, OutOfRange, ShardId, deaggregate};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use self::checks::members;
use super::action::Batch;
use super::tests::start;
use super::{Action, BatchId, Distribution, Entry, EntryReply, ListedShard, Pipeline, Stored, StreamSummary};
use crate::config::{Ordering, ProducerConfig};
use crate::error::DeliveryError;
use crate::failure::Failure;
use crate::outcome::Delivery;
use crate::record::Record;
use crate::stream::StreamName;

/// What goes wrong, how often.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    pub(super) entry_fails: f64,
    pub(super) request_fails: f64,
    pub(super) reply_lost: f64,
    pub(super) list_fails: f64,
    pub(super) latency_ms: (u64, u64),
    /// Mean time between reshards.
    pub(super) reshard_every: Option<Duration>,
    /// How long lists of shards may lag behind.
    pub(super) list_lag: Duration,
    /// Records that the service takes in no company: each of which the token is a multiple.
    pub(super) poison_every: Option<u32>,
    /// How often credentials expire, to be renewed a while later.
    pub(super) credentials_lapse_every: Option<Duration>,
    /// Whether shards have limits, and how much of them others take.
    pub(super) limits: bool,
    pub(super) others_take: f64,
    /// When the stream is deleted, and for how long there is none.
    pub(super) deleted_after: Option<(Duration, Duration)>,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            entry_fails: 0.0,
            request_fails: 0.0,
            reply_lost: 0.0,
            list_fails: 0.0,
            latency_ms: (2, 20),
            reshard_every: None,
            list_lag: Duration::ZERO,
            poison_every: None,
            credentials_lapse_every: None,
            limits: false,
            others_take: 0.0,
            deleted_after: None,
        }
    }
}

/// What is put.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) records: u32,
    pub(super) keys: u32,
    pub(super) max_size: usize,
    /// Records without outcome at a time.
    pub(super) window: usize,
    /// Mean time between puts.
    pub(super) every: Duration,
}

/// Counts of a run that passed all checks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) delivered: usize,
    pub(super) failed: usize,
    pub(super) requests: usize,
    pub(super) kinesis_records: usize,
    pub(super) reshards: usize,
    pub(super) resent: usize,
    pub(super) throttled: usize,
    pub(super) duplicates: usize,
    pub(super) bytes: usize,
    pub(super) took: Duration,
    pub(super) quiet_after: Duration,
}

/// One simulated run.
pub(super) struct Sim {
    seed: u64,
    rng: StdRng,
    now: Instant,
    config: ProducerConfig,
    weather: Weather,
    load: Load,
    pipeline: Pipeline<u32>,
    events: BinaryHeap<Reverse<(Instant, u64)>>,
    event_kinds: HashMap<u64, Event>,
    next_event: u64,
    shards: Vec<Shard>,
    /// Shards of streams that were deleted.
    past: Vec<Vec<Shard>>,
    gone_until: Option<Instant>,
    began_at: Instant,
    /// Lists of shards by the time they became true.
    lists: Vec<(Instant, Vec<ListedShard>)>,
    on_the_way: HashMap<BatchId, HashSet<HashKey>>,
    /// Bytes sent to each shard as predicted, while the stream is not resharded.
    sent_bytes: BTreeMap<u64, usize>,
    outcomes: BTreeMap<u32, Result<Delivery, DeliveryError>>,
    next_token: u32,
    sequence: u64,
    is_flushed: bool,
    summary: Summary,
}

enum Event {
    Put,
    Arrive(Batch),
    Reply(BatchId, Result<Vec<EntryReply>, Failure>),
    List,
    Listed(Result<Vec<ListedShard>, Failure>),
    Described,
    Reshard,
    Delete,
}

struct Shard {
    range: HashKeyRange,
    is_open: bool,
    stored: Vec<(u64, Entry)>,
    /// Seconds' worth of the limits that are left, and when that was.
    bucket: (f64, Instant),
}

impl Sim {
    pub(super) fn new(seed: u64, shards: u128, config: ProducerConfig, weather: Weather, load: Load) -> Self {
        let now = start();
        let stream = StreamName::new("sim").expect("valid");
        let mut sim = Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            now,
            pipeline: Pipeline::new(stream, config.streams(), seed),
            config,
            weather,
            load,
            events: BinaryHeap::new(),
            event_kinds: HashMap::new(),
            next_event: 0,
            shards: Vec::new(),
            past: Vec::new(),
            gone_until: None,
            began_at: now,
            lists: Vec::new(),
            on_the_way: HashMap::new(),
            sent_bytes: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            next_token: 0,
            sequence: 0,
            is_flushed: false,
            summary: Summary::default(),
        };
        let width = u128::MAX / shards;
        for n in 0..shards {
            let end = if n + 1 == shards {
                u128::MAX
            } else {
                (n + 1) * width - 1
            };
            sim.open(n * width, end);
        }
        sim.publish();
        sim
    }

    /// Plays the whole history and checks it.
    pub(super) fn run(mut self) -> Summary {
        self.after(Duration::ZERO, Event::Put);
        if let Some(every) = self.weather.reshard_every {
            self.after(every, Event::Reshard);
        }
        if let Some((after, _)) = self.weather.deleted_after {
            self.after(after, Event::Delete);
        }
        let mut last_put = self.now;
        let first = self.now;
        for step in 0_u64.. {
            assert!(step < 20_000_000, "seed {}: never quiet", self.seed);
            self.drain();
            if self.next_token < self.load.records {
                last_put = self.now;
            } else if self.pipeline.is_idle() {
                break;
            }
            self.step();
        }
        self.summary.quiet_after = self.now - last_put;
        self.summary.took = self.now - first;
        self.check_store();
        self.check_rates(first);
        self.summary
    }

    /// Jumps to whatever comes first: an event of the world or the pipeline's timer.
    fn step(&mut self) {
        let event = self.events.peek().map(|Reverse((at, _))| *at);
        let timer = self.pipeline.poll_timeout();
        let next = event.into_iter().chain(timer).min().unwrap_or_else(|| {
            panic!(
                "seed {}: {} records wait for nothing",
                self.seed,
                self.pipeline.outstanding()
            )
        });
        self.now = self.now.max(next);
        if timer.is_some_and(|at| at <= self.now) {
            self.pipeline.handle_timeout(self.now);
        }
        if event.is_some_and(|at| at <= self.now) {
            let Reverse((_, id)) = self.events.pop().expect("peeked");
            let event = self.event_kinds.remove(&id).expect("scheduled");
            self.on(event);
        }
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Put => self.put(),
            Event::Arrive(batch) => self.arrive(batch),
            Event::Reply(id, reply) => {
                self.on_the_way.remove(&id).expect("on its way");
                self.pipeline.on_sent(id, reply, self.now);
            }
            Event::List => {
                let answer = if self.chance(self.weather.list_fails) {
                    Err(Failure::of_code("LimitExceededException", ""))
                } else {
                    match self.stream_is_gone() {
                        Some(failure) => Err(failure),
                        None => Ok(self.list()),
                    }
                };
                let wait = self.latency();
                self.after(wait, Event::Listed(answer));
            }
            Event::Listed(answer) => self.pipeline.on_shards(answer, self.now),
            Event::Described => {
                let answer = if self.chance(self.weather.list_fails) {
                    Err(Failure::of_code("LimitExceededException", ""))
                } else {
                    Ok(StreamSummary {
                        distribution: Distribution::ByKey,
                        max_record_size: Some(1 << 20),
                    })
                };
                self.pipeline.on_described(answer, self.now);
            }
            Event::Delete => {
                let (_, gone_for) = self.weather.deleted_after.expect("deleting");
                self.delete_stream(gone_for);
            }
            Event::Reshard => {
                self.reshard();
                let every = self.weather.reshard_every.expect("resharding");
                let wait = every.mul_f64(self.rng.random_range(0.1..2.0));
                if self.next_token < self.load.records {
                    self.after(wait, Event::Reshard);
                }
            }
        }
    }

    fn put(&mut self) {
        let burst = self.rng.random_range(1..=self.load.window / 4 + 1);
        for _ in 0..burst {
            if self.next_token == self.load.records || self.pipeline.outstanding() >= self.load.window {
                break;
            }
            let token = self.next_token;
            self.next_token += 1;
            let record = self.record(token);
            self.summary.bytes += record.size();
            let hash_key = record.hash_key();
            self.pipeline.put(record, hash_key, token, self.now);
        }
        if self.next_token < self.load.records {
            let mean = self.load.every * u32::try_from(burst).expect("small");
            let wait = mean
                .mul_f64(self.rng.random_range(0.0..2.0))
                .max(Duration::from_micros(10));
            self.after(wait, Event::Put);
        } else if !self.is_flushed {
            self.is_flushed = true;
            self.pipeline.flush(self.now);
        }
    }

    /// The token is in the data, the key follows from the token, and every tenth key has its own hash key.
    fn record(&mut self, token: u32) -> Record {
        let key = self.rng.random_range(0..self.load.keys);
        let size = self.rng.random_range(0..=self.load.max_size);
        let mut data = vec![b'.'; 4 + size];
        data[..4].copy_from_slice(&token.to_be_bytes());
        let record = Record::new(format!("key-{key}"), data).expect("valid");
        if key % 10 == 0 {
            let spread = u128::MAX / u128::from(self.load.keys) * u128::from(key);
            return record.with_explicit_hash_key(HashKey::new(spread));
        }
        record
    }

    fn drain(&mut self) {
        while let Some(action) = self.pipeline.poll_action(self.now) {
            match action {
                Action::Send(batch) => {
                    self.check_request(&batch);
                    let wait = self.latency();
                    self.after(wait, Event::Arrive(batch));
                }
                Action::Describe => {
                    let wait = self.latency();
                    self.after(wait, Event::Described);
                }
                Action::ListShards => {
                    let wait = self.latency();
                    self.after(wait, Event::List);
                }
                Action::Complete(token, outcome) => {
                    match &outcome {
                        Ok(_) => self.summary.delivered += 1,
                        Err(_) => self.summary.failed += 1,
                    }
                    let before = self.outcomes.insert(token, outcome);
                    assert!(before.is_none(), "seed {}: two outcomes for {token}", self.seed);
                }
                Action::Flushed(_) => {
                    let all = usize::try_from(self.next_token).expect("small");
                    assert_eq!(self.outcomes.len(), all, "seed {}: flushed too early", self.seed);
                }
            }
        }
    }

    fn after(&mut self, wait: Duration, event: Event) {
        let id = self.next_event;
        self.next_event += 1;
        self.events.push(Reverse((self.now + wait, id)));
        self.event_kinds.insert(id, event);
    }

    fn latency(&mut self) -> Duration {
        let (least, most) = self.weather.latency_ms;
        Duration::from_micros(self.rng.random_range(least * 1_000..=most * 1_000))
    }

    fn chance(&mut self, of: f64) -> bool {
        of > 0.0 && self.rng.random_bool(of)
    }
}
