//! What can go wrong, one enum per surface.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::by_record::RecordId;
use crate::fleet::FleetError;
use crate::lanes::outcome::Reason;
use crate::lease::{LeaseKey, WorkerId};
use crate::position::{Checkpoint, Position, SequenceNumber};
use crate::shard_sync::recreated::Recreated;
use crate::stream::{StreamName, StreamNameError};
use crate::streams::arn::StreamArn;

/// A setting is not valid; from [`ConsumerConfigBuilder::build`](crate::ConsumerConfigBuilder::build) and
/// [`ConsumerBuilder::build`](crate::ConsumerBuilder::build).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name breaks the rules for its kind.
    #[error("{setting} `{given}` is not valid: {rule}")]
    Name {
        /// Which name.
        setting: &'static str,
        /// What was given, cut to 140 characters.
        given: String,
        /// What is asked for.
        rule: &'static str,
    },
    /// The stream's name breaks the service's rules.
    #[error("stream name is not valid")]
    StreamName {
        /// What is wrong with it.
        #[from]
        source: StreamNameError,
    },
    /// An application of several streams was given none.
    #[error("no stream to read")]
    NoStreams,
    /// A stream is in the list twice.
    #[error("stream `{stream}` is listed twice")]
    StreamTwice {
        /// Its name or ARN.
        stream: String,
    },
    /// A stream is in another region than the Kinesis client: it takes a consumer of its own (KCL refuses it too).
    #[error("stream `{arn}` is not in the client's region `{region}`")]
    OtherRegion {
        /// The stream.
        arn: StreamArn,
        /// The Kinesis client's region.
        region: String,
    },
    /// A setting says how to get along with other libraries, and a private fleet is without them.
    #[error("{setting} has no meaning in a private fleet")]
    NotInPrivateFleet {
        /// Which setting.
        setting: &'static str,
    },
    /// Unlisted streams are to be read from a time, and no initial position names one.
    #[error("unlisted streams are to be read from a timestamp, and the initial position is not one")]
    NoTimestamp,
    /// A number or duration is out of range.
    #[error("{setting} is {given}, outside {min} to {max}")]
    OutOfRange {
        /// Which setting.
        setting: &'static str,
        /// What was given.
        given: String,
        /// The smallest valid value.
        min: String,
        /// The largest valid value.
        max: String,
    },
    /// The SDK configuration lacks something that a client cannot do without.
    #[error("SDK configuration for the {service} client has no {what}")]
    IncompleteSdkConfig {
        /// `Kinesis` or `DynamoDB`.
        service: &'static str,
        /// `region` or `behavior version`.
        what: &'static str,
    },
    /// Records may need a dead letter, and there is no place for dead letters.
    #[error("no place for dead letters: give one, or do something else with records that fail for good")]
    MissingDeadLetters,
    /// A client is missing and nothing was given to make it from.
    #[error("no {service} client: give an SDK configuration or a client")]
    MissingClient {
        /// `Kinesis` or `DynamoDB`.
        service: &'static str,
    },
}

impl ConfigError {
    pub(crate) fn name(setting: &'static str, given: &str, rule: &'static str) -> Self {
        Self::Name {
            setting,
            given: given.chars().take(140).collect(),
            rule,
        }
    }

    pub(crate) fn check_range<T: PartialOrd + fmt::Debug>(
        setting: &'static str,
        given: T,
        min: T,
        max: T,
    ) -> Result<(), Self> {
        if given >= min && given <= max {
            return Ok(());
        }
        Err(Self::OutOfRange {
            setting,
            given: format!("{given:?}"),
            min: format!("{min:?}"),
            max: format!("{max:?}"),
        })
    }
}

