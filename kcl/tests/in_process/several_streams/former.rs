//! Streams that have leases and are not listed.

use std::collections::BTreeSet;

use kcl::events::ConsumerEvent;
use kcl::shard_sync::Start;
use kcl::streams::tracker::{FormerStreams, Unlisted, Why};
use tokio::time::sleep;

use super::world::World;
use super::{ROUND, names};
use crate::running::{SECOND, within};

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
