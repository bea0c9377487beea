//! Builds the settings of a producer.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::MetricsConfig;
use super::choices::{AdaptiveRate, Aggregation, Ordering, OuterKey, RateLimit};
use super::range::{duration, size};
use super::retry::RetryPolicy;
use super::stream::StreamConfig;
use super::{MIN_TIMEOUT, ProducerConfig};
use crate::RECORD_OVERHEAD;
use crate::error::ConfigError;
use crate::stream::StreamName;

/// Builds a [`ProducerConfig`]. The names of the Kinesis Producer Library's (KPL's) settings stand beside ours.
#[derive(Clone, Default)]
pub struct ProducerConfigBuilder {
    config: ProducerConfig,
    changes: Vec<(StreamName, Change)>,
}

/// What one stream has other than the rest.
type Change = Arc<dyn Fn(StreamConfig) -> StreamConfig + Send + Sync>;

/// Setters of the producer's defaults for all streams.
impl ProducerConfigBuilder {
    /// See [`StreamConfig::with_linger`] (KPL: `RecordMaxBufferedTime`). Default 100 ms.
    #[must_use]
    pub fn linger(self, linger: Duration) -> Self {
        self.all_streams(|stream| stream.with_linger(linger))
    }

    /// See [`StreamConfig::with_record_ttl`] (KPL: `RecordTtl`). Default 30 s.
    #[must_use]
    pub fn record_ttl(self, ttl: Duration) -> Self {
        self.all_streams(|stream| stream.with_record_ttl(ttl))
    }

    /// See [`StreamConfig::with_first_contact_timeout`]. Default 10 s.
    #[must_use]
    pub fn first_contact_timeout(self, timeout: Duration) -> Self {
        self.all_streams(|stream| stream.with_first_contact_timeout(timeout))
    }

    /// See [`StreamConfig::with_aggregation`] (KPL: `AggregationEnabled`). Default enabled.
    #[must_use]
    pub fn aggregation(self, aggregation: Aggregation) -> Self {
        self.all_streams(|stream| stream.with_aggregation(aggregation))
    }

    /// See [`StreamConfig::with_outer_key`]. Default [`OuterKey::Fixed`].
    #[must_use]
    pub fn outer_key(self, outer_key: OuterKey) -> Self {
        self.all_streams(|stream| stream.with_outer_key(outer_key))
    }

    /// See [`StreamConfig::with_aggregation_max_size`] (KPL: `AggregationMaxSize`). Default 51,200 bytes.
    #[must_use]
    pub fn aggregation_max_size(self, bytes: usize) -> Self {
        self.all_streams(|stream| stream.with_aggregation_max_size(bytes))
    }

    /// See [`StreamConfig::with_aggregation_max_count`] (KPL: `AggregationMaxCount`). Default 4,294,967,295.
    #[must_use]
    pub fn aggregation_max_count(self, records: usize) -> Self {
        self.all_streams(|stream| stream.with_aggregation_max_count(records))
    }

    /// See [`StreamConfig::with_collection_max_count`] (KPL: `CollectionMaxCount`). Default 500.
    #[must_use]
    pub fn collection_max_count(self, records: usize) -> Self {
        self.all_streams(|stream| stream.with_collection_max_count(records))
    }

    /// See [`StreamConfig::with_collection_max_size`] (KPL: `CollectionMaxSize`). Default 5 MiB.
    #[must_use]
    pub fn collection_max_size(self, bytes: usize) -> Self {
        self.all_streams(|stream| stream.with_collection_max_size(bytes))
    }

    /// See [`StreamConfig::with_rate_limit`] (KPL: `RateLimit`). Default 150 %.
    #[must_use]
    pub fn rate_limit(self, limit: RateLimit) -> Self {
        self.all_streams(|stream| stream.with_rate_limit(limit))
    }

    /// See [`StreamConfig::with_adaptive_rate`]. Default enabled.
    #[must_use]
    pub fn adaptive_rate(self, adaptive: AdaptiveRate) -> Self {
        self.all_streams(|stream| stream.with_adaptive_rate(adaptive))
    }

    /// See [`StreamConfig::with_ordering`]. Default [`Ordering::PerKey`].
    #[must_use]
    pub fn ordering(self, ordering: Ordering) -> Self {
        self.all_streams(|stream| stream.with_ordering(ordering))
    }

