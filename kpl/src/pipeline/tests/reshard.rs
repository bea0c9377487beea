//! A new shard map under way: queues move in order, and who takes over waits.

use super::rig::{Rig, config, equal_shards, members, ms, shard, stored, throttled};

const HALF: u128 = u128::MAX / 2 + 1;

#[test]
fn children_wait_for_what_is_under_way_to_their_parent() {
    let mut rig = Rig::with_shards(config().linger(ms(0)), 1);
    rig.put_at(1, 0);
    rig.put_at(2, 0);
    rig.put_at(3, HALF);
    rig.list(&equal_shards(1, 2));
    assert_eq!(rig.sent.len(), 1, "neither child may send yet");
    let parent = rig.take_request();
    rig.reply(&parent, Ok(vec![throttled()]));
    let batch = rig.take_request();
    assert_eq!(
        batch.entries.len(),
        2,
        "a failed record and the one behind it, and the other half"
    );
    assert_eq!(members(&batch.entries[0]), 2);
    rig.reply(&batch, Ok(vec![stored(1), stored(2)]));
    assert_eq!(rig.delivered_tokens(), [1, 2, 3]);
}

#[test]
fn other_shards_do_not_wait() {
    let mut rig = Rig::with_shards(config().linger(ms(0)), 2);
    rig.put_at(1, 0);
    rig.list(&[
        shard(2, 0, HALF / 2 - 1),
        shard(3, HALF / 2, HALF - 2),
        shard(1, HALF - 1, u128::MAX),
    ]);
    rig.put_at(2, HALF);
    assert_eq!(rig.sent.len(), 2);
}

#[test]
fn a_second_reshard_waits_through_the_first() {
    let mut rig = Rig::with_shards(config().linger(ms(0)), 1);
    rig.put_at(1, 0);
    rig.list(&equal_shards(1, 2));
    rig.put_at(2, 0);
    rig.list(&equal_shards(3, 4));
    rig.put_at(3, 0);
    rig.put_at(4, HALF);
    assert_eq!(rig.sent.len(), 1, "grandchildren wait for the grandparent");
    rig.stored_on(0);
    let batch = rig.take_request();
    assert_eq!(batch.entries.len(), 2);
    rig.reply(&batch, Ok(vec![stored(3), stored(5)]));
    assert_eq!(rig.delivered_tokens(), [1, 2, 3, 4]);
    assert!(rig.pipeline.is_idle());
}

#[test]
fn a_merge_joins_two_queues_in_the_order_of_puts() {
    let mut rig = Rig::with_shards(config(), 2);
    for (token, hash_key) in [(1, HALF), (2, 0), (3, HALF), (4, 0)] {
        rig.put_at(token, hash_key);
    }
    rig.list(&[shard(2, 0, u128::MAX)]);
    rig.wait(ms(100));
    rig.stored_on(2);
    assert_eq!(rig.delivered_tokens(), [1, 2, 3, 4]);
}

/// Deleted and made anew: the same ids with other ranges are other shards.
#[test]
fn the_same_ids_with_other_ranges_are_other_shards() {
    let mut rig = Rig::with_shards(config(), 2);
    rig.put_at(1, HALF - 2);
    rig.list(&[shard(0, 0, 99), shard(1, 100, u128::MAX)]);
    rig.wait(ms(100));
    let batch = rig.take_request();
    rig.reply(&batch, Ok(vec![stored(1)]));
    assert_eq!(rig.delivered_tokens(), [1]);
    assert_eq!(rig.lists, 0, "as expected: no reason to list again");
}
