//! The consumer's settings: one builder, checked in one place, immutable afterwards.

mod chance;
mod checkpoint;
mod children;
mod coordination;
mod fan_out;
mod fleet;
mod lease;
mod metrics;
mod positions;
mod processing;
mod properties;
mod records;
mod recreated;
mod retrieval;
mod strays;
mod streams;
mod wall_clock;
mod watch;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::error::ConfigError;
use crate::lease::WorkerId;
use crate::shard_sync::Start;
use crate::stream::{Stream, StreamName, is_service_name};
use crate::streams::directory::Directory;

pub use checkpoint::CheckpointPolicy;
pub(crate) use checkpoint::Checkpointing;
pub use children::ChildShards;
pub(crate) use coordination::{Backoff, Coordination};
pub(crate) use fan_out::FanOut;
pub use fan_out::Retrieval;
pub(crate) use fleet::Membership;
pub(crate) use lease::Leasing;
pub use metrics::{MetricsConfig, MetricsDimension, MetricsLevel};
pub(crate) use positions::Positions;
pub use positions::{OnTrimmed, ShardStart};
pub(crate) use processing::Processing;
pub use processing::ProcessingFailure;
pub use properties::{
    EscapeError, KCL_SETTINGS, KclConnection, KclProperties, NoteKind, PropertiesError, PropertyNote,
    ValueError,
};
pub use records::{BatchOptions, OnDeadline, RecordOptions, RecordOptionsBuilder};
pub use recreated::OnRecreated;
pub(crate) use retrieval::Reads;
pub use strays::{Diversion, OnStray};
pub use streams::StreamTracker;
use streams::{Listing, Wanted};
pub(crate) use streams::{Several, Streams};
pub(crate) use wall_clock::WallClock;
pub(crate) use watch::Watching;

/// Everything a consumer needs to know. Made by [`ConsumerConfig::builder`].
///
/// ```
/// use std::time::Duration;
/// use kcl::{ConsumerConfig, InitialPosition};
///
/// let config = ConsumerConfig::builder("stock", "sales")
///     .initial_position(InitialPosition::TrimHorizon)
///     .failover(Duration::from_secs(5))
///     .build()?;
/// assert_eq!(config.lease_table_name(), "stock");
/// # Ok::<(), kcl::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    application: String,
    pub(crate) streams: Streams,
    worker_id: WorkerId,
    initial_position: InitialPosition,
    seed: Option<u64>,
    pub(crate) leasing: Leasing,
    pub(crate) retrieval: Reads,
    pub(crate) fan_out: FanOut,
    pub(crate) watching: Watching,
    pub(crate) coordination: Coordination,
    pub(crate) wall_clock: WallClock,
    pub(crate) membership: Membership,
    pub(crate) metrics: MetricsConfig,
    pub(crate) checkpointing: Checkpointing,
    pub(crate) processing: Processing,
    pub(crate) positions: Positions,
    pub(crate) recreated: OnRecreated,
    pub(crate) strays: OnStray,
    pub(crate) children: ChildShards,
}

/// Where an application starts that has no checkpoint yet (KCL: `InitialPositionInStream`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum InitialPosition {
    /// With the oldest record kept. The default: nothing is left out. (KCL's default for a single stream is `LATEST`.)
    #[default]
    TrimHorizon,
    /// With the records that arrive from now on. "Now" is when a worker first opens the shard: it looks up the last record there
    /// is and checkpoints it at once (in a shard that keeps none, `TRIM_HORIZON`), before the processor is called. So nothing is
    /// lost when the shard changes hands before its first checkpoint, to whichever worker, one of the KCL too. This takes a read
    /// or two for each shard, once; where the right to read by polling is missing, see
    /// [`ConsumerEvent::StartNotFixed`](crate::events::ConsumerEvent::StartNotFixed).
    Latest,
    /// With the first record that arrived at or after this time.
    AtTimestamp(SystemTime),
}

impl InitialPosition {
    /// What the lease table can hold of it.
    pub(crate) fn start(self) -> Start {
        match self {
            Self::TrimHorizon => Start::TrimHorizon,
            Self::Latest => Start::Latest,
            Self::AtTimestamp(_) => Start::AtTimestamp,
        }
    }
}

impl ConsumerConfig {
    /// Starts a configuration with the two things that have no default.
    ///
    /// `application_name` names the application and its lease table: workers with the same name share the stream, another
    /// name reads the stream anew. Use a name for one stream only: nothing in the lease table tells streams apart. For
    /// several streams see [`of_streams`](Self::of_streams).
    pub fn builder(application_name: &str, stream_name: &str) -> ConsumerConfigBuilder {
        ConsumerConfigBuilder::new(application_name, Wanted::One(stream_name.to_owned()))
    }

    /// The application's name.
    #[must_use]
    pub fn application_name(&self) -> &str {
        &self.application
    }

    /// The stream to read. `None` where there are several.
    #[must_use]
    pub fn stream(&self) -> Option<&StreamName> {
        match &self.streams {
            Streams::One(name) => Some(name),
            Streams::Several(_) => None,
        }
    }

    /// The stream of an application that has only one.
    pub(crate) fn only_stream(&self) -> Option<Stream> {
        let name = self.stream()?.clone();
        Some(Stream::only(name, self.initial_position))
    }

    /// The streams to read, as far as they are known before the start.
    pub(crate) fn directory(&self) -> Directory {
        match self.only_stream() {
            Some(stream) => Directory::One(stream),
            None => Directory::Several(BTreeMap::new()),
        }
    }

    /// This worker's name among the application's workers.
    #[must_use]
    pub fn worker_id(&self) -> &WorkerId {
        &self.worker_id
    }

