//! The consumer as its user sees it: built, run, asked to stop.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use aws_types::SdkConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::by_record::{Counting, Fittings, RecordCounts};
use crate::config::{ChildShards, ConsumerConfig, RecordOptions, Streams};
use crate::coordinator::Worker;
use crate::cost::{self, CostForecast, Outlook};
use crate::dead_letter::Sink;
use crate::error::{ConfigError, RunError};
use crate::events::{Bell, Ear, Events};
use crate::fleet::{NewFleet, VersionSetting};
use crate::health::{ConsumerState, Health, Stage};
use crate::lease::scan_pace::ScanPace;
use crate::metrics::{Counters, MetricsSink, MetricsSnapshot, Uploads};
use crate::process::halt::Halt;
use crate::process::hands::Workshop;
use crate::processor::RecordProcessorFactory;
use crate::reader::StreamReader;
use crate::seek::{SeekError, SeekShards, SeekTo, Sought, seek};
use crate::source::Source as _;
use crate::source::budget::ReadBudget;
use crate::source::kinesis::KinesisStream;
use crate::store::LeaseStore;
use crate::store::dynamodb::DynamoDbLeaseStore;
use crate::store::memory::MemoryLeaseStore;
use crate::streams::directory::Directory;
use crate::streams::listed::StreamTarget;
use crate::trace::RecordSpans;

/// One worker of a consumer application (KCL: `Scheduler`).
#[derive(Debug)]
#[must_use = "a consumer does nothing until it is run"]
pub struct Consumer<F> {
    worker: Worker<KinesisStream, F>,
    tableless: bool,
}

impl Consumer<()> {
    /// Starts building a consumer.
    pub fn builder(config: ConsumerConfig) -> ConsumerBuilder {
        ConsumerBuilder {
            config,
            sdk_config: None,
            kinesis: None,
            dynamodb: None,
            store: None,
            tableless: false,
            records: RecordOptions::default(),
            dead_letters: None,
            budget: None,
            uploads: None,
            spans: None,
        }
    }
}

impl<F: RecordProcessorFactory> Consumer<F> {
    /// A handle to stop the consumer and to look at it from elsewhere.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        ConsumerHandle {
            stop: self.worker.stop.clone(),
            state: self.worker.board.subscribe(),
            ear: self.worker.shop.bell.ear(),
            counters: self.worker.shop.counters.clone(),
            counting: self.worker.shop.counting.clone(),
            store: Arc::clone(&self.worker.shop.store),
            source: Arc::clone(&self.worker.shop.source),
            streams: self.worker.shop.streams.subscribe(),
        }
    }

    /// What a fleet of `workers` such workers, at rest over `leases` unfinished shards, will ask of DynamoDB, and how often it will
    /// list shards. Where a new application would have a leader, with one. Checkpoints are not counted: they take the place of
    /// heartbeats. Listings are those of one stream; for several set [`Outlook::streams`] and forecast anew.
    #[must_use]
    pub fn cost_forecast(&self, leases: u32, workers: u32) -> CostForecast {
        let config = &self.worker.shop.config;
        let private = config.membership.private;
        let pace = match private {
            true => ScanPace::of_private_fleet(&config.coordination, &config.leasing),
            false => ScanPace::new(&config.coordination, &config.leasing),
        };
        let led = config.membership.new_fleet == NewFleet::ThreeX
            || config.membership.version == VersionSetting::ThreeX;
        let mut outlook = Outlook::new(leases, workers);
        outlook.failover = config.leasing.failover;
        outlook.scan_interval = pace.steady(leases, workers > 1);
        outlook.audit_interval = config.coordination.shard_sync_interval;
        outlook.children_at_once = config.children == ChildShards::AtOnce;
        outlook.coordination = match (self.tableless, private, led) {
            (true, _, _) => cost::Coordination::NoTable,
            (false, true, _) => cost::Coordination::Private,
            (false, false, true) => cost::Coordination::Leader,
            (false, false, false) => cost::Coordination::EachForItself,
        };
        CostForecast::new(outlook)
    }

    /// Reads the stream until [`ConsumerHandle::shutdown`] is called.
    ///
    /// On a runtime with several threads heartbeats run on a thread of their own, which a processor that blocks its thread
    /// cannot hold up. Everything else runs on the caller's runtime.
    ///
    /// # Errors
    /// [`RunError`], if it cannot start. Once started it rides out failures, and ends by itself only when it could never
    /// again do anything: the lease table is gone or refuses it, or another live worker has its id. The error says which.
    ///
    /// # Cancel safety
    /// Dropping the future drops the processors wherever they are and leaves the leases to expire, as a crash would: records
    /// since the last checkpoints come again. Use the handle to stop cleanly.
    pub async fn run(self) -> Result<RunSummary, RunError> {
        self.worker.run().await
    }

    /// Reads the stream until `shutdown` is ready, e.g. a signal handler; then stops cleanly.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<RunSummary, RunError> {
        let stop = self.worker.stop.clone();
        let mut run = pin!(self.worker.run());
        tokio::select! {
            biased;
            ended = &mut run => ended,
            () = shutdown => {
                stop.cancel();
                run.await
            }
        }
    }
}

