//! What stands after a name, read as what it is meant to be.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::error::PropertiesError;

/// A value and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    pub(super) line: usize,
    pub(super) setting: &'static str,
    pub(super) text: &'a str,
}

impl Value<'_> {
    pub(super) fn number(&self, min: u64, max: u64) -> Result<u64, PropertiesError> {
        let number = self
            .text
            .parse()
            .ok()
            .filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| PropertiesError::Number {
            line: self.line,
            setting: self.setting,
            value: self.text.to_owned(),
            min,
            max,
        })
    }

    pub(super) fn decimal(&self) -> Result<f64, PropertiesError> {
        let number = self
            .text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| self.unexpected("a number that is not negative"))
    }

    pub(super) fn ms(&self, min: u64, max: u64) -> Result<Duration, PropertiesError> {
        self.number(min, max).map(Duration::from_millis)
    }

    pub(super) fn size(&self, max: usize) -> Result<NonZeroUsize, PropertiesError> {
        let number = self.number(1, max as u64)?;
        let size = usize::try_from(number).ok().and_then(NonZeroUsize::new);
        size.ok_or_else(|| self.unexpected("a number above zero"))
    }

    /// The KCL takes anything but `true` for false; a slip of the pen shall not switch things off.
    pub(super) fn flag(&self) -> Result<bool, PropertiesError> {
        self.one_of(&["false", "true"], "true or false")
            .map(|place| place == 1)
    }

    pub(super) fn one_of(&self, allowed: &[&str], expected: &'static str) -> Result<usize, PropertiesError> {
        let place = allowed
            .iter()
            .position(|text| text.eq_ignore_ascii_case(self.text));
        place.ok_or_else(|| self.unexpected(expected))
    }

    /// The text as it stands, unless it is empty.
    pub(super) fn filled(&self) -> Option<String> {
        Some(self.text.to_owned()).filter(|text| !text.is_empty())
    }

    /// `k=v,k=v`.
    pub(super) fn pairs(&self) -> Result<Vec<(String, String)>, PropertiesError> {
        let parts = self
            .text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts
            .map(|part| match part.split_once('=') {
                Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
                None => Err(self.unexpected("key=value, separated by commas")),
            })
            .collect()
    }

    pub(super) fn unexpected(&self, expected: &'static str) -> PropertiesError {
        PropertiesError::Text {
            line: self.line,
            setting: self.setting,
            value: self.text.to_owned(),
            expected,
        }
    }
}
