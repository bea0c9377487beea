//! Whether the workers that hold a fleet back are what they are taken for.
//!
//! A lease that was given to a worker of this crate does not bear its mark until it has taken it, and looks like that of an older
//! worker meanwhile. For the fleet's ways that is how it counts, because that is safe; to a person it is not told before it is known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::format::WATCH;
use crate::lease::{Lease, LeaseKey, WorkerId};

/// One worker's memory of those that hold its fleet back.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    /// Who is known to be older.
    known: BTreeSet<WorkerId>,
    /// Since when each of the others has held the fleet back.
    since: BTreeMap<WorkerId, Instant>,
    /// The leases that they may not have taken yet.
    seen: BTreeMap<LeaseKey, (WorkerId, u64)>,
}

impl Doubts {
    /// Takes in the workers that hold the fleet back by the same look at the `leases`. Those that have turned out to be older.
    pub(crate) fn on_look(
        &mut self,
        held_back_by: &BTreeSet<WorkerId>,
        leases: &[Lease],
        now: Instant,
    ) -> Vec<WorkerId> {
        self.known.retain(|worker| held_back_by.contains(worker));
        let before = std::mem::take(&mut self.since);
        for worker in held_back_by.difference(&self.known) {
            let since = before.get(worker).copied().unwrap_or(now);
            self.since.insert(worker.clone(), since);
        }
        let unmarked: Vec<(&WorkerId, &Lease)> = leases
            .iter()
            .filter_map(|lease| {
                let owner = lease.actual_owner()?;
                (!lease.owner_is_of_this_crate() && self.since.contains_key(owner)).then_some((owner, lease))
            })
            .collect();
        let is_its_own = |(owner, lease): &(&WorkerId, &Lease)| {
            let renewed = |(seen, counter): &(WorkerId, u64)| seen == *owner && *counter != lease.counter;
            lease.kit_owner.is_none() || self.seen.get(&lease.key).is_some_and(renewed)
        };
        let own = unmarked.iter().filter(|row| is_its_own(row));
        let long = |(_, since): &(&WorkerId, &Instant)| now.saturating_duration_since(**since) >= PATIENCE;
        let older: BTreeSet<WorkerId> = own
            .map(|(owner, _)| (*owner).clone())
            .chain(self.since.iter().filter(long).map(|(worker, _)| worker.clone()))
            .collect();
        self.seen = unmarked
            .into_iter()
            .map(|(owner, lease)| (lease.key.clone(), (owner.clone(), lease.counter)))
            .collect();
        self.since.retain(|worker, _| !older.contains(worker));
        self.known.extend(older.iter().cloned());
        older.into_iter().collect()
    }

    /// Whether it is not known yet what these are, and another look may show it.
    pub(crate) fn are_about(&self, held_back_by: &BTreeSet<WorkerId>) -> bool {
        !held_back_by.is_subset(&self.known)
    }

    /// How soon to look again: an older worker has renewed its leases by then, or the next time, and one of this crate has taken them.
    pub(crate) fn pause(failover: Duration) -> Duration {
        failover / 5
    }
}

/// Ours: who has only leases that nobody renews, and does not take them either, holds the fleet back all the same.
const PATIENCE: Duration = WATCH;

#[cfg(test)]
mod tests {
    use super::super::fixture::{lease, of_ours};
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn worker(name: &str) -> WorkerId {
        WorkerId::new(name)
    }

    fn these(names: &[&str]) -> BTreeSet<WorkerId> {
        names.iter().map(|name| worker(name)).collect()
    }

    /// Of `giver`, and given to `peer`.
    fn given(number: usize, giver: &str, peer: &str) -> Lease {
        Lease {
            owner: Some(worker(peer)),
            ..of_ours(number, giver)
        }
    }

    fn renewed(lease: &Lease) -> Lease {
        Lease {
            counter: lease.counter + 1,
            ..lease.clone()
        }
    }

    const LOOK: Duration = Duration::from_secs(2);

    #[test]
    fn a_lease_that_was_never_of_this_crate_shows_an_older_worker_at_once() {
        let (mut doubts, now) = (Doubts::default(), origin());
        let (held_back_by, rows) = (these(&["java"]), [lease(0, "java")]);
        assert!(doubts.are_about(&held_back_by));
        assert_eq!(doubts.on_look(&held_back_by, &rows, now), [worker("java")]);
        assert!(!doubts.are_about(&held_back_by));
        assert_eq!(doubts.on_look(&held_back_by, &rows, now + LOOK), [], "told once");
        // It left, and came back.
        assert_eq!(doubts.on_look(&these(&[]), &[], now + LOOK), []);
        assert_eq!(doubts.on_look(&held_back_by, &rows, now + LOOK), [worker("java")]);
    }

    #[test]
    fn a_lease_that_is_not_taken_yet_shows_nothing() {
        let (mut doubts, now) = (Doubts::default(), origin());
        let (held_back_by, row) = (these(&["peer"]), given(0, "ours", "peer"));
        let asked_for = Lease {
            checkpoint_owner: Some(worker("ours")),
            ..row.clone()
        };
        for rows in [[asked_for], [row.clone()], [row]] {
            assert_eq!(doubts.on_look(&held_back_by, &rows, now), []);
            assert!(doubts.are_about(&held_back_by), "it is looked at soon again");
        }
        // Taken: it holds nobody back any more.
        assert_eq!(doubts.on_look(&these(&[]), &[of_ours(0, "peer")], now + LOOK), []);
    }

    #[test]
    fn who_renews_what_it_took_without_a_mark_is_older() {
        let (mut doubts, now) = (Doubts::default(), origin());
        let (held_back_by, row) = (these(&["java", "peer"]), given(0, "ours", "java"));
        let other = given(1, "ours", "peer");
        let rows = [row.clone(), other.clone()];
        assert_eq!(doubts.on_look(&held_back_by, &rows, now), []);
        let rows = [renewed(&row), other.clone()];
        assert_eq!(doubts.on_look(&held_back_by, &rows, now + LOOK), [worker("java")]);
        assert!(doubts.are_about(&held_back_by), "of the other nothing is known");
        // Another one gave it, so the counter moved.
        let passed_on = Lease {
            owner: Some(worker("peer")),
            ..renewed(&renewed(&row))
        };
        assert_eq!(
            doubts.on_look(&held_back_by, &[passed_on, other], now + 2 * LOOK),
            []
        );
    }

    #[test]
    fn a_doubt_ends() {
        let (mut doubts, now) = (Doubts::default(), origin());
        let (held_back_by, rows) = (these(&["peer"]), [given(0, "ours", "peer")]);
        assert_eq!(doubts.on_look(&held_back_by, &rows, now), []);
        let late = now + PATIENCE - LOOK;
        assert_eq!(doubts.on_look(&held_back_by, &rows, late), []);
        assert_eq!(
            doubts.on_look(&held_back_by, &rows, late + LOOK),
            [worker("peer")]
        );
        assert!(!doubts.are_about(&held_back_by));
    }
}
