//! What every plan keeps to, whatever the snapshot.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn somebody() -> impl Strategy<Value = WorkerId> {
    prop::sample::select(NAMES.to_vec()).prop_map(worker)
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        4 => somebody().prop_map(Standing::Held),
        2 => any::<bool>().prop_map(|neglected| Standing::Free { neglected }),
        1 => any::<bool>().prop_map(|neglected| Standing::Lapsed { neglected }),
        1 => Just(Standing::Mine),
        1 => (somebody(), somebody())
            .prop_filter("nobody hands over to himself", |(from, to)| from != to)
            .prop_map(|(from, to)| Standing::HandingOver { from, to }),
        1 => prop::option::of(somebody()).prop_map(Standing::Blocked),
        1 => prop::option::of(somebody()).prop_map(Standing::Finished),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (prop_oneof![0_usize..12, Just(usize::MAX)], 1_usize..12).prop_map(|(most, steals)| Limits {
        max_leases_per_worker: most,
        max_leases_to_steal_at_once: NonZeroUsize::new(steals).unwrap(),
    })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let newcomers = prop::sample::subsequence(NAMES.to_vec(), 0..=NAMES.len());
    (prop::collection::vec(standing(), 0..60), newcomers)
        .prop_map(|(standings, new)| seen_by("a", standings).with_newcomers(new.into_iter().map(worker)))
}

/// The loads that count, promised leases with their next owner.
fn loads(snapshot: &Snapshot) -> BTreeMap<WorkerId, usize> {
    let mut loads = BTreeMap::from([(snapshot.me().clone(), 0)]);
    for (_, standing) in snapshot.standings() {
        let (by, count) = match standing {
            Standing::Held(by) => (by, 1),
            Standing::HandingOver { from, to } => {
                loads.entry(from.clone()).or_default();
                (to, 1)
            }
            Standing::Mine => (snapshot.me(), 1),
            Standing::Finished(Some(by)) | Standing::Blocked(Some(by)) => (by, 0),
            _ => continue,
        };
        *loads.entry(by.clone()).or_default() += count;
    }
    loads
}

