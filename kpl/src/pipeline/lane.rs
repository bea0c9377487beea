//! One shard's queue: records in the order they were put, and when the next may leave.
//!
//! With order per key a lane has at most one request on its way. While it has, or while a lane that it took over from
//! has, nothing leaves: that is what keeps a key's records in order through failures, lost replies and resharding.
//! Without, what is late or has failed holds back nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use kinesis_aggregation::{HashKeyRange, ShardId};
use rand::Rng;

use super::backoff::Backoff;
use super::buffered::{Buffered, merge};
use super::departures::Reason;
use super::lanes::LaneId;
use super::limiter::Limiter;
use super::terms::{Packing, Terms};
use crate::config::{Ordering, Waits};

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
    /// Without order: what failed, by the time it is wanted again. It waits beside the queue and not before it.
    aside: BTreeMap<(Instant, u64), Vec<Buffered<T>>>,
    on_the_way: Shares,
    /// Lanes that must settle before this one may send.
    pub(super) predecessors: usize,
    /// Lanes that wait for this one; it is no longer routed to when there are any.
    pub(super) successors: Vec<LaneId>,
    pub(super) is_retired: bool,
    /// The time under which the lane stands in the deadline queue.
    pub(super) wake: Option<Instant>,
    pub(super) is_ready: bool,
}

/// Names what a lane gave to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShareId(u64);

/// What a lane has on its way, or landed and not yet decided on: for each request the entries without an end.
#[derive(Debug, Default)]
struct Shares {
    open: Vec<(ShareId, usize)>,
    next: u64,
    last_sent_at: Option<Instant>,
}

