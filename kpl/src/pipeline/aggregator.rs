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

use std::collections::{HashSet, VecDeque};

use kinesis_aggregation::{
    AggregateBuilder, AggregateLimits, HashKey, OUTER_PARTITION_KEY, looks_like_aggregate,
};

use super::action::Entry;
use super::batcher::Room;
use super::buffered::Buffered;
use super::lane::Lane;
use super::limiter::Allowance;
use super::terms::{Packing, Terms};

/// An entry, and the records in it.
#[derive(Debug)]
pub(super) struct Packed<T> {
    pub(super) entry: Entry,
    pub(super) records: Vec<Buffered<T>>,
    pub(super) is_aggregate: bool,
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
            Packing::Aggregates(limits) => self.take_aggregates(lane, limits, room, allowance, max_slots),
            Packing::Singles => self.take_singles(lane, terms, room, allowance),
        }
    }

    fn take_aggregates<T>(
        &mut self,
        lane: &mut Lane<T>,
        limits: AggregateLimits,
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
                    record.record.size()
                } else {
                    limits.max_bytes() + OUTER_PARTITION_KEY.len()
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
            .filter_map(|slot| self.seal(slot, room))
            .collect()
    }

    /// Each record is an entry of its own; a key's second record waits for the next request.
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
            if !seen.insert(record.hash_key) {
                skipped.push(record);
                continue;
            }
            let size = record.record.size();
            let allowed = allowance.take(size) || packed.is_empty();
            if !(allowed && room.reserve(size)) {
                skipped.push(record);
                break;
            }
            packed.push(self.single(record));
        }
        lane.put_back(skipped);
        packed
    }

    fn seal<T>(&mut self, slot: Slot<T>, room: &mut Room) -> Option<Packed<T>> {
        let Slot {
            mut builder,
            mut records,
            reserved,
            ..
        } = slot;
        let packed = match builder.seal() {
            Some(sealed) => {
                let entry = Entry {
                    partition_key: sealed.outer_partition_key().to_owned(),
                    hash_key: sealed.hash_key(),
                    data: sealed.data().clone(),
                };
                room.refund(reserved.saturating_sub(entry.size()));
                Some(Packed {
                    entry,
                    is_aggregate: sealed.is_aggregate(),
                    records,
                })
            }
            None => records.pop().map(|record| self.single(record)),
        };
        self.builders.push(builder);
        packed
    }

    /// A record alone: its own bytes, unless consumers would take those for an aggregate.
    fn single<T>(&mut self, record: Buffered<T>) -> Packed<T> {
        let (key, data) = (record.record.partition_key(), record.record.data());
        if looks_like_aggregate(data) {
            let mut builder = self.builder(AggregateLimits::DEFAULT);
            let pushed = builder.try_push(key, record.record.explicit_hash_key(), record.hash_key, data);
            debug_assert!(pushed.is_ok(), "the first record always fits");
            if let Some(sealed) = builder.seal() {
                let entry = Entry {
                    partition_key: sealed.outer_partition_key().to_owned(),
                    hash_key: record.hash_key,
                    data: sealed.into_data(),
                };
                return Packed {
                    entry,
                    records: vec![record],
                    is_aggregate: true,
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
        }
    }

    fn builder(&mut self, limits: AggregateLimits) -> AggregateBuilder {
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

/// The same for all records of a key. The low bits: within one shard the high ones are alike.
fn slot_of(hash_key: HashKey, slots: usize) -> usize {
    if slots == 1 {
        return 0;
    }
    let [.., a, b, c, d] = hash_key.get().to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) as usize % slots
}
