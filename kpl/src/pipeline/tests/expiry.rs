//! When records stop being tried for.

use std::time::Duration;

use super::rig::{Rig, config, ms, throttled};
use crate::error::DeliveryErrorKind;
use crate::failure::{Failure, FailureKind};

#[test]
fn a_record_behind_a_busy_shard_expires_in_time() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.wait(ms(100));
    rig.put_at(2, 0);
    rig.wait(ms(29_999));
    assert!(rig.failed.is_empty());
    rig.wait(ms(1));
    assert_eq!(rig.failed_tokens(), [2]);
    let (_, error) = &rig.failed[0];
    assert_eq!(error.kind(), &DeliveryErrorKind::Expired { failure: None });
    assert!(error.is_retryable());
    assert!(!error.may_have_been_stored());
    assert_eq!(error.attempt_count(), 0);
}

#[test]
fn a_record_under_way_waits_for_its_reply() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.wait(Duration::from_secs(40));
    assert!(rig.failed.is_empty());
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [1]);
}

#[test]
fn retries_end_with_the_time_to_live_and_name_the_cause() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    let mut attempts = 0;
    while rig.failed.is_empty() {
        rig.wait(ms(10));
        if !rig.sent.is_empty() {
            let batch = rig.take_request();
            attempts += 1;
            rig.reply(&batch, Ok(vec![throttled()]));
        }
    }
    let (token, error) = &rig.failed[0];
    assert_eq!(*token, 1);
    assert_eq!(error.failure().map(Failure::kind), Some(FailureKind::Throttled));
    assert_eq!(error.attempt_count(), attempts);
    assert!(
        (10..60).contains(&attempts),
        "{attempts} attempts in 30 s, with backoff"
    );
    assert!(error.attempts().count() <= crate::MAX_KEPT_ATTEMPTS);
    assert!(rig.pipeline.is_idle());
    let record = error.clone().into_record().expect("handed back");
    assert_eq!(record.data().len(), 10);
}

#[test]
fn the_last_attempt_decides_when_time_is_up() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.wait(ms(100));
    rig.wait(Duration::from_secs(31));
    rig.request_fails("InternalFailure");
    assert_eq!(rig.failed_tokens(), [1]);
    assert!(rig.failed[0].1.may_have_been_stored());
    assert!(rig.pipeline.is_idle());
}
