//! The only stream of an application is deleted and made again, on an endpoint in this process and in virtual time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kinesis::primitives::Blob;
use kcl::events::{ConsumerEvent, Events, Notice};
use kcl::shard_sync::recreated::{Mark, Recreated};
use kcl::{
    BoxError, Checkpointer, Consumer, ConsumerConfig, ConsumerConfigBuilder, ConsumerHandle, OnRecreated,
    RecordBatch, RecordProcessor, Retrieval, RunError, RunSummary, ShardContext,
};
use kinesis_local::{Fault, InProcess};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, usize>>>);

struct Noting(Seen);

impl RecordProcessor for Noting {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for record in batch.records() {
            let data = String::from_utf8(record.data().to_vec())?;
            *self.0.0.lock().unwrap().entry(data).or_default() += 1;
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        checkpointer.checkpoint().await?;
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

struct World {
    local: InProcess,
    seen: Seen,
}

struct Running {
    handle: ConsumerHandle,
    events: Events,
    task: JoinSet<Result<RunSummary, RunError>>,
}

type Rows = BTreeMap<String, BTreeMap<String, AttributeValue>>;

fn config(worker: &str) -> ConsumerConfigBuilder {
    let config = ConsumerConfig::builder("app", "sales").worker_id(worker);
    config.seed(7).shard_sync_interval(20 * SECOND)
}

impl World {
    async fn with_shards(shards: u32) -> Self {
        let local = InProcess::builder().seed(7).start().unwrap();
        local.create_stream("sales", shards).await.unwrap();
        let seen = Seen::default();
        Self { local, seen }
    }

    fn start(&self, config: ConsumerConfigBuilder) -> Running {
        let seen = self.seen.clone();
        let consumer = Consumer::builder(config.build().unwrap())
            .kinesis_client(self.local.kinesis_client())
            .dynamodb_client(self.local.dynamodb_client())
            .build(move |_: &ShardContext| Noting(seen.clone()))
            .unwrap();
        let handle = consumer.handle();
        let events = handle.events();
        let mut task = JoinSet::new();
        task.spawn(consumer.run());
        Running { handle, events, task }
    }

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
        let seen = self.seen.0.lock().unwrap();
        [0, 1].map(|half| seen.get(&format!("{data}/{half}")).copied().unwrap_or_default())
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

    async fn rows(&self) -> Rows {
        let scan = self.local.dynamodb_client().scan().table_name("app");
        let rows = scan.consistent_read(true).send().await.unwrap().items.unwrap();
        rows.into_iter()
            .map(|row| (row["leaseKey"].as_s().unwrap().clone(), row.into_iter().collect()))
            .collect()
    }

    /// An application that read "old" and stopped.
    async fn with_a_past(shards: u32) -> Self {
        let world = Self::with_shards(shards).await;
        world.put("old").await;
        let worker = world.start(config("w0"));
        within(10 * SECOND, "the old one is read", || {
            world.count("old") == [1, 1]
        })
        .await;
        worker.stop().await;
        world
    }
}

impl Running {
    fn told(&mut self) -> Vec<ConsumerEvent> {
        use futures::{FutureExt as _, StreamExt as _};
        let mut told = Vec::new();
        while let Some(Some(Notice::Event(event))) = self.events.next().now_or_never() {
            told.push(event);
        }
        told
    }

    async fn end(&mut self, limit: Duration) -> Result<RunSummary, RunError> {
        within(limit, "it ends", || self.handle.has_ended()).await;
        self.task.join_next().await.unwrap().unwrap()
    }

    async fn stop(mut self) {
        self.handle.request_shutdown();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }
}

async fn within(limit: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        sleep(Duration::from_millis(20)).await;
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
        within(30 * SECOND, "shared", || {
            workers.iter().all(|worker| worker.handle.leases_held() == 1)
        })
        .await;
        within(30 * SECOND, "the old one is read", || {
            world.count("old").iter().all(|count| *count > 0)
        })
        .await;
        sleep(10 * SECOND).await;
        world.make_again(2).await;
        world.put("new").await;
        for worker in &mut workers {
            let source = shown_by(worker.end(60 * SECOND).await);
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
        within(30 * SECOND, "the old one is read", || {
            world.count("old").iter().all(|count| *count > 0)
        })
        .await;
        within(30 * SECOND, "shared", || {
            workers.iter().all(|worker| worker.handle.leases_held() == 1)
        })
        .await;
        let old = world.rows().await;
        world.make_again(shards).await;
        world.put("new").await;
        within(90 * SECOND, "the new one is read", || {
            world.count("new").iter().all(|count| *count > 0)
        })
        .await;
        sleep(60 * SECOND).await;
        world.put("newer").await;
        within(30 * SECOND, "and read on", || world.count("newer") == [1, 1]).await;
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
        let held: usize = workers.iter().map(|worker| worker.handle.leases_held()).sum();
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
    let source = shown_by(world.start(config("w1")).end(30 * SECOND).await);
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
    within(10 * SECOND, "the new one is read", || {
        world.count("new") == [1, 1]
    })
    .await;
    assert_eq!(world.count("old"), [1, 1]);
    worker.stop().await;
    // It is an application like any other now.
    let worker = world.start(config("w1"));
    world.put("newer").await;
    within(10 * SECOND, "read on", || world.count("newer") == [1, 1]).await;
    assert_eq!(world.count("new"), [1, 1]);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn other_shards_show_it_before_the_first_checkpoint() {
    let world = World::with_shards(1).await;
    let worker = world.start(config("w0"));
    within(10 * SECOND, "it is held", || worker.handle.leases_held() == 1).await;
    worker.stop().await;
    world.make_again(2).await;
    let source = shown_by(world.start(config("w1")).end(30 * SECOND).await);
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
    within(10 * SECOND, "the old one is read", || {
        world.count("old") == [1, 1]
    })
    .await;
    world.delete().await;
    within(60 * SECOND, "its shards end", || worker.handle.leases_held() == 0).await;
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
    within(90 * SECOND, "the new one is read", || {
        world.count("new").iter().all(|count| *count > 0)
    })
    .await;
    worker.stop().await;
    second.handle.request_shutdown();
    let _stopped_or_refused = second.end(60 * SECOND).await;

    // And where none ran when it came back.
    let worker = world.start(config("w0"));
    sleep(5 * SECOND).await;
    world.delete().await;
    within(60 * SECOND, "its shards end", || worker.handle.leases_held() == 0).await;
    worker.stop().await;
    world.local.create_stream("sales", 2).await.unwrap();
    let source = shown_by(world.start(config("w1")).end(60 * SECOND).await);
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
    within(10 * SECOND, "the old one is read", || {
        world.count("old") == [1, 1]
    })
    .await;
    sleep(60 * SECOND).await;
    world.put("older").await;
    within(10 * SECOND, "it does no harm", || world.count("older") == [1, 1]).await;
    assert!(
        !worker
            .told()
            .iter()
            .any(|event| matches!(event, ConsumerEvent::StreamRecreated { .. }))
    );
    worker.handle.request_shutdown();
    worker.end(10 * SECOND).await.unwrap();
    world.local.faults().remove(fault);
    world.make_again(2).await;
    world.local.faults().add(denied()).unwrap();
    let source = shown_by(world.start(config("w1")).end(30 * SECOND).await);
    assert!(matches!(source, Recreated::Lease { .. }), "{source:?}");
}
