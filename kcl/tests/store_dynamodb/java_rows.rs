//! Rows as KCL writes them: read, renewed, checkpointed, and nothing else in them changed.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use kcl::lease::{Lease, LeaseKey, StreamId};
use kcl::position::Checkpoint;
use kcl::store::{CheckpointUpdate, LeaseStore, Renewal};

use crate::world::{
    Item, NUMBER, SHARD, TABLE, World, at, expect_held, item, java_row, n, s, shard, ss, worker,
};

#[tokio::test]
async fn a_row_of_kcl_is_read() {
    let world = World::start().await;
    world.put(java_row()).await;
    let listing = world.store.list().await.unwrap();
    assert!(listing.skipped.is_empty());
    let [lease] = &listing.leases[..] else {
        panic!("one lease")
    };
    assert_eq!(lease.owner, Some(worker("java-1")));
    assert_eq!((lease.counter, lease.owner_switches), (4711, 2));
    assert_eq!(lease.checkpoint, at(NUMBER, 12));
    assert_eq!(lease.parents, BTreeSet::from([shard(1)]));
    assert_eq!(lease.children, BTreeSet::from([shard(7)]));
    assert_eq!(
        lease.hash_range.map(|range| range.end().get()),
        Some(u128::MAX / 2)
    );
    assert_eq!(lease.throughput_kbps, Some(812.417_969));
}

#[tokio::test]
async fn nothing_else_in_a_row_of_kcl_changes() {
    let world = World::start().await;
    let store = &world.store;
    world.put(java_row()).await;
    let lease = store.get(&LeaseKey::new(SHARD)).await.unwrap().unwrap();
    let lease = store.take(&lease, &worker("w1")).await.unwrap().unwrap();
    let lease = expect_held(store.renew(&lease).await);
    let update = CheckpointUpdate {
        checkpoint: at(NUMBER, 13),
        pending: None,
    };
    let lease = expect_held(store.checkpoint(&lease, &update).await);
    assert!(store.request_hand_over(&lease, &worker("java-1")).await.unwrap());
    let Renewal::HandOverRequested(lease) = store.renew(&lease).await.unwrap() else {
        panic!("asked for")
    };
    assert!(store.release(&lease).await.unwrap());

    let mut expected = java_row();
    expected.insert("leaseCounter".to_owned(), n("4715"));
    expected.insert("kinesisKitOwner".to_owned(), s("w1"));
    expected.insert("checkpointSubSequenceNumber".to_owned(), n("13"));
    expected.insert("ownerSwitchesSinceCheckpoint".to_owned(), n("0"));
    assert_eq!(world.item().await, expected);
}

#[tokio::test]
async fn a_hand_over_begun_by_kcl_is_understood() {
    let world = World::start().await;
    let mut row = java_row();
    row.insert("checkpointOwner".to_owned(), s("w1"));
    world.put(row).await;
    let lease = world.store.get(&LeaseKey::new(SHARD)).await.unwrap().unwrap();
    assert_eq!(lease.actual_owner(), Some(&worker("w1")));
    let mut known_to_w1 = lease.clone();
    known_to_w1.owner = known_to_w1.checkpoint_owner.take();
    assert_eq!(
        world.store.renew(&known_to_w1).await.unwrap(),
        Renewal::HandOverRequested(lease)
    );
}

