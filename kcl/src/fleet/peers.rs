//! The other workers, as the lease table shows them: who came, who left.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::lease::observed::Observed;
use crate::lease::{Lease, WorkerId};

/// The workers that were seen last.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// Each of them, and whether it is known to notice a lease that bears its name. (KCL 2.x looks only once, at its start.)
    notices: BTreeMap<WorkerId, bool>,
}

/// Who came and who left between two looks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) joined: Vec<WorkerId>,
    pub(crate) left: Vec<WorkerId>,
}

impl Peers {
    /// Takes in a listing that `observed` has seen already.
    pub(crate) fn on_scan(
        &mut self,
        me: &WorkerId,
        leases: &[Lease],
        observed: &Observed,
        failover: Duration,
        now: Instant,
    ) -> Changes {
        let mut notices: BTreeMap<WorkerId, bool> = BTreeMap::new();
        let alive = |lease: &&Lease| !observed.expired(&lease.key, failover, now);
        for lease in leases.iter().filter(alive) {
            let holder = lease.actual_owner().filter(|worker| *worker != me);
            if let Some(holder) = holder {
                *notices.entry(holder.clone()).or_default() |= lease.owner_is_of_this_crate();
            }
            // Whoever is waited for is there, or was a moment ago.
            let next = lease.owner.as_ref().filter(|_| lease.hand_over_pending());
            if let Some(next) = next.filter(|worker| *worker != me) {
                notices.entry(next.clone()).or_default();
            }
        }
        let before = std::mem::replace(&mut self.notices, notices);
        let not_in = |known: &BTreeMap<WorkerId, bool>, others: &BTreeMap<WorkerId, bool>| {
            let strangers = known.keys().filter(|worker| !others.contains_key(*worker));
            strangers.cloned().collect()
        };
        Changes {
            joined: not_in(&self.notices, &before),
            left: not_in(&before, &self.notices),
        }
    }

    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.notices.len()
    }

    /// Those that are known to notice a lease that bears their name.
    pub(crate) fn noticing(&self) -> impl Iterator<Item = &WorkerId> {
        let noticing = self.notices.iter().filter(|(_, notices)| **notices);
        noticing.map(|(worker, _)| worker)
    }

    /// Whether anybody else is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.notices.is_empty()
    }

    /// Whether a worker is known to notice a lease that bears its name.
    pub(crate) fn notices(&self, worker: &WorkerId) -> bool {
        self.notices.get(worker).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::LeaseKey;
    use crate::position::Checkpoint;

    const FAILOVER: Duration = Duration::from_secs(10);

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn worker(name: &str) -> WorkerId {
        WorkerId::new(name)
    }

    fn key(number: usize) -> LeaseKey {
        LeaseKey::new(&format!("shardId-{number:012}"))
    }

    /// Leases by their owners; those of `java-…` are not of this crate.
    fn leases(owners: &[&str]) -> Vec<Lease> {
        let lease = |(number, owner): (usize, &&str)| {
            let mut lease = Lease::new(key(number), Checkpoint::TrimHorizon);
            lease.owner = Some(worker(owner));
            lease.kit_owner = (!owner.starts_with("java")).then(|| worker(owner));
            lease
        };
        owners.iter().enumerate().map(lease).collect()
    }

    fn names(workers: &[WorkerId]) -> Vec<&str> {
        workers.iter().map(WorkerId::as_str).collect()
    }

    #[test]
    fn who_comes_and_who_goes_is_told_once() {
        let (me, mut now) = (worker("me"), origin());
        let (mut peers, mut observed) = (Peers::default(), Observed::new());
        let mut look = |leases: &[Lease], now| {
            observed.observe(leases, now);
            peers.on_scan(&me, leases, &observed, FAILOVER, now)
        };
        let mut rows = leases(&["me", "w1", "w2", "w2"]);
        assert_eq!(names(&look(&rows, now).joined), ["w1", "w2"]);
        assert_eq!(look(&rows, now), Changes::default());
        rows[0].checkpoint_owner = rows[0].owner.replace(worker("w3"));
        assert_eq!(names(&look(&rows, now).joined), ["w3"], "somebody waits for ours");
        // w2 is silent, w1 and we are not.
        for second in 1..=11 {
            now += Duration::from_secs(1);
            rows[0].counter = second;
            rows[1].counter = second;
            let changes = look(&rows, now);
            assert_eq!(
                names(&changes.left),
                if second == 11 { vec!["w2"] } else { vec![] }
            );
        }
    }

    #[test]
    fn who_cannot_be_given_a_lease_is_known() {
        let rows = leases(&["me", "w1", "java-1"]);
        let (mut peers, mut observed) = (Peers::default(), Observed::new());
        observed.observe(&rows, origin());
        assert!(peers.is_empty());
        peers.on_scan(&worker("me"), &rows, &observed, FAILOVER, origin());
        let notices = ["me", "w1", "java-1", "w2"].map(|name| peers.notices(&worker(name)));
        assert_eq!(notices, [false, true, false, false]);
        assert!(!peers.is_empty());
    }
}
