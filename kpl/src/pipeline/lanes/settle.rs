//! What the outcome of one entry means for its lane: its queue, its waits, its rate.

use std::time::Instant;

use rand::Rng;

use super::{LaneId, Lanes};
use crate::config::Waits;
use crate::pipeline::aggregator::Packed;
use crate::pipeline::buffered::Buffered;
use crate::pipeline::lane::ShareId;

/// The end of one entry.
#[derive(Debug)]
pub(in crate::pipeline) struct Settlement<T> {
    pub(in crate::pipeline) lane: LaneId,
    pub(in crate::pipeline) share: ShareId,
    pub(in crate::pipeline) sent_at: Instant,
    /// Bytes of the entry, as the service counts them.
    pub(in crate::pipeline) bytes: usize,
    pub(in crate::pipeline) is_repetition: bool,
    pub(in crate::pipeline) effect: Effect,
    pub(in crate::pipeline) records: Settled<T>,
}

/// What the entry did to the shard's quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) enum Effect {
    /// It was stored, and took its part.
    Stored,
    /// The quota was used up.
    Throttled,
    /// It was refused before the shard saw it.
    None,
    /// Nobody knows.
    Unknown,
}

/// What becomes of its records.
#[derive(Debug)]
pub(in crate::pipeline) enum Settled<T> {
    /// None comes back.
    Done,
    /// These are to be sent again, after a while.
    Again(Vec<Buffered<T>>, Waits),
    /// These were not sent after all.
    Unsent(Vec<Buffered<T>>),
}

impl<T> Lanes<T> {
    /// One entry of a lane has its end.
    pub(in crate::pipeline) fn settle(
        &mut self,
        settlement: Settlement<T>,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        let Settlement {
            lane: id,
            share,
            sent_at,
            bytes,
            is_repetition,
            effect,
            records,
        } = settlement;
        let Self {
            slots,
            terms,
            repetitions,
            ..
        } = self;
        let lane = slots[id.0]
            .as_mut()
            .expect("invariant: a lane lives while it is named");
        lane.on_settled(share);
        match effect {
            Effect::Stored => {
                lane.limiter.on_stored(bytes);
                if is_repetition {
                    repetitions.on_worthwhile(now);
                }
            }
            Effect::Throttled => lane.limiter.on_throttled(sent_at, now),
            Effect::None => lane.limiter.refund(bytes, now),
            Effect::Unknown => {}
        }
        match records {
            Settled::Done => {
                if effect == Effect::Stored {
                    lane.succeed(now);
                }
            }
            Settled::Again(records, waits) => {
                lane.hold(waits, now, rng);
                if lane.is_retired {
                    self.reroute(records, now);
                } else {
                    lane.take_back(records, terms, now);
                }
            }
            Settled::Unsent(records) => {
                if lane.is_retired {
                    self.reroute(records, now);
                } else {
                    lane.put_back(records);
                }
            }
        }
        self.schedule(id, now);
        self.release_if_settled(id, now);
    }

    /// Packs records that were packed before: they come from one entry, and are given one.
    pub(in crate::pipeline) fn repack(&mut self, records: Vec<Buffered<T>>) -> Option<Packed<T>> {
        self.aggregator.repack(records, &self.terms)
    }

    /// One entry on its way became two, of which each will have its end.
    pub(in crate::pipeline) fn divide(&mut self, id: LaneId, share: ShareId) {
        self.lane_mut(id).on_divided(share);
    }

    /// Lets lanes that wait for the budget of repetitions be ready, if there is some.
    pub(super) fn feed_starved(&mut self, now: Instant) {
        if self.repetitions.ready_at(now) <= now {
            self.ready.append(&mut self.starved);
        }
    }

    /// Lets nothing leave until [`resume`](Self::resume).
    pub(in crate::pipeline) fn suspend(&mut self, now: Instant) {
        if !self.is_suspended {
            self.is_suspended = true;
            self.schedule_all(now);
        }
    }

    /// Lets records leave again.
    pub(in crate::pipeline) fn resume(&mut self, now: Instant) {
        if self.is_suspended {
            self.is_suspended = false;
            self.schedule_all(now);
        }
    }

    /// Whether any record waits in a lane.
    pub(in crate::pipeline) fn are_empty(&self) -> bool {
        self.slots.iter().flatten().all(|lane| lane.is_empty())
    }

    /// Takes all records out of all lanes.
    pub(in crate::pipeline) fn drain(&mut self, now: Instant) -> Vec<Buffered<T>> {
        let mut records: Vec<_> = self
            .slots
            .iter_mut()
            .flatten()
            .flat_map(|lane| lane.drain())
            .collect();
        records.sort_unstable_by_key(|record| record.number);
        self.schedule_all(now);
        records
    }

    fn schedule_all(&mut self, now: Instant) {
        for index in 0..self.slots.len() {
            if self.slots[index].is_some() {
                self.schedule(LaneId(index), now);
            }
        }
    }
}
