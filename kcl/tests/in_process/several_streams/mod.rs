//! Several streams in one application, on an endpoint in this process and in virtual time.

mod counted;
mod former;
mod gone;
mod keys;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use kcl::events::ConsumerEvent;
use kcl::health::StreamPhase;
use kcl::{ConfigError, ConsumerConfig, StreamConfig};
use tokio::time::sleep;

use self::world::World;
use crate::running::{SECOND, within};

/// How often the list is asked for.
const ROUND: Duration = Duration::from_secs(5);

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn two_workers_share_streams_that_come_and_go_while_one_is_missing() {
    let world = World::with_streams(&[("orders", 2), ("clicks", 2), ("late", 1)]).await;
    world.list(&["orders", "clicks", "missing"]);
    for stream in ["orders", "clicks", "late"] {
        world.put(stream, "first").await;
    }
    let mut one = world.start(world.tracking("w1"));
    let mut two = world.start(world.tracking("w2"));
    within(5 * SECOND, "both streams are read", async || {
        world.seen.has("orders", "first") && world.seen.has("clicks", "first")
    })
    .await;
    within(10 * SECOND, "both workers read", async || {
        (one.held(), two.held()) == (2, 2)
    })
    .await;
    let told = one.told();
    let failed = told
        .iter()
        .filter(|event| matches!(event, ConsumerEvent::StreamFailed { .. }));
    let failed: Vec<_> = failed.collect();
    assert!(
        matches!(&failed[..], [ConsumerEvent::StreamFailed { stream, code, .. }]
            if stream.to_string() == "missing" && code == "ResourceNotFoundException"),
        "{told:?}"
    );
    let health = one.handle.health();
    assert!(health.is_ready());
    let phases: Vec<_> = health
        .streams()
        .iter()
        .map(|s| (s.stream().to_string(), s.phase().clone()))
        .collect();
    let expected = [
        ("clicks".to_owned(), StreamPhase::Reading),
        ("missing".to_owned(), StreamPhase::Missing),
        ("orders".to_owned(), StreamPhase::Reading),
    ];
    assert_eq!(phases, expected);

    // One comes: it is there without a restart.
    world.list(&["orders", "clicks", "late"]);
    within(ROUND + 5 * SECOND, "the new stream is read", async || {
        world.seen.has("late", "first")
    })
    .await;
    assert_eq!(world.leased().await, names(&["orders", "clicks", "late"]));
    assert!(
        one.handle
            .health()
            .streams()
            .iter()
            .all(|s| *s.phase() == StreamPhase::Reading)
    );

    // One goes: without another policy it is read on, as it has leases.
    world.list(&["orders", "late"]);
    sleep(2 * ROUND).await;
    world.put("clicks", "second").await;
    within(5 * SECOND, "a former stream is kept", async || {
        world.seen.has("clicks", "second")
    })
    .await;

    assert_eq!(world.seen.workers(), names(&["w1", "w2"]));
    for stream in ["orders", "clicks", "late"] {
        assert!(
            world.seen.of(stream).values().all(|times| *times == 1),
            "{stream}"
        );
    }
    let told = two.told();
    assert!(
        !told
            .iter()
            .any(|event| matches!(event, ConsumerEvent::StreamLeft { .. })),
        "{told:?}"
    );
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn other_regions_are_refused_and_other_mistakes_too() {
    let world = World::with_streams(&[("orders", 1)]).await;
    let elsewhere: kcl::StreamArn = "arn:aws:kinesis:mars-north-1:123456789012:stream/orders"
        .parse()
        .unwrap();
    let config = ConsumerConfig::of_streams("app", [StreamConfig::by_arn(elsewhere)])
        .build()
        .unwrap();
    let refused = kcl::Consumer::builder(config)
        .kinesis_client(world.local.kinesis_client())
        .dynamodb_client(world.local.dynamodb_client())
        .build(|_: &kcl::ShardContext| -> Nothing { Nothing });
    assert!(matches!(refused, Err(ConfigError::OtherRegion { .. })));
    let none = ConsumerConfig::of_streams("app", []).build();
    assert!(matches!(none, Err(ConfigError::NoStreams)));
    let orders = StreamConfig::new("orders").unwrap();
    let twice = ConsumerConfig::of_streams("app", [orders.clone(), orders]).build();
    assert!(matches!(twice, Err(ConfigError::StreamTwice { .. })));
}

struct Nothing;

impl kcl::RecordProcessor for Nothing {
    async fn process_records(
        &mut self,
        _: kcl::RecordBatch,
        _: &kcl::Checkpointer,
    ) -> Result<(), kcl::BoxError> {
        Ok(())
    }
}
