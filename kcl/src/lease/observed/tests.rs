use super::*;
use crate::position::Checkpoint;

const FAILOVER: Duration = Duration::from_secs(10);

fn row(counter: u64, owner: Option<&str>) -> Lease {
    let mut lease = Lease::new(key(), Checkpoint::TrimHorizon);
    lease.counter = counter;
    lease.owner = owner.map(WorkerId::new);
    lease
}

fn handing_over(counter: u64, from: &str, to: &str) -> Lease {
    let mut lease = row(counter, Some(to));
    lease.checkpoint_owner = Some(WorkerId::new(from));
    lease
}

fn key() -> LeaseKey {
    LeaseKey::new("shardId-000000000000")
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary origin; all tests go on from it by hand"
)]
fn origin() -> Instant {
    Instant::now()
}

/// Shows rows at given seconds and returns the observer and a clock.
fn shown(rows: &[(u64, Lease)]) -> (Observed, impl Fn(u64) -> Instant + use<>) {
    let start = origin();
    let at = move |seconds| start + Duration::from_secs(seconds);
    let mut observed = Observed::new();
    for (seconds, lease) in rows {
        observed.observe(std::slice::from_ref(lease), at(*seconds));
    }
    (observed, at)
}

#[test]
fn expiry_is_counted_from_the_last_change_that_we_saw() {
    // What is seen and when, asked when, expired?
    type Case<'a> = (&'a [(u64, Lease)], u64, bool);
    let cases: [Case<'_>; 9] = [
        (&[(0, row(1, Some("a")))], 0, false),
        (&[(0, row(1, Some("a")))], 10, false),
        (&[(0, row(1, Some("a")))], 11, true),
        (&[(0, row(1, Some("a"))), (9, row(1, Some("a")))], 11, true),
        (&[(0, row(1, Some("a"))), (9, row(2, Some("a")))], 11, false),
        // An old read is a change too: doubt favours the owner.
        (&[(0, row(2, Some("a"))), (9, row(1, Some("a")))], 11, false),
        (&[(0, row(1, None))], 0, true),
        (&[(0, row(1, Some("a"))), (5, row(2, None))], 5, true),
        (&[(0, row(1, None)), (5, row(2, Some("b")))], 14, false),
    ];
    for (rows, asked_at, expired) in cases {
        let (observed, at) = shown(rows);
        assert_eq!(
            observed.expired(&key(), FAILOVER, at(asked_at)),
            expired,
            "{rows:?} at {asked_at}"
        );
    }
}

#[test]
fn a_lease_never_seen_is_not_free() {
    let (observed, at) = shown(&[]);
    assert!(!observed.expired(&key(), FAILOVER, at(1000)));
    assert!(observed.is_empty());
}

#[test]
fn the_start_of_a_hand_over_is_no_sign_of_life() {
    let (observed, at) = shown(&[(0, row(1, Some("a"))), (9, handing_over(1, "a", "b"))]);
    assert!(observed.expired(&key(), FAILOVER, at(11)));
}

#[test]
fn says_for_how_long_a_lease_has_been_vacant() {
    let (observed, at) = shown(&[(0, row(1, Some("a")))]);
    assert_eq!(
        observed.attendance(&key(), FAILOVER, at(25)),
        Attendance::Silent(Duration::from_secs(15)),
        "since it expired"
    );
    let (observed, at) = shown(&[(0, row(1, Some("a"))), (5, row(2, None))]);
    assert_eq!(
        observed.attendance(&key(), FAILOVER, at(9)),
        Attendance::Vacant(Duration::from_secs(4))
    );
}

#[test]
fn a_hand_over_ages_while_both_workers_stay_the_same() {
    let (mut observed, at) = shown(&[(0, row(1, Some("a"))), (5, handing_over(1, "a", "b"))]);
    assert_eq!(observed.hand_over_age(&key(), at(5)), Some(Duration::ZERO));
    observed.observe(&[handing_over(7, "a", "b")], at(20));
    assert_eq!(
        observed.hand_over_age(&key(), at(30)),
        Some(Duration::from_secs(25)),
        "heartbeats do not matter"
    );
    observed.observe(&[handing_over(7, "a", "c")], at(40));
    assert_eq!(
        observed.hand_over_age(&key(), at(41)),
        Some(Duration::from_secs(1)),
        "another hand-over"
    );
    observed.observe(&[row(8, Some("c"))], at(50));
    assert_eq!(observed.hand_over_age(&key(), at(51)), None);
}

#[test]
fn a_worker_is_new_until_it_has_been_seen_for_long_enough() {
    let seen = [
        (0, row(1, Some("a"))),
        (3, handing_over(1, "a", "b")),
        (6, row(2, Some("b"))),
        (30, row(3, Some("a"))),
    ];
    let new_at = |looks: usize, second| {
        let (observed, at) = shown(&seen[..looks]);
        let new = observed.newcomers(FAILOVER, at(second));
        new.map(WorkerId::to_string).collect::<Vec<_>>()
    };
    assert_eq!(new_at(1, 10), ["a"]);
    assert!(new_at(1, 11).is_empty());
    assert_eq!(new_at(2, 11), ["b"], "met when it was promised the lease");
    assert_eq!(new_at(3, 13), ["b"]);
    assert!(new_at(3, 14).is_empty());
    assert_eq!(new_at(4, 31), ["a"], "it had gone meanwhile");
}

#[test]
fn forgets_what_is_gone() {
    let (mut observed, at) = shown(&[(0, row(1, Some("a")))]);
    assert_eq!(observed.len(), 1);
    observed.observe(&[], at(5));
    assert!(observed.is_empty());
    observed.observe(&[row(1, Some("a"))], at(12));
    assert!(
        !observed.expired(&key(), FAILOVER, at(13)),
        "a row that comes back is seen for the first time"
    );
}
