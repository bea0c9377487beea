//! How much everybody has, in shares of what an average worker has.
//!
//! A worker's *load* is the largest of its gauges, each divided by the fleet's average of its kind; without gauges it
//! is the weight of its leases divided by the average weight. So 1 is average, and all kinds can be compared. A lease
//! given or taken changes the load of its holder by its own share of the average weight, until the gauges tell.

use std::collections::HashMap;

use super::model::{Gauge, GaugeKind, LeaseLoad, Presence, Problem, Stands, Worker};
use super::settings::{Settings, Strategy};

pub(super) struct Loads {
    /// What each lease weighs, in shares of an average worker.
    pub(super) shares: Vec<f64>,
    pub(super) workers: Vec<Load>,
    max_leases: usize,
    max_throughput: f64,
}

pub(super) struct Load {
    pub(super) active: bool,
    /// Unfinished leases, those on their way to it included.
    pub(super) count: usize,
    /// Weight of these leases.
    pub(super) assigned: f64,
    /// 1 is average.
    pub(super) level: f64,
    /// It was relieved lately, and its gauges do not show it yet.
    pub(super) settling: bool,
    /// A hand-over to it is under way.
    pub(super) getting: bool,
    /// A hand-over from it is under way.
    pub(super) giving: bool,
    /// How far from 1 its level may be before leases move, because of the grain of its gauges.
    pub(super) grain: f64,
    /// A gauge is above its operating range.
    pub(super) overloaded: bool,
    /// The level at which the first gauge passes its range.
    pub(super) ceiling: f64,
    throughput: f64,
    /// What is on its way to others and still takes up its room.
    leaving: Leaving,
}

#[derive(Default)]
struct Leaving {
    count: usize,
    throughput: f64,
}

impl Loads {
    pub(super) fn of(problem: &Problem, settings: &Settings) -> Self {
        let active = problem
            .workers
            .iter()
            .filter(|worker| worker.presence == Presence::Active)
            .count();
        let (by_count, max_throughput, points) = match settings.strategy {
            Strategy::LeaseCount => (true, f64::MAX, 0.0),
            Strategy::Utilization(by) => (false, by.max_throughput_per_worker, by.threshold_points),
        };
        let weights = if by_count {
            vec![1.0; problem.leases.len()]
        } else {
            weights(&problem.leases)
        };
        let counted: f64 = problem
            .leases
            .iter()
            .zip(&weights)
            .filter(|(lease, _)| is_load(lease))
            .map(|(_, weight)| weight)
            .sum();
        let per_worker = if by_count || counted <= 0.0 {
            1.0
        } else {
            counted / at_least_one(active)
        };
        let averages = Averages::of(problem);
        let mut loads = Self {
            shares: weights.iter().map(|weight| weight / per_worker).collect(),
            workers: problem
                .workers
                .iter()
                .map(|worker| Load::idle(worker, &averages, by_count, points))
                .collect(),
            max_leases: settings.max_leases_per_worker,
            max_throughput,
        };
        loads.add_leases(problem, by_count);
        loads
    }

    fn add_leases(&mut self, problem: &Problem, by_count: bool) {
        for (index, lease) in problem.leases.iter().enumerate() {
            let share = self.shares[index];
            let by_leases = |worker: usize| by_count || problem.workers[worker].gauges.is_empty();
            match lease.stands {
                Stands::Held { by, measured } => {
                    let grows = by_leases(by) || !measured;
                    self.workers[by].add(share, lease, grows);
                }
                Stands::Awaited { by } => self.workers[by].add(share, lease, true),
                Stands::Moving { from, to } => {
                    self.workers[to].add(share, lease, true);
                    self.workers[to].getting = true;
                    self.workers[from].giving = true;
                    self.workers[from].leave(lease);
                }
                Stands::Vacant { .. } | Stands::Idle { .. } => {}
            }
        }
    }

    /// Whether a worker may get one more lease of this throughput.
    pub(super) fn has_room(&self, worker: usize, lease: &LeaseLoad) -> bool {
        let load = &self.workers[worker];
        self.has_place(worker) && load.occupied() + known(lease) <= self.max_throughput
    }

    /// Whether a worker may get any more lease.
    pub(super) fn has_place(&self, worker: usize) -> bool {
        let load = &self.workers[worker];
        let count = load.count + load.leaving.count;
        load.active && count < self.max_leases && load.occupied() <= self.max_throughput
    }

    pub(super) fn give(&mut self, index: usize, lease: &LeaseLoad, to: usize) {
        let share = self.shares[index];
        self.workers[to].add(share, lease, true);
    }

    pub(super) fn take(&mut self, index: usize, lease: &LeaseLoad, from: usize) {
        let share = self.shares[index];
        let load = &mut self.workers[from];
        load.count -= 1;
        load.assigned -= share;
        load.throughput -= known(lease);
        load.level -= share;
    }

