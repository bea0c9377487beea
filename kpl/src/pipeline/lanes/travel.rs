//! How lanes follow what the stream says of itself.
//!
//! Where the service distributes records by itself, no shard can be predicted and no key has an order. Records then
//! take the lanes in turn: each lane still limits its rate, holds back after failures and has a bounded number of
//! requests on its way, so that all together never exceed what the stream's shards take.
//!
//! When hash keys count again, records that wait in lanes of other shards stay there and travel alone, which is right
//! on any lane: their own hash key addresses them.

use std::time::Instant;

use super::{LaneId, Lanes};
use crate::pipeline::action::Distribution;
use crate::pipeline::buffered::Buffered;
use crate::pipeline::summary::Manner;

impl<T> Lanes<T> {
    /// Records travel in this manner from now on, those that wait included.
    pub(in crate::pipeline) fn travel(&mut self, manner: Manner, now: Instant) {
        self.terms.follow(manner);
        for index in 0..self.slots.len() {
            if self.slots[index]
                .as_ref()
                .is_some_and(|lane| !lane.queue.is_empty())
            {
                self.schedule(LaneId(index), now);
            }
        }
    }

    /// The lane of a new record.
    pub(super) fn lane_for(&mut self, record: &Buffered<T>) -> LaneId {
        match self.terms.distribution {
            Distribution::ByKey => self.route(record.hash_key),
            Distribution::ByService => {
                self.turn = (self.turn + 1) % self.routes.len().max(1);
                self.routes[self.turn].1
            }
        }
    }
}