    /// See [`StreamConfig::with_retry`] (KPL: `FailIfThrottled`, and fixed rules).
    #[must_use]
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.all_streams(|stream| stream.with_retry(policy))
    }

    /// See [`StreamConfig::with_max_user_record_size`] (KPL: `MaxUserRecordSize`). Default: the stream's own limit.
    #[must_use]
    pub fn max_user_record_size(self, bytes: usize) -> Self {
        self.all_streams(|stream| stream.with_max_user_record_size(bytes))
    }

    /// See [`StreamConfig::with_max_in_flight_requests`] (KPL: `MaxConnections`). Default 24.
    #[must_use]
    pub fn max_in_flight_requests(self, requests: usize) -> Self {
        self.all_streams(|stream| stream.with_max_in_flight_requests(requests))
    }

    /// See [`StreamConfig::with_shard_refresh`]. Default 1 min.
    #[must_use]
    pub fn shard_refresh(self, every: Duration) -> Self {
        self.all_streams(|stream| stream.with_shard_refresh(every))
    }

    /// See [`StreamConfig::with_summary_refresh`]. Default 5 min.
    #[must_use]
    pub fn summary_refresh(self, every: Duration) -> Self {
        self.all_streams(|stream| stream.with_summary_refresh(every))
    }

    fn all_streams(mut self, change: impl FnOnce(StreamConfig) -> StreamConfig) -> Self {
        self.config.streams = change(self.config.streams);
        self
    }
}

/// Setters for one stream, and for the producer as a whole.
impl ProducerConfigBuilder {
    /// What one stream has other than the rest. `change` gets the settings for all streams, whenever those are set;
    /// of several changes of one stream the later goes on from the earlier.
    #[must_use]
    pub fn for_stream(
        mut self,
        stream: StreamName,
        change: impl Fn(StreamConfig) -> StreamConfig + Send + Sync + 'static,
    ) -> Self {
        self.changes.push((stream, Arc::new(change)));
        self
    }

    /// Most memory held by records that have been put and have no outcome yet (no KPL equal).
    ///
    /// A record counts its data, its key and [`RECORD_OVERHEAD`]. When it is used up,
    /// [`put`](crate::Producer::put) waits. More rides out longer stalls. Requests on the way hold an encoded copy of
    /// their records on top of this. Default 32 MiB, 64 KiB to 4 GiB - 1.
    #[must_use]
    pub fn max_in_flight_bytes(mut self, bytes: usize) -> Self {
        self.config.max_in_flight_bytes = bytes;
        self
    }

    /// Most records that have been put and have no outcome yet (no KPL equal).
    ///
    /// Default 100,000, 1 to 4,294,967,295.
    #[must_use]
    pub fn max_in_flight_records(mut self, records: usize) -> Self {
        self.config.max_in_flight_records = records;
        self
    }

    /// How long a connection may take to open (KPL: `ConnectTimeout`). Default 6 s, 100 ms to 5 min.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// How long one request may take in all (KPL: `RequestTimeout`).
    ///
    /// A request that ran out of time may have been carried out: its records are sent again and may be stored twice.
    /// Default 6 s, 100 ms to 10 min.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.config.request_timeout = timeout;
        self
    }

    /// What is published of the metrics, and how far they are told apart (KPL: `MetricsLevel`, `MetricsGranularity`,
    /// `MetricsNamespace`, `MetricsUploadDelay`, additional dimensions). Default as the KPL's.
    #[must_use]
    pub fn metrics(mut self, metrics: MetricsConfig) -> Self {
        self.config.metrics = metrics;
        self
    }

    /// Draws jitter from this seed: for tests in virtual time, where the same answers at the same moments are to give
    /// the same calls. Streams of one producer draw differently. Default: none, every producer is different.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = Some(seed);
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that is out of range or at odds with another.
    pub fn build(self) -> Result<ProducerConfig, ConfigError> {
        let mut c = self.config;
        c.streams.check()?;
        let mut changed: HashMap<StreamName, StreamConfig> = std::mem::take(&mut c.changed);
        for (stream, change) in self.changes {
            let before = changed.get(&stream).unwrap_or(&c.streams).clone();
            let after = change(before);
            after.check()?;
            changed.insert(stream, after);
        }
        c.changed = changed;
        let minutes = |n: u64| Duration::from_secs(n * 60);
        duration("connect_timeout", c.connect_timeout, MIN_TIMEOUT, minutes(5))?;
        duration("request_timeout", c.request_timeout, MIN_TIMEOUT, minutes(10))?;
        c.metrics.check()?;
        let most = u32::MAX as usize;
        size("max_in_flight_bytes", c.max_in_flight_bytes, 64 * 1024, most)?;
        size("max_in_flight_records", c.max_in_flight_records, 1, most)?;
        let budget = c.max_in_flight_bytes;
        for stream in c.changed.values().chain([&c.streams]) {
            if let Some(record) = stream.max_user_record_size()
                && record + RECORD_OVERHEAD > budget
            {
                return Err(ConfigError::RecordExceedsBudget { record, budget });
            }
        }
        Ok(c)
    }
}

impl From<ProducerConfig> for ProducerConfigBuilder {
    fn from(config: ProducerConfig) -> Self {
        Self {
            config,
            changes: Vec::new(),
        }
    }
}

impl fmt::Debug for ProducerConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed: Vec<_> = self.changes.iter().map(|(stream, _)| stream).collect();
        f.debug_struct("ProducerConfigBuilder")
            .field("config", &self.config)
            .field("changed", &changed)
            .finish()
    }
}
