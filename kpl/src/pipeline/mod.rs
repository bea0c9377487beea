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
//! There are four kinds of method. *Commands* from the application: [`put`](Pipeline::put), [`flush`](Pipeline::flush).
//! *Events* from the world: [`on_sent`](Pipeline::on_sent), [`on_shards`](Pipeline::on_shards),
//! [`handle_timeout`](Pipeline::handle_timeout). *Work*: [`poll_action`](Pipeline::poll_action),
//! [`poll_timeout`](Pipeline::poll_timeout). *Questions*: [`is_idle`](Pipeline::is_idle),
//! [`outstanding`](Pipeline::outstanding). After any command or event, take all actions, then ask for the timeout.
//!
//! `now` never goes back. Randomness comes from a seed, so the same calls give the same actions.

mod action;
mod aggregator;
mod backoff;
mod batcher;
mod buffered;
mod deadline_queue;
mod first_contact;
mod flushes;
mod lane;
mod lanes;
mod limiter;
mod settle;
mod shard_map;
mod terms;
mod token_bucket;
mod verdict;

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use kinesis_aggregation::HashKey;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::config::StreamConfig;
use crate::error::DeliveryErrorKind;
use crate::failure::Failure;
use crate::outcome::History;
use crate::record::Record;
use crate::stream::StreamName;
use buffered::Buffered;
use first_contact::FirstContact;
use flushes::Flushes;
use lanes::Lanes;
use settle::{InFlight, Landed};
use shard_map::ShardMap;
use terms::Terms;

pub(crate) use action::{Action, BatchId, Entry, EntryReply, FlushId, ListedShard, Stored};

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
    lanes: Lanes<T>,
    in_flight: HashMap<BatchId, InFlight<T>>,
    /// Aggregates on shards that are not known: the next shard list decides.
    undecided: Vec<Landed<T>>,
    outbox: Outbox<T>,
    rng: StdRng,
}

/// What is to be told: outcomes and flushes.
#[derive(Debug)]
struct Outbox<T> {
    actions: VecDeque<Action<T>>,
    flushes: Flushes,
}

impl<T> Pipeline<T> {
    pub(crate) fn new(stream: StreamName, config: &StreamConfig, seed: u64) -> Self {
        Self {
            stream,
            max_requests: config.max_in_flight_requests(),
            ttl: config.ttl(),
            next_number: 0,
            next_batch: 0,
            first_contact: FirstContact::new(config.first_contact_timeout(), config.ttl()),
            map: ShardMap::new(seed),
            lanes: Lanes::new(Terms::new(config)),
            in_flight: HashMap::new(),
            undecided: Vec::new(),
            outbox: Outbox {
                actions: VecDeque::new(),
                flushes: Flushes::default(),
            },
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Takes a record. `hash_key` is the record's own.
    pub(crate) fn put(&mut self, record: Record, hash_key: HashKey, token: T, now: Instant) {
        let number = self.next_number;
        self.next_number += 1;
        self.outbox.flushes.on_put();
        let record = Buffered {
            number,
            arrival: now,
            record,
            hash_key,
            history: History::default(),
            token,
        };
        if self.lanes.are_known() {
            self.lanes.put(record, now);
        } else {
            match self.first_contact.put(record, now) {
                None => self.map.want(now),
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
        match self.map.on_listed(listed, now) {
            Ok(shards) => {
                self.lanes.remap(&shards, now);
                for record in self.first_contact.succeed() {
                    self.lanes.put(record, now);
                }
                self.decide_undecided(now);
            }
            Err(failure) => {
                let retry_at = self.map.timeout().unwrap_or(now);
                if let Some((records, kind)) = self.first_contact.fail(failure, retry_at, now) {
                    self.give_up_all(records, &kind);
                }
                self.rest_if_unwanted();
            }
        }
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
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
        if self.in_flight.len() < self.max_requests {
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

    /// Without a map, shards are listed for the sake of records; without records, not at all.
    fn rest_if_unwanted(&mut self) {
        if !self.lanes.are_known() && self.first_contact.is_empty() {
            self.map.unwant();
        }
    }
}

impl<T> Outbox<T> {
    /// The one place where a record gets its outcome.
    fn complete(&mut self, number: u64, token: T, outcome: action::Outcome) {
        self.flushes.on_outcome(number);
        self.actions.push_back(Action::Complete(token, outcome));
        self.tell_flushes();
    }

    fn give_up(&mut self, record: Buffered<T>, stream: &StreamName, kind: DeliveryErrorKind) {
        let number = record.number;
        let (token, error) = record.give_up(stream, kind);
        self.complete(number, token, Err(error));
    }

    fn expire(&mut self, record: Buffered<T>, stream: &StreamName) {
        let number = record.number;
        let (token, error) = record.expire(stream);
        self.complete(number, token, Err(error));
    }

    fn tell_flushes(&mut self) {
        while let Some(id) = self.flushes.pop_done() {
            self.actions.push_back(Action::Flushed(id));
        }
    }
}
