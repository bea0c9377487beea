//! An aggregate that landed elsewhere than expected: decided as a whole, with knowledge.

use super::rig::{Rig, config, equal_shards, ms, shard, stored};
use crate::failure::{Failure, FailureKind};

const HALF: u128 = u128::MAX / 2 + 1;

/// Two records of shard 0 in one aggregate under way; the service has split it in the meantime.
fn split_under_way(second: u128) -> Rig {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.put_at(2, second);
    rig.wait(ms(1_000));
    rig
}

#[test]
fn unknown_shards_are_listed_before_anything_is_decided() {
    let mut rig = split_under_way(5);
    rig.stored_on(1);
    assert!(rig.delivered.is_empty());
    assert_eq!(rig.lists, 1);
    rig.list(&equal_shards(1, 2));
    assert_eq!(
        rig.delivered_tokens(),
        [1, 2],
        "all belong to the shard that took them"
    );
    assert_eq!(rig.delivered[0].1.shard_id().number(), Some(1));
    assert_eq!(rig.delivered[0].1.attempt_count(), 1);
    assert!(rig.sent.is_empty(), "nothing is sent twice");
}

#[test]
fn one_outsider_sends_all_again() {
    let mut rig = split_under_way(HALF);
    rig.stored_on(1);
    rig.list(&equal_shards(1, 2));
    assert!(rig.delivered.is_empty(), "consumers drop the whole aggregate");
    rig.wait(ms(200));
    let again = rig.take_request();
    assert_eq!(again.entries.len(), 2, "now by the new map");
    rig.reply(&again, Ok(vec![stored(1), stored(2)]));
    assert_eq!(rig.delivered_tokens(), [1, 2]);
    for (_, delivery) in &rig.delivered {
        let first = delivery
            .attempts()
            .next()
            .and_then(|a| a.failure().cloned())
            .expect("failed first");
        assert_eq!(first.kind(), FailureKind::WrongShard);
    }
}

#[test]
fn the_shard_sends_nothing_while_it_is_undecided() {
    let mut rig = split_under_way(5);
    rig.stored_on(1);
    rig.put_at(3, 0);
    rig.flush();
    assert!(rig.sent.is_empty());
    rig.list(&equal_shards(1, 2));
    assert_eq!(rig.sent.len(), 1);
}

#[test]
fn a_record_alone_is_delivered_wherever_it_lands() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.wait(ms(1_000));
    rig.stored_on(7);
    assert_eq!(rig.delivered_tokens(), [1]);
    assert_eq!(rig.delivered[0].1.sub_sequence_number(), None);
    assert_eq!(rig.lists, 1, "but the map is out of date");
}

#[test]
fn of_many_reports_of_one_change_one_lists() {
    let mut rig = Rig::with_shards(config().linger(ms(0)), 8);
    for n in 0..8 {
        rig.put_at(n, u128::from(n) * (u128::MAX / 8) + 1);
    }
    rig.wait(ms(1_000));
    while !rig.sent.is_empty() {
        rig.stored_on(99);
    }
    assert_eq!(rig.lists, 1);
    rig.list(&equal_shards(8, 8));
    rig.wait(ms(10_000));
    assert_eq!(
        rig.lists, 1,
        "what was seen before the listing is explained by it"
    );
}

#[test]
fn a_list_that_lags_behind_is_asked_again_and_not_for_ever() {
    let mut rig = split_under_way(5);
    rig.stored_on(1);
    for _ in 0..4 {
        assert!(rig.delivered.is_empty() && rig.sent.is_empty());
        let lists = rig.lists;
        rig.list(&equal_shards(0, 1));
        rig.wait(ms(1_000));
        assert!(rig.lists > lists || !rig.sent.is_empty());
    }
    assert_eq!(rig.sent.len(), 1, "sent again rather than held for ever");
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [1, 2]);
}

#[test]
fn a_list_that_never_comes_does_not_hold_records_beyond_their_time() {
    let mut rig = split_under_way(5);
    rig.stored_on(1);
    for _ in 0..100 {
        rig.list_fails("LimitExceededException");
        rig.wait(ms(500));
    }
    assert_eq!(rig.failed_tokens(), [1, 2]);
    assert!(rig.failed[0].1.may_have_been_stored());
    assert_eq!(
        rig.failed[0].1.failure().map(Failure::kind),
        Some(FailureKind::WrongShard)
    );
    assert!(rig.pipeline.is_idle());
}

#[test]
fn merged_shards_cover_all() {
    let mut rig = Rig::with_shards(config(), 2);
    rig.put_at(1, 0);
    rig.put_at(2, 5);
    rig.wait(ms(1_000));
    rig.stored_on(2);
    rig.list(&[shard(2, 0, u128::MAX)]);
    assert_eq!(rig.delivered_tokens(), [1, 2]);
}
