//! What the leader's plan does in each situation. What it always keeps to is in `properties`.

mod properties;

use super::*;

fn active() -> Worker {
    Worker::default()
}

fn cpu(value: f64) -> Worker {
    Worker {
        gauges: vec![Gauge {
            kind: GaugeKind::Cpu,
            value,
            limit: 100.0,
        }],
        ..Worker::default()
    }
}

fn present(presence: Presence) -> Worker {
    Worker {
        presence,
        ..Worker::default()
    }
}

fn vacant(count: usize) -> Vec<LeaseLoad> {
    vec![lease(None, Stands::Vacant { avoid: None }); count]
}

fn held(by: usize, count: usize) -> Vec<LeaseLoad> {
    vec![lease(None, Stands::Held { by, measured: true }); count]
}

fn reading(by: usize, throughputs: &[f64]) -> Vec<LeaseLoad> {
    let stands = Stands::Held { by, measured: true };
    throughputs
        .iter()
        .map(|throughput| lease(Some(*throughput), stands))
        .collect()
}

fn lease(throughput: Option<f64>, stands: Stands) -> LeaseLoad {
    LeaseLoad { throughput, stands }
}

fn problem(workers: impl Into<Vec<Worker>>, leases: impl IntoIterator<Item = Vec<LeaseLoad>>) -> Problem {
    Problem {
        workers: workers.into(),
        leases: leases.into_iter().flatten().collect(),
    }
}

fn by_count() -> Settings {
    Settings {
        strategy: Strategy::LeaseCount,
        ..Settings::default()
    }
}

fn by_use() -> Settings {
    Settings::default()
}

/// How many leases each worker has once the plan is carried out.
fn counts_after(problem: &Problem, solution: &Solution) -> Vec<usize> {
    let mut counts = vec![0; problem.workers.len()];
    for lease in &applied(problem, solution).leases {
        match lease.stands {
            Stands::Held { by, .. } | Stands::Awaited { by } => counts[by] += 1,
            Stands::Moving { to, .. } => counts[to] += 1,
            _ => {}
        }
    }
    counts
}

/// The rows right after the writes: gauges know nothing of it yet.
fn applied(problem: &Problem, solution: &Solution) -> Problem {
    let mut after = problem.clone();
    for &Assignment { lease, to } in &solution.assign {
        after.leases[lease].stands = Stands::Held {
            by: to,
            measured: false,
        };
    }
    for &Move { lease, from, to } in &solution.hand_over {
        after.leases[lease].stands = Stands::Moving { from, to };
    }
    after
}

#[test]
fn a_cold_fleet_is_even_at_once() {
    for settings in [by_use(), by_count()] {
        for (workers, leases) in [(4, 64), (2, 5), (3, 1), (10, 100), (7, 0)] {
            let problem = problem(vec![active(); workers], [vacant(leases)]);
            let solution = solve(&problem, &settings, Reach::Balance, 1);
            let counts = counts_after(&problem, &solution);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{counts:?}");
            assert_eq!(counts.iter().sum::<usize>(), leases);
            assert!(solution.hand_over.is_empty());
        }
    }
}

#[test]
fn idle_gauges_of_a_cold_fleet_are_not_believed() {
    // 0.2 % against 3 % is noise, although it is fifteen times as much.
    let workers = [cpu(0.2), cpu(3.0), cpu(0.0), cpu(1.0)];
    let problem = problem(workers, [vacant(40)]);
    let solution = solve(&problem, &by_use(), Reach::Balance, 1);
    assert_eq!(counts_after(&problem, &solution), [10, 10, 10, 10]);
}

#[test]
fn the_dead_and_the_blind_get_nothing() {
    for presence in [Presence::Gone, Presence::Keeps] {
        let problem = problem([active(), present(presence)], [vacant(6), held(0, 10)]);
        for settings in [by_use(), by_count()] {
            let solution = solve(&problem, &settings, Reach::Balance, 1);
            assert_eq!(counts_after(&problem, &solution), [16, 0]);
        }
    }
    let problem = problem([present(Presence::Gone)], [vacant(3)]);
    assert_eq!(solve(&problem, &by_use(), Reach::Balance, 1).spillover, 3);
}

