//! Which stream a lease of a multi-stream application is for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::stream::StreamName;

/// A stream's identity, `account:name:creation epoch` (KCL: serialised `StreamIdentifier`). The epoch tells a stream
/// from a later one of the same name. Cheap to clone.
///
/// ```
/// use kcl::lease::StreamId;
///
/// let id: StreamId = "123456789012:orders:1700000000".parse()?;
/// assert_eq!((id.account(), id.name().as_str(), id.epoch()), ("123456789012", "orders", 1_700_000_000));
/// assert_eq!(id.to_string(), "123456789012:orders:1700000000");
/// # Ok::<(), kcl::lease::StreamIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    text: Arc<str>,
    name: StreamName,
    account_len: usize,
    epoch: u64,
}

/// A text that is no stream identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a stream identity `account:name:epoch`: {fault}")]
pub struct StreamIdError {
    text: String,
    fault: &'static str,
}

impl StreamId {
    /// An identity from its parts; `epoch` is the stream's creation time in whole seconds since 1970.
    ///
    /// # Errors
    /// When the account is not of digits, or the epoch is 0.
    pub fn new(account: &str, name: &StreamName, epoch: u64) -> Result<Self, StreamIdError> {
        Self::parse(&format!("{account}:{name}:{epoch}"))
    }

    /// Reads the stored text.
    ///
    /// # Errors
    /// When it is not digits, a stream name and a number above 0, with colons between them.
    pub fn parse(text: &str) -> Result<Self, StreamIdError> {
        let fault = |fault| StreamIdError {
            text: text.chars().take(200).collect(),
            fault,
        };
        let mut parts = text.split(':');
        let (Some(account), Some(name), Some(epoch), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(fault("it has not three parts"));
        };
        if !digits(account) {
            return Err(fault("the account is not of digits"));
        }
        let name = StreamName::new(name).map_err(|_| fault("the name is not one of a stream"))?;
        if !digits(epoch) {
            return Err(fault("the epoch is not of digits"));
        }
        match epoch.parse() {
            Ok(0) | Err(_) => Err(fault("the epoch is not a number above 0")),
            Ok(epoch) => Ok(Self {
                text: Arc::from(text),
                account_len: account.len(),
                name,
                epoch,
            }),
        }
    }

    /// The account, digits.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.text[..self.account_len]
    }

    /// The stream's name.
    #[must_use]
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// When the stream was created, seconds since 1970.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for StreamId {
    type Err = StreamIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_identity_says_why() {
        let cases = [
            ("", "three parts"),
            ("1:orders", "three parts"),
            ("1:orders:2:3", "three parts"),
            (":orders:2", "account"),
            ("x1:orders:2", "account"),
            ("1::2", "name"),
            ("1:no spaces:2", "name"),
            ("1:orders:", "epoch"),
            ("1:orders:+2", "epoch"),
            ("1:orders:-2", "epoch"),
            ("1:orders:0", "above 0"),
            ("1:orders:99999999999999999999", "above 0"),
        ];
        for (text, fault) in cases {
            let error = StreamId::parse(text).unwrap_err().to_string();
            assert!(error.contains(fault), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn the_text_comes_back(account in "[0-9]{1,14}", name in "[a-zA-Z0-9_.-]{1,20}", epoch in 1_u64..) {
            let id = StreamId::new(&account, &StreamName::new(&name).unwrap(), epoch).unwrap();
            prop_assert_eq!(id.account(), &account);
            prop_assert_eq!(id.name().as_str(), &name);
            prop_assert_eq!(StreamId::parse(id.as_str()), Ok(id));
        }
    }
}
