//! Who is far above the average gives a part of the excess to those who have least.

use super::loads::Load;
use super::settings::UtilizationSettings;
use super::{Draft, Settled, scatter};

impl Draft<'_> {
    pub(super) fn relieve(&mut self, by: &UtilizationSettings) {
        let threshold = by.threshold_percent / 100.0;
        let mut leases = self.movable(Settled::Yes);
        for (from, mut left) in self.excesses(by) {
            if !self.may_move_more() {
                break;
            }
            // In no particular order, so that it is not always the same leases that move.
            let mut candidates = std::mem::take(&mut leases[from]);
            let lightest = candidates.first().copied();
            candidates.sort_by_key(|lease| scatter(*lease, self.seed));
            let mut moved = false;
            for lease in candidates {
                let share = self.loads.shares[lease];
                if share >= left || !self.may_move_more() {
                    continue;
                }
                if let Some(to) = self.receiver(lease, from, threshold) {
                    self.hand_over(lease, from, to);
                    left -= share;
                    moved = true;
                }
            }
            if let Some(lease) = lightest.filter(|_| by.allow_overshoot && !moved)
                && let Some(to) = self.receiver(lease, from, threshold)
            {
                self.hand_over(lease, from, to);
            }
        }
        self.mark_moving();
    }

    /// Who should give how much, in shares: most first.
    fn excesses(&self, by: &UtilizationSettings) -> Vec<(usize, f64)> {
        let threshold = by.threshold_percent / 100.0;
        let far = |load: &Load| threshold.max(load.grain);
        let is_high = |load: &Load| load.overloaded || load.level >= 1.0 + far(load);
        let active = || {
            self.loads
                .workers
                .iter()
                .enumerate()
                .filter(|(_, load)| load.active)
        };

        let mut donors: Vec<usize> = active()
            .filter(|(_, load)| is_high(load))
            .map(|(worker, _)| worker)
            .collect();
        let somebody_idles = active().any(|(_, load)| load.level <= 1.0 - far(load));
        let nothing_moves = !self.loads.workers.iter().any(Load::is_moving);
        if donors.is_empty() && somebody_idles && nothing_moves {
            let most = active().max_by(|(_, a), (_, b)| a.level.total_cmp(&b.level));
            donors.extend(most.map(|(worker, _)| worker));
        }
        let mut excesses: Vec<(usize, f64)> = donors
            .into_iter()
            .map(|worker| (worker, &self.loads.workers[worker]))
            .filter(|(_, load)| !load.is_moving() && !load.settling && load.level > 1.0)
            .map(|(worker, load)| {
                let excess = load.assigned * (1.0 - 1.0 / load.level);
                (worker, excess * by.dampening_percent / 100.0)
            })
            .collect();
        excesses.sort_by(|(worker_a, a), (worker_b, b)| b.total_cmp(a).then_with(|| worker_a.cmp(worker_b)));
        excesses
    }

    /// The least loaded worker that may get the lease.
    fn receiver(&self, lease: usize, from: usize, threshold: f64) -> Option<usize> {
        let share = self.loads.shares[lease];
        let giver = &self.loads.workers[from];
        let level = giver.level;
        // What the lease does to its holder is what it will do to the next one, if that is more than its weight says:
        // otherwise one expensive lease would go round and round.
        let gain = match giver.assigned > share {
            true => share.max(level * share / giver.assigned),
            false => share.max(level),
        };
        let takes = |(worker, load): &(usize, &Load)| {
            let after = load.level + gain;
            let evens = after <= 1.0 || after <= level - threshold;
            *worker != from
                && !load.giving
                && !load.overloaded
                && evens
                && after <= load.ceiling
                && self.loads.has_room(*worker, &self.problem.leases[lease])
        };
        let workers = self.loads.workers.iter().enumerate();
        workers
            .filter(takes)
            .min_by(|(_, a), (_, b)| a.level.total_cmp(&b.level).then_with(|| a.count.cmp(&b.count)))
            .map(|(worker, _)| worker)
    }
}
