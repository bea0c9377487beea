use proptest::prelude::*;

use super::*;
use crate::lease::LeaseKey;
use crate::position::Checkpoint;

const FAILOVER: Duration = Duration::from_secs(10);

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary origin; all tests go on from it by hand"
)]
fn origin() -> Instant {
    Instant::now()
}

fn row(counter: u64) -> Lease {
    let mut lease = Lease::new(LeaseKey::new("shardId-000000000000"), Checkpoint::TrimHorizon);
    lease.counter = counter;
    lease.owner = Some(WorkerId::new("me"));
    lease
}

fn asked_for(counter: u64) -> Lease {
    let mut lease = row(counter);
    lease.checkpoint_owner = lease.owner.replace(WorkerId::new("next"));
    lease
}

fn held() -> (HeldLease, Instant) {
    let start = origin();
    (HeldLease::new(row(1), Pace::new(FAILOVER), start), start)
}

#[test]
fn the_period_follows_the_failover_time_and_leaves_room_for_two_more_tries() {
    for failover in [100, 1_000, 10_000, 3_600_000].map(millis) {
        let pace = Pace::new(failover);
        assert_eq!(pace.period(), failover * 2 / 5);
        let second = pace.period() + pace.retry_pause(1);
        let third = second + pace.retry_pause(2);
        assert!(second < third && third < failover, "{failover:?}");
    }
}

#[test]
fn a_heartbeat_is_due_one_period_after_the_last_write_was_sent() {
    let (mut lease, start) = held();
    let period = Pace::new(FAILOVER).period();
    assert_eq!(lease.next(start), Task::WaitUntil(start + period));
    assert_eq!(lease.next(start + period), Task::Renew);
    let sent = start + period;
    assert_eq!(
        lease.on_answer(Renewal::Held(row(2)), sent, sent + millis(400)),
        Change::None
    );
    assert_eq!(
        lease.next(sent + millis(400)),
        Task::WaitUntil(sent + period),
        "the answer's delay does not count"
    );
    assert_eq!(lease.lease().counter, 2);
    assert_eq!(lease.lost_at(), sent + FAILOVER);
}

#[test]
fn a_checkpoint_is_a_heartbeat() {
    let (mut lease, start) = held();
    let sent = start + millis(3_000);
    lease.on_answer(Renewal::Held(row(2)), sent, sent);
    assert_eq!(
        lease.next(start + millis(3_400)),
        Task::WaitUntil(sent + Pace::new(FAILOVER).period())
    );
}

#[test]
fn a_silent_store_loses_the_lease_by_our_own_clock() {
    let (mut lease, start) = held();
    assert_eq!(lease.on_failure(start + millis(4_000)), Change::None);
    assert!(lease.is_held(start + FAILOVER));
    assert!(!lease.is_held(start + FAILOVER + millis(1)));
    assert_eq!(lease.next(start + FAILOVER + millis(1)), Task::Stop);
    assert_eq!(lease.on_failure(start + FAILOVER + millis(1)), Change::Lost);
    assert_eq!(
        lease.next(start),
        Task::Stop,
        "lost is lost, whatever the clock says"
    );
}

#[test]
fn failures_are_retried_sooner_and_then_slower() {
    let (mut lease, start) = held();
    let period = Pace::new(FAILOVER).period();
    for (failure, quarters) in [1, 2, 4].into_iter().enumerate() {
        let now = start + millis(failure as u64);
        assert_eq!(lease.on_failure(now), Change::None);
        assert_eq!(
            lease.next(now),
            Task::WaitUntil(now + period / 4 * quarters),
            "failure {failure}"
        );
    }
    for failure in 0..60 {
        lease.on_failure(start + millis(failure));
    }
    lease.on_answer(Renewal::Held(row(2)), start, start);
    lease.on_failure(start);
    assert_eq!(
        lease.next(start),
        Task::WaitUntil(start + period / 4),
        "a success forgets the failures"
    );
}

#[test]
fn a_retry_is_never_planned_for_after_the_loss() {
    let (mut lease, start) = held();
    lease.on_failure(start + millis(9_000));
    lease.on_failure(start + millis(9_500));
    assert_eq!(
        lease.next(start + millis(9_500)),
        Task::WaitUntil(start + FAILOVER)
    );
}

