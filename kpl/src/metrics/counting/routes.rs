//! Which shard a hash key belongs to, for those who only count.

use kinesis_aggregation::{HashKey, ShardId};

use crate::pipeline::ListedShard;

/// The shards as last listed.
#[derive(Debug, Default)]
pub(super) struct Routes(Vec<(HashKey, ShardId)>);

impl Routes {
    pub(super) fn new(shards: &[ListedShard]) -> Self {
        let open = shards.iter().filter(|shard| shard.is_open);
        let mut ends: Vec<_> = open.map(|shard| (shard.range.end(), shard.id.clone())).collect();
        ends.sort_unstable_by_key(|(end, _)| *end);
        Self(ends)
    }

    pub(super) fn shard_of(&self, hash_key: HashKey) -> Option<&ShardId> {
        let place = self.0.partition_point(|(end, _)| *end < hash_key);
        self.0.get(place).map(|(_, shard)| shard)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
