//! What we write, attribute by attribute.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use kcl::lease::{Lease, LeaseKey, PendingCheckpoint};
use kcl::position::Checkpoint;
use kcl::store::{CheckpointUpdate, LeaseStore, Renewal};
use kinesis_aggregation::{HashKey, HashKeyRange};

use crate::world::{NUMBER, SHARD, World, at, expect_held, item, n, s, shard, ss, worker};

#[tokio::test]
async fn a_new_row_has_the_names_and_types_of_kcl() {
    let world = World::start().await;
    let mut lease = Lease::new(LeaseKey::new(SHARD), Checkpoint::TrimHorizon);
    lease.parents = BTreeSet::from([shard(1), shard(2)]);
    lease.hash_range = HashKeyRange::new(HashKey::MIN, HashKey::new(u128::MAX / 2)).ok();
    assert!(world.store.create(&lease).await.unwrap());

    assert_eq!(
        world.item().await,
        item([
            ("leaseKey", s(SHARD)),
            ("leaseCounter", n("0")),
            ("ownerSwitchesSinceCheckpoint", n("0")),
            ("checkpoint", s("TRIM_HORIZON")),
            ("checkpointSubSequenceNumber", n("0")),
            (
                "parentShardId",
                ss(&["shardId-000000000001", "shardId-000000000002"])
            ),
            ("startingHashKey", s("0")),
            ("endingHashKey", s("170141183460469231731687303715884105727")),
            ("entityType", s("LEASE")),
        ])
    );
}

#[tokio::test]
async fn what_is_empty_is_not_written() {
    let world = World::start().await;
    let mut lease = Lease::new(LeaseKey::new(SHARD), Checkpoint::Latest);
    // KCL cannot read a range of one key.
    lease.hash_range = HashKeyRange::new(HashKey::MAX, HashKey::MAX).ok();
    assert!(world.store.create(&lease).await.unwrap());
    assert_eq!(
        world.item().await,
        item([
            ("leaseKey", s(SHARD)),
            ("leaseCounter", n("0")),
            ("ownerSwitchesSinceCheckpoint", n("0")),
            ("checkpoint", s("LATEST")),
            ("checkpointSubSequenceNumber", n("0")),
            ("entityType", s("LEASE")),
        ])
    );
}

#[tokio::test]
async fn a_holders_writes_in_bytes() {
    let world = World::start().await;
    let (store, mut expected) = (&world.store, world.new_row().await);
    let lease = store.get(&LeaseKey::new(SHARD)).await.unwrap().unwrap();

    let held = store.take(&lease, &worker("w1")).await.unwrap().unwrap();
    let row = expected.after(&[
        ("leaseOwner", Some(s("w1"))),
        ("leaseCounter", Some(n("1"))),
        ("kinesisKitOwner", Some(s("w1"))),
    ]);
    assert_eq!(world.item().await, row, "take");

    let held = expect_held(store.renew(&held).await);
    let row = expected.after(&[("leaseCounter", Some(n("2")))]);
    assert_eq!(world.item().await, row, "renew");

    let pending = PendingCheckpoint {
        checkpoint: at(NUMBER, 4),
        state: Some(Bytes::from_static(b"\xffst")),
    };
    let prepare = CheckpointUpdate {
        checkpoint: held.checkpoint.clone(),
        pending: Some(pending),
    };
    let held = expect_held(store.checkpoint(&held, &prepare).await);
    let row = expected.after(&[
        ("leaseCounter", Some(n("3"))),
        ("pendingCheckpoint", Some(s(NUMBER))),
        ("pendingCheckpointSubSequenceNumber", Some(n("4"))),
        (
            "pendingCheckpointState",
            Some(AttributeValue::B(Blob::new(b"\xffst".to_vec()))),
        ),
    ]);
    assert_eq!(world.item().await, row, "prepare");

    let commit = CheckpointUpdate {
        checkpoint: at(NUMBER, 4),
        pending: None,
    };
    let held = expect_held(store.checkpoint(&held, &commit).await);
    let row = expected.after(&[
        ("leaseCounter", Some(n("4"))),
        ("checkpoint", Some(s(NUMBER))),
        ("checkpointSubSequenceNumber", Some(n("4"))),
        ("pendingCheckpoint", None),
        ("pendingCheckpointSubSequenceNumber", None),
        ("pendingCheckpointState", None),
    ]);
    assert_eq!(world.item().await, row, "checkpoint");

    store
        .set_children(&held.key, &[shard(8), shard(9)])
        .await
        .unwrap();
    let children = ss(&["shardId-000000000008", "shardId-000000000009"]);
    let row = expected.after(&[("childShardIds", Some(children))]);
    assert_eq!(world.item().await, row, "children");

    let end = CheckpointUpdate {
        checkpoint: Checkpoint::ShardEnd,
        pending: None,
    };
    expect_held(store.checkpoint(&held, &end).await);
    let row = expected.after(&[
        ("leaseCounter", Some(n("5"))),
        ("checkpoint", Some(s("SHARD_END"))),
        ("checkpointSubSequenceNumber", Some(n("0"))),
    ]);
    assert_eq!(world.item().await, row, "end");
}

#[tokio::test]
async fn changes_of_owner_in_bytes() {
    let world = World::start().await;
    let (store, mut expected) = (&world.store, world.new_row().await);
    let lease = store.get(&LeaseKey::new(SHARD)).await.unwrap().unwrap();
    let held = store.take(&lease, &worker("w1")).await.unwrap().unwrap();

    assert!(store.request_hand_over(&held, &worker("w2")).await.unwrap());
    let row = expected.after(&[
        ("leaseOwner", Some(s("w2"))),
        ("checkpointOwner", Some(s("w1"))),
        ("leaseCounter", Some(n("1"))),
        ("kinesisKitOwner", Some(s("w1"))),
    ]);
    assert_eq!(world.item().await, row, "request");

    let Renewal::HandOverRequested(held) = store.renew(&held).await.unwrap() else {
        panic!("asked for")
    };
    assert!(store.complete_hand_over(&held).await.unwrap());
    let row = expected.after(&[("checkpointOwner", None), ("leaseCounter", Some(n("2")))]);
    assert_eq!(world.item().await, row, "hand over");

    let held = store.get(&held.key).await.unwrap().unwrap();
    assert!(store.release(&held).await.unwrap());
    let row = expected.after(&[("leaseOwner", None), ("leaseCounter", Some(n("3")))]);
    assert_eq!(world.item().await, row, "release");

    let held = store.get(&held.key).await.unwrap().unwrap();
    let held = store.take(&held, &worker("w3")).await.unwrap().unwrap();
    let row = expected.after(&[
        ("leaseOwner", Some(s("w3"))),
        ("leaseCounter", Some(n("4"))),
        ("kinesisKitOwner", Some(s("w3"))),
    ]);
    assert_eq!(world.item().await, row, "no switch of owners from nobody");

    store.take(&held, &worker("w4")).await.unwrap().unwrap();
    let row = expected.after(&[
        ("leaseOwner", Some(s("w4"))),
        ("kinesisKitOwner", Some(s("w4"))),
        ("leaseCounter", Some(n("5"))),
        ("ownerSwitchesSinceCheckpoint", Some(n("1"))),
    ]);
    assert_eq!(world.item().await, row, "a switch of owners");
}
