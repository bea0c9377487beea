//! Where a record lands: 128-bit hash keys, and the ranges of them which shards own.

use core::fmt;
use core::str::FromStr;

use md5::{Digest, Md5};

use crate::envelope::DIGEST_LEN;
use crate::md5_lanes::md5_of_four;

/// A position in the hash key space, 0 to 2¹²⁸ − 1.
///
/// A record's hash key is the explicit one its producer gave, or else the MD5 of its partition key.
///
/// ```
/// use kinesis_aggregation::HashKey;
///
/// let key = HashKey::of_partition_key("abcd");
/// assert_eq!(key.to_string(), "301716283811389038011477436469853762335");
/// assert_eq!("007".parse::<HashKey>()?, HashKey::new(7));
/// # Ok::<(), kinesis_aggregation::HashKeyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(u128);

impl HashKey {
    /// The lowest hash key, 0.
    pub const MIN: Self = Self(0);
    /// The highest hash key, 2¹²⁸ − 1.
    pub const MAX: Self = Self(u128::MAX);

    /// The hash key with this value.
    pub const fn new(value: u128) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn get(self) -> u128 {
        self.0
    }

    /// The hash key the service computes for a partition key: the MD5 of its UTF-8 bytes, read as an
    /// unsigned big-endian number.
    ///
    /// Source: AWS API reference, PutRecord, `PartitionKey`.
    pub fn of_partition_key(partition_key: &str) -> Self {
        Self(u128::from_be_bytes(md5_of(partition_key.as_bytes())))
    }

    /// The hash keys of four partition keys, given as their UTF-8 bytes, for less than those of two cost one by one.
    pub fn of_four_partition_keys(partition_keys: [&[u8]; 4]) -> [Self; 4] {
        md5_of_four(partition_keys).map(|digest| Self(u128::from_be_bytes(digest)))
    }

    /// Reads a decimal number, as the service writes hash keys. Leading zeros are accepted and dropped;
    /// spaces and signs are not.
    ///
    /// # Errors
    ///
    /// The text is empty, has a character other than `0` to `9`, or stands for more than 2¹²⁸ − 1.
    pub fn parse_decimal(text: &str) -> Result<Self, HashKeyError> {
        if text.is_empty() {
            return Err(HashKeyError::Empty);
        }
        let mut value = 0_u128;
        for byte in text.bytes() {
            if !byte.is_ascii_digit() {
                return Err(HashKeyError::NotDecimal);
            }
            value = value
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(u128::from(byte - b'0')))
                .ok_or(HashKeyError::TooLarge)?;
        }
        Ok(Self(value))
    }
}

/// The canonical decimal form: no sign, no leading zeros.
impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for HashKey {
    type Err = HashKeyError;

    fn from_str(text: &str) -> Result<Self, HashKeyError> {
        Self::parse_decimal(text)
    }
}

impl From<u128> for HashKey {
    fn from(value: u128) -> Self {
        Self(value)
    }
}

impl From<HashKey> for u128 {
    fn from(key: HashKey) -> Self {
        key.0
    }
}

/// Why a text is not a hash key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashKeyError {
    /// There is no text.
    #[error("hash key is empty")]
    Empty,
    /// Something other than decimal digits is in it.
    #[error("hash key is not a decimal number without sign")]
    NotDecimal,
    /// The number does not fit in 128 bits.
    #[error("hash key is above 340282366920938463463374607431768211455")]
    TooLarge,
}

/// A range of hash keys, both ends included: what one shard owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashKeyRange {
    start: HashKey,
    end: HashKey,
}

impl HashKeyRange {
    /// All hash keys: the range of a stream's only shard.
    pub const FULL: Self = Self {
        start: HashKey::MIN,
        end: HashKey::MAX,
    };

    /// The range from `start` to `end`, both included.
    ///
    /// # Errors
    ///
    /// `start` is above `end`.
    pub const fn new(start: HashKey, end: HashKey) -> Result<Self, HashKeyRangeError> {
        if start.0 > end.0 {
            return Err(HashKeyRangeError { start, end });
        }
        Ok(Self { start, end })
    }

