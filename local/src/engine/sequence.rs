//! Sequence numbers of the service's shape: 56 decimal digits that grow within a shard, and from a shard to its
//! children.
//!
//! A number is 186 bits, laid out as the public emulators found the service's numbers to be (the service itself
//! documents no layout), from the highest hexadecimal digit to the lowest:
//!
//! ```text
//! 1   2                        fixed, so that every number has 56 decimal digits
//! 9   shard creation, seconds  a child's is above its parents', hence so are all its numbers
//! 1   shard number mod 16
//! 16  counter                  0 starts a shard, 1 is its first record, 2^63 - 1 ends it
//! 2   zero
//! 9   time of the record, seconds
//! 8   shard number
//! 1   2, the version
//! ```
//!
//! Two records that follow each other are about 2⁸⁰ apart, so no client can get away with adding one.

use std::fmt;
use std::str::FromStr;

/// A sequence number this engine made, or a text that reads as one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SequenceNumber {
    /// The 15 highest hexadecimal digits.
    high: u64,
    /// The 32 lowest.
    low: u128,
}

impl SequenceNumber {
    pub(crate) fn new(shard: ShardEpoch, counter: u64, time_s: u64) -> Self {
        let number = u64::from(shard.number);
        Self {
            high: (LEAD << 56)
                | ((shard.created_s & SECONDS) << 20)
                | ((number & 0xF) << 16)
                | (counter >> 48),
            low: (u128::from(counter & COUNTER_LOW) << 80)
                | (u128::from(time_s & SECONDS) << 36)
                | (u128::from(number) << 4)
                | VERSION,
        }
    }

    /// The shard it belongs to.
    pub(crate) fn shard(self) -> ShardEpoch {
        ShardEpoch {
            number: u32::try_from((self.low >> 4) & u128::from(u32::MAX)).unwrap_or(0),
            created_s: (self.high >> 20) & SECONDS,
        }
    }

    /// Its place in the shard.
    pub(crate) fn counter(self) -> u64 {
        let low = u64::try_from(self.low >> 80).unwrap_or(0);
        ((self.high & 0xFFFF) << 48) | low
    }

    /// When it was given, in whole seconds.
    pub(crate) fn time_s(self) -> u64 {
        u64::try_from((self.low >> 36) & u128::from(SECONDS)).unwrap_or(0)
    }

    fn is_well_formed(self) -> bool {
        Self::new(self.shard(), self.counter(), self.time_s()) == self
    }
}

/// Which shard a number belongs to, and when that shard began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardEpoch {
    pub(crate) number: u32,
    pub(crate) created_s: u64,
}

/// The counter of the number that ends a shard.
pub(crate) const LAST_COUNTER: u64 = i64::MAX.unsigned_abs();

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limbs = limbs(*self);
        let (low, middle, high) = (
            divide(&mut limbs, CHUNK),
            divide(&mut limbs, CHUNK),
            divide(&mut limbs, CHUNK),
        );
        // The leading digit of the layout makes the highest chunk non-zero, with 18 digits.
        write!(f, "{high}{middle:019}{low:019}")
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a sequence number of this engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForeignSequenceNumber {
    /// Not a decimal number at all.
    NotANumber,
    /// A number, but no shard of ours gives such.
    NotOurs,
}

impl FromStr for SequenceNumber {
    type Err = ForeignSequenceNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !is_decimal(text) {
            return Err(ForeignSequenceNumber::NotANumber);
        }
        if text.len() != DIGITS {
            return Err(ForeignSequenceNumber::NotOurs);
        }
        let mut value = [0_u64; 3];
        for digit in text.bytes() {
            let mut carry = u128::from(digit - b'0');
            for limb in value.iter_mut().rev() {
                let next = u128::from(*limb) * 10 + carry;
                *limb = u64::try_from(next & u128::from(u64::MAX)).unwrap_or(0);
                carry = next >> 64;
            }
        }
        let number = Self {
            high: value[0],
            low: (u128::from(value[1]) << 64) | u128::from(value[2]),
        };
        if !number.is_well_formed() {
            return Err(ForeignSequenceNumber::NotOurs);
        }
        Ok(number)
    }
}