#[test]
fn a_hand_over_is_told_once_and_renewed_at_once() {
    let (mut lease, start) = held();
    let sent = start + millis(3_400);
    let change = lease.on_answer(Renewal::HandOverRequested(asked_for(1)), sent, sent + millis(5));
    assert_eq!(
        change,
        Change::HandOverRequested {
            next: Some(WorkerId::new("next"))
        }
    );
    assert!(lease.is_handing_over());
    assert_eq!(lease.hand_over_since(), Some(sent + millis(5)));
    assert_eq!(
        lease.next(sent + millis(5)),
        Task::Renew,
        "the refused heartbeat wrote nothing"
    );
    assert_eq!(lease.lost_at(), start + FAILOVER);
    assert!(
        lease.lease().hand_over_pending(),
        "the next write presents what it knows"
    );

    let sent = sent + millis(10);
    assert_eq!(
        lease.on_answer(Renewal::Held(asked_for(2)), sent, sent),
        Change::None
    );
    assert!(lease.is_held(sent) && lease.is_handing_over());
}

#[test]
fn a_checkpoint_may_bring_the_news_of_a_hand_over() {
    let (mut lease, start) = held();
    let change = lease.on_answer(Renewal::Held(asked_for(2)), start, start);
    assert!(matches!(change, Change::HandOverRequested { .. }));
    assert!(
        matches!(lease.next(start), Task::WaitUntil(_)),
        "that write counted"
    );
}

#[test]
fn a_lost_lease_stays_lost() {
    let (mut lease, start) = held();
    assert_eq!(lease.on_answer(Renewal::Lost(None), start, start), Change::Lost);
    assert_eq!(lease.next(start), Task::Stop);
    assert!(!lease.is_held(start));
    assert_eq!(lease.hand_over_since(), None);
}

#[test]
fn an_answer_that_comes_too_late_does_not_bring_the_lease_back() {
    let (mut lease, start) = held();
    let sent = start + millis(1_000);
    let late = sent + FAILOVER + millis(1);
    assert_eq!(lease.on_answer(Renewal::Held(row(2)), sent, late), Change::Lost);
    assert_eq!(lease.next(late), Task::Stop);
}

proptest! {
    /// Whatever happens, the holder stops no later than the failover time after the last write that counted was
    /// sent: that is before any peer may take the lease.
    #[test]
    fn never_held_longer_than_the_last_write_allows(
        steps in prop::collection::vec((0_u64..6_000, 0_u64..3_000, 0_u8..4), 1..40),
    ) {
        let (mut lease, mut now) = held();
        let mut written_at = now;
        let mut counter = 1;
        for (pause, delay, kind) in steps {
            let sent = now + millis(pause);
            now = sent + millis(delay);
            if lease.next(sent) == Task::Stop {
                prop_assert_eq!(lease.next(now), Task::Stop);
                break;
            }
            match kind {
                0 => { lease.on_failure(now); }
                1 if !lease.is_handing_over() => {
                    lease.on_answer(Renewal::HandOverRequested(asked_for(counter)), sent, now);
                }
                _ => {
                    counter += 1;
                    written_at = sent;
                    lease.on_answer(Renewal::Held(row(counter)), sent, now);
                }
            }
            prop_assert!(!lease.is_held(now) || now <= written_at + FAILOVER);
            if let Task::WaitUntil(until) = lease.next(now) {
                prop_assert!(until > now && until <= written_at + FAILOVER);
            }
        }
    }
}

#[test]
fn an_answer_that_comes_after_the_expiry_revives_nothing() {
    let (mut lease, start) = held();
    let sent = start + millis(9_900);
    assert!(!lease.is_held(start + millis(10_001)), "processing stopped here");
    assert_eq!(
        lease.on_answer(Renewal::Held(row(2)), sent, start + millis(10_001)),
        Change::Lost
    );
    assert!(!lease.is_held(sent), "and stays so for good");
}

#[test]
fn a_paused_process_finds_its_lease_lost_before_it_does_anything() {
    let (mut lease, start) = held();
    let resumed = start + millis(15_000);
    assert_eq!(lease.next(resumed), Task::Stop);
    assert!(!lease.is_held(resumed));
    // A heartbeat that was on its way when the process was paused, and succeeded.
    assert_eq!(
        lease.on_answer(Renewal::Held(row(2)), start + millis(3_000), resumed),
        Change::Lost
    );
}
