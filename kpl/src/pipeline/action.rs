//! What passes between the pipeline and whoever drives it.

use bytes::Bytes;
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use crate::error::DeliveryError;
use crate::failure::Failure;
use crate::outcome::Delivery;

/// Work for the driver, in the order it is to be done.
#[derive(Debug)]
pub(crate) enum Action<T> {
    /// Send a request; answer with [`Pipeline::on_sent`](super::Pipeline::on_sent).
    Send(Batch),
    /// List the stream's shards; answer with [`Pipeline::on_shards`](super::Pipeline::on_shards).
    ListShards,
    /// Ask what the stream says of itself; answer with [`Pipeline::on_described`](super::Pipeline::on_described).
    Describe,
    /// The record of this token has its outcome.
    Complete(T, Outcome),
    /// All records put before this flush have their outcomes.
    Flushed(FlushId),
}

/// A record's one and only outcome.
pub(crate) type Outcome = Result<Delivery, DeliveryError>;

/// Names a request on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BatchId(pub(super) u64);

/// Names a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlushId(pub(super) u64);

/// One PutRecords request.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) id: BatchId,
    pub(crate) entries: Vec<Entry>,
}

/// One entry of a request: a Kinesis record.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) data: Bytes,
    pub(crate) partition_key: String,
    pub(crate) hash_key: HashKey,
}

impl Entry {
    /// Bytes which the service counts.
    pub(crate) fn size(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// What became of one entry.
pub(crate) type EntryReply = Result<Stored, Failure>;

/// Where an entry was stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) shard_id: ShardId,
    pub(crate) sequence_number: Box<str>,
}

/// A shard as the service lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedShard {
    pub(crate) id: ShardId,
    pub(crate) range: HashKeyRange,
    /// Whether it takes records: closed shards have an ending sequence number.
    pub(crate) is_open: bool,
}

/// What a stream says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamSummary {
    pub(crate) distribution: Distribution,
    /// Most bytes of one record with its partition key, if the service tells.
    pub(crate) max_record_size: Option<usize>,
}

/// Who chooses a record's shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distribution {
    /// Its hash key.
    ByKey,
    /// The service, whatever the keys (record distribution `AUTO`).
    ByService,
}

/// How large a record may be, as far as the stream has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RecordLimit {
    /// There is no answer yet.
    Unknown,
    /// Bytes of data and partition key.
    Bytes(usize),
    /// The stream does not tell: no permission to ask, or an answer without it.
    Withheld,
    /// There will be no answer before somebody changes something.
    Unanswered(Failure),
}

/// What an operator should know, said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The stream may not be asked, so that records are not packed.
    NotPermitted(Failure),
    /// Records are packed as configured although the service distributes them.
    PackedOnAuto,
    /// The service distributes records from now on.
    Auto,
    /// Hash keys distribute records from now on.
    ByKey,
}
