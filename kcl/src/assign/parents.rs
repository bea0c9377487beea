//! Which leases wait for others, and which of those that wait here wait no more.

use std::collections::HashSet;

use kinesis_aggregation::ShardId;

use super::{Snapshot, Standing};
use crate::lease::{Lease, LeaseKey};
use crate::store::Listing;

/// Which leases stood in the way of their children, at one look at the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unfinished(HashSet<LeaseKey>);

impl Unfinished {
    pub(crate) fn of(listing: &Listing) -> Self {
        let readable = listing.leases.iter().filter(|lease| !lease.is_finished());
        // A row that cannot be read is there and not known to be finished.
        let unreadable = listing.skipped.iter().filter_map(|row| row.key.as_ref());
        let keys = readable.map(|lease| &lease.key).chain(unreadable);
        Self(keys.cloned().collect())
    }

    /// A parent without a row does not block: it is done, or older than the application.
    pub(crate) fn blocks(&self, lease: &Lease) -> bool {
        let mut parents = lease.parents.iter();
        parents.any(|parent| self.0.contains(&sibling(&lease.key, parent)))
    }
}

/// The key of another shard's lease of the same stream: parents are named by bare shard ids, whatever the keys name
/// before them.
fn sibling(key: &LeaseKey, shard: &ShardId) -> LeaseKey {
    match key.as_str().rsplit_once(':') {
        Some((stream, _)) => LeaseKey::new(&format!("{stream}:{shard}")),
        None => LeaseKey::of_shard(shard),
    }
}

/// Leases that a leader gave to worker `snapshot.me()` before their parents were done, and that it does not hold. Held they only wait,
/// which is no load, so no limit counts them; left alone the leader would take them for those of a dead worker.
pub(crate) fn given_early(snapshot: &Snapshot, held: &HashSet<LeaseKey>) -> Vec<LeaseKey> {
    let waits = |standing: &Standing| matches!(standing, Standing::Blocked(Some(by)) if by == snapshot.me());
    snapshot
        .keys_with(waits)
        .filter(|key| !held.contains(key))
        .cloned()
        .collect()
}

/// Of the leases that `waits` names, those whose parents are done, at a look at the table. One that is not `mine` any more, by its row,
/// is not begun with.
pub(crate) fn unblocked<'a>(
    listing: &'a Listing,
    unfinished: &Unfinished,
    waits: impl Fn(&LeaseKey) -> bool,
    mine: impl Fn(&Lease) -> bool,
) -> Vec<&'a LeaseKey> {
    let rows = listing.leases.iter();
    rows.filter(|row| waits(&row.key) && mine(row) && !unfinished.blocks(row))
        .map(|row| &row.key)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{held, key, seen_by, worker};
    use super::*;
    use crate::position::Checkpoint;

    fn lease(name: &str, parents: &[u64], checkpoint: Checkpoint) -> Lease {
        let mut lease = Lease::new(LeaseKey::new(name), checkpoint);
        lease.parents = parents.iter().map(|id| ShardId::from_number(*id)).collect();
        lease
    }

    #[test]
    fn what_waits_goes_on_when_the_last_parent_is_done() {
        let (start, end) = (Checkpoint::TrimHorizon, Checkpoint::ShardEnd);
        let name = |id: u64| format!("1:sales:2:{}", ShardId::from_number(id));
        let cases = [
            (Some(&start), Some(&start), true, false),
            (Some(&end), Some(&start), true, false),
            (Some(&end), Some(&end), true, true),
            (Some(&end), None, true, true),
            (None, None, true, true),
            (Some(&end), Some(&end), false, false),
        ];
        for (first, second, mine, goes_on) in cases {
            let parents = [(0, first), (1, second)];
            let rows = parents
                .into_iter()
                .filter_map(|(id, at)| Some(lease(&name(id), &[], at?.clone())));
            let child = lease(&name(2), &[0, 1], start.clone());
            // Another stream's shards of the same numbers mean nothing.
            let strangers = [lease("1:stock:2:shardId-000000000000", &[], start.clone())];
            let listing = Listing {
                leases: rows.chain([child]).chain(strangers).collect(),
                ..Listing::default()
            };
            let unfinished = Unfinished::of(&listing);
            let waits = |key: &LeaseKey| key.as_str() == name(2);
            let found = unblocked(&listing, &unfinished, waits, |_| mine);
            assert_eq!(found.len(), usize::from(goes_on), "{first:?} {second:?} {mine}");
        }
    }

    #[test]
    fn what_was_given_early_is_taken_once() {
        let waiting = |by: Option<&str>| Standing::Blocked(by.map(worker));
        let others = [
            waiting(Some("me")),
            waiting(Some("a")),
            waiting(None),
            waiting(Some("me")),
        ];
        let snapshot = seen_by("me", held("me", 1).chain(others));
        let all = given_early(&snapshot, &HashSet::new());
        assert_eq!(all, [key(1), key(4)]);
        assert_eq!(given_early(&snapshot, &HashSet::from([key(1)])), [key(4)]);
    }
}
