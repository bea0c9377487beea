//! Which leases this worker should take, and which to ask for. Pure: a snapshot in, a plan out.
//!
//! Every worker computes the same plan for the whole visible fleet from the same rows, in an order that does not
//! depend on who computes, and carries out only its own part. So workers that plan at the same moment do not run
//! after the same lease. Where their views differ, the store's conditions decide, and the next round corrects.
//!
//! ```text
//!  rows + what I observed ──Snapshot::new──> standings ──plan──> quotas ─┬─> take       free leases
//!                                                                        └─> hand_over  asked of loaded workers
//! ```
//!
//! A dead worker's leases fall to those alone who have watched them for the failover time. A worker that came meanwhile cannot know yet
//! that they are free: left to it, they would lie for a failover time of its own. It asks for its share of them afterwards.
//!
//! Counting follows KCL's lease taker with four departures:
//! - finished leases (`SHARD_END`) are not counted: they cost nothing, and counting them makes an "even" fleet
//!   uneven in load. Nobody takes one either: children are created before the end is written, so nothing is left;
//! - leases that wait for unfinished parents are not counted, and not taken before their parents are done;
//! - there is no "very old lease" rule, by which one worker of a cold fleet grabs everything;
//! - a live lease is never taken abruptly: its holder is asked to hand it over.

pub mod central;
pub mod rescue;

pub(crate) mod coming;
pub(crate) mod lookout;
mod model;
pub(crate) mod parents;
mod quota;

use std::collections::HashSet;
use std::num::NonZeroUsize;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

pub use self::model::{Patience, Snapshot, Standing};
use crate::lease::{LeaseKey, WorkerId};

/// What one worker may hold and ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most unfinished leases one worker holds (KCL: `maxLeasesForWorker`, default no limit). Too low over the
    /// fleet leaves shards unread; see [`Plan::unplaced`].
    pub max_leases_per_worker: usize,
    /// The most hand-overs this worker asks for in one round (KCL: `maxLeasesToStealAtOneTime`, there 1). As
    /// hand-overs are graceful, more at once only means that a new worker gets its share sooner.
    pub max_leases_to_steal_at_once: NonZeroUsize,
}

impl Default for Limits {
    /// No limits.
    fn default() -> Self {
        Self {
            max_leases_per_worker: usize::MAX,
            max_leases_to_steal_at_once: NonZeroUsize::MAX,
        }
    }
}

/// What this worker should do in this round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Plan {
    /// Leases to take now, by [`LeaseStore::take`](crate::store::LeaseStore::take). Each is free: unowned, expired,
    /// past the deadline of a hand-over, or mine by name without my holding it.
    pub take: Vec<LeaseKey>,
    /// Free leases that fall to others that are known to live, and to whom. Who looks more often than they do may take them in
    /// their name, where they notice that.
    pub give: Vec<(LeaseKey, WorkerId)>,
    /// Leases to ask for, by [`LeaseStore::request_hand_over`](crate::store::LeaseStore::request_hand_over).
    pub hand_over: Vec<HandOver>,
    /// How many unfinished leases a worker of this fleet should hold (the larger of the two counts when they do
    /// not divide evenly).
    pub target: usize,
    /// Free leases that this plan leaves to others (KCL metric `LeaseSpillover` when it stays above 0).
    pub unplaced: usize,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.take.is_empty() && self.hand_over.is_empty()
    }
}

/// A lease to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// Which.
    pub key: LeaseKey,
    /// Whom to ask.
    pub from: WorkerId,
}

/// Plans one round of worker `snapshot.me()`.
///
/// `seed` orders the takes, so that workers that cannot see each other yet do not run after free leases in the
/// same order. It has no influence on a fleet whose workers all hold something.
pub fn plan(snapshot: &Snapshot, limits: &Limits, seed: u64) -> Plan {
    let share = quota::share_of(snapshot);
    let mut room = limits.max_leases_per_worker.saturating_sub(share.held);

    // Mine by name already, so outside the quota: left alone they would idle until they expire.
    let mut take: Vec<LeaseKey> = snapshot
        .keys_with(|s| matches!(s, Standing::Mine))
        .cloned()
        .collect();
    take.truncate(room);
    room -= take.len();

    let mut free = share.take;
    free.truncate(room);
    room -= free.len();

    let mut rng = StdRng::seed_from_u64(seed);
    // Who should have taken these did not: a limit of its own, or a worker that renews and plans no more.
    let mut neglected = others_neglected(snapshot, &free);
    neglected.shuffle(&mut rng);
    neglected.truncate(neglected.len().div_ceil(share.workers).min(room));
    room -= neglected.len();

    free.append(&mut neglected);
    free.shuffle(&mut rng);
    let unplaced = share.free - free.len();
    take.append(&mut free);

    let mut hand_over = share.hand_over;
    hand_over.truncate(room.min(limits.max_leases_to_steal_at_once.get()));
    let mut give = share.give;
    give.retain(|(_, to)| snapshot.is_renewing(to));
    give.shuffle(&mut rng);
    Plan {
        take,
        give,
        hand_over,
        target: share.target,
        unplaced,
    }
}

fn others_neglected(snapshot: &Snapshot, mine: &[LeaseKey]) -> Vec<LeaseKey> {
    let mine: HashSet<&LeaseKey> = mine.iter().collect();
    snapshot
        .keys_with(Standing::is_neglected)
        .filter(|key| !mine.contains(key))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests;
