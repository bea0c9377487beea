//! PutRecord and PutRecords.

use std::sync::Arc;

use bytes::Bytes;
use kinesis_aggregation::ShardId;

use super::{EncryptionType, StreamAddress};
use crate::engine::error::ServiceError;
use crate::engine::sequence::SequenceNumber;

/// What PutRecord and each entry of PutRecords write.
///
/// `data` may be a slice of the request's body; that body then lives as long as the youngest record cut from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PutEntry {
    /// `None` if the member was absent, which is a refusal.
    pub(crate) data: Option<Bytes>,
    pub(crate) partition_key: Option<Arc<str>>,
    pub(crate) explicit_hash_key: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PutRecordRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) entry: PutEntry,
    pub(crate) sequence_number_for_ordering: Option<String>,
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PutRecordResponse {
    pub(crate) shard_id: ShardId,
    pub(crate) sequence_number: SequenceNumber,
    pub(crate) encryption_type: EncryptionType,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PutRecordsRequest {
    pub(crate) stream: StreamAddress,
    /// `None` if the member was absent, which is a refusal.
    pub(crate) records: Option<Vec<PutEntry>>,
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PutRecordsResponse {
    pub(crate) failed_record_count: usize,
    /// One for each entry, in the order of the request.
    pub(crate) records: Vec<PutRecordsResult>,
    pub(crate) encryption_type: EncryptionType,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PutRecordsResult {
    Stored {
        shard_id: ShardId,
        sequence_number: SequenceNumber,
    },
    /// `ErrorCode` and `ErrorMessage` of the entry.
    Failed(ServiceError),
}
