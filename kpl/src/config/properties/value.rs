//! What stands after a name, read as what it is meant to be.

use std::time::Duration;

use super::note::PropertiesError;

/// A value and where it stands.
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

    pub(super) fn ms(&self, min: u64, max: u64) -> Result<Duration, PropertiesError> {
        self.number(min, max).map(Duration::from_millis)
    }

    /// The KPL takes anything but `true` for false; a slip of the pen shall not switch things off.
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

    pub(super) fn filled(&self) -> Option<&str> {
        Some(self.text).filter(|text| !text.is_empty())
    }

    pub(super) fn host(&self) -> Result<Option<String>, PropertiesError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if !self.text.chars().all(is_plain) {
            return Err(self.unexpected("a host name, without scheme, port and path"));
        }
        Ok(self.filled().map(str::to_owned))
    }

    pub(super) fn port(&self) -> Result<u16, PropertiesError> {
        let port = self.number(1, 65_535)?;
        Ok(u16::try_from(port).unwrap_or(u16::MAX))
    }

    /// `eu-west-1`, `us-gov-west-1`.
    pub(super) fn region(&self) -> Result<Option<String>, PropertiesError> {
        let parts: Vec<_> = self.text.split('-').collect();
        let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        let is_region = match parts.split_last() {
            Some((number, words)) => {
                number.len() == 1
                    && number.bytes().all(|b| b.is_ascii_digit())
                    && (2..=3).contains(&words.len())
                    && words.iter().all(is_word)
            }
            None => false,
        };
        if is_region || self.text.is_empty() {
            return Ok(self.filled().map(str::to_owned));
        }
        Err(self.unexpected("a Region, as in eu-west-1"))
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
