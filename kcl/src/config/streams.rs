//! Settings of which streams are read: one, several, or those that a tracker lists.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};

use super::{ConsumerConfig, ConsumerConfigBuilder, InitialPosition};
use crate::error::{BoxError, ConfigError};
use crate::shard_sync::Start;
use crate::stream::StreamName;
use crate::streams::listed::{StreamConfig, StreamTarget};
use crate::streams::tracker::{FormerStreams, Unlisted};

/// Says which streams an application reads (KCL: `MultiStreamTracker`), again and again.
///
/// Every closure that returns a future of `Result<Vec<StreamConfig>, BoxError>` is one.
///
/// # Cancel safety
/// A call that takes longer than the interval between two is dropped.
pub trait StreamTracker: Send + Sync + 'static {
    /// The streams to read from now on. An error changes nothing: the last list stays in force.
    fn streams(&self) -> BoxFuture<'static, Result<Vec<StreamConfig>, BoxError>>;
}

impl<F, Fut> StreamTracker for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<StreamConfig>, BoxError>> + Send + 'static,
{
    fn streams(&self) -> BoxFuture<'static, Result<Vec<StreamConfig>, BoxError>> {
        self().boxed()
    }
}

/// What a builder was told.
#[derive(Clone)]
pub(crate) enum Wanted {
    One(String),
    These(Vec<StreamConfig>),
    Tracked(Arc<dyn StreamTracker>),
}

/// What a consumer reads.
#[derive(Debug, Clone)]
pub(crate) enum Streams {
    One(StreamName),
    Several(Several),
}

/// The streams of an application that reads several.
#[derive(Debug, Clone)]
pub(crate) struct Several {
    source: List,
    pub(crate) settings: Listing,
}

#[derive(Clone)]
enum List {
    These(Arc<[StreamConfig]>),
    Tracked(Arc<dyn StreamTracker>),
}

/// How a list of streams is followed.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) interval: Duration,
    pub(crate) former: FormerStreams,
    pub(crate) unlisted: Unlisted,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            interval: DEFAULT_INTERVAL,
            former: FormerStreams::Keep,
            unlisted: Unlisted::LeaveAlone,
        }
    }
}

impl Several {
    /// Asks for the list.
    pub(crate) fn list(&self) -> BoxFuture<'static, Result<Vec<StreamConfig>, BoxError>> {
        match &self.source {
            List::These(these) => ready(Ok(these.to_vec())).boxed(),
            List::Tracked(tracker) => tracker.streams(),
        }
    }

    /// The list, where it never changes.
    pub(crate) fn fixed(&self) -> &[StreamConfig] {
        match &self.source {
            List::These(these) => these,
            List::Tracked(_) => &[],
        }
    }
}

impl Streams {
    pub(super) fn of(
        wanted: Wanted,
        settings: Listing,
        position: InitialPosition,
    ) -> Result<Self, ConfigError> {
        let source = match wanted {
            Wanted::One(name) => return Ok(Self::One(StreamName::new(&name)?)),
            Wanted::These(these) => {
                check_list(&these)?;
                List::These(these.into())
            }
            Wanted::Tracked(tracker) => List::Tracked(tracker),
        };
        let hour = Duration::from_secs(3600);
        ConfigError::check_range("stream_list_interval", settings.interval, MIN_INTERVAL, hour)?;
        let needs_time = settings.unlisted == Unlisted::Read(Start::AtTimestamp);
        if needs_time && !matches!(position, InitialPosition::AtTimestamp(_)) {
            return Err(ConfigError::NoTimestamp);
        }
        Ok(Self::Several(Several { source, settings }))
    }
}

fn check_list(list: &[StreamConfig]) -> Result<(), ConfigError> {
    let mut seen: BTreeSet<&StreamTarget> = BTreeSet::new();
    match list.iter().find(|config| !seen.insert(config.target())) {
        Some(twice) => Err(ConfigError::StreamTwice {
            stream: twice.target().to_string(),
        }),
        None if list.is_empty() => Err(ConfigError::NoStreams),
        None => Ok(()),
    }
}

