//! Children beside their parents: read soon after a split, not when the parent is done.

use std::sync::Arc;
use std::time::Duration;

use kcl::{CheckpointPolicy, ChildShards, LeaseStore as _};
use kinesis_local::{Fault, Faults, InProcess};
use tokio::time::{Instant, sleep};

use super::world::{World, config, local, put, run, store, until, until_seen};

/// Splits the only shard, so that what is put next is in a child of it.
async fn split(local: &InProcess) {
    let split = local.kinesis_client().split_shard().stream_name("sales");
    let split = split
        .shard_to_split("shardId-000000000000")
        .new_starting_hash_key("1000");
    split.send().await.unwrap();
    // The stream is busy for a while.
    until("the split is done", async || {
        let leases = local
            .kinesis_client()
            .list_shards()
            .stream_name("sales")
            .send()
            .await;
        leases.unwrap().shards().len() == 3
    })
    .await;
}

/// The record of the child is seen within this, and the parent is far from its end then.
const SOON: Duration = Duration::from_secs(12);

#[tokio::test(start_paused = true)]
async fn children_are_read_within_seconds_while_their_parent_has_a_backlog() {
    for seed in 0..5 {
        let local = local(1).await;
        let world: Arc<World> = Arc::default();
        *world.pace.lock().unwrap() = Some(("backlog", Duration::from_secs(1)));
        // No audit in the time of the test.
        let config = config("w1")
            .seed(seed)
            .shard_sync_interval(Duration::from_secs(3_600))
            .child_shards(ChildShards::AtOnce)
            .checkpoint_policy(CheckpointPolicy::EachBatch);
        let running = run(&local, config, &world);
        let backlog = vec!["backlog"; 200];
        put(&local, &backlog).await;
        sleep(Duration::from_secs(15)).await;
        split(&local).await;
        put(&local, &["child"]).await;
        let began = Instant::now();
        until("the child's record", async || {
            world.data().contains(&"child".to_owned())
        })
        .await;
        let waited = began.elapsed();
        assert!(waited <= SOON, "seed {seed}: {waited:?}");
        let done = world.data().len();
        assert!(
            done < 60,
            "seed {seed}: the parent is not done, {done} records are"
        );

        // Both go on to their ends, and nothing is lost or comes twice.
        until("all records", async || world.data().len() >= 201).await;
        until("the parent's end", async || {
            store(&local)
                .list()
                .await
                .unwrap()
                .leases
                .iter()
                .any(|l| l.is_finished())
        })
        .await;
        assert_eq!(world.data().len(), 201, "seed {seed}");
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_fails_for_a_while_delays_children_and_no_more() {
    let fault = Fault::error("LimitExceededException", 400)
        .operation("ListShards")
        .after(Duration::from_secs(14))
        .lasting(Duration::from_secs(40));
    let faults = Faults::builder().fault(fault).build().unwrap();
    let local = InProcess::builder().faults(faults).start().unwrap();
    local.create_stream("sales", 1).await.unwrap();
    let world: Arc<World> = Arc::default();
    *world.pace.lock().unwrap() = Some(("backlog", Duration::from_secs(1)));
    let config = config("w1")
        .shard_sync_interval(Duration::from_secs(3_600))
        .child_shards(ChildShards::AtOnce);
    let running = run(&local, config, &world);
    put(&local, &["backlog"; 150]).await;
    sleep(Duration::from_secs(15)).await;
    let began = Instant::now();
    let split = local.kinesis_client().split_shard().stream_name("sales");
    let split = split
        .shard_to_split("shardId-000000000000")
        .new_starting_hash_key("1000");
    split.send().await.unwrap();
    sleep(Duration::from_secs(10)).await;
    put(&local, &["child"]).await;
    until("the child's record", async || {
        world.data().contains(&"child".to_owned())
    })
    .await;
    let waited = began.elapsed();
    let (least, most) = (Duration::from_secs(38), Duration::from_secs(40) + SOON);
    assert!(waited > least && waited < most, "{waited:?}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn in_the_usual_way_a_child_waits_for_its_parents_end() {
    let local = local(1).await;
    let world: Arc<World> = Arc::default();
    *world.pace.lock().unwrap() = Some(("backlog", Duration::from_secs(1)));
    let running = run(&local, config("w1"), &world);
    put(&local, &["backlog"; 30]).await;
    sleep(Duration::from_secs(5)).await;
    split(&local).await;
    put(&local, &["child"]).await;
    let mut expected = vec!["backlog"; 30];
    expected.push("child");
    until_seen(&world, &expected).await;
    running.stop().await;
}
