//! Why a fleet could not be measured.

use std::time::Duration;

/// Why a fleet could not be measured. A promise that is not kept is no error: the table shows it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// The endpoint did not start.
    #[error("the endpoint did not start")]
    Start(#[from] kinesis_local::StartError),
    /// The stream was not created.
    #[error("the stream was not created")]
    Create(#[from] kinesis_local::CreateStreamError),
    /// A record could not be put.
    #[error("a record could not be put")]
    Put(#[source] aws_sdk_kinesis::error::BoxError),
    /// A worker, its files or its figures.
    #[error("{what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A worker wrote what is no line of ours.
    #[error("{worker} wrote a line that is none of ours: {line}")]
    Line {
        /// The worker.
        worker: String,
        /// The line, or its beginning.
        line: String,
    },
    /// A worker ended that should not have.
    #[error("{worker} ended: {said}")]
    Ended {
        /// The worker.
        worker: String,
        /// What it said on stderr.
        said: String,
    },
    /// Something did not happen.
    #[error("no {what} within {limit:?}: {seen}")]
    TooLate {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
        /// What was there instead.
        seen: String,
    },
}

impl FleetError {
    pub(super) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}
