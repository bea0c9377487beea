//! What stands after a name, read as what it is meant to be.

use std::num::NonZeroUsize;
use std::time::Duration;

/// The value of a setting that is known, and where it stands.
///
/// ```
/// use kinesis_properties::Value;
///
/// let value = Value::new(3, "RateLimit", "150");
/// assert_eq!(value.number(1, 1_000)?, 150);
/// let refused = value.number(1, 100).unwrap_err();
/// assert_eq!(refused.to_string(), "line 3: RateLimit is \"150\", allowed are 1 to 100");
/// # Ok::<(), kinesis_properties::ValueError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    line: usize,
    setting: &'static str,
    text: &'a str,
}

/// A value that its setting cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A number is none, or out of its range.
    #[error("line {line}: {setting} is {value:?}, allowed are {min} to {max}")]
    Number {
        /// The line, from 1.
        line: usize,
        /// The setting.
        setting: &'static str,
        /// What stands there.
        value: String,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// A text is none of those allowed.
    #[error("line {line}: {setting} is {value:?}, expected {expected}")]
    Text {
        /// The line, from 1.
        line: usize,
        /// The setting.
        setting: &'static str,
        /// What stands there.
        value: String,
        /// What could.
        expected: &'static str,
    },
}

impl<'a> Value<'a> {
    /// The text of `setting`, which begins on `line`.
    #[must_use]
    pub fn new(line: usize, setting: &'static str, text: &'a str) -> Self {
        Self { line, setting, text }
    }

    /// The setting's name, as the reference library writes it.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// What stands there.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The text as it stands, unless it is empty.
    #[must_use]
    pub fn filled(&self) -> Option<String> {
        Some(self.text.to_owned()).filter(|text| !text.is_empty())
    }

    /// A whole number from `min` to `max`.
    ///
    /// # Errors
    /// [`ValueError::Number`] for anything else.
    pub fn number(&self, min: u64, max: u64) -> Result<u64, ValueError> {
        let number = self
            .text
            .parse()
            .ok()
            .filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| ValueError::Number {
            line: self.line,
            setting: self.setting,
            value: self.text.to_owned(),
            min,
            max,
        })
    }

    /// A number of milliseconds from `min` to `max`.
    ///
    /// # Errors
    /// As [`number`](Self::number).
    pub fn ms(&self, min: u64, max: u64) -> Result<Duration, ValueError> {
        self.number(min, max).map(Duration::from_millis)
    }

    /// A count from one to `max`.
    ///
    /// # Errors
    /// As [`number`](Self::number).
    pub fn size(&self, max: usize) -> Result<NonZeroUsize, ValueError> {
        let number = self.number(1, max as u64)?;
        let size = usize::try_from(number).ok().and_then(NonZeroUsize::new);
        size.ok_or_else(|| self.unexpected("a number above zero"))
    }

    /// A number that is finite and not negative.
    ///
    /// # Errors
    /// [`ValueError::Text`] for anything else.
    pub fn decimal(&self) -> Result<f64, ValueError> {
        let number = self
            .text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| self.unexpected("a number that is not negative"))
    }

    /// `true` or `false`, in upper or lower case. KPL and KCL take anything but `true` for false; a slip of the pen shall
    /// not switch things off.
    ///
    /// # Errors
    /// [`ValueError::Text`] for anything else.
    pub fn flag(&self) -> Result<bool, ValueError> {
        self.one_of(&["false", "true"], "true or false")
            .map(|place| place == 1)
    }

    /// Which of these texts it is, in upper or lower case. `expected` tells of them.
    ///
    /// # Errors
    /// [`ValueError::Text`] where it is none.
    pub fn one_of(&self, allowed: &[&str], expected: &'static str) -> Result<usize, ValueError> {
        let place = allowed
            .iter()
            .position(|text| text.eq_ignore_ascii_case(self.text));
        place.ok_or_else(|| self.unexpected(expected))
    }

    /// What stands between commas, without blanks around it and without empty parts.
    pub fn parts(&self) -> impl Iterator<Item = &'a str> {
        self.text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
    }

    /// `key=value,key=value`.
    ///
    /// # Errors
    /// [`ValueError::Text`] for a part without `=`.
    pub fn pairs(&self) -> Result<Vec<(String, String)>, ValueError> {
        self.parts()
            .map(|part| match part.split_once('=') {
                Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
                None => Err(self.unexpected("key=value, separated by commas")),
            })
            .collect()
    }

    /// That this is not what was expected.
    #[must_use]
    pub fn unexpected(&self, expected: &'static str) -> ValueError {
        ValueError::Text {
            line: self.line,
            setting: self.setting,
            value: self.text.to_owned(),
            expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value<'_> {
        Value::new(7, "Some", text)
    }

    #[test]
    fn numbers_are_whole_and_within_their_range() {
        for (text, expected) in [("10", Some(10)), ("20", Some(20)), ("9", None), ("21", None)] {
            assert_eq!(value(text).number(10, 20).ok(), expected, "{text}");
        }
        for text in ["", "ten", "-10", "10.0", " 10", "18446744073709551616"] {
            let refused = value(text).number(0, u64::MAX).expect_err(text);
            let expected = format!("line 7: Some is {text:?}, allowed are 0 to 18446744073709551615");
            assert_eq!(refused.to_string(), expected);
        }
        assert_eq!(value("250").ms(0, 1_000), Ok(Duration::from_millis(250)));
        assert_eq!(value("3").size(5).map(NonZeroUsize::get), Ok(3));
        assert!(matches!(
            value("0").size(5),
            Err(ValueError::Number { min: 1, max: 5, .. })
        ));
    }

    #[test]
    fn decimals_are_finite_and_not_negative() {
        for (text, expected) in [("0", 0.0), ("12.5", 12.5), ("1e3", 1_000.0)] {
            assert_eq!(value(text).decimal(), Ok(expected), "{text}");
        }
        for text in ["", "-1", "NaN", "inf", "much"] {
            assert!(
                matches!(value(text).decimal(), Err(ValueError::Text { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn words_are_taken_in_any_case_and_no_others() {
        for (text, expected) in [("true", true), ("TRUE", true), ("False", false)] {
            assert_eq!(value(text).flag(), Ok(expected), "{text}");
        }
        let refused = value("yes").flag().expect_err("neither");
        assert_eq!(
            refused.to_string(),
            "line 7: Some is \"yes\", expected true or false"
        );
        assert_eq!(value("Two").one_of(&["one", "two"], "one or two"), Ok(1));
        assert!(value("").one_of(&["one", "two"], "one or two").is_err());
        assert_eq!(value("").filled(), None);
        assert_eq!(value("a b").filled().as_deref(), Some("a b"));
    }

    #[test]
    fn lists_are_separated_by_commas() {
        assert_eq!(value(" a,, b c ,").parts().collect::<Vec<_>>(), ["a", "b c"]);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let expected = vec![pair("a", "1"), pair("b", "2=3")];
        assert_eq!(value("a = 1, b=2=3,").pairs(), Ok(expected));
        assert_eq!(value("").pairs(), Ok(Vec::new()));
        assert!(matches!(
            value("a=1,b").pairs(),
            Err(ValueError::Text { line: 7, .. })
        ));
    }
}
