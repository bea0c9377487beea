//! Without order: what is late or has failed holds nothing else back.

use super::rig::{Rig, at, config, equal_shards, ms, stored, throttled};
use crate::config::Ordering;

const HALF: u128 = u128::MAX / 2 + 1;

fn rig(shards: u64) -> Rig {
    Rig::with_shards(config().linger(ms(0)).ordering(Ordering::Relaxed), shards)
}

#[test]
fn what_failed_waits_beside_the_others_and_not_before_them() {
    let mut rig = rig(1);
    rig.put_at(1, 0);
    let batch = rig.take_request();
    rig.reply(&batch, Ok(vec![throttled()]));
    rig.put_at(2, 0);
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [2], "of the same key, and put later");
    rig.wait(ms(200));
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [2, 1]);
    assert_eq!(rig.delivered[1].1.attempt_count(), 2);
    assert!(rig.pipeline.is_idle());
}

#[test]
fn as_long_as_all_is_well_a_shard_has_one_request_on_its_way() {
    let mut rig = rig(1);
    for token in 0..50 {
        rig.put_at(token, 0);
        rig.wait(ms(1));
        assert!(rig.sent.len() <= 1);
        if token % 10 == 9 {
            rig.stored_on(0);
        }
    }
    while !rig.sent.is_empty() {
        rig.stored_on(0);
    }
    assert_eq!(rig.delivered_tokens(), (0..50).collect::<Vec<_>>());
}

#[test]
fn who_is_late_is_passed_and_a_shard_has_so_many_requests_and_no_more() {
    let mut rig = rig(2);
    for token in 0..20 {
        rig.put_at(token, 0);
        rig.wait(ms(101));
    }
    assert_eq!(rig.sent.len(), 4, "the others may need the rest");
    rig.put_at(90, HALF);
    assert_eq!(rig.sent.len(), 5);
    let late = rig.sent.remove(0);
    rig.stored_on(0);
    assert_eq!(rig.delivered_tokens(), [1], "passed the one that is late");
    rig.reply(&late, Ok(vec![stored(0)]));
    assert_eq!(rig.delivered_tokens(), [1, 0]);
}

#[test]
fn what_failed_expires_in_time() {
    let relaxed = config()
        .linger(ms(0))
        .ordering(Ordering::Relaxed)
        .record_ttl(ms(1_000));
    let mut rig = Rig::with_shards(relaxed, 1);
    rig.put_at(1, 0);
    let start = rig.now;
    while rig.failed.is_empty() {
        if rig.sent.is_empty() {
            rig.wait(ms(1));
        } else {
            rig.request_fails("InternalFailure");
        }
    }
    assert_eq!(rig.now - start, ms(1_000));
    assert!(rig.pipeline.is_idle());
}

#[test]
fn after_a_reshard_children_wait_for_nobody() {
    let mut rig = rig(1);
    rig.put_at(1, 0);
    rig.list(&equal_shards(1, 2));
    rig.put_at(2, 0);
    assert_eq!(rig.sent.len(), 2);
    let parent = rig.take_request();
    rig.reply(&parent, Ok(vec![throttled()]));
    rig.stored_on(1);
    assert_eq!(rig.delivered_tokens(), [2]);
    rig.wait(ms(200));
    rig.stored_on(1);
    assert_eq!(rig.delivered_tokens(), [2, 1]);
}

#[test]
fn what_failed_moves_to_the_children() {
    let mut rig = rig(1);
    rig.put_at(1, 0);
    rig.put_at(2, HALF);
    for _ in 0..2 {
        while !rig.sent.is_empty() {
            rig.request_fails("InternalFailure");
        }
    }
    rig.list(&equal_shards(1, 2));
    rig.wait(ms(500));
    let batch = rig.take_request();
    let shards: Vec<_> = batch
        .entries
        .iter()
        .map(|entry| stored(if entry.hash_key.get() < HALF { 1 } else { 2 }))
        .collect();
    rig.reply(&batch, Ok(shards));
    let mut tokens = rig.delivered_tokens();
    tokens.sort_unstable();
    assert_eq!(tokens, [1, 2]);
    assert!(rig.pipeline.is_idle());
}

#[test]
fn the_rate_binds_as_well() {
    let mut rig = rig(1);
    let mut sent = 0;
    for token in 0..200 {
        rig.put(token, at(u128::from(token), 20_000));
        rig.wait(ms(10));
        for batch in std::mem::take(&mut rig.sent) {
            sent += batch.entries.iter().map(|entry| entry.size()).sum::<usize>();
            let replies = batch.entries.iter().map(|_| stored(0)).collect();
            rig.reply(&batch, Ok(replies));
        }
    }
    // 2 MB/s are wanted for two seconds; a shard takes half, and half a second's worth at once.
    let most = 1_048_576 / 2 + 2 * 1_048_576 * 105 / 100;
    assert!(sent <= most, "{sent} of {most}");
    assert!(sent > most * 8 / 10, "{sent} of {most}");
}
