//! GetShardIterator, GetRecords and SubscribeToShard, with the events of the last.

use super::Format;
use super::put::encryption;
use super::reader::{Malformed, Members, Reader};
use super::shards::hash_key_range;
use super::writer::Writer;
use crate::engine::api::{
    ChildShard, GetRecordsRequest, GetRecordsResponse, GetShardIteratorRequest, GetShardIteratorResponse,
    Record, StartingPosition, SubscribeToShardRequest, SubscriptionEvent,
};

impl Members for GetShardIteratorRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "ShardId" => self.shard_id = value.string()?,
            "ShardIteratorType" => self.iterator_type = value.string()?,
            "StartingSequenceNumber" => self.starting_sequence_number = value.string()?,
            "Timestamp" => self.timestamp_ms = value.timestamp()?,
            "DryRun" => self.dry_run = value.flag()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for GetRecordsRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamARN" => self.stream.arn = value.string()?,
            "ShardIterator" => self.shard_iterator = value.string()?,
            "Limit" => self.limit = value.integer()?,
            "DryRun" => self.dry_run = value.flag()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for SubscribeToShardRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "ConsumerARN" => self.consumer_arn = value.string()?,
            "ShardId" => self.shard_id = value.string()?,
            "StartingPosition" => self.starting_position = value.structure()?,
            "DryRun" => self.dry_run = value.flag()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for StartingPosition {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "Type" => self.position_type = value.string()?,
            "SequenceNumber" => self.sequence_number = value.string()?,
            "Timestamp" => self.timestamp_ms = value.timestamp()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

pub(super) fn iterator(reply: &GetShardIteratorResponse, writer: &mut Writer) {
    writer.text("ShardIterator", &reply.shard_iterator);
}

pub(super) fn page(reply: &GetRecordsResponse, writer: &mut Writer) {
    writer.structures("Records", &reply.records, record);
    writer.optional_text("NextShardIterator", reply.next_shard_iterator.as_deref());
    writer.number("MillisBehindLatest", reply.millis_behind_latest);
    children(reply.child_shards.as_deref(), writer);
}

pub(super) fn subscription_event(event: &SubscriptionEvent, writer: &mut Writer) {
    writer.structures("Records", &event.records, record);
    writer.shown("ContinuationSequenceNumber", event.continuation_sequence_number);
    writer.number("MillisBehindLatest", event.millis_behind_latest);
    children(event.child_shards.as_deref(), writer);
}

/// Room for a page or event with these records.
pub(super) fn expected_bytes(records: &[Record], format: Format) -> usize {
    let record = |record: &Record| {
        let data = match format {
            Format::Json => record.data.len().div_ceil(3) * 4,
            Format::Cbor => record.data.len(),
        };
        data + record.partition_key.as_ref().map_or(0, |key| key.len()) + RECORD_BYTES
    };
    records.iter().map(record).sum::<usize>() + PAGE_BYTES
}

fn record(writer: &mut Writer, record: &Record) {
    writer.shown("SequenceNumber", record.sequence_number);
    writer.time("ApproximateArrivalTimestamp", record.arrival_ms);
    writer.blob("Data", &record.data);
    writer.optional_text("PartitionKey", record.partition_key.as_deref());
    encryption(record.encryption_type, writer);
}

fn children(children: Option<&[ChildShard]>, writer: &mut Writer) {
    if let Some(children) = children {
        writer.structures("ChildShards", children, |writer, child| {
            writer.text("ShardId", child.shard_id.as_str());
            writer.texts("ParentShards", &child.parent_shards);
            hash_key_range(&child.hash_key_range, writer);
        });
    }
}

/// What a record takes beside its data and key: names, punctuation, sequence number, time, encryption.
const RECORD_BYTES: usize = 208;

/// What a page takes beside its records, iterator included.
const PAGE_BYTES: usize = 1024;
