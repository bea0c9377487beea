//! Before the stream's shards are known.

use std::time::Duration;

use super::rig::{Rig, config, equal_shards, ms, shard};
use crate::config::{RetryPolicy, RetryRule};
use crate::error::DeliveryErrorKind;
use crate::failure::{Failure, FailureKind};

#[test]
fn records_wait_for_the_map_and_leave_in_order() {
    let mut rig = Rig::new(config());
    for token in 0..10 {
        rig.put_at(token, 0);
    }
    rig.wait(ms(150));
    assert_eq!(rig.lists, 1);
    assert!(rig.sent.is_empty(), "nothing goes out blind");
    rig.list(&equal_shards(0, 2));
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), (0..10).collect::<Vec<_>>());
}

#[test]
fn nothing_is_listed_before_the_first_put() {
    let mut rig = Rig::new(config());
    rig.wait(Duration::from_secs(100));
    assert_eq!(rig.lists, 0);
    assert!(rig.pipeline.is_idle());
    assert_eq!(rig.pipeline.poll_timeout(), None);
}

#[test]
fn closed_shards_and_order_do_not_matter() {
    let mut rig = Rig::new(config());
    rig.put_at(1, 0);
    let mut shards = equal_shards(1, 3);
    shards.reverse();
    let mut closed = shard(0, 0, u128::MAX);
    closed.is_open = false;
    shards.push(closed);
    rig.list(&shards);
    rig.wait(ms(100));
    rig.stored_on(1);
    assert_eq!(rig.delivered_tokens(), [1]);
    assert_eq!(rig.lists, 1);
}

#[test]
fn a_list_with_holes_is_not_believed() {
    let cases = [
        vec![],
        vec![shard(0, 1, u128::MAX)],
        vec![shard(0, 0, u128::MAX - 1)],
        vec![shard(0, 0, 10), shard(1, 12, u128::MAX)],
        vec![shard(0, 0, 10), shard(1, 10, u128::MAX)],
        vec![shard(0, 0, u128::MAX), shard(1, 0, u128::MAX)],
    ];
    for shards in cases {
        let mut rig = Rig::new(config());
        rig.put_at(1, 0);
        rig.list(&shards);
        rig.wait(ms(900));
        assert!(rig.sent.is_empty(), "{shards:?}");
        assert_eq!(rig.lists, 2, "{shards:?}: asked again");
        rig.list(&equal_shards(0, 1));
        assert_eq!(rig.sent.len(), 1);
    }
}

#[test]
fn failed_lists_are_tried_again_with_growing_waits() {
    let mut rig = Rig::new(config());
    rig.put_at(1, 0);
    let mut times = vec![rig.now];
    while times.len() < 5 {
        let lists = rig.lists;
        rig.list_fails("LimitExceededException");
        while rig.lists == lists {
            rig.wait(ms(1));
        }
        times.push(rig.now);
    }
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (nth, wait) in (0..).zip(&waits) {
        let least = ms(250).mul_f64(1.5_f64.powi(nth));
        assert!(
            *wait >= least && *wait <= least * 2 + ms(2),
            "wait {nth}: {wait:?}"
        );
    }
}

#[test]
fn fatal_answers_fail_who_waits_and_who_comes_soon() {
    let mut rig = Rig::new(config());
    rig.put_at(1, 0);
    rig.list_fails("ResourceNotFoundException");
    rig.put_at(2, 0);
    assert_eq!(rig.failed_tokens(), [1, 2]);
    assert!(matches!(
        rig.failed[1].1.kind(),
        DeliveryErrorKind::StreamNotFound { .. }
    ));
    assert_eq!(rig.lists, 1, "the second was refused without asking");
    assert_eq!(
        rig.pipeline.poll_timeout(),
        None,
        "and nobody asks when nobody waits"
    );

    rig.wait(ms(600));
    rig.put_at(3, 0);
    assert_eq!(rig.lists, 2, "after a while somebody may ask again");
    rig.list(&equal_shards(0, 1));
    rig.wait(ms(100));
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [3], "the stream was made in the meantime");
}

