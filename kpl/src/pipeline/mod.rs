//! One stream's whole life, as a state machine that does no I/O: what to send, when, and what became of it.
//!
//! ```text
//!  put ──► first_contact ──► lanes ──► aggregator ──► batcher ──► Action::Send
//!            (no map yet)     │ one per shard: order, linger,          │
//!                             │ limiter, backoff, one request          ▼
//!          Action::Complete ◄─┴── verdict ◄──────────────────────── on_sent
//!                                    │ landed elsewhere
//!          Action::ListShards ◄── shard_map ◄────────────────────── on_shards
//! ```
//!
//! There are four kinds of method. *Commands* from the application: [`put_since`](Pipeline::put_since),
//! [`flush`](Pipeline::flush), [`abandon`](Pipeline::abandon). *Events* from the world: [`on_sent`](Pipeline::on_sent),
//! [`on_shards`](Pipeline::on_shards), [`on_described`](Pipeline::on_described), [`handle_timeout`](Pipeline::handle_timeout).
//! *Work*: [`poll_action`](Pipeline::poll_action), [`poll_timeout`](Pipeline::poll_timeout). *Questions*:
//! [`is_idle`](Pipeline::is_idle), [`outstanding`](Pipeline::outstanding). After any command or event, take all actions, then ask for the timeout.
//!
//! `now` never goes back. Randomness comes from a seed, so the same calls give the same actions.

mod abandon;
mod action;
mod aggregator;
mod backoff;
mod batcher;
mod buffered;
mod by_key;
mod deadline_queue;
mod departures;
mod first_contact;
mod flushes;
mod in_flight;
mod isolation;
mod landed;
mod lane;
mod lanes;
mod limiter;
mod measure;
mod outbox;
mod pace;
mod refused;
mod retry_budget;
mod settle;
mod shard_map;
mod summary;
mod terms;
mod token_bucket;
mod verdict;

#[cfg(test)]
mod pace_tests;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use kinesis_aggregation::HashKey;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::config::{RetryPolicy, StreamConfig};
use crate::error::DeliveryErrorKind;
use crate::failure::Failure;
use crate::outcome::History;
use crate::record::Record;
use crate::stream::StreamName;
use buffered::Buffered;
use first_contact::FirstContact;
use in_flight::InFlight;
use isolation::Isolation;
use landed::Landed;
use lanes::Lanes;
use outbox::Outbox;
use refused::IsolationId;
use shard_map::{ShardMap, Trust};
use summary::Summary;
use terms::Terms;

pub(crate) use action::{
    Action, BatchId, Distribution, Entry, EntryReply, FlushId, ListedShard, Notice, Outcome, RecordLimit,
    Stored, StreamSummary,
};

/// One stream. `T` is how its owner knows a record: each token that was put comes back exactly once, with an outcome.
#[derive(Debug)]
pub(crate) struct Pipeline<T> {
    stream: StreamName,
    max_requests: usize,
    ttl: Duration,
    next_number: u64,
    next_batch: u64,
    first_contact: FirstContact<T>,
    map: ShardMap,
    summary: Summary,
    lanes: Lanes<T>,
    in_flight: HashMap<BatchId, InFlight<T>>,
    /// Aggregates on shards that are not known: the next shard list decides.
    undecided: Vec<Landed<T>>,
    /// Refused requests, while it is found out which of their records are to blame.
    isolations: BTreeMap<IsolationId, Isolation<T>>,
    /// Until when requests that are refused are not taken apart.
    refusing_until: Option<Instant>,
    policy: RetryPolicy,
    outbox: Outbox<T>,
    rng: StdRng,
}

