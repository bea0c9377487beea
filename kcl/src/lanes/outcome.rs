//! What a handler says of a record, and why a record is left behind.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What becomes of a record, said by its handler.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is done.
    Ack,
    /// It comes again after this time, before any later record of its key. Counts as a failed attempt.
    Retry(Duration),
    /// It is passed, undone. Counted, and told by an event.
    Skip,
    /// It is passed as soon as a dead letter with this reason is safely written.
    DeadLetter(Cow<'static, str>),
    /// The consumer stops, for this reason, without passing the record:
    /// [`RunError::StoppedAtRecord`](crate::RunError::StoppedAtRecord).
    Stop(Cow<'static, str>),
}

impl Outcome {
    /// [`Outcome::DeadLetter`].
    #[must_use]
    pub fn dead_letter(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::DeadLetter(reason.into())
    }

    /// [`Outcome::Stop`].
    #[must_use]
    pub fn stop(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Stop(reason.into())
    }
}

/// What becomes of a record whose attempts have all failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum WhenExhausted {
    /// The consumer stops without passing it. The default, where attempts are limited at all.
    #[default]
    Stop,
    /// It is passed as soon as a dead letter is safely written.
    DeadLetter,
    /// It is passed, undone.
    Skip,
}

/// Why a record was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The handler said so, and why.
    Asked(Cow<'static, str>),
    /// The handler asked for it again once too often.
    RetriesAsked,
    /// The handler failed. The error with its causes, in one line.
    Failed(String),
    /// The handler panicked, with this message.
    Panicked(String),
    /// The handler took longer than this.
    DeadlineExceeded(Duration),
    /// It was taken from a stream of records, and dropped without an answer.
    Dropped,
    /// The processor of the shard failed with the batch that the record is in. The error with its causes, in one line.
    BatchFailed(String),
}

impl Reason {
    /// One word for the kind of reason: `asked`, `retries_asked`, `failed`, `panicked`, `deadline_exceeded`, `dropped`,
    /// `batch_failed`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Asked(_) => "asked",
            Self::RetriesAsked => "retries_asked",
            Self::Failed(_) => "failed",
            Self::Panicked(_) => "panicked",
            Self::DeadlineExceeded(_) => "deadline_exceeded",
            Self::Dropped => "dropped",
            Self::BatchFailed(_) => "batch_failed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(why) => f.write_str(why),
            Self::RetriesAsked => f.write_str("asked for again too often"),
            Self::Failed(error) => write!(f, "handler failed: {error}"),
            Self::Panicked(message) => write!(f, "handler panicked: {message}"),
            Self::DeadlineExceeded(deadline) => write!(f, "handler took longer than {deadline:?}"),
            Self::Dropped => f.write_str("dropped without an answer"),
            Self::BatchFailed(error) => write!(f, "process_records failed: {error}"),
        }
    }
}

/// What a call came to, for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Given(Outcome),
    Failed(Reason),
    /// Nobody is there any more to do it: it is neither passed nor begun again.
    Withdrawn,
}
