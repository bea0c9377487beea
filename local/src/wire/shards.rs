//! ListShards, and the operations that change which shards a stream has.

use kinesis_aggregation::HashKeyRange;

use super::reader::{Malformed, Members, Reader};
use super::writer::Writer;
use crate::engine::api::{
    ListShardsRequest, ListShardsResponse, MergeShardsRequest, ShardDescription, ShardFilter,
    SplitShardRequest, UpdateShardCountRequest, UpdateShardCountResponse,
};

impl Members for ListShardsRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "NextToken" => self.next_token = value.string()?,
            "ExclusiveStartShardId" => self.exclusive_start_shard_id = value.string()?,
            "MaxResults" => self.max_results = value.integer()?,
            "StreamCreationTimestamp" => self.stream_creation_timestamp_ms = value.timestamp()?,
            "ShardFilter" => self.shard_filter = value.structure()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for ShardFilter {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "Type" => self.filter_type = value.string()?,
            "ShardId" => self.shard_id = value.string()?,
            "Timestamp" => self.timestamp_ms = value.timestamp()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for SplitShardRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "ShardToSplit" => self.shard_to_split = value.string()?,
            "NewStartingHashKey" => self.new_starting_hash_key = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for MergeShardsRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "ShardToMerge" => self.shard_to_merge = value.string()?,
            "AdjacentShardToMerge" => self.adjacent_shard_to_merge = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for UpdateShardCountRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "TargetShardCount" => self.target_shard_count = value.integer()?,
            "ScalingType" => self.scaling_type = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

pub(super) fn list(reply: &ListShardsResponse, writer: &mut Writer) {
    descriptions(&reply.shards, writer);
    writer.optional_text("NextToken", reply.next_token.as_deref());
}

/// The member `Shards`.
pub(super) fn descriptions(shards: &[ShardDescription], writer: &mut Writer) {
    writer.structures("Shards", shards, |writer, shard| {
        writer.text("ShardId", shard.shard_id.as_str());
        if let Some(parent) = &shard.parent_shard_id {
            writer.text("ParentShardId", parent.as_str());
        }
        if let Some(adjacent) = &shard.adjacent_parent_shard_id {
            writer.text("AdjacentParentShardId", adjacent.as_str());
        }
        hash_key_range(&shard.hash_key_range, writer);
        writer.structure("SequenceNumberRange", |writer| {
            writer.shown("StartingSequenceNumber", shard.starting_sequence_number);
            if let Some(ending) = shard.ending_sequence_number {
                writer.shown("EndingSequenceNumber", ending);
            }
        });
    });
}

pub(super) fn counts(reply: &UpdateShardCountResponse, writer: &mut Writer) {
    writer.text("StreamName", &reply.stream_name);
    writer.count("CurrentShardCount", reply.current_shard_count);
    writer.count("TargetShardCount", reply.target_shard_count);
    writer.text("StreamARN", &reply.stream_arn);
}

/// The member `HashKeyRange`.
pub(super) fn hash_key_range(range: &HashKeyRange, writer: &mut Writer) {
    writer.structure("HashKeyRange", |writer| {
        writer.shown("StartingHashKey", range.start());
        writer.shown("EndingHashKey", range.end());
    });
}
