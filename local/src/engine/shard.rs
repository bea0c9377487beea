//! One shard: its place in the hash key space and in the family of shards, and the records it holds.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use kinesis_aggregation::{HashKeyRange, ShardId};

use super::api::{EncryptionType, Record, ShardDescription};
use super::read_limits::ReadLimits;
use super::sequence::{LAST_COUNTER, SequenceNumber, ShardEpoch};
use super::subscription::SubscriptionId;
use super::write_limits::WriteLimits;

/// One shard of a stream.
#[derive(Debug)]
pub(crate) struct Shard {
    id: ShardId,
    epoch: ShardEpoch,
    created_ms: u64,
    range: HashKeyRange,
    parents: Parents,
    children: Vec<u32>,
    closed: Option<Closed>,
    records: VecDeque<Stored>,
    /// The counter of the oldest record, or of the next if there is none.
    oldest: u64,
    pub(crate) writes: WriteLimits,
    pub(crate) reads: ReadLimits,
    /// Live subscriptions to it, at most one for each consumer.
    pub(crate) subscriptions: Vec<SubscriptionId>,
}

/// Where a shard comes from.
#[derive(Debug, Clone)]
pub(crate) enum Parents {
    None,
    /// It is one half of this shard.
    Split(ShardId),
    /// It is these two in one.
    Merge(ShardId, ShardId),
}

