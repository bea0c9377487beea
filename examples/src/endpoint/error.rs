//! Why an endpoint cannot be used, with the way out of each case.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;

use crate::report::{Failure, causes};

/// Why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Nobody said which region.
    #[error("no region is configured")]
    NoRegion,
    /// The default chain found none.
    #[error("no credentials were found")]
    NoCredentials {
        /// What the last provider said.
        #[source]
        source: CredentialsError,
    },
    /// The default chains did not come to an end.
    #[error("region and credentials were not found within {waited:?}")]
    AccessTimeout {
        /// How long they were given.
        waited: Duration,
    },
    /// No connection, or no answer on it.
    #[error("no answer from {service} at {endpoint}")]
    NoAnswer {
        /// `Kinesis` or `DynamoDB`.
        service: &'static str,
        /// Where it was looked for.
        endpoint: String,
        /// What went wrong.
        #[source]
        source: BoxError,
    },
    /// Something answered that does not speak the service's language.
    #[error("what answers at {endpoint} is not {service}")]
    WrongService {
        /// `Kinesis` or `DynamoDB`.
        service: &'static str,
        /// Where it was looked for.
        endpoint: String,
        /// What came back.
        #[source]
        source: BoxError,
    },
    /// The stream does not exist.
    #[error("there is no stream {stream} at {endpoint}")]
    NoStream {
        /// Its name.
        stream: String,
        /// Where it was looked for.
        endpoint: String,
    },
    /// The stream was made and did not become active.
    #[error("stream {stream} is not active after {waited:?}")]
    NotActive {
        /// Its name.
        stream: String,
        /// How long that was waited for.
        waited: Duration,
    },
    /// A right is missing.
    #[error("{action} is not permitted for {resource}")]
    Denied {
        /// The IAM action, such as `kinesis:ListShards`.
        action: String,
        /// The stream or table.
        resource: String,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// The service does not know the credentials, or they have expired.
    #[error("{service} at {endpoint} does not accept the credentials")]
    BadCredentials {
        /// `Kinesis` or `DynamoDB`.
        service: &'static str,
        /// Where that was.
        endpoint: String,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// The service refused for another reason.
    #[error("{action} was refused for {resource}")]
    Refused {
        /// The IAM action, such as `kinesis:CreateStream`.
        action: String,
        /// The stream or table.
        resource: String,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
}

/// A cause of any kind.
pub(crate) type BoxError = Box<dyn Error + Send + Sync + 'static>;

impl EndpointError {
    /// The error as the user reads it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let cause = self.source().map_or_else(String::new, causes);
        match self {
            Self::NoRegion => Failure::new("region", self, "pass --region or set AWS_REGION"),
            // The chain tells at length which provider was not asked for which reason.
            Self::NoCredentials {
                source: CredentialsError::CredentialsNotLoaded(_),
            } => Failure::new(
                "credentials",
                "none in environment, AWS profile, web identity, ECS or EC2",
                GET_CREDENTIALS,
            ),
            Self::NoCredentials { .. } | Self::AccessTimeout { .. } => {
                Failure::new("credentials", causes(self), GET_CREDENTIALS)
            }
            Self::NoAnswer {
                service, endpoint, ..
            } => Failure::new(
                format_args!("{service} at {endpoint}"),
                format_args!("no answer: {cause}"),
                "is it running and reachable? check the endpoint URL and the region",
            ),
            Self::WrongService {
                service, endpoint, ..
            } => Failure::new(
                format_args!("{service} at {endpoint}"),
                format_args!("something else answers there: {cause}"),
                "check the endpoint URL; Kinesis and DynamoDB have one each",
            ),
            Self::NoStream { stream, endpoint } => Failure::new(
                format_args!("stream {stream}"),
                format_args!("it does not exist at {endpoint}"),
                "check name and region, or create it: produce --create SHARDS",
            ),
            Self::NotActive { stream, .. } => Failure::new(
                format_args!("stream {stream}"),
                self,
                "wait until it is active and start again",
            ),
            Self::Denied { action, resource, .. } => Failure::new(
                resource,
                format_args!("no permission: {cause}"),
                format_args!("allow {action} to these credentials"),
            ),
            Self::BadCredentials {
                service, endpoint, ..
            } => Failure::new(
                format_args!("credentials for {service} at {endpoint}"),
                format_args!("not accepted: {cause}"),
                "renew them, or check AWS_PROFILE and the clock of this machine",
            ),
            Self::Refused { action, resource, .. } => Failure::new(
                resource,
                format_args!("{action} was refused: {cause}"),
                "see the service's answer",
            ),
        }
    }
}

const GET_CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; \
    endpoints on this machine need none if all of them are given";
