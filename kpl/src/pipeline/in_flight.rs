//! Requests on their way: what each holds, until its reply comes.

use std::time::Instant;

use kinesis_aggregation::{ShardId, write_digests};

use super::Pipeline;
use super::action::{Batch, BatchId, Entry};
use super::aggregator::Packed;
use super::buffered::Buffered;
use super::lane::ShareId;
use super::lanes::{LaneId, Share};
use super::refused::IsolationId;

/// A request on its way.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    pub(super) sent_at: Instant,
    pub(super) entries: Vec<SentEntry<T>>,
    /// The refused request that it is a part of.
    pub(super) part_of: Option<IsolationId>,
}

/// One entry of it: its records, and where they were expected to land.
#[derive(Debug)]
pub(super) struct SentEntry<T> {
    pub(super) lane: LaneId,
    pub(super) share: ShareId,
    pub(super) shard: ShardId,
    pub(super) records: Vec<Buffered<T>>,
    pub(super) is_aggregate: bool,
    pub(super) size: usize,
}

impl<T> InFlight<T> {
    pub(super) fn entries(&self) -> &[SentEntry<T>] {
        &self.entries
    }

    pub(super) fn into_entries(self) -> Vec<SentEntry<T>> {
        self.entries
    }
}

impl<T> SentEntry<T> {
    /// Cuts the records from `at` off.
    pub(super) fn cut(&mut self, at: usize) -> Self {
        Self {
            lane: self.lane,
            share: self.share,
            shard: self.shard.clone(),
            records: self.records.split_off(at),
            is_aggregate: self.is_aggregate,
            size: 0,
        }
    }

    /// Packs its records as they are now.
    fn pack(&mut self, pack: impl FnOnce(Vec<Buffered<T>>) -> Option<Packed<T>>) -> Option<Entry> {
        let packed = pack(std::mem::take(&mut self.records))?;
        self.records = packed.records;
        self.is_aggregate = packed.is_aggregate;
        self.size = packed.entry.size();
        Some(packed.entry)
    }

    /// Whether it was tried before.
    pub(super) fn is_repetition(&self) -> bool {
        self.records
            .first()
            .is_some_and(|record| record.history.count() > 0)
    }
}

impl<T> Pipeline<T> {
    /// Books a request and gives it its id.
    pub(super) fn send(&mut self, shares: Vec<Share<T>>, now: Instant) -> Batch {
        let mut wire: Vec<Entry> = Vec::with_capacity(shares.len());
        let mut lacking = Vec::with_capacity(shares.len());
        let mut entries = Vec::with_capacity(shares.len());
        for Share { lane, share, packed } in shares {
            let shard = self.lanes.lane(lane).shard.clone();
            entries.push(SentEntry {
                lane,
                share,
                shard,
                records: packed.records,
                is_aggregate: packed.is_aggregate,
                size: packed.entry.size(),
            });
            lacking.push(packed.lacks_digest);
            wire.push(packed.entry);
        }
        let due = wire.iter_mut().zip(lacking).filter(|(_, lacks)| *lacks);
        write_digests(due.map(|(entry, _)| &mut entry.data));
        self.book(entries, wire, None, now)
    }

    /// Books a part of a refused request, packed anew.
    pub(super) fn send_part(
        &mut self,
        mut entries: Vec<SentEntry<T>>,
        part_of: IsolationId,
        now: Instant,
    ) -> Batch {
        let lanes = &mut self.lanes;
        let wire = entries
            .iter_mut()
            .filter_map(|entry| entry.pack(|records| lanes.repack(records)))
            .collect();
        self.book(entries, wire, Some(part_of), now)
    }

    fn book(
        &mut self,
        entries: Vec<SentEntry<T>>,
        wire: Vec<Entry>,
        part_of: Option<IsolationId>,
        now: Instant,
    ) -> Batch {
        debug_assert_eq!(entries.len(), wire.len(), "an entry for each");
        let id = BatchId(self.next_batch);
        self.next_batch += 1;
        let in_flight = InFlight {
            sent_at: now,
            entries,
            part_of,
        };
        self.in_flight.insert(id, in_flight);
        Batch { id, entries: wire }
    }
}
