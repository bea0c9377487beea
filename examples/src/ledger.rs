//! Who got what: the books of a run, from which its promises are judged.
//!
//! Every event has a number, counted up in the order of putting; a key's events must arrive in that order once
//! repeated ones are set aside. Pure: it is told what happened and counts. Memory: a bit per event and a number per
//! key.

use std::collections::HashMap;

/// A set of event numbers, a bit each.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    words: Vec<u64>,
    count: u64,
}

impl Numbers {
    /// Adds `number`; whether it is new.
    pub fn insert(&mut self, number: u64) -> bool {
        let (word, bit) = place(number);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u64::from(new);
        new
    }

    /// Whether `number` is in.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// How many are in.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether none is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many of these are not in `other`.
    #[must_use]
    pub fn missing_from(&self, other: &Self) -> u64 {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        self.words
            .iter()
            .zip(others)
            .map(|(mine, theirs)| u64::from((mine & !theirs).count_ones()))
            .sum()
    }
}

fn place(number: u64) -> (usize, u64) {
    let word = usize::try_from(number / 64).expect("invariant: numbers count events of one run");
    (word, 1 << (number % 64))
}

/// What one application was given.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    delivered: Numbers,
    duplicates: u64,
    order_breaks: u64,
    /// The last new number of each key.
    last: HashMap<Box<str>, u64>,
    /// Who reads each shard now.
    readers: HashMap<Box<str>, Box<str>>,
    lease_moves: u64,
}

/// How an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// For the first time.
    First,
    /// Once more: at-least-once delivery allows it, and the application has to know it.
    Again,
}

impl Ledger {
    /// The event `number` of `key` was given to the application.
    pub fn delivered(&mut self, number: u64, key: &str) -> Arrival {
        if !self.delivered.insert(number) {
            self.duplicates += 1;
            return Arrival::Again;
        }
        match self.last.get_mut(key) {
            Some(last) => {
                self.order_breaks += u64::from(number < *last);
                *last = number.max(*last);
            }
            None => {
                self.last.insert(key.into(), number);
            }
        }
        Arrival::First
    }

    /// `worker` starts reading `shard`.
    pub fn reads(&mut self, worker: &str, shard: &str) {
        let before = self.readers.insert(shard.into(), worker.into());
        self.lease_moves += u64::from(before.is_some_and(|before| *before != *worker));
    }

    /// The shards `worker` was the last to start on.
    #[must_use]
    pub fn shards_of(&self, worker: &str) -> usize {
        self.readers
            .values()
            .filter(|reader| ***reader == *worker)
            .count()
    }

    /// How many different events were delivered.
    #[must_use]
    pub fn delivered_count(&self) -> u64 {
        self.delivered.len()
    }

    /// The balance against what was put and acknowledged.
    #[must_use]
    pub fn balance(&self, put: &Numbers) -> Balance {
        Balance {
            put: put.len(),
            delivered: self.delivered.len(),
            lost: put.missing_from(&self.delivered),
            duplicates: self.duplicates,
            order_breaks: self.order_breaks,
            lease_moves: self.lease_moves,
        }
    }
}

/// What a run comes to, for one application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Events put and acknowledged.
    pub put: u64,
    /// Different events delivered.
    pub delivered: u64,
    /// Events put and not delivered.
    pub lost: u64,
    /// Deliveries beyond the first of an event.
    pub duplicates: u64,
    /// First deliveries that came after a later event of their key.
    pub order_breaks: u64,
    /// Shards that went from one worker to another.
    pub lease_moves: u64,
}

