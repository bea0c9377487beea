//! The planner: what it does in each situation, what it never does, and how a fleet of planners comes to rest.

mod fleet;
mod properties;
mod snapshot;

use std::num::NonZeroUsize;

use super::*;

pub(super) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name)
}

pub(super) fn key(number: usize) -> LeaseKey {
    LeaseKey::new(&format!("shardId-{number:012}"))
}

pub(super) fn held(name: &str, count: usize) -> impl Iterator<Item = Standing> {
    std::iter::repeat_n(Standing::Held(worker(name)), count)
}

pub(super) fn lapsed(count: usize) -> impl Iterator<Item = Standing> {
    std::iter::repeat_n(Standing::Lapsed { neglected: false }, count)
}

pub(super) fn free(count: usize) -> impl Iterator<Item = Standing> {
    std::iter::repeat_n(Standing::Free { neglected: false }, count)
}

/// A snapshot of `me` over these leases, numbered from 0.
pub(super) fn seen_by(me: &str, standings: impl IntoIterator<Item = Standing>) -> Snapshot {
    Snapshot::from_standings(
        worker(me),
        standings
            .into_iter()
            .enumerate()
            .map(|(i, standing)| (key(i), standing)),
    )
}

/// How many leases a plan takes and how many it asks for.
fn sizes(snapshot: &Snapshot) -> (usize, usize) {
    let plan = plan(snapshot, &Limits::default(), 1);
    (plan.take.len(), plan.hand_over.len())
}

/// Who takes free leases in the name of others gives each what it would take itself.
#[test]
fn what_falls_to_others_is_what_they_take() {
    let standings = || {
        held("a", 3)
            .chain(held("b", 1))
            .chain(held("me", 2))
            .chain(free(7))
    };
    let mine = seen_by("me", standings());
    assert_eq!(plan(&mine, &Limits::default(), 1).give, [], "they may be dead");
    let living = mine.with_renewing(["a", "b"].map(worker));
    let given = plan(&living, &Limits::default(), 1).give;
    for other in ["a", "b"] {
        let mut takes = plan(&seen_by(other, standings()), &Limits::default(), 2).take;
        let to_other = given.iter().filter(|(_, to)| *to == worker(other));
        let mut gives: Vec<_> = to_other.map(|(key, _)| key.clone()).collect();
        takes.sort();
        gives.sort();
        assert_eq!(gives, takes);
        assert!(!gives.is_empty());
    }
}

/// Of a dead worker's leases some have expired and others not yet: who lives takes what has.
#[test]
fn what_expired_is_not_left_to_who_let_it_expire() {
    let standings = || {
        held("dead", 2)
            .chain(held("a", 4))
            .chain(held("me", 4))
            .chain(free(4))
    };
    let takes = |me: &str, lapsed: Option<&str>| {
        let snapshot = seen_by(me, standings()).with_lapsed(lapsed.map(worker));
        let plan = plan(&snapshot, &Limits::default(), 1);
        assert_eq!(plan.hand_over, [], "nothing is asked of the dead");
        plan.take.len()
    };
    assert_eq!(
        (takes("me", None), takes("a", None)),
        (1, 1),
        "two are for the third"
    );
    assert_eq!((takes("me", Some("dead")), takes("a", Some("dead"))), (2, 2));
}

