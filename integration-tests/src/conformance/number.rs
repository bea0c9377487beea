//! Sequence numbers, compared as the numbers they are.

use super::Violation;

/// A sequence number: decimal digits, more than any integer here holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number {
    /// Without leading zeros: the longer is the larger.
    digits: usize,
    text: String,
}

impl Number {
    pub(super) fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() || !text.bytes().all(|letter| letter.is_ascii_digit()) {
            return Err(Violation::Missing("a decimal sequence number"));
        }
        let text = text.trim_start_matches('0');
        Ok(Self {
            digits: text.len(),
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn numbers_compare_as_numbers() {
        let number = |text| Number::parse(text).unwrap();
        assert!(number("10") > number("9"));
        assert!(number("0010") == number("10"));
        assert!(number("49650000000000000000000000000000000000000000000000000002") > number("4"));
        assert!(Number::parse("").is_err() && Number::parse("1a").is_err());
    }
}
