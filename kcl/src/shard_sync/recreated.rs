//! Streams that were deleted and made again under the same name.
//!
//! The leases of the old stream say nothing about the new one: its shards have the same ids and other records. Two proofs
//! are known. In a multi-stream table keys hold the creation time. In a single-stream table nothing names the stream, but
//! sequence numbers grow over the life of a name: a checkpoint below the first number of its own shard is not of this
//! shard.

use kinesis_aggregation::ShardId;

use super::graph::ShardGraph;
use crate::lease::LeaseKey;
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

/// A lease whose checkpoint cannot be of the shard that has its id now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint of {key} is older than its shard: the stream was deleted and made again")]
pub struct ForeignCheckpoint {
    /// Which lease.
    pub key: LeaseKey,
}

/// The leases of this stream that were written for an earlier stream of its name. Any of them means: stop, and let a
/// human or an explicit policy decide. Reading on would skip or mix records silently.
#[must_use]
pub fn foreign_checkpoints(shards: &ShardGraph, listing: &Listing) -> Vec<ForeignCheckpoint> {
    let foreign = listing.leases.iter().filter(|lease| {
        let Checkpoint::At(position) = &lease.checkpoint else {
            return false;
        };
        let shard = ShardId::new(lease.key.as_str()).ok();
        let first = shard.and_then(|id| shards.get(&id)?.starting_sequence_number.as_ref());
        first.is_some_and(|first| position.sequence_number() < first)
    });
    foreign
        .map(|lease| ForeignCheckpoint {
            key: lease.key.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{id, shard};
    use super::*;
    use crate::lease::Lease;
    use crate::position::{Position, SequenceNumber};

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
    fn a_checkpoint_below_its_shard_is_of_another_stream() {
        // Shard 3 begins at 301.
        let shards = ShardGraph::new([shard(3)]);
        let at = |number: &str| Checkpoint::At(Position::new(SequenceNumber::parse(number).unwrap(), 0));
        for (checkpoint, foreign) in [
            (at("300"), true),
            (at("301"), false),
            (
                at("49590338271490256608559692538361571095921575989136588898"),
                false,
            ),
            (Checkpoint::TrimHorizon, false),
            (Checkpoint::ShardEnd, false),
        ] {
            let listing = Listing {
                leases: vec![Lease::new(LeaseKey::of_shard(&id(3)), checkpoint.clone())],
                skipped: Vec::new(),
            };
            assert_eq!(
                foreign_checkpoints(&shards, &listing).len(),
                usize::from(foreign),
                "{checkpoint:?}"
            );
        }
        let unknown = Listing {
            leases: vec![Lease::new(LeaseKey::of_shard(&id(9)), at("1"))],
            skipped: Vec::new(),
        };
        assert!(
            foreign_checkpoints(&shards, &unknown).is_empty(),
            "its shard is past retention"
        );
    }
}
