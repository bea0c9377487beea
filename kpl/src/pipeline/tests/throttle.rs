//! Failures of entries and requests, and what follows.

use super::rig::{Rig, at, config, members, ms, stored, throttled};
use crate::config::{AdaptiveRate, RateLimit};
use crate::failure::{Failure, FailureKind};

const HALF: u128 = u128::MAX / 2 + 1;

#[test]
fn only_what_failed_is_sent_again() {
    let mut rig = Rig::with_shards(config(), 2);
    rig.put_at(1, 0);
    rig.put_at(2, HALF);
    rig.wait(ms(100));
    let batch = rig.take_request();
    assert_eq!(batch.entries.len(), 2);
    rig.reply(&batch, Ok(vec![throttled(), stored(1)]));
    assert_eq!(rig.delivered_tokens(), [2]);
    rig.wait(ms(49));
    assert!(rig.sent.is_empty(), "backs off");
    rig.wait(ms(60));
    let again = rig.take_request();
    assert_eq!(again.entries.len(), 1);
    rig.reply(&again, Ok(vec![stored(0)]));
    let (token, delivery) = &rig.delivered[1];
    assert_eq!(*token, 1);
    assert_eq!(delivery.attempt_count(), 2);
    let kinds: Vec<_> = delivery
        .attempts()
        .map(|a| a.failure().map(Failure::kind))
        .collect();
    assert_eq!(kinds, [Some(FailureKind::Throttled), None]);
}

#[test]
fn a_failing_shard_holds_back_only_itself() {
    let mut rig = Rig::with_shards(config().linger(ms(0)), 2);
    rig.put_at(1, 0);
    let batch = rig.take_request();
    rig.reply(&batch, Ok(vec![throttled()]));
    rig.put_at(2, 0);
    rig.put_at(3, HALF);
    let other = rig.take_request();
    rig.reply(&other, Ok(vec![stored(1)]));
    assert_eq!(rig.delivered_tokens(), [3]);
    assert!(rig.sent.is_empty());
}

#[test]
fn what_is_sent_again_goes_first_and_takes_new_records_along() {
    let mut rig = Rig::with_shards(config().linger(ms(0)), 1);
    rig.put_at(1, 0);
    rig.request_fails("InternalFailure");
    rig.put_at(2, 0);
    rig.wait(ms(200));
    let batch = rig.take_request();
    assert_eq!(members(&batch.entries[0]), 2);
    rig.reply(&batch, Ok(vec![stored(0)]));
    let order: Vec<_> = rig
        .delivered
        .iter()
        .map(|(token, d)| (*token, d.sub_sequence_number()))
        .collect();
    assert_eq!(order, [(1, Some(0)), (2, Some(1))]);
    assert_eq!(rig.delivered[1].1.attempt_count(), 1, "the new one has no past");
}

#[test]
fn fatal_failures_are_not_tried_again() {
    for code in [
        "AccessDeniedException",
        "UnrecognizedClientException",
        "ValidationException",
        "KMSDisabledException",
    ] {
        let mut rig = Rig::with_shards(config().linger(ms(0)), 1);
        rig.put_at(1, 0);
        rig.request_fails(code);
        assert_eq!(rig.failed_tokens(), [1], "{code}");
        assert!(!rig.failed[0].1.is_retryable(), "{code}");
        assert_eq!(rig.failed[0].1.attempt_count(), 1, "{code}");
        rig.put_at(2, 0);
        assert_eq!(rig.sent.len(), 1, "{code}: the next record is tried");
    }
}

#[test]
fn a_reply_of_the_wrong_length_tells_nothing() {
    let mut rig = Rig::with_shards(config().linger(ms(0)), 1);
    rig.put_at(1, 0);
    let batch = rig.take_request();
    rig.reply(&batch, Ok(vec![stored(0), stored(0)]));
    assert!(rig.delivered.is_empty());
    rig.wait(ms(100));
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [1]);
    let failure = rig.delivered[0]
        .1
        .attempts()
        .next()
        .and_then(|a| a.failure().cloned())
        .expect("failed first");
    assert_eq!(failure.kind(), FailureKind::BadAnswer);
}

#[test]
fn the_rate_of_one_shard_delays_no_other() {
    let config = config()
        .linger(ms(0))
        .rate_limit(RateLimit::percent(100))
        .adaptive_rate(AdaptiveRate::Disabled);
    let mut rig = Rig::with_shards(config, 2);
    // A burst of a second's worth, and what one entry may owe.
    for token in 0..3 {
        rig.put(token, at(0, 600_000));
        if !rig.sent.is_empty() {
            rig.stored_on(0);
        }
    }
    assert_eq!(
        rig.delivered_tokens(),
        [0],
        "the second must wait for tokens, and the third for it"
    );
    rig.put_at(9, HALF);
    rig.stored_on(1);
    assert_eq!(rig.delivered_tokens(), [0, 9]);
    rig.wait(ms(200));
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [0, 9, 1]);
}

#[test]
fn requests_under_way_are_bounded() {
    let mut rig = Rig::with_shards(config().linger(ms(0)).max_in_flight_requests(2), 8);
    for n in 0..8 {
        rig.put_at(n, u128::from(n) * (u128::MAX / 8) + 1);
    }
    assert_eq!(rig.sent.len(), 2);
    rig.stored_on(0);
    assert_eq!(rig.sent.len(), 2);
    assert_eq!(rig.sent[1].entries.len(), 6, "who waited leaves together");
}
