//! Workers, what they were given, and the tables as anybody may read and write them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::{AttributeValue, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate};
use aws_sdk_kinesis::primitives::Blob;
use kcl::fleet::{Home, IndexState, StateKind, StateRow};
use kcl::store::FleetStore as _;
use kcl::{
    BoxError, Checkpointer, Consumer, ConsumerConfig, ConsumerConfigBuilder, ConsumerHandle,
    DynamoDbLeaseStore, Initialization, LeaseStore as _, RecordBatch, RecordProcessor, RunError, RunSummary,
    ShardContext, WorkerId,
};
use kinesis_local::InProcess;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// Workers look each minute where the fleet is.
pub(crate) const LOOK: Duration = Duration::from_secs(65);
pub(crate) const SHARDS: u32 = 4;

/// What was processed, shard by shard, in the order in which it was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    records: Arc<Mutex<BTreeMap<String, Vec<usize>>>>,
    /// How often a processor began.
    begun: Arc<AtomicUsize>,
}

impl Seen {
    fn count(&self) -> usize {
        self.records.lock().unwrap().values().map(Vec::len).sum()
    }

    fn distinct(&self) -> BTreeSet<usize> {
        self.records.lock().unwrap().values().flatten().copied().collect()
    }

    /// How many records came again.
    pub(crate) fn repeats(&self) -> usize {
        self.count() - self.distinct().len()
    }

    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    fn in_order(&self) -> bool {
        let records = self.records.lock().unwrap();
        records.values().all(|shard| shard.is_sorted())
    }
}

struct Noting {
    shard: String,
    seen: Seen,
}

