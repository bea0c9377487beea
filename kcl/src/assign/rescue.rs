//! What a worker does about leases when somebody else is supposed to assign them.
//!
//! Under a leader a worker takes only what has its name on it. A leader that is dead, or renews its lock and assigns
//! nothing, would leave leases lying for ever; so what has lain for long enough is taken by whoever sees it.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Limits, Snapshot, Standing};
use crate::lease::LeaseKey;

/// How long a leader is given to act on leases whose owner died ([`Patience::neglect`](super::Patience::neglect)), in a table of so many
/// rows: a leader of this crate has acted by then. One of KCL plans each two failover times, and counts on a dead worker
/// for as long as its report is fresh, a minute.
#[must_use]
pub fn leaders_time(failover: Duration, rows: u32) -> Duration {
    (failover / 4).max(PER_ROW * rows).min(failover)
}

/// How long a lease may stand still before a worker has anything to do about it that a leader is supposed to act on: until its owner is
/// dead, and the leader has had its time.
#[must_use]
pub(crate) fn lies_until(failover: Duration, rows: u32) -> Duration {
    failover + leaders_time(failover, rows)
}

/// Ours: a round of a leader of this crate and a half.
const PER_ROW: Duration = Duration::from_micros(300);

/// The leases that worker `snapshot.me()` should take under a leader.
///
/// First everything that is [`Standing::Mine`]. Then, of leases that are free and *neglected* (see
/// [`Patience`](super::Patience)), its even part among the workers that can
/// be seen, rounded up: the next round takes what others left. `seed` decides which, so that workers do not run
/// after the same ones.
#[must_use]
pub fn rescue(snapshot: &Snapshot, limits: &Limits, seed: u64) -> Vec<LeaseKey> {
    let mut holders: Vec<_> = snapshot
        .standings()
        .filter_map(|(_, standing)| match standing {
            Standing::Held(by) | Standing::Blocked(Some(by)) | Standing::Finished(Some(by)) => Some(by),
            Standing::HandingOver { from, .. } => Some(from),
            _ => None,
        })
        .chain([snapshot.me()])
        .collect();
    holders.sort();
    holders.dedup();

    let held = snapshot
        .standings()
        .filter(|(_, standing)| match standing {
            Standing::Held(by) => by == snapshot.me(),
            Standing::HandingOver { to, .. } => to == snapshot.me(),
            _ => false,
        })
        .count();
    let room = limits.max_leases_per_worker.saturating_sub(held);

    let mut take: Vec<LeaseKey> = snapshot
        .keys_with(|standing| matches!(standing, Standing::Mine))
        .cloned()
        .collect();
    let mut neglected: Vec<LeaseKey> = snapshot.keys_with(Standing::is_neglected).cloned().collect();
    neglected.shuffle(&mut StdRng::seed_from_u64(seed));
    neglected.truncate(neglected.len().div_ceil(holders.len()));
    take.append(&mut neglected);
    take.truncate(room);
    take
}

#[cfg(test)]
mod tests {
    use super::super::tests::{free, held, key, seen_by, worker};
    use super::*;

    fn neglected(count: usize) -> impl Iterator<Item = Standing> {
        std::iter::repeat_n(Standing::Free { neglected: true }, count)
    }

    #[test]
    fn a_leader_has_the_time_of_its_rounds_to_act() {
        let of = |failover, rows| leaders_time(Duration::from_secs(failover), rows);
        for (failover, rows, millis) in [
            (10, 8, 2_500),
            (10, 10_000, 3_000),
            (10, 100_000, 10_000),
            (2, 1_000, 500),
        ] {
            assert_eq!(of(failover, rows), Duration::from_millis(millis), "{rows} rows");
        }
    }

    #[test]
    fn what_is_free_and_fresh_is_left_to_the_leader() {
        let snapshot = seen_by("me", held("a", 2).chain(free(5)));
        assert_eq!(rescue(&snapshot, &Limits::default(), 1), []);
    }

    #[test]
    fn what_has_my_name_on_it_is_taken() {
        let snapshot = seen_by("me", held("a", 1).chain([Standing::Mine]));
        assert_eq!(rescue(&snapshot, &Limits::default(), 1), [key(1)]);
    }

    #[test]
    fn neglected_leases_are_shared_by_those_who_see_them() {
        for (others, lying, expected) in [(0, 7, 7), (1, 7, 4), (2, 7, 3), (3, 2, 1), (3, 0, 0)] {
            let names = ["a", "b", "c"];
            let holders = names.into_iter().take(others).flat_map(|name| held(name, 1));
            let snapshot = seen_by("me", holders.chain(neglected(lying)));
            let taken = rescue(&snapshot, &Limits::default(), 1).len();
            assert_eq!(taken, expected, "{others} others, {lying} lying");
        }
    }

    #[test]
    fn a_limit_holds_here_too() {
        let promised = Standing::HandingOver {
            from: worker("a"),
            to: worker("me"),
        };
        let limits = Limits {
            max_leases_per_worker: 4,
            ..Limits::default()
        };
        let snapshot = seen_by("me", held("me", 1).chain([promised]).chain(neglected(10)));
        assert_eq!(rescue(&snapshot, &limits, 1).len(), 2);
    }

    #[test]
    fn two_workers_seldom_run_after_the_same_lease() {
        let snapshot = || seen_by("me", held("a", 1).chain(neglected(100)));
        let first = rescue(&snapshot(), &Limits::default(), 1);
        let second = rescue(&snapshot(), &Limits::default(), 2);
        assert_eq!((first.len(), second.len()), (50, 50));
        let both = first.iter().filter(|key| second.contains(key)).count();
        assert!(both < 40, "{both} of 50");
    }
}
