//! The name of a stream, parsed once.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a Kinesis data stream: 1 to 128 characters out of `a-z A-Z 0-9 _ . -`.
///
/// Cheap to clone. Source: AWS API reference, PutRecords (`StreamName`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Parses a name. Nothing is trimmed.
    ///
    /// # Errors
    /// [`StreamNameError`] when the name is empty, too long or holds another character.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, StreamNameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(StreamNameError::Empty);
        }
        if let Some(found) = name.chars().find(|c| !is_allowed(*c)) {
            return Err(StreamNameError::Character { found });
        }
        if name.len() > MAX_NAME_LEN {
            return Err(StreamNameError::TooLong { length: name.len() });
        }
        Ok(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamName({})", self.0)
    }
}

impl AsRef<str> for StreamName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

/// Why a text is not a stream name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamNameError {
    /// The text is empty.
    #[error("stream name is empty")]
    Empty,
    /// The text is longer than 128 characters.
    #[error("stream name has {length} characters, the limit is {MAX_NAME_LEN}")]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// The text holds a character which no stream name has.
    #[error("stream name holds {found:?}; allowed are letters, digits, '_', '.' and '-'")]
    Character {
        /// The first such character.
        found: char,
    },
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

const MAX_NAME_LEN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_by_the_services_rule() {
        let longest = "x".repeat(128);
        for good in ["orders", "a", "A.b_c-9", longest.as_str()] {
            assert_eq!(StreamName::new(good).expect("valid name").as_str(), good);
        }
        let cases = [
            (String::new(), StreamNameError::Empty),
            ("x".repeat(129), StreamNameError::TooLong { length: 129 }),
            (" orders".to_owned(), StreamNameError::Character { found: ' ' }),
            ("a/b".to_owned(), StreamNameError::Character { found: '/' }),
            ("größe".to_owned(), StreamNameError::Character { found: 'ö' }),
        ];
        for (text, error) in cases {
            assert_eq!(StreamName::new(text.clone()), Err(error), "{text:?}");
        }
    }
}
