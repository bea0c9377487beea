//! Keys and names of rows.

use kcl::ConsumerConfig;

use super::world::World;
use crate::running::{SECOND, within};

#[tokio::test(start_paused = true)]
async fn rows_have_the_keys_and_the_names_of_the_kcl() {
    let world = World::with_streams(&[("orders", 1)]).await;
    world.list(&["orders"]);
    world.put("orders", "first").await;
    let worker = world.start(world.tracking("w1"));
    within(5 * SECOND, "the stream is read", async || {
        world.seen.has("orders", "first")
    })
    .await;
    worker.stop().await;
    let id = world.id("orders").await;
    let (account, created) = ("000000000000", "1767225600");
    assert_eq!(
        id,
        format!("{account}:orders:{created}"),
        "of a clock that starts with 2026"
    );
    let rows = world.rows().await;
    let row = &rows["000000000000:orders:1767225600:shardId-000000000000"];
    assert_eq!(rows.len(), 1);
    assert_eq!(
        row["streamName"].as_s().unwrap(),
        "000000000000:orders:1767225600"
    );
    assert_eq!(row["shardId"].as_s().unwrap(), "shardId-000000000000");
    assert!(
        row["checkpoint"].as_s().unwrap().parse::<u128>().is_ok()
            || row["checkpoint"].as_s().unwrap().len() > 38
    );
}

#[tokio::test(start_paused = true)]
async fn one_stream_keeps_plain_keys() {
    let world = World::with_streams(&[("orders", 1)]).await;
    world.put("orders", "first").await;
    let worker = world.start(ConsumerConfig::builder("app", "orders").worker_id("w1").seed(7));
    within(5 * SECOND, "the stream is read", async || {
        world.seen.has("orders", "first")
    })
    .await;
    worker.stop().await;
    let rows = world.rows().await;
    let keys: Vec<_> = rows.keys().map(String::as_str).collect();
    assert_eq!(keys, ["shardId-000000000000"]);
    for multi in ["streamName", "shardId"] {
        assert!(!rows[keys[0]].contains_key(multi), "{multi}");
    }
}

#[tokio::test(start_paused = true)]
async fn parents_and_children_are_of_one_stream() {
    let world = World::with_streams(&[("orders", 1), ("clicks", 1)]).await;
    world.list(&["orders", "clicks"]);
    world.put("orders", "before").await;
    let worker = world.start(world.tracking("w1"));
    within(5 * SECOND, "the stream is read", async || {
        world.seen.has("orders", "before")
    })
    .await;
    let client = world.local.kinesis_client();
    let split = client
        .split_shard()
        .stream_name("orders")
        .shard_to_split("shardId-000000000000");
    split
        .new_starting_hash_key("170141183460469231731687303715884105728")
        .send()
        .await
        .unwrap();
    within(5 * SECOND, "split", async || {
        let put = client.put_record().stream_name("orders").partition_key("k");
        let put = put
            .explicit_hash_key("1")
            .data(aws_sdk_kinesis::primitives::Blob::new("after"));
        let at = put.send().await.unwrap().shard_id;
        at == "shardId-000000000001"
    })
    .await;
    within(10 * SECOND, "the child is read", async || {
        world.seen.has("orders", "after")
    })
    .await;
    let id = world.id("orders").await;
    let rows = world.rows().await;
    let parent = &rows[&format!("{id}:shardId-000000000000")];
    assert_eq!(parent["checkpoint"].as_s().unwrap(), "SHARD_END");
    assert_eq!(parent["childShardIds"].as_ss().unwrap().len(), 2);
    for child in ["shardId-000000000001", "shardId-000000000002"] {
        let row = &rows[&format!("{id}:{child}")];
        assert_eq!(row["parentShardId"].as_ss().unwrap(), &["shardId-000000000000"]);
        assert_eq!(row["shardId"].as_s().unwrap(), child);
    }
    assert_eq!(
        rows.len(),
        4,
        "three of one stream, one of the other: {:?}",
        rows.keys()
    );
    worker.stop().await;
}
