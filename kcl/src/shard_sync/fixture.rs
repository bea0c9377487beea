//! Shards for tests.

use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::Shard;
use super::graph::ShardGraph;
use crate::position::SequenceNumber;

pub(super) fn id(number: u64) -> ShardId {
    ShardId::from_number(number)
}

/// An open shard over all hash keys, without parents, whose sequence numbers begin at 100 x its number + 1.
pub(super) fn shard(number: u64) -> Shard {
    Shard {
        id: id(number),
        parent: None,
        adjacent_parent: None,
        hash_range: HashKeyRange::FULL,
        starting_sequence_number: SequenceNumber::parse(&(number * 100 + 1).to_string()).ok(),
        closed: false,
    }
}

impl Shard {
    pub(super) fn child_of(mut self, parents: &[u64]) -> Self {
        self.parent = parents.first().map(|n| id(*n));
        self.adjacent_parent = parents.get(1).map(|n| id(*n));
        self
    }

    pub(super) fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// Slices of a tenth of the hash keys: `from` to `to`, the last one included.
    pub(super) fn tenths(mut self, from: u128, to: u128) -> Self {
        self.hash_range = tenths(from, to);
        self
    }
}

pub(super) fn tenths(from: u128, to: u128) -> HashKeyRange {
    let slice = u128::MAX / 10;
    let end = if to == 9 { u128::MAX } else { (to + 1) * slice - 1 };
    HashKeyRange::new(HashKey::new(from * slice), HashKey::new(end)).unwrap()
}

/// The worked example of the reference library: 0 and 1 merged into 6, 2 and 3 into 7, 6 and 7 into 8; 4 untouched;
/// 5 split into 9 and 10.
pub(super) fn reference_graph() -> ShardGraph {
    ShardGraph::new([
        shard(0).tenths(0, 0).closed(),
        shard(1).tenths(1, 1).closed(),
        shard(2).tenths(2, 2).closed(),
        shard(3).tenths(3, 3).closed(),
        shard(4).tenths(4, 5),
        shard(5).tenths(6, 9).closed(),
        shard(6).tenths(0, 1).child_of(&[0, 1]).closed(),
        shard(7).tenths(2, 3).child_of(&[2, 3]).closed(),
        shard(8).tenths(0, 3).child_of(&[6, 7]),
        shard(9).tenths(6, 7).child_of(&[5]),
        shard(10).tenths(8, 9).child_of(&[5]),
    ])
}
