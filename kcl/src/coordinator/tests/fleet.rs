//! What the tests are made of: workers, a processor that does as it is told, and what it saw.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use kinesis_aggregation::{HashKeyRange, ShardId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::{ConsumerConfig, ConsumerConfigBuilder};
use crate::consumer::RunSummary;
use crate::coordinator::Worker;
use crate::error::{BoxError, RunError, StoreError};
use crate::events::{Bell, Ear, Events};
use crate::fleet::{
    Beat, Heartbeat, Home, IndexState, LeaderRow, SeparateTables, StateKind, StateRow, WorkerStats,
};
use crate::health::{ConsumerState, Health};
use crate::initialization::Initialization;
use crate::leader::lock::Over;
use crate::lease::{Lease, LeaseKey, StreamId, WorkerId};
use crate::metrics::Counters;
use crate::process::Checkpointer;
use crate::process::hands::Workshop;
use crate::processor::{RecordBatch, RecordProcessor};
use crate::source::budget::ReadBudget;
use crate::source::scripted::ScriptedStream;
use crate::store::every_method::every_method;
use crate::store::memory::MemoryLeaseStore;
use crate::store::{CheckpointUpdate, Contents, FleetStore, LeaseStore, Listing, Renewal, RetireIf};
use crate::stream::ShardContext;

pub(super) const FAILOVER: Duration = Duration::from_secs(10);
pub(super) const SCAN: Duration = Duration::from_secs(2);

/// Workers of one application.
#[derive(Clone)]
pub(super) struct Fleet {
    pub(super) stream: ScriptedStream,
    pub(super) leases: MemoryLeaseStore,
    pub(super) seen: Seen,
}

impl Fleet {
    pub(super) fn with_shards(shards: u64) -> Self {
        Self {
            stream: ScriptedStream::with_shards(shards),
            leases: MemoryLeaseStore::new(),
            seen: Seen::default(),
        }
    }

    /// A worker whose processors do what `manner` says.
    pub(super) fn start(&self, id: &str, manner: impl Manner) -> Running {
        self.start_with(id, manner, Arc::new(self.leases.clone()), |config| config)
    }

    pub(super) fn start_with(
        &self,
        id: &str,
        manner: impl Manner,
        store: Arc<dyn LeaseStore>,
        settings: impl FnOnce(ConsumerConfigBuilder) -> ConsumerConfigBuilder,
    ) -> Running {
        let builder = settings(ConsumerConfig::builder("app", "sales").worker_id(id));
        let config = Arc::new(builder.build().unwrap());
        let manner: Arc<dyn Manner> = Arc::new(manner);
        let seen = self.seen.clone();
        let factory = move |shard: &ShardContext| Told {
            shard: shard.clone(),
            manner: Arc::clone(&manner),
            seen: seen.clone(),
        };
        let shop = Workshop {
            source: Arc::new(self.stream.clone()),
            store,
            factory: Arc::new(factory),
            streams: watch::Sender::new(config.directory()),
            budget: ReadBudget::of_bytes(config.retrieval.prefetch_bytes),
            tally: Default::default(),
            bell: Bell::new(),
            counters: Counters::new(config.worker_id().clone(), config.metrics.clone()),
            halt: Default::default(),
            dead_letters: None,
            counting: Default::default(),
            config,
        };
        let stop = CancellationToken::new();
        let board = watch::Sender::new(ConsumerState::default());
        let (watcher, ear) = (board.subscribe(), shop.bell.ear());
        let counters = shop.counters.clone();
        let events = ear.listen();
        let worker = Worker {
            shop: Arc::new(shop),
            stop: stop.clone(),
            board,
            uploads: None,
        };
        let mut task = JoinSet::new();
        task.spawn(worker.run());
        Running {
            stop,
            state: watcher,
            events,
            ear,
            counters,
            task,
        }
    }

    pub(super) async fn lease(&self, shard: u64) -> Lease {
        let key = LeaseKey::of_shard(&ShardId::from_number(shard));
        self.leases.get(&key).await.unwrap().unwrap()
    }
}

/// A running worker.
pub(super) struct Running {
    pub(super) stop: CancellationToken,
    state: watch::Receiver<ConsumerState>,
    /// From its start.
    pub(super) events: Events,
    pub(super) ear: Ear,
    pub(super) counters: Counters,
    task: JoinSet<Result<RunSummary, RunError>>,
}

impl Running {
    pub(super) fn held(&self) -> usize {
        self.state.borrow().leases.len()
    }

    pub(super) fn health(&self) -> Health {
        self.state.borrow().health()
    }

    pub(super) async fn stop(self) -> RunSummary {
        self.stop.cancel();
        self.end().await.unwrap()
    }

    pub(super) async fn end(mut self) -> Result<RunSummary, RunError> {
        let limit = Duration::from_secs(100);
        let ended = timeout(limit, self.task.join_next()).await;
        ended
            .expect("every run ends")
            .expect("there is one task")
            .unwrap()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.has_changed().is_err()
    }

    pub(super) async fn kill(mut self) {
        self.task.shutdown().await;
    }
}

/// Everything the processors were told, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<(String, String)>>>);

impl Seen {
    pub(super) fn note(&self, shard: &ShardContext, what: impl Into<String>) {
        let shard = shard.shard_id().number().unwrap();
        self.0.lock().unwrap().push((format!("{shard}"), what.into()));
    }

