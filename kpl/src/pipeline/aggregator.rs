//! Turns the front of a lane's queue into entries of a request, keeping each key's order.
//!
//! An entry may fail while another one of the same request is stored. So records of one key never stand in two entries
//! of a request, and no record is taken while an earlier one of its key stays behind:
//!
//! ```text
//! queue   a1 b1 a2 c1 b2 d1 ...        slot = hash key mod 2
//! slot 0  a1    a2    ...              an aggregate each, as full as it gets; what no longer fits closes its
//! slot 1     b1    c1 b2 d1 ...        slot: later records of the slot's keys stay in the queue
//! ```
//!
//! One slot is the rule; a lane with a backlog gets several, so that a long way to the service costs no throughput.
//! Where aggregates are to hold one key each, [`by_key`](super::by_key) packs them.

use std::collections::{HashSet, VecDeque};

use kinesis_aggregation::{
    AggregateBuilder, AggregateLimits, ENVELOPE_LEN, HashKey, OUTER_PARTITION_KEY, SealedAggregate,
    looks_like_aggregate,
};

use super::action::{Distribution, Entry};
use super::batcher::Room;
use super::buffered::Buffered;
use super::lane::Lane;
use super::limiter::Allowance;
use super::terms::{Packing, Terms};
use crate::config::OuterKey;
use crate::failure::FailureKind;

/// An entry, and the records in it.
#[derive(Debug)]
pub(super) struct Packed<T> {
    pub(super) entry: Entry,
    pub(super) records: Vec<Buffered<T>>,
    pub(super) is_aggregate: bool,
    /// Whether its digest is still to be written, together with those of others.
    pub(super) lacks_digest: bool,
}

impl<T> Packed<T> {
    /// Whether it was tried before: what comes back stands before what is new.
    pub(super) fn is_repetition(&self) -> bool {
        self.records
            .first()
            .is_some_and(|record| record.history.count() > 0)
    }
}

/// Packs entries; keeps its builders, whose memory is used again.
#[derive(Debug)]
pub(super) struct Aggregator {
    builders: Vec<AggregateBuilder>,
}

impl Aggregator {
    pub(super) fn new() -> Self {
        Self { builders: Vec::new() }
    }

    /// Takes from the front of `lane` what `room` in the request and `allowance` of the shard hold, in at most
    /// `max_slots` aggregates. Takes nothing only if the room is too small.
    pub(super) fn take<T>(
        &mut self,
        lane: &mut Lane<T>,
        terms: &Terms,
        room: &mut Room,
        allowance: Allowance,
        max_slots: usize,
    ) -> Vec<Packed<T>> {
        match terms.packing {
            Packing::Aggregates(_) if lane.queue.front().is_some_and(|front| goes_alone(front, lane)) => {
                self.take_singles(lane, terms, room, allowance)
            }
            Packing::Aggregates(limits) if terms.outer_key == OuterKey::PerKey => {
                self.take_by_key(lane, limits, room, allowance, max_slots)
            }
            Packing::Aggregates(limits) => {
                self.take_aggregates(lane, (limits, terms.outer_key), room, allowance, max_slots)
            }
            Packing::Singles => self.take_singles(lane, terms, room, allowance),
        }
    }

    fn take_aggregates<T>(
        &mut self,
        lane: &mut Lane<T>,
        (limits, outer_key): (AggregateLimits, OuterKey),
        room: &mut Room,
        mut allowance: Allowance,
        max_slots: usize,
    ) -> Vec<Packed<T>> {
        let slots = (lane.weight() / limits.max_bytes()).clamp(1, max_slots.max(1));
        // Of average weight, this many fill an aggregate: room for them is made once.
        let average = (lane.weight() / lane.queue.len().max(1)).max(1);
        let expected = (limits.max_bytes() / average + 1).min(lane.queue.len());
        let mut slots: Vec<_> = (0..slots)
            .map(|_| Slot::new(self.builder(limits), expected))
            .collect();
        let mut open = slots.len();
        let mut skipped = VecDeque::new();
        // Behind a hot key the scan finds ever less: look at as much as twice fills all slots, and no further.
        let mut scan = slots.len() * limits.max_bytes() * 2;
        let mut is_first = true;
        while open > 0 && scan > 0 {
            let Some(record) = lane.pop() else { break };
            if !lane.range.contains(record.hash_key) {
                skipped.push_back(record);
                break;
            }
            scan = scan.saturating_sub(record.weight());
            let place = slot_of(record.hash_key, slots.len());
            let slot = &mut slots[place];
            if slot.state == SlotState::Closed {
                skipped.push_back(record);
                continue;
            }
            if slot.records.is_empty() {
                let giant = record.weight() > limits.max_bytes();
                let most = if giant {
                    size_alone(&record)
                } else {
                    limits.max_bytes() + outer_len(outer_key, &record)
                };
                // The lane is let through for its first entry; further ones must fit the shard's rate.
                let allowed = allowance.take(most) || is_first;
                if !(allowed && room.reserve(most)) {
                    slot.state = SlotState::Closed;
                    open -= 1;
                    skipped.push_back(record);
                    continue;
                }
                is_first = false;
                slot.reserved = most;
                slot.state = if giant { SlotState::Closed } else { SlotState::Open };
                open -= usize::from(giant);
                slot.push_first(record);
            } else if let Some(record) = slot.push(record) {
                slot.state = SlotState::Closed;
                open -= 1;
                skipped.push_back(record);
            }
        }
        lane.put_back(skipped.into());
        slots
            .into_iter()
            .filter_map(|slot| self.seal(slot, outer_key, room))
            .collect()
    }