/// The snapshot as `me` sees it once everybody's plan is carried out and all hand-overs are done.
fn carried_out(snapshot: &Snapshot, me: &WorkerId, plans: &[(WorkerId, Plan)]) -> Snapshot {
    let standings = snapshot.standings().map(|(key, standing)| {
        let taken = plans.iter().find(|(_, plan)| {
            plan.take.contains(key) || plan.hand_over.iter().any(|hand_over| hand_over.key == *key)
        });
        let standing = match (taken, standing) {
            (Some((by, _)), _) => Standing::Held(by.clone()),
            (None, Standing::HandingOver { to, .. }) => Standing::Held(to.clone()),
            (None, standing) => standing.clone(),
        };
        (key.clone(), standing)
    });
    Snapshot::from_standings(me.clone(), standings)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_plan_is_bounded_and_takes_only_what_is_free(
        snapshot in snapshot(), limits in limits(), seed in any::<u64>(),
    ) {
        let plan = plan(&snapshot, &limits, seed);
        let keys: BTreeSet<_> = plan.take.iter().chain(plan.hand_over.iter().map(|h| &h.key)).collect();
        prop_assert_eq!(keys.len(), plan.take.len() + plan.hand_over.len(), "each lease once");
        for key in &plan.take {
            let standing = snapshot.standing(key);
            prop_assert!(matches!(standing, Some(Standing::Free { .. } | Standing::Lapsed { .. } | Standing::Mine)), "{:?}", standing);
        }
        let loads = loads(&snapshot);
        let mine = loads[snapshot.me()];
        for hand_over in &plan.hand_over {
            prop_assert_eq!(snapshot.standing(&hand_over.key), Some(&Standing::Held(hand_over.from.clone())));
            prop_assert!(loads[&hand_over.from] > mine + 1, "nobody gains by this move");
        }
        prop_assert!(plan.hand_over.len() <= limits.max_leases_to_steal_at_once.get());
        let unheld = snapshot.standings().filter(|(_, s)| matches!(s, Standing::Mine)).count();
        let gained = plan.take.len() + plan.hand_over.len();
        prop_assert!(gained == 0 || mine - unheld + gained <= limits.max_leases_per_worker);
    }

    #[test]
    fn nobody_is_relieved_below_the_even_share(snapshot in snapshot()) {
        let plan = plan(&snapshot, &Limits::default(), 0);
        let loads = loads(&snapshot);
        let floor = (loads.values().sum::<usize>()
            + snapshot.standings().filter(|(_, s)| s.is_free()).count()) / loads.len();
        let mut taken: BTreeMap<&WorkerId, usize> = BTreeMap::new();
        for hand_over in &plan.hand_over {
            *taken.entry(&hand_over.from).or_default() += 1;
        }
        for (from, count) in taken {
            prop_assert!(loads[from] - count >= floor);
        }
    }

    /// All workers plan on one snapshot and carry it out: then the fleet is even, and planning again does nothing.
    #[test]
    fn one_round_on_one_view_is_enough_and_the_next_does_nothing(
        standings in prop::collection::vec(
            prop_oneof![
                3 => somebody().prop_map(Standing::Held),
                2 => Just(Standing::Free { neglected: false }),
                1 => Just(Standing::Lapsed { neglected: false }),
                1 => prop::option::of(somebody()).prop_map(Standing::Finished),
            ],
            0..60,
        ),
        seed in any::<u64>(),
    ) {
        // Everybody can be seen, if only by a finished lease.
        let seen = NAMES.map(|name| Standing::Finished(Some(worker(name))));
        let standings: Vec<Standing> = standings.into_iter().chain(seen).collect();
        let plans: Vec<(WorkerId, Plan)> = NAMES
            .map(|me| (worker(me), plan(&seen_by(me, standings.clone()), &Limits::default(), seed)))
            .into();
        let first = seen_by("a", standings);
        for name in NAMES {
            let after = carried_out(&first, &worker(name), &plans);
            let loads = loads(&after);
            let (least, most) = (loads.values().min().unwrap(), loads.values().max().unwrap());
            prop_assert!(most - least <= 1, "{:?}", loads);
            prop_assert!(!after.standings().any(|(_, s)| s.is_free()), "none is left free");
            prop_assert!(plan(&after, &Limits::default(), seed).is_empty());
        }
    }
}

#[test]
fn a_newcomer_costs_no_more_moves_than_its_share() {
    for (leases, workers) in [(100, 1), (100, 3), (7, 5), (4, 4), (1000, 9)] {
        let even = (0..leases).map(|i| Standing::Held(worker(&format!("w{}", i % workers))));
        let plan = plan(&seen_by("new", even), &Limits::default(), 7);
        assert_eq!(
            plan.hand_over.len(),
            leases / (workers + 1),
            "{leases} leases, {workers} workers"
        );
        assert!(plan.take.is_empty());
    }
}

#[test]
fn a_large_fleet_is_planned_quickly_enough_to_be_planned_often() {
    let standings = (0..10_000).map(|i| match i % 3 {
        0 => Standing::Free {
            neglected: i % 2 == 0,
        },
        _ => Standing::Held(worker(&format!("w{:03}", (i * i) % 97))),
    });
    let plan = plan(&seen_by("me", standings), &Limits::default(), 7);
    assert!(plan.take.len() >= 100 && plan.target == 10_000_usize.div_ceil(plan_workers()));
}

/// How many different workers the large fleet has, I included.
fn plan_workers() -> usize {
    let others: BTreeSet<usize> = (0..10_000).filter(|i| i % 3 != 0).map(|i| (i * i) % 97).collect();
    others.len() + 1
}
