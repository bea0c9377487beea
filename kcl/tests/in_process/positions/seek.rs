//! A running application is moved, and nothing moves it back.

use std::sync::Arc;
use std::time::Duration;

use kcl::{Checkpoint, CheckpointPolicy, Position, SeekError, SeekShards, SeekTo, ShardId};
use tokio::time::sleep;

use super::world::{World, after, checkpoint, config, key, local, put, run, until, until_seen};

#[tokio::test(start_paused = true)]
async fn a_running_application_is_moved_to_any_place() {
    let local = local(1).await;
    let mut numbers = put(&local, &["1", "2"]).await;
    sleep(Duration::from_secs(60)).await;
    let time = local.now();
    numbers.extend(put(&local, &["3", "4"]).await);
    let world: Arc<World> = Arc::default();
    let running = run(
        &local,
        config("w1").checkpoint_policy(CheckpointPolicy::EachBatch),
        &world,
    );
    until_seen(&world, &["1", "2", "3", "4"]).await;
    until("checkpointed", async || {
        checkpoint(&local).await == after(&numbers[3])
    })
    .await;
    let second = Position::new(numbers[1].clone(), 0);
    let cases: [(SeekTo, Checkpoint, &[&str]); 4] = [
        (
            SeekTo::TrimHorizon,
            Checkpoint::TrimHorizon,
            &["1", "2", "3", "4"],
        ),
        (SeekTo::AtTimestamp(time), after(&numbers[1]), &["3", "4"]),
        (SeekTo::After(second), after(&numbers[1]), &["3", "4"]),
        (SeekTo::Latest, after(&numbers[3]), &[]),
    ];
    for (to, place, expected) in cases {
        world.clear();
        let shard = SeekShards::Shard(ShardId::from_number(0));
        let sought = running.handle.seek(shard, to.clone()).await.unwrap();
        assert_eq!(sought.moved, [(key(), place)], "{to:?}");
        until_seen(&world, expected).await;
        // Whatever the reader of before still had to checkpoint.
        until("checkpointed", async || {
            checkpoint(&local).await == after(&numbers[3])
        })
        .await;
        sleep(Duration::from_secs(30)).await;
        assert_eq!(world.data(), expected, "{to:?}: and no more");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_old_checkpoint_does_not_overwrite_the_new_place() {
    let local = local(1).await;
    put(&local, &["1", "2"]).await;
    let world: Arc<World> = Arc::default();
    let hour = Duration::from_secs(3_600);
    let every = config("w1").checkpoint_policy(CheckpointPolicy::Every(hour));
    let running = run(&local, every, &world);
    until_seen(&world, &["1", "2"]).await;
    // At its stop the worker has something to checkpoint, and has not heard of the seek yet.
    running
        .handle
        .seek(SeekShards::All, SeekTo::TrimHorizon)
        .await
        .unwrap();
    running.stop().await;
    assert_eq!(checkpoint(&local).await, Checkpoint::TrimHorizon);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sought_is_refused() {
    let local = local(2).await;
    let world: Arc<World> = Arc::default();
    let running = run(&local, config("w1"), &world);
    until("both shards begin", async || {
        world.begun.lock().unwrap().len() == 2
    })
    .await;
    let numbers = put(&local, &["1"]).await;
    let to = SeekTo::After(Position::new(numbers[0].clone(), 0));
    let refused = running.handle.seek(SeekShards::All, to.clone()).await;
    assert!(matches!(refused, Err(SeekError::ManyShards)));
    let nobody = SeekShards::Shard(ShardId::from_number(9));
    let refused = running.handle.seek(nobody, to).await;
    assert!(matches!(refused, Err(SeekError::NoLease { .. })));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_finished_shard_that_is_kept_is_read_again_before_its_children() {
    let local = local(1).await;
    put(&local, &["parent"]).await;
    let world: Arc<World> = Arc::default();
    let running = run(
        &local,
        config("w1").checkpoint_policy(CheckpointPolicy::EachBatch),
        &world,
    );
    until_seen(&world, &["parent"]).await;
    let split = local.kinesis_client().split_shard().stream_name("sales");
    let split = split
        .shard_to_split("shardId-000000000000")
        .new_starting_hash_key("1000");
    split.send().await.unwrap();
    until("the parent is finished", async || {
        checkpoint(&local).await == Checkpoint::ShardEnd
    })
    .await;
    put(&local, &["child"]).await;
    until_seen(&world, &["parent", "child"]).await;
    world.clear();
    let sought = running
        .handle
        .seek(SeekShards::All, SeekTo::TrimHorizon)
        .await
        .unwrap();
    assert_eq!(sought.moved.len(), 3, "{sought:?}");
    assert_eq!(sought.moved[0].0, key(), "the parent first");
    until_seen(&world, &["parent", "child"]).await;
    running.stop().await;
}