/// Builds a [`Consumer`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ConsumerBuilder {
    config: ConsumerConfig,
    sdk_config: Option<SdkConfig>,
    kinesis: Option<aws_sdk_kinesis::Client>,
    dynamodb: Option<aws_sdk_dynamodb::Client>,
    store: Option<Arc<dyn LeaseStore>>,
    tableless: bool,
    budget: Option<ReadBudget>,
    uploads: Option<Uploads>,
    pub(crate) spans: Option<RecordSpans>,
    pub(crate) records: RecordOptions,
    pub(crate) dead_letters: Option<Sink>,
}

impl ConsumerBuilder {
    /// Makes what clients are missing from this configuration, as `aws_config::load_defaults` gives it.
    pub fn sdk_config(mut self, config: &SdkConfig) -> Self {
        self.sdk_config = Some(config.clone());
        self
    }

    /// The Kinesis client to read with. Its retries and timeouts are replaced by ours; its connections are shared.
    pub fn kinesis_client(mut self, client: aws_sdk_kinesis::Client) -> Self {
        self.kinesis = Some(client);
        self
    }

    /// The DynamoDB client for the lease table, used as it is: give it timeouts below a third of `failover`. A client made
    /// from [`sdk_config`](Self::sdk_config) has them.
    pub fn dynamodb_client(mut self, client: aws_sdk_dynamodb::Client) -> Self {
        self.dynamodb = Some(client);
        self
    }

    /// Keeps leases elsewhere than in DynamoDB, e.g. in [`MemoryLeaseStore`] for tests.
    pub fn lease_store(mut self, store: Arc<dyn LeaseStore>) -> Self {
        self.store = Some(store);
        self.tableless = false;
        self
    }

    /// Does without a lease table: this one worker reads every shard of the stream, and asks nothing of DynamoDB. For a tail of a
    /// stream, a trial, or a worker that there is only one of.
    ///
    /// Checkpoints last as long as the consumer: each start begins at the initial position. Two such workers both read
    /// everything.
    pub fn without_table(mut self) -> Self {
        self.store = Some(Arc::new(MemoryLeaseStore::new()));
        self.tableless = true;
        self
    }

