//! What became of a record: where it was stored, and the attempts it took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kinesis_aggregation::ShardId;

use crate::failure::Failure;

/// A record that the service has stored.
#[derive(Debug, Clone)]
pub struct Delivery {
    landing: Arc<Landing>,
    sub_sequence: Option<u32>,
    history: History,
}

impl Delivery {
    pub(crate) fn new(landing: Arc<Landing>, sub_sequence: Option<u32>, history: History) -> Self {
        Self {
            landing,
            sub_sequence,
            history,
        }
    }

    /// The shard that took the record.
    #[must_use]
    pub fn shard_id(&self) -> &ShardId {
        &self.landing.shard_id
    }

    /// The sequence number; all records of one aggregate share it.
    #[must_use]
    pub fn sequence_number(&self) -> &str {
        &self.landing.sequence_number
    }

    /// The record's place inside its aggregate, from 0; `None` when it travelled alone.
    #[must_use]
    pub fn sub_sequence_number(&self) -> Option<u64> {
        self.sub_sequence.map(u64::from)
    }

    /// How many attempts it took; 1 when the first succeeded.
    #[must_use]
    pub fn attempt_count(&self) -> u32 {
        self.history.count().saturating_add(1)
    }

    /// Whether an earlier attempt may have stored the record as well: consumers may see it twice.
    ///
    /// Such an attempt timed out, lost its reply, failed inside the service, or landed on a shard where the KCL drops
    /// it and other consumers do not. Tells of all attempts, however many; `false` means that it is there once.
    #[must_use]
    pub fn may_be_duplicate(&self) -> bool {
        self.history.may_have_stored()
    }

    /// The attempts, oldest first, the successful one last. Of more than [`MAX_KEPT_ATTEMPTS`] failed ones, the
    /// latest are kept.
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.history.iter().chain(std::iter::once(&self.landing.attempt))
    }
}

/// One call of the service on behalf of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    started_at: Instant,
    duration: Duration,
    failure: Option<Failure>,
}

impl Attempt {
    pub(crate) fn new(started_at: Instant, duration: Duration, failure: Option<Failure>) -> Self {
        Self {
            started_at,
            duration,
            failure,
        }
    }

    /// The same attempt, seen to have failed after all.
    pub(crate) fn failed(self, failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            ..self
        }
    }

    /// When the request was handed to the client.
    #[must_use]
    pub fn started_at(&self) -> Instant {
        self.started_at
    }

    /// From there to the reply.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Why it failed; `None` for the attempt that succeeded.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}

/// Where and when one entry of a request was stored: shared by all records of the entry.
#[derive(Debug)]
pub(crate) struct Landing {
    pub(crate) shard_id: ShardId,
    pub(crate) sequence_number: Box<str>,
    pub(crate) attempt: Attempt,
}

/// The failed attempts of a record. Free for records that had none; shared by records that failed together.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Option<Arc<Past>>);

#[derive(Debug)]
struct Past {
    latest: Vec<Attempt>,
    count: u32,
    /// Those of them that count against the most attempts allowed.
    charged: u32,
    began_at: Instant,
    may_have_stored: bool,
}

impl History {
    /// This history with one more attempt.
    pub(crate) fn with(&self, attempt: Attempt) -> Self {
        self.with_charged(attempt, 1)
    }

    /// The same with an attempt that failed for another record's sake, and is not held against this one.
    pub(crate) fn with_uncharged(&self, attempt: Attempt) -> Self {
        self.with_charged(attempt, 0)
    }

    fn with_charged(&self, attempt: Attempt, charge: u32) -> Self {
        let mut latest = Vec::with_capacity(self.kept().len().min(MAX_KEPT_ATTEMPTS - 1) + 1);
        let skip = (self.kept().len() + 1).saturating_sub(MAX_KEPT_ATTEMPTS);
        latest.extend_from_slice(&self.kept()[skip..]);
        let stored = attempt
            .failure()
            .is_some_and(|failure| failure.kind().may_have_been_stored());
        let past = Past {
            count: self.count().saturating_add(1),
            charged: self.charged().saturating_add(charge),
            began_at: self.began_at().unwrap_or(attempt.started_at),
            may_have_stored: self.may_have_stored() || stored,
            latest: {
                latest.push(attempt);
                latest
            },
        };
        Self(Some(Arc::new(past)))
    }

    /// Whether both are the very same past, so that what follows may be shared as well.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.as_ref().map_or(0, |past| past.count)
    }

    /// Attempts that count against the most attempts allowed.
    pub(crate) fn charged(&self) -> u32 {
        self.0.as_ref().map_or(0, |past| past.charged)
    }

    /// When the first failed attempt began.
    pub(crate) fn began_at(&self) -> Option<Instant> {
        self.0.as_ref().map(|past| past.began_at)
    }

    /// Whether any attempt may have stored the record, kept or not.
    pub(crate) fn may_have_stored(&self) -> bool {
        self.0.as_ref().is_some_and(|past| past.may_have_stored)
    }

    pub(crate) fn last_failure(&self) -> Option<&Failure> {
        self.kept().last().and_then(Attempt::failure)
    }

    /// The last attempt.
    pub(crate) fn latest(&self) -> Option<&Attempt> {
        self.kept().last()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.kept().iter()
    }

    fn kept(&self) -> &[Attempt] {
        self.0.as_ref().map_or(&[], |past| past.latest.as_slice())
    }
}

/// How many failed attempts a record remembers: enough to see a pattern, and a bound on memory however long the
/// time to live.
pub const MAX_KEPT_ATTEMPTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(start: Instant, nth: u64) -> Attempt {
        let failure = Failure::of_code("InternalFailure", nth.to_string());
        Attempt::new(
            start + Duration::from_millis(nth),
            Duration::from_millis(1),
            Some(failure),
        )
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to start from"
    )]
    fn a_history_keeps_the_latest_and_counts_all() {
        let start = Instant::now();
        let mut history = History::default();
        for nth in 0..40 {
            history = history.with(failed(start, nth));
        }
        assert_eq!(history.count(), 40);
        assert_eq!(history.charged(), 40);
        assert_eq!(history.began_at(), Some(start));
        let kept: Vec<_> = history
            .iter()
            .map(|a| a.failure().expect("failed").message().to_owned())
            .collect();
        let expected: Vec<_> = (24..40).map(|n: u64| n.to_string()).collect();
        assert_eq!(kept, expected);
        assert_eq!(history.last_failure().map(Failure::message), Some("39"));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to start from"
    )]
    fn a_lost_reply_is_remembered_when_its_attempt_is_not() {
        let start = Instant::now();
        let of = |code: &str| {
            let failure = Failure::of_code(code, "");
            Attempt::new(start, Duration::ZERO, Some(failure))
        };
        let throttled = of("ProvisionedThroughputExceededException");
        let mut history = History::default().with(throttled.clone());
        assert!(!history.may_have_stored());
        history = history.with_uncharged(of("RequestTimeout"));
        assert_eq!((history.count(), history.charged()), (2, 1));
        for _ in 0..MAX_KEPT_ATTEMPTS {
            history = history.with(throttled.clone());
        }
        assert!(history.may_have_stored());
        assert!(history.iter().all(|a| a.failure() == throttled.failure()));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to start from"
    )]
    fn pasts_are_shared_by_identity() {
        let start = Instant::now();
        let none = History::default();
        let one = none.with(failed(start, 1));
        assert!(none.is_same(&History::default()));
        assert!(one.is_same(&one.clone()));
        assert!(!one.is_same(&none.with(failed(start, 1))));
        assert!(!one.is_same(&none));
    }
}