#[test]
fn who_let_a_lease_expire_gets_it_back_only_when_alone() {
    let lost = vec![lease(None, Stands::Vacant { avoid: Some(0) })];
    let two = problem([active(), active()], [lost.clone(), held(1, 5)]);
    let solution = solve(&two, &by_use(), Reach::Vacant, 1);
    assert_eq!(solution.assign, [Assignment { lease: 0, to: 1 }]);
    let alone = problem([active()], [lost]);
    let solution = solve(&alone, &by_use(), Reach::Vacant, 1);
    assert_eq!(solution.assign, [Assignment { lease: 0, to: 0 }]);
}

#[test]
fn a_newcomer_gets_its_share_in_one_plan() {
    for settings in [by_use(), by_count()] {
        let problem = problem([active(), active(), active()], [held(0, 15), held(1, 15)]);
        let solution = solve(&problem, &settings, Reach::Newcomers, 1);
        assert_eq!(counts_after(&problem, &solution), [10, 10, 10]);
        assert_eq!(solution.hand_over.len(), 10, "no more moves than its share");
    }
    // Whatever gauges say: the average of a hundred workers hides one that has nothing.
    let mut workers = vec![cpu(50.0); 100];
    workers.push(cpu(1.0));
    let leases = (0..100).map(|by| held(by, 10));
    let problem = problem(workers, leases);
    let solution = solve(&problem, &by_use(), Reach::Newcomers, 1);
    let share = counts_after(&problem, &solution)[100];
    assert!((8..=10).contains(&share), "{share}");
}

#[test]
fn leases_are_spread_even_when_there_are_more_workers() {
    let mut workers = vec![active(); 9];
    workers.push(active());
    let problem = problem(workers, [held(9, 3)]);
    for settings in [by_use(), by_count()] {
        let solution = solve(&problem, &settings, Reach::Newcomers, 1);
        assert_eq!(counts_after(&problem, &solution).iter().max(), Some(&1));
        assert_eq!(solution.hand_over.len(), 2);
    }
}

#[test]
fn equal_counts_rest_and_unequal_ones_do_not() {
    for (counts, moves) in [
        ([5, 5, 5], 0),
        ([5, 6, 5], 0),
        ([5, 7, 5], 1),
        ([9, 0, 0], 6),
        ([2, 2, 1], 0),
        ([4, 1, 1], 2),
    ] {
        let leases = counts.iter().enumerate().map(|(by, count)| held(by, *count));
        let problem = problem(vec![active(); 3], leases);
        let solution = solve(&problem, &by_count(), Reach::Balance, 1);
        assert_eq!(solution.hand_over.len(), moves, "{counts:?}");
    }
}

#[test]
fn small_differences_move_nothing() {
    // Ten percent of the average and five points of the range must both be passed.
    let moves = |values: [f64; 2]| {
        let leases = [reading(0, &[100.0; 20]), reading(1, &[100.0; 20])];
        let problem = problem(values.map(cpu), leases);
        solve(&problem, &by_use(), Reach::Balance, 1).hand_over.len()
    };
    for (values, expected) in [
        ([50.0, 50.0], 0),
        ([54.0, 46.0], 0),
        ([56.0, 44.0], 1),
        ([14.0, 8.0], 0),
        ([90.0, 10.0], 5),
    ] {
        assert_eq!(moves(values), expected, "{values:?}");
    }
}

/// A fleet on 1,000 shards with a record now and then moved 384 of them in 30 s.
#[test]
fn a_few_bytes_are_no_load() {
    let leases = [
        reading(0, &[0.3, 0.0, 0.0, 4.0]),
        reading(1, &[0.0, 0.0, 0.0, 0.0]),
    ];
    let mut idle = problem([active(), active()], leases);
    assert!(solve(&idle, &by_use(), Reach::Balance, 1).is_empty());
    idle.leases.extend(vacant(8).into_iter().map(|lease| LeaseLoad {
        throughput: Some(0.01),
        ..lease
    }));
    let solution = solve(&idle, &by_use(), Reach::Balance, 1);
    assert_eq!(counts_after(&idle, &solution), [8, 8]);
}

