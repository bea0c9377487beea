//! Unpacks the data of one Kinesis record into the user records inside.
//!
//! Everything is checked before anything is given out: digest, framing, required fields, places in the
//! tables, texts. Data which fails is handed back untouched, never in part.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::decode::{Decoded, decode};
use crate::digested::Digested;
use crate::envelope::{Sealed, sealed};
use crate::hash_key::{HashKey, HashKeyRange};

/// What to do with an aggregate of which a record lies outside the hash range of the shard it was read
/// from.
///
/// That happens around a reshard: the producer packed for a shard that was closed before the aggregate
/// arrived. A KPL producer notices where it landed and sends the records again, so the misplaced copy is
/// one too many. Other producers pack without regard to shards and do not send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OutOfRange {
    /// Drops the whole aggregate, records inside the range included, and reports it. The KCL's rule, and
    /// the right one for KPL producers.
    #[default]
    DropAggregate,
    /// Delivers all records, without looking at the range.
    Deliver,
    /// Gives all records back, each marked as inside or outside, for the caller to decide.
    HandBack,
}

/// Unpacks the data of one Kinesis record.
///
/// `range` is what the shard owns which the record was read from; [`HashKeyRange::FULL`] where that is not
/// known. Hash keys are computed only if the range and the policy need them, once for each entry of the
/// aggregate's key table, four neighbours of it at a time.
///
/// Data is not copied: the sub-records share the memory of `data` and keep it alive. An aggregate is
/// unpacked once; a sub-record that looks like an aggregate is user data.
///
/// The memory needed beyond `data` is linear in what is there, and no number in the input can ask for more:
/// under 100 bytes for each sub-record, and for each key its text and under 120 bytes. At worst, in an
/// aggregate made of nothing but empty records with empty keys, that is about 25 times its length.
pub fn deaggregate(data: Bytes, range: &HashKeyRange, policy: OutOfRange) -> Deaggregated {
    let is_sound = sealed(&data).is_ok_and(Sealed::is_sound);
    unpack(data, is_sound, range, policy)
}

/// Unpacks the data of many Kinesis records, each as [`deaggregate`] would, in their order and each with what came along with
/// it: its sequence number, for example.
///
/// The digests of four aggregates at a time cost half as much as one by one, so this is the way for the records of a request. It
/// looks ahead by four aggregates for that, and unpacks each when it is asked for.
///
/// ```
/// use bytes::Bytes;
/// use kinesis_aggregation::{Deaggregated, HashKeyRange, OutOfRange, deaggregate_all};
///
/// let records = [("49590338271490256608", Bytes::from("plain"))];
/// for (number, unpacked) in deaggregate_all(records, HashKeyRange::FULL, OutOfRange::DropAggregate) {
///     assert!(matches!(unpacked, Deaggregated::Raw { .. }), "{number}");
/// }
/// ```
pub fn deaggregate_all<T>(
    records: impl IntoIterator<Item = (T, Bytes)>,
    range: HashKeyRange,
    policy: OutOfRange,
) -> impl Iterator<Item = (T, Deaggregated)> {
    Digested::of(records.into_iter())
        .map(move |(tag, data, is_sound)| (tag, unpack(data, is_sound, &range, policy)))
}

/// Unpacks data of which it is known whether its digest is right.
fn unpack(data: Bytes, is_sound: bool, range: &HashKeyRange, policy: OutOfRange) -> Deaggregated {
    let checked = (policy != OutOfRange::Deliver).then_some(range);
    let decoded = sealed(&data).and_then(|sealed| match is_sound {
        true => decode(&data, sealed.body, checked).map_err(RawReason::Malformed),
        false => Err(RawReason::DigestMismatch),
    });
    let Decoded {
        records,
        first_outside,
    } = match decoded {
        Ok(decoded) => decoded,
        Err(why) => return Deaggregated::Raw { data, why },
    };
    match (first_outside, policy) {
        (None, _) | (_, OutOfRange::Deliver) => Deaggregated::Aggregate(records),
        (Some((first_outside, hash_key)), OutOfRange::DropAggregate) => {
            Deaggregated::Dropped(DroppedAggregate {
                record_count: records.len(),
                first_outside,
                hash_key,
            })
        }
        (Some((first_outside, hash_key)), OutOfRange::HandBack) => {
            Deaggregated::HandedBack(HandedBackAggregate {
                records,
                first_outside,
                hash_key,
            })
        }
    }
}

