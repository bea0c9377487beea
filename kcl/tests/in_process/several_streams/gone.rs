//! Streams that are listed and not there, or not for us.

use std::time::Duration;

use kcl::InitialPosition;
use kcl::events::ConsumerEvent;
use kcl::health::StreamPhase;
use kcl::streams::tracker::{FormerStreams, Why};
use kinesis_local::Fault;
use tokio::time::sleep;

use super::world::World;
use super::{ROUND, names};
use crate::running::{SECOND, within};

#[tokio::test(start_paused = true)]
async fn a_stream_made_again_is_another_stream() {
    let world = World::with_streams(&[("orders", 1), ("clicks", 1)]).await;
    world.list(&["orders", "clicks"]);
    world.put("orders", "old").await;
    let mut worker = world.start(
        world
            .tracking("w1")
            .initial_position(InitialPosition::TrimHorizon),
    );
    within(5 * SECOND, "read", async || world.seen.has("orders", "old")).await;
    let old = world.id("orders").await;

    world.delete_stream("orders").await;
    sleep(2 * SECOND).await;
    world.local.create_stream("orders", 1).await.unwrap();
    world.put("orders", "new").await;
    let new = world.id("orders").await;
    assert_ne!(old, new);
    within(4 * ROUND, "the new one is read", async || {
        world.seen.has("orders", "new")
    })
    .await;
    assert_eq!(world.seen.of("orders")["new"], 1);
    let told = worker.told();
    let retired = told.iter().any(|event| {
        matches!(event, ConsumerEvent::StreamLeft { stream, why: Why::Recreated { by } }
            if stream.to_string() == old && by.to_string() == new)
            || matches!(event, ConsumerEvent::StreamLeft { stream, why: Why::NotFound } if stream.to_string() == old)
    });
    assert!(retired, "{told:?}");
    sleep(ROUND).await;
    let rows = world.rows().await;
    let checkpoint = |id: &str| {
        let row = rows.get(&format!("{id}:shardId-000000000000"));
        row.map(|row| row["checkpoint"].as_s().unwrap().clone())
    };
    assert!(checkpoint(&new).is_some());
    assert_ne!(checkpoint(&old), checkpoint(&new), "each has its own");
    // And while nobody watched.
    worker.stop().await;
    world.delete_stream("orders").await;
    sleep(2 * SECOND).await;
    world.local.create_stream("orders", 1).await.unwrap();
    world.put("orders", "third").await;
    let worker = world.start(world.tracking("w2"));
    within(5 * SECOND, "the third is read", async || {
        world.seen.has("orders", "third")
    })
    .await;
    assert_eq!(worker.held(), 2);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_may_not_be_read_stops_no_other_and_loses_no_lease() {
    let world = World::with_streams(&[("orders", 1), ("clicks", 1)]).await;
    world.list(&["orders", "clicks"]);
    let former = FormerStreams::DeleteAfter(Duration::ZERO);
    let first = world.start(world.tracking("w0").former_streams(former.clone()));
    within(5 * SECOND, "both are leased", async || {
        world.leased().await.len() == 2
    })
    .await;
    first.stop().await;

    let denied = Fault::error("AccessDeniedException", 400)
        .operation("DescribeStreamSummary")
        .stream("clicks");
    world.local.faults().add(denied).unwrap();
    world.put("orders", "one").await;
    world.put("clicks", "two").await;
    let worker = world.start(world.tracking("w1").former_streams(former));
    within(5 * SECOND, "the other is read", async || {
        world.seen.has("orders", "one")
    })
    .await;
    sleep(5 * ROUND).await;
    assert_eq!(
        world.leased().await.len(),
        2,
        "a right that is missing deletes nothing"
    );
    let health = worker.handle.health();
    let failing = health
        .streams()
        .iter()
        .find(|s| s.stream().to_string() == "clicks")
        .unwrap();
    assert!(
        matches!(failing.phase(), StreamPhase::Failing { code, .. } if code == "AccessDeniedException"),
        "{failing:?}"
    );
    assert!(world.seen.of("clicks").is_empty());
    world.local.faults().clear();
    within(ROUND + 5 * SECOND, "it is read once it may be", async || {
        world.seen.has("clicks", "two")
    })
    .await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_stream_loses_its_leases_in_the_end() {
    let world = World::with_streams(&[("orders", 1), ("clicks", 1)]).await;
    world.list(&["orders", "clicks"]);
    let mut worker = world.start(world.tracking("w1"));
    within(5 * SECOND, "both are read", async || worker.held() == 2).await;
    world.delete_stream("clicks").await;
    within(8 * ROUND, "its leases are gone", async || {
        world.leased().await == names(&["orders"])
    })
    .await;
    assert_eq!(worker.held(), 1);
    let told = worker.told();
    assert!(
        told.iter().any(|event| matches!(
            event,
            ConsumerEvent::StreamLeft {
                why: Why::NotFound,
                ..
            }
        )),
        "{told:?}"
    );
    // It comes back as another.
    world.local.create_stream("clicks", 1).await.unwrap();
    world.put("clicks", "again").await;
    within(4 * ROUND, "it is read again", async || {
        world.seen.has("clicks", "again")
    })
    .await;
    worker.stop().await;
}
