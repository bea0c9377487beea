//! Setting of child shards: when their reading begins.

use super::ConsumerConfigBuilder;

/// When the shards that follow a split or merge are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ChildShards {
    /// When their parents are finished, so that the records of a key come in their order. The default, and the KCL's only way.
    #[default]
    AfterParents,
    /// At once, beside their parents: a backlog in a parent does not hold its children up, and **the order of a key is given up** over
    /// each split and merge.
    ///
    /// A worker lists the shards of each stream that it reads about every 10 s, or every
    /// [`shard_sync_interval`](ConsumerConfigBuilder::shard_sync_interval) where that is shorter; with more than 50 streams each comes
    /// less often, at 5 listings a second in all. Children of shards that are not finished get their leases then, whoever
    /// leads, and are read from their beginning as soon as a worker takes them.
    /// [`cost_forecast`](crate::Consumer::cost_forecast) counts the listings; the lease table is only read when a listing shows
    /// something new.
    ///
    /// What becomes of the order:
    /// - Within one shard it stays: records of a key that one shard holds come in their order.
    /// - Of a key's records before and after a split or merge, the later ones may be processed first, or at the same time, on another
    ///   worker. With several reshardings in the backlog that holds for each generation. How long this lasts is how far the parent
    ///   is behind.
    /// - State that is kept for each key in a processor, such as a running sum, is built in two places at once. "The last one
    ///   wins" needs a number or a time in the record.
    /// - Checkpoints stay what they are, one for each shard: nothing is lost, and nothing comes more often than otherwise.
    ///
    /// Set the same on all workers. A worker of the KCL that takes such a lease waits for the parents.
    AtOnce,
}

impl ConsumerConfigBuilder {
    /// When child shards are read. Default [`ChildShards::AfterParents`].
    pub fn child_shards(mut self, when: ChildShards) -> Self {
        self.children = when;
        self
    }
}
