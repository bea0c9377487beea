//! What data must be, where its user says so. Pure.

use std::str::Utf8Error;

use clap::ValueEnum;
use serde::de::IgnoredAny;

/// What the data of each record must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text in UTF-8
    Text,
    /// One JSON value
    Json,
}

/// Data is not what it must be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It is no text in UTF-8.
    #[error("data is no text in UTF-8")]
    Text(#[source] Utf8Error),
    /// It is no JSON value.
    #[error("data is no JSON")]
    Json(#[source] serde_json::Error),
}

impl Format {
    /// Whether data is that.
    ///
    /// # Errors
    /// [`FormatError`] says where it is not.
    pub fn check(self, data: &[u8]) -> Result<(), FormatError> {
        // Text comes first: what is only skipped of JSON is not looked at for UTF-8.
        let text = std::str::from_utf8(data).map_err(FormatError::Text)?;
        match self {
            Self::Text => Ok(()),
            Self::Json => serde_json::from_str::<IgnoredAny>(text)
                .map(drop)
                .map_err(FormatError::Json),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_what_it_must_be_or_it_is_not() {
        let cases: [(&[u8], bool, bool); 7] = [
            (b"", true, false),
            (b"plain", true, false),
            (b"{\"a\": [1, \"x\"]}", true, true),
            (b" 7 ", true, true),
            (b"{\"a\": 1} {}", true, false),
            (b"\xff\x00", false, false),
            (b"\"\xff\"", false, false),
        ];
        for (data, text, json) in cases {
            assert_eq!(Format::Text.check(data).is_ok(), text, "{data:?}");
            assert_eq!(Format::Json.check(data).is_ok(), json, "{data:?}");
        }
    }
}