#[test]
fn shares_are_even() {
    // Others' leases, mine, free ones; takes and hand-overs asked for.
    type Case = (&'static [usize], usize, usize, (usize, usize));
    let cases: [Case; 14] = [
        (&[], 0, 0, (0, 0)),
        (&[], 0, 7, (7, 0)),
        (&[], 3, 4, (4, 0)),
        (&[4], 0, 0, (0, 2)),
        (&[2], 2, 0, (0, 0)),
        (&[3], 2, 0, (0, 0)),
        (&[2], 3, 0, (0, 0)),
        (&[3], 1, 0, (0, 1)),
        (&[9], 0, 1, (1, 4)),
        (&[5], 0, 5, (5, 0)),
        // Four leases over three workers: somebody has two, and that is for good.
        (&[2, 1], 1, 0, (0, 0)),
        (&[2, 2], 0, 0, (0, 1)),
        (&[1, 1], 1, 1, (0, 0)),
        (&[10, 1, 1], 0, 0, (0, 3)),
    ];
    for (others, mine, vacant, expected) in cases {
        let names = ["a", "b", "c"];
        let loads = others
            .iter()
            .zip(names)
            .flat_map(|(count, name)| held(name, *count));
        let snapshot = seen_by("me", loads.chain(held("me", mine)).chain(free(vacant)));
        assert_eq!(
            sizes(&snapshot),
            expected,
            "others {others:?}, mine {mine}, free {vacant}"
        );
    }
}

#[test]
fn somebody_takes_the_one_lease_that_is_too_many() {
    let standings = || {
        held("a", 1)
            .chain(held("b", 1))
            .chain(held("c", 1))
            .chain(free(1))
    };
    let takes: usize = ["a", "b", "c"]
        .map(|me| sizes(&seen_by(me, standings())).0)
        .iter()
        .sum();
    assert_eq!(takes, 1);
}

#[test]
fn a_dead_workers_leases_fall_to_those_who_know_of_its_death() {
    // Those of the silent, of `me`, of a newcomer, free ones; what `me` takes and asks for.
    type Case = (usize, usize, usize, usize, (usize, usize));
    let cases: [Case; 5] = [
        (4, 4, 1, 0, (4, 0)),
        // By quotas, 4 and 4, the newcomer would get these.
        (3, 4, 1, 0, (3, 0)),
        // What everybody sees is free still goes by need.
        (3, 4, 1, 2, (3, 0)),
        (0, 4, 1, 3, (0, 0)),
        (2, 0, 7, 0, (2, 2)),
    ];
    for (silent, mine, new, vacant, expected) in cases {
        let seen = lapsed(silent)
            .chain(held("me", mine))
            .chain(held("new", new))
            .chain(free(vacant));
        let snapshot = seen_by("me", seen).with_newcomers([worker("new")]);
        assert_eq!(sizes(&snapshot), expected, "{silent} {mine} {new} {vacant}");
    }
}

#[test]
fn those_who_know_of_a_death_share_what_it_left() {
    let standings = || {
        held("a", 3)
            .chain(held("b", 2))
            .chain(held("new", 1))
            .chain(lapsed(6))
    };
    let takes = ["a", "b"].map(|me| {
        let snapshot = seen_by(me, standings()).with_newcomers([worker("new")]);
        plan(&snapshot, &Limits::default(), 1).take
    });
    assert_eq!(takes.each_ref().map(Vec::len), [3, 3]);
    assert!(takes[0].iter().all(|key| !takes[1].contains(key)));
}

#[test]
fn workers_with_one_view_never_want_the_same_lease() {
    let standings = || {
        held("a", 11)
            .chain(held("b", 1))
            .chain(held("c", 0))
            .chain(held("d", 2))
            .chain(free(7))
    };
    let mut wanted = std::collections::BTreeSet::new();
    for me in ["a", "b", "d"] {
        let plan = plan(&seen_by(me, standings()), &Limits::default(), 1);
        for key in plan
            .take
            .into_iter()
            .chain(plan.hand_over.into_iter().map(|hand_over| hand_over.key))
        {
            assert!(wanted.insert(key), "two workers want one lease");
        }
    }
    assert_eq!(
        wanted.len(),
        11,
        "7 free ones, and 4 of a's 11: 21 leases over 3 workers"
    );
}

#[test]
fn finished_and_blocked_leases_are_no_load_and_stay() {
    let done = || std::iter::repeat_n(Standing::Finished(Some(worker("a"))), 10);
    let waiting = || std::iter::repeat_n(Standing::Blocked(Some(worker("a"))), 10);
    let nobodys = || [Standing::Finished(None), Standing::Blocked(None)];
    let snapshot = seen_by("me", done().chain(waiting()).chain(nobodys()));
    let plan = plan(&snapshot, &Limits::default(), 1);
    assert!(plan.is_empty());
    assert_eq!((plan.target, plan.unplaced), (0, 0));

    let snapshot = seen_by("me", done().chain(waiting()).chain(held("me", 4)));
    assert_eq!(sizes(&snapshot), (0, 0));
    let snapshot = seen_by("a", done().chain(waiting()).chain(held("me", 4)));
    assert_eq!(sizes(&snapshot), (0, 2), "a is alive, and has no load at all");
}

#[test]
fn promised_leases_count_for_their_next_owner_and_are_not_asked_for_again() {
    let promised = Standing::HandingOver {
        from: worker("a"),
        to: worker("me"),
    };
    let snapshot = seen_by("me", held("a", 2).chain([promised.clone(), promised]));
    assert_eq!(sizes(&snapshot), (0, 0));
    let to_b = Standing::HandingOver {
        from: worker("a"),
        to: worker("b"),
    };
    let snapshot = seen_by("me", std::iter::repeat_n(to_b, 4));
    assert_eq!(sizes(&snapshot), (0, 0), "they are all on their way");
}

#[test]
fn what_has_my_name_on_it_is_taken_whatever_my_share() {
    let snapshot = seen_by(
        "me",
        std::iter::repeat_n(Standing::Mine, 3)
            .chain(held("a", 1))
            .chain(free(2)),
    );
    let plan = plan(&snapshot, &Limits::default(), 1);
    assert_eq!(plan.take, [key(0), key(1), key(2)]);
    assert_eq!(plan.unplaced, 2, "a takes those");
}

#[test]
fn a_limit_per_worker_holds_for_everything() {
    let limits = |most| Limits {
        max_leases_per_worker: most,
        ..Limits::default()
    };
    let standings = || {
        std::iter::repeat_n(Standing::Mine, 2)
            .chain(held("me", 1))
            .chain(free(2))
            .chain(held("a", 9))
    };
    for (most, takes, hand_overs) in [
        (0, 0, 0),
        (1, 0, 0),
        (2, 1, 0),
        (3, 2, 0),
        (5, 4, 0),
        (6, 4, 1),
        (99, 4, 2),
    ] {
        let plan = plan(&seen_by("me", standings()), &limits(most), 1);
        assert_eq!(
            (plan.take.len(), plan.hand_over.len()),
            (takes, hand_overs),
            "limit {most}"
        );
    }
}

#[test]
fn a_limit_on_steals_holds() {
    let limits = Limits {
        max_leases_to_steal_at_once: NonZeroUsize::MIN,
        ..Limits::default()
    };
    let plan = plan(&seen_by("me", held("a", 10)), &limits, 1);
    assert_eq!(plan.hand_over.len(), 1);
    assert_eq!(plan.hand_over[0].from, worker("a"));
    assert_eq!(plan.target, 5);
}

#[test]
fn neglected_leases_are_taken_beyond_the_share() {
    let neglected = |count| std::iter::repeat_n(Standing::Free { neglected: true }, count);
    // `a` should take four of these and has a limit of its own.
    let plan = plan(
        &seen_by("me", held("a", 1).chain(held("me", 5)).chain(neglected(4))),
        &Limits::default(),
        1,
    );
    assert_eq!(plan.take.len(), 2, "half of them, as there are two of us");
    assert_eq!(plan.unplaced, 2);
}

#[test]
fn the_order_of_takes_depends_on_the_seed_and_nothing_else() {
    let order = |seed| plan(&seen_by("me", free(20)), &Limits::default(), seed).take;
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    let sorted = |mut keys: Vec<LeaseKey>| {
        keys.sort();
        keys
    };
    assert_eq!(sorted(order(1)), sorted(order(2)));
}
