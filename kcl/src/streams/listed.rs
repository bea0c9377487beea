//! What an application says of a stream that it wants to be read.

use std::fmt;

use super::arn::StreamArn;
use crate::config::InitialPosition;
use crate::lease::StreamId;
use crate::stream::{StreamName, StreamNameError};

/// One stream of an application that reads several (KCL: `StreamConfig`).
///
/// ```
/// use kcl::{InitialPosition, StreamConfig};
///
/// let ours = StreamConfig::new("orders")?.initial_position(InitialPosition::Latest);
/// let theirs = StreamConfig::by_arn("arn:aws:kinesis:eu-central-1:210987654321:stream/orders".parse()?);
/// assert_ne!(ours, theirs);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamConfig {
    target: StreamTarget,
    position: Option<InitialPosition>,
}

/// How a stream is named: by its name in the caller's account, or by its ARN in any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamTarget {
    /// In the caller's account and region.
    Name(StreamName),
    /// In any account, in the caller's region.
    Arn(StreamArn),
}

impl StreamConfig {
    /// A stream of the caller's account.
    ///
    /// # Errors
    /// When the text cannot name a stream.
    pub fn new(name: &str) -> Result<Self, StreamNameError> {
        Ok(Self {
            target: StreamTarget::Name(StreamName::new(name)?),
            position: None,
        })
    }

    /// A stream of any account, in the region of the consumer's Kinesis client. Another account's stream must permit it by
    /// a resource policy.
    #[must_use]
    pub fn by_arn(arn: StreamArn) -> Self {
        Self {
            target: StreamTarget::Arn(arn),
            position: None,
        }
    }

    /// Where its shards without a checkpoint begin. Default: the consumer's
    /// [`initial_position`](crate::ConsumerConfigBuilder::initial_position). (KCL: `LATEST`, whatever
    /// the lease settings say.)
    #[must_use]
    pub fn initial_position(mut self, position: InitialPosition) -> Self {
        self.position = Some(position);
        self
    }

    /// How it is named.
    #[must_use]
    pub fn target(&self) -> &StreamTarget {
        &self.target
    }

    /// Where its shards without a checkpoint begin, if it says so.
    #[must_use]
    pub fn position(&self) -> Option<InitialPosition> {
        self.position
    }
}

impl StreamTarget {
    /// The stream's name.
    #[must_use]
    pub fn name(&self) -> &StreamName {
        match self {
            Self::Name(name) => name,
            Self::Arn(arn) => arn.name(),
        }
    }

    /// Whether it may be this stream: the name is the same, and the account as far as it is known.
    pub(crate) fn may_be(&self, id: &StreamId) -> bool {
        let account_fits = match self {
            Self::Name(_) => true,
            Self::Arn(arn) => arn.account() == id.account(),
        };
        account_fits && self.name() == id.name()
    }
}

impl fmt::Display for StreamTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Arn(arn) => arn.fmt(f),
        }
    }
}
