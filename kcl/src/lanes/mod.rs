//! Which record of a shard is handled next, and how far the shard is done. Pure: calls nobody, reads no clock.
//!
//! ```text
//!            ┌ lane "a": 0 ✓  3 running  7
//!  accept ──>├ lane "b": 1 paused  4            ──> next: 5, then 2 … up to so many calls
//!            ├ lane "c": 2  5                              │
//!            └ …                                           └── answers ──> done, again, dead letter, stop
//!
//!  0 ✓ 1 2 3 4 …    watermark: 0, because 1 is unfinished, whatever is done behind it
//! ```
//!
//! Records get *tickets* in the order of the shard. Those of one lane are handled one after the other, so a lane that waits,
//! retries or writes a dead letter holds up itself alone. The *watermark* is the last record before the first unfinished
//! one: the only thing that is ever checkpointed. The *window* bounds how far records are accepted past it.

mod fate;
pub(crate) mod outcome;
mod queues;
pub(crate) mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use self::fate::Fate;
use self::outcome::Reason;
use self::queues::Queues;
use self::rules::{LaneKey, Rules};
use crate::position::Position;

/// The records of one shard that are accepted and not passed, each with what the caller keeps of it.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    rules: Rules,
    /// From the first unfinished record on, in the order of the shard.
    slots: VecDeque<Slot<T>>,
    /// The ticket of the first slot.
    base: u64,
    watermark: Option<Position>,
    queues: Queues,
    /// Dead letters to be written, and when.
    letters: BTreeSet<(Instant, u64)>,
    calls: usize,
    letters_in_flight: usize,
    /// One past the highest ticket that was ever started.
    started: u64,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Only records before this ticket are started: they close gaps behind records that are done.
    Draining {
        horizon: u64,
    },
    /// Nothing is started.
    Stopped,
}

#[derive(Debug)]
enum Slot<T> {
    Open(Entry<T>),
    Done(Position),
}

/// One unfinished record.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) position: Position,
    pub(crate) item: T,
    /// Calls begun with it, from 1 in the first call.
    pub(crate) attempt: u32,
    lane: LaneKey,
    bytes: usize,
    /// Failures that are its own, not of a call with others.
    failures: u32,
    /// With how many others it may share its next call, itself included.
    company: usize,
    /// Why a dead letter is to be written, and how often that failed.
    letter: Option<(Reason, u32)>,
}

/// What the caller does next.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Job {
    /// Call the handler with these, in this order, and answer with [`Lanes::on_answers`].
    Handle(Vec<u64>),
    /// Write a dead letter, and answer with [`Lanes::on_letter`].
    Letter(u64),
}

