//! Streams that go away, and aggregates that are in the wrong shard.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use kcl::events::ConsumerEvent;
use kcl::metrics::Metric;
use kcl::{BoxError, Checkpoint, CheckpointPolicy, ChildShards, HashKey, OnStray, StrayAggregate};
use kinesis_aggregation::{AggregateBuilder, AggregateLimits};
use kinesis_local::InProcess;
use tokio::time::sleep;

use super::world::{World, checkpoint, config, key, local, put, run, until_seen};

#[tokio::test(start_paused = true)]
async fn a_deleted_stream_ends_its_shards_and_is_told() {
    let local = local(1).await;
    put(&local, &["1"]).await;
    let world: Arc<World> = Arc::default();
    let mut running = run(&local, config("w1"), &world);
    until_seen(&world, &["1"]).await;
    let delete = local.kinesis_client().delete_stream().stream_name("sales");
    delete.send().await.unwrap();
    let event = running
        .event(|event| matches!(event, ConsumerEvent::StreamDeleted { .. }))
        .await;
    let ConsumerEvent::StreamDeleted { lease_key, .. } = event else {
        unreachable!("asked for");
    };
    assert_eq!(lease_key, key());
    running
        .event(|event| matches!(event, ConsumerEvent::ShardFinished { .. }))
        .await;
    assert_eq!(checkpoint(&local).await, Checkpoint::ShardEnd);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_away_for_a_moment_goes_on() {
    use kinesis_local::{Fault, Faults};
    let away = |operation: &str| {
        Fault::error("ResourceNotFoundException", 400)
            .operation(operation)
            .after(Duration::from_secs(30))
            .lasting(Duration::from_secs(6))
    };
    let faults = Faults::builder()
        .fault(away("GetRecords"))
        .fault(away("ListShards"));
    let local = InProcess::builder()
        .faults(faults.build().unwrap())
        .start()
        .unwrap();
    local.create_stream("sales", 1).await.unwrap();
    let world: Arc<World> = Arc::default();
    let running = run(&local, config("w1"), &world);
    put(&local, &["1"]).await;
    until_seen(&world, &["1"]).await;
    sleep(Duration::from_secs(60)).await;
    put(&local, &["2"]).await;
    until_seen(&world, &["1", "2"]).await;
    running.stop().await;
}

/// An aggregate of two records into the first of two shards, one of which belongs into the other.
async fn put_stray(local: &InProcess) {
    let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT);
    for key in [1, u128::MAX] {
        let key = HashKey::new(key);
        builder.try_push("k", Some(key), key, b"stray").unwrap();
    }
    let put = local.kinesis_client().put_record().stream_name("sales");
    let put = put.partition_key("a").explicit_hash_key("1");
    let data = builder.seal().unwrap().into_data();
    put.data(Blob::new(data.to_vec())).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stray_aggregate_is_dropped_delivered_or_diverted_and_it_is_told() {
    let diverted: Arc<Mutex<Vec<StrayAggregate>>> = Arc::default();
    let refusals = Arc::new(Mutex::new(2));
    let (taken, refused) = (Arc::clone(&diverted), Arc::clone(&refusals));
    let divert = OnStray::divert(move |stray| {
        let refuse = {
            let mut left = refused.lock().unwrap();
            let refuse = *left > 0;
            *left = i32::saturating_sub(*left, 1).max(0);
            refuse
        };
        let taken = Arc::clone(&taken);
        async move {
            if refuse {
                return Err(BoxError::from("not now"));
            }
            taken.lock().unwrap().push(stray);
            Ok(())
        }
    });
    for (policy, expected, counts) in [
        (OnStray::Drop, &["1", "2"][..], [1, 2, 0]),
        (OnStray::Deliver, &["1", "stray", "stray", "2"], [0, 0, 0]),
        (divert, &["1", "2"], [0, 0, 1]),
    ] {
        let local = local(2).await;
        put(&local, &["1"]).await;
        put_stray(&local).await;
        put(&local, &["2"]).await;
        let world: Arc<World> = Arc::default();
        let told = format!("{policy:?}");
        let each = config("w1").checkpoint_policy(CheckpointPolicy::EachBatch);
        let mut running = run(&local, each.on_stray_aggregate(policy), &world);
        let records_told = async |event| match event {
            ConsumerEvent::AggregateDropped { records, .. }
            | ConsumerEvent::AggregateDiverted { records, .. } => records,
            other => panic!("{other:?}"),
        };
        match told.as_str() {
            "Drop" => {
                let event = running
                    .event(|event| matches!(event, ConsumerEvent::AggregateDropped { .. }))
                    .await;
                assert_eq!(records_told(event).await, 2);
            }
            "Divert" => {
                let event = running
                    .event(|event| matches!(event, ConsumerEvent::AggregateDiverted { .. }))
                    .await;
                assert_eq!(records_told(event).await, 2);
            }
            _ => {}
        }
        until_seen(&world, expected).await;
        let counted = running.handle.metrics();
        let metrics = [
            Metric::DroppedAggregates,
            Metric::DroppedRecords,
            Metric::DivertedAggregates,
        ];
        assert_eq!(metrics.map(|metric| counted.get(metric)), counts, "{told}");
        running.stop().await;
    }
    let diverted = diverted.lock().unwrap();
    assert_eq!(diverted.len(), 1, "refused twice, taken once");
    assert_eq!(diverted[0].records().len(), 2);
    assert_eq!(*refusals.lock().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn children_wait_for_their_parents_unless_told_otherwise() {
    for (when, expected) in [
        (ChildShards::AfterParents, &[][..]),
        (ChildShards::AtOnce, &["child"]),
    ] {
        let local = local(1).await;
        let world: Arc<World> = Arc::default();
        *world.poison.lock().unwrap() = Some("poison".to_owned());
        let interval = Duration::from_secs(10);
        let config = config("w1").shard_sync_interval(interval).child_shards(when);
        let running = run(
            &local,
            config.checkpoint_policy(CheckpointPolicy::EachBatch),
            &world,
        );
        put(&local, &["poison"]).await;
        sleep(interval).await;
        let split = local.kinesis_client().split_shard().stream_name("sales");
        let split = split
            .shard_to_split("shardId-000000000000")
            .new_starting_hash_key("1000");
        split.send().await.unwrap();
        sleep(interval).await;
        put(&local, &["child"]).await;
        sleep(interval * 5).await;
        assert_eq!(world.data(), expected, "{when:?}: while the parent stands");
        *world.poison.lock().unwrap() = None;
        let all: &[&str] = match when {
            ChildShards::AtOnce => &["child", "poison"],
            _ => &["poison", "child"],
        };
        until_seen(&world, all).await;
        running.stop().await;
    }
}
