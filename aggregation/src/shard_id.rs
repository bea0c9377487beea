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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> ShardId {
        ShardId::new(text).unwrap()
    }

    #[test]
    fn what_is_a_shard_id() {
        for text in ["shardId-000000000000", "a", "A_b.c-9", &"x".repeat(128)] {
            assert_eq!(id(text).as_str(), text);
            assert_eq!(text.parse::<ShardId>().unwrap().to_string(), text);
        }
        for (text, error) in [
            ("", ShardIdError::Empty),
            ("shard 1", ShardIdError::Character { found: ' ' }),
            ("shardId-é", ShardIdError::Character { found: 'é' }),
            ("shardId-1\n", ShardIdError::Character { found: '\n' }),
            (&"x".repeat(129), ShardIdError::TooLong { len: 129 }),
        ] {
            assert_eq!(ShardId::new(text), Err(error), "{text}");
        }
    }

    #[test]
    fn numbers() {
        for (text, number) in [
            ("shardId-000000000042", Some(42)),
            ("shardId-7", Some(7)),
            ("shardId-18446744073709551615", Some(u64::MAX)),
            ("shardId-18446744073709551616", None),
            ("shardId-", None),
            ("shardId--1", None),
            ("shardId-7b", None),
            ("shardid-7", None),
            ("000000000042", None),
        ] {
            assert_eq!(id(text).number(), number, "{text}");
        }
        assert_eq!(ShardId::from_number(42), id("shardId-000000000042"));
        assert_eq!(ShardId::from_number(u64::MAX), id("shardId-18446744073709551615"));
    }

    #[test]
    fn children_come_after_parents_whatever_the_width() {
        let sorted = [
            "shardId-9",
            "shardId-000000000010",
            "shardId-10",
            "shardId-11",
            "a",
            "shardId-1x",
        ]
        .map(id);
        let mut ids = sorted.clone();
        ids.reverse();
        ids.sort();
        assert_eq!(ids, sorted);
    }

    proptest! {
        #[test]
        fn order_is_total_and_agrees_with_equality(
            ids in prop::collection::vec("shardId-(0{0,2}[0-9]{1,2}|[0-9x]{1,3})", 3),
        ) {
            let [a, b, c] = [&ids[0], &ids[1], &ids[2]].map(|text| id(text));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
            prop_assert!(!(a <= b && b <= c) || a <= c);
        }
    }
}