    /// Each record is an entry of its own; a key's second record waits for the next request, unless the service keeps
    /// no key's order anyway.
    fn take_singles<T>(
        &mut self,
        lane: &mut Lane<T>,
        terms: &Terms,
        room: &mut Room,
        mut allowance: Allowance,
    ) -> Vec<Packed<T>> {
        let mut packed = Vec::new();
        let mut skipped = Vec::new();
        let mut seen: HashSet<HashKey> = HashSet::new();
        let mut scan = terms.request_entries * 4;
        while scan > 0 {
            let Some(record) = lane.pop() else { break };
            scan -= 1;
            if terms.distribution == Distribution::ByKey && !seen.insert(record.hash_key) {
                skipped.push(record);
                continue;
            }
            let size = size_alone(&record);
            let allowed = allowance.take(size) || packed.is_empty();
            if !(allowed && room.reserve(size)) {
                skipped.push(record);
                break;
            }
            packed.push(self.single(record, terms.outer_key));
        }
        lane.put_back(skipped);
        packed
    }

    fn seal<T>(&mut self, slot: Slot<T>, outer_key: OuterKey, room: &mut Room) -> Option<Packed<T>> {
        let Slot {
            mut builder,
            mut records,
            reserved,
            ..
        } = slot;
        let packed = match builder.seal_undigested() {
            Some(sealed) => {
                let is_aggregate = sealed.is_aggregate();
                let entry = entry_of(sealed, outer_key);
                room.refund(reserved.saturating_sub(entry.size()));
                Some(Packed {
                    entry,
                    is_aggregate,
                    lacks_digest: is_aggregate,
                    records,
                })
            }
            None => records.pop().map(|record| self.single(record, outer_key)),
        };
        self.keep(builder);
        packed
    }

    /// Packs records that were in one entry, or some of them, into one; `None` without records.
    pub(super) fn repack<T>(&mut self, mut records: Vec<Buffered<T>>, terms: &Terms) -> Option<Packed<T>> {
        if records.len() <= 1 {
            return records.pop().map(|record| self.single(record, terms.outer_key));
        }
        // What was together fits together, whatever the limits are by now.
        let mut builder = AggregateBuilder::new(LARGEST);
        for record in &records {
            let user = &record.record;
            let (key, data) = (user.partition_key(), user.data());
            let pushed = builder.try_push(key, user.explicit_hash_key(), record.hash_key, data);
            debug_assert!(pushed.is_ok(), "what was together fits together");
        }
        let entry = entry_of(builder.seal()?, terms.outer_key);
        Some(Packed {
            entry,
            records,
            is_aggregate: true,
            lacks_digest: false,
        })
    }

    /// A record alone: its own bytes, unless consumers would take those for an aggregate.
    pub(super) fn single<T>(&mut self, record: Buffered<T>, outer_key: OuterKey) -> Packed<T> {
        let (key, data) = (record.record.partition_key(), record.record.data());
        if looks_like_aggregate(data) {
            let mut builder = self.builder(AggregateLimits::DEFAULT);
            let pushed = builder.try_push(key, record.record.explicit_hash_key(), record.hash_key, data);
            debug_assert!(pushed.is_ok(), "the first record always fits");
            if let Some(sealed) = builder.seal() {
                return Packed {
                    entry: entry_of(sealed, outer_key),
                    records: vec![record],
                    is_aggregate: true,
                    lacks_digest: false,
                };
            }
        }
        let entry = Entry {
            data: data.clone(),
            partition_key: key.to_owned(),
            hash_key: record.hash_key,
        };
        Packed {
            entry,
            records: vec![record],
            is_aggregate: false,
            lacks_digest: false,
        }
    }