impl<T> Lanes<T> {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            slots: VecDeque::new(),
            base: 0,
            watermark: None,
            queues: Queues::default(),
            letters: BTreeSet::new(),
            calls: 0,
            letters_in_flight: 0,
            started: 0,
            phase: Phase::Open,
        }
    }

    /// Takes a record in; call in the order of the shard.
    pub(crate) fn accept(
        &mut self,
        position: Position,
        partition_key: Option<Arc<str>>,
        bytes: usize,
        item: T,
        now: Instant,
    ) {
        let ticket = self.base + self.slots.len() as u64;
        let lane = LaneKey::of(self.rules.order, partition_key, ticket);
        self.queues.push(lane.clone(), ticket, bytes, now);
        self.slots.push_back(Slot::Open(Entry {
            position,
            item,
            attempt: 0,
            lane,
            bytes,
            failures: 0,
            company: self.rules.call.records.get(),
            letter: None,
        }));
    }

    /// Whether more may be accepted.
    pub(crate) fn has_room(&self) -> bool {
        self.slots.len() < self.rules.window.get()
    }

    /// Whether every record that was accepted is passed.
    pub(crate) fn is_finished(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many records are passed.
    pub(crate) fn passed(&self) -> u64 {
        self.base
    }

    /// The last record before the first unfinished one, if any was finished.
    pub(crate) fn watermark(&self) -> Option<&Position> {
        self.watermark.as_ref()
    }

    /// What is kept of an unfinished record.
    pub(crate) fn entry(&self, ticket: u64) -> Option<&Entry<T>> {
        match self.slots.get(self.index(ticket)?)? {
            Slot::Open(entry) => Some(entry),
            Slot::Done(_) => None,
        }
    }

    /// Why a dead letter is to be written for this record.
    pub(crate) fn letter_reason(&self, ticket: u64) -> Option<&Reason> {
        let entry = self.entry(ticket)?;
        entry.letter.as_ref().map(|(reason, _)| reason)
    }

    /// From now on only what closes gaps is started.
    pub(crate) fn drain(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining {
                horizon: self.started,
            };
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    /// Whether nothing runs, and nothing is left that a drain would wait for.
    pub(crate) fn is_drained(&self) -> bool {
        let idle = self.calls == 0 && self.letters_in_flight == 0 && self.letters.is_empty();
        idle && match self.phase {
            Phase::Stopped => true,
            Phase::Open => self.is_finished(),
            Phase::Draining { horizon } => !self.queues.any_before(horizon),
        }
    }

    /// The next job that may begin at `now`. `None`: wait for an answer, or until [`next_wake`](Self::next_wake).
    pub(crate) fn next(&mut self, now: Instant) -> Option<Job> {
        if self.letters_in_flight < LETTERS_IN_FLIGHT
            && let Some(&(due, ticket)) = self.letters.first()
            && due <= now
        {
            self.letters.pop_first();
            self.letters_in_flight += 1;
            return Some(Job::Letter(ticket));
        }
        let horizon = match self.phase {
            Phase::Open => u64::MAX,
            Phase::Draining { horizon } => horizon,
            Phase::Stopped => return None,
        };
        self.queues.wake(now);
        if self.calls >= self.rules.in_flight.get() || !self.queues.is_due(&self.call_rule(), horizon, now) {
            return None;
        }
        let tickets = self.form(horizon, now);
        self.calls += 1;
        for &ticket in &tickets {
            self.started = self.started.max(ticket + 1);
            if let Some(entry) = self.entry_mut(ticket) {
                entry.attempt = entry.attempt.saturating_add(1);
            }
        }
        (!tickets.is_empty()).then_some(Job::Handle(tickets))
    }

    /// When [`next`](Self::next) may have something new, if nothing happens until then.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let letter = self.letters.first().map(|&(due, _)| due);
        let letter = letter.filter(|_| self.letters_in_flight < LETTERS_IN_FLIGHT);
        let handler = match self.phase {
            Phase::Stopped => None,
            _ if self.calls >= self.rules.in_flight.get() => None,
            Phase::Open => self.queues.next_wake(Some(self.rules.call.linger)),
            // What is ready and not started is past the horizon.
            Phase::Draining { .. } => self.queues.next_wake(None),
        };
        letter.into_iter().chain(handler).min()
    }

    /// The records of one call, in the order of the shard.
    fn form(&mut self, horizon: u64, now: Instant) -> Vec<u64> {
        let Self {
            queues, slots, base, ..
        } = self;
        let rule = self.rules.call;
        let entry = |ticket: u64| match slots.get(usize::try_from(ticket.checked_sub(*base)?).ok()?)? {
            Slot::Open(entry) => Some((entry.company, entry.bytes)),
            Slot::Done(_) => None,
        };
        let (mut tickets, mut bytes, mut most) = (Vec::new(), 0_usize, rule.records.get());
        queues.take(horizon, now, |ticket| {
            let Some((company, size)) = entry(ticket) else {
                return false;
            };
            let fits = tickets.is_empty()
                || (tickets.len() < most.min(company) && bytes.saturating_add(size) <= rule.bytes);
            if fits {
                most = most.min(company);
                bytes = bytes.saturating_add(size);
                tickets.push(ticket);
            }
            fits
        });
        tickets
    }

    fn finish(&mut self, ticket: u64) {
        let Some(slot) = self.index(ticket).and_then(|index| self.slots.get_mut(index)) else {
            return;
        };
        let Slot::Open(entry) = slot else { return };
        let (lane, bytes) = (entry.lane.clone(), entry.bytes);
        *slot = Slot::Done(entry.position.clone());
        self.queues.remove(&lane, ticket, bytes);
        while let Some(Slot::Done(_)) = self.slots.front() {
            if let Some(Slot::Done(position)) = self.slots.pop_front() {
                self.watermark = Some(position);
                self.base += 1;
            }
        }
    }

    fn call_rule(&self) -> rules::CallSize {
        match self.phase {
            Phase::Open => self.rules.call,
            // Nobody else comes.
            Phase::Draining { .. } | Phase::Stopped => rules::CallSize {
                linger: Duration::ZERO,
                ..self.rules.call
            },
        }
    }

    fn index(&self, ticket: u64) -> Option<usize> {
        usize::try_from(ticket.checked_sub(self.base)?).ok()
    }

    fn entry_mut(&mut self, ticket: u64) -> Option<&mut Entry<T>> {
        let index = self.index(ticket)?;
        match self.slots.get_mut(index)? {
            Slot::Open(entry) => Some(entry),
            Slot::Done(_) => None,
        }
    }
}

/// Ours: letters are few, and a sink that hangs is asked no more than this.
const LETTERS_IN_FLIGHT: usize = 8;
