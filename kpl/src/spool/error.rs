//! Why a spool did not do what it was asked.

use std::io;
use std::path::PathBuf;

use crate::error::PutError;

/// Why a spool did not open, write or replay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// A setting is out of its range.
    #[error("{setting} is {value}, allowed are {min} to {max}")]
    Config {
        /// The setting.
        setting: &'static str,
        /// What was asked for.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// Somebody else has the directory: two would put the same records again.
    #[error("{} is in use by another process", directory.display())]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// The directory holds as much as it may.
    #[error("{bytes} bytes more than the {limit} bytes allowed on disk")]
    Full {
        /// What there would be too much.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The file system failed.
    #[error("{action} {} failed", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The producer takes no more records. What was not put again is still in the directory.
    #[error("the producer took no more records")]
    Put(#[source] PutError),
    /// The runtime ended meanwhile.
    #[error("the runtime has ended")]
    RuntimeEnded,
}

impl SpoolError {
    /// Whether the same may succeed later without anybody changing something first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Full { .. } | Self::Io { .. })
    }
}
