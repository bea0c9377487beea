//! The KCL's metrics of streams.

use kcl::metrics::Metric;
use kcl::streams::tracker::FormerStreams;
use kinesis_local::Fault;
use tokio::time::sleep;

use super::world::World;
use super::{ROUND, names};
use crate::running::{Running, SECOND, within};

/// Read, about to be deleted, deleted, and of these those that were not there any more.
fn counted(worker: &Running) -> [u64; 4] {
    let counted = worker.handle.metrics();
    let metrics = [
        Metric::ActiveStreams,
        Metric::StreamsPendingDeletion,
        Metric::DeletedStreams,
        Metric::MissingStreamsDeleted,
    ];
    metrics.map(|metric| counted.get(metric))
}

#[tokio::test(start_paused = true)]
async fn streams_are_counted_as_they_come_and_go() {
    let world = World::with_streams(&[("orders", 2), ("clicks", 1), ("views", 1)]).await;
    world.list(&["orders", "clicks", "views"]);
    let policy = FormerStreams::DeleteAfter(4 * ROUND);
    let worker = world.start(world.tracking("w1").former_streams(policy));
    within(10 * SECOND, "all are read", async || worker.held() == 4).await;
    within(ROUND, "and counted", async || counted(&worker) == [3, 0, 0, 0]).await;

    world.list(&["orders", "views"]);
    within(2 * ROUND, "one waits", async || counted(&worker) == [3, 1, 0, 0]).await;
    world.list(&["orders", "clicks", "views"]);
    within(2 * ROUND, "it came back", async || {
        counted(&worker) == [3, 0, 0, 0]
    })
    .await;
    world.list(&["orders"]);
    within(2 * ROUND, "two wait", async || counted(&worker) == [3, 2, 0, 0]).await;
    within(10 * ROUND, "both are gone", async || {
        counted(&worker) == [1, 0, 2, 0]
    })
    .await;
    assert_eq!(world.leased().await, names(&["orders"]));

    // The service knows the last one no more.
    world.delete_stream("orders").await;
    within(10 * ROUND, "it is gone too", async || {
        counted(&worker) == [0, 0, 3, 1]
    })
    .await;
    assert!(world.leased().await.is_empty());
    sleep(10 * ROUND).await;
    assert_eq!(counted(&worker), [0, 0, 3, 1], "each is counted once");
    worker.stop().await;
}

/// Both delete, as far as the other has not: each row goes once, and so does each stream.
#[tokio::test(start_paused = true)]
async fn a_stream_whose_leases_two_workers_delete_is_counted_once() {
    let world = World::with_streams(&[("orders", 2), ("clicks", 3), ("views", 1)]).await;
    world.list(&["orders", "clicks", "views"]);
    let policy = FormerStreams::DeleteAfter(ROUND);
    let tracking = |id| world.tracking(id).former_streams(policy.clone());
    let workers = [world.start(tracking("w1")), world.start(tracking("w2"))];
    let held = || workers.iter().map(Running::held).sum::<usize>();
    within(20 * SECOND, "all are read", async || held() == 6).await;
    within(20 * SECOND, "and shared", async || {
        workers.iter().all(|worker| worker.held() == 3)
    })
    .await;

    let both = || {
        let [one, two] = [counted(&workers[0]), counted(&workers[1])];
        [one[2] + two[2], one[3] + two[3]]
    };
    world.list(&["orders", "views"]);
    within(10 * ROUND, "one is gone", async || {
        world.leased().await == names(&["orders", "views"])
    })
    .await;
    sleep(10 * ROUND).await;
    assert_eq!(both(), [1, 0]);
    // The service knows another one no more.
    world.delete_stream("orders").await;
    within(20 * ROUND, "it is gone too", async || {
        world.leased().await == names(&["views"])
    })
    .await;
    sleep(10 * ROUND).await;
    assert_eq!(both(), [2, 1]);
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_its_leases_is_to_be_synced_until_it_has_them() {
    let world = World::with_streams(&[("orders", 2), ("clicks", 1)]).await;
    world.list(&["orders", "clicks"]);
    let worker = world.start(world.tracking("w1"));
    within(10 * SECOND, "all are read", async || worker.held() == 3).await;
    let to_sync = || worker.handle.metrics().values(Metric::StreamsToSync);
    within(6 * ROUND, "an audit", async || to_sync().count() > 0).await;
    assert_eq!(to_sync().max(), Some(0.0));

    // Somebody deletes a row, and it cannot be made again for a while.
    let denied = Fault::error("InternalServerError", 500).operation("PutItem");
    world.local.faults().add(denied.lasting(16 * ROUND)).unwrap();
    let mut keys = world.rows().await.into_keys();
    let key = keys.find(|key| key.contains(":orders:")).unwrap();
    let key = aws_sdk_dynamodb::types::AttributeValue::S(key);
    let delete = world.local.dynamodb_client().delete_item().table_name("app");
    delete.key("leaseKey", key).send().await.unwrap();
    within(16 * ROUND, "one lacks a lease", async || {
        to_sync().last() == Some(1.0)
    })
    .await;
    within(20 * ROUND, "none does", async || to_sync().last() == Some(0.0)).await;
    within(10 * ROUND, "all are read again", async || worker.held() == 3).await;
    worker.stop().await;
}
