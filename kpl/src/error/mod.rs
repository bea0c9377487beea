//! One error type for each surface of the producer.

mod delivery;

use std::fmt;
use std::time::Duration;

use kinesis_aggregation::AggregateLimitsError;

pub use self::delivery::{DeliveryError, DeliveryErrorKind};
use crate::failure::Failure;
use crate::record::Record;
use crate::stream::StreamName;

/// Why there can be no such producer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A duration is out of its range.
    #[error("{setting} is {value:?}, allowed are {min:?} to {max:?}")]
    Duration {
        /// The builder's method.
        setting: &'static str,
        /// What was asked for.
        value: Duration,
        /// The least allowed.
        min: Duration,
        /// The most allowed.
        max: Duration,
    },
    /// A number is out of its range.
    #[error("{setting} is {value}, allowed are {min} to {max}")]
    Number {
        /// The builder's method.
        setting: &'static str,
        /// What was asked for.
        value: usize,
        /// The least allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// The limits of aggregates are out of their ranges.
    #[error("aggregation limits are out of range")]
    Aggregate(#[from] AggregateLimitsError),
    /// Records would expire before they are sent.
    #[error("record_ttl of {ttl:?} is within the linger of {linger:?}; records would expire unsent")]
    TtlWithinLinger {
        /// The time to live.
        ttl: Duration,
        /// The linger.
        linger: Duration,
    },
    /// No request could hold a full aggregate.
    #[error("aggregation_max_size of {aggregate} bytes exceeds collection_max_size of {collection} bytes")]
    AggregateExceedsCollection {
        /// Most bytes of an aggregate.
        aggregate: usize,
        /// Most bytes of a request.
        collection: usize,
    },
    /// A text is empty or too long.
    #[error("{setting} has {length} characters, allowed are 1 to 255, not all blank")]
    Text {
        /// The setting.
        setting: &'static str,
        /// Its length in characters.
        length: usize,
    },
    /// CloudWatch keeps such namespaces to itself.
    #[error("namespace {namespace} begins with AWS/, which CloudWatch reserves")]
    ReservedNamespace {
        /// What was asked for.
        namespace: String,
    },
    /// The largest record would never find room.
    #[error("max_user_record_size of {record} bytes does not fit into max_in_flight_bytes of {budget} bytes")]
    RecordExceedsBudget {
        /// Most bytes of a record.
        record: usize,
        /// The whole budget.
        budget: usize,
    },
    /// The SDK configuration names no Region.
    #[error("no AWS Region is configured; set AWS_REGION, a profile's region, or one in code")]
    MissingRegion,
    /// The SDK configuration names no behaviour version, without which the SDK refuses to work.
    #[error("the SDK configuration has no behavior version; load it with aws-config or set one")]
    MissingBehaviorVersion,
    /// The producer was created outside of a tokio runtime, where its tasks cannot run.
    #[error("a producer must be created inside a tokio runtime")]
    NoRuntime,
}

/// Why a record was not taken. It was not sent and never will be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The record is larger than the service or the configuration allows.
    #[error("record of {size} bytes (data and partition key) exceeds the limit of {limit} bytes")]
    RecordTooLarge {
        /// Bytes of data and key.
        size: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The record is larger than every stream takes, and the stream could not be asked how much it takes. Configure
    /// [`max_user_record_size`](crate::StreamConfig::with_max_user_record_size) where it may not be asked at all.
    #[error(
        "record of {size} bytes may exceed the stream's limit, which is not known{}",
        because(failure)
    )]
    RecordLimitUnknown {
        /// Bytes of data and key.
        size: usize,
        /// What stood in the way; `None` when there was no answer in time.
        failure: Option<Box<Failure>>,
    },
    /// The record alone is more than the whole budget of bytes in flight: waiting for room would never end.
    #[error("record needs {cost} bytes of the budget of {budget} bytes in flight")]
    ExceedsBudget {
        /// What the record would count.
        cost: usize,
        /// The whole budget.
        budget: usize,
    },
    /// More records than the budget has places for: waiting for them all would never end.
    #[error("{records} records are more than the budget of {budget} records in flight")]
    TooManyRecords {
        /// Records asked for.
        records: usize,
        /// The whole budget.
        budget: usize,
    },
    /// The producer is closed.
    #[error("producer is closed")]
    Closed,
    /// The producer's task for the stream has failed, which is a defect of this library.
    #[error("the task of stream {stream} has failed")]
    StreamGone {
        /// The stream.
        stream: StreamName,
    },
}

impl PutError {
    /// Whether the same record could be taken later, without anybody changing something first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RecordLimitUnknown { failure, .. } => {
                failure.as_ref().is_none_or(|failure| failure.is_retryable())
            }
            _ => false,
        }
    }
}

/// Why a record was not taken at once; it is handed back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TryPutError {
    /// There is no room now; there will be when records in flight have their outcome.
    #[error("no room for the record now")]
    Full {
        /// The record.
        record: Record,
    },
    /// The record is larger than every stream takes, and this one has not told yet how much it takes. It is being
    /// asked; [`put`](crate::Producer::put) would wait.
    #[error("the stream has not told yet whether it takes so large a record")]
    LimitUnknown {
        /// The record.
        record: Record,
    },
    /// The record cannot be taken at all.
    #[error("record refused")]
    Refused {
        /// The record.
        record: Record,
        /// Why.
        source: PutError,
    },
}

impl TryPutError {
    /// Whether the same record could be taken later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::LimitUnknown { .. })
    }

    /// The record.
    #[must_use]
    pub fn into_record(self) -> Record {
        match self {
            Self::Full { record } | Self::LimitUnknown { record } | Self::Refused { record, .. } => record,
        }
    }
}

/// Why a record of many was not delivered: it was not taken, or it failed later.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum UndeliveredError {
    /// The record was not taken.
    #[error("record refused")]
    Refused {
        /// The record.
        record: Record,
        /// Why.
        source: PutError,
    },
    /// The record was taken and not delivered.
    #[error(transparent)]
    Failed(#[from] DeliveryError),
}

impl UndeliveredError {
    /// The record, unless it was lost with the producer's task.
    #[must_use]
    pub fn into_record(self) -> Option<Record> {
        match self {
            Self::Refused { record, .. } => Some(record),
            Self::Failed(error) => error.into_record(),
        }
    }
}

/// Why a flush did not end as a barrier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// A stream's task ended while the flush waited for it. Its records have failed with
    /// [`DeliveryErrorKind::ProducerGone`].
    #[error("the task of stream {stream} ended before the flush")]
    StreamGone {
        /// The stream.
        stream: StreamName,
    },
}

/// Why a close was not orderly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// A stream's task had failed. Its records have failed with [`DeliveryErrorKind::ProducerGone`].
    #[error("the task of stream {stream} had failed")]
    StreamGone {
        /// The stream.
        stream: StreamName,
    },
}

fn because(failure: &Option<impl fmt::Display>) -> String {
    failure
        .as_ref()
        .map_or_else(String::new, |failure| format!(" ({failure})"))
}
