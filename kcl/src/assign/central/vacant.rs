//! Vacant leases to the least loaded workers that have room.

use super::ladder::Ladder;
use super::model::{Assignment, Stands};
use super::{Draft, scatter};

impl Draft<'_> {
    /// The heaviest first: small ones fill the gaps.
    pub(super) fn place_vacant(&mut self) {
        let mut vacant: Vec<(usize, Option<usize>)> = self
            .problem
            .leases
            .iter()
            .enumerate()
            .filter_map(|(index, lease)| match lease.stands {
                Stands::Vacant { avoid } => Some((index, avoid)),
                _ => None,
            })
            .collect();
        vacant.sort_by(|(a, _), (b, _)| {
            let (weight_a, weight_b) = (self.loads.shares[*a], self.loads.shares[*b]);
            weight_b
                .total_cmp(&weight_a)
                .then_with(|| scatter(*a, self.seed).cmp(&scatter(*b, self.seed)))
        });
        let mut ladder = Ladder::default();
        for (worker, load) in self.loads.workers.iter().enumerate() {
            if self.loads.has_place(worker) {
                ladder.insert(load.level, load.count, worker);
            }
        }
        for (lease, avoid) in vacant {
            match self.find_place(&ladder, lease, avoid) {
                Some(to) => self.place(&mut ladder, lease, to),
                None => self.solution.spillover += 1,
            }
        }
    }

    fn find_place(&self, ladder: &Ladder, lease: usize, avoid: Option<usize>) -> Option<usize> {
        let load = &self.problem.leases[lease];
        let fits = |worker: &usize| self.loads.has_room(*worker, load);
        let shunned = |worker: &usize| Some(*worker) == avoid;
        ladder
            .ascending()
            .find(|worker| fits(worker) && !shunned(worker))
            .or_else(|| avoid.filter(fits))
    }

    fn place(&mut self, ladder: &mut Ladder, lease: usize, to: usize) {
        let before = &self.loads.workers[to];
        ladder.remove(before.level, before.count, to);
        self.loads.give(lease, &self.problem.leases[lease], to);
        if self.loads.has_place(to) {
            let after = &self.loads.workers[to];
            ladder.insert(after.level, after.count, to);
        }
        self.solution.assign.push(Assignment { lease, to });
    }
}
