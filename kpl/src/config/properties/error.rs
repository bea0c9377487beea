//! Why a properties file was not taken.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use kinesis_properties::{EscapeError, ValueError};

use crate::error::ConfigError;

/// Why a properties file was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PropertiesError {
    /// The file cannot be read.
    #[error("reading {} failed", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// The text is not of Java's syntax.
    #[error(transparent)]
    Escape(#[from] EscapeError),
    /// A value is none that its setting may have.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Each value may be as it is, but not together with the others, or not here.
    #[error("the settings do not go together")]
    Config(#[from] ConfigError),
}
