//! Why `consume` gave up.

use std::io;

use kcl::{CheckpointError, RunError};

use crate::endpoint::{EndpointError, EndpointUrlError};
use crate::report::{Failure, causes};

/// Why `consume` gave up. What it had checkpointed before is written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// A setting is out of range.
    #[error("a setting is out of range")]
    Config(#[from] kcl::ConfigError),
    /// The properties file is none, or has what no consumer takes.
    #[error("the settings of {path} are not taken")]
    Properties {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: Box<kcl::PropertiesError>,
    },
    /// The properties file names an endpoint that is none.
    #[error("{path} names an endpoint that is none")]
    PropertiesEndpoint {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: EndpointUrlError,
    },
    /// Dead letters cannot be written.
    #[error("cannot write {path}")]
    DeadLetters {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An endpoint, the stream or a right is missing.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nobody could listen for signals.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// Lines cannot be written.
    #[error("cannot write {output}")]
    Output {
        /// The file.
        output: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The consumer did not start.
    #[error("the consumer did not start")]
    Run(#[from] RunError),
    /// A checkpoint cannot be written, now or later.
    #[error("cannot checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// The counts cannot be written.
    #[error("cannot write {path}")]
    Summary {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ConsumeError {
    /// The exit code: as for a wrong flag where the settings of a file are wrong.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Properties { .. } | Self::PropertiesEndpoint { .. } => 2,
            _ => 1,
        }
    }

    /// The error as the user reads it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Config(source) => Failure::new("setting", causes(source), "see consume --help"),
            Self::Properties { path, source } => Failure::new(
                path,
                causes(&**source),
                "pass a properties file of the Kinesis Client Library, with values that it takes",
            ),
            Self::PropertiesEndpoint { path, source } => Failure::new(
                path,
                causes(source),
                "correct kinesisEndpoint and dynamoDBEndpoint, or pass --endpoint-url and --dynamodb-endpoint-url",
            ),
            Self::DeadLetters { path, source } => Failure::new(
                format_args!("dead letters {path}"),
                source,
                "pass a writable file",
            ),
            Self::Endpoint(error) => error.failure(),
            Self::Signals(source) => {
                Failure::new("signals", source, "start it where signals can be received")
            }
            Self::Output { output, source } => Failure::new(
                format_args!("output {output}"),
                source,
                "mend it and start again: nothing that was not written is checkpointed",
            ),
            Self::Run(source) => Failure::new("consumer", causes(source), way_out(source)),
            Self::Checkpoint(source) => Failure::new(
                "checkpoint",
                causes(source),
                "mend the lease table and start again: lines since the last checkpoint come again",
            ),
            Self::Summary { path, source } => Failure::new(
                format_args!("summary {path}"),
                source,
                "all lines are written; pass a writable file",
            ),
        }
    }
}

fn way_out(error: &RunError) -> &'static str {
    match error {
        RunError::StreamMissing { .. } => "check name and region, or create it: produce --create SHARDS",
        RunError::NoCredentials { .. } => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE",
        RunError::AccessDenied { .. } => "allow it to these credentials",
        RunError::Unreachable { .. } => "is the endpoint running and reachable? check its URL and the region",
        RunError::StoppedAtRecord { .. } => {
            "it comes again at the next start; --dead-letter FILE sets such records aside"
        }
        RunError::WorkerIdInUse { .. } => "stop the other worker, or take another --worker-id",
        RunError::Fleet { .. } => {
            "see what the other workers of the application are, or take another --application"
        }
        RunError::LeaseTable { .. } => "mend or delete the lease table, or take another --application",
        _ => "see the service's answer",
    }
}
