//! What every plan keeps to, whatever the problem.
//!
//! `KCL_PLANNER_PROBLEMS` says how many problems, if not 100,000; `KCL_PLANNER_SEED` with which one to begin.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

fn problems() -> u64 {
    number("KCL_PLANNER_PROBLEMS", 100_000)
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}"))
    })
}

fn any_worker(rng: &mut StdRng) -> Worker {
    let kinds = [GaugeKind::Cpu, GaugeKind::Memory];
    let gauges = match rng.random_range(0..4) {
        0 | 1 => 0,
        2 => 1,
        _ => rng.random_range(0..=2),
    };
    Worker {
        presence: match rng.random_range(0..8) {
            0 => Presence::Gone,
            1 => Presence::Keeps,
            _ => Presence::Active,
        },
        gauges: kinds[..gauges]
            .iter()
            .map(|kind| Gauge {
                kind: *kind,
                value: [0.0, rng.random_range(0.0..5.0), rng.random_range(0.0..110.0)]
                    [rng.random_range(0..3)],
                limit: [100.0, 80.0][rng.random_range(0..2)],
            })
            .collect(),
        settling: rng.random_ratio(1, 10),
        newcomer: rng.random_ratio(1, 10),
    }
}

fn any_lease(rng: &mut StdRng, workers: usize, skew: usize) -> LeaseLoad {
    let throughput = match rng.random_range(0..5) {
        0 => None,
        1 => Some(0.0),
        2 => Some(rng.random_range(0.0..5000.0)),
        _ => Some(rng.random_range(50.0..150.0)),
    };
    let somebody = |rng: &mut StdRng| {
        rng.random_range(0..workers)
            .min(rng.random_range(0..workers * skew))
    };
    let stands = match rng.random_range(0..10) {
        _ if workers == 0 => Stands::Vacant { avoid: None },
        0 | 1 => Stands::Vacant { avoid: None },
        2 => Stands::Vacant {
            avoid: Some(somebody(rng)),
        },
        3 => Stands::Idle {
            by: rng.random_bool(0.5).then(|| somebody(rng)),
        },
        4 if rng.random_bool(0.3) && workers > 1 => {
            let from = somebody(rng);
            let to = (from + rng.random_range(1..workers)) % workers;
            Stands::Moving { from, to }
        }
        5 if rng.random_bool(0.3) => Stands::Awaited { by: somebody(rng) },
        _ => Stands::Held {
            by: somebody(rng),
            measured: rng.random_bool(0.8),
        },
    };
    lease(throughput, stands)
}

fn any_problem(rng: &mut StdRng) -> Problem {
    let workers = rng.random_range(0..9);
    let leases = [rng.random_range(0..12), rng.random_range(0..50)][rng.random_range(0..2)];
    // 1: some workers hold most of what is held.
    let skew = rng.random_range(1..3);
    Problem {
        workers: (0..workers).map(|_| any_worker(rng)).collect(),
        leases: (0..leases).map(|_| any_lease(rng, workers, skew)).collect(),
    }
}

fn any_settings(rng: &mut StdRng) -> Settings {
    let strategy = match rng.random_range(0..3) {
        0 => Strategy::LeaseCount,
        _ => Strategy::Utilization(UtilizationSettings {
            dampening_percent: rng.random_range(1.0..=100.0),
            threshold_percent: rng.random_range(0.0..30.0),
            threshold_points: rng.random_range(0.0..10.0),
            allow_overshoot: rng.random_bool(0.7),
            max_throughput_per_worker: if rng.random_bool(0.2) {
                rng.random_range(0.0..6000.0)
            } else {
                f64::MAX
            },
        }),
    };
    Settings {
        strategy,
        max_leases_per_worker: if rng.random_bool(0.2) {
            rng.random_range(0..12)
        } else {
            usize::MAX
        },
        max_moves: if rng.random_bool(0.1) {
            rng.random_range(0..5)
        } else {
            usize::MAX
        },
    }
}

const REACHES: [Reach; 3] = [Reach::Vacant, Reach::Newcomers, Reach::Balance];

#[derive(Debug)]
struct Case {
    problem: Problem,
    settings: Settings,
    reach: Reach,
    seed: u64,
}