    /// Shares what reading may take with other consumers of the process: give each of them a clone. Default: its own, of
    /// [`prefetch_bytes`](crate::ConsumerConfigBuilder::prefetch_bytes).
    pub fn read_budget(mut self, budget: ReadBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Uploads metrics while the consumer runs, e.g. to [`CloudWatch`](crate::metrics::CloudWatch) with the feature
    /// `cloudwatch`. Default: nowhere; [`ConsumerHandle::metrics`] and the `metrics` facade need no sink.
    pub fn metrics_sink(mut self, sink: impl MetricsSink) -> Self {
        self.uploads = Some(Uploads::to(sink));
        self
    }

    /// The consumer. `factory` makes the processor of each shard, often a closure `|shard: &ShardContext| …`.
    ///
    /// # Errors
    /// [`ConfigError::MissingClient`] if there is nothing to make a client from,
    /// [`ConfigError::IncompleteSdkConfig`] if what there is lacks a region or a behavior version.
    pub fn build<F: RecordProcessorFactory>(self, factory: F) -> Result<Consumer<F>, ConfigError> {
        self.assemble(|_| factory)
    }

    /// The stream as an engine reads it that keeps positions itself: without leases, and without a table. See
    /// [`reader`](crate::reader).
    ///
    /// # Errors
    /// As [`build`](Self::build), and [`ConfigError::Name`] where the configuration is of several streams.
    pub fn reader(self) -> Result<StreamReader, ConfigError> {
        let config = Arc::new(self.config);
        let stream = config.only_stream().ok_or_else(|| {
            let rule = "a reader reads one stream; make one for each";
            ConfigError::name("streams", "several", rule)
        })?;
        let kinesis = kinesis_builder(self.kinesis.as_ref(), self.sdk_config.as_ref())?;
        let own = || ReadBudget::of_bytes(config.retrieval.prefetch_bytes);
        let budget = self.budget.unwrap_or_else(own);
        let source = KinesisStream::new(&kinesis, Arc::clone(&config), budget.clone());
        Ok(StreamReader::new(source, stream, budget, config))
    }

    /// The consumer, with a factory that is made of parts of it.
    pub(crate) fn assemble<F: RecordProcessorFactory>(
        self,
        factory: impl FnOnce(Fittings) -> F,
    ) -> Result<Consumer<F>, ConfigError> {
        let config = Arc::new(self.config);
        if config.processing.needs_dead_letters() && self.dead_letters.is_none() {
            return Err(ConfigError::MissingDeadLetters);
        }
        let kinesis = kinesis_builder(self.kinesis.as_ref(), self.sdk_config.as_ref())?;
        let table = config.lease_table_name();
        let store = match (self.store, self.dynamodb, &self.sdk_config) {
            (Some(store), _, _) => store,
            (None, Some(client), _) => Arc::new(DynamoDbLeaseStore::new(client, table)),
            (None, None, Some(sdk)) => Arc::new(DynamoDbLeaseStore::from_sdk_config(
                complete("DynamoDB", sdk)?,
                table,
            )),
            (None, None, None) => return Err(ConfigError::MissingClient { service: "DynamoDB" }),
        };
        let own = || ReadBudget::of_bytes(config.retrieval.prefetch_bytes);
        let budget = self.budget.unwrap_or_else(own);
        let source = KinesisStream::new(&kinesis, Arc::clone(&config), budget.clone());
        refuse_other_regions(&config, source.region().as_deref())?;
        let (bell, halt, tally, counting) =
            (Bell::new(), Halt::default(), Arc::default(), Counting::default());
        let counters = Counters::new(config.worker_id().clone(), config.metrics.clone());
        let factory = factory(Fittings {
            options: self.records,
            dead_letters: self.dead_letters.clone(),
            counting: counting.clone(),
            counters: counters.clone(),
            spans: self.spans,
            tally: Arc::clone(&tally),
            bell: bell.clone(),
            halt: halt.clone(),
            config: Arc::clone(&config),
        });
        let shop = Workshop {
            source: Arc::new(source),
            store,
            factory: Arc::new(factory),
            streams: watch::Sender::new(config.directory()),
            budget,
            dead_letters: self.dead_letters,
            counting,
            tally,
            bell,
            counters,
            halt,
            config,
        };
        Ok(Consumer {
            tableless: self.tableless,
            worker: Worker {
                shop: Arc::new(shop),
                stop: CancellationToken::new(),
                board: watch::Sender::new(ConsumerState::default()),
                uploads: self.uploads,
            },
        })
    }
}

/// One client asks one region. Lists that change are looked at as they come.
fn refuse_other_regions(config: &ConsumerConfig, region: Option<&str>) -> Result<(), ConfigError> {
    let (Streams::Several(several), Some(region)) = (&config.streams, region) else {
        return Ok(());
    };
    let mut fixed = several.fixed().iter();
    let elsewhere = fixed.find_map(|stream| match stream.target() {
        StreamTarget::Arn(arn) if arn.region() != region => Some(arn.clone()),
        _ => None,
    });
    match elsewhere {
        Some(arn) => Err(ConfigError::OtherRegion {
            arn,
            region: region.to_owned(),
        }),
        None => Ok(()),
    }
}

fn kinesis_builder(
    client: Option<&aws_sdk_kinesis::Client>,
    sdk: Option<&SdkConfig>,
) -> Result<aws_sdk_kinesis::config::Builder, ConfigError> {
    match (client, sdk) {
        (Some(client), _) => Ok(client.config().to_builder()),
        (None, Some(sdk)) => Ok(aws_sdk_kinesis::config::Builder::from(complete("Kinesis", sdk)?)),
        (None, None) => Err(ConfigError::MissingClient { service: "Kinesis" }),
    }
}

/// The SDK panics on a configuration without these; a service of ours says so instead.
pub(crate) fn complete<'a>(service: &'static str, sdk: &'a SdkConfig) -> Result<&'a SdkConfig, ConfigError> {
    let missing = |what| ConfigError::IncompleteSdkConfig { service, what };
    if sdk.behavior_version().is_none() {
        return Err(missing("behavior version"));
    }
    if sdk.region().is_none() {
        return Err(missing("region"));
    }
    Ok(sdk)
}

/// Stops a consumer and looks at it. Cheap to clone; keeps nothing alive.
#[derive(Debug, Clone)]
pub struct ConsumerHandle {
    stop: CancellationToken,
    state: watch::Receiver<ConsumerState>,
    ear: Ear,
    counters: Counters,
    counting: Counting,
    store: Arc<dyn LeaseStore>,
    source: Arc<KinesisStream>,
    streams: watch::Receiver<Directory>,
}

impl ConsumerHandle {
    /// Moves shards of the running application to another place, whichever worker reads them, one of the KCL too.
    ///
    /// Each lease is taken, moved and left to whoever takes it next. Its reader finds out at its next heartbeat or checkpoint, which is
    /// refused, so that no older checkpoint can follow; its processor's `lease_lost` is called, and until then it may process a few
    /// more records. Shards are read on from the new place within seconds. Going back, records come again, and finished shards that are
    /// still kept are read once more, parents before children. A prepared checkpoint is removed. Positions that a processor keeps itself
    /// ([`Initialization::start_after`](crate::Initialization::start_after)) are its own to move.
    ///
    /// # Errors
    /// [`SeekError`]. What was moved before stays moved, and seeking again is safe.
    ///
    /// # Cancel safety
    /// A dropped call has moved some of the leases. One may be held by nobody for the failover time.
    pub async fn seek(&self, shards: SeekShards, to: SeekTo) -> Result<Sought, SeekError> {
        let directory = self.streams.borrow().clone();
        seek(&*self.store, &*self.source, &directory, &shards, &to).await
    }

