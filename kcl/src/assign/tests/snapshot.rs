//! How rows become standings.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use kinesis_aggregation::ShardId;

use super::worker;
use crate::assign::{Patience, Snapshot, Standing};
use crate::lease::observed::Observed;
use crate::lease::{Lease, LeaseKey};
use crate::position::Checkpoint;
use crate::store::{Listing, SkippedRow};

const PATIENCE: Patience = Patience {
    failover: Duration::from_secs(10),
    hand_over: Duration::from_secs(30),
    neglect: Duration::from_secs(3),
};

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary origin; all tests go on from it by hand"
)]
fn origin() -> Instant {
    Instant::now()
}

fn row(owner: Option<&str>, checkpoint_owner: Option<&str>) -> Lease {
    let mut lease = Lease::new(
        LeaseKey::of_shard(&ShardId::from_number(1)),
        Checkpoint::TrimHorizon,
    );
    lease.owner = owner.map(worker);
    lease.checkpoint_owner = checkpoint_owner.map(worker);
    lease
}

/// How `me` sees the row after having looked at it unchanged for so many seconds.
fn standing_after(seconds: u64, lease: &Lease, i_hold_it: bool) -> Standing {
    let snapshot = seen_after(seconds, lease, i_hold_it);
    snapshot.standing(&lease.key).cloned().unwrap()
}

fn seen_after(seconds: u64, lease: &Lease, i_hold_it: bool) -> Snapshot {
    let start = origin();
    let now = start + Duration::from_secs(seconds);
    let listing = Listing {
        leases: vec![lease.clone()],
        skipped: Vec::new(),
    };
    let mut observed = Observed::new();
    observed.observe(&listing.leases, start);
    observed.observe(&listing.leases, now);
    let held = if i_hold_it {
        HashSet::from([lease.key.clone()])
    } else {
        HashSet::new()
    };
    Snapshot::new(worker("me"), &listing, &held, &observed, PATIENCE, now)
}

#[test]
fn who_lets_a_lease_expire_is_known() {
    let finished = || {
        let mut lease = row(Some("a"), None);
        lease.checkpoint = Checkpoint::ShardEnd;
        lease
    };
    let cases = [
        (11, row(Some("a"), None), true),
        (6, row(Some("a"), None), true),
        (5, row(Some("a"), None), false),
        (11, row(Some("b"), Some("a")), true),
        (11, row(Some("me"), None), false),
        (11, row(None, None), false),
        (11, finished(), false),
    ];
    for (seconds, lease, expected) in cases {
        let snapshot = seen_after(seconds, &lease, false);
        assert_eq!(
            snapshot.is_lapsed(&worker("a")),
            expected,
            "{seconds} s, {lease:?}"
        );
        assert!(!snapshot.is_lapsed(&worker("me")));
    }
}

#[test]
fn only_who_renews_is_known_to_live() {
    let start = origin();
    let mut observed = Observed::new();
    let mut lease = row(Some("a"), None);
    let mut seen = |second: u64, change: fn(&mut Lease)| {
        let now = start + Duration::from_secs(second);
        change(&mut lease);
        let listing = Listing {
            leases: vec![lease.clone()],
            skipped: Vec::new(),
        };
        observed.observe(&listing.leases, now);
        let snapshot = Snapshot::new(worker("me"), &listing, &HashSet::new(), &observed, PATIENCE, now);
        (
            snapshot.is_renewing(&worker("a")),
            snapshot.is_renewing(&worker("b")),
        )
    };
    assert_eq!(seen(0, |_| ()), (false, false));
    assert_eq!(seen(4, |lease| lease.counter += 1), (true, false));
    assert_eq!(seen(9, |_| ()), (true, false));
    assert_eq!(
        seen(10, |_| ()),
        (false, false),
        "silent for longer than a heartbeat takes"
    );
    let given = |lease: &mut Lease| {
        lease.owner = Some(worker("b"));
        lease.counter += 1;
    };
    assert_eq!(seen(13, given), (false, false), "somebody gave it");
    assert_eq!(seen(14, |lease| lease.counter += 1), (false, true));
}

#[test]
fn rows_become_standings() {
    let free = |neglected| Standing::Free { neglected };
    let lapsed = |neglected| Standing::Lapsed { neglected };
    let handing_over = |from, to| Standing::HandingOver {
        from: worker(from),
        to: worker(to),
    };
    let cases = [
        (
            row(None, None),
            false,
            vec![(0, free(false)), (10, free(false)), (11, free(true))],
        ),
        (
            row(Some("a"), None),
            false,
            vec![
                (10, Standing::Held(worker("a"))),
                (11, lapsed(false)),
                (20, lapsed(false)),
                (21, lapsed(true)),
            ],
        ),
        (
            row(Some("me"), None),
            true,
            vec![
                (0, Standing::Held(worker("me"))),
                (99, Standing::Held(worker("me"))),
            ],
        ),
        (
            row(Some("me"), None),
            false,
            vec![(0, Standing::Mine), (99, Standing::Mine)],
        ),
        (
            row(Some("me"), Some("a")),
            false,
            vec![(10, handing_over("a", "me")), (11, lapsed(false))],
        ),
        (
            row(Some("b"), Some("me")),
            true,
            vec![(0, handing_over("me", "b")), (99, handing_over("me", "b"))],
        ),
        // Before a restart I was asked for it, and never gave it.
        (row(Some("b"), Some("me")), false, vec![(0, Standing::Mine)]),
    ];
    for (lease, i_hold_it, times) in cases {
        for (seconds, expected) in times {
            assert_eq!(
                standing_after(seconds, &lease, i_hold_it),
                expected,
                "{lease:?} after {seconds} s"
            );
        }
    }
}

