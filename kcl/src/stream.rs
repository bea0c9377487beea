//! The stream to read, and the shards it consists of, by name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use kinesis_aggregation::ShardId;

use crate::lease::{LeaseKey, WorkerId};

/// The name of a stream in the caller's account. Cheap to clone.
///
/// ```
/// use kcl::StreamName;
///
/// assert_eq!("orders".parse::<StreamName>()?.as_str(), "orders");
/// assert!("no spaces".parse::<StreamName>().is_err());
/// # Ok::<(), kcl::StreamNameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

/// A text that cannot name a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a stream name: 1 to 128 of letters, digits, `_`, `.`, `-`")]
pub struct StreamNameError {
    /// What was given, cut to 140 characters.
    text: String,
}

impl StreamName {
    /// Checks the text and keeps it.
    ///
    /// # Errors
    /// When the text is empty, has more than 128 characters, or one that is not allowed.
    pub fn new(text: &str) -> Result<Self, StreamNameError> {
        if is_service_name(text, 1, MAX_STREAM_NAME) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(StreamNameError {
                text: text.chars().take(140).collect(),
            })
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// Which shard a processor is for, and on whose behalf. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardContext {
    stream: StreamName,
    shard_id: ShardId,
    lease_key: LeaseKey,
    worker_id: WorkerId,
}

impl ShardContext {
    /// A context, for testing a processor without a consumer.
    #[must_use]
    pub fn new(stream: StreamName, shard_id: ShardId, worker_id: WorkerId) -> Self {
        let lease_key = LeaseKey::of_shard(&shard_id);
        Self {
            stream,
            shard_id,
            lease_key,
            worker_id,
        }
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// The shard.
    #[must_use]
    pub fn shard_id(&self) -> &ShardId {
        &self.shard_id
    }

    /// The key of the shard's row in the lease table.
    #[must_use]
    pub fn lease_key(&self) -> &LeaseKey {
        &self.lease_key
    }

    /// The worker that holds the lease.
    #[must_use]
    pub fn worker_id(&self) -> &WorkerId {
        &self.worker_id
    }
}

/// Whether a text has `min` to `max` characters of the set that streams and tables may be named with.
pub(crate) fn is_service_name(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// Source: AWS API reference, `StreamName`: 1 to 128 of `[a-zA-Z0-9_.-]`.
const MAX_STREAM_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_names_follow_the_service() {
        for good in ["a", "orders.v2_x-1", &"s".repeat(128)] {
            assert_eq!(StreamName::new(good).map(|n| n.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", " ", "a b", "ä", "arn:aws:kinesis", &"s".repeat(129)] {
            assert!(StreamName::new(bad).is_err(), "{bad}");
        }
    }
}