#[test]
fn contact_is_given_up_after_its_time() {
    let mut rig = Rig::new(config());
    rig.put_at(1, 0);
    rig.list_fails("LimitExceededException");
    rig.wait(ms(9_000));
    rig.put_at(2, 0);
    rig.wait(ms(999));
    assert!(rig.failed.is_empty());
    rig.wait(ms(1));
    assert_eq!(rig.failed_tokens(), [1, 2]);
    for (_, error) in &rig.failed {
        assert_eq!(error.failure().map(Failure::kind), Some(FailureKind::Throttled));
        assert!(matches!(error.kind(), DeliveryErrorKind::Unreachable { .. }));
    }
    // The answer that is still out decides on the next one.
    rig.put_at(3, 0);
    assert_eq!(rig.failed.len(), 2);
    rig.list_fails("LimitExceededException");
    assert_eq!(rig.failed_tokens(), [1, 2, 3]);
    rig.put_at(4, 0);
    assert_eq!(rig.failed_tokens(), [1, 2, 3, 4], "refused until the next try");
}

#[test]
fn a_short_time_to_live_comes_first() {
    let mut rig = Rig::new(config().record_ttl(ms(2_000)));
    rig.put_at(1, 0);
    rig.list_fails("InternalFailure");
    rig.wait(ms(2_000));
    assert_eq!(rig.failed_tokens(), [1]);
    let (_, error) = &rig.failed[0];
    assert!(
        matches!(error.kind(), DeliveryErrorKind::Expired { failure: Some(_) }),
        "{error}"
    );
}

#[test]
fn once_made_contact_lasts() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.wait(ms(100));
    rig.stored_on(5);
    rig.list_fails("InternalFailure");
    rig.put_at(2, 0);
    rig.wait(Duration::from_secs(15));
    assert!(rig.failed.is_empty());
    assert_eq!(rig.sent.len(), 1, "by the map that is there");
}

/// Records are tried again when their stream is not there.
fn hopeful() -> RetryPolicy {
    RetryPolicy::default().with_rule(FailureKind::StreamNotFound, RetryRule::retry(ms(50), ms(2_000)))
}

#[test]
fn a_stream_that_comes_later_is_waited_for_as_long_as_records_live() {
    let mut rig = Rig::new(config().retry(hopeful()).record_ttl(ms(60_000)));
    rig.put_at(1, 0);
    for code in ["ResourceNotFoundException", "ResourceInUseException"].repeat(4) {
        rig.list_fails(code);
        rig.wait(ms(5_000));
        rig.put_at(2, 0);
    }
    assert!(rig.failed.is_empty(), "longer than the time for first contact");
    assert!(rig.lists >= 4, "asked again and again: {}", rig.lists);
    rig.list(&equal_shards(0, 1));
    rig.wait(ms(100));
    rig.stored_on(0);
    assert_eq!(rig.delivered.len(), 9);
}

#[test]
fn a_stream_that_never_comes_is_named_when_records_expire() {
    let mut rig = Rig::new(config().retry(hopeful()));
    rig.put_at(1, 0);
    for _ in 0..10 {
        rig.list_fails("ResourceNotFoundException");
        rig.wait(ms(5_000));
    }
    assert_eq!(rig.failed_tokens(), [1]);
    let (_, error) = &rig.failed[0];
    assert!(
        matches!(error.kind(), DeliveryErrorKind::Expired { failure: Some(_) }),
        "{error}"
    );
    assert_eq!(
        error.failure().map(Failure::kind),
        Some(FailureKind::StreamNotFound)
    );
}

#[test]
fn what_a_policy_says_of_records_does_not_keep_from_asking() {
    for policy in [RetryPolicy::none(), RetryPolicy::default().failing_if_throttled()] {
        let mut rig = Rig::new(config().retry(policy));
        rig.put_at(1, 0);
        rig.list_fails("LimitExceededException");
        rig.wait(ms(1_000));
        assert!(rig.failed.is_empty(), "nothing was sent yet");
        rig.list(&equal_shards(0, 1));
        rig.wait(ms(100));
        rig.stored_on(0);
        assert_eq!(rig.delivered_tokens(), [1]);
    }
}
