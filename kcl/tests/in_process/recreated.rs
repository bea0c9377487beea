//! The only stream of an application is deleted and made again, on an endpoint in this process and in virtual time.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kinesis::primitives::Blob;
use kcl::events::ConsumerEvent;
use kcl::shard_sync::recreated::{Mark, Recreated};
use kcl::{ConsumerConfig, ConsumerConfigBuilder, OnRecreated, Retrieval, RunError, RunSummary};
use kinesis_local::Fault;
use tokio::time::sleep;

use crate::one_stream::World;
use crate::running::{SECOND, within};

fn config(worker: &str) -> ConsumerConfigBuilder {
    let config = ConsumerConfig::builder("app", "sales").worker_id(worker);
    config.seed(7).shard_sync_interval(20 * SECOND)
}

impl World {
    /// One record in each of two shards: the hash keys are halves of all.
    async fn put(&self, data: &str) {
        for (half, key) in ["0", "340282366920938463463374607431768211455"]
            .iter()
            .enumerate()
        {
            let put = self.local.kinesis_client().put_record().stream_name("sales");
            put.partition_key("key")
                .explicit_hash_key(*key)
                .data(Blob::new(format!("{data}/{half}")))
                .send()
                .await
                .unwrap();
        }
    }

    fn count(&self, data: &str) -> [usize; 2] {
        [0, 1].map(|half| self.seen.count(&format!("{data}/{half}")))
    }

    async fn delete(&self) {
        let client = self.local.kinesis_client();
        let delete = client.delete_stream().stream_name("sales");
        delete.enforce_consumer_deletion(true).send().await.unwrap();
        let describe = || client.describe_stream_summary().stream_name("sales").send();
        while describe().await.is_ok() {
            sleep(SECOND / 10).await;
        }
    }

    async fn make_again(&self, shards: u32) {
        self.delete().await;
        sleep(2 * SECOND).await;
        self.local.create_stream("sales", shards).await.unwrap();
    }

    /// An application that read "old" and stopped.
    async fn with_a_past(shards: u32) -> Self {
        let world = Self::with_shards(shards).await;
        world.put("old").await;
        let worker = world.start(config("w0"));
        within(10 * SECOND, "the old one is read", async || {
            world.count("old") == [1, 1]
        })
        .await;
        worker.stop().await;
        world
    }
}

