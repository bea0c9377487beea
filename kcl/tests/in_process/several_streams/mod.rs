//! Several streams in one application, on an endpoint in this process and in virtual time.

mod counted;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use kcl::events::ConsumerEvent;
use kcl::health::StreamPhase;
use kcl::shard_sync::Start;
use kcl::streams::tracker::{FormerStreams, Unlisted, Why};
use kcl::{ConfigError, ConsumerConfig, InitialPosition, StreamConfig};
use kinesis_local::Fault;
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

#[tokio::test(start_paused = true)]
async fn former_streams_go_or_stay_as_the_policy_says() {
    let after = FormerStreams::DeleteAfter(3 * ROUND);
    let world = World::with_streams(&[("orders", 1), ("clicks", 1), ("views", 1)]).await;
    let clicks = world.id("clicks").await.parse().unwrap();
    let provided = FormerStreams::DeleteTheseAfter {
        streams: BTreeSet::from([clicks]),
        wait: 3 * ROUND,
    };
    for (policy, stay) in [
        (FormerStreams::Keep, &["orders", "clicks", "views"][..]),
        (after, &["orders"]),
        (provided, &["orders", "views"]),
    ] {
        world.list(&["orders", "clicks", "views"]);
        let with = |name: &str| world.tracking(name).former_streams(policy.clone());
        let mut one = world.start(with("w1"));
        let two = world.start(with("w2"));
        within(10 * SECOND, "all are leased", async || {
            world.leased().await.len() == 3
        })
        .await;
        world.list(&["orders"]);
        // The wait is not over.
        sleep(2 * ROUND + 2 * SECOND).await;
        assert_eq!(world.leased().await.len(), 3, "{policy:?}");
        sleep(12 * ROUND).await;
        assert_eq!(world.leased().await, names(stay), "{policy:?}");
        let held = one.held() + two.held();
        assert_eq!(held, stay.len(), "{policy:?}");
        let left = one.told().into_iter().filter(|event| {
            matches!(
                event,
                ConsumerEvent::StreamLeft {
                    why: Why::Unlisted,
                    ..
                }
            )
        });
        assert_eq!(left.count(), 3 - stay.len(), "{policy:?}");
        one.stop().await;
        two.stop().await;
        // The next policy begins anew.
        for key in world.rows().await.into_keys() {
            let delete = world.local.dynamodb_client().delete_item().table_name("app");
            let key = aws_sdk_dynamodb::types::AttributeValue::S(key);
            delete.key("leaseKey", key).send().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_nobody_listed_are_left_alone_unless_told_otherwise() {
    let world = World::with_streams(&[("orders", 1), ("clicks", 1)]).await;
    world.list(&["orders", "clicks"]);
    let before = world.start(world.tracking("w0"));
    within(5 * SECOND, "both are leased", async || {
        world.leased().await.len() == 2
    })
    .await;
    before.stop().await;
    world.list(&["orders"]);
    world.put("clicks", "unasked").await;

    let mut alone = world.start(
        world
            .tracking("w1")
            .former_streams(FormerStreams::DeleteAfter(ROUND)),
    );
    sleep(5 * ROUND).await;
    assert_eq!(
        world.leased().await.len(),
        2,
        "what was not listed is not deleted"
    );
    assert_eq!(alone.held(), 1);
    assert!(world.seen.of("clicks").is_empty());
    let told = alone.told().into_iter().filter(|event| {
        matches!(event, ConsumerEvent::StreamLeftAlone { stream } if stream.name().as_str() == "clicks")
    });
    assert_eq!(told.count(), 1);
    alone.stop().await;

    let unlisted = Unlisted::Read(Start::TrimHorizon);
    let reads = world.start(world.tracking("w2").unlisted_streams(unlisted));
    within(5 * SECOND, "it is read", async || {
        world.seen.has("clicks", "unasked")
    })
    .await;
    reads.stop().await;
}

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