impl<T> Lane<T> {
    pub(super) fn new(shard: ShardId, range: HashKeyRange, terms: &Terms, now: Instant) -> Self {
        Self {
            shard,
            range,
            queue: VecDeque::new(),
            weight: 0,
            limiter: Limiter::new(terms.rate_limit, terms.adaptive_rate, now),
            backoff: Backoff::default(),
            held_until: None,
            aside: BTreeMap::new(),
            on_the_way: Shares::default(),
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

    /// Takes records that failed, to be sent again: in order before all others, or when their time comes.
    pub(super) fn take_back(&mut self, records: Vec<Buffered<T>>, terms: &Terms, now: Instant) {
        let (Some(first), Ordering::Relaxed) = (records.first(), terms.ordering) else {
            return self.put_back(records);
        };
        let expiry = records.iter().map(|record| record.expires_at(terms.ttl)).min();
        let wanted = self.held_until.unwrap_or(now);
        let at = expiry.map_or(wanted, |expiry| expiry.min(wanted));
        self.aside.entry((at, first.number)).or_default().extend(records);
    }

    /// Moves what is wanted again by now into the queue.
    pub(super) fn recall(&mut self, now: Instant) {
        while let Some(due) = self.aside.first_entry().filter(|entry| entry.key().0 <= now) {
            let mut records = due.remove();
            records.sort_unstable_by_key(|record| record.number);
            self.put_back(records);
        }
    }

    /// When the oldest record that waits arrived.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let waiting = self
            .queue
            .front()
            .into_iter()
            .chain(self.aside.values().flatten());
        waiting.map(|record| record.arrival).min()
    }

    /// Takes the oldest record.
    pub(super) fn pop(&mut self) -> Option<Buffered<T>> {
        let record = self.queue.pop_front()?;
        self.weight -= record.weight();
        Some(record)
    }

    /// Takes all records, those that wait to be sent again included, in the order of puts.
    pub(super) fn drain(&mut self) -> VecDeque<Buffered<T>> {
        for (_, mut records) in std::mem::take(&mut self.aside) {
            records.sort_unstable_by_key(|record| record.number);
            merge(records, &mut self.queue);
        }
        self.weight = 0;
        std::mem::take(&mut self.queue)
    }

    /// Whether no record waits in it.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.aside.is_empty()
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

    /// Whether what would leave next was tried before.
    pub(super) fn is_repetition(&self) -> bool {
        self.queue
            .front()
            .is_some_and(|record| record.history.count() > 0)
    }

    /// Books entries of one request.
    pub(super) fn on_sent(&mut self, entries: usize, now: Instant) -> ShareId {
        let id = ShareId(self.on_the_way.next);
        self.on_the_way.next += 1;
        self.on_the_way.last_sent_at = Some(now);
        self.on_the_way.open.push((id, entries));
        id
    }

    /// One entry of a share became two.
    pub(super) fn on_divided(&mut self, share: ShareId) {
        if let Some((_, entries)) = self.on_the_way.open.iter_mut().find(|(id, _)| *id == share) {
            *entries += 1;
        }
    }

    /// One entry of a share has its end.
    pub(super) fn on_settled(&mut self, share: ShareId) {
        let open = &mut self.on_the_way.open;
        let place = open.iter().position(|(id, _)| *id == share);
        debug_assert!(place.is_some(), "an entry has one end");
        if let Some(place) = place {
            open[place].1 -= 1;
            if open[place].1 == 0 {
                open.remove(place);
            }
        }
    }

    /// Whether nothing of this lane, or of those before it, is on its way.
    pub(super) fn is_settled(&self) -> bool {
        self.on_the_way.open.is_empty() && self.predecessors == 0
    }

    /// When the oldest record expires.
    pub(super) fn next_expiry(&self, ttl: Duration) -> Option<Instant> {
        self.queue.front().map(|record| record.expires_at(ttl))
    }

    /// When the lane may send and has reason to; `None` while it may not, whatever time it is.
    ///
    /// `flushed` is the number below which all records are wanted at once.
    pub(super) fn due_at(&self, terms: &Terms, flushed: u64, now: Instant) -> Option<Instant> {
        let aside = self.aside.keys().next().map(|(at, _)| *at);
        let queue = self
            .reason_at(terms, flushed, now)
            .map(|reason| reason.max(self.permitted_at(terms, now)));
        queue.into_iter().chain(aside).min()
    }

    /// Whether the lane may send now, and would have reason to soon.
    pub(super) fn may_join(&self, terms: &Terms, flushed: u64, now: Instant) -> bool {
        self.reason_at(terms, flushed, now)
            .is_some_and(|at| at <= now + terms.company)
            && self.permitted_at(terms, now) <= now
    }

    /// Something failed: hold the lane for a while, or what failed.
    pub(super) fn hold(&mut self, waits: Waits, now: Instant, rng: &mut impl Rng) {
        // Several entries of one request that failed are one failure.
        if self.held_until.is_none_or(|until| until <= now) {
            self.held_until = Some(now + self.backoff.next(waits, rng));
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
        let oldest = self.queue.front()?;
        let free_at = self.free_at(terms, now)?;
        let at_once = oldest.number < flushed || oldest.history.count() > 0 || self.is_full(terms);
        Some(if at_once {
            free_at
        } else {
            free_at.max(oldest.arrival + terms.linger)
        })
    }

    /// Why the oldest record leaves, if it does now.
    pub(super) fn reason(&self, terms: &Terms, flushed: u64, now: Instant) -> Reason {
        match self.queue.front() {
            Some(oldest) if oldest.history.count() > 0 => Reason::Again,
            Some(oldest) if oldest.number < flushed => Reason::Flush,
            _ if self.is_full(terms) => Reason::Full,
            Some(oldest) if oldest.arrival + terms.linger > now => Reason::Company,
            _ => Reason::Linger,
        }
    }

    /// When what is on its way permits another request.
    fn free_at(&self, terms: &Terms, now: Instant) -> Option<Instant> {
        if self.is_retired {
            return None;
        }
        if self.is_settled() {
            return Some(now);
        }
        match terms.ordering {
            Ordering::PerKey => None,
            Ordering::Relaxed if self.on_the_way.open.len() >= MAX_SHARES => None,
            Ordering::Relaxed => Some(
                self.on_the_way
                    .last_sent_at
                    .map_or(now, |sent| (sent + PATIENCE).max(now)),
            ),
        }
    }

    /// When backoff and rate limit permit to send.
    fn permitted_at(&self, terms: &Terms, now: Instant) -> Instant {
        let Some(oldest) = self.queue.front() else {
            return now;
        };
        let bytes = match terms.packing {
            Packing::Aggregates(limits) if !terms.is_by_key() => {
                oldest.record.size().max(self.weight.min(limits.max_bytes()))
            }
            Packing::Aggregates(_) | Packing::Singles => oldest.record.size(),
        };
        let limited = self.limiter.ready_at(bytes, now);
        match terms.ordering {
            Ordering::PerKey => self.held_until.map_or(limited, |until| until.max(limited)),
            Ordering::Relaxed => limited,
        }
    }
}

/// Without order: for so long a request may be unanswered before another one of its shard may pass it. Longer than the
/// service takes when all is well, so that as long as nothing fails records are stored as they were put.
const PATIENCE: Duration = Duration::from_millis(100);
/// Without order: requests of one shard on their way. A shard that does not answer must leave the others some of the
/// stream's requests (24 by default).
const MAX_SHARES: usize = 4;