/// Why a consumer could not start or go on; from [`Consumer::run`](crate::Consumer::run).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such stream in this account and region.
    #[error("stream `{stream}` does not exist")]
    StreamMissing {
        /// The stream's name.
        stream: StreamName,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// No credentials were found, or the service does not accept them.
    #[error("no usable AWS credentials for {operation}")]
    NoCredentials {
        /// The operation that wanted them.
        operation: &'static str,
        /// What the provider says.
        #[source]
        source: BoxError,
    },
    /// A right is missing on the stream.
    #[error("no permission for {operation} on stream `{stream}`")]
    AccessDenied {
        /// The Kinesis operation.
        operation: &'static str,
        /// The stream's name.
        stream: StreamName,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// Kinesis gave no usable answer for as long as the start may take.
    #[error("{operation} on stream `{stream}` got no answer in {waited:?}")]
    Unreachable {
        /// The Kinesis operation.
        operation: &'static str,
        /// The stream's name.
        stream: StreamName,
        /// How long was tried.
        waited: Duration,
        /// The last failure.
        #[source]
        source: BoxError,
    },
    /// Kinesis refused the request for another reason.
    #[error("{operation} on stream `{stream}` was refused: {code}")]
    Refused {
        /// The Kinesis operation.
        operation: &'static str,
        /// The stream's name.
        stream: StreamName,
        /// The service's error code.
        code: String,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// The stream lists no shards to read.
    #[error("shards of stream `{stream}` cannot be used: {reason}")]
    Shards {
        /// The stream's name.
        stream: StreamName,
        /// What is wrong with them.
        reason: String,
    },
    /// Another live worker has the same id, so that they took the leases from each other. This one has stopped and given
    /// its leases up; the other one goes on.
    #[error("worker id `{worker_id}` is in use by another live worker, which has lease `{lease_key}`")]
    WorkerIdInUse {
        /// The id.
        worker_id: WorkerId,
        /// The lease that showed it.
        lease_key: LeaseKey,
    },
    /// What the fleet's rows say forbids this worker to start, or to go on.
    #[error("lease table `{table}` forbids this worker to run")]
    Fleet {
        /// The table's name.
        table: String,
        /// Why.
        #[source]
        source: FleetError,
    },
    /// A checkpoint is older than what the stream keeps, and [`OnTrimmed::Fail`](crate::OnTrimmed::Fail) is set.
    #[error("record {position} of lease `{lease_key}` is not kept any more, the oldest is {oldest}")]
    PositionTrimmed {
        /// Which lease.
        lease_key: LeaseKey,
        /// Where reading was to go on.
        position: Box<Position>,
        /// The oldest record there is.
        oldest: SequenceNumber,
    },
    /// The application's only stream was deleted and made again, so that its leases are of a stream that is no more, and
    /// [`OnRecreated::Stop`](crate::OnRecreated::Stop) is set. To begin with the new one, delete the leases (they may
    /// be looked at first), or set [`OnRecreated::BeginAnew`](crate::OnRecreated::BeginAnew).
    #[error("stream `{stream}` was deleted and made again, its leases are of the former one")]
    StreamRecreated {
        /// The stream's name.
        stream: StreamName,
        /// What shows it.
        #[source]
        source: Box<Recreated>,
    },
    /// The system gives no thread for heartbeats.
    #[error("no thread for heartbeats")]
    Thread {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A handler asked to stop at this record, or all attempts of it failed and the settings say so. It was not passed: it
    /// comes again at the next start. All leases were given up in good order.
    #[error("stopped at record {record}: {reason}")]
    StoppedAtRecord {
        /// The record.
        record: RecordId,
        /// Why.
        reason: Reason,
    },
    /// The lease table cannot be used.
    #[error("lease table `{table}` cannot be used")]
    LeaseTable {
        /// The table's name.
        table: String,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl RunError {
    /// Whether starting again may succeed without anybody changing something.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Shards { .. } => true,
            Self::LeaseTable { source, .. } => source.is_retryable(),
            Self::StreamMissing { .. }
            | Self::NoCredentials { .. }
            | Self::AccessDenied { .. }
            | Self::WorkerIdInUse { .. }
            | Self::StoppedAtRecord { .. }
            | Self::Fleet { .. }
            | Self::Thread { .. }
            | Self::Refused { .. }
            | Self::StreamRecreated { .. }
            | Self::PositionTrimmed { .. } => false,
        }
    }
}

/// A checkpoint was not written; from [`Checkpointer`](crate::Checkpointer).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Another worker has the shard, or may have it. The processor will be told; nothing is left to do.
    #[error("lease `{lease_key}` is lost")]
    LeaseLost {
        /// The lease.
        lease_key: LeaseKey,
    },
    /// The position is not among the records delivered since the last checkpoint.
    #[error("{position} cannot be checkpointed on lease `{lease_key}`: {reason}")]
    OutOfRange {
        /// The lease.
        lease_key: LeaseKey,
        /// What was asked for.
        position: Checkpoint,
        /// Which bound it breaks.
        reason: &'static str,
    },
    /// The lease table did not answer. The checkpoint may have been written; asking again is safe.
    #[error("checkpoint of lease `{lease_key}` failed")]
    Store {
        /// The lease.
        lease_key: LeaseKey,
        /// Why.
        #[source]
        source: Arc<StoreError>,
    },
}

impl CheckpointError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store { source, .. } if source.is_retryable())
    }
}

/// A lease store could not answer. Lost conditions are not errors; see `store`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The table does not exist and may not or could not be created.
    #[error("lease table `{table}` does not exist")]
    TableMissing {
        /// The table's name.
        table: String,
    },
    /// The table's key is not `leaseKey` (S).
    #[error("table `{table}` is not a lease table: {reason}")]
    TableShape {
        /// The table's name.
        table: String,
        /// What differs.
        reason: String,
    },
    /// The table exists and did not become usable in time.
    #[error("lease table `{table}` did not become active within {waited:?}")]
    TableNotReady {
        /// The table's name.
        table: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A right is missing.
    #[error("no permission for {operation} on table `{table}`")]
    AccessDenied {
        /// The DynamoDB operation.
        operation: &'static str,
        /// The table's name.
        table: String,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// The store asks for fewer requests.
    #[error("{operation} on table `{table}` was throttled")]
    Throttled {
        /// The DynamoDB operation.
        operation: &'static str,
        /// The table's name.
        table: String,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// No answer: connection, timeout, or a failure inside the service. The write may have happened.
    #[error("{operation} on table `{table}` got no answer")]
    Unavailable {
        /// The DynamoDB operation.
        operation: &'static str,
        /// The table's name.
        table: String,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The service refused the request for another reason.
    #[error("{operation} on table `{table}` was refused: {code}")]
    Refused {
        /// The DynamoDB operation.
        operation: &'static str,
        /// The table's name.
        table: String,
        /// The service's error code.
        code: String,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// One row cannot be read.
    #[error("lease row `{key}` has an unusable attribute `{attribute}`: {reason}")]
    Row {
        /// The row's key.
        key: LeaseKey,
        /// The attribute at fault.
        attribute: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing something.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::TableNotReady { .. }
        )
    }
}

/// A cause of any kind.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
