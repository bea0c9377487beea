//! Where in a shard: sequence numbers, positions inside aggregates, checkpoints; and their one total order.
//!
//! Decides only order and text form. Sequence numbers have up to 129 digits (today 56), so neither `u64` nor
//! `u128` holds them: they are compared by length and then digit by digit.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::text::Text;

/// The service's number of one Kinesis record: a decimal without leading zeros, increasing within a shard.
///
/// Cheap to clone. Source of the form: the `SequenceNumber` pattern `0|([1-9]\d{0,128})` of the Kinesis API.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(Text);

/// A text that is not a sequence number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a sequence number: 1 to 129 decimal digits without leading zeros")]
pub struct SequenceNumberError {
    /// What was given, cut to 140 characters.
    text: String,
}

impl SequenceNumber {
    /// Parses the service's decimal text.
    ///
    /// # Errors
    /// When the text is not `0` or 1 to 129 digits without a leading zero.
    pub fn parse(text: &str) -> Result<Self, SequenceNumberError> {
        check(text)?;
        Ok(Self(Text::from(text)))
    }

    /// The same of a text that is at hand, without a copy.
    pub(crate) fn received(text: Text) -> Result<Self, SequenceNumberError> {
        check(text.as_str())?;
        Ok(Self(text))
    }

    /// The decimal text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn check(text: &str) -> Result<(), SequenceNumberError> {
    // Each one is looked at, so that the compiler can look at many at once.
    let digits = text.bytes().fold(true, |all, b| all & b.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if digits && canonical && (1..=MAX_DIGITS).contains(&text.len()) {
        return Ok(());
    }
    Err(SequenceNumberError {
        text: text.chars().take(140).collect(),
    })
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        let (this, other) = (self.as_str(), other.as_str());
        this.len().cmp(&other.len()).then_with(|| this.cmp(other))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SequenceNumber {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The place of one user record: its Kinesis record, and its index inside that record's aggregate
/// (KCL: extended sequence number). A record that was not aggregated has sub-sequence number 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    sequence_number: SequenceNumber,
    sub_sequence_number: u64,
}

impl Position {
    /// The place of the user record `sub_sequence_number` inside the Kinesis record `sequence_number`.
    #[must_use]
    pub fn new(sequence_number: SequenceNumber, sub_sequence_number: u64) -> Self {
        Self {
            sequence_number,
            sub_sequence_number,
        }
    }

    /// Behind the last user record of a Kinesis record, however many it holds: as a checkpoint, "all of it is done".
    #[must_use]
    pub fn after_all_of(sequence_number: SequenceNumber) -> Self {
        Self::new(sequence_number, BEHIND_ALL)
    }

    /// The Kinesis record.
    #[must_use]
    pub fn sequence_number(&self) -> &SequenceNumber {
        &self.sequence_number
    }

    /// The index inside the aggregate, from 0.
    #[must_use]
    pub fn sub_sequence_number(&self) -> u64 {
        self.sub_sequence_number
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sequence_number, self.sub_sequence_number)
    }
}

/// What a lease remembers of its shard: everything up to here is done.
///
/// The variants are in KCL's total order: `AT_TIMESTAMP` < `TRIM_HORIZON` < `LATEST` < every position <
/// `SHARD_END`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checkpoint {
    /// Nothing done; start at the configured timestamp.
    AtTimestamp,
    /// Nothing done; start at the oldest record kept.
    TrimHorizon,
    /// Nothing done; start at the tip.
    Latest,
    /// This record and all before it are done.
    At(Position),
    /// The shard is closed and all its records are done.
    ShardEnd,
}

/// A stored checkpoint that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("checkpoint is neither a sentinel nor a sequence number")]
pub struct CheckpointError {
    #[from]
    source: SequenceNumberError,
}

impl Checkpoint {
    /// Reads the two stored attributes `checkpoint` and `checkpointSubSequenceNumber`.
    ///
    /// # Errors
    /// When the text is neither one of the four sentinels nor a sequence number.
    pub fn parse(text: &str, sub_sequence_number: u64) -> Result<Self, CheckpointError> {
        Ok(match text {
            "AT_TIMESTAMP" => Self::AtTimestamp,
            "TRIM_HORIZON" => Self::TrimHorizon,
            "LATEST" => Self::Latest,
            "SHARD_END" => Self::ShardEnd,
            number => Self::At(Position::new(SequenceNumber::parse(number)?, sub_sequence_number)),
        })
    }

