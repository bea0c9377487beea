//! One line made into one record: its key, its explicit hash key, its bytes.

use std::num::NonZeroUsize;

use bytes::Bytes;
use kpl::{HashKey, HashKeyError, Record, RecordError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::field::{FieldError, Fields};

/// Where a line's partition key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keying {
    /// From a column, the first being 1. Lines of one key keep their order.
    Column(NonZeroUsize),
    /// A new random key for each line: even load on all shards, no order.
    Random,
}

/// What a line must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// UTF-8 as a whole.
    Utf8,
    /// Any bytes; only the key must be UTF-8.
    Binary,
}

/// Makes records of lines.
#[derive(Debug)]
pub struct Events {
    keying: Keying,
    explicit_hash_key: Option<NonZeroUsize>,
    text: Text,
    fields: Fields,
    random: StdRng,
}

impl Events {
    /// A maker of records; `seed` decides the random keys.
    #[must_use]
    pub fn new(keying: Keying, explicit_hash_key: Option<NonZeroUsize>, text: Text, seed: u64) -> Self {
        Self {
            keying,
            explicit_hash_key,
            text,
            fields: Fields::new(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// The record of `line`; its data is the line itself, uncopied.
    ///
    /// # Errors
    /// [`EventError`] when the line has no valid key or is not text.
    pub fn record(&mut self, line: Bytes) -> Result<Record, EventError> {
        if self.text == Text::Utf8 {
            std::str::from_utf8(&line).map_err(|source| EventError::NotUtf8 {
                byte: source.valid_up_to(),
            })?;
        }
        let explicit = self
            .explicit_hash_key
            .map(|column| explicit(&mut self.fields, &line, column))
            .transpose()?;
        let record = match self.keying {
            Keying::Random => Record::new(format!("{:016x}", self.random.random::<u64>()), line),
            Keying::Column(column) => {
                let field = self.fields.get(&line, column)?;
                let key = std::str::from_utf8(&field)
                    .map_err(|_| EventError::KeyNotUtf8 { column: column.get() })?;
                // The key is copied, so that the line can go.
                let key: std::sync::Arc<str> = key.into();
                drop(field);
                Record::new(key, line)
            }
        }?;
        Ok(match explicit {
            Some(hash_key) => record.with_explicit_hash_key(hash_key),
            None => record,
        })
    }
}

fn explicit(fields: &mut Fields, line: &[u8], column: NonZeroUsize) -> Result<HashKey, EventError> {
    let field = fields.get(line, column)?;
    let text = std::str::from_utf8(&field).map_err(|_| EventError::KeyNotUtf8 { column: column.get() })?;
    HashKey::parse_decimal(text).map_err(|source| EventError::HashKey {
        column: column.get(),
        text: shortened(text),
        source,
    })
}

/// Enough of a bad value to find it, and not more than a line on a terminal.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Characters of a bad value that are shown.
const SHOWN_CHARS: usize = 50;

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The line is not text.
    #[error("the line is not utf-8 from byte {byte} on")]
    NotUtf8 {
        /// The first byte that does not fit, from 0.
        byte: usize,
    },
    /// A column that must be text is not.
    #[error("column {column} is not utf-8")]
    KeyNotUtf8 {
        /// The column, from 1.
        column: usize,
    },
    /// The column is not there.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The explicit hash key is no number, or too big.
    #[error("{source}: \"{text}\" in column {column}")]
    HashKey {
        /// The column, from 1.
        column: usize,
        /// What is there, shortened.
        text: String,
        /// What is wrong with it.
        source: HashKeyError,
    },
    /// The key is empty or too long.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl EventError {
    /// What a caller can do about it.
    #[must_use]
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::NotUtf8 { .. } => "convert the input, or send raw bytes with --binary",
            Self::KeyNotUtf8 { .. } => "keys are text: choose another column, or --random-keys",
            Self::Field(FieldError::Missing { .. }) => {
                "choose another column (the first is 1), or mend the line"
            }
            Self::Field(_) => "one line is one event: mend the quoting, or use --random-keys",
            Self::HashKey { .. } => {
                "an explicit hash key is a decimal number from 0 to 340282366920938463463374607431768211455"
            }
            Self::Record(RecordError::EmptyPartitionKey) => {
                "every record needs a key: mend the line, choose another column, or use --random-keys"
            }
            Self::Record(_) => "shorten the key or choose another --key-column",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).expect("a column of the test")
    }

    fn by_column(number: usize, text: Text) -> Events {
        Events::new(Keying::Column(column(number)), None, text, 0)
    }

    #[test]
    fn the_line_is_the_data_and_the_column_the_key() {
        let mut events = by_column(2, Text::Utf8);
        let record = events
            .record(Bytes::from_static(b"1,\"N1,2\",x"))
            .expect("a good line");
        assert_eq!(record.partition_key(), "N1,2");
        assert_eq!(record.data().as_ref(), b"1,\"N1,2\",x");
        assert_eq!(record.explicit_hash_key(), None);
    }

    #[test]
    fn random_keys_differ_and_repeat_with_the_seed() {
        let keys = |seed| {
            let mut events = Events::new(Keying::Random, None, Text::Utf8, seed);
            [(); 3].map(|()| {
                events
                    .record(Bytes::new())
                    .expect("any line")
                    .partition_key()
                    .to_owned()
            })
        };
        assert_eq!(keys(7), keys(7));
        assert_ne!(keys(7), keys(8));
        assert_ne!(keys(7)[0], keys(7)[1]);
    }

    #[test]
    fn an_explicit_hash_key_is_taken_from_its_column() {
        let mut events = Events::new(Keying::Column(column(1)), Some(column(2)), Text::Utf8, 0);
        let record = events.record(Bytes::from_static(b"a,42")).expect("a good line");
        assert_eq!(record.explicit_hash_key(), Some(HashKey::new(42)));
        for bad in ["a,", "a,-1", "a,x", "a,340282366920938463463374607431768211456"] {
            let error = events.record(Bytes::from(bad)).expect_err(bad);
            assert!(
                matches!(error, EventError::HashKey { column: 2, .. }),
                "{bad}: {error}"
            );
            assert!(
                error
                    .way_out()
                    .contains("340282366920938463463374607431768211455")
            );
        }
    }

    #[test]
    fn bad_lines_say_what_is_wrong() {
        let latin1 = Bytes::from_static(b"a,caf\xe9");
        let long = Bytes::from(format!("{},b", "k".repeat(257)));
        let cases = [
            (
                1,
                Text::Utf8,
                latin1.clone(),
                "the line is not utf-8 from byte 5 on",
            ),
            (2, Text::Binary, latin1.clone(), "column 2 is not utf-8"),
            (
                3,
                Text::Utf8,
                Bytes::from_static(b"a,b"),
                "there is no column 3, the line has 2",
            ),
            (1, Text::Utf8, Bytes::from_static(b",b"), "partition key is empty"),
            (
                1,
                Text::Utf8,
                long,
                "partition key has 257 characters, the limit is 256",
            ),
        ];
        for (number, text, line, expected) in cases {
            let error = by_column(number, text).record(line).expect_err(expected);
            assert_eq!(error.to_string(), expected);
        }
        assert!(
            by_column(1, Text::Binary).record(latin1).is_ok(),
            "raw bytes beside a good key"
        );
    }

    #[test]
    fn bad_values_are_shown_short() {
        assert_eq!(shortened("abc"), "abc");
        assert_eq!(shortened(&"é".repeat(60)), format!("{}...", "é".repeat(50)));
    }
}
