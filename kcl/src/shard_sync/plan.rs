//! Which leases to create.
//!
//! The normal way in which a lease comes to be is the end of its parent shard ([`super::children`]). This plan is
//! for the rest: an empty table, and shards whose lease nobody will create.

use std::collections::{BTreeMap, BTreeSet};

use kinesis_aggregation::{HashKeyRange, ShardId};

use super::coverage::first_hole;
use super::graph::ShardGraph;
use super::{Shard, Start};
use crate::lease::{Lease, LeaseKey};
use crate::position::Checkpoint;
use crate::store::Listing;

/// The listing at the start position leaves hash keys without a shard, so it is not complete.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no shard of the listing covers the hash keys {hole}")]
pub struct IncompleteListing {
    /// The first keys without a shard.
    pub hole: HashKeyRange,
}

/// The leases of an empty table, one for each shard of a listing made **with the filter of the start position**
/// (`AT_TRIM_HORIZON`, `AT_LATEST`, `AT_TIMESTAMP`), to be created in this order.
///
/// # Errors
/// When the listing does not cover all hash keys: list again.
pub fn initial_leases(shards: &ShardGraph, start: Start) -> Result<Vec<Lease>, IncompleteListing> {
    match first_hole(shards.shards().map(|shard| shard.hash_range)) {
        Some(hole) => Err(IncompleteListing { hole }),
        None => Ok(in_order(
            shards.shards().map(|shard| (shard, start.checkpoint())).collect(),
        )),
    }
}

/// What [`missing_leases`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SyncPlan {
    /// The leases to create, in this order.
    pub create: Vec<Lease>,
    /// Open shards left alone because the listing contradicts itself; the next listing should not.
    pub inconsistent: Vec<OpenChildOfOpenParent>,
}

/// A shard and its parent that both claim to receive records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenChildOfOpenParent {
    /// The child, which gets no lease from this plan.
    pub child: ShardId,
    /// The parent.
    pub parent: ShardId,
}

/// The leases that are missing, from a listing of **all** shards. Works on an empty table too.
///
/// For each open shard without a lease it goes up to the shards whose lease nobody else will create:
/// - a shard with a lease, or one that descends from such a shard, needs nothing: the end of the parent creates it;
/// - a shard without listed parents starts at `start`; with `start` = `LATEST` so does any shard none of whose
///   ancestors has a lease, otherwise its parents are looked at instead;
/// - a shard all of whose parents are finished has lost its lease (the end of a shard creates its children's leases
///   before it is recorded), and starts at its beginning, as it would have.
#[must_use]
pub fn missing_leases(shards: &ShardGraph, listing: &Listing, start: Start) -> SyncPlan {
    let leased = Leased::of(listing);
    let covered = shards.with_descendants(shards.shards().map(|s| &s.id).filter(|id| leased.has(id)));
    let mut plan = SyncPlan::default();
    let mut create: Vec<(&Shard, Checkpoint)> = Vec::new();
    let mut seen: BTreeSet<&ShardId> = BTreeSet::new();
    let mut ahead: Vec<&Shard> = Vec::new();

    for open in shards.open() {
        match shards.parents(open).find(|parent| !parent.closed) {
            Some(parent) => plan.inconsistent.push(OpenChildOfOpenParent {
                child: open.id.clone(),
                parent: parent.id.clone(),
            }),
            None => ahead.push(open),
        }
    }
    while let Some(shard) = ahead.pop() {
        if leased.has(&shard.id) || !seen.insert(&shard.id) {
            continue;
        }
        let parents: Vec<&Shard> = shards.parents(shard).collect();
        let at_tip = start == Start::Latest && !covered.contains(&shard.id);
        if parents.is_empty() || at_tip {
            create.push((shard, start.checkpoint()));
        } else if parents.iter().all(|parent| leased.finished(&parent.id)) {
            create.push((shard, Checkpoint::TrimHorizon));
        } else {
            ahead.extend(parents);
        }
    }
    plan.create = in_order(create);
    plan
}

/// The leases of shards that are to be read beside their parents, generation after generation: each that has none while all its listed
/// parents have one and are closed, from its beginning.
///
/// A lease that was removed because its shard is done does not come back: its parents' leases were removed before it.
#[must_use]
pub fn children_at_once(shards: &ShardGraph, listing: &Listing) -> Vec<Lease> {
    let leased = Leased::of(listing);
    let mut made: BTreeSet<&ShardId> = BTreeSet::new();
    loop {
        let before = made.len();
        for shard in shards.shards() {
            let has = |id: &ShardId| leased.has(id) || made.contains(id);
            let may_follow = |parent: &Shard| parent.closed && has(&parent.id);
            let mut parents = shards.parents(shard).peekable();
            if !has(&shard.id) && parents.peek().is_some() && parents.all(may_follow) {
                made.insert(&shard.id);
            }
        }
        if made.len() == before {
            break;
        }
    }
    let made = made.into_iter().filter_map(|id| shards.get(id));
    in_order(made.map(|shard| (shard, Checkpoint::TrimHorizon)).collect())
}

/// Which shards have a lease, and whether it is finished.
struct Leased<'a>(BTreeMap<&'a str, bool>);

impl<'a> Leased<'a> {
    fn of(listing: &'a Listing) -> Self {
        let readable = listing
            .leases
            .iter()
            .map(|lease| (lease.key.as_str(), lease.is_finished()));
        let unreadable = listing
            .skipped
            .iter()
            .filter_map(|row| Some((row.key.as_ref()?.as_str(), false)));
        Self(readable.chain(unreadable).collect())
    }

    fn has(&self, id: &ShardId) -> bool {
        self.0.contains_key(id.as_str())
    }

    fn finished(&self, id: &ShardId) -> bool {
        self.0.get(id.as_str()) == Some(&true)
    }
}

/// Oldest first, so that a table that is only half written when its writer dies holds parents rather than children.
fn in_order(mut shards: Vec<(&Shard, Checkpoint)>) -> Vec<Lease> {
    shards.sort_by(|(a, _), (b, _)| {
        a.starting_sequence_number
            .cmp(&b.starting_sequence_number)
            .then_with(|| a.id.cmp(&b.id))
    });
    shards
        .into_iter()
        .map(|(shard, checkpoint)| lease_of(shard, checkpoint))
        .collect()
}

fn lease_of(shard: &Shard, checkpoint: Checkpoint) -> Lease {
    let mut lease = Lease::new(LeaseKey::of_shard(&shard.id), checkpoint);
    lease.parents = shard.parents().cloned().collect();
    lease.hash_range = Some(shard.hash_range);
    lease
}

#[cfg(test)]
mod tests;
