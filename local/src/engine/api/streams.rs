//! Streams as wholes: their life, their description, their settings.

use std::collections::BTreeMap;

use super::{Distribution, EncryptionType, ShardDescription, StreamAddress, StreamMode, StreamStatus};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CreateStreamRequest {
    pub(crate) stream_name: Option<String>,
    pub(crate) shard_count: Option<i64>,
    /// `StreamModeDetails.StreamMode`, as text.
    pub(crate) stream_mode: Option<String>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) warm_throughput_mibps: Option<i64>,
    pub(crate) max_record_size_in_kib: Option<i64>,
    pub(crate) record_distribution_strategy: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DeleteStreamRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) enforce_consumer_deletion: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DescribeStreamRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) limit: Option<i64>,
    pub(crate) exclusive_start_shard_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamDescription {
    pub(crate) stream_name: String,
    pub(crate) stream_arn: String,
    pub(crate) status: StreamStatus,
    pub(crate) mode: StreamMode,
    pub(crate) shards: Vec<ShardDescription>,
    pub(crate) has_more_shards: bool,
    pub(crate) retention_period_hours: u32,
    pub(crate) created_ms: u64,
    /// `EnhancedMonitoring[0].ShardLevelMetrics`.
    pub(crate) shard_level_metrics: Vec<String>,
    pub(crate) encryption_type: EncryptionType,
    pub(crate) key_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamDescriptionSummary {
    pub(crate) stream_name: String,
    pub(crate) stream_arn: String,
    pub(crate) status: StreamStatus,
    pub(crate) mode: StreamMode,
    pub(crate) retention_period_hours: u32,
    pub(crate) created_ms: u64,
    pub(crate) shard_level_metrics: Vec<String>,
    pub(crate) encryption_type: EncryptionType,
    pub(crate) key_id: Option<String>,
    pub(crate) open_shard_count: usize,
    pub(crate) consumer_count: usize,
    pub(crate) warm_throughput: Option<WarmThroughput>,
    pub(crate) max_record_size_in_kib: u32,
    pub(crate) channel_count: u32,
    /// Reported for on-demand streams only.
    pub(crate) record_distribution_strategy: Option<Distribution>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WarmThroughput {
    pub(crate) target_mibps: u32,
    pub(crate) current_mibps: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListStreamsRequest {
    pub(crate) limit: Option<i64>,
    pub(crate) exclusive_start_stream_name: Option<String>,
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListStreamsResponse {
    pub(crate) streams: Vec<StreamSummary>,
    pub(crate) has_more_streams: bool,
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamSummary {
    pub(crate) stream_name: String,
    pub(crate) stream_arn: String,
    pub(crate) status: StreamStatus,
    pub(crate) mode: StreamMode,
    pub(crate) created_ms: u64,
}

/// IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RetentionPeriodRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) retention_period_hours: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpdateStreamModeRequest {
    pub(crate) stream: StreamAddress,
    /// `StreamModeDetails.StreamMode`, as text.
    pub(crate) stream_mode: Option<String>,
    pub(crate) warm_throughput_mibps: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpdateMaxRecordSizeRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) max_record_size_in_kib: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpdateRecordDistributionStrategyRequest {
    pub(crate) stream: StreamAddress,
    /// `RecordDistributionStrategy`, as text.
    pub(crate) strategy: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpdateWarmThroughputRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) warm_throughput_mibps: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpdateWarmThroughputResponse {
    pub(crate) stream_name: String,
    pub(crate) stream_arn: String,
    pub(crate) warm_throughput: WarmThroughput,
}

/// StartStreamEncryption and StopStreamEncryption.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EncryptionRequest {
    pub(crate) stream: StreamAddress,
    /// `EncryptionType`, as text.
    pub(crate) encryption_type: Option<String>,
    pub(crate) key_id: Option<String>,
}

/// EnableEnhancedMonitoring and DisableEnhancedMonitoring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MonitoringRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) shard_level_metrics: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MonitoringResponse {
    pub(crate) stream_name: String,
    pub(crate) stream_arn: String,
    pub(crate) current_shard_level_metrics: Vec<String>,
    pub(crate) desired_shard_level_metrics: Vec<String>,
}