    /// Takes a builder back, whose memory is used again.
    pub(super) fn keep(&mut self, builder: AggregateBuilder) {
        self.builders.push(builder);
    }

    pub(super) fn builder(&mut self, limits: AggregateLimits) -> AggregateBuilder {
        match self.builders.pop() {
            Some(builder) if builder.limits() == limits => builder,
            _ => AggregateBuilder::new(limits),
        }
    }
}

/// One entry in the making.
#[derive(Debug)]
struct Slot<T> {
    builder: AggregateBuilder,
    records: Vec<Buffered<T>>,
    reserved: usize,
    state: SlotState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SlotState {
    Open,
    /// Takes nothing more, lest a later record of a key overtake one that did not fit.
    Closed,
}

impl<T> Slot<T> {
    fn new(builder: AggregateBuilder, expected: usize) -> Self {
        Self {
            builder,
            records: Vec::with_capacity(expected),
            reserved: 0,
            state: SlotState::Open,
        }
    }

    /// The first record; a giant, for which the slot is closed already, is not copied into the builder.
    fn push_first(&mut self, record: Buffered<T>) {
        if self.state == SlotState::Closed {
            self.records.push(record);
        } else {
            let left = self.push(record);
            debug_assert!(left.is_none(), "the first record always fits");
        }
    }

    /// Adds a record, or hands it back when it does not fit.
    fn push(&mut self, record: Buffered<T>) -> Option<Buffered<T>> {
        let user = &record.record;
        let (key, data) = (user.partition_key(), user.data());
        if self
            .builder
            .try_push(key, user.explicit_hash_key(), record.hash_key, data)
            .is_err()
        {
            return Some(record);
        }
        self.records.push(record);
        None
    }
}

/// What is sent of a sealed aggregate, or of a record alone.
pub(super) fn entry_of(sealed: SealedAggregate, outer_key: OuterKey) -> Entry {
    let partition_key = match outer_key {
        OuterKey::Fixed => sealed.outer_partition_key(),
        OuterKey::FirstRecord | OuterKey::PerKey => sealed.partition_key(),
    };
    Entry {
        partition_key: partition_key.to_owned(),
        hash_key: sealed.hash_key(),
        data: sealed.into_data(),
    }
}

/// Bytes of a record alone, as the service counts them; more than its own if consumers would take it for an aggregate,
/// so that it must be wrapped.
pub(super) fn size_alone<T>(record: &Buffered<T>) -> usize {
    if looks_like_aggregate(record.record.data()) {
        ENVELOPE_LEN + record.weight() + record.record.partition_key().len()
    } else {
        record.record.size()
    }
}

/// Bytes of the outer key of an aggregate that begins with this record.
fn outer_len<T>(outer_key: OuterKey, first: &Buffered<T>) -> usize {
    match outer_key {
        OuterKey::Fixed => OUTER_PARTITION_KEY.len(),
        OuterKey::FirstRecord | OuterKey::PerKey => first.record.partition_key().len(),
    }
}

/// As much as a Kinesis record may hold.
const LARGEST: AggregateLimits = match AggregateLimits::DEFAULT.with_max_bytes(AggregateLimits::MAX_BYTES) {
    Ok(limits) => limits,
    Err(_) => AggregateLimits::DEFAULT,
};

/// Whether a record had better travel without company: because it waits in another shard's lane since the service
/// distributed records, or because its aggregates went astray so often. A reshard strays once, seldom twice; a service
/// that distributes records by itself would go on for ever.
fn goes_alone<T>(record: &Buffered<T>, lane: &Lane<T>) -> bool {
    if !lane.range.contains(record.hash_key) {
        return true;
    }
    let history = &record.history;
    history.count() >= STRAYS_IN_COMPANY
        && history
            .iter()
            .filter(|attempt| {
                attempt
                    .failure()
                    .is_some_and(|failure| failure.kind() == FailureKind::WrongShard)
            })
            .nth(STRAYS_IN_COMPANY as usize - 1)
            .is_some()
}

/// The same for all records of a key. The low bits: within one shard the high ones are alike.
fn slot_of(hash_key: HashKey, slots: usize) -> usize {
    if slots == 1 {
        return 0;
    }
    let [.., a, b, c, d] = hash_key.get().to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) as usize % slots
}

/// Aggregates that may go astray before their records travel alone.
const STRAYS_IN_COMPANY: u32 = 2;
