//! Workers in the order of their loads.

use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Workers from the least to the most loaded; among equals by number of leases, then by ordinal.
#[derive(Debug, Default)]
pub(super) struct Ladder(BTreeSet<Rung>);

#[derive(Debug, Clone, Copy)]
struct Rung {
    level: f64,
    count: usize,
    worker: usize,
}

impl Ladder {
    pub(super) fn insert(&mut self, level: f64, count: usize, worker: usize) {
        self.0.insert(Rung { level, count, worker });
    }

    pub(super) fn remove(&mut self, level: f64, count: usize, worker: usize) {
        self.0.remove(&Rung { level, count, worker });
    }

    pub(super) fn highest(&self) -> Option<usize> {
        self.0.last().map(|rung| rung.worker)
    }

    /// From the least loaded one up.
    pub(super) fn ascending(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().map(|rung| rung.worker)
    }
}

impl Ord for Rung {
    fn cmp(&self, other: &Self) -> Ordering {
        self.level
            .total_cmp(&other.level)
            .then_with(|| self.count.cmp(&other.count))
            .then_with(|| self.worker.cmp(&other.worker))
    }
}

impl PartialOrd for Rung {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rung {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rung {}
