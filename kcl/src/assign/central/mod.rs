//! The leader's plan: every vacant lease gets an owner, newcomers get their share, who has too much is relieved.
//!
//! Pure, over ordinals and numbers; [`rounds`] makes the problem from rows and turns the solution into writes.
//!
//! ```text
//!  rows, reports ──rounds──> Problem ──solve──> 1 vacant    to the least loaded, heaviest first
//!                                               2 even      newcomers (by count: everybody) get from the most loaded
//!                                               3 relieve   by gauges: part of the excess, from those far above average
//!                            Solution <─────────┘
//! ```
//!
//! The numbers and the order of things are those of KCL's lease assignment manager. Departures, each for a complaint:
//! - a load is measured in shares of an average worker, so a fleet without any measure is a fleet of equal leases
//!   (KCL: 0/0, which puts a cold fleet's leases on two workers);
//! - a worker that comes gets its whole share in the next rounds, whatever the damping (KCL: bits of it each 60 s);
//! - a receiver may pass the average if it stays clearly below the giver: without that rule one worker keeps three
//!   leases while nine have none;
//! - a gauge must differ from the average by points of its range too, not only by a percentage of it;
//! - finished and blocked leases weigh nothing and stay where they are;
//! - who takes part in a hand-over, or was relieved lately, gives nothing away until gauges can tell.

pub mod liveness;
pub mod rounds;

mod arrived;
mod even;
mod ladder;
mod loads;
mod model;
mod relieve;
mod rows;
mod settings;
mod vacant;

use self::loads::Loads;
pub use self::model::{
    Assignment, Gauge, GaugeKind, LeaseLoad, Move, Presence, Problem, Solution, Stands, Worker,
};
pub use self::settings::{Reach, Settings, Strategy, UtilizationSettings};

/// Solves one problem. `seed` breaks ties among leases of equal weight.
///
/// A solution assigns vacant leases and begins hand-overs of held ones, each lease once, and gives nothing to workers
/// that are not [`Presence::Active`]. Carried out and solved again, it changes nothing (unless
/// [`Settings::max_moves`] cut it short).
pub fn solve(problem: &Problem, settings: &Settings, reach: Reach, seed: u64) -> Solution {
    let mut draft = Draft {
        problem,
        settings,
        loads: Loads::of(problem, settings),
        solution: Solution::default(),
        seed,
    };
    draft.place_vacant();
    match (settings.strategy, reach) {
        (_, Reach::Vacant) => {}
        (Strategy::LeaseCount, Reach::Balance) => draft.even_out_all(),
        (Strategy::LeaseCount, Reach::Newcomers) => draft.serve_newcomers(0.0),
        (Strategy::Utilization(by), reach) => {
            draft.serve_newcomers(by.threshold_percent / 100.0);
            if reach == Reach::Balance {
                draft.relieve(&by);
            }
        }
    }
    draft.solution
}

/// Whether only leases may move that their holders' gauges reflect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Yes,
    No,
}

/// A solution in the making, and how loaded everybody is with it.
struct Draft<'a> {
    problem: &'a Problem,
    settings: &'a Settings,
    loads: Loads,
    solution: Solution,
    seed: u64,
}

impl Draft<'_> {
    fn hand_over(&mut self, lease: usize, from: usize, to: usize) {
        let load = &self.problem.leases[lease];
        self.loads.take(lease, load, from);
        self.loads.give(lease, load, to);
        if matches!(load.stands, Stands::Vacant { .. }) {
            // Assigned by this very plan, so its next owner has not heard of it.
            self.solution
                .assign
                .retain(|assignment| assignment.lease != lease);
            self.solution.assign.push(Assignment { lease, to });
        } else {
            self.loads.keep_room(load, from);
            self.solution.hand_over.push(Move { lease, from, to });
        }
    }

    /// Tells the next phase who takes part in the hand-overs planned so far.
    fn mark_moving(&mut self) {
        for &Move { from, to, .. } in &self.solution.hand_over {
            self.loads.workers[from].giving = true;
            self.loads.workers[to].getting = true;
        }
    }

    fn may_move_more(&self) -> bool {
        self.solution.hand_over.len() < self.settings.max_moves
    }

    /// The leases that may move, by holder: lightest first, of equal weights those that read least, since they fit where the
    /// others do; the rest in no particular order.
    fn movable(&self, settled: Settled) -> Vec<Vec<usize>> {
        let mut by_holder = vec![Vec::new(); self.problem.workers.len()];
        for (index, lease) in self.problem.leases.iter().enumerate() {
            if let Stands::Held { by, measured } = lease.stands
                && (measured || settled == Settled::No)
            {
                by_holder[by].push(index);
            }
        }
        if settled == Settled::No {
            for assignment in &self.solution.assign {
                by_holder[assignment.to].push(assignment.lease);
            }
        }
        for leases in &mut by_holder {
            leases.sort_by(|a, b| {
                let (weight_a, weight_b) = (self.loads.shares[*a], self.loads.shares[*b]);
                let (reads_a, reads_b) = (self.reads(*a), self.reads(*b));
                weight_a
                    .total_cmp(&weight_b)
                    .then_with(|| reads_a.total_cmp(&reads_b))
                    .then_with(|| scatter(*a, self.seed).cmp(&scatter(*b, self.seed)))
            });
        }
        by_holder
    }

    fn reads(&self, lease: usize) -> f64 {
        loads::known(&self.problem.leases[lease])
    }
}

/// An order that has nothing to do with ordinals: neighbouring shards are often split from one hot shard, and should
/// not all go to one worker.
fn scatter(index: usize, seed: u64) -> u64 {
    // The finaliser of SplitMix64.
    let mut bits = (index as u64 ^ seed).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
