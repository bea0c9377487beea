//! Shard identifiers.

use alloc::format;
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

/// The id of a shard, as the service gives it: `shardId-000000000042`.
///
/// Cloning copies no text. Ids sort by their number, so a child comes after its parents even where the
/// widths differ; ids without a number come after all others, in the order of their text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShardId {
    text: Arc<str>,
    number: Option<u64>,
}

impl ShardId {
    /// The most characters of a shard id.
    ///
    /// Source: AWS API reference, `ShardId`: 1 to 128 of `[a-zA-Z0-9_.-]`.
    pub const MAX_LEN: usize = 128;

    /// Checks the text and keeps it.
    ///
    /// # Errors
    ///
    /// The text is empty, has more than 128 characters, or one other than a letter, a digit, `_`, `.`, `-`.
    pub fn new(text: &str) -> Result<Self, ShardIdError> {
        if text.is_empty() {
            return Err(ShardIdError::Empty);
        }
        if let Some(found) = text
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && !"_.-".contains(*c))
        {
            return Err(ShardIdError::Character { found });
        }
        if text.len() > Self::MAX_LEN {
            return Err(ShardIdError::TooLong { len: text.len() });
        }
        Ok(Self {
            text: Arc::from(text),
            number: number_in(text),
        })
    }

    /// The id which the service gives to a stream's shard of this number.
    pub fn from_number(number: u64) -> Self {
        Self {
            text: Arc::from(format!("{PREFIX}{number:012}")),
            number: Some(number),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The number after `shardId-`, if the rest of the id is one.
    pub fn number(&self) -> Option<u64> {
        self.number
    }
}

impl Ord for ShardId {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_number = match (self.number, other.number) {
            (Some(mine), Some(theirs)) => mine.cmp(&theirs),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        // Equal numbers may be written with different widths, which are different ids.
        by_number.then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for ShardId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for ShardId {
    type Err = ShardIdError;

    fn from_str(text: &str) -> Result<Self, ShardIdError> {
        Self::new(text)
    }
}

impl AsRef<str> for ShardId {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// Why a text is not a shard id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardIdError {
    /// There is no text.
    #[error("shard id is empty")]
    Empty,
    /// There is too much text.
    #[error("shard id has {len} characters, more than {}", ShardId::MAX_LEN)]
    TooLong {
        /// Characters found.
        len: usize,
    },
    /// A character may not stand in a shard id.
    #[error("shard id has the character {found:?}, not a letter, a digit, `_`, `.` or `-`")]
    Character {
        /// The first such character.
        found: char,
    },
}

const PREFIX: &str = "shardId-";

fn number_in(text: &str) -> Option<u64> {
    let digits = text.strip_prefix(PREFIX)?;
    // `parse` would take a sign as well.
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}
