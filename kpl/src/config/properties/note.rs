//! What there is to say about a properties file.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::ConfigError;

/// A property that was not taken as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyNote {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) kind: NoteKind,
}

/// Why a property was not taken as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteKind {
    /// There is nothing here that it could set.
    Moot(&'static str),
    /// It means something a little different here, or was brought into our range.
    Adjusted(&'static str),
    /// What it asks for is not done.
    Refused(&'static str),
    /// The KPL has no such setting.
    Unknown {
        /// The setting that differs in upper and lower case only.
        meant: Option<&'static str>,
    },
    /// A later line sets it again, and counts.
    Overridden,
}

impl PropertyNote {
    /// The line of the file, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The property's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it was not taken as it stands.
    #[must_use]
    pub fn kind(&self) -> &NoteKind {
        &self.kind
    }
}

impl fmt::Display for PropertyNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} ", self.line, self.name)?;
        match &self.kind {
            NoteKind::Moot(why) => write!(f, "has no effect: {why}"),
            NoteKind::Adjusted(how) => write!(f, "was adjusted: {how}"),
            NoteKind::Refused(why) => write!(f, "was refused: {why}"),
            NoteKind::Unknown { meant: Some(meant) } => write!(f, "is unknown; {meant} is meant, probably"),
            NoteKind::Unknown { meant: None } => write!(f, "is unknown"),
            NoteKind::Overridden => write!(f, "is set again further down"),
        }
    }
}

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

impl From<kinesis_properties::EscapeError> for PropertiesError {
    fn from(error: kinesis_properties::EscapeError) -> Self {
        Self::Escape { line: error.line() }
    }
}