    /// Where to start without a checkpoint.
    #[must_use]
    pub fn initial_position(&self) -> InitialPosition {
        self.initial_position
    }

    /// How long a worker may be silent before others take its leases.
    #[must_use]
    pub fn failover(&self) -> Duration {
        self.leasing.failover
    }

    /// The lease table: as set, else the application's name.
    #[must_use]
    pub fn lease_table_name(&self) -> &str {
        self.leasing.table_name.as_deref().unwrap_or(&self.application)
    }
}

/// Builds a [`ConsumerConfig`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct ConsumerConfigBuilder {
    application: String,
    wanted: Wanted,
    listing: Listing,
    worker_id: Option<String>,
    initial_position: InitialPosition,
    seed: Option<u64>,
    leasing: Leasing,
    retrieval: Reads,
    fan_out: FanOut,
    watching: Watching,
    coordination: Coordination,
    wall_clock: WallClock,
    membership: Membership,
    metrics: MetricsConfig,
    checkpointing: Checkpointing,
    processing: Processing,
    positions: Positions,
    recreated: OnRecreated,
    strays: OnStray,
    children: ChildShards,
}

impl ConsumerConfigBuilder {
    fn new(application_name: &str, wanted: Wanted) -> Self {
        Self {
            application: application_name.to_owned(),
            wanted,
            listing: Listing::default(),
            worker_id: None,
            initial_position: InitialPosition::default(),
            seed: None,
            leasing: Leasing::default(),
            retrieval: Reads::default(),
            fan_out: FanOut::default(),
            watching: Watching::default(),
            coordination: Coordination::default(),
            wall_clock: WallClock::default(),
            membership: Membership::default(),
            metrics: MetricsConfig::default(),
            checkpointing: Checkpointing::default(),
            processing: Processing::default(),
            positions: Positions::default(),
            recreated: OnRecreated::default(),
            strays: OnStray::default(),
            children: ChildShards::default(),
        }
    }

    /// Another application, whatever was said before, e.g. by a properties file; see [`ConsumerConfig::builder`].
    pub fn application_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.application);
        self
    }

    /// The worker's name, unique among the application's live workers (KCL: `workerIdentifier`): 1 to 256 characters.
    ///
    /// A name that stays the same over restarts gets its leases back at once. Of two live workers of the same name one finds
    /// out and stops with [`RunError::WorkerIdInUse`](crate::RunError::WorkerIdInUse); until then they take the shards from
    /// each other. A name must not read like the key of another row of the table, such as `shardId-…`. Default: the host's name, the process id and a random number, so a restarted worker waits
    /// for its own leases to expire if it was killed.
    pub fn worker_id(mut self, id: &str) -> Self {
        self.worker_id = Some(id.to_owned());
        self
    }

    /// Where to start without a checkpoint. Default: [`InitialPosition::TrimHorizon`].
    pub fn initial_position(mut self, position: InitialPosition) -> Self {
        self.initial_position = position;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting at fault and its valid range.
    pub fn build(mut self) -> Result<ConsumerConfig, ConfigError> {
        if !is_service_name(&self.application, MIN_TABLE_NAME, MAX_TABLE_NAME) {
            return Err(ConfigError::name(
                "application name",
                &self.application,
                TABLE_NAME_RULE,
            ));
        }
        let streams = Streams::of(self.wanted, self.listing, self.initial_position)?;
        if self
            .worker_id
            .as_ref()
            .is_some_and(|id| !(1..=MAX_WORKER_ID).contains(&id.chars().count()))
        {
            let given = self.worker_id.unwrap_or_default();
            return Err(ConfigError::name("worker id", &given, "1 to 256 characters"));
        }
        let worker_id = WorkerId::new(&self.worker_id.unwrap_or_else(unique_worker_id));
        if worker_id.reads_like_a_row_key() {
            let rule = "not like the key of another row of the table, such as a shard's or a stream's";
            return Err(ConfigError::name("worker id", worker_id.as_str(), rule));
        }
        self.leasing.check()?;
        self.retrieval.check()?;
        self.fan_out.check(&self.application)?;
        self.watching.check()?;
        self.coordination.check(&self.leasing)?;
        self.membership.check()?;
        self.metrics.check()?;
        self.checkpointing.check()?;
        Ok(ConsumerConfig {
            application: self.application,
            streams,
            worker_id,
            initial_position: self.initial_position,
            seed: self.seed,
            leasing: self.leasing,
            retrieval: self.retrieval,
            fan_out: self.fan_out,
            watching: self.watching,
            coordination: self.coordination,
            wall_clock: self.wall_clock,
            membership: self.membership,
            metrics: self.metrics,
            checkpointing: self.checkpointing,
            processing: self.processing,
            positions: self.positions,
            recreated: self.recreated,
            strays: self.strays,
            children: self.children,
        })
    }
}

/// A name that no other worker has: for people the host and the process, for safety a random number.
fn unique_worker_id() -> String {
    let host = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
        .map(|name| name.trim().chars().take(100).collect::<String>())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "host".to_owned());
    format!("{host}-{}-{:016x}", std::process::id(), rand::random::<u64>())
}

/// Source: Amazon DynamoDB developer guide, naming rules: table names have 3 to 255 of `[a-zA-Z0-9_.-]`.
const MIN_TABLE_NAME: usize = 3;
const MAX_TABLE_NAME: usize = 255;
const TABLE_NAME_RULE: &str = "3 to 255 of letters, digits, `_`, `.`, `-`, because it names a table";

/// Ours: far below a DynamoDB key's limit of 2,048 bytes, since a worker id may become one.
const MAX_WORKER_ID: usize = 256;

#[cfg(test)]
mod tests;