#[test]
fn part_of_the_excess_is_taken() {
    // 90 against an average of 50: 4/9 of 20 leases are too many, and 60 % of that is taken: 5.3 leases.
    let leases = [reading(0, &[100.0; 20]), reading(1, &[100.0; 20])];
    let problem = problem([cpu(90.0), cpu(10.0)], leases);
    let damped = |percent| {
        let settings = Settings {
            strategy: Strategy::Utilization(UtilizationSettings {
                dampening_percent: percent,
                ..UtilizationSettings::default()
            }),
            ..Settings::default()
        };
        solve(&problem, &settings, Reach::Balance, 1).hand_over.len()
    };
    assert_eq!([damped(10.0), damped(60.0), damped(100.0)], [1, 5, 8]);
}

#[test]
fn a_lease_larger_than_the_excess_moves_only_if_allowed() {
    let problem = problem(
        [active(), active()],
        [reading(0, &[300.0, 300.0, 300.0]), reading(1, &[300.0])],
    );
    // Excess: half of 3 leases too many, 0.6 of one: no lease is that small.
    let moves = |allow_overshoot| {
        let settings = Settings {
            strategy: Strategy::Utilization(UtilizationSettings {
                allow_overshoot,
                ..UtilizationSettings::default()
            }),
            ..Settings::default()
        };
        solve(&problem, &settings, Reach::Balance, 1).hand_over.len()
    };
    assert_eq!((moves(true), moves(false)), (1, 0));
}

/// Idle leases weigh the same, whatever little is read from them. Which one a lot put first decided whether one moved.
#[test]
fn of_equally_light_leases_the_one_that_fits_moves_whatever_the_lot() {
    let problem = problem(
        [cpu(90.0), cpu(10.0)],
        [reading(0, &[100.0, 0.0, 100.0, 3000.0]), reading(1, &[3000.0])],
    );
    let settings = Settings {
        strategy: Strategy::Utilization(UtilizationSettings {
            dampening_percent: 1.0,
            max_throughput_per_worker: 3050.0,
            ..UtilizationSettings::default()
        }),
        ..Settings::default()
    };
    for seed in 0..50 {
        let solution = solve(&problem, &settings, Reach::Balance, seed);
        let idle = Move {
            lease: 1,
            from: 0,
            to: 1,
        };
        assert_eq!(solution.hand_over, [idle], "seed {seed}");
    }
}

#[test]
fn one_lease_too_large_for_anybody_stays() {
    let problem = problem(
        [active(), active()],
        [reading(0, &[5000.0]), reading(1, &[1.0, 1.0])],
    );
    assert!(solve(&problem, &by_use(), Reach::Balance, 1).is_empty());
}

#[test]
fn who_was_relieved_lately_is_not_relieved_again() {
    let mut hot = cpu(90.0);
    hot.settling = true;
    let leases = || [reading(0, &[100.0; 20]), reading(1, &[100.0; 20])];
    let settling = problem([hot, cpu(10.0)], leases());
    assert!(solve(&settling, &by_use(), Reach::Balance, 1).is_empty());

    let mut under_way = problem([cpu(90.0), cpu(10.0)], leases());
    under_way.leases[0].stands = Stands::Moving { from: 0, to: 1 };
    assert!(solve(&under_way, &by_use(), Reach::Balance, 1).is_empty());
}

#[test]
fn limits_hold_and_what_does_not_fit_is_counted() {
    let few = Settings {
        max_leases_per_worker: 3,
        ..Settings::default()
    };
    let eight = problem([active(), active()], [vacant(8)]);
    let solution = solve(&eight, &few, Reach::Balance, 1);
    assert_eq!(counts_after(&eight, &solution), [3, 3]);
    assert_eq!(solution.spillover, 2);

    let narrow = Settings {
        strategy: Strategy::Utilization(UtilizationSettings {
            max_throughput_per_worker: 250.0,
            ..UtilizationSettings::default()
        }),
        ..Settings::default()
    };
    let free = |throughput| lease(Some(throughput), Stands::Vacant { avoid: None });
    let leases = vec![free(200.0), free(200.0), free(100.0), free(50.0)];
    let wide = problem([active(), active()], [leases]);
    let solution = solve(&wide, &narrow, Reach::Balance, 1);
    assert_eq!(
        (solution.assign.len(), solution.spillover),
        (3, 1),
        "100 does not fit beside 200"
    );

    let slow = Settings {
        max_moves: 2,
        ..by_count()
    };
    let uneven = problem([active(), active()], [held(0, 10)]);
    assert_eq!(solve(&uneven, &slow, Reach::Balance, 1).hand_over.len(), 2);
}

