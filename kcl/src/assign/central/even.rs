//! From who has most to who has least, by weight of leases, until that makes nothing more even.

use super::ladder::Ladder;
use super::{Draft, Settled, scatter};

impl Draft<'_> {
    /// Everybody gives and gets (strategy by lease count).
    pub(super) fn even_out_all(&mut self) {
        let receivers = self.receivers();
        self.even_out(&receivers, 0.0);
    }

    /// Workers that have nothing get their share, and so do newcomers that have a part of it: vacant leases, or what could be
    /// given away when they came. What others' gauges say does not matter: a newcomer's say nothing yet.
    pub(super) fn serve_newcomers(&mut self, margin: f64) {
        let mut newcomers = self.receivers();
        newcomers.retain(|worker| {
            self.loads.workers[*worker].count == 0 || self.problem.workers[*worker].newcomer
        });
        self.even_out(&newcomers, margin);
    }

    fn receivers(&self) -> Vec<usize> {
        (0..self.loads.workers.len())
            .filter(|worker| self.loads.has_place(*worker) && !self.loads.workers[*worker].giving)
            .collect()
    }

    /// `margin`: by how much a receiver must stay below the giver.
    fn even_out(&mut self, receivers: &[usize], margin: f64) {
        if receivers.is_empty() {
            return;
        }
        let mut leases = self.movable(Settled::No);
        let mut low = Ladder::default();
        for worker in receivers {
            let load = &self.loads.workers[*worker];
            low.insert(load.assigned, load.count, *worker);
        }
        let mut high = Ladder::default();
        for (worker, load) in self.loads.workers.iter().enumerate() {
            if load.active && !load.is_moving() && !leases[worker].is_empty() {
                high.insert(load.assigned, load.count, worker);
            }
        }
        let mut gives: Vec<bool> = vec![false; leases.len()];
        high.ascending().for_each(|worker| gives[worker] = true);
        let mut gets: Vec<bool> = vec![false; leases.len()];
        receivers.iter().for_each(|worker| gets[*worker] = true);

        while let Some(from) = high.highest().filter(|_| self.may_move_more()) {
            let Some((to, place)) = self.improvement(from, &leases[from], &low, margin) else {
                let load = &self.loads.workers[from];
                high.remove(load.assigned, load.count, from);
                gives[from] = false;
                continue;
            };
            let lease = leases[from].remove(place);
            for worker in [from, to] {
                let load = &self.loads.workers[worker];
                high.remove(load.assigned, load.count, worker);
                low.remove(load.assigned, load.count, worker);
            }
            self.hand_over(lease, from, to);
            for worker in [from, to] {
                let load = &self.loads.workers[worker];
                if gives[worker] && !leases[worker].is_empty() {
                    high.insert(load.assigned, load.count, worker);
                }
                if gets[worker] {
                    low.insert(load.assigned, load.count, worker);
                }
            }
        }
        self.mark_moving();
    }

    /// The least loaded receiver that one of these leases brings closer to its giver: half the gap is best.
    fn improvement(
        &self,
        from: usize,
        leases: &[usize],
        low: &Ladder,
        margin: f64,
    ) -> Option<(usize, usize)> {
        for to in low.ascending() {
            let gap = self.loads.workers[from].assigned - self.loads.workers[to].assigned;
            if to == from || gap <= margin {
                return None;
            }
            let fits = |place: &usize| self.loads.has_room(to, &self.problem.leases[leases[*place]]);
            let half = leases.partition_point(|lease| self.loads.shares[*lease] <= gap / 2.0 + ROUNDING);
            // Any of them, so that a giver does not keep all the small ones; the largest that fits otherwise.
            let any = || {
                let draw = scatter(self.solution.hand_over.len(), self.seed) % half as u64;
                usize::try_from(draw).ok().filter(fits)
            };
            let best = match half {
                0 => None,
                _ => any().or_else(|| (0..half).rev().find(fits)),
            };
            let least = || {
                let improves = |place: &usize| self.loads.shares[leases[*place]] < gap - margin;
                (half..leases.len()).take_while(improves).find(fits)
            };
            if let Some(place) = best.or_else(least) {
                return Some((to, place));
            }
        }
        None
    }
}

/// Far below any share that counts.
const ROUNDING: f64 = 1e-9;
