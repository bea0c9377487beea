//! Which workers came lately, until they have had their share.
//!
//! One round is not always enough for a share: a newcomer gets a few vacant leases at once, and of the others those that may move
//! just then, which none of a worker that is serving another newcomer may. What is missing then would wait for the next balance.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::model::{Presence, Problem, Solution, Stands};
use crate::lease::WorkerId;

/// The leader's memory of who came.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    known: HashSet<WorkerId>,
    newcomers: HashMap<WorkerId, Instant>,
}

impl Arrived {
    /// Marks the newcomers of a problem: those that held nothing when they were first seen active, which is not longer than
    /// `span` ago. From then on they are like all others.
    pub(super) fn greet(&mut self, ids: &[WorkerId], problem: &mut Problem, span: Duration, now: Instant) {
        let holds = holders(problem);
        let there = |place: usize| problem.workers[place].presence != Presence::Gone;
        let here: HashSet<&WorkerId> = (0..ids.len())
            .filter(|place| there(*place))
            .map(|place| &ids[place])
            .collect();
        self.known.retain(|worker| here.contains(worker));
        self.newcomers
            .retain(|worker, since| here.contains(worker) && now.saturating_duration_since(*since) < span);
        for (place, worker) in problem.workers.iter_mut().enumerate() {
            let id = &ids[place];
            if worker.presence == Presence::Active && !self.known.contains(id) {
                self.known.insert(id.clone());
                if !holds[place] {
                    self.newcomers.insert(id.clone(), now);
                }
            }
            worker.newcomer = self.newcomers.contains_key(id);
        }
    }

    /// Who holds something, and gets nothing more although nothing is under way that could stand in its way, has its share.
    pub(super) fn on_solution(&mut self, ids: &[WorkerId], problem: &Problem, solution: &Solution) {
        let under_way = |stands: Stands| matches!(stands, Stands::Moving { .. } | Stands::Awaited { .. });
        if self.newcomers.is_empty() || problem.leases.iter().any(|lease| under_way(lease.stands)) {
            return;
        }
        let mut gets = vec![false; ids.len()];
        let receivers = solution.assign.iter().map(|assignment| assignment.to);
        for to in receivers.chain(solution.hand_over.iter().map(|change| change.to)) {
            gets[to] = true;
        }
        for (place, holds) in holders(problem).into_iter().enumerate() {
            if holds && !gets[place] {
                self.newcomers.remove(&ids[place]);
            }
        }
    }
}

/// Whether each worker has something, or something is on its way to it.
fn holders(problem: &Problem) -> Vec<bool> {
    let mut holds = vec![false; problem.workers.len()];
    for lease in &problem.leases {
        if let Stands::Held { by, .. } | Stands::Awaited { by } | Stands::Moving { to: by, .. } = lease.stands
        {
            holds[by] = true;
        }
    }
    holds
}
