//! Leases on their way to this worker.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::lease::{Lease, LeaseKey, WorkerId};

/// The leases that were asked for, or are being handed over, as the last look and the requests since then show them. In a large
/// table a few rows are read sooner than all of them.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    keys: BTreeSet<LeaseKey>,
    /// The last one that was looked at.
    cursor: Option<LeaseKey>,
}

impl Coming {
    /// Forgets what was known: `leases` are all there are.
    pub(crate) fn on_look(&mut self, leases: &[Lease], me: &WorkerId) {
        let coming = leases.iter().filter(|lease| is_coming(lease, me));
        self.keys = coming.map(|lease| lease.key.clone()).collect();
    }

    /// Its holder was asked for it.
    pub(crate) fn on_asked(&mut self, key: LeaseKey) {
        self.keys.insert(key);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The next `most` of them to look at, one after the other.
    pub(crate) fn next(&mut self, most: usize) -> Vec<LeaseKey> {
        let after = match &self.cursor {
            Some(cursor) => (Bound::Excluded(cursor.clone()), Bound::Unbounded),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let rest = self.keys.range(after);
        let next: Vec<_> = rest
            .chain(&self.keys)
            .take(most.min(self.keys.len()))
            .cloned()
            .collect();
        self.cursor = next.last().cloned();
        next
    }

    /// A row as it is now. It is returned when it has arrived.
    pub(crate) fn on_row(&mut self, key: &LeaseKey, row: Option<Lease>, me: &WorkerId) -> Option<Lease> {
        if row.as_ref().is_some_and(|row| is_coming(row, me)) {
            return None;
        }
        self.keys.remove(key);
        row.filter(|row| row.owner.as_ref() == Some(me) && !row.is_finished())
    }
}

fn is_coming(lease: &Lease, me: &WorkerId) -> bool {
    lease.hand_over_pending() && lease.owner.as_ref() == Some(me)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{key, worker};
    use super::*;
    use crate::position::Checkpoint;

    /// A lease of `from`, if anybody, that goes to `to`, if it goes anywhere.
    fn lease(number: usize, from: Option<&str>, to: Option<&str>) -> Lease {
        let mut lease = Lease::new(key(number), Checkpoint::TrimHorizon);
        match to {
            Some(to) => {
                lease.owner = Some(worker(to));
                lease.checkpoint_owner = from.map(worker);
            }
            None => lease.owner = from.map(worker),
        }
        lease
    }

    #[test]
    fn what_comes_is_looked_at_in_turn_until_it_is_there() {
        let me = worker("me");
        let leases = [
            lease(0, Some("a"), Some("me")),
            lease(1, Some("a"), Some("b")),
            lease(2, Some("a"), None),
            lease(3, Some("b"), Some("me")),
            lease(4, Some("me"), None),
        ];
        let mut coming = Coming::default();
        coming.on_look(&leases, &me);
        coming.on_asked(key(2));
        assert_eq!(coming.next(2), [key(0), key(2)]);
        assert_eq!(coming.next(2), [key(3), key(0)]);
        assert_eq!(coming.next(9), [key(2), key(3), key(0)], "each once");

        assert_eq!(
            coming.on_row(&key(0), Some(leases[0].clone()), &me),
            None,
            "not yet"
        );
        let arrived = lease(0, None, Some("me"));
        assert_eq!(coming.on_row(&key(0), Some(arrived.clone()), &me), Some(arrived));
        let elsewhere = lease(2, Some("c"), None);
        assert_eq!(coming.on_row(&key(2), Some(elsewhere), &me), None);
        assert_eq!(coming.on_row(&key(3), None, &me), None, "its stream is gone");
        assert!(coming.is_empty());
        assert_eq!(coming.next(9), []);
    }
}
