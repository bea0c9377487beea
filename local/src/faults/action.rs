//! What goes wrong, which half and which operations it can concern, and the errors it answers with.

use std::time::Duration;

use super::error::FaultError;
use crate::engine::Operation;

/// One half of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultService {
    /// Kinesis Data Streams.
    Kinesis,
    /// DynamoDB.
    DynamoDb,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Error(Refusal),
    Throttle,
    RefuseEntries(Refusal),
    Latency(Duration),
    ReplyLost,
    ConnectionCut,
    HalfOpen,
    DuplicateEvent,
    SubscriptionCut,
    StaleShards(Duration),
    IndexLag(Duration),
    ClockSkew { ms: i64 },
}

/// An error a test chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl FaultService {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kinesis => "Kinesis",
            Self::DynamoDb => "DynamoDB",
        }
    }

    pub(super) fn has(self, operation: &str) -> bool {
        match self {
            Self::Kinesis => Operation::from_name(operation).is_some(),
            Self::DynamoDb => DYNAMODB_OPERATIONS.contains(&operation),
        }
    }
}

impl Action {
    /// The name that the control endpoint knows it by.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::Throttle => "throttle",
            Self::RefuseEntries(_) => "entries_refused",
            Self::Latency(_) => "latency",
            Self::ReplyLost => "reply_lost",
            Self::ConnectionCut => "connection_cut",
            Self::HalfOpen => "half_open",
            Self::DuplicateEvent => "duplicate_event",
            Self::SubscriptionCut => "subscription_cut",
            Self::StaleShards(_) => "stale_shards",
            Self::IndexLag(_) => "index_lag",
            Self::ClockSkew { .. } => "clock_skew",
        }
    }

    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Throttle | Self::RefuseEntries(_))
    }

    /// Whether it is about the events of a subscription rather than about calls.
    pub(super) const fn is_of_events(&self) -> bool {
        matches!(
            self,
            Self::HalfOpen | Self::DuplicateEvent | Self::SubscriptionCut
        )
    }

    pub(super) fn concerns(&self, service: FaultService, operation: Option<&str>) -> bool {
        let (half, operations): (FaultService, &[&str]) = match self {
            Self::RefuseEntries(_) => (FaultService::Kinesis, &["PutRecord", "PutRecords"]),
            Self::HalfOpen | Self::DuplicateEvent | Self::SubscriptionCut => {
                (FaultService::Kinesis, &["SubscribeToShard"])
            }
            Self::StaleShards(_) => (FaultService::Kinesis, &["ListShards"]),
            Self::IndexLag(_) => (FaultService::DynamoDb, &["Query", "Scan"]),
            _ => return true,
        };
        half == service && operation.is_none_or(|operation| operations.contains(&operation))
    }
}

impl Refusal {
    /// The service's words for a rate that was exceeded.
    pub(super) fn throttle(service: FaultService, operation: &str) -> Self {
        let is_data = Operation::from_name(operation).is_none_or(|operation| operation.rate().is_none());
        let (code, message) = match service {
            FaultService::DynamoDb => (
                "ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded. Consider increasing \
                 your provisioning level with the UpdateTable API.",
            ),
            FaultService::Kinesis if is_data => (
                "ProvisionedThroughputExceededException",
                "Rate exceeded for shard in stream under account.",
            ),
            FaultService::Kinesis => (
                "LimitExceededException",
                "Rate exceeded for stream under account.",
            ),
        };
        Self {
            code: code.to_owned(),
            status: 400,
            message: message.to_owned(),
        }
    }

    pub(super) fn check(&self) -> Result<(), FaultError> {
        if self.code.is_empty()
            || !self
                .code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        {
            return Err(FaultError::Code {
                code: self.code.clone(),
            });
        }
        if !(400..=599).contains(&self.status) {
            return Err(FaultError::Status {
                code: self.code.clone(),
                status: self.status,
            });
        }
        Ok(())
    }
}

/// What the DynamoDB half can do.
pub(crate) const DYNAMODB_OPERATIONS: [&str; 28] = [
    "BatchExecuteStatement",
    "BatchGetItem",
    "BatchWriteItem",
    "CreateTable",
    "DeleteItem",
    "DeleteTable",
    "DescribeStream",
    "DescribeTable",
    "DescribeTimeToLive",
    "ExecuteStatement",
    "ExecuteTransaction",
    "GetItem",
    "GetRecords",
    "GetShardIterator",
    "ListStreams",
    "ListTables",
    "ListTagsOfResource",
    "PutItem",
    "Query",
    "Scan",
    "SearchVectors",
    "TagResource",
    "TransactGetItems",
    "TransactWriteItems",
    "UntagResource",
    "UpdateItem",
    "UpdateTable",
    "UpdateTimeToLive",
];
