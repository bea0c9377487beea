//! The list of shards while there is one: fetched again in time, doubted after a pause, lost with its stream.

use std::time::Duration;

use super::rig::{Rig, config, equal_shards, members, ms, shard, stored};
use crate::config::{RetryPolicy, RetryRule};
use crate::error::DeliveryErrorKind;
use crate::failure::FailureKind;

const HALF: u128 = u128::MAX / 2 + 1;
const MINUTE: Duration = Duration::from_secs(60);

/// Puts and stores a record each 100 ms.
fn traffic(rig: &mut Rig, token: u32, time: Duration) {
    let until = rig.now + time;
    while rig.now < until {
        rig.put_at(token, 0);
        rig.wait(ms(100));
        while !rig.sent.is_empty() {
            rig.stored_on(0);
        }
    }
}

#[test]
fn with_traffic_the_list_is_fetched_again_about_every_minute() {
    let mut rig = Rig::with_shards(config(), 1);
    let mut times = vec![rig.now];
    for _ in 0..6 * 600 {
        traffic(&mut rig, 1, ms(100));
        if rig.lists == times.len() {
            times.push(rig.now);
            rig.list(&equal_shards(0, 1));
        }
    }
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((6..=7).contains(&waits.len()), "{waits:?}");
    for wait in &waits {
        assert!((MINUTE * 8 / 10..=MINUTE + ms(300)).contains(wait), "{wait:?}");
    }
    assert!(waits.windows(2).any(|pair| pair[0] != pair[1]), "with jitter");
}

#[test]
fn without_traffic_nobody_asks() {
    let mut rig = Rig::with_shards(config(), 1);
    traffic(&mut rig, 1, ms(1_000));
    rig.says = None;
    rig.wait(MINUTE * 60);
    assert_eq!(rig.lists, 0);
}

#[test]
fn old_answers_stay_in_force_while_a_new_one_is_fetched_and_when_fetching_fails() {
    let mut rig = Rig::with_shards(config(), 1);
    traffic(&mut rig, 1, MINUTE + ms(1_000));
    assert_eq!(rig.lists, 1, "under way");
    traffic(&mut rig, 1, MINUTE / 2);
    for _ in 0..20 {
        rig.list_fails("LimitExceededException");
        traffic(&mut rig, 1, ms(6_000) + ms(4_000));
    }
    assert!(rig.failed.is_empty());
    assert_eq!(rig.lists, 21, "tried again and again");
    rig.put_at(7, 0);
    rig.wait(ms(100));
    assert_eq!(rig.sent.len(), 1, "by the old answer");
}

#[test]
fn after_a_long_pause_the_first_records_wait_for_an_answer_or_for_a_failure() {
    for fails in [false, true] {
        let mut rig = Rig::with_shards(config(), 1);
        traffic(&mut rig, 1, ms(1_000));
        let before = rig.delivered.len();
        rig.wait(MINUTE * 10);
        rig.put_at(2, 0);
        rig.put_at(3, HALF);
        assert_eq!(rig.lists, 1, "asked at once, not when they are due");
        rig.wait(ms(5_000));
        assert!(rig.sent.is_empty());
        if fails {
            rig.list_fails("LimitExceededException");
            rig.stored_on(0);
        } else {
            rig.list(&equal_shards(0, 2));
            let batch = rig.take_request();
            assert_eq!(batch.entries.len(), 2);
            rig.reply(&batch, Ok(vec![stored(0), stored(1)]));
        }
        assert_eq!(rig.delivered.len(), before + 2);
    }
}

#[test]
fn records_expire_while_the_list_is_in_doubt() {
    let mut rig = Rig::with_shards(config().record_ttl(ms(1_000)), 1);
    traffic(&mut rig, 1, ms(1_000));
    rig.wait(MINUTE * 10);
    rig.put_at(2, 0);
    rig.wait(ms(1_000));
    assert_eq!(rig.failed_tokens(), [2]);
    assert!(rig.pipeline.is_idle());
}

