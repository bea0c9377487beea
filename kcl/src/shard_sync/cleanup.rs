//! Which finished leases may go.
//!
//! Decided from the table alone, so that it does not matter who finished the shard or who has been restarted since.

use std::collections::{HashMap, HashSet};

use kinesis_aggregation::ShardId;

use super::graph::ShardGraph;
use crate::lease::{Lease, LeaseKey};
use crate::position::Checkpoint;
use crate::store::Listing;

/// A lease to delete, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The lease.
    pub key: LeaseKey,
    /// Why nobody needs it.
    pub reason: Needless,
}

/// Why a finished lease is needed no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needless {
    /// All children are being processed.
    ChildrenUnderWay,
    /// The stream does not list its shard any more.
    ShardGone,
}

/// The leases that may be deleted, from a complete listing of leases and of **all** shards.
///
/// A lease goes only when it is finished, and either
/// - its shard is no longer listed (records and shard are past retention), or
/// - no parent of it has a lease, and each child has one that has got somewhere: children that have not would start
///   over elsewhere if they were lost now. `LATEST` counts as having got somewhere, as in KCL.
///
/// So the oldest go first, one generation in each round. If no lease at all has a listed shard, nothing is
/// removed: that is another stream's listing, not an old table.
#[must_use]
pub fn removable(listing: &Listing, shards: &ShardGraph) -> Vec<Removal> {
    let rows = Rows::of(listing);
    let same_stream = listing
        .leases
        .iter()
        .any(|lease| shard_of(lease).is_some_and(|id| shards.get(&id).is_some()));
    if !same_stream {
        return Vec::new();
    }
    let finished = listing.leases.iter().filter(|lease| lease.is_finished());
    finished
        .filter_map(|lease| {
            let shard = shard_of(lease)?;
            let reason = if shards.get(&shard).is_none() {
                Needless::ShardGone
            } else if rows.children_under_way(lease, &shard, shards) && !rows.any(&lease.parents) {
                Needless::ChildrenUnderWay
            } else {
                return None;
            };
            Some(Removal {
                key: lease.key.clone(),
                reason,
            })
        })
        .collect()
}

fn shard_of(lease: &Lease) -> Option<ShardId> {
    ShardId::new(lease.key.as_str()).ok()
}

struct Rows<'a> {
    checkpoints: HashMap<&'a str, &'a Checkpoint>,
    unreadable: HashSet<&'a str>,
}

impl<'a> Rows<'a> {
    fn of(listing: &'a Listing) -> Self {
        Self {
            checkpoints: listing
                .leases
                .iter()
                .map(|lease| (lease.key.as_str(), &lease.checkpoint))
                .collect(),
            unreadable: listing
                .skipped
                .iter()
                .filter_map(|row| Some(row.key.as_ref()?.as_str()))
                .collect(),
        }
    }

    fn any<'s>(&self, ids: impl IntoIterator<Item = &'s ShardId>) -> bool {
        ids.into_iter()
            .any(|id| self.checkpoints.contains_key(id.as_str()) || self.unreadable.contains(id.as_str()))
    }

    /// The row's own record of its children counts first, then the shard listing. No known child: not under way.
    fn children_under_way(&self, lease: &Lease, shard: &ShardId, shards: &ShardGraph) -> bool {
        let mut children: Vec<&ShardId> = lease.children.iter().collect();
        if children.is_empty() {
            children = shards.children(shard).collect();
        }
        !children.is_empty() && children.into_iter().all(|child| self.under_way(child))
    }

    fn under_way(&self, child: &ShardId) -> bool {
        match self.checkpoints.get(child.as_str()) {
            Some(Checkpoint::AtTimestamp | Checkpoint::TrimHorizon) | None => false,
            Some(Checkpoint::Latest | Checkpoint::At(_) | Checkpoint::ShardEnd) => true,
        }
    }
}

#[cfg(test)]
mod tests;