    /// A lease that was taken from a worker is read by it until the hand-over is done: until then its room is not free.
    pub(super) fn keep_room(&mut self, lease: &LeaseLoad, from: usize) {
        self.workers[from].leave(lease);
    }
}

impl Load {
    /// Whether a hand-over that it takes part in is under way.
    pub(super) fn is_moving(&self) -> bool {
        self.getting || self.giving
    }

    fn idle(worker: &Worker, averages: &Averages, by_count: bool, points: f64) -> Self {
        let gauges = if by_count { &[][..] } else { &worker.gauges };
        let relative = |gauge: &Gauge, value: f64| averages.relative(gauge.kind, value);
        Self {
            active: worker.presence == Presence::Active,
            count: 0,
            assigned: 0.0,
            level: gauges
                .iter()
                .map(|gauge| relative(gauge, floored(gauge)))
                .fold(0.0, f64::max),
            settling: worker.settling,
            getting: false,
            giving: false,
            grain: gauges
                .iter()
                .map(|gauge| relative(gauge, gauge.limit * points / 100.0))
                .reduce(f64::min)
                .unwrap_or(0.0),
            overloaded: gauges.iter().any(|gauge| gauge.value > gauge.limit),
            ceiling: gauges
                .iter()
                .map(|gauge| relative(gauge, gauge.limit))
                .fold(f64::MAX, f64::min),
            throughput: 0.0,
            leaving: Leaving::default(),
        }
    }

    fn leave(&mut self, lease: &LeaseLoad) {
        self.leaving.count += 1;
        self.leaving.throughput += known(lease);
    }

    fn occupied(&self) -> f64 {
        self.throughput + self.leaving.throughput
    }

    fn add(&mut self, share: f64, lease: &LeaseLoad, grows: bool) {
        self.count += 1;
        self.assigned += share;
        self.throughput += known(lease);
        if grows {
            self.level += share;
        }
    }
}

/// The mean of each kind of gauge over the active workers that have it.
struct Averages(HashMap<GaugeKind, f64>);

impl Averages {
    fn of(problem: &Problem) -> Self {
        let mut sums: HashMap<GaugeKind, (f64, f64)> = HashMap::new();
        let active = problem
            .workers
            .iter()
            .filter(|worker| worker.presence == Presence::Active);
        for gauge in active.flat_map(|worker| &worker.gauges) {
            let (sum, count) = sums.entry(gauge.kind).or_default();
            *sum += floored(gauge);
            *count += 1.0;
        }
        Self(
            sums.into_iter()
                .map(|(kind, (sum, count))| (kind, sum / count))
                .collect(),
        )
    }

    fn relative(&self, kind: GaugeKind, value: f64) -> f64 {
        match self.0.get(&kind) {
            Some(average) if *average > 0.0 => value / average,
            _ => 1.0,
        }
    }
}

/// A gauge near zero says "idle", not "half as busy as the other idle one".
fn floored(gauge: &Gauge) -> f64 {
    gauge.value.max(gauge.limit * IDLE)
}

/// What each lease weighs: its throughput; the mean of the others where nobody measured it; and never nothing, because
/// an idle lease costs a task and heartbeats too. Where next to nothing is read, all weigh the same: a few bytes here and
/// none there are no reason to move anything.
fn weights(leases: &[LeaseLoad]) -> Vec<f64> {
    let measured: Vec<f64> = leases
        .iter()
        .filter(|lease| is_load(lease))
        .filter_map(|lease| lease.throughput)
        .map(|throughput| throughput.max(0.0))
        .collect();
    let mean = match measured.len() {
        0 => 0.0,
        count => measured.iter().sum::<f64>() / at_least_one(count),
    };
    let least = (mean * LEAST_WEIGHT).max(IDLE_LEASE);
    leases
        .iter()
        .map(|lease| lease.throughput.unwrap_or(mean).max(least))
        .collect()
}

pub(super) fn is_load(lease: &LeaseLoad) -> bool {
    !matches!(lease.stands, Stands::Idle { .. })
}

/// What a lease adds to what its holder is known to read.
pub(super) fn known(lease: &LeaseLoad) -> f64 {
    lease.throughput.unwrap_or(0.0)
}

fn at_least_one(count: usize) -> f64 {
    count.max(1) as f64
}

/// Ours: below a twentieth of its range a gauge says that nothing happens.
const IDLE: f64 = 0.05;
/// Ours: in KiB/s. Below a hundredth of what can be written to a shard nothing happens.
const IDLE_LEASE: f64 = 10.0;
/// Ours: four idle leases weigh as much as one average one.
const LEAST_WEIGHT: f64 = 0.25;
