//! DescribeStream and DescribeStreamSummary.

use super::Engine;
use super::api::{
    DescribeStreamRequest, ShardDescription, StreamDescription, StreamDescriptionSummary, StreamMode,
    StreamRequest, WarmThroughput,
};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::list_shards::number_of;
use super::operation::Operation;

impl Engine {
    pub(crate) fn describe_stream(
        &mut self,
        request: DescribeStreamRequest,
        now_ms: u64,
    ) -> Result<StreamDescription, ServiceError> {
        let now_ms = self.begin(Operation::DescribeStream, now_ms)?;
        let mut constraints = Constraints::new();
        if let Some(limit) = request.limit {
            constraints.range("limit", limit, 1, 10_000);
        }
        if let Some(shard_id) = &request.exclusive_start_shard_id {
            constraints.name("exclusiveStartShardId", shard_id);
        }
        constraints.finish()?;
        let start = request.exclusive_start_shard_id.as_deref();
        let after = start.map(number_of).transpose()?;
        let limit = request.limit.unwrap_or(DEFAULT_SHARDS);
        let limit = usize::try_from(limit).unwrap_or(1).min(MAX_SHARDS);
        let name = self.owner.resolve(&request.stream)?;
        let stream = super::find(&mut self.streams, &mut self.ledger, &self.owner, name, now_ms)?;
        let mut shards: Vec<ShardDescription> = if stream.is_usable() {
            let shards = stream.shards_after(after).take(limit + 1);
            shards.map(|shard| shard.describe(now_ms)).collect()
        } else {
            Vec::new()
        };
        let has_more_shards = shards.len() > limit;
        shards.truncate(limit);
        Ok(StreamDescription {
            stream_name: stream.name.to_string(),
            stream_arn: self.owner.stream_arn(&stream.name),
            status: stream.status,
            mode: stream.mode,
            shards,
            has_more_shards,
            retention_period_hours: stream.retention_hours,
            created_ms: stream.created_ms,
            shard_level_metrics: stream.metrics.iter().cloned().collect(),
            encryption_type: stream.encryption,
            key_id: stream.key_id.clone(),
        })
    }

    pub(crate) fn describe_stream_summary(
        &mut self,
        request: StreamRequest,
        now_ms: u64,
    ) -> Result<StreamDescriptionSummary, ServiceError> {
        let now_ms = self.begin(Operation::DescribeStreamSummary, now_ms)?;
        let name = self.owner.resolve(&request.stream)?;
        let stream = super::find(&mut self.streams, &mut self.ledger, &self.owner, name, now_ms)?;
        stream.forget_gone_consumers(now_ms);
        let is_on_demand = stream.mode == StreamMode::OnDemand;
        Ok(StreamDescriptionSummary {
            stream_name: stream.name.to_string(),
            stream_arn: self.owner.stream_arn(&stream.name),
            status: stream.status,
            mode: stream.mode,
            retention_period_hours: stream.retention_hours,
            created_ms: stream.created_ms,
            shard_level_metrics: stream.metrics.iter().cloned().collect(),
            encryption_type: stream.encryption,
            key_id: stream.key_id.clone(),
            open_shard_count: if stream.is_usable() {
                stream.open().len()
            } else {
                0
            },
            consumer_count: stream.consumers.len(),
            warm_throughput: stream.warm_mibps.map(|mibps| WarmThroughput {
                target_mibps: mibps,
                current_mibps: mibps,
            }),
            max_record_size_in_kib: stream.max_record_kib,
            channel_count: 0,
            record_distribution_strategy: is_on_demand.then_some(stream.distribution),
        })
    }
}

/// Source: AWS API reference, DescribeStream, `Limit`.
const DEFAULT_SHARDS: i64 = 100;
/// Source: as above: more than this gives this many.
const MAX_SHARDS: usize = 100;
