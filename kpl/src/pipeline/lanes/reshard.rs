//! How lanes follow one another when the stream is resharded.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use kinesis_aggregation::ShardId;

use super::{LaneId, Lanes};
use crate::config::Ordering;
use crate::pipeline::action::ListedShard;
use crate::pipeline::buffered::Buffered;
use crate::pipeline::lane::Lane;

impl<T> Lanes<T> {
    /// Follows a new shard map: `shards` are the open ones, sorted, and cover all hash keys once.
    ///
    /// What waits in lanes that no longer exist moves on, in order, to the lanes that took over. Those send nothing
    /// until all that is on its way from the old ones is settled.
    pub(in crate::pipeline) fn remap(&mut self, shards: &[ListedShard], now: Instant) {
        let old = std::mem::take(&mut self.routes);
        // Sorted: the same calls must give the same actions.
        let mut gone: BTreeMap<ShardId, LaneId> = old
            .into_iter()
            .map(|(_, id)| (self.lane(id).shard.clone(), id))
            .collect();
        let mut created = Vec::new();
        for shard in shards {
            // A stream that was deleted and made anew has the same ids with other ranges.
            let same = gone
                .get(&shard.id)
                .copied()
                .filter(|id| self.lane(*id).range == shard.range);
            let id = match same {
                Some(id) => {
                    gone.remove(&shard.id);
                    id
                }
                None => {
                    let id = self.insert(Lane::new(shard.id.clone(), shard.range, &self.terms, now));
                    created.push(id);
                    id
                }
            };
            self.routes.push((shard.range.end(), id));
        }
        let mut moved = Vec::new();
        for id in gone.into_values() {
            moved.extend(self.retire(id, &created, now));
        }
        moved.sort_unstable_by_key(|record: &Buffered<T>| record.number);
        for record in moved {
            let id = self.route(record.hash_key);
            self.lane_mut(id).push(record);
        }
        for id in created {
            self.schedule(id, now);
        }
    }

    fn insert(&mut self, lane: Lane<T>) -> LaneId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            LaneId(self.slots.len() - 1)
        });
        self.slots[id.0] = Some(lane);
        id
    }

    /// Takes a lane off the map, with its queue. It stays until what is on its way is settled.
    fn retire(&mut self, id: LaneId, created: &[LaneId], now: Instant) -> VecDeque<Buffered<T>> {
        let lane = self.lane_mut(id);
        lane.is_retired = true;
        lane.is_ready = false;
        let moved = lane.drain();
        let range = lane.range;
        let mut wake = lane.wake.take();
        self.wakes.reschedule(id, &mut wake, None);
        if self.terms.ordering == Ordering::PerKey && !self.lane(id).is_settled() {
            for successor in created {
                let next = self.lane_mut(*successor);
                if next.range.start() <= range.end() && range.start() <= next.range.end() {
                    next.predecessors += 1;
                    self.lane_mut(id).successors.push(*successor);
                }
            }
        }
        self.release_if_settled(id, now);
        moved
    }

    /// Records of a retired lane come back: into the lanes that took over, which wait for just that.
    pub(super) fn reroute(&mut self, records: Vec<Buffered<T>>, now: Instant) {
        let mut by_lane: BTreeMap<LaneId, Vec<Buffered<T>>> = BTreeMap::new();
        for record in records {
            by_lane
                .entry(self.route(record.hash_key))
                .or_default()
                .push(record);
        }
        let is_relaxed = self.terms.ordering == Ordering::Relaxed;
        for (id, records) in by_lane {
            let lane = self.lane_mut(id);
            debug_assert!(is_relaxed || lane.predecessors > 0, "whoever took over waits");
            lane.put_back(records);
            self.schedule(id, now);
        }
    }

    /// Ends a retired lane that has nothing on its way, and those after it for which it was the last.
    pub(super) fn release_if_settled(&mut self, id: LaneId, now: Instant) {
        let mut candidates = VecDeque::from([id]);
        while let Some(id) = candidates.pop_front() {
            let lane = self.lane_mut(id);
            if !(lane.is_retired && lane.is_settled()) {
                self.schedule(id, now);
                continue;
            }
            let successors = std::mem::take(&mut lane.successors);
            self.slots[id.0] = None;
            self.free.push(id);
            for successor in successors {
                self.lane_mut(successor).predecessors -= 1;
                candidates.push_back(successor);
            }
        }
    }
}
