//! The handle without sockets: the real SDK clients, answered in the task that calls them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_types::SdkConfig;

use crate::error::{CreateStreamError, StartError};
use crate::faults::Faults;
use crate::sdk;
use crate::service::{
    Endpoint, FaultControl, History, HistoryEntry, InProcessClient, KinesisService, Latency, Setup,
};
use crate::streams;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// A Kinesis and a DynamoDB that live in the SDK clients this handle makes: no socket, no task, no thread.
///
/// A call is answered within the task that makes it, on tokio's clock. Under `tokio::time::pause` (or
/// `start_paused = true`) a whole producer and consumer run in virtual time on one thread: an hour of theirs takes as
/// long as its work, and with the same seed the same program has the same [`history`](Self::history).
///
/// ```
/// use std::time::Duration;
/// use kinesis_local::{InProcess, Latency};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::time::pause();
/// let local = InProcess::builder().latency(Latency::service()).start()?;
/// local.create_stream("orders", 4).await?;
///
/// let kinesis = local.kinesis_client();
/// kinesis
///     .put_record()
///     .stream_name("orders")
///     .partition_key("till-7")
///     .data(aws_sdk_kinesis::primitives::Blob::new("one coffee"))
///     .send()
///     .await?;
/// tokio::time::sleep(Duration::from_secs(3600)).await; // paused: takes no time
/// assert!(local.now() > std::time::UNIX_EPOCH);
/// # Ok(())
/// # }
/// ```
///
/// # What repeats itself, and what does not
///
/// Everything this crate decides follows from the seed, the order of calls and tokio's clock: sequence numbers,
/// iterators, table ids, latencies, faults. Clients made here retry up to three times, as the SDK does, and at once: the
/// SDK's pauses are drawn from chance that cannot be seeded. What
/// a program draws from elsewhere is its own matter: a `select!` that is not `biased`, the order of a `HashMap`, the
/// wall clock, a runtime with several threads.
///
/// Dropping the handle changes nothing for clients that live on; everything is freed with the last of them.
#[derive(Clone, Debug)]
pub struct InProcess {
    kinesis: KinesisService,
    kinesis_client: SharedHttpClient,
    dynamodb_client: SharedHttpClient,
}

impl InProcess {
    /// Starts both halves, empty, with no limits, no latency and no faults.
    ///
    /// # Errors
    ///
    /// [`StartError::Database`] if the database behind DynamoDB does not open; it is in memory and does.
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Chooses limits, latency, faults, the seed and the time.
    pub fn builder() -> InProcessBuilder {
        InProcessBuilder::default()
    }

    /// The SDK configuration for Kinesis. Its sleeps and times are tokio's.
    #[must_use]
    pub fn kinesis_config(&self) -> SdkConfig {
        self.kinesis_config_as(sdk::ACCESS_KEY)
    }

    /// The SDK configuration for DynamoDB.
    #[must_use]
    pub fn dynamodb_config(&self) -> SdkConfig {
        self.dynamodb_config_as(sdk::ACCESS_KEY)
    }

    /// As [`kinesis_config`](Self::kinesis_config), signing as `client`: what [`Fault::client`](crate::Fault::client)
    /// and the history know it by.
    #[must_use]
    pub fn kinesis_config_as(&self, client: &str) -> SdkConfig {
        let clock = self.kinesis.world().clock().clone();
        sdk::in_process(
            self.kinesis_client.clone(),
            "http://kinesis.in-process",
            clock,
            client,
        )
    }

    /// As [`dynamodb_config`](Self::dynamodb_config), signing as `client`.
    #[must_use]
    pub fn dynamodb_config_as(&self, client: &str) -> SdkConfig {
        let clock = self.kinesis.world().clock().clone();
        sdk::in_process(
            self.dynamodb_client.clone(),
            "http://dynamodb.in-process",
            clock,
            client,
        )
    }

    /// A new client of Kinesis.
    #[must_use]
    pub fn kinesis_client(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(&self.kinesis_config())
    }