impl Balance {
    /// Whether nothing was lost and each key's order held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.order_breaks == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn numbers(of: &[u64]) -> Numbers {
        let mut numbers = Numbers::default();
        for &number in of {
            numbers.insert(number);
        }
        numbers
    }

    fn ledger(events: &[(u64, &str)]) -> Ledger {
        let mut ledger = Ledger::default();
        for &(number, key) in events {
            ledger.delivered(number, key);
        }
        ledger
    }

    #[test]
    fn losses_duplicates_and_breaks_are_told_apart() {
        type Case<'a> = (&'a str, &'a [(u64, &'a str)], (u64, u64, u64));
        let cases: [Case<'_>; 7] = [
            ("all in order", &[(0, "a"), (1, "b"), (2, "a")], (0, 0, 0)),
            ("keys are apart", &[(1, "b"), (0, "a"), (2, "a")], (0, 0, 0)),
            ("one missing", &[(0, "a"), (2, "a")], (1, 0, 0)),
            (
                "a batch again",
                &[(0, "a"), (1, "b"), (0, "a"), (1, "b"), (2, "a")],
                (0, 2, 0),
            ),
            ("late", &[(2, "a"), (0, "a"), (1, "b")], (0, 0, 1)),
            (
                "again is not late",
                &[(0, "a"), (2, "a"), (0, "a"), (1, "b")],
                (0, 1, 0),
            ),
            ("nothing", &[], (3, 0, 0)),
        ];
        for (name, events, expected) in cases {
            let balance = ledger(events).balance(&numbers(&[0, 1, 2]));
            assert_eq!(
                (balance.lost, balance.duplicates, balance.order_breaks),
                expected,
                "{name}"
            );
            assert_eq!(balance.holds(), expected.0 == 0 && expected.2 == 0, "{name}");
        }
    }

    #[test]
    fn what_was_never_acknowledged_is_not_lost() {
        let balance = ledger(&[(0, "a"), (5, "a")]).balance(&numbers(&[0]));
        assert_eq!((balance.put, balance.delivered, balance.lost), (1, 2, 0));
    }

    #[test]
    fn arrivals_are_told_to_the_application() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.delivered(3, "a"), Arrival::First);
        assert_eq!(ledger.delivered(3, "a"), Arrival::Again);
    }

    #[test]
    fn a_move_is_a_shard_with_another_reader() {
        let mut ledger = Ledger::default();
        for (worker, shard) in [
            ("w1", "s1"),
            ("w1", "s2"),
            ("w1", "s1"),
            ("w2", "s2"),
            ("w1", "s2"),
        ] {
            ledger.reads(worker, shard);
        }
        assert_eq!(ledger.balance(&Numbers::default()).lease_moves, 2);
        assert_eq!((ledger.shards_of("w1"), ledger.shards_of("w2")), (2, 0));
    }

    proptest! {
        #[test]
        fn numbers_are_a_set(a in prop::collection::vec(0_u64..300, 0..80), b in prop::collection::vec(0_u64..300, 0..80)) {
            let (set_a, set_b) = (a.iter().collect::<BTreeSet<_>>(), b.iter().collect::<BTreeSet<_>>());
            prop_assert_eq!(numbers(&a).len(), set_a.len() as u64);
            prop_assert_eq!(numbers(&a).missing_from(&numbers(&b)), set_a.difference(&set_b).count() as u64);
            for number in 0..300 {
                prop_assert_eq!(numbers(&a).contains(number), set_a.contains(&number));
            }
        }

        #[test]
        fn repeating_stretches_never_breaks_order(cuts in prop::collection::vec((0_usize..50, 0_usize..20), 0..6)) {
            // A worker that dies makes the next one start again a bit earlier: the stream rewinds, nothing else.
            let mut ledger = Ledger::default();
            let mut next = 0;
            for (advance, rewind) in cuts.into_iter().chain([(50, 0)]) {
                for number in next..next + advance {
                    ledger.delivered(number as u64, if number % 2 == 0 { "even" } else { "odd" });
                }
                next = (next + advance).saturating_sub(rewind);
            }
            let all = numbers(&(0..next as u64).collect::<Vec<_>>());
            let balance = ledger.balance(&all);
            prop_assert!(balance.holds(), "{:?}", balance);
        }
    }
}
