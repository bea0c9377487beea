//! Registered consumers, which read by SubscribeToShard.

use std::collections::BTreeMap;

use super::StreamAddress;

/// `ConsumerStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsumerStatus {
    Creating,
    Deleting,
    Active,
}

impl ConsumerStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Deleting => "DELETING",
            Self::Active => "ACTIVE",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RegisterConsumerRequest {
    pub(crate) stream_arn: Option<String>,
    pub(crate) consumer_name: Option<String>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

/// Which consumer a request means: by its ARN, or by its stream's ARN and its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ConsumerAddress {
    pub(crate) stream_arn: Option<String>,
    pub(crate) consumer_name: Option<String>,
    pub(crate) consumer_arn: Option<String>,
}

/// `Consumer` and `ConsumerDescription`; the former leaves out the stream's ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerDescription {
    pub(crate) consumer_name: String,
    pub(crate) consumer_arn: String,
    pub(crate) status: ConsumerStatus,
    pub(crate) created_ms: u64,
    pub(crate) stream_arn: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListConsumersRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) stream_creation_timestamp_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListConsumersResponse {
    pub(crate) consumers: Vec<ConsumerDescription>,
    pub(crate) next_token: Option<String>,
}
