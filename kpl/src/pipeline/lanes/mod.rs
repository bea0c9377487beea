//! All lanes of a stream: which record goes where, and which lane may send next.

mod reshard;
mod settle;
mod travel;

use std::collections::VecDeque;
use std::time::Instant;

use kinesis_aggregation::{HashKey, OUTER_PARTITION_KEY};

use crate::pipeline::aggregator::{Aggregator, Packed};
use crate::pipeline::batcher::Room;
use crate::pipeline::buffered::Buffered;
use crate::pipeline::deadline_queue::DeadlineQueue;
use crate::pipeline::departures::Departures;
use crate::pipeline::lane::{Lane, ShareId};
use crate::pipeline::retry_budget::Repetitions;
use crate::pipeline::terms::{Packing, Terms};

pub(in crate::pipeline) use settle::{Effect, Settled, Settlement};

/// Names a lane while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::pipeline) struct LaneId(usize);

/// What one lane gives to a request, an entry at a time.
#[derive(Debug)]
pub(in crate::pipeline) struct Share<T> {
    pub(in crate::pipeline) lane: LaneId,
    pub(in crate::pipeline) share: ShareId,
    pub(in crate::pipeline) packed: Packed<T>,
}

/// The lanes, the routes to them, and who is ready or waits for a time.
#[derive(Debug)]
pub(in crate::pipeline) struct Lanes<T> {
    terms: Terms,
    slots: Vec<Option<Lane<T>>>,
    free: Vec<LaneId>,
    /// The last hash key of each lane that is routed to, ascending.
    routes: Vec<(HashKey, LaneId)>,
    wakes: DeadlineQueue<LaneId>,
    /// First come, first served. May name lanes that are no longer ready.
    ready: VecDeque<LaneId>,
    /// Ready, but for the budget of repetitions.
    starved: VecDeque<LaneId>,
    repetitions: Repetitions,
    /// Nothing leaves while it is doubtful whether the routes lead where they say.
    is_suspended: bool,
    /// Records with smaller numbers are wanted at once.
    flushed: u64,
    /// Whose turn it was, while the service distributes records.
    turn: usize,
    aggregator: Aggregator,
    departures: Departures,
}

impl<T> Lanes<T> {
    pub(in crate::pipeline) fn new(terms: Terms) -> Self {
        Self {
            repetitions: Repetitions::new(terms.retry.budget()),
            terms,
            slots: Vec::new(),
            free: Vec::new(),
            routes: Vec::new(),
            wakes: DeadlineQueue::new(),
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            is_suspended: false,
            flushed: 0,
            turn: 0,
            aggregator: Aggregator::new(),
            departures: Departures::default(),
        }
    }

    /// Whether records can be routed: there is a shard for each hash key.
    pub(in crate::pipeline) fn are_known(&self) -> bool {
        !self.routes.is_empty()
    }

    /// Queues a new record for its shard.
    pub(in crate::pipeline) fn put(&mut self, record: Buffered<T>, now: Instant) {
        let id = self.lane_for(&record);
        let Self { terms, slots, .. } = self;
        let lane = slots[id.0].as_mut().expect("invariant: routes name living lanes");
        let was_full = lane.is_full(terms);
        lane.push(record);
        // Between the first record of a lane and the one that fills it, nothing changes for the schedule.
        if lane.queue.len() == 1 || (!was_full && lane.is_full(terms)) {
            self.schedule(id, now);
        }
    }

    /// Wants all records with numbers below `before` at once.
    pub(in crate::pipeline) fn flush(&mut self, before: u64, now: Instant) {
        self.flushed = before;
        for index in 0..self.slots.len() {
            if self.slots[index].as_ref().is_some_and(|lane| !lane.is_empty()) {
                self.schedule(LaneId(index), now);
            }
        }
    }

    /// The lanes that records are routed to.
    pub(in crate::pipeline) fn routed(&self) -> impl Iterator<Item = &Lane<T>> {
        self.routes.iter().map(|(_, id)| self.lane(*id))
    }

    /// Why records left since it was last asked.
    pub(in crate::pipeline) fn take_departures(&mut self) -> Departures {
        std::mem::take(&mut self.departures)
    }

    /// When time next matters to a lane.
    pub(in crate::pipeline) fn next_wake(&self) -> Option<Instant> {
        let budget = (!self.starved.is_empty()).then(|| self.repetitions.next_at());
        self.wakes.next().into_iter().chain(budget.flatten()).min()
    }

    /// When the oldest record that waits arrived.
    pub(in crate::pipeline) fn oldest(&self) -> Option<Instant> {
        self.slots.iter().flatten().filter_map(Lane::oldest).min()
    }

    /// Lets time pass: lanes become ready, records expire and are handed over.
    pub(in crate::pipeline) fn on_time(&mut self, now: Instant, mut expired: impl FnMut(Buffered<T>)) {
        while let Some(id) = self.wakes.due(now) {
            let ttl = self.terms.ttl;
            self.lane_mut(id).recall(now);
            while let Some(record) = self.lane_mut(id).pop_expired(ttl, now) {
                expired(record);
            }
            self.schedule(id, now);
        }
    }

