//! The election without a lock (KCL 2.x): every worker computes the same name from the same lease table.
//!
//! The leader so elected syncs shards and nothing else; two of them for a while are harmless. A dead one stays elected
//! until its leases are taken.

use std::collections::BTreeSet;

use crate::lease::{Lease, WorkerId};

/// The leader among all owners of leases, dead ones included, as every KCL 2.x worker computes it
/// (`DeterministicShuffleShardSyncLeaderDecider`). `None`: nobody owns anything, and everybody leads.
#[must_use]
pub fn elected(leases: &[Lease]) -> Option<&WorkerId> {
    let owners: BTreeSet<&WorkerId> = leases.iter().filter_map(|lease| lease.owner.as_ref()).collect();
    // Java compares UTF-16 units; worker ids of ASCII, which all real ones are, sort the same as here.
    let mut owners: Vec<&WorkerId> = owners.into_iter().collect();
    shuffle(&mut owners, &mut JavaRandom::new(SEED));
    owners.first().copied()
}

/// `java.util.Collections.shuffle`.
fn shuffle<T>(items: &mut [T], random: &mut JavaRandom) {
    for rest in (2..=items.len()).rev() {
        items.swap(rest - 1, random.below(rest));
    }
}

/// `java.util.Random`: a linear congruential generator of 48 bits. Source: its public specification.
struct JavaRandom(u64);

impl JavaRandom {
    fn new(seed: u64) -> Self {
        Self((seed ^ MULTIPLIER) & MASK)
    }

    /// The 31 upper bits of the next state.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        self.0 >> 17
    }

    /// `nextInt(bound)`.
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        let value = if bound.is_power_of_two() {
            (bound * self.next()) >> 31
        } else {
            loop {
                let bits = self.next();
                let value = bits % bound;
                // Java repeats when this sum leaves the range of its int.
                if bits - value + (bound - 1) < 1 << 31 {
                    break value;
                }
            }
        };
        usize::try_from(value).expect("below a usize")
    }
}

/// Source: KCL, the seed of its leader decider.
const SEED: u64 = 1947;
const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const MASK: u64 = (1 << 48) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::LeaseKey;
    use crate::position::Checkpoint;

    /// What a JDK 21 prints for `Collections.shuffle(["w000", ...], new Random(1947))`.
    #[test]
    fn shuffles_as_java_does() {
        let mut eight: Vec<usize> = (0..8).collect();
        shuffle(&mut eight, &mut JavaRandom::new(SEED));
        assert_eq!(eight, [2, 3, 0, 6, 4, 7, 1, 5]);
        for (count, first, last) in [
            (1, 0, 0),
            (2, 0, 1),
            (3, 2, 1),
            (5, 4, 3),
            (16, 11, 10),
            (17, 13, 5),
            (100, 95, 63),
        ] {
            let mut items: Vec<usize> = (0..count).collect();
            shuffle(&mut items, &mut JavaRandom::new(SEED));
            assert_eq!((items[0], items[count - 1]), (first, last), "{count} workers");
        }
        let mut random = JavaRandom::new(SEED);
        assert_eq!(
            [random.below(7), random.below(8), random.below(1_000_000)],
            [1, 2, 954_995]
        );
    }

    #[test]
    fn each_owner_counts_once_and_the_order_of_rows_does_not() {
        let lease = |number: usize, owner: Option<&str>| {
            let mut lease = Lease::new(LeaseKey::new(&format!("s{number}")), Checkpoint::TrimHorizon);
            lease.owner = owner.map(WorkerId::new);
            lease
        };
        assert_eq!(elected(&[lease(0, None)]), None);
        let rows = ["w002", "w000", "w001", "w002", "w002"];
        let leases: Vec<Lease> = rows
            .iter()
            .enumerate()
            .map(|(n, owner)| lease(n, Some(owner)))
            .collect();
        assert_eq!(elected(&leases), Some(&WorkerId::new("w002")));
    }
}
