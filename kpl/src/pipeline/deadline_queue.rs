//! Who wants to be woken when: at most one time for each key.

use std::collections::BTreeSet;
use std::time::Instant;

/// Keys by the time they wait for. The owner of a key keeps its time, so that moving it costs no search.
#[derive(Debug)]
pub(super) struct DeadlineQueue<K>(BTreeSet<(Instant, K)>);

impl<K: Ord + Copy> DeadlineQueue<K> {
    pub(super) fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Moves `key` from its time `from`, kept by the owner, to the time `to`.
    pub(super) fn reschedule(&mut self, key: K, from: &mut Option<Instant>, to: Option<Instant>) {
        if *from == to {
            return;
        }
        if let Some(at) = *from {
            self.0.remove(&(at, key));
        }
        if let Some(at) = to {
            self.0.insert((at, key));
        }
        *from = to;
    }

    /// The earliest time.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// The earliest key whose time has come. It stays in the queue: its owner reschedules it.
    pub(super) fn due(&self, now: Instant) -> Option<K> {
        self.0.first().filter(|(at, _)| *at <= now).map(|(_, key)| *key)
    }

    /// All keys whose time comes until `until`, earliest first.
    pub(super) fn until(&self, until: Instant) -> impl Iterator<Item = K> {
        self.0
            .iter()
            .take_while(move |(at, _)| *at <= until)
            .map(|(_, key)| *key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::tests::start;

    proptest! {
        /// Against a model: a plain table of times.
        #[test]
        fn behaves_like_a_table(moves in prop::collection::vec((0_usize..8, prop::option::of(0_u64..50)), 1..200)) {
            let start = start();
            let mut queue = DeadlineQueue::new();
            let mut kept = [None; 8];
            for (key, to) in moves {
                let to = to.map(|ms| start + Duration::from_millis(ms));
                queue.reschedule(key, &mut kept[key], to);
                prop_assert_eq!(kept[key], to);
                prop_assert_eq!(queue.next(), kept.iter().flatten().min().copied());
                let until = start + Duration::from_millis(25);
                let mut expected: Vec<_> =
                    (0..8).filter(|k| kept[*k].is_some_and(|at| at <= until)).collect();
                expected.sort_by_key(|k| (kept[*k], *k));
                prop_assert_eq!(queue.due(until), expected.first().copied());
                prop_assert_eq!(queue.until(until).collect::<Vec<_>>(), expected);
            }
        }
    }
}