    /// Asks for a clean stop, without waiting for it.
    pub fn request_shutdown(&self) {
        self.stop.cancel();
    }

    /// Asks for a clean stop and waits for its end: no lease is taken any more, each processor ends its batch and gets
    /// `shutdown_requested`, each lease is given up so that other workers have it at once. A consumer that is neither run nor
    /// dropped never ends.
    ///
    /// # Cancel safety
    /// The stop goes on when the call is dropped.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        // The state goes with the consumer.
        let mut state = self.state.clone();
        while state.changed().await.is_ok() {}
    }

    /// How many leases the consumer holds at the moment.
    #[must_use]
    pub fn leases_held(&self) -> usize {
        if self.has_ended() {
            0
        } else {
            self.state.borrow().leases.len()
        }
    }

    /// How the consumer is: its stage of life and each lease it holds.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.has_ended() {
            Health::ended()
        } else {
            self.state.borrow().health()
        }
    }

    /// Waits until the consumer [is ready](Health::is_ready), or has ended. Whether it is ready.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ready(&self) -> bool {
        let mut state = self.state.clone();
        state
            .wait_for(|state| state.stage == Stage::Ended || state.health().is_ready())
            .await
            .is_ok()
    }

    /// What the consumer has counted, under the KCL's names: of the worker and of each lease, lag first.
    #[must_use]
    pub fn metrics(&self) -> MetricsSnapshot {
        self.counters.snapshot()
    }

    /// What became of records, where they are handled one by one.
    #[must_use]
    pub fn record_counts(&self) -> RecordCounts {
        self.counting.counts()
    }

    /// What happens to the consumer from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.ear.listen()
    }

    /// Whether the consumer has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state.has_changed().is_err()
    }
}

/// What a consumer did, from [`Consumer::run`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSummary {
    pub(crate) end: RunEnd,
    pub(crate) records: u64,
    pub(crate) batches: u64,
    pub(crate) leases_taken: u64,
    pub(crate) leases_lost: u64,
    pub(crate) shards_finished: u64,
    pub(crate) panics: u64,
}

/// Why a consumer ended that did not fail. What makes it fail is [`RunError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RunEnd {
    /// It was asked to, by its handle or by the future given to [`Consumer::run_until`].
    #[default]
    ShutdownRequested,
}

impl RunSummary {
    /// Why the consumer ended.
    #[must_use]
    pub fn end(&self) -> RunEnd {
        self.end
    }

    /// User records that were processed without error.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Calls of `process_records` that succeeded.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Leases taken.
    #[must_use]
    pub fn leases_taken(&self) -> u64 {
        self.leases_taken
    }

    /// Leases lost without being given up.
    #[must_use]
    pub fn leases_lost(&self) -> u64 {
        self.leases_lost
    }

    /// Shards read to their end.
    #[must_use]
    pub fn shards_finished(&self) -> u64 {
        self.shards_finished
    }

    /// Processors that panicked.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panics
    }
}
