//! What can go wrong when the endpoint starts or makes a stream.

use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::create_stream;
use aws_sdk_kinesis::operation::describe_stream_summary::DescribeStreamSummaryError;

/// Why [`Local::start`](crate::Local::start) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port is taken, or the system refuses to listen on it.
    #[error("cannot listen on {address} for {endpoint}")]
    Bind {
        /// `Kinesis` or `DynamoDB`.
        endpoint: &'static str,
        /// The address that was asked for; port 0 stands for any free port.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No certificate could be made for TLS.
    #[error("cannot make a certificate for 127.0.0.1 and localhost")]
    Certificate {
        /// What the certificate generator said.
        #[source]
        source: rcgen::Error,
    },
    /// The TLS library refused our own certificate.
    #[error("cannot set up tls")]
    Tls {
        /// What the TLS library said.
        #[source]
        source: rustls::Error,
    },
    /// The SDK refused our own certificate as one to trust.
    #[error("cannot make an sdk client that trusts the certificate")]
    TrustStore {
        /// What the SDK said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The in-memory database behind the DynamoDB half did not open.
    #[error("cannot open the in-memory database of the dynamodb endpoint: {reason}")]
    Database {
        /// What the engine said.
        reason: String,
    },
}

impl StartError {
    /// Whether the port asked for is taken by someone else, so that another port would work.
    #[must_use]
    pub fn is_port_in_use(&self) -> bool {
        matches!(self, Self::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse)
    }
}

/// Why [`Local::create_stream`](crate::Local::create_stream) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateStreamError {
    /// The endpoint refused the stream: the name is taken or malformed, or the number of shards is out of range.
    #[error("cannot create stream {stream}: {}", reason(source.as_ref()))]
    Refused {
        /// The stream's name.
        stream: String,
        /// What the endpoint answered.
        #[source]
        source: Box<SdkError<create_stream::CreateStreamError>>,
    },
    /// The endpoint did not tell the stream's state.
    #[error("cannot describe stream {stream}: {}", reason(source.as_ref()))]
    Describe {
        /// The stream's name.
        stream: String,
        /// What the endpoint answered.
        #[source]
        source: Box<SdkError<DescribeStreamSummaryError>>,
    },
    /// The stream was made and then never became active.
    #[error("stream {stream} is not active after {waited:?}")]
    NotActive {
        /// The stream's name.
        stream: String,
        /// How long the call waited.
        waited: Duration,
    },
}

/// What the endpoint answered, or why there was no answer, in one line.
fn reason<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(code) = error.code() {
        return format!(
            "{code}: {}",
            error.message().unwrap_or("no message").trim_end_matches('.')
        );
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