/// The stream is deleted; what is put fails and says so. A new one of its name has the same ids with other ranges.
#[test]
fn a_stream_made_anew_is_not_taken_for_the_old_one() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.wait(ms(100));
    rig.stored_on(0);
    rig.put_at(2, 0);
    rig.put_at(3, HALF);
    rig.wait(ms(100));
    rig.request_fails("ResourceNotFoundException");
    assert_eq!(rig.failed_tokens(), [2, 3]);
    assert!(matches!(
        rig.failed[0].1.kind(),
        DeliveryErrorKind::StreamNotFound { .. }
    ));

    rig.put_at(4, 0);
    rig.wait(ms(1_000));
    assert!(rig.sent.is_empty(), "not by what is known of the old one");
    assert_eq!(rig.lists, 1);
    rig.list_fails("ResourceNotFoundException");
    assert_eq!(rig.failed_tokens(), [2, 3, 4]);
    rig.wait(MINUTE);
    assert_eq!(rig.lists, 1, "nobody waits, so nobody asks");

    rig.put_at(5, 5);
    rig.put_at(6, HALF);
    rig.wait(ms(1_000));
    assert_eq!(rig.lists, 2);
    rig.list(&[shard(0, 0, HALF - 1), shard(1, HALF, u128::MAX)]);
    let batch = rig.take_request();
    assert_eq!(
        batch.entries.len(),
        2,
        "one aggregate would be dropped by consumers"
    );
    rig.reply(&batch, Ok(vec![stored(0), stored(1)]));
    assert_eq!(rig.delivered_tokens(), [1, 5, 6]);
    assert!(rig.delivered.iter().all(|(_, d)| d.attempt_count() == 1));
}

#[test]
fn who_wants_to_wait_for_the_stream_to_come_back_does() {
    let rule = RetryRule::retry(ms(500), ms(1_000));
    let policy = RetryPolicy::default().with_rule(FailureKind::StreamNotFound, rule);
    let mut rig = Rig::with_shards(config().retry(policy), 1);
    rig.put_at(1, 0);
    rig.put_at(2, HALF);
    rig.wait(ms(100));
    rig.request_fails("ResourceNotFoundException");
    rig.put_at(3, 0);
    for _ in 0..5 {
        rig.list_fails("ResourceNotFoundException");
        let lists = rig.lists;
        while rig.lists == lists {
            rig.wait(ms(10));
        }
    }
    assert!(rig.failed.is_empty() && rig.sent.is_empty());
    rig.list(&[shard(0, 0, HALF - 1), shard(1, HALF, u128::MAX)]);
    rig.wait(ms(1_000));
    let batch = rig.take_request();
    assert_eq!(batch.entries.iter().map(members).collect::<Vec<_>>(), [2, 1]);
    rig.reply(&batch, Ok(vec![stored(0), stored(1)]));
    assert_eq!(rig.delivered_tokens(), [1, 3, 2]);
}

/// An aggregate under way while the stream is made anew lands on the right id, and on other ranges.
#[test]
fn what_was_under_way_is_judged_by_the_new_ranges() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.put_at(2, HALF);
    rig.wait(ms(100));
    rig.list(&[shard(0, 0, HALF - 1), shard(1, HALF, u128::MAX)]);
    rig.stored_on(0);
    assert!(rig.delivered.is_empty(), "consumers drop it");
    rig.wait(ms(200));
    let batch = rig.take_request();
    rig.reply(&batch, Ok(vec![stored(0), stored(1)]));
    assert_eq!(rig.delivered_tokens(), [1, 2]);
    assert!(rig.delivered[0].1.may_be_duplicate());
}

/// A list that was asked for before the stream was lost says nothing of it.
#[test]
fn an_answer_from_before_the_loss_does_not_find_the_stream_again() {
    let mut rig = Rig::with_shards(config().linger(ms(0)), 1);
    rig.put_at(1, 0);
    let first = rig.take_request();
    rig.wait(ms(600));
    // A landing elsewhere asks for a list, which is slow.
    rig.reply(&first, Ok(vec![stored(9)]));
    assert_eq!(rig.lists, 1);
    rig.put_at(2, 0);
    rig.wait(ms(10));
    rig.request_fails("ResourceNotFoundException");
    rig.put_at(3, 0);
    rig.list(&equal_shards(0, 1));
    assert!(rig.sent.is_empty());
    rig.wait(ms(1_000));
    assert_eq!(rig.lists, 2);
    rig.list(&equal_shards(0, 1));
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [1, 3]);
}

#[test]
fn the_range_of_a_closed_shard_is_known_for_a_minute() {
    for (pause, known) in [(Duration::from_secs(50), true), (Duration::from_secs(70), false)] {
        let mut rig = Rig::with_shards(config().record_ttl(MINUTE * 10), 1);
        rig.put_at(1, 0);
        rig.put_at(2, 5);
        rig.wait(ms(100));
        rig.list(&equal_shards(1, 2));
        rig.wait(pause);
        rig.list(&equal_shards(3, 2));
        // Late news of the aggregate: it lies on the first of those that are closed by now.
        rig.stored_on(1);
        assert_eq!(rig.delivered.len() == 2, known, "after {pause:?}");
    }
}