fn shown_by(ended: Result<RunSummary, RunError>) -> Recreated {
    match ended {
        Err(error @ RunError::StreamRecreated { .. }) => {
            assert!(!error.is_retryable());
            let RunError::StreamRecreated { stream, source } = error else {
                unreachable!("just seen");
            };
            assert_eq!(stream.as_str(), "sales");
            *source
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_is_read_that_ends_every_worker_and_mixes_nothing() {
    for retrieval in [Retrieval::Polling, Retrieval::FanOut] {
        let world = World::with_shards(2).await;
        world.put("old").await;
        let start = |worker| world.start(config(worker).retrieval(retrieval));
        let mut workers = [start("w1"), start("w2")];
        within(30 * SECOND, "shared", async || {
            workers.iter().all(|worker| worker.held() == 1)
        })
        .await;
        within(30 * SECOND, "the old one is read", async || {
            world.count("old").iter().all(|count| *count > 0)
        })
        .await;
        sleep(10 * SECOND).await;
        world.make_again(2).await;
        world.put("new").await;
        for worker in &mut workers {
            let source = shown_by(worker.end_within(60 * SECOND).await);
            assert!(matches!(source, Recreated::Creation { .. }), "{source:?}");
            let told = worker.told();
            assert!(
                told.iter()
                    .any(|event| matches!(event, ConsumerEvent::StreamRecreated { .. })),
                "{told:?}"
            );
        }
        assert_eq!(world.count("new"), [0, 0], "{retrieval:?}");
        let rows = world.rows().await;
        assert!(
            rows.values().all(|row| !row.contains_key("leaseOwner")),
            "all was given up"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_is_read_it_may_be_begun_anew() {
    for shards in [2, 1] {
        let world = World::with_shards(2).await;
        world.put("old").await;
        let start = |worker| world.start(config(worker).on_recreated(OnRecreated::BeginAnew));
        let mut workers = [start("w1"), start("w2")];
        within(30 * SECOND, "the old one is read", async || {
            world.count("old").iter().all(|count| *count > 0)
        })
        .await;
        within(30 * SECOND, "shared", async || {
            workers.iter().all(|worker| worker.held() == 1)
        })
        .await;
        let old = world.rows().await;
        world.make_again(shards).await;
        world.put("new").await;
        within(90 * SECOND, "the new one is read", async || {
            world.count("new").iter().all(|count| *count > 0)
        })
        .await;
        sleep(60 * SECOND).await;
        world.put("newer").await;
        within(30 * SECOND, "and read on", async || {
            world.count("newer") == [1, 1]
        })
        .await;
        let rows = world.rows().await;
        assert_eq!(
            rows.len(),
            shards as usize,
            "what the new one does not have is gone"
        );
        for (key, row) in &rows {
            assert_ne!(row["checkpoint"], old[key]["checkpoint"]);
            let names = |row: &BTreeMap<String, AttributeValue>| Vec::from_iter(row.keys().cloned());
            assert_eq!(names(row), names(&old[key]), "the table says no more than it did");
        }
        let held: usize = workers.iter().map(|worker| worker.held()).sum();
        assert_eq!(held, rows.len());
        let mut begun = workers.iter_mut().flat_map(|worker| worker.told());
        assert!(begun.any(|event| matches!(event, ConsumerEvent::StreamBegunAnew { .. })));
        drop(begun);
        for worker in workers {
            worker.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_nobody_watched_it_shows_by_the_leases_and_leaves_them_as_they_are() {
    let world = World::with_a_past(2).await;
    let before = world.rows().await;
    world.make_again(2).await;
    world.put("new").await;
    let source = shown_by(world.start(config("w1")).end_within(30 * SECOND).await);
    assert!(
        matches!(
            source,
            Recreated::Lease {
                mark: Mark::BelowItsShard,
                ..
            }
        ),
        "{source:?}"
    );
    assert_eq!(world.count("new"), [0, 0]);
    assert_eq!(world.rows().await, before);

    let worker = world.start(config("w1").on_recreated(OnRecreated::BeginAnew));
    within(10 * SECOND, "the new one is read", async || {
        world.count("new") == [1, 1]
    })
    .await;
    assert_eq!(world.count("old"), [1, 1]);
    worker.stop().await;
    // It is an application like any other now.
    let worker = world.start(config("w1"));
    world.put("newer").await;
    within(10 * SECOND, "read on", async || world.count("newer") == [1, 1]).await;
    assert_eq!(world.count("new"), [1, 1]);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn other_shards_show_it_before_the_first_checkpoint() {
    let world = World::with_shards(1).await;
    let worker = world.start(config("w0"));
    within(10 * SECOND, "it is held", async || worker.held() == 1).await;
    worker.stop().await;
    world.make_again(2).await;
    let source = shown_by(world.start(config("w1")).end_within(30 * SECOND).await);
    assert!(
        matches!(
            source,
            Recreated::Lease {
                mark: Mark::OtherHashKeys,
                ..
            }
        ),
        "{source:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_gone_for_long_meets_no_finished_leases() {
    let world = World::with_shards(2).await;
    world.put("old").await;
    let mut worker = world.start(config("w0").on_recreated(OnRecreated::BeginAnew));
    within(10 * SECOND, "the old one is read", async || {
        world.count("old") == [1, 1]
    })
    .await;
    world.delete().await;
    within(60 * SECOND, "its shards end", async || worker.held() == 0).await;
    let told = worker.told();
    assert!(
        told.iter()
            .any(|event| matches!(event, ConsumerEvent::StreamDeleted { .. })),
        "{told:?}"
    );
    // Who comes now finds nothing but the end of all shards.
    sleep(60 * SECOND).await;
    world.local.create_stream("sales", 2).await.unwrap();
    world.put("new").await;
    let mut second = world.start(config("w2"));
    within(90 * SECOND, "the new one is read", async || {
        world.count("new").iter().all(|count| *count > 0)
    })
    .await;
    worker.stop().await;
    second.handle.request_shutdown();
    let _stopped_or_refused = second.end_within(60 * SECOND).await;

    // And where none ran when it came back.
    let worker = world.start(config("w0"));
    sleep(5 * SECOND).await;
    world.delete().await;
    within(60 * SECOND, "its shards end", async || worker.held() == 0).await;
    worker.stop().await;
    world.local.create_stream("sales", 2).await.unwrap();
    let source = shown_by(world.start(config("w1")).end_within(60 * SECOND).await);
    assert!(
        matches!(
            source,
            Recreated::Lease {
                mark: Mark::FinishedButOpen,
                ..
            }
        ),
        "{source:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_describe_the_leases_tell() {
    let world = World::with_shards(2).await;
    let denied = || {
        Fault::error("AccessDeniedException", 400)
            .operation("DescribeStreamSummary")
            .stream("sales")
    };
    let fault = world.local.faults().add(denied()).unwrap();
    world.put("old").await;
    let mut worker = world.start(config("w1"));
    within(10 * SECOND, "the old one is read", async || {
        world.count("old") == [1, 1]
    })
    .await;
    sleep(60 * SECOND).await;
    world.put("older").await;
    within(10 * SECOND, "it does no harm", async || {
        world.count("older") == [1, 1]
    })
    .await;
    assert!(
        !worker
            .told()
            .iter()
            .any(|event| matches!(event, ConsumerEvent::StreamRecreated { .. }))
    );
    worker.handle.request_shutdown();
    worker.end_within(10 * SECOND).await.unwrap();
    world.local.faults().remove(fault);
    world.make_again(2).await;
    world.local.faults().add(denied()).unwrap();
    let source = shown_by(world.start(config("w1")).end_within(30 * SECOND).await);
    assert!(matches!(source, Recreated::Lease { .. }), "{source:?}");
}
