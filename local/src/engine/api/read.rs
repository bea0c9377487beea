//! GetShardIterator, GetRecords and SubscribeToShard.

use std::sync::Arc;

use bytes::Bytes;
use kinesis_aggregation::{HashKeyRange, ShardId};

use super::{EncryptionType, StreamAddress};
use crate::engine::sequence::SequenceNumber;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GetShardIteratorRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) shard_id: Option<String>,
    /// `ShardIteratorType`, as text.
    pub(crate) iterator_type: Option<String>,
    pub(crate) starting_sequence_number: Option<String>,
    pub(crate) timestamp_ms: Option<u64>,
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GetShardIteratorResponse {
    pub(crate) shard_iterator: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GetRecordsRequest {
    /// Optional; the iterator already says which stream.
    pub(crate) stream: StreamAddress,
    pub(crate) shard_iterator: Option<String>,
    pub(crate) limit: Option<i64>,
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GetRecordsResponse {
    pub(crate) records: Vec<Record>,
    /// `None` once the shard is closed and read to its end.
    pub(crate) next_shard_iterator: Option<String>,
    pub(crate) millis_behind_latest: u64,
    /// Only with the page that ends a closed shard.
    pub(crate) child_shards: Option<Vec<ChildShard>>,
}

/// A stored record as a reader gets it. Cloning copies no data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) sequence_number: SequenceNumber,
    pub(crate) arrival_ms: u64,
    pub(crate) data: Bytes,
    /// Absent if the producer sent none, as streams in `AUTO` distribution allow.
    pub(crate) partition_key: Option<Arc<str>>,
    pub(crate) encryption_type: EncryptionType,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChildShard {
    pub(crate) shard_id: ShardId,
    pub(crate) parent_shards: Vec<ShardId>,
    pub(crate) hash_key_range: HashKeyRange,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SubscribeToShardRequest {
    pub(crate) consumer_arn: Option<String>,
    pub(crate) shard_id: Option<String>,
    pub(crate) starting_position: Option<StartingPosition>,
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StartingPosition {
    /// `Type`, as text.
    pub(crate) position_type: Option<String>,
    pub(crate) sequence_number: Option<String>,
    pub(crate) timestamp_ms: Option<u64>,
}

/// `SubscribeToShardEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubscriptionEvent {
    pub(crate) records: Vec<Record>,
    pub(crate) continuation_sequence_number: SequenceNumber,
    pub(crate) millis_behind_latest: u64,
    /// Only with the event that ends a closed shard.
    pub(crate) child_shards: Option<Vec<ChildShard>>,
}