    /// A new client of DynamoDB.
    #[must_use]
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.dynamodb_config())
    }

    /// Creates a stream of `shards` shards over equal hash ranges and waits until it is active.
    ///
    /// # Errors
    ///
    /// As [`Local::create_stream`](crate::Local::create_stream).
    ///
    /// # Cancel safety
    ///
    /// A dropped call may leave the stream behind.
    pub async fn create_stream(&self, stream: &str, shards: u32) -> Result<(), CreateStreamError> {
        streams::create_stream(&self.kinesis_client(), stream, shards).await
    }

    /// The faults, to change while things run.
    #[must_use]
    pub fn faults(&self) -> FaultControl {
        FaultControl::new(self.kinesis.clone())
    }

    /// What happened so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.kinesis.world().history().snapshot()
    }

    /// Waits for a call or an event: the first in the history that is `wanted`, be it there already or yet to come. `None`
    /// where no history is kept.
    ///
    /// # Cancel safety
    /// Nothing is taken out of the history, so that a dropped call leaves no trace.
    pub async fn wait_for(&self, wanted: impl Fn(&HistoryEntry) -> bool) -> Option<HistoryEntry> {
        self.kinesis.world().history().wait_for(wanted).await
    }

    /// Forgets what happened so far.
    pub fn clear_history(&self) {
        self.kinesis.world().history().clear();
    }

    /// The time both halves go by.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.kinesis.world().clock().now()
    }

    /// Moves that time on by itself: iterators and records age, sessions end. Timers of the program are not moved;
    /// `tokio::time::advance` moves both.
    pub fn advance_clock(&self, by: Duration) {
        self.kinesis.advance_clock(by);
    }
}

/// Settings of an [`InProcess`], by [`InProcess::builder`].
#[must_use = "a builder does nothing until it is started"]
#[derive(Clone, Debug)]
pub struct InProcessBuilder {
    setup: Setup,
    wall_start: SystemTime,
}

impl Default for InProcessBuilder {
    fn default() -> Self {
        Self {
            setup: Setup {
                history_limit: HISTORY_LIMIT,
                ..Setup::default()
            },
            wall_start: UNIX_EPOCH + Duration::from_secs(NEW_YEAR_2026),
        }
    }
}

impl InProcessBuilder {
    /// Whether the service's rates and quotas hold: 1,000 records and 1 MiB written per second and shard, 5 reads and
    /// 2 MiB per second and shard, calls per second of each operation. Default `false`. Sizes of requests and
    /// records are always checked.
    pub fn service_limits(mut self, on: bool) -> Self {
        self.setup.service_limits = on;
        self
    }

    /// How long calls take. Default [`Latency::none`].
    pub fn latency(mut self, latency: Latency) -> Self {
        self.setup.latency = latency;
        self
    }

    /// What goes wrong from the start. Default nothing.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.setup.faults = faults;
        self
    }

    /// Bytes of records that Kinesis holds, data, keys and bookkeeping; above it the oldest records go as if their
    /// retention had ended. Default: no bound but retention. DynamoDB is not counted.
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.setup.max_memory = Some(bytes);
        self
    }

    /// What the engine draws from: where records of streams without keys go, and how iterators look. Default 0. The
    /// faults have a [seed](crate::FaultsBuilder::seed) of their own.
    pub fn seed(mut self, seed: u64) -> Self {
        self.setup.seed = seed;
        self
    }

    /// The time at the start. Default midnight UTC of 1 January 2026, on every run.
    pub fn wall_start(mut self, time: SystemTime) -> Self {
        self.wall_start = time;
        self
    }

    /// How many entries of history are kept; the oldest go first, and 0 keeps none. Default 1,000,000, about 250
    /// bytes each.
    pub fn history_limit(mut self, entries: usize) -> Self {
        self.setup.history_limit = entries;
        self
    }

    /// Starts both halves. To be called within a tokio runtime that has time enabled.
    ///
    /// # Errors
    ///
    /// [`StartError::Database`] if the database behind DynamoDB does not open; it is in memory and does.
    pub fn start(self) -> Result<InProcess, StartError> {
        let (kinesis, dynamodb) = self.setup.build(self.wall_start)?;
        let client = |endpoint| SharedHttpClient::new(InProcessClient::new(endpoint));
        Ok(InProcess {
            kinesis_client: client(Endpoint::Kinesis(kinesis.clone())),
            dynamodb_client: client(Endpoint::DynamoDb(dynamodb)),
            kinesis,
        })
    }
}

const HISTORY_LIMIT: usize = 1_000_000;

/// Midnight UTC of 1 January 2026, Unix seconds.
const NEW_YEAR_2026: u64 = 1_767_225_600;