impl RecordProcessor for Noting {
    async fn initialize(&mut self, _: Initialization<'_>) -> Result<(), BoxError> {
        self.seen.begun.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for record in batch.records() {
            let number = std::str::from_utf8(record.data())?.parse()?;
            let mut records = self.seen.records.lock().unwrap();
            records.entry(self.shard.clone()).or_default().push(number);
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

/// An application of one stream, to which records come.
pub(crate) struct World {
    pub(crate) local: InProcess,
    pub(crate) store: DynamoDbLeaseStore,
    pub(crate) seen: Seen,
    origin: Instant,
    put: Arc<AtomicUsize>,
    feeding: JoinSet<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_pace(3 * SECOND).await
    }

    /// A record comes so often.
    pub(crate) async fn with_pace(pace: Duration) -> Self {
        let local = InProcess::builder().seed(7).start().unwrap();
        local.create_stream("sales", SHARDS).await.unwrap();
        let store = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
        store.prepare().await.unwrap();
        let mut world = Self {
            local,
            store,
            seen: Seen::default(),
            origin: Instant::now(),
            put: Arc::default(),
            feeding: JoinSet::new(),
        };
        let (client, put) = (world.local.kinesis_client(), Arc::clone(&world.put));
        world.feeding.spawn(async move {
            loop {
                let number = put.load(Ordering::Relaxed).to_string();
                let call = client.put_record().stream_name("sales").partition_key(&number);
                call.data(Blob::new(number.clone())).send().await.unwrap();
                put.fetch_add(1, Ordering::Relaxed);
                sleep(pace).await;
            }
        });
        world
    }

    pub(crate) fn config(&self, worker: &str) -> ConsumerConfigBuilder {
        let config = ConsumerConfig::builder("app", "sales").worker_id(worker);
        // Hours pass here, and the shards are quiet.
        let config = config.idle_between_reads(5 * SECOND);
        config.seed(7).wall_clock(self.clock())
    }

    /// The wall clock that goes with virtual time.
    pub(crate) fn clock(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let origin = self.origin;
        move || SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + origin.elapsed()
    }

    pub(crate) fn start(&self, config: ConsumerConfigBuilder) -> Running {
        let seen = self.seen.clone();
        let consumer = Consumer::builder(config.build().unwrap())
            .kinesis_client(self.local.kinesis_client())
            .dynamodb_client(self.local.dynamodb_client())
            .build(move |shard: &ShardContext| Noting {
                shard: shard.shard_id().to_string(),
                seen: seen.clone(),
            })
            .unwrap();
        let handle = consumer.handle();
        let mut task = JoinSet::new();
        task.spawn(consumer.run());
        Running { handle, task }
    }

    /// Everything that was put so far has been processed, in order; how much of it more than once.
    pub(crate) async fn settled(&self) -> usize {
        let put = self.put.load(Ordering::Relaxed);
        within(MINUTE, "all records", async || {
            self.seen.distinct().range(..put).count() == put
        })
        .await;
        let repeats = self.seen.repeats();
        assert!(repeats > 0 || self.seen.in_order(), "{:?}", self.seen);
        repeats
    }

    /// The leader, by the row in this place.
    pub(crate) async fn leader(&self, home: Home) -> Option<String> {
        let row = self.store.leader(home).await.unwrap();
        row.map(|row| row.owner.to_string())
    }

    /// Who has a row of metrics in the lease table.
    pub(crate) async fn reporters(&self) -> Vec<String> {
        let rows = self.store.scan().await.unwrap().beside.workers;
        let mut workers: Vec<String> = rows.iter().map(|row| row.worker.to_string()).collect();
        workers.sort();
        workers
    }

    /// Whether the lease table holds leases and nothing else.
    pub(crate) async fn has_leases_only(&self) -> bool {
        let contents = self.store.scan().await.unwrap();
        contents.beside.is_empty() && contents.beside.unknown == 0
    }

    pub(crate) async fn index(&self) -> IndexState {
        self.store.index().await.unwrap()
    }

    pub(crate) async fn delete_index(&self) {
        let index = "LeaseOwnerToLeaseKeyIndex";
        let action = DeleteGlobalSecondaryIndexAction::builder()
            .index_name(index)
            .build();
        let update = GlobalSecondaryIndexUpdate::builder()
            .delete(action.unwrap())
            .build();
        let call = self.local.dynamodb_client().update_table().table_name("app");
        call.global_secondary_index_updates(update).send().await.unwrap();
        assert_eq!(self.index().await, IndexState::Absent);
    }

    pub(crate) async fn state(&self, home: Home, kind: StateKind) -> Option<StateRow> {
        self.store.state(home, kind).await.unwrap()
    }

    /// What the fleet has agreed on, without the prefix that all values have.
    pub(crate) async fn version(&self) -> Option<String> {
        let row = self.state(Home::LeaseTable, StateKind::ClientVersion).await?;
        row.value.strip_prefix("CLIENT_VERSION_").map(str::to_owned)
    }

    /// Another library takes a lease and renews it, until the value is dropped.
    pub(crate) fn hold_as(&self, owner: &'static str, shard: u32) -> JoinSet<()> {
        let client = self.local.dynamodb_client();
        let mut holding = JoinSet::new();
        holding.spawn(async move {
            loop {
                let update = client.update_item().table_name("app");
                update
                    .key("leaseKey", AttributeValue::S(format!("shardId-{shard:012}")))
                    .update_expression("SET leaseOwner = :o ADD leaseCounter :one")
                    .expression_attribute_values(":o", AttributeValue::S(owner.to_owned()))
                    .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                    .send()
                    .await
                    .unwrap();
                sleep(3 * SECOND).await;
            }
        });
        holding
    }

    /// Somebody else creates the row of versions, or moves it on.
    pub(crate) async fn write_version(&self, value: &str, by: &str) {
        let (home, kind) = (Home::LeaseTable, StateKind::ClientVersion);
        let (by, now, value) = (
            WorkerId::new(by),
            (self.clock())(),
            format!("CLIENT_VERSION_{value}"),
        );
        let written = match self.state(home, kind).await {
            None => {
                let row = StateRow::first(value, &by, now);
                self.store.create_state(home, kind, &row).await
            }
            Some(read) => {
                let next = read.next(value, &by, now);
                self.store.advance_state(home, kind, &read, &next).await
            }
        };
        assert!(written.unwrap());
    }
}

pub(crate) struct Running {
    pub(crate) handle: ConsumerHandle,
    task: JoinSet<Result<RunSummary, RunError>>,
}

impl Running {
    /// How many leases it holds.
    pub(crate) fn held(&self) -> usize {
        self.handle.health().leases().len()
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.task.try_join_next().is_none()
    }

    pub(crate) async fn stop(mut self) {
        self.handle.request_shutdown();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }

    /// As a crash: nothing is told to anybody.
    pub(crate) async fn kill(mut self) {
        self.task.shutdown().await;
    }

    /// How it ended by itself.
    pub(crate) async fn end(mut self) -> RunError {
        self.task.join_next().await.unwrap().unwrap().unwrap_err()
    }
}

/// Waits in virtual time. How long it took.
pub(crate) async fn within(limit: Duration, what: &str, mut done: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    let grain = (limit / 200).max(Duration::from_millis(200));
    while !done().await {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        sleep(grain).await;
    }
    began.elapsed()
}

/// Waits until two workers have half of the shards each.
pub(crate) async fn halves(one: &Running, other: &Running) {
    let half = usize::try_from(SHARDS).unwrap() / 2;
    within(2 * MINUTE, "half each", async || {
        (one.held(), other.held()) == (half, half)
    })
    .await;
}
