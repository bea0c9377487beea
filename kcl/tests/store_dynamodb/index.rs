//! The index of owners: how it looks, and that nobody depends on it.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::{
    DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, KeyType, ProjectionType,
};
use kcl::fleet::IndexState;
use kcl::lease::{Lease, LeaseKey};
use kcl::position::Checkpoint;
use kcl::store::{FleetStore, LeaseStore};

use crate::world::{TABLE, World, item, n, s, worker};

const INDEX: &str = "LeaseOwnerToLeaseKeyIndex";

async fn held(world: &World, number: u64, owner: &str) {
    let key = LeaseKey::of_shard(&kcl::ShardId::from_number(number));
    let lease = Lease::new(key, Checkpoint::TrimHorizon);
    assert!(world.store.create(&lease).await.unwrap());
    world.store.take(&lease, &worker(owner)).await.unwrap().unwrap();
}

/// `None`: there is no index to ask.
async fn owned(world: &World, owner: &str) -> Option<usize> {
    let known = HashSet::from([LeaseKey::of_shard(&kcl::ShardId::from_number(KNOWN))]);
    let owned = world.store.list_owned(&worker(owner), &known).await;
    owned.unwrap().map(|owned| owned.len())
}

/// Whoever asks knows this one.
const KNOWN: u64 = 2;

#[tokio::test]
async fn the_index_is_the_one_of_kcl() {
    let world = World::start().await;
    assert_eq!(world.store.index().await.unwrap(), IndexState::Absent);
    world.wait_for_index().await;
    let table = world
        .client
        .describe_table()
        .table_name(TABLE)
        .send()
        .await
        .unwrap();
    let table = table.table.unwrap();
    let [index] = table.global_secondary_indexes() else {
        panic!("one index")
    };
    assert_eq!(index.index_name(), Some(INDEX));
    let keys: Vec<_> = index
        .key_schema()
        .iter()
        .map(|key| (key.attribute_name(), key.key_type().clone()))
        .collect();
    assert_eq!(
        keys,
        [("leaseOwner", KeyType::Hash), ("leaseKey", KeyType::Range)]
    );
    let projection = index.projection().unwrap().projection_type();
    assert_eq!(projection, Some(&ProjectionType::KeysOnly));
    assert_eq!(
        world.store.create_index().await.unwrap(),
        IndexState::Active,
        "it is there"
    );
    world.store.prepare().await.unwrap();
}

#[tokio::test]
async fn owned_leases_are_found_by_the_index_and_checked_against_their_rows() {
    let world = World::start().await;
    for number in 0..3 {
        held(&world, number, "w1").await;
    }
    held(&world, 9, "w2").await;
    assert_eq!(owned(&world, "w1").await, None);
    world.wait_for_index().await;
    // Found by the index alone: a row of the index whose lease is broken cannot be read by a scan either.
    assert_eq!(owned(&world, "w1").await, Some(2), "the third is known");
    assert_eq!(owned(&world, "w3").await, Some(0));
    let asked = world
        .store
        .get(&LeaseKey::of_shard(&kcl::ShardId::from_number(9)))
        .await
        .unwrap()
        .unwrap();
    assert!(
        world
            .store
            .request_hand_over(&asked, &worker("w1"))
            .await
            .unwrap()
    );
    assert_eq!(
        owned(&world, "w1").await,
        Some(2),
        "the index names it, its row is still being handed over"
    );
}

#[tokio::test]
async fn an_index_that_a_rollback_removed_is_asked_no_more() {
    let world = World::start().await;
    held(&world, 0, "w1").await;
    world.wait_for_index().await;
    assert_eq!(owned(&world, "w1").await, Some(1));
    let delete = DeleteGlobalSecondaryIndexAction::builder()
        .index_name(INDEX)
        .build()
        .unwrap();
    let update = GlobalSecondaryIndexUpdate::builder().delete(delete).build();
    let request = world.client.update_table().table_name(TABLE);
    request
        .global_secondary_index_updates(update)
        .send()
        .await
        .unwrap();
    for _ in 0..2 {
        assert_eq!(owned(&world, "w1").await, None);
    }
}

#[tokio::test]
async fn one_broken_row_does_not_hide_the_others() {
    let world = World::start().await;
    held(&world, 0, "w1").await;
    world
        .put(item([
            ("leaseKey", s("shardId-000000000007")),
            ("leaseOwner", s("w1")),
            ("leaseCounter", n("1")),
        ]))
        .await;
    world.wait_for_index().await;
    assert_eq!(owned(&world, "w1").await, Some(1));
}
