//! What is tried again, how often, and what becomes of it.

use std::num::NonZeroU32;
use std::time::Duration;

use super::rig::{Rig, at, config, members, ms, stored, throttled};
use crate::config::{RateLimit, RetryBudget, RetryPolicy, RetryRule};
use crate::error::DeliveryErrorKind;
use crate::failure::FailureKind;

const HALF: u128 = u128::MAX / 2 + 1;

fn rig(policy: RetryPolicy, shards: u64) -> Rig {
    Rig::with_shards(config().linger(ms(0)).retry(policy), shards)
}

fn attempts(n: u32) -> RetryPolicy {
    RetryPolicy::default().with_max_attempts(NonZeroU32::new(n))
}

#[test]
fn attempts_are_counted_for_each_record_and_end() {
    let mut rig = rig(attempts(3), 1);
    rig.put_at(1, 0);
    rig.request_fails("InternalFailure");
    rig.put_at(2, 0);
    rig.wait(ms(1_000));
    rig.request_fails("InternalFailure");
    rig.wait(ms(1_000));
    rig.request_fails("InternalFailure");
    assert_eq!(rig.failed_tokens(), [1], "the second record has one left");
    let error = &rig.failed[0].1;
    assert!(matches!(
        error.kind(),
        DeliveryErrorKind::AttemptsExhausted { .. }
    ));
    assert_eq!(error.attempt_count(), 3);
    assert!(error.is_retryable() && error.may_have_been_stored());
    rig.wait(ms(3_000));
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [2]);
    assert!(rig.delivered[0].1.may_be_duplicate());
}

#[test]
fn without_retries_each_failure_is_told_at_once() {
    for (code, stored) in [
        ("InternalFailure", true),
        ("RequestTimeout", true),
        ("ProvisionedThroughputExceededException", false),
        ("AccessDeniedException", false),
        ("ExpiredTokenException", false),
    ] {
        let mut rig = rig(RetryPolicy::none(), 1);
        rig.put_at(1, 0);
        rig.request_fails(code);
        let (_, error) = &rig.failed[0];
        assert_eq!(error.attempt_count(), 1, "{code}");
        assert_eq!(error.may_have_been_stored(), stored, "{code}");
        assert_eq!(error.is_retryable(), code != "AccessDeniedException", "{code}");
        assert!(rig.pipeline.is_idle());
    }
}

#[test]
fn failing_if_throttled_fails_the_throttled_and_nothing_else() {
    let mut rig = rig(RetryPolicy::default().failing_if_throttled(), 2);
    rig.put_at(1, 0);
    let first = rig.take_request();
    rig.put_at(2, HALF);
    rig.request_fails("KMSThrottlingException");
    rig.reply(&first, Ok(vec![throttled()]));
    assert_eq!(rig.failed_tokens(), [1]);
    let error = &rig.failed[0].1;
    assert!(matches!(error.kind(), DeliveryErrorKind::Throttled { .. }));
    assert!(error.is_retryable() && !error.may_have_been_stored());
    rig.wait(ms(5_000));
    rig.stored_on(1);
    assert_eq!(rig.delivered_tokens(), [2]);
    assert!(!rig.delivered[0].1.may_be_duplicate());
}

#[test]
fn lapsed_credentials_are_hoped_for_and_not_for_ever() {
    let patient = config()
        .linger(ms(0))
        .record_ttl(Duration::from_secs(3_600))
        .shard_refresh(Duration::from_secs(3_600));
    let mut rig = Rig::with_shards(patient, 1);
    let start = rig.now;
    rig.put_at(1, 0);
    while rig.failed.is_empty() {
        if rig.sent.is_empty() {
            rig.wait(ms(100));
        } else {
            rig.request_fails("ExpiredTokenException");
        }
    }
    let error = &rig.failed[0].1;
    assert!(matches!(error.kind(), DeliveryErrorKind::Credentials { .. }));
    let tried = rig.now - start;
    assert!((60..=66).contains(&tried.as_secs()), "{tried:?}");

    rig.put_at(2, 0);
    rig.wait(ms(6_000));
    rig.request_fails("ExpiredTokenException");
    rig.wait(ms(6_000));
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [2], "the next one has its own time");
}

#[test]
fn each_class_has_its_own_waits() {
    let rule = RetryRule::retry(ms(700), ms(700));
    let policy = RetryPolicy::default().with_rule(FailureKind::Timeout, rule);
    let mut rig = rig(policy, 1);
    rig.put_at(1, 0);
    rig.request_fails("RequestTimeout");
    rig.wait(ms(699));
    assert!(rig.sent.is_empty());
    rig.wait(ms(2));
    rig.request_fails("InternalFailure");
    rig.wait(ms(2_000));
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [1]);
}

#[test]
fn only_possible_duplicates_are_called_so() {
    for (code, duplicate) in [
        ("ProvisionedThroughputExceededException", false),
        ("KMSThrottlingException", false),
        ("ExpiredTokenException", false),
        ("InternalFailure", true),
        ("ServiceUnavailable", true),
        ("RequestTimeout", true),
        ("WhoKnows", true),
    ] {
        let mut rig = rig(RetryPolicy::default(), 1);
        rig.put_at(1, 0);
        rig.request_fails(code);
        rig.wait(ms(6_000));
        rig.stored_on(0);
        assert_eq!(rig.delivered[0].1.may_be_duplicate(), duplicate, "{code}");
    }
}

/// An outage of a stream with many shards: what is repeated is bounded, held back in order, and recovers at once.
#[test]
fn an_outage_does_not_multiply_load() {
    let shards = 200;
    let budget = RetryBudget::Share {
        percent: 20,
        per_second: 5,
    };
    let policy = RetryPolicy::default().with_budget(budget);
    let config = config()
        .linger(ms(0))
        .rate_limit(RateLimit::Unlimited)
        .max_in_flight_requests(256)
        .retry(policy);
    let mut rig = Rig::with_shards(config, shards);
    for n in 0..200_u32 {
        rig.put(n, at(u128::from(n) * (u128::MAX / 200) + 1, 10));
    }
    let entries = |rig: &mut Rig, seconds: u32| {
        let mut count = 0;
        for _ in 0..seconds * 100 {
            while !rig.sent.is_empty() {
                let batch = rig.take_request();
                count += batch.entries.len();
                let down = batch.entries.iter().map(|_| throttled()).collect();
                rig.reply(&batch, Ok(down));
            }
            rig.wait(ms(10));
        }
        count
    };
    entries(&mut rig, 10);
    let repeated = entries(&mut rig, 10);
    assert!(
        (45..=60).contains(&repeated),
        "{repeated} entries in ten seconds of outage"
    );
    assert!(rig.failed.is_empty(), "held, not failed");
    let recovery = rig.now;
    while rig.delivered.len() < 200 {
        while !rig.sent.is_empty() {
            let batch = rig.take_request();
            assert!(batch.entries.iter().all(|entry| members(entry) == 1));
            let up = batch.entries.iter().map(|_| stored(0)).collect();
            rig.reply(&batch, Ok(up));
        }
        rig.wait(ms(10));
    }
    let recovery = rig.now - recovery;
    assert!(recovery < Duration::from_secs(3), "{recovery:?}");
}
