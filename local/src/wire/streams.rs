//! Streams as wholes: their life, their description, their settings, their encryption.

use super::reader::{Malformed, Members, Reader};
use super::shards::descriptions;
use super::writer::Writer;
use crate::engine::api::{
    CreateStreamRequest, DeleteStreamRequest, DescribeStreamRequest, EncryptionRequest, ListStreamsRequest,
    ListStreamsResponse, RetentionPeriodRequest, StreamDescription, StreamDescriptionSummary, StreamMode,
    StreamRequest, UpdateMaxRecordSizeRequest, UpdateRecordDistributionStrategyRequest,
    UpdateStreamModeRequest, UpdateWarmThroughputRequest, UpdateWarmThroughputResponse, WarmThroughput,
};

impl Members for CreateStreamRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream_name = value.string()?,
            "ShardCount" => self.shard_count = value.integer()?,
            "StreamModeDetails" => self.stream_mode = mode(value)?,
            "Tags" => self.tags = value.string_map()?,
            "WarmThroughputMiBps" => self.warm_throughput_mibps = value.integer()?,
            "MaxRecordSizeInKiB" => self.max_record_size_in_kib = value.integer()?,
            "RecordDistributionStrategy" => self.record_distribution_strategy = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// `StreamModeDetails`, which has one member.
#[derive(Default)]
struct ModeDetails {
    mode: Option<String>,
}

impl Members for ModeDetails {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamMode" => self.mode = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

fn mode(value: &mut Reader<'_>) -> Result<Option<String>, Malformed> {
    Ok(value.structure::<ModeDetails>()?.and_then(|details| details.mode))
}

impl Members for DeleteStreamRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "EnforceConsumerDeletion" => self.enforce_consumer_deletion = value.flag()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for DescribeStreamRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "Limit" => self.limit = value.integer()?,
            "ExclusiveStartShardId" => self.exclusive_start_shard_id = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for StreamRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for ListStreamsRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "Limit" => self.limit = value.integer()?,
            "ExclusiveStartStreamName" => self.exclusive_start_stream_name = value.string()?,
            "NextToken" => self.next_token = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for RetentionPeriodRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "RetentionPeriodHours" => self.retention_period_hours = value.integer()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for UpdateStreamModeRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamARN" => self.stream.arn = value.string()?,
            "StreamModeDetails" => self.stream_mode = mode(value)?,
            "WarmThroughputMiBps" => self.warm_throughput_mibps = value.integer()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for UpdateMaxRecordSizeRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamARN" => self.stream.arn = value.string()?,
            "MaxRecordSizeInKiB" => self.max_record_size_in_kib = value.integer()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for UpdateRecordDistributionStrategyRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamARN" => self.stream.arn = value.string()?,
            "RecordDistributionStrategy" => self.strategy = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for UpdateWarmThroughputRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "WarmThroughputMiBps" => self.warm_throughput_mibps = value.integer()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for EncryptionRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "EncryptionType" => self.encryption_type = value.string()?,
            "KeyId" => self.key_id = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

pub(super) fn description(reply: &StreamDescription, writer: &mut Writer) {
    writer.structure("StreamDescription", |writer| {
        writer.text("StreamName", &reply.stream_name);
        writer.text("StreamARN", &reply.stream_arn);
        writer.text("StreamStatus", reply.status.as_str());
        mode_details(reply.mode, writer);
        descriptions(&reply.shards, writer);
        writer.flag("HasMoreShards", reply.has_more_shards);
        writer.number("RetentionPeriodHours", reply.retention_period_hours.into());
        writer.time("StreamCreationTimestamp", reply.created_ms);
        enhanced_monitoring(&reply.shard_level_metrics, writer);
        writer.text("EncryptionType", reply.encryption_type.as_str());
        writer.optional_text("KeyId", reply.key_id.as_deref());
    });
}

pub(super) fn summary(reply: &StreamDescriptionSummary, writer: &mut Writer) {
    writer.structure("StreamDescriptionSummary", |writer| {
        writer.text("StreamName", &reply.stream_name);
        writer.text("StreamARN", &reply.stream_arn);
        writer.text("StreamStatus", reply.status.as_str());
        mode_details(reply.mode, writer);
        writer.number("RetentionPeriodHours", reply.retention_period_hours.into());
        writer.time("StreamCreationTimestamp", reply.created_ms);
        enhanced_monitoring(&reply.shard_level_metrics, writer);
        writer.text("EncryptionType", reply.encryption_type.as_str());
        writer.optional_text("KeyId", reply.key_id.as_deref());
        writer.count("OpenShardCount", reply.open_shard_count);
        writer.count("ConsumerCount", reply.consumer_count);
        if let Some(throughput) = &reply.warm_throughput {
            warm(throughput, writer);
        }
        writer.number("MaxRecordSizeInKiB", reply.max_record_size_in_kib.into());
        writer.number("ChannelCount", reply.channel_count.into());
        if let Some(strategy) = reply.record_distribution_strategy {
            writer.text("RecordDistributionStrategy", strategy.as_str());
        }
    });
}

pub(super) fn list(reply: &ListStreamsResponse, writer: &mut Writer) {
    writer.texts(
        "StreamNames",
        reply.streams.iter().map(|stream| &stream.stream_name),
    );
    writer.flag("HasMoreStreams", reply.has_more_streams);
    writer.optional_text("NextToken", reply.next_token.as_deref());
    writer.structures("StreamSummaries", &reply.streams, |writer, stream| {
        writer.text("StreamName", &stream.stream_name);
        writer.text("StreamARN", &stream.stream_arn);
        writer.text("StreamStatus", stream.status.as_str());
        mode_details(stream.mode, writer);
        writer.time("StreamCreationTimestamp", stream.created_ms);
    });
}

pub(super) fn warm_throughput(reply: &UpdateWarmThroughputResponse, writer: &mut Writer) {
    writer.text("StreamARN", &reply.stream_arn);
    writer.text("StreamName", &reply.stream_name);
    warm(&reply.warm_throughput, writer);
}

fn warm(throughput: &WarmThroughput, writer: &mut Writer) {
    writer.structure("WarmThroughput", |writer| {
        writer.number("TargetMiBps", throughput.target_mibps.into());
        writer.number("CurrentMiBps", throughput.current_mibps.into());
    });
}

fn mode_details(mode: StreamMode, writer: &mut Writer) {
    writer.structure("StreamModeDetails", |writer| {
        writer.text("StreamMode", mode.as_str());
    });
}

/// One entry, whatever is monitored.
fn enhanced_monitoring(metrics: &[String], writer: &mut Writer) {
    writer.structures("EnhancedMonitoring", [metrics], |writer, metrics| {
        writer.texts("ShardLevelMetrics", metrics);
    });
}
