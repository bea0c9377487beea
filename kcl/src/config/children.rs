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
    /// Their leases are made by the audit of shards, every
    /// [`shard_sync_interval`](ConsumerConfigBuilder::shard_sync_interval), and when a parent ends, whichever comes first. Set the same on
    /// all workers; workers of the KCL keep to their way.
    AtOnce,
}

impl ConsumerConfigBuilder {
    /// When child shards are read. Default [`ChildShards::AfterParents`].
    pub fn child_shards(mut self, when: ChildShards) -> Self {
        self.children = when;
        self
    }
}
