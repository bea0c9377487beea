//! The consumer as its user sees it: built, run, asked to stop.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use aws_types::SdkConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::ConsumerConfig;
use crate::coordinator::Worker;
use crate::error::{ConfigError, RunError};
use crate::process::hands::{Tally, Workshop};
use crate::processor::RecordProcessorFactory;
use crate::source::ahead::Budget;
use crate::source::kinesis::KinesisStream;
use crate::store::LeaseStore;
use crate::store::dynamodb::DynamoDbLeaseStore;

/// One worker of a consumer application (KCL: `Scheduler`).
#[derive(Debug)]
#[must_use = "a consumer does nothing until it is run"]
pub struct Consumer<F> {
    worker: Worker<KinesisStream, F>,
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
        }
    }
}

impl<F: RecordProcessorFactory> Consumer<F> {
    /// A handle to stop the consumer and to look at it from elsewhere.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        ConsumerHandle {
            stop: self.worker.stop.clone(),
            state: self.worker.state.subscribe(),
        }
    }

    /// Reads the stream until [`ConsumerHandle::shutdown`] is called.
    ///
    /// # Errors
    /// [`RunError`], if it cannot start. Once started it rides out failures, and ends only when asked to.
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

    /// Keeps leases elsewhere than in DynamoDB, e.g. in [`MemoryLeaseStore`](crate::MemoryLeaseStore) for tests.
    pub fn lease_store(mut self, store: Arc<dyn LeaseStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// The consumer. `factory` makes the processor of each shard, often a closure `|shard: &ShardContext| …`.
    ///
    /// # Errors
    /// [`ConfigError::MissingClient`] if there is nothing to make a client from,
    /// [`ConfigError::IncompleteSdkConfig`] if what there is lacks a region or a behavior version.
    pub fn build<F: RecordProcessorFactory>(self, factory: F) -> Result<Consumer<F>, ConfigError> {
        let config = Arc::new(self.config);
        let kinesis = match (&self.kinesis, &self.sdk_config) {
            (Some(client), _) => client.config().to_builder(),
            (None, Some(sdk)) => aws_sdk_kinesis::config::Builder::from(complete("Kinesis", sdk)?),
            (None, None) => return Err(ConfigError::MissingClient { service: "Kinesis" }),
        };
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
        let shop = Workshop {
            source: Arc::new(KinesisStream::new(&kinesis, Arc::clone(&config))),
            store,
            factory: Arc::new(factory),
            budget: Budget::new(config.retrieval.prefetch_bytes),
            tally: Tally::default(),
            config,
        };
        let state = watch::Sender::new(ConsumerState::default());
        Ok(Consumer {
            worker: Worker {
                shop: Arc::new(shop),
                stop: CancellationToken::new(),
                state,
            },
        })
    }
}

/// The SDK panics on a configuration without these; a service of ours says so instead.
fn complete<'a>(service: &'static str, sdk: &'a SdkConfig) -> Result<&'a SdkConfig, ConfigError> {
    let missing = |what| ConfigError::IncompleteSdkConfig { service, what };
    if sdk.behavior_version().is_none() {
        return Err(missing("behavior version"));
    }
    if sdk.region().is_none() {
        return Err(missing("region"));
    }
    Ok(sdk)
}

/// What a running consumer shows of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ConsumerState {
    pub(crate) leases_held: usize,
}

/// Stops a consumer and looks at it. Cheap to clone; keeps nothing alive.
#[derive(Debug, Clone)]
pub struct ConsumerHandle {
    stop: CancellationToken,
    state: watch::Receiver<ConsumerState>,
}

impl ConsumerHandle {
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
            self.state.borrow().leases_held
        }
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
    pub(crate) records: u64,
    pub(crate) batches: u64,
    pub(crate) leases_taken: u64,
    pub(crate) leases_lost: u64,
    pub(crate) shards_finished: u64,
    pub(crate) panics: u64,
}

impl RunSummary {
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