impl Case {
    fn of_seed(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            problem: any_problem(&mut rng),
            settings: any_settings(&mut rng),
            reach: REACHES[rng.random_range(0..3)],
            seed: rng.random(),
        }
    }

    fn solve(&self, problem: &Problem, reach: Reach, seed: u64) -> Solution {
        solve(problem, &self.settings, reach, seed)
    }

    fn max_throughput(&self) -> f64 {
        match self.settings.strategy {
            Strategy::Utilization(by) => by.max_throughput_per_worker,
            Strategy::LeaseCount => f64::MAX,
        }
    }

    fn check(&self, solution: &Solution) -> Result<(), String> {
        self.check_each_change(solution)?;
        self.check_limits(solution)?;
        self.check_nothing_is_left_over(solution)?;
        self.check_moves_even_out(solution)?;
        let again = self.solve(&self.problem, self.reach, self.seed);
        ensure(again == *solution, || {
            "the same problem has two solutions".to_owned()
        })?;
        if solution.hand_over.len() < self.settings.max_moves {
            let after = applied(&self.problem, solution);
            let next = self.solve(&after, self.reach, self.seed ^ 1);
            ensure(next.is_empty(), || format!("solved again it wants {next:?}"))?;
            ensure(next.spillover == solution.spillover, || {
                "spillover changed".to_owned()
            })?;
        }
        Ok(())
    }

    /// Each lease once, vacant ones assigned, held ones moved, living workers served.
    fn check_each_change(&self, solution: &Solution) -> Result<(), String> {
        let mut touched = vec![false; self.problem.leases.len()];
        let mut touch = |lease: usize| {
            ensure(!std::mem::replace(&mut touched[lease], true), || {
                format!("lease {lease} twice")
            })
        };
        let lives = |worker: usize| {
            ensure(self.problem.workers[worker].presence == Presence::Active, || {
                format!("worker {worker} is not active")
            })
        };
        for &Assignment { lease, to } in &solution.assign {
            touch(lease)?;
            lives(to)?;
            let stands = self.problem.leases[lease].stands;
            ensure(matches!(stands, Stands::Vacant { .. }), || {
                format!("lease {lease} is {stands:?}")
            })?;
        }
        for &Move { lease, from, to } in &solution.hand_over {
            touch(lease)?;
            lives(to)?;
            lives(from)?;
            let stands = self.problem.leases[lease].stands;
            ensure(
                from != to && matches!(stands, Stands::Held { by, .. } if by == from),
                || format!("lease {lease} is {stands:?}"),
            )?;
        }
        Ok(())
    }

    fn check_limits(&self, solution: &Solution) -> Result<(), String> {
        ensure(solution.hand_over.len() <= self.settings.max_moves, || {
            "too many moves".to_owned()
        })?;
        if self.reach == Reach::Vacant {
            ensure(solution.hand_over.is_empty(), || {
                "moves, and only vacant ones were asked for".to_owned()
            })?;
        }
        let after = self.loads(&applied(&self.problem, solution));
        let given = solution.assign.iter().map(|a| a.to);
        for to in given.chain(solution.hand_over.iter().map(|m| m.to)) {
            let (count, throughput) = after[to];
            ensure(
                count <= self.settings.max_leases_per_worker && throughput <= self.max_throughput() + 1e-6,
                || format!("worker {to} has {count} leases, {throughput} KiB/s"),
            )?;
        }
        Ok(())
    }

    fn check_nothing_is_left_over(&self, solution: &Solution) -> Result<(), String> {
        let vacant = |problem: &Problem| {
            let leases = problem.leases.iter();
            leases
                .filter(|lease| matches!(lease.stands, Stands::Vacant { .. }))
                .count()
        };
        ensure(
            vacant(&self.problem) == solution.assign.len() + solution.spillover,
            || "a vacant lease is neither assigned nor counted".to_owned(),
        )?;
        if solution.spillover > 0 {
            // Before anything moved nobody had room.
            let placed = applied(
                &self.problem,
                &self.solve(&self.problem, Reach::Vacant, self.seed),
            );
            let loads = self.loads(&placed);
            for lease in placed
                .leases
                .iter()
                .filter(|l| matches!(l.stands, Stands::Vacant { .. }))
            {
                for (worker, (count, throughput)) in loads.iter().enumerate() {
                    let fits = *count < self.settings.max_leases_per_worker
                        && throughput + lease.throughput.unwrap_or(0.0) <= self.max_throughput() - 1e-6
                        && placed.workers[worker].presence == Presence::Active;
                    ensure(!fits, || format!("worker {worker} has room for {lease:?}"))?;
                }
            }
        }
        Ok(())
    }

    /// By count: nobody is relieved below the even share, and unhindered fleets end even.
    fn check_moves_even_out(&self, solution: &Solution) -> Result<(), String> {
        if self.settings.strategy != Strategy::LeaseCount {
            return Ok(());
        }
        let placed = self.solve(&self.problem, Reach::Vacant, self.seed);
        let before = counts_after(&self.problem, &placed);
        let after = counts_after(&self.problem, solution);
        for &Move { from, to, .. } in &solution.hand_over {
            ensure(
                after[from] + 1 >= after[to] && before[from] > before[to] + 1,
                || format!("{from} to {to}: {before:?} to {after:?}"),
            )?;
        }
        let unhindered = self.settings.max_moves == usize::MAX
            && self.settings.max_leases_per_worker == usize::MAX
            && self.reach == Reach::Balance
            && !self
                .problem
                .leases
                .iter()
                .any(|l| matches!(l.stands, Stands::Moving { .. } | Stands::Awaited { .. }));
        // A lease assigned by this very plan is not moved by it.
        if unhindered && placed.assign.is_empty() {
            let active = || {
                self.problem
                    .workers
                    .iter()
                    .zip(&after)
                    .filter(|(w, _)| w.presence == Presence::Active)
            };
            let most = active().map(|(_, count)| *count).max().unwrap_or(0);
            let least = active().map(|(_, count)| *count).min().unwrap_or(0);
            ensure(most - least <= 1, || format!("not even: {after:?}"))?;
        }
        Ok(())
    }

    /// Leases and throughput of each worker, what is promised to it included, and what it has still and will give away.
    fn loads(&self, problem: &Problem) -> Vec<(usize, f64)> {
        let mut loads = vec![(0, 0.0); problem.workers.len()];
        for lease in &problem.leases {
            let workers = match lease.stands {
                Stands::Held { by, .. } | Stands::Awaited { by } => vec![by],
                Stands::Moving { from, to } => vec![from, to],
                _ => Vec::new(),
            };
            for worker in workers {
                loads[worker].0 += 1;
                loads[worker].1 += lease.throughput.unwrap_or(0.0);
            }
        }
        loads
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

#[test]
fn every_plan_of_many_keeps_the_rules() {
    let (mut assigned, mut moved) = (0, 0);
    let first = number("KCL_PLANNER_SEED", 0);
    for seed in first..first + problems() {
        let case = Case::of_seed(seed);
        let solution = case.solve(&case.problem, case.reach, case.seed);
        assigned += solution.assign.len();
        moved += solution.hand_over.len();
        if let Err(why) = case.check(&solution) {
            panic!("problem {seed}: {why}\n{case:#?}\n{solution:?}");
        }
    }
    println!(
        "{} problems, {assigned} leases assigned, {moved} moved",
        problems()
    );
    assert!(
        assigned as u64 > problems() && moved as u64 > problems() / 10,
        "the problems ask for something"
    );
}

/// Gauges that follow the leases a worker has, at its own pace: everything is handed over and measured before the next
/// plan. Such a fleet comes to rest, and stays.
#[test]
fn a_fleet_that_is_balanced_again_and_again_comes_to_rest() {
    for seed in 0..problems() / 100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let workers = rng.random_range(1..12);
        let measured = rng.random_bool(0.5);
        let leases = rng.random_range(0..80);
        let mut problem = Problem {
            workers: vec![Worker::default(); workers],
            leases: (0..leases)
                .map(|_| {
                    let by = rng.random_range(0..workers);
                    let by = by.min(rng.random_range(0..workers));
                    lease(
                        Some(rng.random_range(1.0..1000.0)),
                        Stands::Held { by, measured: true },
                    )
                })
                .collect(),
        };
        let base: Vec<f64> = (0..workers).map(|_| rng.random_range(0.0..3.0)).collect();
        let capacity = problem.leases.iter().filter_map(|l| l.throughput).sum::<f64>() / workers as f64 * 2.0;
        let mut moves = 0;
        for round in 0.. {
            if measured {
                measure(&mut problem, &base, capacity.max(1.0));
            }
            let solution = solve(&problem, &Settings::default(), Reach::Balance, rng.random());
            if solution.is_empty() {
                break;
            }
            moves += solution.hand_over.len();
            assert!(round < 60, "seed {seed}: no rest");
            for &Move { lease, to, .. } in &solution.hand_over {
                problem.leases[lease].stands = Stands::Held {
                    by: to,
                    measured: true,
                };
            }
        }
        assert!(
            moves <= 2 * leases,
            "seed {seed}: {moves} moves of {leases} leases"
        );
    }
}

fn measure(problem: &mut Problem, base: &[f64], capacity: f64) {
    let mut sums = base.to_vec();
    for lease in &problem.leases {
        if let Stands::Held { by, .. } = lease.stands {
            sums[by] += lease.throughput.unwrap_or(0.0) / capacity * 97.0;
        }
    }
    for (worker, value) in problem.workers.iter_mut().zip(sums) {
        worker.gauges = vec![Gauge {
            kind: GaugeKind::Cpu,
            value: value.min(100.0),
            limit: 100.0,
        }];
    }
}
