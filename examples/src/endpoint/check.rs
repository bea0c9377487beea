//! Looking before leaping: does the endpoint answer, is the stream there, are the rights?
//!
//! Each look is one call which the producer or the consumer would make anyway, so no right is needed beyond theirs.

use std::num::NonZeroU32;
use std::time::Duration;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::types::StreamStatus;
use aws_types::SdkConfig;
use tokio::time::Instant;

use super::error::EndpointError;

/// Fails unless the stream, given by name or ARN, exists and may be listed.
///
/// # Errors
/// [`EndpointError`], within 9 seconds.
pub async fn require_stream(config: &SdkConfig, stream: &str) -> Result<(), EndpointError> {
    let call = Call::kinesis(config, "kinesis:ListShards", stream);
    // No name holds a colon.
    let (name, arn) = match stream.starts_with("arn:") {
        true => (None, Some(stream.to_owned())),
        false => (Some(stream.to_owned()), None),
    };
    let listed = kinesis(config)
        .list_shards()
        .set_stream_name(name)
        .set_stream_arn(arn)
        .max_results(1)
        .send()
        .await;
    listed.map(drop).map_err(|error| call.failed(error))
}

/// Fails unless the table may be described. It need not exist.
///
/// # Errors
/// [`EndpointError`], within 9 seconds.
pub async fn require_table_access(config: &SdkConfig, table: &str) -> Result<(), EndpointError> {
    let call = Call::dynamodb(config, "dynamodb:DescribeTable", table);
    let settings = aws_sdk_dynamodb::config::Builder::from(config)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts())
        .build();
    let described = aws_sdk_dynamodb::Client::from_conf(settings)
        .describe_table()
        .table_name(table)
        .send()
        .await;
    match described {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some(NOT_FOUND) => Ok(()),
        Err(error) => Err(call.failed(error)),
    }
}

/// Creates the stream with that many shards unless it exists, and waits until it is active.
///
/// # Errors
/// [`EndpointError`]; [`EndpointError::NotActive`] after two minutes.
pub async fn create_stream(
    config: &SdkConfig,
    stream: &str,
    shards: NonZeroU32,
) -> Result<(), EndpointError> {
    let client = kinesis(config);
    let call = Call::kinesis(config, "kinesis:CreateStream", stream);
    // A number of shards that nobody has is for the service to refuse, in its own words.
    let count = i32::try_from(shards.get()).unwrap_or(i32::MAX);
    match client
        .create_stream()
        .stream_name(stream)
        .shard_count(count)
        .send()
        .await
    {
        Ok(_) => {}
        Err(error) if error.code() == Some("ResourceInUseException") => {}
        Err(error) => return Err(call.failed(error)),
    }

    let call = Call::kinesis(config, "kinesis:DescribeStreamSummary", stream);
    let deadline = now() + ACTIVE_WITHIN;
    let mut pause = Duration::from_millis(20);
    loop {
        let described = client.describe_stream_summary().stream_name(stream).send().await;
        let described = described.map_err(|error| call.failed(error))?;
        let status = described
            .stream_description_summary()
            .map(|summary| summary.stream_status());
        if matches!(status, Some(StreamStatus::Active | StreamStatus::Updating)) {
            return Ok(());
        }
        if now() >= deadline {
            return Err(EndpointError::NotActive {
                stream: stream.to_owned(),
                waited: ACTIVE_WITHIN,
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

fn now() -> Instant {
    Instant::now()
}

/// A client for one look: few attempts, and an end.
fn kinesis(config: &SdkConfig) -> aws_sdk_kinesis::Client {
    let settings = aws_sdk_kinesis::config::Builder::from(config)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts())
        .build();
    aws_sdk_kinesis::Client::from_conf(settings)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(4))
        .operation_timeout(Duration::from_secs(8))
        .build()
}

/// One call, for telling what its failure means.
struct Call {
    service: &'static str,
    endpoint: String,
    action: &'static str,
    resource: Resource,
}

enum Resource {
    Stream(String),
    Table(String),
}

impl Call {
    fn kinesis(config: &SdkConfig, action: &'static str, stream: &str) -> Self {
        let endpoint = place(config);
        Self {
            service: "Kinesis",
            endpoint,
            action,
            resource: Resource::Stream(stream.to_owned()),
        }
    }

    fn dynamodb(config: &SdkConfig, action: &'static str, table: &str) -> Self {
        let endpoint = place(config);
        Self {
            service: "DynamoDB",
            endpoint,
            action,
            resource: Resource::Table(table.to_owned()),
        }
    }

    /// The one place where service error codes are told apart.
    fn failed<E>(&self, error: SdkError<E, HttpResponse>) -> EndpointError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let service = self.service;
        let (endpoint, action) = (self.endpoint.clone(), self.action.to_owned());
        let SdkError::ServiceError(answer) = error else {
            return match error.raw_response().map(|answer| answer.status().as_u16()) {
                Some(status) => {
                    let source = format!("HTTP status {status} with an unreadable body").into();
                    EndpointError::WrongService {
                        service,
                        endpoint,
                        source,
                    }
                }
                None => EndpointError::NoAnswer {
                    service,
                    endpoint,
                    source: Box::new(error),
                },
            };
        };
        let status = answer.raw().status().as_u16();
        let code = answer.err().code().unwrap_or_default().to_owned();
        let source = match code.is_empty() {
            true => format!("HTTP status {status} without an error code").into(),
            false => format!("{code}: {}", answer.err().message().unwrap_or("no message")).into(),
        };
        match (code.as_str(), &self.resource) {
            (NOT_FOUND, Resource::Stream(stream)) => EndpointError::NoStream {
                stream: stream.clone(),
                endpoint,
            },
            ("" | "UnknownOperationException" | "SerializationException", _) => EndpointError::WrongService {
                service,
                endpoint,
                source,
            },
            ("AccessDeniedException" | "AccessDenied", resource) => EndpointError::Denied {
                action,
                resource: resource.to_string(),
                source,
            },
            (code, _) if NOT_KNOWN.contains(&code) => EndpointError::BadCredentials {
                service,
                endpoint,
                source,
            },
            (_, resource) => EndpointError::Refused {
                action,
                resource: resource.to_string(),
                source,
            },
        }
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stream(name) => write!(f, "stream {name}"),
            Self::Table(name) => write!(f, "table {name}"),
        }
    }
}

/// The endpoint as the user would name it: a URL, or AWS in a region.
fn place(config: &SdkConfig) -> String {
    match (config.endpoint_url(), config.region()) {
        (Some(url), _) => url.to_owned(),
        (None, Some(region)) => format!("AWS {region}"),
        (None, None) => "AWS".to_owned(),
    }
}

/// The code for a stream or table that is not there.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// Source: AWS API reference, common errors. Applies to: both services.
const NOT_KNOWN: &[&str] = &[
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "InvalidClientTokenId",
    "ExpiredTokenException",
    "MissingAuthenticationTokenException",
    "MissingAuthenticationToken",
    "IncompleteSignatureException",
    "NotAuthorized",
    "OptInRequired",
];

/// Two: a connection may have died just now, more would only make the user wait.
const ATTEMPTS: u32 = 2;

/// Source: streams become active within seconds to a minute, says AWS's guide.
const ACTIVE_WITHIN: Duration = Duration::from_secs(120);
