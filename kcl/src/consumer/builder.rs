//! How a consumer is put together: its clients, its table, its budgets.

use std::sync::Arc;

use aws_types::SdkConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Consumer;
use crate::by_record::{Counting, Fittings};
use crate::config::{ConsumerConfig, RecordOptions, Streams};
use crate::coordinator::Worker;
use crate::dead_letter::Sink;
use crate::error::ConfigError;
use crate::events::Bell;
use crate::health::ConsumerState;
use crate::metrics::{Counters, MetricsSink, Uploads};
use crate::process::halt::Halt;
use crate::process::hands::Workshop;
use crate::processor::RecordProcessorFactory;
use crate::reader::StreamReader;
use crate::source::Source as _;
use crate::source::budget::ReadBudget;
use crate::source::kinesis::KinesisStream;
use crate::store::LeaseStore;
use crate::store::dynamodb::DynamoDbLeaseStore;
use crate::store::memory::MemoryLeaseStore;
use crate::streams::listed::StreamTarget;
use crate::trace::RecordSpans;

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
    /// `cloudwatch`. Default: nowhere; [`ConsumerHandle::metrics`](crate::ConsumerHandle::metrics) and the `metrics` facade
    /// need no sink.
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