impl ConsumerConfig {
    /// Starts a configuration that reads several streams (KCL: multi-stream mode). All of them share one lease table, whose
    /// keys name the stream: an application cannot change between one stream and several without beginning anew.
    ///
    /// ```
    /// use kcl::{ConsumerConfig, InitialPosition, StreamConfig};
    ///
    /// let orders = StreamConfig::new("orders")?;
    /// let clicks = StreamConfig::new("clicks")?.initial_position(InitialPosition::Latest);
    /// let config = ConsumerConfig::of_streams("warehouse", [orders, clicks]).build()?;
    /// assert!(config.stream().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_streams(
        application_name: &str,
        streams: impl IntoIterator<Item = StreamConfig>,
    ) -> ConsumerConfigBuilder {
        let wanted = Wanted::These(streams.into_iter().collect());
        ConsumerConfigBuilder::new(application_name, wanted)
    }

    /// Starts a configuration that reads the streams that `tracker` lists, as the list changes. See
    /// [`of_streams`](Self::of_streams).
    ///
    /// ```
    /// use kcl::{BoxError, ConsumerConfig, StreamConfig};
    ///
    /// async fn ours() -> Result<Vec<StreamConfig>, BoxError> {
    ///     let text = "orders clicks"; // e.g. asked of a service of your own
    ///     Ok(text.split(' ').map(StreamConfig::new).collect::<Result<_, _>>()?)
    /// }
    /// let config = ConsumerConfig::tracking("warehouse", ours).build()?;
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn tracking(application_name: &str, tracker: impl StreamTracker) -> ConsumerConfigBuilder {
        ConsumerConfigBuilder::new(application_name, Wanted::Tracked(Arc::new(tracker)))
    }
}

impl ConsumerConfigBuilder {
    /// Reads this one stream, whatever was said before, e.g. by a properties file.
    pub fn stream(mut self, name: &str) -> Self {
        self.read_only(name);
        self
    }

    /// Reads these streams, whatever was said before; see [`ConsumerConfig::of_streams`].
    pub fn streams(mut self, streams: impl IntoIterator<Item = StreamConfig>) -> Self {
        self.wanted = Wanted::These(streams.into_iter().collect());
        self
    }

    /// Reads this one stream, whatever was said before.
    pub(super) fn read_only(&mut self, stream_name: &str) {
        self.wanted = Wanted::One(stream_name.to_owned());
    }

    pub(super) fn names_no_stream(&self) -> bool {
        matches!(&self.wanted, Wanted::One(name) if name.is_empty())
    }

    /// How often the tracker is asked for its list, and how often it is looked whether former streams' time is over (KCL: 60 s,
    /// fixed). Only with several streams. Default 60 s; 100 ms to 1 h.
    pub fn stream_list_interval(mut self, interval: Duration) -> Self {
        self.listing.interval = interval;
        self
    }

    /// What becomes of streams that leave the list (KCL: `FormerStreamsLeasesDeletionStrategy`). Only with several streams.
    /// Default: [`FormerStreams::Keep`], they are read on as far as they have leases.
    pub fn former_streams(mut self, policy: FormerStreams) -> Self {
        self.listing.former = policy;
        self
    }

    /// What becomes of leases whose stream was never in the list of this worker (KCL: orphaned streams, read from `LATEST`).
    /// Only with several streams. Default: [`Unlisted::LeaveAlone`].
    pub fn unlisted_streams(mut self, policy: Unlisted) -> Self {
        self.listing.unlisted = policy;
        self
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(name) => f.debug_tuple("One").field(name).finish(),
            Self::These(these) => f.debug_tuple("These").field(these).finish(),
            Self::Tracked(_) => f.debug_tuple("Tracked").finish_non_exhaustive(),
        }
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::These(these) => f.debug_tuple("These").field(these).finish(),
            Self::Tracked(_) => f.debug_tuple("Tracked").finish_non_exhaustive(),
        }
    }
}

/// Source: KCL, `Scheduler.NEW_STREAM_CHECK_INTERVAL_MILLIS`.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
/// Ours: the lease table is read each time.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