impl Parents {
    pub(crate) fn ids(&self) -> Vec<ShardId> {
        match self {
            Self::None => Vec::new(),
            Self::Split(parent) => vec![parent.clone()],
            Self::Merge(parent, adjacent) => vec![parent.clone(), adjacent.clone()],
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Closed {
    at_ms: u64,
    end: SequenceNumber,
}

#[derive(Debug)]
struct Stored {
    arrival_ms: u64,
    data: Bytes,
    partition_key: Option<Arc<str>>,
    encryption_type: EncryptionType,
}

/// What a reader is given at once.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<Record>,
    /// The counter to go on from.
    pub(crate) next: u64,
    /// Bytes of data and keys in it.
    pub(crate) bytes: u64,
    /// Whether it ends here because it would have grown too large.
    pub(crate) is_full: bool,
}

impl Shard {
    pub(crate) fn new(
        number: u32,
        range: HashKeyRange,
        parents: Parents,
        created_s: u64,
        now_ms: u64,
    ) -> Self {
        Self {
            id: ShardId::from_number(u64::from(number)),
            epoch: ShardEpoch { number, created_s },
            created_ms: now_ms,
            range,
            parents,
            children: Vec::new(),
            closed: None,
            records: VecDeque::new(),
            oldest: FIRST,
            writes: WriteLimits::new(now_ms),
            reads: ReadLimits::new(now_ms),
            subscriptions: Vec::new(),
        }
    }

    pub(crate) fn id(&self) -> &ShardId {
        &self.id
    }

    pub(crate) fn number(&self) -> u32 {
        self.epoch.number
    }

    pub(crate) fn epoch(&self) -> ShardEpoch {
        self.epoch
    }

    pub(crate) fn created_ms(&self) -> u64 {
        self.created_ms
    }

    pub(crate) fn range(&self) -> HashKeyRange {
        self.range
    }

    pub(crate) fn parents(&self) -> &Parents {
        &self.parents
    }

    pub(crate) fn children(&self) -> &[u32] {
        &self.children
    }

    pub(crate) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    pub(crate) fn closed_ms(&self) -> Option<u64> {
        self.closed.map(|closed| closed.at_ms)
    }

    /// Closes it in favour of these shards.
    pub(crate) fn close(&mut self, children: Vec<u32>, now_ms: u64) {
        let end = SequenceNumber::new(self.epoch, LAST_COUNTER, seconds(now_ms));
        self.closed = Some(Closed { at_ms: now_ms, end });
        self.children = children;
    }

    /// As it was at a moment: what has closed since then is still open.
    pub(crate) fn describe(&self, as_of_ms: u64) -> ShardDescription {
        let (parent, adjacent) = match &self.parents {
            Parents::None => (None, None),
            Parents::Split(parent) => (Some(parent.clone()), None),
            Parents::Merge(parent, adjacent) => (Some(parent.clone()), Some(adjacent.clone())),
        };
        ShardDescription {
            shard_id: self.id.clone(),
            parent_shard_id: parent,
            adjacent_parent_shard_id: adjacent,
            hash_key_range: self.range,
            starting_sequence_number: SequenceNumber::new(self.epoch, 0, seconds(self.created_ms)),
            ending_sequence_number: self
                .closed
                .filter(|closed| closed.at_ms <= as_of_ms)
                .map(|closed| closed.end),
        }
    }

    /// Stores a record and returns its number.
    pub(crate) fn append(
        &mut self,
        data: Bytes,
        partition_key: Option<Arc<str>>,
        encryption_type: EncryptionType,
        now_ms: u64,
    ) -> SequenceNumber {
        let counter = self.next();
        self.records.push_back(Stored {
            arrival_ms: now_ms,
            data,
            partition_key,
            encryption_type,
        });
        SequenceNumber::new(self.epoch, counter, seconds(now_ms))
    }

    /// The counter of the oldest record, or of the next if there is none.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The counter the next record will have.
    pub(crate) fn next(&self) -> u64 {
        self.oldest + self.records.len() as u64
    }

    /// When the oldest record came.
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        self.records.front().map(|record| record.arrival_ms)
    }

    /// Drops the oldest record and returns the memory it held.
    pub(crate) fn drop_oldest(&mut self) -> Option<u64> {
        let record = self.records.pop_front()?;
        self.oldest += 1;
        if self.records.capacity() > 64 && self.records.len() < self.records.capacity() / 4 {
            self.records.shrink_to(self.records.len() * 2);
        }
        Some(footprint(
            record.data.len(),
            record.partition_key.as_deref().map_or(0, str::len),
        ))
    }

    /// The counter of the first record, held or to come, whose number is this one or above it.
    pub(crate) fn first_from(&self, number: SequenceNumber) -> u64 {
        match self.stored(number.counter()) {
            Some(record) if self.number_of(number.counter(), record) < number => number.counter() + 1,
            _ => number.counter(),
        }
    }

    /// The counter of the first record, held or to come, whose number is above this one.
    pub(crate) fn first_after(&self, number: SequenceNumber) -> u64 {
        match self.stored(number.counter()) {
            Some(record) if self.number_of(number.counter(), record) > number => number.counter(),
            _ => number.counter().saturating_add(1),
        }
    }

    /// The counter of the first record that came at this moment or later.
    pub(crate) fn first_since(&self, moment_ms: u64) -> u64 {
        self.oldest
            + self
                .records
                .partition_point(|record| record.arrival_ms < moment_ms) as u64
    }

    /// The records from a counter on, as many as fit; at least one if there is any.
    pub(crate) fn page(&self, from: u64, most_records: usize, most_bytes: u64) -> Page {
        let from = from.max(self.oldest);
        let skipped = usize::try_from(from - self.oldest).unwrap_or(usize::MAX);
        let mut page = Page {
            records: Vec::new(),
            next: from,
            bytes: 0,
            is_full: false,
        };
        let available = self.records.len().saturating_sub(skipped);
        page.records.reserve(available.min(most_records).min(1_024));
        for record in self.records.iter().skip(skipped).take(most_records) {
            let size = size(&record.data, record.partition_key.as_deref());
            if page.bytes + size > most_bytes && !page.records.is_empty() {
                page.is_full = true;
                break;
            }
            page.bytes += size;
            page.records.push(self.record(page.next, record));
            page.next += 1;
        }
        page.is_full |= page.bytes >= most_bytes;
        page
    }

    /// How old the next unread record is; 0 only if there is none.
    pub(crate) fn millis_behind(&self, from: u64, now_ms: u64) -> u64 {
        self.stored(from.max(self.oldest))
            .map_or(0, |record| now_ms.saturating_sub(record.arrival_ms).max(1))
    }

    /// A number that stands for everything before a counter, as of now.
    pub(crate) fn continuation(&self, next: u64, now_ms: u64) -> SequenceNumber {
        SequenceNumber::new(self.epoch, next.saturating_sub(1), seconds(now_ms))
    }

    fn stored(&self, counter: u64) -> Option<&Stored> {
        let index = counter.checked_sub(self.oldest)?;
        self.records.get(usize::try_from(index).ok()?)
    }

    fn number_of(&self, counter: u64, record: &Stored) -> SequenceNumber {
        SequenceNumber::new(self.epoch, counter, seconds(record.arrival_ms))
    }

    fn record(&self, counter: u64, record: &Stored) -> Record {
        Record {
            sequence_number: self.number_of(counter, record),
            arrival_ms: record.arrival_ms,
            data: record.data.clone(),
            partition_key: record.partition_key.clone(),
            encryption_type: record.encryption_type,
        }
    }
}

/// What a record counts against limits: its data and its key.
pub(crate) fn size(data: &Bytes, partition_key: Option<&str>) -> u64 {
    (data.len() + partition_key.map_or(0, str::len)) as u64
}

/// The memory a record holds.
pub(crate) fn footprint(data_len: usize, key_len: usize) -> u64 {
    (data_len + key_len + size_of::<Stored>() + 2 * size_of::<usize>()) as u64
}

pub(crate) fn seconds(now_ms: u64) -> u64 {
    now_ms / 1000
}

/// The counter of a shard's first record; 0 stands for the shard's start.
const FIRST: u64 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shard_with(arrivals: &[u64]) -> Shard {
        let mut shard = Shard::new(3, HashKeyRange::FULL, Parents::None, 1, 1_000);
        for (index, &at) in arrivals.iter().enumerate() {
            shard.append(
                Bytes::from(vec![b'x'; index]),
                Some(Arc::from("key")),
                EncryptionType::None,
                at,
            );
        }
        shard
    }

