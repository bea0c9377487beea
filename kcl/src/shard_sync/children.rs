//! The leases to create when a shard ends.
//!
//! They are written **before** the end is recorded: afterwards nobody would look again until the hole is noticed.
//! They start at the children's beginning whatever the configured start is, because everything before was read.

use std::collections::BTreeSet;

use kinesis_aggregation::{HashKeyRange, ShardId};

use crate::lease::{Lease, LeaseKey};
use crate::position::Checkpoint;

/// A child, as the service names it in the last answer of a finished shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildShard {
    /// Its id.
    pub id: ShardId,
    /// All its parents: one after a split, two after a merge.
    pub parents: BTreeSet<ShardId>,
    /// The hash keys it receives.
    pub hash_range: HashKeyRange,
}

/// What to do about the children of a finished shard.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildLeases {
    /// Create these (unless they are there already), then record the ids as children, then record the end.
    Create(Vec<Lease>),
    /// One parent of a merge has a lease and the other has none yet: look at the table again later. If the other
    /// shard is no longer listed either, count it among `present`, because no lease will come.
    WaitFor(ShardId),
    /// A child does not name the finished shard among its parents, so the answer is not to be trusted: ask again.
    NotMine(ShardId),
}

/// Decides from the children named by the service and the parents whose lease is in the table.
///
/// The merge rule: both parents' leases are present, or both are absent.
#[must_use]
pub fn child_leases(finished: &ShardId, children: &[ChildShard], present: &BTreeSet<ShardId>) -> ChildLeases {
    if let Some(foreign) = children.iter().find(|child| !child.parents.contains(finished)) {
        return ChildLeases::NotMine(foreign.id.clone());
    }
    for child in children {
        let (there, missing): (Vec<_>, Vec<_>) = child.parents.iter().partition(|p| present.contains(*p));
        if let (false, Some(missing)) = (there.is_empty(), missing.first()) {
            return ChildLeases::WaitFor((*missing).clone());
        }
    }
    ChildLeases::Create(children.iter().map(lease_of).collect())
}

fn lease_of(child: &ChildShard) -> Lease {
    let mut lease = Lease::new(LeaseKey::of_shard(&child.id), Checkpoint::TrimHorizon);
    lease.parents = child.parents.clone();
    lease.hash_range = Some(child.hash_range);
    lease
}

#[cfg(test)]
mod tests {
    use super::super::fixture::id;
    use super::*;

    fn child(number: u64, parents: &[u64]) -> ChildShard {
        ChildShard {
            id: id(number),
            parents: parents.iter().map(|n| id(*n)).collect(),
            hash_range: HashKeyRange::FULL,
        }
    }

    fn present(numbers: &[u64]) -> BTreeSet<ShardId> {
        numbers.iter().map(|n| id(*n)).collect()
    }

    #[test]
    fn a_split_gives_two_leases_at_their_beginning() {
        let children = [child(5, &[1]), child(6, &[1])];
        let ChildLeases::Create(leases) = child_leases(&id(1), &children, &present(&[1])) else {
            panic!("a split needs no other parent");
        };
        assert_eq!(leases.len(), 2);
        assert_eq!(leases[0].key, LeaseKey::of_shard(&id(5)));
        assert_eq!(leases[0].checkpoint, Checkpoint::TrimHorizon);
        assert_eq!(leases[0].parents, present(&[1]));
        assert_eq!(leases[0].hash_range, Some(HashKeyRange::FULL));
        assert_eq!((leases[0].counter, &leases[0].owner), (0, &None));
    }

    #[test]
    fn a_merge_needs_both_parents_or_none() {
        let merged = [child(7, &[1, 2])];
        for (there, wait) in [(&[1][..], Some(2)), (&[2], Some(1)), (&[1, 2], None), (&[], None)] {
            let answer = child_leases(&id(1), &merged, &present(there));
            match wait {
                Some(other) => assert_eq!(answer, ChildLeases::WaitFor(id(other)), "{there:?}"),
                None => assert!(
                    matches!(answer, ChildLeases::Create(l) if l.len() == 1),
                    "{there:?}"
                ),
            }
        }
    }

    #[test]
    fn a_stranger_among_the_children_spoils_the_answer() {
        let children = [child(5, &[1]), child(6, &[3])];
        assert_eq!(
            child_leases(&id(1), &children, &present(&[1])),
            ChildLeases::NotMine(id(6))
        );
    }

    #[test]
    fn no_children_need_no_leases() {
        assert_eq!(
            child_leases(&id(1), &[], &present(&[1])),
            ChildLeases::Create(Vec::new())
        );
    }
}
