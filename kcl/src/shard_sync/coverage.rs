//! Holes: hash keys that no unfinished lease covers.
//!
//! A hole means that the children of a finished shard were never given leases, so their records would be read by
//! nobody. Listings are not snapshots, so a hole counts only when it is seen unchanged in several rounds.

use std::num::NonZeroU32;

use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::graph::ShardGraph;
use crate::lease::Lease;
use crate::store::Listing;

/// Remembers the first hole of each round until it has been seen often enough.
#[derive(Debug, Clone)]
pub struct HoleWatch {
    threshold: NonZeroU32,
    seen: Option<(HashKeyRange, u32)>,
}

impl HoleWatch {
    /// `threshold`: in how many rounds in a row the same hole must be seen
    /// (KCL: `leasesRecoveryAuditorInconsistencyConfidenceThreshold`, default 3).
    #[must_use]
    pub fn new(threshold: NonZeroU32) -> Self {
        Self {
            threshold,
            seen: None,
        }
    }

    /// Takes in what a round found. `Some`: the hole is real, sync shards now; counting starts again.
    pub fn on_round(&mut self, found: Option<HashKeyRange>) -> Option<HashKeyRange> {
        let Some(hole) = found else {
            self.seen = None;
            return None;
        };
        let rounds = match self.seen {
            Some((known, rounds)) if known == hole => rounds + 1,
            _ => 1,
        };
        if rounds >= self.threshold.get() {
            self.seen = None;
            return Some(hole);
        }
        self.seen = Some((hole, rounds));
        None
    }
}

/// Whether the unfinished leases of a stream are known to cover all hash keys, so that no shard can lack one. A row that
/// cannot be read, or that has no range, leaves it unknown.
#[must_use]
pub(crate) fn is_covered(rows: &Listing) -> bool {
    let open = rows.leases.iter().filter(|lease| !lease.is_finished());
    let ranges: Option<Vec<HashKeyRange>> = open.map(|lease| lease.hash_range).collect();
    rows.skipped.is_empty() && ranges.is_some_and(|ranges| first_hole(ranges).is_none())
}

/// The first hash keys that no unfinished lease covers.
///
/// Rows of old versions lack the range; it is looked up in `shards`. If one is unknown there too, nothing can be
/// said, and that is reported as no hole.
#[must_use]
pub fn uncovered(leases: &[Lease], shards: &ShardGraph) -> Option<HashKeyRange> {
    let ranges: Option<Vec<HashKeyRange>> = leases
        .iter()
        .filter(|lease| !lease.is_finished())
        .map(|lease| lease.hash_range.or_else(|| range_of(lease, shards)))
        .collect();
    first_hole(ranges?)
}

fn range_of(lease: &Lease, shards: &ShardGraph) -> Option<HashKeyRange> {
    let id = ShardId::new(lease.key.as_str()).ok()?;
    Some(shards.get(&id)?.hash_range)
}

/// The first hash keys that are in none of these ranges; they may overlap.
pub(super) fn first_hole(ranges: impl IntoIterator<Item = HashKeyRange>) -> Option<HashKeyRange> {
    let mut ranges: Vec<HashKeyRange> = ranges.into_iter().collect();
    ranges.sort_by_key(HashKeyRange::start);
    let mut next = HashKey::MIN;
    for range in ranges {
        if range.start() > next {
            let last = HashKey::new(range.start().get() - 1);
            return HashKeyRange::new(next, last).ok();
        }
        if range.end() >= next {
            match range.end().get().checked_add(1) {
                Some(after) => next = HashKey::new(after),
                None => return None,
            }
        }
    }
    HashKeyRange::new(next, HashKey::MAX).ok()
}

#[cfg(test)]
mod tests;