    #[test]
    fn a_page_ends_by_count_by_size_or_by_the_tip() {
        let shard = shard_with(&[1_000; 10]);
        let page = shard.page(1, 4, 1_000);
        assert_eq!((page.records.len(), page.next, page.is_full), (4, 5, false));
        // Sizes are 3 + index: 3, 4, 5 make 12.
        let page = shard.page(1, 10, 12);
        assert_eq!((page.records.len(), page.bytes, page.is_full), (3, 12, true));
        let page = shard.page(1, 10, 1);
        assert_eq!(
            (page.records.len(), page.is_full),
            (1, true),
            "one record always fits"
        );
        let page = shard.page(8, 10, 1_000);
        assert_eq!((page.records.len(), page.next, page.is_full), (3, 11, false));
        let page = shard.page(11, 10, 1_000);
        assert_eq!((page.records.len(), page.next), (0, 11));
        let page = shard.page(500, 10, 1_000);
        assert_eq!(
            (page.records.len(), page.next),
            (0, 500),
            "a position ahead stays ahead"
        );
    }

    #[test]
    fn trimming_moves_the_horizon() {
        let mut shard = shard_with(&[1_000, 2_000, 3_000]);
        assert_eq!(shard.oldest_ms(), Some(1_000));
        let held = footprint(0, 3);
        assert_eq!(shard.drop_oldest(), Some(held));
        assert_eq!(
            (shard.oldest(), shard.next(), shard.oldest_ms()),
            (2, 4, Some(2_000))
        );
        let page = shard.page(1, 10, 1_000);
        assert_eq!((page.records.len(), page.next), (2, 4));
        shard.drop_oldest();
        shard.drop_oldest();
        assert_eq!(shard.drop_oldest(), None);
        assert_eq!((shard.oldest(), shard.next()), (4, 4));
    }

    #[test]
    fn positions_by_number_and_by_time() {
        let shard = shard_with(&[1_000, 2_000, 2_000, 9_000]);
        let numbers: Vec<_> = shard
            .page(1, 10, 1_000)
            .records
            .iter()
            .map(|record| record.sequence_number)
            .collect();
        for (counter, &number) in (1..).zip(&numbers) {
            assert_eq!(shard.first_from(number), counter);
            assert_eq!(shard.first_after(number), counter + 1);
        }
        let start = shard.describe(0).starting_sequence_number;
        assert_eq!((shard.first_from(start), shard.first_after(start)), (0, 1));
        for (moment, counter) in [(0, 1), (1_000, 1), (1_001, 2), (2_000, 2), (2_001, 4), (9_001, 5)] {
            assert_eq!(shard.first_since(moment), counter, "{moment}");
        }
    }

    #[test]
    fn a_continuation_moves_with_time_and_loses_nothing() {
        let mut shard = shard_with(&[1_000, 2_000]);
        let early = shard.continuation(3, 5_000);
        let late = shard.continuation(3, 10_000);
        assert!(early < late);
        assert_eq!((shard.first_from(late), shard.first_after(late)), (3, 3));
        let next = shard.append(Bytes::new(), None, EncryptionType::None, 11_000);
        assert!(late < next);
        assert_eq!(
            shard.page(shard.first_after(late), 10, 10).records[0].sequence_number,
            next
        );
    }

    #[test]
    fn time_behind_is_the_age_of_the_next_record() {
        let shard = shard_with(&[1_000, 4_000]);
        for (from, now, behind) in [
            (0, 5_000, 4_000),
            (1, 5_000, 4_000),
            (2, 5_000, 1_000),
            (3, 5_000, 0),
        ] {
            assert_eq!(shard.millis_behind(from, now), behind, "from {from}");
        }
        assert_eq!(
            shard.millis_behind(2, 4_000),
            1,
            "0 would say there is nothing to read"
        );
    }

    #[test]
    fn a_shard_that_closed_later_was_open_then() {
        let mut shard = shard_with(&[1_000]);
        shard.close(vec![4, 5], 7_000);
        assert!(!shard.is_open());
        assert_eq!(shard.describe(6_999).ending_sequence_number, None);
        let end = shard.describe(7_000).ending_sequence_number.unwrap();
        assert!(shard.page(1, 1, 1).records[0].sequence_number < end);
    }

    proptest! {
        #[test]
        fn pages_put_together_are_the_shard(
            count in 0_usize..200, records in 1_usize..20, bytes in 1_u64..400, trimmed in 0_usize..50,
        ) {
            let mut shard = shard_with(&vec![1_000; count]);
            for _ in 0..trimmed {
                shard.drop_oldest();
            }
            let (mut from, mut read) = (0, Vec::new());
            loop {
                let page = shard.page(from, records, bytes);
                prop_assert!(page.records.len() <= records);
                prop_assert!(page.bytes <= bytes || page.records.len() == 1);
                if page.records.is_empty() {
                    break;
                }
                from = page.next;
                read.extend(page.records.iter().map(|record| record.data.len()));
            }
            let expected: Vec<_> = (trimmed.min(count)..count).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