impl<T> Pipeline<T> {
    pub(crate) fn new(stream: StreamName, config: &StreamConfig, seed: u64) -> Self {
        Self {
            stream,
            max_requests: config.max_in_flight_requests(),
            ttl: config.ttl(),
            next_number: 0,
            next_batch: 0,
            first_contact: FirstContact::new(config),
            map: ShardMap::new(config.shard_refresh(), seed),
            summary: Summary::new(config),
            lanes: Lanes::new(Terms::new(config)),
            in_flight: HashMap::new(),
            undecided: Vec::new(),
            isolations: BTreeMap::new(),
            refusing_until: None,
            policy: config.retry().clone(),
            outbox: Outbox::new(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Takes a record that arrives now. `hash_key` is the record's own.
    #[cfg(test)]
    pub(crate) fn put(&mut self, record: Record, hash_key: HashKey, token: T, now: Instant) {
        self.put_since(record, hash_key, token, now, now);
    }

    /// Takes a record that arrived at `arrival`, not before any that was taken earlier. `hash_key` is the record's own.
    pub(crate) fn put_since(
        &mut self,
        record: Record,
        hash_key: HashKey,
        token: T,
        arrival: Instant,
        now: Instant,
    ) {
        let number = self.next_number;
        self.next_number += 1;
        self.outbox.flushes.on_put();
        self.outbox.meter.on_put(record.size());
        let record = Buffered {
            number,
            arrival,
            record,
            hash_key,
            history: History::default(),
            token,
        };
        if self.lanes.are_known() && self.summary.lets_records_go() {
            self.summary.on_traffic(now);
            if self.map.on_traffic(now) != Trust::Full {
                self.lanes.suspend(now);
            }
            self.lanes.put(record, now);
        } else {
            match self.first_contact.put(record, now) {
                None => self.want_contact(now),
                Some((refused, kind)) => self.outbox.give_up(refused, &self.stream, kind),
            }
        }
    }

    /// Wants all records put so far sent at once; [`Action::Flushed`] tells when all have their outcomes.
    pub(crate) fn flush(&mut self, now: Instant) -> FlushId {
        self.lanes.flush(self.next_number, now);
        let id = self.outbox.flushes.begin(self.next_number);
        self.outbox.tell_flushes();
        id
    }

    /// A listing has ended.
    pub(crate) fn on_shards(&mut self, listed: Result<Vec<ListedShard>, Failure>, now: Instant) {
        let listed = self.map.on_listed(listed, now, &mut self.rng);
        if self.map.trust() == Trust::Full {
            self.lanes.resume(now);
        }
        match listed {
            Ok(shards) => {
                self.outbox.meter.on_shards(&shards);
                self.lanes.remap(&shards, now);
                self.summary.on_shards_known(now);
                self.make_contact(now);
                self.decide_undecided(now);
            }
            Err(failure) => {
                if matches!(self.map.trust(), Trust::Lost { .. }) {
                    self.miss_stream(&failure, now);
                }
                let retry_at = self.map.timeout().unwrap_or(now);
                if let Some((records, kind)) = self.first_contact.fail(failure, retry_at, now) {
                    self.give_up_all(records, &kind);
                }
                self.rest_if_unwanted();
            }
        }
    }

    /// The stream was asked what it says of itself. Tells what an operator should know.
    pub(crate) fn on_described(
        &mut self,
        answer: Result<StreamSummary, Failure>,
        now: Instant,
    ) -> Option<Notice> {
        let notice = self.summary.on_answer(answer, now, &mut self.rng);
        self.lanes.travel(self.summary.manner(), now);
        self.make_contact(now);
        notice
    }

    /// Somebody waits to learn how large a record may be.
    pub(crate) fn want_record_limit(&mut self, now: Instant) {
        self.summary.want(now);
    }

    /// How large a record may be, as far as the stream has told.
    pub(crate) fn record_limit(&self) -> &RecordLimit {
        self.summary.record_limit()
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let waited = !self.summary.lets_records_go();
        self.summary.on_time(now);
        if waited && self.summary.lets_records_go() {
            self.lanes.travel(self.summary.manner(), now);
            self.make_contact(now);
        }
        let Self {
            lanes,
            outbox,
            stream,
            first_contact,
            ..
        } = self;
        lanes.on_time(now, |record| outbox.expire(record, stream));
        while let Some(record) = first_contact.pop_expired(now) {
            let failure = first_contact.last_failure().cloned();
            outbox.give_up(record, stream, DeliveryErrorKind::Expired { failure });
        }
        if let Some((records, kind)) = self.first_contact.on_time(now) {
            self.give_up_all(records, &kind);
        }
        self.rest_if_unwanted();
        self.give_up_deciding(now);
    }

    /// The next thing to do; `None` when there is nothing to do before the next event or timeout.
    pub(crate) fn poll_action(&mut self, now: Instant) -> Option<Action<T>> {
        if let Some(action) = self.outbox.actions.pop_front() {
            return Some(action);
        }
        if self.map.poll(now) {
            return Some(Action::ListShards);
        }
        if self.summary.poll(now) {
            return Some(Action::Describe);
        }
        if self.in_flight.len() < self.max_requests {
            if let Some(part) = self.poll_part(now) {
                return Some(Action::Send(part));
            }
            let Self {
                lanes,
                outbox,
                stream,
                ..
            } = self;
            let shares = lanes.take_request(now, |record| outbox.expire(record, stream));
            if !shares.is_empty() {
                return Some(Action::Send(self.send(shares, now)));
            }
        }
        self.outbox.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), or [`poll_action`](Self::poll_action), if nothing happens.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let deciding = self.undecided.iter().map(|landed| landed.give_up_at).min();
        let times = [
            self.lanes.next_wake(),
            self.map.timeout(),
            self.summary.timeout(),
            self.first_contact.next_timeout(),
            deciding,
        ];
        times.into_iter().flatten().min()
    }

    /// Whether each record has its outcome, and each flush was told.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.flushes.is_idle() && self.outbox.actions.is_empty()
    }

    /// Records without an outcome.
    pub(crate) fn outstanding(&self) -> usize {
        self.outbox.flushes.outstanding()
    }

    fn give_up_all(&mut self, records: VecDeque<Buffered<T>>, kind: &DeliveryErrorKind) {
        for record in records {
            self.outbox.give_up(record, &self.stream, kind.clone());
        }
    }

    /// The stream was said not to exist: whatever is said of its shards from now on may be of another one.
    fn lose_stream(&mut self, seen_at: Instant, now: Instant) {
        self.map.lose(seen_at, now);
        if self.map.trust() != Trust::Full {
            self.lanes.suspend(now);
        }
        self.rest_if_unwanted();
    }

    /// The stream was lost, and is not found again.
    fn miss_stream(&mut self, failure: &Failure, now: Instant) {
        if !self.policy.rule(failure.kind()).retries() {
            let kind = DeliveryErrorKind::fatal(failure.clone());
            let records = self.lanes.drain(now);
            self.give_up_all(records.into(), &kind);
        }
    }

    /// The first record needs the shards and the stream's word, which are asked for at the same time.
    fn want_contact(&mut self, now: Instant) {
        if !self.lanes.are_known() {
            self.map.want(now);
        }
        self.summary.on_traffic(now);
    }

    /// Lets the records go that waited for the first answers, once those are there.
    fn make_contact(&mut self, now: Instant) {
        if self.lanes.are_known() && self.summary.lets_records_go() {
            for record in self.first_contact.succeed() {
                self.lanes.put(record, now);
            }
        }
    }

    /// Without a map, shards are listed for the sake of records; without records, not at all.
    fn rest_if_unwanted(&mut self) {
        if !self.lanes.are_known() && self.first_contact.is_empty() {
            self.map.unwant();
            self.summary.unwant();
        }
        let is_lost = matches!(self.map.trust(), Trust::Lost { .. });
        if is_lost && self.lanes.are_empty() && self.undecided.is_empty() {
            self.map.unwant();
        }
    }
}
