//! A record as the application hands it over: valid by construction.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kinesis_aggregation::HashKey;

/// A user record: a partition key, the data, and optionally an explicit hash key.
///
/// The partition key decides the shard (by its MD5), and records of one key are stored in the order they were put.
/// Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    partition_key: Key,
    data: Bytes,
    /// Few records have one: the others shall not carry its room.
    explicit_hash_key: Option<Box<HashKey>>,
}

impl Record {
    /// A record of `data` under `partition_key`.
    ///
    /// The key has 1 to 256 Unicode code points (source: AWS API reference, PutRecordsRequestEntry; the Kinesis
    /// Producer Library counts UTF-16 units). The data may be empty; its size is checked when the record is put.
    ///
    /// # Errors
    /// [`RecordError`] when the key is empty or too long.
    pub fn new(
        partition_key: impl AsRef<str> + Into<Arc<str>>,
        data: impl Into<Bytes>,
    ) -> Result<Self, RecordError> {
        let text = partition_key.as_ref();
        if text.is_empty() {
            return Err(RecordError::EmptyPartitionKey);
        }
        // A key of at most 256 bytes cannot have more code points than that: the count is for long keys only.
        if text.len() > MAX_KEY_CHARS {
            let length = text.chars().count();
            if length > MAX_KEY_CHARS {
                return Err(RecordError::PartitionKeyTooLong { length });
            }
        }
        Ok(Self {
            partition_key: Key::new(partition_key),
            data: data.into(),
            explicit_hash_key: None,
        })
    }

    /// Decides the shard by `hash_key` in place of the partition key's MD5.
    ///
    /// A hash key is a number below 2^128; [`HashKey::parse_decimal`] reads one from text. Leading zeros are dropped, as
    /// the Kinesis Producer Library drops them, so that it is sent in its one canonical form. A sign and spaces, which that
    /// library lets pass, are errors.
    #[must_use]
    pub fn with_explicit_hash_key(mut self, hash_key: HashKey) -> Self {
        self.explicit_hash_key = Some(Box::new(hash_key));
        self
    }

    /// The partition key.
    #[must_use]
    pub fn partition_key(&self) -> &str {
        self.partition_key.as_str()
    }

    /// The partition key, to be kept.
    pub(crate) fn key(&self) -> &Key {
        &self.partition_key
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The explicit hash key, when one was given.
    #[must_use]
    pub fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key.as_deref().copied()
    }

    /// Where the record belongs in the hash key space: the explicit hash key, else the partition key's MD5.
    #[must_use]
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key()
            .unwrap_or_else(|| HashKey::of_partition_key(self.partition_key()))
    }

    /// Bytes which the service counts: data and partition key.
    #[must_use]
    pub fn size(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// A partition key. A short one, as most are, lies in the record itself: nothing is allocated for it, and what looks at
/// it need not look elsewhere.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// Zero beyond its length.
    Short {
        len: u8,
        bytes: [u8; SHORT_KEY],
    },
    Long(Arc<str>),
}

impl Key {
    fn new(text: impl AsRef<str> + Into<Arc<str>>) -> Self {
        let short = text.as_ref().as_bytes();
        match u8::try_from(short.len()) {
            Ok(len) if short.len() <= SHORT_KEY => {
                let mut bytes = [0; SHORT_KEY];
                bytes[..short.len()].copy_from_slice(short);
                Self::Short { len, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Short { .. } => std::str::from_utf8(self.as_bytes()).expect("invariant: copied from text"),
            Self::Long(text) => text,
        }
    }

    /// The UTF-8 bytes of it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(text) => text.as_bytes(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Short { len, .. } => usize::from(*len),
            Self::Long(text) => text.len(),
        }
    }
}

impl fmt::Debug for Record {
    /// Sizes only: keys and data are the user's and do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("partition_key_bytes", &self.partition_key.len())
            .field("data_bytes", &self.data.len())
            .field("explicit_hash_key", &self.explicit_hash_key)
            .finish()
    }
}

/// Why there can be no such record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The service demands a key of at least one character.
    #[error("partition key is empty")]
    EmptyPartitionKey,
    /// The key has more than 256 code points.
    #[error("partition key has {length} characters, the limit is {MAX_KEY_CHARS}")]
    PartitionKeyTooLong {
        /// Its length in Unicode code points.
        length: usize,
    },
}

/// Source: AWS API reference, PutRecordsRequestEntry. Applies to: partition keys, in code points.
const MAX_KEY_CHARS: usize = 256;

/// As long as a shared key makes the record anyway.
const SHORT_KEY: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_keys_and_long_ones_are_what_they_were() {
        for length in 1..40 {
            let text: String = "kéy/".chars().cycle().take(length).collect();
            let owned = Record::new(text.clone(), "").expect("valid");
            let shared = Record::new(Arc::<str>::from(text.as_str()), "").expect("valid");
            assert_eq!(owned.partition_key(), text);
            assert_eq!(owned, shared);
            assert_eq!(owned.size(), text.len());
            assert_eq!(owned.hash_key(), HashKey::of_partition_key(&text));
            assert_ne!(owned, Record::new(format!("{text}x"), "").expect("valid"));
        }
        assert_eq!(size_of::<Key>(), 24);
        assert_eq!(size_of::<Record>(), 64);
    }

    #[test]
    fn keys_are_counted_in_code_points() {
        let astral = "\u{1F600}".repeat(256);
        for good in ["k", &"x".repeat(256), &"é".repeat(256), &astral] {
            assert!(Record::new(good, "data").is_ok(), "{} bytes", good.len());
        }
        for (bad, length) in [("x".repeat(257), 257), ("\u{1F600}".repeat(257), 257)] {
            assert_eq!(
                Record::new(bad, "data"),
                Err(RecordError::PartitionKeyTooLong { length })
            );
        }
        assert_eq!(Record::new("", "data"), Err(RecordError::EmptyPartitionKey));
    }

    #[test]
    fn the_explicit_hash_key_wins() {
        let record = Record::new("a", "").expect("valid");
        assert_eq!(record.hash_key(), HashKey::of_partition_key("a"));
        let record = record.with_explicit_hash_key(HashKey::new(123));
        assert_eq!(record.hash_key(), HashKey::new(123));
        assert_eq!(record.explicit_hash_key(), Some(HashKey::new(123)));
        assert_eq!(record.size(), 1);
    }

    #[test]
    fn hash_keys_are_numbers_below_two_to_the_128() {
        use kinesis_aggregation::HashKeyError as E;
        let max = "340282366920938463463374607431768211455";
        let cases = [
            ("0", Ok("0")),
            ("007", Ok("7")),
            (max, Ok(max)),
            ("340282366920938463463374607431768211456", Err(E::TooLarge)),
            ("+7", Err(E::NotDecimal)),
            ("-7", Err(E::NotDecimal)),
            (" 7", Err(E::NotDecimal)),
            ("0x7", Err(E::NotDecimal)),
            ("", Err(E::Empty)),
        ];
        for (text, expected) in cases {
            let record = HashKey::parse_decimal(text).map(|hash_key| {
                Record::new("k", "")
                    .expect("valid")
                    .with_explicit_hash_key(hash_key)
            });
            let sent = record.map(|record| record.hash_key().to_string());
            assert_eq!(sent, expected.map(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn data_may_be_empty() {
        let record = Record::new("k", "").expect("valid");
        assert_eq!((record.size(), record.data().len()), (1, 0));
    }

    #[test]
    fn debug_output_holds_no_user_data() {
        let text = format!("{:?}", Record::new("secret-key", "secret-data").expect("valid"));
        assert!(!text.contains("secret"), "{text}");
    }
}