/// Whether the text is what the service's pattern `0|([1-9]\d{0,128})` allows.
pub(crate) fn is_decimal(text: &str) -> bool {
    text == "0"
        || ((1..=129).contains(&text.len())
            && !text.starts_with('0')
            && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn limbs(number: SequenceNumber) -> [u64; 3] {
    let half = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or(0);
    [number.high, half(number.low >> 64), half(number.low)]
}

/// Divides in place and returns the remainder.
fn divide(limbs: &mut [u64; 3], by: u64) -> u64 {
    let mut remainder = 0;
    for limb in limbs {
        let value = (u128::from(remainder) << 64) | u128::from(*limb);
        *limb = u64::try_from(value / u128::from(by)).unwrap_or(0);
        remainder = u64::try_from(value % u128::from(by)).unwrap_or(0);
    }
    remainder
}

const LEAD: u64 = 2;
const VERSION: u128 = 2;
/// Nine hexadecimal digits of seconds last until the year 4147.
const SECONDS: u64 = (1 << 36) - 1;
const COUNTER_LOW: u64 = (1 << 48) - 1;
const DIGITS: usize = 56;
const CHUNK: u64 = 10_000_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn epoch(number: u32, created_s: u64) -> ShardEpoch {
        ShardEpoch { number, created_s }
    }

    #[test]
    fn a_number_has_the_services_shape() {
        // The layout, digit by digit: 2 | 057c40390 | 0 | 0 (16 digits) | 00 | 057c40390 | 00000000 | 2
        let number = SequenceNumber::new(epoch(0, 0x57c4_0390), 0, 0x57c4_0390);
        let text = number.to_string();
        assert_eq!(text.len(), 56, "{text}");
        assert!(text.starts_with("49"), "{text}");
        assert_eq!(text.parse(), Ok(number));
    }

    #[test]
    fn texts_that_are_no_numbers_of_ours_are_refused() {
        use ForeignSequenceNumber::{NotANumber, NotOurs};
        let ours = SequenceNumber::new(epoch(3, 1_700_000_000), 9, 1_700_000_001).to_string();
        let next = {
            let mut digits = ours.into_bytes();
            let last = digits.len() - 1;
            digits[last] = if digits[last] == b'9' {
                b'0'
            } else {
                digits[last] + 1
            };
            String::from_utf8(digits).unwrap()
        };
        let long = "9".repeat(129);
        let too_long = "9".repeat(130);
        for (text, expected) in [
            ("", NotANumber),
            ("00", NotANumber),
            ("-1", NotANumber),
            ("1e9", NotANumber),
            ("LATEST", NotANumber),
            (too_long.as_str(), NotANumber),
            ("0", NotOurs),
            ("12345", NotOurs),
            (long.as_str(), NotOurs),
            (next.as_str(), NotOurs),
            (&"9".repeat(56), NotOurs),
        ] {
            assert_eq!(text.parse::<SequenceNumber>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_child_starts_above_the_end_of_its_parents() {
        let end = SequenceNumber::new(epoch(15, 100), LAST_COUNTER, 9_999);
        assert!(end < SequenceNumber::new(epoch(16, 101), 0, 101));
    }

    proptest! {
        #[test]
        fn text_order_is_number_order_and_nothing_is_lost(
            one in (any::<u32>(), 0_u64..1 << 36, 0..=LAST_COUNTER, 0_u64..1 << 36),
            other in (any::<u32>(), 0_u64..1 << 36, 0..=LAST_COUNTER, 0_u64..1 << 36),
        ) {
            let make = |(shard, created, counter, time)| SequenceNumber::new(epoch(shard, created), counter, time);
            let (a, b) = (make(one), make(other));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            let read: SequenceNumber = a.to_string().parse().unwrap();
            prop_assert_eq!((read.shard(), read.counter(), read.time_s()), (epoch(one.0, one.1), one.2, one.3));
            prop_assert_eq!(read, a);
        }

        #[test]
        fn within_a_shard_the_counter_decides(shard: u32, created in 0_u64..1 << 36, counter in 0..LAST_COUNTER) {
            let at = |counter, time| SequenceNumber::new(epoch(shard, created), counter, time);
            prop_assert!(at(counter, SECONDS) < at(counter + 1, 0));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,140}") {
            let _ = text.parse::<SequenceNumber>();
        }
    }
}
