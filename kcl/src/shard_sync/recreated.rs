//! Streams that were deleted and made again under the same name.
//!
//! The leases of the old stream say nothing about the new one: its shards have the same ids and other records. In a
//! multi-stream table keys hold the creation time. In a single-stream table nothing names the stream, but a lease may show
//! that it is not of the shard that has its id now.

use std::fmt;

use kinesis_aggregation::ShardId;

use super::graph::ShardGraph;
use crate::lease::{Lease, LeaseKey, StreamId};
use crate::position::Checkpoint;
use crate::store::Listing;

/// What two creation times say. All in whole seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sameness {
    /// The leases are of this very stream.
    Same,
    /// The stream was made anew after its leases: they are of one that is no more.
    Recreated,
    /// The leases are of a stream made *after* the one described: the description is stale. Ask again.
    StaleDescription,
}

/// Compares the creation time recorded with leases to what the service says now.
#[must_use]
pub fn compare_creation(recorded: u64, described: u64) -> Sameness {
    match described.cmp(&recorded) {
        std::cmp::Ordering::Equal => Sameness::Same,
        std::cmp::Ordering::Greater => Sameness::Recreated,
        std::cmp::Ordering::Less => Sameness::StaleDescription,
    }
}

/// What shows that a stream is not the one that was read under its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Recreated {
    /// The service says when it was created.
    #[error("`{was}` was read, and the name is that of `{is}` now")]
    Creation {
        /// The stream that was read, with its creation time.
        was: StreamId,
        /// The stream that there is.
        is: StreamId,
    },
    /// A lease is of a former shard.
    #[error("lease `{key}` is of a former stream: {mark}")]
    Lease {
        /// Which lease.
        key: LeaseKey,
        /// How that shows.
        mark: Mark,
    },
}

/// How it shows that a lease is not of the shard that has its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Mark {
    /// Its checkpoint is below the first sequence number of the shard: numbers grow over the life of a name.
    BelowItsShard,
    /// It covers other hash keys: a shard keeps those it was made with.
    OtherHashKeys,
    /// It is finished, and the shard is open. A listing that is late says so too, for a moment.
    FinishedButOpen,
}

impl Mark {
    /// Whether seeing it once is enough.
    #[must_use]
    pub fn is_certain(self) -> bool {
        match self {
            Self::BelowItsShard | Self::OtherHashKeys => true,
            Self::FinishedButOpen => false,
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BelowItsShard => "its checkpoint is below the first number of its shard",
            Self::OtherHashKeys => "it covers other hash keys than its shard",
            Self::FinishedButOpen => "it is finished, and its shard is open",
        })
    }
}

/// The leases of this stream that were written for an earlier stream of its name, the surest mark first. Any certain one
/// means: stop, or begin anew. Reading on would skip or mix records silently. `listing` holds the rows of this stream alone
/// (see [`rows_of`](super::view::rows_of)).
#[must_use]
pub fn foreign_leases(shards: &ShardGraph, listing: &Listing) -> Vec<(LeaseKey, Mark)> {
    let marked = |lease: &Lease| Some((lease.key.clone(), mark(shards, lease)?));
    let mut foreign: Vec<_> = listing.leases.iter().filter_map(marked).collect();
    foreign.sort_by_key(|(_, mark)| *mark);
    foreign
}

/// Once it is known that the stream was made again: the leases that are of the former one, which is those with a mark and
/// those of shards that the new one does not list and that hold nothing newer than it. A lease without a checkpoint of a
/// listed shard stays: it says no more than where to begin.
#[must_use]
pub fn former_leases(shards: &ShardGraph, listing: &Listing) -> Vec<LeaseKey> {
    let first = shards
        .shards()
        .filter_map(|shard| shard.starting_sequence_number.as_ref())
        .min();
    let is_former = |lease: &&Lease| {
        let listed = shard_of(lease).is_some_and(|id| shards.get(&id).is_some());
        match (&lease.checkpoint, first) {
            _ if listed => mark(shards, lease).is_some(),
            (Checkpoint::At(position), Some(first)) => position.sequence_number() < first,
            (Checkpoint::At(_), None) => false,
            _ => true,
        }
    };
    let former = listing.leases.iter().filter(is_former);
    former.map(|lease| lease.key.clone()).collect()
}

