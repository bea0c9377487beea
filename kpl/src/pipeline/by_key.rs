//! One aggregate for each partition key, for consumers that look at the outer key.
//!
//! A key has at most one entry in a request, and what of a key stays behind is younger than what goes: so its order is
//! kept. What is held beside the queue is bounded by one request, however many keys wait.

use std::collections::HashMap;

use kinesis_aggregation::{AggregateLimits, ENVELOPE_LEN};

use super::aggregator::{Aggregator, Packed, entry_of, size_alone};
use super::batcher::Room;
use super::buffered::Buffered;
use super::lane::Lane;
use super::limiter::Allowance;
use crate::config::OuterKey;
use crate::record::Key;

/// The records of one key that travel together.
#[derive(Debug)]
struct Group<T> {
    records: Vec<Buffered<T>>,
    /// Most bytes of the aggregate, were it sealed now.
    packed: usize,
    /// Bytes taken in the request.
    reserved: usize,
    is_open: bool,
}

impl Aggregator {
    /// Takes from the front of `lane` what `room` and `allowance` hold, in at most `max_entries` entries of one key
    /// each. Takes nothing only if the room is too small.
    pub(super) fn take_by_key<T>(
        &mut self,
        lane: &mut Lane<T>,
        limits: AggregateLimits,
        room: &mut Room,
        mut allowance: Allowance,
        max_entries: usize,
    ) -> Vec<Packed<T>> {
        let mut groups: Vec<Group<T>> = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        let mut skipped = Vec::new();
        // Once a key was refused no later one may begin: else a later record of the refused key might.
        let mut may_begin = true;
        let mut open = 0;
        for _ in 0..MAX_SCAN {
            if !may_begin && open == 0 {
                break;
            }
            let Some(record) = lane.pop() else { break };
            if !lane.range.contains(record.hash_key) {
                skipped.push(record);
                break;
            }
            let key = record.record.key();
            if let Some(place) = places.get(key) {
                let group = &mut groups[*place];
                if let Some(record) = group.push(record, limits, room, &mut allowance) {
                    open -= usize::from(std::mem::replace(&mut group.is_open, false));
                    skipped.push(record);
                }
                continue;
            }
            let size = size_alone(&record);
            // The lane is let through for its first entry; further ones must fit the shard's rate.
            may_begin = may_begin
                && groups.len() < max_entries.max(1)
                && (allowance.take(size) || groups.is_empty())
                && room.reserve(size);
            if may_begin {
                places.insert(key.clone(), groups.len());
                open += 1;
                groups.push(Group::new(record, size));
            } else {
                skipped.push(record);
            }
        }
        lane.put_back(skipped);
        groups
            .into_iter()
            .filter_map(|group| self.seal_group(group, limits, room))
            .collect()
    }

    fn seal_group<T>(
        &mut self,
        mut group: Group<T>,
        limits: AggregateLimits,
        room: &mut Room,
    ) -> Option<Packed<T>> {
        if group.records.len() == 1 {
            return group
                .records
                .pop()
                .map(|record| self.single(record, OuterKey::PerKey));
        }
        let mut builder = self.builder(limits);
        for buffered in &group.records {
            let user = &buffered.record;
            let (key, data) = (user.partition_key(), user.data());
            let pushed = builder.try_push(key, user.explicit_hash_key(), buffered.hash_key, data);
            debug_assert!(pushed.is_ok(), "the group was measured while it grew");
        }
        let entry = builder.seal().map(|sealed| entry_of(sealed, OuterKey::PerKey));
        self.keep(builder);
        let entry = entry?;
        room.refund(group.reserved.saturating_sub(entry.size()));
        Some(Packed {
            entry,
            records: group.records,
            is_aggregate: true,
            lacks_digest: false,
        })
    }
}

impl<T> Group<T> {
    fn new(first: Buffered<T>, size: usize) -> Self {
        Self {
            packed: ENVELOPE_LEN + in_table(first.record.partition_key().len()) + in_aggregate(&first),
            reserved: size,
            is_open: true,
            records: vec![first],
        }
    }

    /// Adds a record, or hands it back when it does not fit.
    fn push(
        &mut self,
        record: Buffered<T>,
        limits: AggregateLimits,
        room: &mut Room,
        allowance: &mut Allowance,
    ) -> Option<Buffered<T>> {
        let key = record.record.partition_key().len();
        let packed = self.packed + in_aggregate(&record);
        let fits = self.is_open && self.records.len() < limits.max_records() && packed <= limits.max_bytes();
        let more = (packed + key).saturating_sub(self.reserved);
        if !(fits && room.extend(more)) {
            return Some(record);
        }
        if !allowance.extend(more) {
            room.refund(more);
            return Some(record);
        }
        self.packed = packed;
        self.reserved += more;
        self.records.push(record);
        None
    }
}

/// Bytes of one record in an aggregate of its key; at most so many if it has an explicit hash key.
fn in_aggregate<T>(record: &Buffered<T>) -> usize {
    let explicit = if record.record.explicit_hash_key().is_some() {
        EXPLICIT_KEY
    } else {
        0
    };
    let data = record.record.data().len();
    // The key's index, then the data with tag and length; around both the record's own tag and length.
    let content = 2 + explicit + in_table(data);
    in_table(content)
}

/// Bytes of a field of this length, with its tag and the length itself.
fn in_table(len: usize) -> usize {
    let bits = usize::BITS - (len | 1).leading_zeros();
    1 + bits.div_ceil(7) as usize + len
}

/// A table entry of 39 digits, and its index.
const EXPLICIT_KEY: usize = 41 + 3;
/// Records looked at for one request: enough to fill it, and a bound on what is put back.
const MAX_SCAN: usize = 8_192;