    /// The stored text: a sentinel, or the sequence number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::AtTimestamp => "AT_TIMESTAMP",
            Self::TrimHorizon => "TRIM_HORIZON",
            Self::Latest => "LATEST",
            Self::ShardEnd => "SHARD_END",
            Self::At(position) => position.sequence_number().as_str(),
        }
    }

    /// The stored sub-sequence number: 0 for sentinels.
    #[must_use]
    pub fn sub_sequence_number(&self) -> u64 {
        match self {
            Self::At(position) => position.sub_sequence_number(),
            _ => 0,
        }
    }

    /// The position, when it is one.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        match self {
            Self::At(position) => Some(position),
            _ => None,
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(position) => position.fmt(f),
            sentinel => f.write_str(sentinel.as_str()),
        }
    }
}

/// Source: KCL, which reads sub-sequence numbers as 64 bits with a sign.
const BEHIND_ALL: u64 = i64::MAX as u64;
/// Source: the `SequenceNumber` pattern of the Kinesis API.
const MAX_DIGITS: usize = 129;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> SequenceNumber {
        SequenceNumber::parse(text).unwrap()
    }

    fn at(text: &str, sub: u64) -> Checkpoint {
        Checkpoint::At(Position::new(number(text), sub))
    }

    #[test]
    fn sequence_numbers_follow_the_service() {
        let longest = "9".repeat(129);
        for good in [
            "0",
            "1",
            "49590338271490256608559692538361571095921575989136588898",
            &longest,
        ] {
            assert_eq!(number(good).as_str(), good);
        }
        let too_long = "9".repeat(130);
        for bad in [
            "", "00", "007", "-1", "+1", "1e5", " 1", "1 ", "LATEST", "\u{0661}", &too_long,
        ] {
            let error = SequenceNumber::parse(bad).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn a_huge_text_is_not_repeated_in_the_error() {
        let error = SequenceNumber::parse(&"x".repeat(1_000_000)).unwrap_err();
        assert!(error.to_string().len() < 300);
    }

    #[test]
    fn checkpoints_have_one_order() {
        let in_order = [
            Checkpoint::AtTimestamp,
            Checkpoint::TrimHorizon,
            Checkpoint::Latest,
            at("0", 0),
            at("0", 1),
            at("9", 0),
            at("10", 0),
            at("10", u64::MAX),
            at("49590338271490256608559692538361571095921575989136588898", 0),
            Checkpoint::ShardEnd,
        ];
        for (i, a) in in_order.iter().enumerate() {
            for (j, b) in in_order.iter().enumerate() {
                assert_eq!(a.cmp(b), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn stored_checkpoints_are_read_and_written_alike() {
        let cases = [
            ("AT_TIMESTAMP", Checkpoint::AtTimestamp),
            ("TRIM_HORIZON", Checkpoint::TrimHorizon),
            ("LATEST", Checkpoint::Latest),
            ("SHARD_END", Checkpoint::ShardEnd),
            ("42", at("42", 7)),
        ];
        for (text, checkpoint) in cases {
            let sub = checkpoint.sub_sequence_number();
            assert_eq!(Checkpoint::parse(text, sub).unwrap(), checkpoint);
            assert_eq!(checkpoint.as_str(), text);
        }
        // A sentinel has no place inside an aggregate.
        assert_eq!(Checkpoint::parse("SHARD_END", 3).unwrap(), Checkpoint::ShardEnd);
        for bad in ["", "latest", "-3", "1.0"] {
            assert!(Checkpoint::parse(bad, 0).is_err(), "{bad}");
        }
        assert_eq!(at("42", 7).to_string(), "42/7");
        assert_eq!(at("42", 7).position().map(Position::sub_sequence_number), Some(7));
        assert_eq!(Checkpoint::Latest.position(), None);
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_numbers(a in any::<u128>(), b in any::<u128>()) {
            let (x, y) = (number(&a.to_string()), number(&b.to_string()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            // The same far beyond 128 bits.
            let shifted = |n: u128| number(&format!("1{n:0>60}"));
            prop_assert_eq!(shifted(a).cmp(&shifted(b)), a.cmp(&b));
        }
    }
}
