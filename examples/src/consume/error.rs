//! Why `consume` gave up.

use std::io;

use kcl::{CheckpointError, RunError};

use crate::endpoint::EndpointError;
use crate::report::{Failure, causes};

/// Why `consume` gave up. What it had checkpointed before is written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// A setting is out of range.
    #[error("a setting is out of range")]
    Config(#[from] kcl::ConfigError),
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
    /// The error as the user reads it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Config(source) => Failure::new("setting", causes(source), "see consume --help"),
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
        RunError::WorkerIdInUse { .. } => "stop the other worker, or take another --worker-id",
        RunError::Fleet { .. } => {
            "see what the other workers of the application are, or take another --application"
        }
        RunError::LeaseTable { .. } => "mend or delete the lease table, or take another --application",
        _ => "see the service's answer",
    }
}
