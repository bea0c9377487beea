//! What there is to say about a properties file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use kinesis_properties::{EscapeError, ValueError};

use crate::error::ConfigError;

pub use kinesis_properties::{NoteKind, PropertyNote};

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
    /// A `\u` is not followed by four hexadecimal digits.
    #[error("line {line}: malformed \\u escape")]
    Escape {
        /// The line, from 1.
        line: usize,
    },
    /// A number is none, or out of the KPL's range.
    #[error("line {line}: {setting} is {value:?}, allowed are {min} to {max}")]
    Number {
        /// The line, from 1.
        line: usize,
        /// The setting.
        setting: &'static str,
        /// What stands there.
        value: String,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// A text is none of those allowed.
    #[error("line {line}: {setting} is {value:?}, expected {expected}")]
    Text {
        /// The line, from 1.
        line: usize,
        /// The setting.
        setting: &'static str,
        /// What stands there.
        value: String,
        /// What could.
        expected: &'static str,
    },
    /// Each value may be as it is, but not together with the others, or not here.
    #[error("the settings do not go together")]
    Config(#[from] ConfigError),
}

impl From<EscapeError> for PropertiesError {
    fn from(error: EscapeError) -> Self {
        Self::Escape { line: error.line() }
    }
}

impl From<ValueError> for PropertiesError {
    fn from(error: ValueError) -> Self {
        match error {
            ValueError::Number {
                line,
                setting,
                value,
                min,
                max,
            } => Self::Number {
                line,
                setting,
                value,
                min,
                max,
            },
            ValueError::Text {
                line,
                setting,
                value,
                expected,
            } => Self::Text {
                line,
                setting,
                value,
                expected,
            },
        }
    }
}
