//! ListShards, and the operations that change which shards a stream has.

use kinesis_aggregation::{HashKeyRange, ShardId};

use super::StreamAddress;
use crate::engine::sequence::SequenceNumber;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListShardsRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) next_token: Option<String>,
    pub(crate) exclusive_start_shard_id: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) stream_creation_timestamp_ms: Option<u64>,
    pub(crate) shard_filter: Option<ShardFilter>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShardFilter {
    /// `Type`, as text.
    pub(crate) filter_type: Option<String>,
    pub(crate) shard_id: Option<String>,
    pub(crate) timestamp_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListShardsResponse {
    pub(crate) shards: Vec<ShardDescription>,
    pub(crate) next_token: Option<String>,
}

/// `Shard`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardDescription {
    pub(crate) shard_id: ShardId,
    pub(crate) parent_shard_id: Option<ShardId>,
    /// Set on the child of a merge only.
    pub(crate) adjacent_parent_shard_id: Option<ShardId>,
    pub(crate) hash_key_range: HashKeyRange,
    pub(crate) starting_sequence_number: SequenceNumber,
    /// `None` while the shard is open.
    pub(crate) ending_sequence_number: Option<SequenceNumber>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SplitShardRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) shard_to_split: Option<String>,
    pub(crate) new_starting_hash_key: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MergeShardsRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) shard_to_merge: Option<String>,
    pub(crate) adjacent_shard_to_merge: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpdateShardCountRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) target_shard_count: Option<i64>,
    /// `ScalingType`, as text.
    pub(crate) scaling_type: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpdateShardCountResponse {
    pub(crate) stream_name: String,
    pub(crate) stream_arn: String,
    pub(crate) current_shard_count: usize,
    pub(crate) target_shard_count: usize,
}
