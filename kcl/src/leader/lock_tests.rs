use super::*;

const S: Duration = Duration::from_secs(1);

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary origin; all tests go on from it by hand"
)]
fn origin() -> Instant {
    Instant::now()
}

fn lock(name: &str) -> Lock {
    Lock::new(WorkerId::new(name), Pace::default(), Terms::new(20 * S))
}

fn row(owner: &str, version: &str) -> LeaderRow {
    LeaderRow {
        owner: WorkerId::new(owner),
        version: version.to_owned(),
        lease_duration: 120 * S,
        released: false,
    }
}

fn leading(now: Instant) -> Lock {
    let mut lock = lock("me");
    lock.on_acquired("v1".to_owned(), now);
    lock
}

#[test]
fn a_free_lock_is_taken_at_once() {
    let now = origin();
    let released = LeaderRow {
        released: true,
        ..row("a", "v7")
    };
    for (found, over) in [
        (None, Over::Nothing),
        (Some(released), Over::Released),
        // A restart under the same name need not wait for itself.
        (Some(row("me", "v3")), Over::Version("v3".to_owned())),
    ] {
        let mut lock = lock("me");
        assert_eq!(lock.next(now), Task::Read);
        lock.on_row(found.as_ref(), now);
        assert_eq!(lock.next(now), Task::Acquire(over));
        assert!(!lock.leads(now), "not before the write");
        lock.on_acquired("mine".to_owned(), now);
        assert!(lock.leads(now));
    }
}

#[test]
fn a_dead_leader_is_replaced_when_one_version_was_seen_for_longer_than_its_duration() {
    let start = origin();
    let mut lock = lock("me");
    for second in (0..=120).step_by(5) {
        let now = start + S * second;
        lock.on_row(Some(&row("a", "v1")), now);
        assert_eq!(lock.next(now), Task::WaitUntil(now + 5 * S), "after {second} s");
    }
    let now = start + 125 * S;
    lock.on_row(Some(&row("a", "v1")), now);
    assert_eq!(lock.next(now), Task::Acquire(Over::Version("v1".to_owned())));
    // Somebody else was faster: it begins anew.
    lock.on_refused(now);
    lock.on_row(Some(&row("b", "v2")), now + 5 * S);
    assert_eq!(lock.next(now + 5 * S), Task::WaitUntil(now + 10 * S));
}

#[test]
fn a_living_leader_is_never_replaced() {
    let start = origin();
    let mut lock = lock("me");
    for second in (0..3600).step_by(5) {
        let now = start + S * second;
        let version = format!("v{}", second / 30);
        lock.on_row(Some(&row("a", &version)), now);
        assert!(matches!(lock.next(now), Task::WaitUntil(_)), "after {second} s");
    }
}

#[test]
fn the_stored_duration_counts_and_not_ours() {
    let start = origin();
    let short = LeaderRow {
        lease_duration: 10 * S,
        ..row("a", "v1")
    };
    let mut lock = lock("me");
    lock.on_row(Some(&short), start);
    lock.on_row(Some(&short), start + 11 * S);
    assert!(matches!(lock.next(start + 11 * S), Task::Acquire(_)));
}

#[test]
fn a_leader_that_works_renews_and_one_that_does_not_releases() {
    let start = origin();
    let mut lock = leading(start);
    assert_eq!(lock.next(start), Task::WaitUntil(start + 30 * S));
    lock.on_round(start + 20 * S);
    assert_eq!(
        lock.next(start + 30 * S),
        Task::Heartbeat {
            version: "v1".to_owned()
        }
    );
    lock.on_heartbeat("v2".to_owned(), start + 30 * S);
    assert_eq!(lock.next(start + 30 * S), Task::WaitUntil(start + 60 * S));
    lock.on_heartbeat("v3".to_owned(), start + 60 * S);
    assert_eq!(
        lock.next(start + 60 * S),
        Task::WaitUntil(start + 80 * S),
        "patience ends before the heartbeat is due"
    );
    let now = start + 81 * S;
    assert_eq!(
        lock.next(now),
        Task::Release {
            version: "v3".to_owned()
        }
    );
    assert!(!lock.leads(now), "from the decision on");
    lock.on_released(now);
    // The others go first.
    for (after, acquires) in [(5, false), (10, false), (15, true)] {
        let then = now + S * after;
        lock.on_row(None, then);
        assert_eq!(matches!(lock.next(then), Task::Acquire(_)), acquires, "{after} s");
    }
}

#[test]
fn failed_rounds_end_leadership_too() {
    let start = origin();
    let mut lock = leading(start);
    lock.on_round_failed();
    lock.on_round_failed();
    assert!(matches!(lock.next(start), Task::WaitUntil(_)));
    lock.on_round(start);
    lock.on_round_failed();
    lock.on_round_failed();
    assert!(matches!(lock.next(start), Task::WaitUntil(_)), "in a row");
    lock.on_round_failed();
    assert!(matches!(lock.next(start), Task::Release { .. }));
}

#[test]
fn a_leader_without_answers_stops_before_anybody_may_replace_it() {
    let start = origin();
    let mut leader = leading(start);
    let mut other = lock("other");
    let mut stopped_at = None;
    // The other one sees the version as soon as it is written, the worst case.
    for second in 0..200 {
        let now = start + S * second;
        leader.on_round(now);
        other.on_row(Some(&row("me", "v1")), now);
        leader.on_failure(now + S);
        if !leader.leads(now) {
            stopped_at.get_or_insert(second);
        }
        if matches!(other.next(now), Task::Acquire(_)) {
            assert_eq!((stopped_at, second), (Some(121), 121));
            assert!(!leader.leads(now));
            assert_eq!(leader.next(now), Task::Read, "a candidate like the others");
            return;
        }
    }
    panic!("nobody took over");
}

#[test]
fn a_refused_heartbeat_is_the_end_of_leadership() {
    let start = origin();
    let mut lock = leading(start);
    lock.on_refused(start + 30 * S);
    assert!(!lock.leads(start + 30 * S));
}

#[test]
fn a_worker_that_stops_releases_the_lock() {
    let start = origin();
    let mut lock = leading(start);
    lock.leave();
    assert!(!lock.leads(start));
    assert!(matches!(lock.next(start), Task::Release { version } if version == "v1"));
    lock.on_released(start);
    lock.leave();
    assert!(
        matches!(lock.next(start), Task::WaitUntil(_)),
        "nothing to release any more"
    );
}
