//! The lanes themselves: which may go on, which wait for a time, which wait for an answer.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::rules::{CallSize, LaneKey};

/// All lanes that have unfinished records.
#[derive(Debug, Default)]
pub(super) struct Queues {
    lanes: HashMap<LaneKey, Lane>,
    /// Lanes that may go on, by the ticket at their head.
    ready: BTreeMap<u64, LaneKey>,
    /// The same, by how long they have been ready.
    since: BTreeSet<(Instant, u64)>,
    /// Lanes that may go on at a time.
    pauses: BTreeMap<(Instant, u64), LaneKey>,
    /// Records and bytes of the lanes that may go on.
    ready_records: usize,
    ready_bytes: usize,
}

#[derive(Debug)]
struct Lane {
    queue: VecDeque<Waiting>,
    bytes: usize,
    /// So many of its first records are in the handler's hands.
    taken: usize,
    place: Place,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    not_before: Instant,
    /// Waits for something else than time.
    blocked: bool,
}

/// Where a lane is listed.
#[derive(Debug, Clone, Copy)]
enum Place {
    Nowhere,
    Ready { head: u64, since: Instant },
    Paused { head: u64, until: Instant },
}

impl Queues {
    pub(super) fn push(&mut self, key: LaneKey, ticket: u64, bytes: usize, now: Instant) {
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            queue: VecDeque::with_capacity(1),
            bytes: 0,
            taken: 0,
            place: Place::Nowhere,
        });
        lane.queue.push_back(Waiting {
            ticket,
            not_before: now,
            blocked: false,
        });
        lane.bytes += bytes;
        if matches!(lane.place, Place::Ready { .. }) {
            self.ready_records += 1;
            self.ready_bytes += bytes;
        } else if lane.queue.len() == 1 {
            self.list(&key);
        }
    }

    /// Lanes whose time has come may go on.
    pub(super) fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.pauses.first_entry() {
            let &(until, head) = entry.key();
            if until > now {
                return;
            }
            let key = entry.remove();
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.place = Place::Ready { head, since: until };
                self.ready_records += lane.queue.len();
                self.ready_bytes += lane.bytes;
                self.since.insert((until, head));
                self.ready.insert(head, key);
            }
        }
    }

    /// Whether a call is worth making at `now`: it would be full, or somebody has waited long enough.
    pub(super) fn is_due(&self, rule: &CallSize, horizon: u64, now: Instant) -> bool {
        let waited_enough = || {
            let oldest = self.since.first();
            oldest.is_some_and(|&(since, _)| since + rule.linger <= now)
        };
        self.ready.range(..horizon).next().is_some()
            && (rule.linger.is_zero()
                || self.ready_records >= rule.records.get()
                || self.ready_bytes >= rule.bytes
                || waited_enough())
    }

    /// Offers records in the order of the shard, of lanes that may go on, until one is not taken. The lanes of those taken
    /// wait until they are [released](Self::release).
    pub(super) fn take(&mut self, horizon: u64, now: Instant, mut takes: impl FnMut(u64) -> bool) {
        // The next ones of lanes of which something was taken.
        let mut next: BTreeMap<u64, LaneKey> = BTreeMap::new();
        loop {
            let ready = self
                .ready
                .first_key_value()
                .filter(|(ticket, _)| **ticket < horizon);
            let first = ready
                .into_iter()
                .chain(next.first_key_value())
                .min_by_key(|(ticket, _)| **ticket);
            let Some((&ticket, key)) = first else { return };
            if !takes(ticket) {
                return;
            }
            let key = key.clone();
            if next.remove(&ticket).is_none() {
                self.unlist(&key);
            }
            let Some(lane) = self.lanes.get_mut(&key) else {
                return;
            };
            lane.taken += 1;
            if let Some(follower) = lane.queue.get(lane.taken)
                && !follower.blocked
                && follower.not_before <= now
                && follower.ticket < horizon
            {
                next.insert(follower.ticket, key);
            }
        }
    }

    /// The call that had records of this lane is over.
    pub(super) fn release(&mut self, key: &LaneKey) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.taken = 0;
            self.list(key);
        }
    }

    /// A record of a lane that is taken comes again at this time.
    pub(super) fn postpone(&mut self, key: &LaneKey, ticket: u64, until: Instant) {
        if let Some(waiting) = self.waiting(key, ticket) {
            waiting.not_before = until;
        }
    }

    /// A record of a lane that is taken waits until it is removed.
    pub(super) fn block(&mut self, key: &LaneKey, ticket: u64) {
        if let Some(waiting) = self.waiting(key, ticket) {
            waiting.blocked = true;
        }
    }

    /// A record is finished.
    pub(super) fn remove(&mut self, key: &LaneKey, ticket: u64, bytes: usize) {
        self.unlist(key);
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        if let Some(index) = lane.queue.iter().position(|waiting| waiting.ticket == ticket) {
            lane.queue.remove(index);
            lane.bytes -= bytes;
        }
        if lane.queue.is_empty() {
            self.lanes.remove(key);
        } else if lane.taken == 0 {
            self.list(key);
        }
    }

    /// Whether a lane may go on, now or later, with a ticket below this one.
    pub(super) fn any_before(&self, horizon: u64) -> bool {
        self.ready.range(..horizon).next().is_some() || self.pauses.keys().any(|&(_, head)| head < horizon)
    }

    /// `linger`: how long ready lanes wait for company; `None`: they wait for something else.
    pub(super) fn next_wake(&self, linger: Option<Duration>) -> Option<Instant> {
        let pause = self.pauses.first_key_value().map(|(&(until, _), _)| until);
        let oldest = linger.and_then(|linger| Some(self.since.first()?.0 + linger));
        pause.into_iter().chain(oldest).min()
    }

    fn waiting(&mut self, key: &LaneKey, ticket: u64) -> Option<&mut Waiting> {
        let lane = self.lanes.get_mut(key)?;
        lane.queue.iter_mut().find(|waiting| waiting.ticket == ticket)
    }

    /// Lists a lane that is not listed, if it waits for nothing but time.
    fn list(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        let Some(head) = lane.queue.front() else { return };
        if head.blocked {
            return;
        }
        lane.place = Place::Paused {
            head: head.ticket,
            until: head.not_before,
        };
        self.pauses.insert((head.not_before, head.ticket), key.clone());
    }

    fn unlist(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        match std::mem::replace(&mut lane.place, Place::Nowhere) {
            Place::Nowhere => {}
            Place::Ready { head, since } => {
                self.ready_records -= lane.queue.len();
                self.ready_bytes -= lane.bytes;
                self.since.remove(&(since, head));
                self.ready.remove(&head);
            }
            Place::Paused { head, until } => {
                self.pauses.remove(&(until, head));
            }
        }
    }
}
