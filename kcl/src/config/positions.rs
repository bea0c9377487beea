//! Settings of places: where single shards start, and what to do when a place is not there any more.

use std::collections::BTreeMap;
use std::time::SystemTime;

use kinesis_aggregation::ShardId;

use super::ConsumerConfigBuilder;
use crate::lease::LeaseKey;
use crate::position::{Position, SequenceNumber};

/// Where one shard starts that has no checkpoint yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShardStart {
    /// With the oldest record kept.
    TrimHorizon,
    /// With the records that arrive from now on; fixed as [`InitialPosition::Latest`](crate::InitialPosition::Latest) is.
    Latest,
    /// With the first record that arrived at or after this time.
    AtTimestamp(SystemTime),
    /// With this Kinesis record, itself included.
    At(SequenceNumber),
    /// With the record after this one.
    After(Position),
}

/// What to do when the record that a checkpoint names is older than what the stream keeps, so that records may have gone unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnTrimmed {
    /// Go on with the oldest record kept, and say what is missing:
    /// [`ConsumerEvent::PositionTrimmed`](crate::events::ConsumerEvent::PositionTrimmed). The default.
    #[default]
    ReadOldest,
    /// Give none of the shard's records to the processor, and end the consumer with
    /// [`RunError::PositionTrimmed`](crate::RunError::PositionTrimmed).
    Fail,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Positions {
    pub(crate) starts: BTreeMap<LeaseKey, ShardStart>,
    pub(crate) on_trimmed: OnTrimmed,
}

impl ConsumerConfigBuilder {
    /// Where this shard starts without a checkpoint, in place of the initial position. May be called for several shards.
    ///
    /// It counts for as long as the lease has no checkpoint, so set the same on all workers; to move a shard that has one, see
    /// [`ConsumerHandle::seek`](crate::ConsumerHandle::seek). Workers of the KCL do not know of it. Default: none.
    pub fn start_shard(self, shard: &ShardId, start: ShardStart) -> Self {
        self.start_lease(LeaseKey::of_shard(shard), start)
    }

    /// As [`start_shard`](Self::start_shard), for a shard of one of several streams, by the key of its lease.
    pub fn start_lease(mut self, key: LeaseKey, start: ShardStart) -> Self {
        self.positions.starts.insert(key, start);
        self
    }

    /// What to do when a checkpoint is older than what the stream keeps. Default [`OnTrimmed::ReadOldest`].
    pub fn on_trimmed(mut self, policy: OnTrimmed) -> Self {
        self.positions.on_trimmed = policy;
        self
    }
}
