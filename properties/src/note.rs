//! What there is to say to whoever migrates a settings file.

use std::fmt;

/// A property that was not taken as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyNote {
    line: usize,
    name: String,
    kind: NoteKind,
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
    /// The library has no such setting.
    Unknown {
        /// The setting that differs in upper and lower case only.
        meant: Option<&'static str>,
    },
    /// A later line sets it again, and counts.
    Overridden,
}

impl PropertyNote {
    /// A note on the property `name` that begins on `line`.
    #[must_use]
    pub fn new(line: usize, name: &str, kind: NoteKind) -> Self {
        Self {
            line,
            name: name.to_owned(),
            kind,
        }
    }

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
