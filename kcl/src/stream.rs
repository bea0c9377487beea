//! The streams to read, and the shards they consist of, by name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use kinesis_aggregation::ShardId;

use crate::config::InitialPosition;
use crate::lease::{LeaseKey, StreamId, WorkerId};
use crate::shard_sync::Start;
use crate::streams::arn::StreamArn;

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

/// A stream that is read, as all tasks of a worker know it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream(Arc<Identity>);

#[derive(Debug, PartialEq, Eq)]
struct Identity {
    name: StreamName,
    /// `None`: the only stream of its application, whose leases do not name it.
    id: Option<StreamId>,
    arn: Option<StreamArn>,
    /// Of an only stream: what the service said it is when its leases were looked at.
    origin: Option<StreamId>,
    position: InitialPosition,
}

impl Stream {
    /// The only stream of an application.
    pub(crate) fn only(name: StreamName, position: InitialPosition) -> Self {
        Self(Arc::new(Identity {
            name,
            id: None,
            arn: None,
            origin: None,
            position,
        }))
    }

    /// One of several.
    pub(crate) fn one_of_several(id: StreamId, arn: StreamArn, position: InitialPosition) -> Self {
        Self(Arc::new(Identity {
            name: id.name().clone(),
            id: Some(id),
            arn: Some(arn),
            origin: None,
            position,
        }))
    }

    /// The same stream, known to be the one that the service has under its name now.
    pub(crate) fn with_origin(&self, origin: StreamId) -> Self {
        Self(Arc::new(Identity {
            name: self.0.name.clone(),
            id: self.0.id.clone(),
            arn: self.0.arn.clone(),
            origin: Some(origin),
            position: self.0.position,
        }))
    }

    /// What it must be for what is read to be its own, as far as that is known.
    pub(crate) fn origin(&self) -> Option<&StreamId> {
        self.0.id.as_ref().or(self.0.origin.as_ref())
    }

    pub(crate) fn name(&self) -> &StreamName {
        &self.0.name
    }

    pub(crate) fn id(&self) -> Option<&StreamId> {
        self.0.id.as_ref()
    }

    pub(crate) fn arn(&self) -> Option<&StreamArn> {
        self.0.arn.as_ref()
    }

    /// Where shards without a checkpoint begin.
    pub(crate) fn position(&self) -> InitialPosition {
        self.0.position
    }

    /// What the lease table can hold of it.
    pub(crate) fn start(&self) -> Start {
        self.0.position.start()
    }

    /// The key of a shard's lease.
    pub(crate) fn lease_key(&self, shard: &ShardId) -> LeaseKey {
        match &self.0.id {
            Some(id) => LeaseKey::of_stream_shard(id, shard),
            None => LeaseKey::of_shard(shard),
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.id {
            Some(id) => id.fmt(f),
            None => self.0.name.fmt(f),
        }
    }
}

/// Which shard a processor is for, and on whose behalf. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardContext {
    stream: StreamName,
    stream_id: Option<StreamId>,
    stream_arn: Option<StreamArn>,
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
            stream_id: None,
            stream_arn: None,
            shard_id,
            lease_key,
            worker_id,
        }
    }

    /// A context as a consumer of several streams gives it, for testing a processor without one.
    #[must_use]
    pub fn of_stream(stream_id: StreamId, shard_id: ShardId, worker_id: WorkerId) -> Self {
        Self {
            stream: stream_id.name().clone(),
            stream_arn: None,
            lease_key: LeaseKey::of_stream_shard(&stream_id, &shard_id),
            stream_id: Some(stream_id),
            shard_id,
            worker_id,
        }
    }

    pub(crate) fn in_stream(stream: &Stream, shard_id: ShardId, worker_id: WorkerId) -> Self {
        Self {
            stream: stream.name().clone(),
            stream_id: stream.id().cloned(),
            stream_arn: stream.arn().cloned(),
            lease_key: stream.lease_key(&shard_id),
            shard_id,
            worker_id,
        }
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// The stream's identity, which holds its account and when it was created. `None` in an application of one stream.
    #[must_use]
    pub fn stream_id(&self) -> Option<&StreamId> {
        self.stream_id.as_ref()
    }

    /// The stream's ARN. `None` in an application of one stream, which is read by its name.
    #[must_use]
    pub fn stream_arn(&self) -> Option<&StreamArn> {
        self.stream_arn.as_ref()
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