fn mark(shards: &ShardGraph, lease: &Lease) -> Option<Mark> {
    let shard = shards.get(&shard_of(lease)?)?;
    if let (Checkpoint::At(position), Some(first)) = (&lease.checkpoint, &shard.starting_sequence_number)
        && position.sequence_number() < first
    {
        return Some(Mark::BelowItsShard);
    }
    if lease.hash_range.is_some_and(|range| range != shard.hash_range) {
        return Some(Mark::OtherHashKeys);
    }
    (lease.is_finished() && !shard.closed).then_some(Mark::FinishedButOpen)
}

fn shard_of(lease: &Lease) -> Option<ShardId> {
    ShardId::new(lease.key.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{id, shard, tenths};
    use super::*;
    use crate::position::{Position, SequenceNumber};

    fn at(number: &str) -> Checkpoint {
        Checkpoint::At(Position::new(SequenceNumber::parse(number).unwrap(), 0))
    }

    fn lease(number: u64, checkpoint: Checkpoint) -> Lease {
        Lease::new(LeaseKey::of_shard(&id(number)), checkpoint)
    }

    fn listing(leases: Vec<Lease>) -> Listing {
        Listing {
            leases,
            skipped: Vec::new(),
        }
    }

    #[test]
    fn creation_times_tell() {
        for (recorded, described, expected) in [
            (17, 17, Sameness::Same),
            (17, 18, Sameness::Recreated),
            (18, 17, Sameness::StaleDescription),
        ] {
            assert_eq!(compare_creation(recorded, described), expected);
        }
    }

    #[test]
    fn a_lease_shows_that_its_shard_is_another() {
        // Shard 3 begins at 301.
        let open = ShardGraph::new([shard(3)]);
        let closed = ShardGraph::new([shard(3).closed()]);
        let other_keys = |checkpoint| Lease {
            hash_range: Some(tenths(0, 4)),
            ..lease(3, checkpoint)
        };
        let same_keys = Lease {
            hash_range: Some(shard(3).hash_range),
            ..lease(3, Checkpoint::TrimHorizon)
        };
        let cases = [
            (&open, lease(3, at("300")), Some(Mark::BelowItsShard)),
            (&closed, lease(3, at("300")), Some(Mark::BelowItsShard)),
            (&open, lease(3, at("301")), None),
            (
                &open,
                lease(3, at("49590338271490256608559692538361571095921575989136588898")),
                None,
            ),
            (&open, lease(3, Checkpoint::TrimHorizon), None),
            (&open, same_keys, None),
            (
                &open,
                other_keys(Checkpoint::TrimHorizon),
                Some(Mark::OtherHashKeys),
            ),
            (&open, other_keys(at("300")), Some(Mark::BelowItsShard)),
            (&open, lease(3, Checkpoint::ShardEnd), Some(Mark::FinishedButOpen)),
            (&closed, lease(3, Checkpoint::ShardEnd), None),
            // Its shard is past retention.
            (&open, lease(9, at("1")), None),
        ];
        for (shards, lease, expected) in cases {
            let found = foreign_leases(shards, &listing(vec![lease.clone()]));
            let marks: Vec<Mark> = found.iter().map(|(_, mark)| *mark).collect();
            assert_eq!(marks, Vec::from_iter(expected), "{lease:?}");
        }
    }

    #[test]
    fn the_surest_mark_comes_first() {
        let shards = ShardGraph::new([shard(3), shard(4)]);
        let leases = vec![lease(3, Checkpoint::ShardEnd), lease(4, at("1"))];
        let found = foreign_leases(&shards, &listing(leases));
        let marks: Vec<Mark> = found.iter().map(|(_, mark)| *mark).collect();
        assert_eq!(marks, [Mark::BelowItsShard, Mark::FinishedButOpen]);
        assert!(marks[0].is_certain() && !marks[1].is_certain());
    }

    #[test]
    fn what_is_of_the_new_stream_stays() {
        let shards = ShardGraph::new([shard(3), shard(4)]);
        let leases = vec![
            lease(3, at("12")),
            lease(4, at("401")),
            // Shards that the new stream does not have.
            lease(7, at("13")),
            lease(8, Checkpoint::ShardEnd),
            lease(9, Checkpoint::TrimHorizon),
            // A shard that was made after the listing.
            lease(10, at("999")),
        ];
        let former = former_leases(&shards, &listing(leases));
        let expected = [3, 7, 8, 9].map(|number| LeaseKey::of_shard(&id(number)));
        assert_eq!(former, expected);
        let unread = listing(vec![lease(3, Checkpoint::Latest)]);
        assert!(
            former_leases(&shards, &unread).is_empty(),
            "it says where to begin"
        );
    }
}