    /// The lowest hash key in the range.
    pub const fn start(&self) -> HashKey {
        self.start
    }

    /// The highest hash key in the range.
    pub const fn end(&self) -> HashKey {
        self.end
    }

    /// Whether the key lies in the range.
    pub const fn contains(&self, key: HashKey) -> bool {
        self.start.0 <= key.0 && key.0 <= self.end.0
    }

    /// Whether every hash key lies in the range.
    pub const fn is_full(&self) -> bool {
        self.start.0 == HashKey::MIN.0 && self.end.0 == HashKey::MAX.0
    }
}

/// `start..=end`, in decimal.
impl fmt::Display for HashKeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.start, self.end)
    }
}

/// A range whose start is above its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hash key range starts at {start}, above its end {end}")]
#[non_exhaustive]
pub struct HashKeyRangeError {
    /// The start that was asked for.
    pub start: HashKey,
    /// The end that was asked for.
    pub end: HashKey,
}

/// The MD5 digest, in its usual byte order.
pub(crate) fn md5_of(bytes: &[u8]) -> [u8; DIGEST_LEN] {
    Md5::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimal_forms() {
        let max = "340282366920938463463374607431768211455";
        for (text, value) in [
            ("0", 0),
            ("00", 0),
            ("1", 1),
            ("0123", 123),
            ("18446744073709551616", 1 << 64),
            (max, u128::MAX),
            (&format!("{}{max}", "0".repeat(100)), u128::MAX),
        ] {
            assert_eq!(HashKey::parse_decimal(text), Ok(HashKey::new(value)), "{text}");
        }
        for (text, error) in [
            ("", HashKeyError::Empty),
            (" 1", HashKeyError::NotDecimal),
            ("1 ", HashKeyError::NotDecimal),
            ("+1", HashKeyError::NotDecimal),
            ("-0", HashKeyError::NotDecimal),
            ("1_000", HashKeyError::NotDecimal),
            ("0x1f", HashKeyError::NotDecimal),
            ("٣", HashKeyError::NotDecimal),
            ("340282366920938463463374607431768211456", HashKeyError::TooLarge),
            ("999999999999999999999999999999999999999", HashKeyError::TooLarge),
            ("1000000000000000000000000000000000000000", HashKeyError::TooLarge),
        ] {
            assert_eq!(HashKey::parse_decimal(text), Err(error), "{text}");
        }
    }

    #[test]
    fn order_is_by_number() {
        assert!(HashKey::new(9) < HashKey::new(10));
        assert!(HashKey::MIN < HashKey::MAX);
    }

    #[test]
    fn ranges_hold_both_ends() {
        let key = HashKey::new;
        let range = HashKeyRange::new(key(10), key(20)).unwrap();
        for (at, inside) in [
            (0, false),
            (9, false),
            (10, true),
            (15, true),
            (20, true),
            (21, false),
        ] {
            assert_eq!(range.contains(key(at)), inside, "{at}");
        }
        assert!(HashKeyRange::new(key(3), key(3)).unwrap().contains(key(3)));
        let error = HashKeyRange::new(key(4), key(3)).unwrap_err();
        assert_eq!(error.to_string(), "hash key range starts at 4, above its end 3");
        assert!(HashKeyRange::FULL.contains(HashKey::MIN) && HashKeyRange::FULL.contains(HashKey::MAX));
        assert!(HashKeyRange::FULL.is_full() && !range.is_full());
        assert_eq!(range.to_string(), "10..=20");
    }

    proptest! {
        #[test]
        fn text_and_back(value: u128, zeros in 0_usize..5) {
            let key = HashKey::new(value);
            prop_assert_eq!(key.to_string(), value.to_string());
            prop_assert_eq!(format!("{}{key}", "0".repeat(zeros)).parse(), Ok(key));
        }

        #[test]
        fn any_text_is_read_as_the_number_it_is(text in "[0-9+ -]{0,42}") {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let expected = if plain { text.parse::<u128>().ok() } else { None };
            prop_assert_eq!(text.parse::<HashKey>().ok().map(u128::from), expected);
        }
    }
}