/// Rows of all ages and kinds.
fn java_rows() -> Vec<(&'static str, Item)> {
    let first = || {
        item([
            ("leaseKey", s(SHARD)),
            ("leaseOwner", s("java-1")),
            ("leaseCounter", n("7")),
            ("ownerSwitchesSinceCheckpoint", n("0")),
            ("checkpoint", s("TRIM_HORIZON")),
            ("checkpointSubSequenceNumber", n("0")),
        ])
    };
    let with = |more: Item| {
        let mut row = first();
        row.extend(more);
        row
    };
    vec![
        ("2.0, a shard without parents", first()),
        (
            "2.3, a merged shard with a prepared checkpoint",
            with(item([
                (
                    "parentShardId",
                    ss(&["shardId-000000000001", "shardId-000000000002"]),
                ),
                ("pendingCheckpoint", s(NUMBER)),
                ("pendingCheckpointSubSequenceNumber", n("3")),
                (
                    "pendingCheckpointState",
                    AttributeValue::B(Blob::new(b"\0\xff".to_vec())),
                ),
                ("startingHashKey", s("0")),
                ("endingHashKey", s("340282366920938463463374607431768211455")),
            ])),
        ),
        (
            "a state that a number stands for",
            with(item([("pendingCheckpointState", n("0"))])),
        ),
        (
            "3.5, multi-stream",
            with(item([
                ("leaseKey", s(MULTI_STREAM)),
                ("streamName", s("123456789012:orders:1700000000")),
                ("shardId", s(SHARD)),
                ("throughputKBps", n("0.000001")),
                ("entityType", s("LEASE")),
            ])),
        ),
        (
            "a checkpoint of a time",
            with(item([("checkpoint", s("AT_TIMESTAMP"))])),
        ),
    ]
}

const MULTI_STREAM: &str = "123456789012:orders:1700000000:shardId-000000000003";

#[tokio::test]
async fn rows_of_all_ages_keep_what_is_not_ours_to_change() {
    let world = World::start().await;
    for (name, java) in java_rows() {
        let key = java["leaseKey"].as_s().unwrap().clone();
        world.put(java.clone()).await;
        let lease = world.store.get(&LeaseKey::new(&key)).await.unwrap().unwrap();
        // In its owner's place: the row is the holder's own.
        let lease = expect_held(world.store.renew(&lease).await);
        let mut expected = java;
        expected.insert("leaseCounter".to_owned(), n("8"));
        assert_eq!(stored(&world, &key).await, expected, "{name}: renewed");

        let update = CheckpointUpdate {
            checkpoint: at(NUMBER, 5),
            pending: None,
        };
        expect_held(world.store.checkpoint(&lease, &update).await);
        for (attribute, value) in [
            ("leaseCounter", n("9")),
            ("checkpoint", s(NUMBER)),
            ("checkpointSubSequenceNumber", n("5")),
        ] {
            expected.insert(attribute.to_owned(), value);
        }
        expected.retain(|attribute, _| !attribute.starts_with("pending"));
        assert_eq!(stored(&world, &key).await, expected, "{name}: checkpointed");
    }
}

async fn stored(world: &World, key: &str) -> Item {
    let mut row = world.row(TABLE, "leaseKey", key).await.unwrap();
    for value in row.values_mut() {
        if let AttributeValue::Ss(set) = value {
            set.sort_unstable();
        }
    }
    row
}

#[tokio::test]
async fn a_multi_stream_row_names_its_stream() {
    let world = World::start().await;
    let stream: StreamId = "123456789012:orders:1700000000".parse().unwrap();
    let lease = Lease::of_stream(stream.clone(), &shard(3), Checkpoint::TrimHorizon);
    assert!(world.store.create(&lease).await.unwrap());
    let expected = item([
        ("leaseKey", s(MULTI_STREAM)),
        ("streamName", s("123456789012:orders:1700000000")),
        ("shardId", s(SHARD)),
        ("leaseCounter", n("0")),
        ("ownerSwitchesSinceCheckpoint", n("0")),
        ("checkpoint", s("TRIM_HORIZON")),
        ("checkpointSubSequenceNumber", n("0")),
        ("entityType", s("LEASE")),
    ]);
    assert_eq!(stored(&world, MULTI_STREAM).await, expected);
    let read = world.store.get(&lease.key).await.unwrap().unwrap();
    assert_eq!((read.stream, read.key.shard()), (Some(stream), Some(shard(3))));
}

#[tokio::test]
async fn a_measured_throughput_is_written_with_the_heartbeat() {
    let world = World::start().await;
    world.put(java_row()).await;
    let mut lease = world.store.get(&LeaseKey::new(SHARD)).await.unwrap().unwrap();
    lease.throughput_kbps = Some(0.1 + 0.2);
    expect_held(world.store.renew(&lease).await);
    let mut expected = java_row();
    expected.insert("leaseCounter".to_owned(), n("4712"));
    expected.insert("throughputKBps".to_owned(), n("0.3"));
    assert_eq!(world.item().await, expected);
}
