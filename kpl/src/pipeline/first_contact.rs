//! Records that wait for the stream's first shard map, and when to stop hoping for it.
//!
//! ```text
//!           a record is put           the answer is fatal, or the time for first contact is over:
//!  Waiting ────────────────► Waiting ───────────────────────────────► Refusing: all fail with the cause, and so do
//!     ▲                                                                 │     new ones, until the next try is due
//!     └────────────────────────── the next try is due ◄─────────────────┘
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::buffered::Buffered;
use crate::config::{RetryPolicy, StreamConfig};
use crate::error::DeliveryErrorKind;
use crate::failure::{Failure, FailureKind};

/// The records, and how contact stands.
#[derive(Debug)]
pub(super) struct FirstContact<T> {
    waiting: VecDeque<Buffered<T>>,
    /// When the first record came that is, or would have been, still waiting.
    since: Option<Instant>,
    last_failure: Option<Failure>,
    refusing: Option<Refusing>,
    timeout: Duration,
    ttl: Duration,
    retry: RetryPolicy,
}

/// Why and how long records are refused.
#[derive(Debug)]
struct Refusing {
    kind: DeliveryErrorKind,
    until: Instant,
}

impl<T> FirstContact<T> {
    pub(super) fn new(config: &StreamConfig) -> Self {
        Self {
            waiting: VecDeque::new(),
            since: None,
            last_failure: None,
            refusing: None,
            timeout: config.first_contact_timeout(),
            ttl: config.ttl(),
            retry: config.retry().clone(),
        }
    }

    /// Keeps a record, or hands it back and says why it will not be delivered.
    pub(super) fn put(
        &mut self,
        record: Buffered<T>,
        now: Instant,
    ) -> Option<(Buffered<T>, DeliveryErrorKind)> {
        if let Some(refusing) = &self.refusing {
            if now < refusing.until {
                return Some((record, refusing.kind.clone()));
            }
            self.refusing = None;
        }
        self.since.get_or_insert(now);
        self.waiting.push_back(record);
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Nobody hopes any more: the records, in the order they were put.
    pub(super) fn abandon(&mut self) -> VecDeque<Buffered<T>> {
        std::mem::take(&mut self.waiting)
    }

    /// When the first record that waits arrived.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.front().map(|record| record.arrival)
    }

    /// The map is there: the records, in the order they were put.
    pub(super) fn succeed(&mut self) -> VecDeque<Buffered<T>> {
        self.since = None;
        self.last_failure = None;
        self.refusing = None;
        std::mem::take(&mut self.waiting)
    }

    /// A listing failed, and the next one is due at `retry_at`. Gives the records that fail with it, and how.
    pub(super) fn fail(
        &mut self,
        failure: Failure,
        retry_at: Instant,
        now: Instant,
    ) -> Option<(VecDeque<Buffered<T>>, DeliveryErrorKind)> {
        let kind = if self.may_come(&failure) {
            // The service answers; it is the stream that is awaited, for as long as records live.
            self.since = Some(now);
            self.last_failure = Some(failure);
            return None;
        } else if !(failure.is_retryable() || self.retry.rule(failure.kind()).retries()) {
            // The service did answer: whoever comes later has the whole time for contact again.
            self.since = None;
            DeliveryErrorKind::fatal(failure)
        } else if self.since.is_some_and(|since| now >= since + self.timeout) {
            DeliveryErrorKind::Unreachable { failure }
        } else {
            self.last_failure = Some(failure);
            return None;
        };
        Some(self.refuse(kind, retry_at))
    }

    /// Lets time pass. Gives the records that fail because the time for first contact is over, and how.
    pub(super) fn on_time(&mut self, now: Instant) -> Option<(VecDeque<Buffered<T>>, DeliveryErrorKind)> {
        let is_over = self.since.is_some_and(|since| now >= since + self.timeout);
        if !is_over || self.waiting.is_empty() || self.is_second_try() {
            return None;
        }
        let failure = self.last_failure.clone().unwrap_or_else(|| {
            let message = format!("no answer within {:?}", self.timeout);
            Failure::new(FailureKind::Timeout, "FirstContact", message)
        });
        Some(self.refuse(DeliveryErrorKind::Unreachable { failure }, now))
    }

    /// The oldest record, if its time to live is over.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<Buffered<T>> {
        if self.waiting.front()?.expires_at(self.ttl) > now {
            return None;
        }
        self.waiting.pop_front()
    }

    /// When time next matters.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let oldest = self.waiting.front()?;
        let expiry = oldest.expires_at(self.ttl);
        let over = self
            .since
            .map(|since| since + self.timeout)
            .filter(|_| !self.is_second_try());
        Some(over.map_or(expiry, |over| over.min(expiry)))
    }

    /// The last failure, for those whose time runs out meanwhile.
    pub(super) fn last_failure(&self) -> Option<&Failure> {
        self.last_failure.as_ref()
    }

    /// Whether the failure means that the stream is not there yet, and it is to be waited for.
    fn may_come(&self, failure: &Failure) -> bool {
        let is_missing =
            failure.kind() == FailureKind::StreamNotFound || failure.code() == "ResourceInUseException";
        is_missing && self.retry.rule(FailureKind::StreamNotFound).retries()
    }

    /// Whether contact was given up before: then a record waits for one answer, not for the whole time again.
    fn is_second_try(&self) -> bool {
        self.since.is_some_and(|since| {
            self.waiting
                .front()
                .is_some_and(|oldest| oldest.arrival >= since + self.timeout)
        })
    }

    fn refuse(
        &mut self,
        kind: DeliveryErrorKind,
        until: Instant,
    ) -> (VecDeque<Buffered<T>>, DeliveryErrorKind) {
        self.refusing = Some(Refusing {
            kind: kind.clone(),
            until,
        });
        (std::mem::take(&mut self.waiting), kind)
    }
}
