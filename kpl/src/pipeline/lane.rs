//! One shard's queue: records in the order they were put, and when the next may leave.
//!
//! A lane has at most one request on its way. While it has, or while a lane that it took over from has, nothing
//! leaves: that is what keeps a key's records in order through failures, lost replies and resharding.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kinesis_aggregation::{HashKeyRange, ShardId};
use rand::Rng;

use super::backoff::Backoff;
use super::buffered::{Buffered, merge};
use super::lanes::LaneId;
use super::limiter::Limiter;
use super::terms::{Packing, Terms};

/// One shard as the producer sees it.
#[derive(Debug)]
pub(super) struct Lane<T> {
    pub(super) shard: ShardId,
    pub(super) range: HashKeyRange,
    /// Sorted by number, and so by arrival.
    pub(super) queue: VecDeque<Buffered<T>>,
    /// Sum of the weights in the queue.
    weight: usize,
    pub(super) limiter: Limiter,
    backoff: Backoff,
    held_until: Option<Instant>,
    /// Entries on their way, or landed and not yet decided on.
    pub(super) unsettled: usize,
    /// Lanes that must settle before this one may send.
    pub(super) predecessors: usize,
    /// Lanes that wait for this one; it is no longer routed to when there are any.
    pub(super) successors: Vec<LaneId>,
    pub(super) is_retired: bool,
    /// The time under which the lane stands in the deadline queue.
    pub(super) wake: Option<Instant>,
    pub(super) is_ready: bool,
}

impl<T> Lane<T> {
    pub(super) fn new(shard: ShardId, range: HashKeyRange, terms: &Terms, now: Instant) -> Self {
        Self {
            shard,
            range,
            queue: VecDeque::new(),
            weight: 0,
            limiter: Limiter::new(terms.rate_limit, now),
            backoff: Backoff::default(),
            held_until: None,
            unsettled: 0,
            predecessors: 0,
            successors: Vec::new(),
            is_retired: false,
            wake: None,
            is_ready: false,
        }
    }

    /// Adds the newest record.
    pub(super) fn push(&mut self, record: Buffered<T>) {
        debug_assert!(self.queue.back().is_none_or(|last| last.number < record.number));
        self.weight += record.weight();
        self.queue.push_back(record);
    }

    /// Puts records back where they stood: sorted by number, as the queue is.
    pub(super) fn put_back(&mut self, records: Vec<Buffered<T>>) {
        self.weight += records.iter().map(Buffered::weight).sum::<usize>();
        merge(records, &mut self.queue);
    }

    /// Takes the oldest record.
    pub(super) fn pop(&mut self) -> Option<Buffered<T>> {
        let record = self.queue.pop_front()?;
        self.weight -= record.weight();
        Some(record)
    }

    /// Takes the oldest record if its time is over.
    pub(super) fn pop_expired(&mut self, ttl: Duration, now: Instant) -> Option<Buffered<T>> {
        if self.queue.front()?.expires_at(ttl) > now {
            return None;
        }
        self.pop()
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn is_full(&self, terms: &Terms) -> bool {
        terms.is_full(self.queue.len(), self.weight)
    }

    /// Whether nothing of this lane, or of those before it, is on its way.
    pub(super) fn is_settled(&self) -> bool {
        self.unsettled == 0 && self.predecessors == 0
    }

    /// When the oldest record expires.
    pub(super) fn next_expiry(&self, ttl: Duration) -> Option<Instant> {
        self.queue.front().map(|record| record.expires_at(ttl))
    }

    /// When the lane may send and has reason to; `None` while it may not, whatever time it is.
    ///
    /// `flushed` is the number below which all records are wanted at once.
    pub(super) fn due_at(&self, terms: &Terms, flushed: u64, now: Instant) -> Option<Instant> {
        let reason = self.reason_at(terms, flushed, now)?;
        Some(reason.max(self.permitted_at(terms, now)))
    }

    /// Whether the lane may send now, and would have reason to soon.
    pub(super) fn may_join(&self, terms: &Terms, flushed: u64, now: Instant) -> bool {
        self.reason_at(terms, flushed, now)
            .is_some_and(|at| at <= now + terms.company)
            && self.permitted_at(terms, now) <= now
    }

    /// Something failed: hold the lane for a while.
    pub(super) fn hold(&mut self, now: Instant, rng: &mut impl Rng) {
        // Several entries of one request that failed are one failure.
        if self.held_until.is_none_or(|until| until <= now) {
            self.held_until = Some(now + self.backoff.next(rng));
        }
    }

    /// Something succeeded: forget earlier failures, unless the same request failed in part.
    pub(super) fn succeed(&mut self, now: Instant) {
        if self.held_until.is_none_or(|until| until <= now) {
            self.backoff.reset();
            self.held_until = None;
        }
    }

    /// When there is reason to send: enough, old enough, tried before, or asked for.
    fn reason_at(&self, terms: &Terms, flushed: u64, now: Instant) -> Option<Instant> {
        if !self.is_settled() || self.is_retired {
            return None;
        }
        let oldest = self.queue.front()?;
        let at_once = oldest.number < flushed || oldest.history.count() > 0 || self.is_full(terms);
        Some(if at_once {
            now
        } else {
            oldest.arrival + terms.linger
        })
    }

    /// When backoff and rate limit permit to send.
    fn permitted_at(&self, terms: &Terms, now: Instant) -> Instant {
        let Some(oldest) = self.queue.front() else {
            return now;
        };
        let bytes = match terms.packing {
            Packing::Aggregates(limits) => oldest.record.size().max(self.weight.min(limits.max_bytes())),
            Packing::Singles => oldest.record.size(),
        };
        let limited = self.limiter.ready_at(bytes, now);
        self.held_until.map_or(limited, |until| until.max(limited))
    }
}
