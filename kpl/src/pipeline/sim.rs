//! A pipeline in virtual time against a Kinesis of the imagination, which throttles, fails in parts and as a whole,
//! loses replies after storing, delays, reshards and lists shards late. One seed is one history.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kinesis_aggregation::{Deaggregated, HashKey, HashKeyRange, OutOfRange, ShardId, deaggregate};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::action::Batch;
use super::tests::start;
use super::{Action, BatchId, Distribution, Entry, EntryReply, ListedShard, Pipeline, Stored, StreamSummary};
use crate::config::ProducerConfig;
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
    /// Lists of shards by the time they became true.
    lists: Vec<(Instant, Vec<ListedShard>)>,
    on_the_way: HashMap<BatchId, HashSet<HashKey>>,
    /// Bytes sent to each shard as predicted, while the stream is not resharded.
    sent_bytes: BTreeMap<u64, usize>,
    outcomes: BTreeMap<u32, Result<Delivery, String>>,
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
}

struct Shard {
    range: HashKeyRange,
    is_open: bool,
    stored: Vec<(u64, Entry)>,
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
                    Ok(self.list())
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
                    let outcome = outcome.map_err(|error| error.to_string());
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

    /// Limits of a request, and that no key is in two entries, here or in another request on its way.
    fn check_request(&mut self, batch: &Batch) {
        let seed = self.seed;
        self.summary.requests += 1;
        self.summary.kinesis_records += batch.entries.len();
        assert!(!batch.entries.is_empty());
        assert!(
            batch.entries.len() <= self.config.streams().collection_max_count(),
            "seed {seed}: entries"
        );
        let bytes: usize = batch.entries.iter().map(Entry::size).sum();
        assert!(
            bytes <= self.config.streams().collection_max_size() || batch.entries.len() == 1,
            "seed {seed}: {bytes} bytes"
        );
        let mut keys = HashSet::new();
        for entry in &batch.entries {
            let members = members(&entry.data, entry.hash_key);
            if members.len() > 1 {
                let size = entry.data.len();
                assert!(
                    size <= self.config.streams().aggregation_max_size(),
                    "seed {seed}: aggregate of {size} bytes"
                );
            }
            let of_entry: BTreeSet<_> = members.iter().map(|(hash_key, _)| *hash_key).collect();
            for key in of_entry {
                assert!(keys.insert(key), "seed {seed}: a key in two entries");
            }
        }
        for others in self.on_the_way.values() {
            assert!(others.is_disjoint(&keys), "seed {seed}: a key in two requests");
        }
        if self.weather.reshard_every.is_none() {
            let shards: HashSet<_> = keys.iter().map(|key| self.shard_of(*key)).collect();
            for others in self.on_the_way.values() {
                let theirs: HashSet<_> = others.iter().map(|key| self.shard_of(*key)).collect();
                assert!(
                    theirs.is_disjoint(&shards),
                    "seed {seed}: two requests for one shard"
                );
            }
            for entry in &batch.entries {
                let shard = self.shard_of(entry.hash_key) as u64;
                *self.sent_bytes.entry(shard).or_default() += entry.size();
            }
        }
        self.on_the_way.insert(batch.id, keys);
        assert!(
            self.on_the_way.len() <= self.config.streams().max_in_flight_requests(),
            "seed {seed}: requests"
        );
    }

    /// The request is at the service: it is carried out now, wholly or in part, whatever the reply will say.
    fn arrive(&mut self, batch: Batch) {
        let wait = self.latency();
        if self.chance(self.weather.request_fails) {
            let code = [
                "InternalFailure",
                "ProvisionedThroughputExceededException",
                "KMSThrottlingException",
            ];
            let failure = Failure::of_code(code.choose(&mut self.rng).expect("some"), "request");
            return self.after(wait, Event::Reply(batch.id, Err(failure)));
        }
        let replies: Vec<_> = batch.entries.into_iter().map(|entry| self.store(entry)).collect();
        if self.chance(self.weather.reply_lost) {
            let failure = Failure::of_code("RequestTimeout", "reply lost");
            return self.after(
                self.config.request_timeout(),
                Event::Reply(batch.id, Err(failure)),
            );
        }
        self.after(wait, Event::Reply(batch.id, Ok(replies)));
    }

    fn store(&mut self, entry: Entry) -> EntryReply {
        if self.chance(self.weather.entry_fails) {
            if self.chance(0.7) {
                return Err(Failure::of_code(
                    "ProvisionedThroughputExceededException",
                    "entry",
                ));
            }
            if self.chance(0.5) {
                return Err(Failure::of_code("InternalFailure", "entry, not stored"));
            }
            self.keep(entry);
            return Err(Failure::of_code("InternalFailure", "entry, stored"));
        }
        let (shard, sequence) = self.keep(entry);
        Ok(Stored {
            shard_id: ShardId::from_number(shard as u64),
            sequence_number: sequence.to_string().into(),
        })
    }

    fn keep(&mut self, entry: Entry) -> (usize, u64) {
        let shard = self.shard_of(entry.hash_key);
        self.sequence += 1;
        self.shards[shard].stored.push((self.sequence, entry));
        (shard, self.sequence)
    }

    fn shard_of(&self, key: HashKey) -> usize {
        let found = self
            .shards
            .iter()
            .position(|shard| shard.is_open && shard.range.contains(key));
        found.expect("open shards cover all keys")
    }

    fn open(&mut self, start: u128, end: u128) {
        let range = HashKeyRange::new(HashKey::new(start), HashKey::new(end)).expect("in order");
        self.shards.push(Shard {
            range,
            is_open: true,
            stored: Vec::new(),
        });
    }