/// Under a leader: what its owner renewed and then did not is anybody's soon. An owner that was given the lease and never renewed it
/// may not have looked yet.
#[test]
fn a_lease_whose_owner_died_is_neglected_before_one_whose_owner_never_came() {
    let start = origin();
    let judge = |before: Lease, seconds: u64| {
        let (mut observed, at) = (Observed::new(), |second| start + Duration::from_secs(second));
        observed.observe(std::slice::from_ref(&before), at(0));
        let mut lease = row(Some("a"), None);
        lease.counter = before.counter + 1;
        let listing = Listing {
            leases: vec![lease.clone()],
            skipped: Vec::new(),
        };
        observed.observe(&listing.leases, at(1));
        let (now, nothing) = (at(1 + seconds), HashSet::new());
        let snapshot = Snapshot::new(worker("me"), &listing, &nothing, &observed, PATIENCE, now);
        snapshot.standing(&lease.key).cloned().unwrap()
    };
    let lapsed = |neglected| Standing::Lapsed { neglected };
    for (seconds, died, never_came) in [
        (11, lapsed(false), lapsed(false)),
        (13, lapsed(false), lapsed(false)),
        (14, lapsed(true), lapsed(false)),
        (20, lapsed(true), lapsed(false)),
        (21, lapsed(true), lapsed(true)),
    ] {
        assert_eq!(judge(row(Some("a"), None), seconds), died, "{seconds}");
        assert_eq!(judge(row(Some("b"), None), seconds), never_came, "{seconds}");
        assert_eq!(judge(row(None, None), seconds), never_came, "{seconds}");
    }
}

#[test]
fn an_overdue_hand_over_goes_to_its_next_owner_and_then_to_anybody() {
    let start = origin();
    let judge = |seconds: u64, to: &str| {
        let mut observed = Observed::new();
        let mut lease = row(Some(to), Some("a"));
        // Its holder is alive and renews every second.
        for second in 0..=seconds {
            lease.counter = second;
            observed.observe(std::slice::from_ref(&lease), start + Duration::from_secs(second));
        }
        let listing = Listing {
            leases: vec![lease.clone()],
            skipped: Vec::new(),
        };
        let now = start + Duration::from_secs(seconds);
        let snapshot = Snapshot::new(worker("me"), &listing, &HashSet::new(), &observed, PATIENCE, now);
        snapshot.standing(&lease.key).cloned().unwrap()
    };
    let waiting = |to| Standing::HandingOver {
        from: worker("a"),
        to: worker(to),
    };
    assert_eq!(judge(40, "me"), waiting("me"));
    assert_eq!(judge(41, "me"), Standing::Mine);
    assert_eq!(judge(50, "b"), waiting("b"));
    assert_eq!(judge(51, "b"), Standing::Lapsed { neglected: false });
}

fn judge_child(parent: Option<Checkpoint>, readable: bool) -> Standing {
    let now = origin();
    let parent_id = ShardId::from_number(0);
    let mut child = row(None, None);
    child.parents.insert(parent_id.clone());
    let mut listing = Listing {
        leases: vec![child.clone()],
        skipped: Vec::new(),
    };
    match parent {
        Some(checkpoint) => listing
            .leases
            .push(Lease::new(LeaseKey::of_shard(&parent_id), checkpoint)),
        None if !readable => listing.skipped.push(SkippedRow {
            key: Some(LeaseKey::of_shard(&parent_id)),
            attribute: "checkpoint",
            reason: "odd".to_owned(),
        }),
        None => {}
    }
    let mut observed = Observed::new();
    observed.observe(&listing.leases, now);
    let snapshot = Snapshot::new(worker("me"), &listing, &HashSet::new(), &observed, PATIENCE, now);
    snapshot.standing(&child.key).cloned().unwrap()
}

#[test]
fn a_child_waits_until_its_parents_are_done_or_gone() {
    let free = Standing::Free { neglected: false };
    let blocked = Standing::Blocked(None);
    assert_eq!(judge_child(Some(Checkpoint::TrimHorizon), true), blocked);
    assert_eq!(judge_child(Some(Checkpoint::ShardEnd), true), free);
    assert_eq!(
        judge_child(None, true),
        free,
        "no row: done, or older than the application"
    );
    assert_eq!(
        judge_child(None, false),
        blocked,
        "a row that cannot be read is not known to be done"
    );
}

#[test]
fn holders_of_finished_and_blocked_leases_are_known_while_they_live() {
    let mut lease = row(Some("a"), None);
    lease.checkpoint = Checkpoint::ShardEnd;
    assert_eq!(
        standing_after(10, &lease, false),
        Standing::Finished(Some(worker("a")))
    );
    assert_eq!(standing_after(11, &lease, false), Standing::Finished(None));
    lease.owner = Some(worker("me"));
    assert_eq!(
        standing_after(99, &lease, false),
        Standing::Finished(Some(worker("me")))
    );
}