/// What the data of one Kinesis record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Deaggregated {
    /// One record: not an aggregate, or one which cannot be read. Untouched, and to be delivered; only an
    /// aggregate is ever held against the range.
    Raw {
        /// The data that was given.
        data: Bytes,
        /// Why it was not unpacked.
        why: RawReason,
    },
    /// The user records, in their order. None, if the aggregate holds none.
    Aggregate(Vec<SubRecord>),
    /// A record lies outside the range, and the policy was to drop.
    Dropped(DroppedAggregate),
    /// A record lies outside the range, and the policy was to hand back.
    HandedBack(HandedBackAggregate),
}

/// One user record out of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubRecord {
    pub(crate) partition_key: Arc<str>,
    pub(crate) explicit_hash_key: Option<HashKey>,
    pub(crate) data: Bytes,
    pub(crate) sub_sequence_number: u64,
    pub(crate) in_range: Option<bool>,
}

impl SubRecord {
    /// The record's place in the aggregate, from 0. Together with the sequence number, which all records
    /// of an aggregate share, it tells records apart and orders them.
    pub fn sub_sequence_number(&self) -> u64 {
        self.sub_sequence_number
    }

    /// The partition key.
    pub fn partition_key(&self) -> &str {
        &self.partition_key
    }

    /// The explicit hash key, if the producer gave one.
    pub fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    /// The effective hash key: the explicit one, or else that of the partition key, which is computed.
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| HashKey::of_partition_key(&self.partition_key))
    }

    /// The user's data, a slice of the Kinesis record's.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Whether the hash key lies in the range given to [`deaggregate`]; `None` if the policy was not to look.
    pub fn in_range(&self) -> Option<bool> {
        self.in_range
    }

    /// The record taken apart.
    pub fn into_parts(self) -> SubRecordParts {
        SubRecordParts {
            sub_sequence_number: self.sub_sequence_number,
            partition_key: self.partition_key,
            explicit_hash_key: self.explicit_hash_key,
            data: self.data,
        }
    }
}

/// A [`SubRecord`] taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubRecordParts {
    /// The record's place in the aggregate, from 0.
    pub sub_sequence_number: u64,
    /// The partition key, shared by the records which have the same one.
    pub partition_key: Arc<str>,
    /// The explicit hash key, if the producer gave one.
    pub explicit_hash_key: Option<HashKey>,
    /// The user's data.
    pub data: Bytes,
}

/// An aggregate that was dropped because a record lies outside the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DroppedAggregate {
    record_count: usize,
    first_outside: usize,
    hash_key: HashKey,
}

impl DroppedAggregate {
    /// User records dropped, those inside the range included.
    pub fn record_count(&self) -> usize {
        self.record_count
    }

    /// Place of the first record outside the range.
    pub fn first_outside(&self) -> usize {
        self.first_outside
    }

    /// Hash key of that record.
    pub fn hash_key(&self) -> HashKey {
        self.hash_key
    }
}

/// An aggregate of which a record lies outside the range, for the caller to decide on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedBackAggregate {
    records: Vec<SubRecord>,
    first_outside: usize,
    hash_key: HashKey,
}

impl HandedBackAggregate {
    /// All records, in their order; [`SubRecord::in_range`] tells them apart.
    pub fn records(&self) -> &[SubRecord] {
        &self.records
    }

    /// All records, taken out.
    pub fn into_records(self) -> Vec<SubRecord> {
        self.records
    }

    /// Place of the first record outside the range.
    pub fn first_outside(&self) -> usize {
        self.first_outside
    }

    /// Hash key of that record.
    pub fn hash_key(&self) -> HashKey {
        self.hash_key
    }
}

/// Why data was not unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RawReason {
    /// No magic in front, or no body behind it: an ordinary record.
    #[error("not an aggregate")]
    NotAggregate,
    /// The magic is there, and the last 16 bytes are not the MD5 of what is between.
    #[error("digest does not fit the body")]
    DigestMismatch,
    /// The digest is right, and the body is not a whole aggregate.
    #[error("malformed aggregate: {0}")]
    Malformed(MalformedReason),
}

/// What is wrong with a body whose digest is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedReason {
    /// The bytes are not protobuf.
    #[error("invalid protobuf")]
    InvalidWire,
    /// A record or a tag lacks a field it must have.
    #[error("required field is missing")]
    MissingField,
    /// A text is not UTF-8.
    #[error("text is not utf-8")]
    InvalidUtf8,
    /// A record names a partition key which the table does not have.
    #[error("partition key index is beyond the table")]
    PartitionKeyIndex,
    /// A record names an explicit hash key which the table does not have.
    #[error("explicit hash key index is beyond the table")]
    ExplicitHashKeyIndex,
    /// A record's explicit hash key is not a decimal number of 128 bits.
    #[error("explicit hash key is not a hash key")]
    ExplicitHashKey,
}