    /// Takes a request's worth from the lanes that are ready, and from those that soon would be; empty if none is.
    ///
    /// What has expired is handed over instead of being sent.
    pub(in crate::pipeline) fn take_request(
        &mut self,
        now: Instant,
        mut expired: impl FnMut(Buffered<T>),
    ) -> Vec<Share<T>> {
        let mut room = Room::new(self.terms.request_entries, self.terms.request_bytes);
        let mut shares = Vec::new();
        self.feed_starved(now);
        let max_slots = self.slots_each(&room);
        while let Some(id) = self.next_ready(now, &mut expired) {
            if !self.take_share(id, &mut room, max_slots, now, &mut shares) {
                // No room left: it is first in the next request.
                self.lane_mut(id).is_ready = true;
                self.ready.push_front(id);
                break;
            }
        }
        if shares.is_empty() {
            return shares;
        }
        // A request goes anyway: who would be due soon may leave early, rather than that anybody waits for company.
        let soon: Vec<_> = self.wakes.until(now + self.terms.company).collect();
        for id in soon {
            let lane = self.lane(id);
            let may_join = !self.is_suspended
                && lane.may_join(&self.terms, self.flushed, now)
                && !(lane.is_repetition() && self.repetitions.ready_at(now) > now);
            if may_join && !self.take_share(id, &mut room, 1, now, &mut shares) {
                break;
            }
        }
        shares
    }

    /// The shard a lane writes to.
    pub(in crate::pipeline) fn lane(&self, id: LaneId) -> &Lane<T> {
        self.slots[id.0]
            .as_ref()
            .expect("invariant: a lane lives while it is named")
    }

    fn lane_mut(&mut self, id: LaneId) -> &mut Lane<T> {
        self.slots[id.0]
            .as_mut()
            .expect("invariant: a lane lives while it is named")
    }

    fn route(&self, hash_key: HashKey) -> LaneId {
        let place = self.routes.partition_point(|(end, _)| *end < hash_key);
        self.routes[place].1
    }

    /// Brings a lane's place among the ready and the waiting up to date.
    fn schedule(&mut self, id: LaneId, now: Instant) {
        let Self {
            terms,
            slots,
            wakes,
            ready,
            flushed,
            is_suspended,
            ..
        } = self;
        let lane = slots[id.0]
            .as_mut()
            .expect("invariant: a lane lives while it is named");
        let due = lane.due_at(terms, *flushed, now).filter(|_| !*is_suspended);
        let expiry = lane.next_expiry(terms.ttl);
        let wake = match due {
            Some(at) if at <= now => {
                if !lane.is_ready {
                    lane.is_ready = true;
                    ready.push_back(id);
                }
                expiry
            }
            _ => {
                lane.is_ready = false;
                due.into_iter().chain(expiry).min()
            }
        };
        wakes.reschedule(id, &mut lane.wake, wake);
    }

    /// Takes the next lane out of those that are ready.
    fn next_ready(&mut self, now: Instant, expired: &mut impl FnMut(Buffered<T>)) -> Option<LaneId> {
        loop {
            let id = self.ready.pop_front()?;
            let Some(lane) = self.slots[id.0].as_mut().filter(|lane| lane.is_ready) else {
                continue;
            };
            lane.recall(now);
            while let Some(record) = lane.pop_expired(self.terms.ttl, now) {
                expired(record);
            }
            lane.is_ready = false;
            let is_due = lane
                .due_at(&self.terms, self.flushed, now)
                .is_some_and(|at| at <= now);
            if !is_due || self.is_suspended {
                self.schedule(id, now);
            } else if lane.is_repetition() && self.repetitions.ready_at(now) > now {
                lane.is_ready = true;
                self.starved.push_back(id);
            } else {
                return Some(id);
            }
        }
    }

    /// Adds a lane's share to the request; `false` if there is no room for any of it.
    fn take_share(
        &mut self,
        id: LaneId,
        room: &mut Room,
        max_slots: usize,
        now: Instant,
        shares: &mut Vec<Share<T>>,
    ) -> bool {
        let Self {
            terms,
            slots,
            aggregator,
            repetitions,
            departures,
            flushed,
            ..
        } = self;
        let lane = slots[id.0]
            .as_mut()
            .expect("invariant: a lane lives while it is named");
        let reason = lane.reason(terms, *flushed, now);
        let allowance = lane.limiter.allowance(now);
        let packed = aggregator.take(lane, terms, room, allowance, max_slots);
        if packed.is_empty() {
            return false;
        }
        let bytes = packed.iter().map(|packed| packed.entry.size()).sum();
        lane.limiter.spend(packed.len(), bytes, now);
        let records = packed.iter().map(|packed| packed.records.len()).sum();
        departures.count(reason, packed.len(), records);
        let share = lane.on_sent(packed.len(), now);
        for packed in packed {
            repetitions.on_sent(packed.is_repetition(), now);
            shares.push(Share {
                lane: id,
                share,
                packed,
            });
        }
        self.schedule(id, now);
        true
    }

    /// In how many aggregates a lane's backlog may leave at once: the request's room shared among who is ready.
    fn slots_each(&self, room: &Room) -> usize {
        match self.terms.packing {
            Packing::Aggregates(_) if self.terms.is_by_key() => {
                (room.entries() / self.ready.len().max(1)).max(1)
            }
            Packing::Aggregates(limits) => {
                let fits = room.fits(limits.max_bytes() + OUTER_PARTITION_KEY.len());
                (fits / self.ready.len().max(1)).clamp(1, MAX_SLOTS)
            }
            Packing::Singles => 1,
        }
    }
}

/// Aggregates of one shard in one request. Eight of the default size are 400 KiB: at a shard's own limit of 1 MiB/s the
/// round trip to the service may take 400 ms before one request at a time costs throughput.
const MAX_SLOTS: usize = 8;