    /// What one shard's processors were told.
    pub(super) fn of(&self, shard: u64) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter()
            .filter(|(of, _)| *of == shard.to_string())
            .map(|(_, what)| what.clone())
            .collect()
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|(_, what)| what.clone())
            .collect()
    }

    /// How often each record was delivered.
    pub(super) fn records(&self) -> BTreeMap<String, usize> {
        let mut records = BTreeMap::new();
        for what in self.all() {
            if let Some(data) = what.strip_prefix('=') {
                *records.entry(data.to_owned()).or_default() += 1;
            }
        }
        records
    }
}

/// Waits in virtual time. Panics with `what` after `limit`; gives back how long it took.
pub(super) async fn within(limit: Duration, what: &str, mut done: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() <= limit, "{what}: not within {limit:?}");
        sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// What a processor does about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Do {
    Checkpoint,
    NoCheckpoint,
    Fail,
    CheckpointAndFail,
    Panic,
    /// Waits for ever.
    Hang,
    /// Takes this long, then checkpoints.
    Slowly(Duration),
    /// Does one step after the other, each of which takes this long, for ever.
    Steps(Duration),
}

/// Says what to do about `process_records` (the data), `"initialize"`, `"shard_ended"` and `"shutdown_requested"`; and whether to
/// hang in `"lease_lost"`.
pub(super) trait Manner: Fn(&str) -> Do + Send + Sync + 'static {}
impl<T: Fn(&str) -> Do + Send + Sync + 'static> Manner for T {}

pub(super) fn checkpoints(_: &str) -> Do {
    Do::Checkpoint
}

struct Told {
    shard: ShardContext,
    manner: Arc<dyn Manner>,
    seen: Seen,
}

impl Told {
    async fn obey(&self, call: &str, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        let told = (self.manner)(call);
        match told {
            Do::NoCheckpoint => return Ok(()),
            Do::Fail => return Err("as told".into()),
            Do::Panic => panic!("as told"),
            Do::Hang => std::future::pending().await,
            Do::Slowly(pause) => sleep(pause).await,
            Do::Steps(pause) => loop {
                sleep(pause).await;
                self.seen.note(&self.shard, "step");
            },
            Do::Checkpoint | Do::CheckpointAndFail => {}
        }
        checkpointer.checkpoint().await?;
        match told {
            Do::CheckpointAndFail => Err("as told".into()),
            _ => Ok(()),
        }
    }
}

impl RecordProcessor for Told {
    async fn initialize(&mut self, input: Initialization<'_>) -> Result<(), BoxError> {
        self.seen
            .note(&self.shard, format!("initialize {}", input.checkpoint()));
        match (self.manner)("initialize") {
            Do::Fail => Err("as told".into()),
            _ => Ok(()),
        }
    }

    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        let mut call = String::new();
        for record in batch.records() {
            let data = String::from_utf8(record.data().to_vec())?;
            self.seen.note(&self.shard, format!("={data}"));
            call = data;
        }
        self.seen.note(&self.shard, "batch");
        self.obey(&call, checkpointer).await
    }

    async fn lease_lost(&mut self) {
        self.seen.note(&self.shard, "lease_lost");
        if (self.manner)("lease_lost") == Do::Hang {
            std::future::pending::<()>().await;
        }
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        self.seen.note(&self.shard, "shard_ended");
        self.obey("shard_ended", checkpointer).await
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        self.seen.note(&self.shard, "shutdown_requested");
        self.obey("shutdown_requested", checkpointer).await
    }
}

/// A lease store that stops answering when told to, and counts what it is asked.
#[derive(Debug, Clone)]
pub(super) struct Faulty {
    inner: MemoryLeaseStore,
    failing: Arc<AtomicBool>,
    refusing: Arc<AtomicBool>,
    asked: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Faulty {
    pub(super) fn new(inner: MemoryLeaseStore) -> Self {
        Self {
            inner,
            failing: Arc::default(),
            refusing: Arc::default(),
            asked: Arc::default(),
        }
    }

    /// How often it was called, by the method.
    pub(super) fn asked(&self, method: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .get(method)
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    /// Refuses everything, as for a right that is missing.
    pub(super) fn refuse(&self, refusing: bool) {
        self.refusing.store(refusing, Ordering::Relaxed);
    }

    fn check(&self, method: &'static str) -> Result<(), StoreError> {
        *self.asked.lock().unwrap().entry(method).or_default() += 1;
        if self.refusing.load(Ordering::Relaxed) {
            let (operation, table) = ("Scan", "app".to_owned());
            return Err(StoreError::AccessDenied {
                operation,
                table,
                source: "as told".into(),
            });
        }
        if !self.failing.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (operation, table) = ("UpdateItem", "app".to_owned());
        Err(StoreError::Unavailable {
            operation,
            table,
            source: "as told".into(),
        })
    }
}

macro_rules! faulty {
    ($store:ident: $($name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl $store for Faulty {
            $(fn $name<'a>(&'a self, $($arg: $kind),*) -> BoxFuture<'a, Result<$answer, StoreError>> {
                Box::pin(async move {
                    self.check(stringify!($name))?;
                    self.inner.$name($($arg),*).await
                })
            })*
        }
    };
}

every_method!(faulty);