    /// Splits a shard or merges two neighbours.
    fn reshard(&mut self) {
        self.summary.reshards += 1;
        let open: Vec<_> = (0..self.shards.len())
            .filter(|n| self.shards[*n].is_open)
            .collect();
        let chosen = *open.choose(&mut self.rng).expect("some are open");
        let range = self.shards[chosen].range;
        let neighbour = open.iter().copied().find(|n| {
            range.end() < HashKey::MAX && self.shards[*n].range.start().get() == range.end().get() + 1
        });
        match neighbour {
            Some(neighbour) if open.len() > 6 || (open.len() > 1 && self.rng.random_bool(0.5)) => {
                let end = self.shards[neighbour].range.end();
                self.shards[chosen].is_open = false;
                self.shards[neighbour].is_open = false;
                self.open(range.start().get(), end.get());
            }
            _ => {
                let middle = range.start().get() + (range.end().get() - range.start().get()) / 2;
                self.shards[chosen].is_open = false;
                self.open(range.start().get(), middle);
                self.open(middle + 1, range.end().get());
            }
        }
        self.publish();
    }

    fn publish(&mut self) {
        let shards = self.shards.iter().enumerate().map(|(number, shard)| ListedShard {
            id: ShardId::from_number(number as u64),
            range: shard.range,
            is_open: shard.is_open,
        });
        // Half of the endpoints honour the filter for open shards.
        let all = self.seed.is_multiple_of(2);
        let shards = shards.filter(|shard| all || shard.is_open).collect();
        self.lists.push((self.now, shards));
    }

    /// The newest list that has spread by now.
    fn list(&mut self) -> Vec<ListedShard> {
        let lag = self.weather.list_lag.mul_f64(self.rng.random_range(0.0..1.0));
        let known = self
            .lists
            .iter()
            .rev()
            .find(|(since, _)| *since + lag <= self.now);
        known.unwrap_or(&self.lists[0]).1.clone()
    }

    /// Reads the stream as the KCL does, parents before children: all that was acknowledged is there, where its ticket
    /// said, and what a key's records are first found as is the order they were put in.
    fn check_store(&mut self) {
        let seed = self.seed;
        assert_eq!(
            self.outcomes.len(),
            usize::try_from(self.load.records).expect("small"),
            "seed {seed}: outcomes"
        );
        let mut found: HashMap<u32, Vec<(usize, u64, Option<u64>)>> = HashMap::new();
        let mut last: HashMap<String, u32> = HashMap::new();
        for (number, shard) in self.shards.iter().enumerate() {
            for (sequence, entry) in &shard.stored {
                let read: Vec<_> =
                    match deaggregate(entry.data.clone(), &shard.range, OutOfRange::DropAggregate) {
                        Deaggregated::Aggregate(records) => records
                            .iter()
                            .map(|r| {
                                (
                                    token(r.data()),
                                    r.partition_key().to_owned(),
                                    Some(r.sub_sequence_number()),
                                )
                            })
                            .collect(),
                        Deaggregated::Raw { data, .. } => {
                            vec![(token(&data), entry.partition_key.clone(), None)]
                        }
                        _ => continue,
                    };
                for (token, key, sub_sequence) in read {
                    let places = found.entry(token).or_default();
                    if places.is_empty() {
                        let before = last.insert(key, token);
                        assert!(
                            before < Some(token),
                            "seed {seed}: {token} first stored after {before:?}"
                        );
                    }
                    places.push((number, *sequence, sub_sequence));
                }
            }
        }
        for (token, outcome) in &self.outcomes {
            let Ok(delivery) = outcome else { continue };
            let shard = usize::try_from(delivery.shard_id().number().expect("numbered")).expect("small");
            let sequence = delivery.sequence_number().parse().expect("a number");
            let place = (shard, sequence, delivery.sub_sequence_number());
            let places = found.get(token).map_or(&[][..], Vec::as_slice);
            assert!(
                places.contains(&place),
                "seed {seed}: {token} acknowledged at {place:?}, found at {places:?}"
            );
            self.summary.resent += usize::from(delivery.attempt_count() > 1);
        }
    }

    /// No shard got more than its burst, its rate, and what one request may owe.
    fn check_rates(&self, first: Instant) {
        let crate::config::RateLimit::Percent(percent) = self.config.streams().rate_limit() else {
            return;
        };
        let seconds = (self.now - first).as_secs_f64();
        let most = 1_048_576.0 * (1.0 + seconds * f64::from(percent) / 100.0) + 1_048_576.0;
        for (shard, bytes) in &self.sent_bytes {
            let bytes = f64::from(u32::try_from(*bytes).expect("small"));
            assert!(
                bytes <= most,
                "seed {}: shard {shard} got {bytes} of {most}",
                self.seed
            );
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

/// Hash keys and tokens of the user records in an entry.
fn members(data: &Bytes, outer: HashKey) -> Vec<(HashKey, u32)> {
    match deaggregate(data.clone(), &HashKeyRange::FULL, OutOfRange::DropAggregate) {
        Deaggregated::Aggregate(records) => records.iter().map(|r| (r.hash_key(), token(r.data()))).collect(),
        Deaggregated::Raw { data, .. } => vec![(outer, token(&data))],
        _ => panic!("nothing is outside of the full range"),
    }
}

fn token(data: &[u8]) -> u32 {
    u32::from_be_bytes(*data.first_chunk().expect("every record starts with its token"))
}