/// A worker reads what it gives away until it has given it away. A leader that counted its room as free filled it at once.
#[test]
fn what_is_on_its_way_takes_up_room_at_both_ends() {
    let three = Settings {
        max_leases_per_worker: 3,
        ..Settings::default()
    };
    let mut under_way = problem([active(), active()], [held(0, 3), held(1, 1), vacant(2)]);
    under_way.leases[0].stands = Stands::Moving { from: 0, to: 1 };
    let solution = solve(&under_way, &three, Reach::Balance, 1);
    assert_eq!(counts_after(&under_way, &solution), [2, 3]);
    assert_eq!(solution.spillover, 1, "worker 0 has three leases still");

    // And so does what this very plan moves: planned again, nothing more fits.
    let full = problem([active(), active()], [held(0, 3), vacant(3)]);
    let solution = solve(&full, &three, Reach::Balance, 1);
    let after = applied(&full, &solution);
    assert!(solve(&after, &three, Reach::Balance, 1).is_empty());
}

#[test]
fn finished_and_blocked_leases_are_no_load() {
    let idle = vec![lease(Some(500.0), Stands::Idle { by: Some(0) }); 20];
    let problem = problem([active(), active()], [idle, held(0, 2), held(1, 2), vacant(2)]);
    for settings in [by_use(), by_count()] {
        let solution = solve(&problem, &settings, Reach::Balance, 1);
        assert_eq!(counts_after(&problem, &solution), [3, 3]);
        assert!(solution.hand_over.is_empty());
    }
}

#[test]
fn the_heaviest_lease_goes_to_the_least_loaded_and_small_ones_fill_the_gaps() {
    let free = |throughput| lease(Some(throughput), Stands::Vacant { avoid: None });
    let leases = [900.0, 100.0, 100.0, 100.0, 100.0, 500.0].map(free).to_vec();
    let problem = problem([active(), active()], [leases]);
    let solution = solve(&problem, &by_use(), Reach::Vacant, 1);
    let after = applied(&problem, &solution);
    let mut sums = [0.0; 2];
    for lease in &after.leases {
        if let Stands::Held { by, .. } = lease.stands {
            sums[by] += lease.throughput.unwrap();
        }
    }
    assert_eq!(sums, [900.0, 900.0]);
}

#[test]
fn neighbouring_leases_do_not_stay_together() {
    let problem = problem(vec![active(); 4], [vacant(400)]);
    let solution = solve(&problem, &by_use(), Reach::Vacant, 1);
    let after = applied(&problem, &solution);
    let holder = |index: usize| match after.leases[index].stands {
        Stands::Held { by, .. } => by,
        _ => unreachable!("all were vacant"),
    };
    let together = (1..400).filter(|n| holder(*n) == holder(n - 1)).count();
    assert!((50..150).contains(&together), "{together}: a quarter by chance");
}

/// `cargo test --release -p kinesis-kcl --lib -- --ignored --nocapture plans_of_a_large_fleet`
#[test]
#[ignore = "prints how long plans take; says something in a release build only"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn plans_of_a_large_fleet() {
    let workers: Vec<Worker> = (0..100).map(|n| cpu(f64::from(30 + n % 40))).collect();
    let weight = |n: usize| Some(((n * 7919) % 997) as f64);
    let cases = [
        ("all vacant", 10_000, 0),
        ("all held by 90 of 100", 0, 90),
        ("half vacant", 5_000, 100),
    ];
    for (name, free, holders) in cases {
        let leases = (0..10_000).map(|n| {
            let stands = if n < free {
                Stands::Vacant { avoid: None }
            } else {
                Stands::Held {
                    by: n % holders,
                    measured: true,
                }
            };
            lease(weight(n), stands)
        });
        let problem = problem(workers.clone(), [leases.collect()]);
        for (strategy, settings) in [("utilization", by_use()), ("lease count", by_count())] {
            let start = std::time::Instant::now();
            let solution = solve(&problem, &settings, Reach::Balance, 1);
            println!(
                "10000 leases x 100 workers, {name}, by {strategy}: {:.1} ms, {} assigned, {} moved",
                start.elapsed().as_secs_f64() * 1000.0,
                solution.assign.len(),
                solution.hand_over.len()
            );
        }
    }
}
