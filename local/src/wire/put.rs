//! PutRecord and PutRecords.

use bytes::Bytes;

use super::Request;
use super::reader::{Malformed, Members, Reader};
use super::writer::Writer;
use crate::engine::api::{
    EncryptionType, PutEntry, PutRecordRequest, PutRecordResponse, PutRecordsRequest, PutRecordsResponse,
    PutRecordsResult,
};

impl Members for PutRecordsRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "Records" => self.records = value.structures()?,
            "DryRun" => self.dry_run = value.flag()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for PutEntry {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "Data" => self.data = value.blob()?,
            "PartitionKey" => self.partition_key = value.shared()?,
            "ExplicitHashKey" => self.explicit_hash_key = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for PutRecordRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "SequenceNumberForOrdering" => self.sequence_number_for_ordering = value.string()?,
            "DryRun" => self.dry_run = value.flag()?,
            entry => self.entry.member(entry, value)?,
        }
        Ok(())
    }
}

/// Copies data that are slices of the body, if they would keep much more alive than themselves.
pub(super) fn unpin(request: &mut Request, body_bytes: usize) {
    let entries = match request {
        Request::PutRecord(request) => std::slice::from_mut(&mut request.entry),
        Request::PutRecords(request) => request.records.as_deref_mut().unwrap_or_default(),
        _ => return,
    };
    let data_bytes: usize = entries.iter().flat_map(|entry| &entry.data).map(Bytes::len).sum();
    if data_bytes < body_bytes / 2 {
        for data in entries.iter_mut().flat_map(|entry| &mut entry.data) {
            *data = Bytes::copy_from_slice(data);
        }
    }
}

pub(super) fn stored(reply: &PutRecordResponse, writer: &mut Writer) {
    writer.text("ShardId", reply.shard_id.as_str());
    writer.shown("SequenceNumber", reply.sequence_number);
    encryption(reply.encryption_type, writer);
}

pub(super) fn results(reply: &PutRecordsResponse, writer: &mut Writer) {
    writer.count("FailedRecordCount", reply.failed_record_count);
    writer.structures("Records", &reply.records, |writer, result| match result {
        PutRecordsResult::Stored {
            shard_id,
            sequence_number,
        } => {
            writer.shown("SequenceNumber", sequence_number);
            writer.text("ShardId", shard_id.as_str());
        }
        PutRecordsResult::Failed(error) => {
            writer.text("ErrorCode", error.code());
            writer.optional_text("ErrorMessage", error.message());
        }
    });
    encryption(reply.encryption_type, writer);
}

pub(super) fn expected_bytes(reply: &PutRecordsResponse) -> usize {
    reply.records.len() * RESULT_BYTES + 64
}

/// Said only of streams that are encrypted.
pub(super) fn encryption(encryption: EncryptionType, writer: &mut Writer) {
    match encryption {
        EncryptionType::None => {}
        EncryptionType::Kms => writer.text("EncryptionType", encryption.as_str()),
    }
}

/// Names, a shard's id and a sequence number.
const RESULT_BYTES: usize = 128;
