//! The settings of one stream.

use std::time::Duration;

use kinesis_aggregation::AggregateLimits;

use super::choices::{AdaptiveRate, Aggregation, Ordering, OuterKey, RateLimit};
use super::range::{duration, size};
use super::retry::RetryPolicy;
use crate::error::ConfigError;

/// The settings of one stream; those of the producer unless [changed](crate::ProducerConfigBuilder::for_stream).
///
/// The names of the Kinesis Producer Library's (KPL's) settings stand beside ours; there they hold for all streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamConfig {
    linger: Duration,
    record_ttl: Duration,
    first_contact_timeout: Duration,
    aggregation: Aggregation,
    outer_key: OuterKey,
    aggregation_max_size: usize,
    aggregation_max_count: usize,
    collection_max_count: usize,
    collection_max_size: usize,
    rate_limit: RateLimit,
    adaptive_rate: AdaptiveRate,
    ordering: Ordering,
    retry: RetryPolicy,
    max_user_record_size: Option<usize>,
    max_in_flight_requests: usize,
    shard_refresh: Duration,
    summary_refresh: Duration,
}

impl StreamConfig {
    /// How long a record may wait for company (KPL: `RecordMaxBufferedTime`).
    ///
    /// Longer packs better, shorter answers sooner. A record leaves earlier when its aggregate is full or a flush is
    /// asked for, and later when its shard is busy or limited. Default 100 ms, 0 to 1 h.
    #[must_use]
    pub fn with_linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// How long a record is tried for before it fails as expired (KPL: `RecordTtl`).
    ///
    /// Longer rides out longer outages, and fills the budget of bytes in flight meanwhile. A record whose request is
    /// on its way when the time comes waits for that reply. Default 30 s, 100 ms to 24 h, longer than the linger; or
    /// [`NO_TTL`](Self::NO_TTL).
    #[must_use]
    pub fn with_record_ttl(mut self, ttl: Duration) -> Self {
        self.record_ttl = ttl;
        self
    }

    /// How long records wait for a stream that has never answered (no KPL equal).
    ///
    /// Applies until the stream's shards have been listed once; from then on [`record_ttl`](Self::with_record_ttl)
    /// rules. Shorter reports a wrong endpoint sooner. A stream that does not exist fails its records at once, unless
    /// the [retry policy](Self::with_retry) tries [`StreamNotFound`](crate::FailureKind::StreamNotFound) again: then
    /// they wait for it as long as they live. Default 10 s, 100 ms to 24 h.
    #[must_use]
    pub fn with_first_contact_timeout(mut self, timeout: Duration) -> Self {
        self.first_contact_timeout = timeout;
        self
    }

    /// Whether user records are packed together (KPL: `AggregationEnabled`). Default enabled.
    #[must_use]
    pub fn with_aggregation(mut self, aggregation: Aggregation) -> Self {
        self.aggregation = aggregation;
        self
    }

    /// The partition key of aggregates (no KPL equal). Default [`OuterKey::Fixed`].
    #[must_use]
    pub fn with_outer_key(mut self, outer_key: OuterKey) -> Self {
        self.outer_key = outer_key;
        self
    }

    /// Most bytes of an aggregate, envelope included (KPL: `AggregationMaxSize`).
    ///
    /// Larger makes fewer Kinesis records; smaller makes less to send again. A record larger than this travels alone.
    /// Default 51,200 (two payload units of 25 KiB), 64 to 10,485,760; less than the collection size.
    #[must_use]
    pub fn with_aggregation_max_size(mut self, bytes: usize) -> Self {
        self.aggregation_max_size = bytes;
        self
    }

    /// Most user records of an aggregate (KPL: `AggregationMaxCount`). Default 4,294,967,295, from 1.
    #[must_use]
    pub fn with_aggregation_max_count(mut self, records: usize) -> Self {
        self.aggregation_max_count = records;
        self
    }

    /// Most Kinesis records of one request (KPL: `CollectionMaxCount`).
    ///
    /// Default and maximum 500 (source: AWS API reference, PutRecords), from 1.
    #[must_use]
    pub fn with_collection_max_count(mut self, records: usize) -> Self {
        self.collection_max_count = records;
        self
    }

    /// Most bytes of one request, partition keys included, before encoding (KPL: `CollectionMaxSize`).
    ///
    /// A record larger than this travels in a request of its own. Default 5 MiB, 52,224 bytes to 10 MiB (source: AWS
    /// API reference, PutRecords).
    #[must_use]
    pub fn with_collection_max_size(mut self, bytes: usize) -> Self {
        self.collection_max_size = bytes;
        self
    }

    /// How fast one shard is written to (KPL: `RateLimit`).
    ///
    /// Lower leaves room for other producers and is throttled less. Default 150 %, from 1 %. After a pause a burst of
    /// 1,000 records and 1 MiB may come on top, of half as much while the rate [adapts](Self::with_adaptive_rate).
    #[must_use]
    pub fn with_rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate_limit = limit;
        self
    }

    /// Whether the rate gives way when the service throttles (no KPL equal).
    ///
    /// Each shard then has a rate of its own below [`rate_limit`](Self::with_rate_limit): it begins at the documented
    /// quota, falls to what others leave, and rises when they leave more. Default enabled; it has no effect beside
    /// [`RateLimit::Unlimited`].
    #[must_use]
    pub fn with_adaptive_rate(mut self, adaptive: AdaptiveRate) -> Self {
        self.adaptive_rate = adaptive;
        self
    }

    /// What is kept when something fails (no KPL equal). Default [`Ordering::PerKey`].
    #[must_use]
    pub fn with_ordering(mut self, ordering: Ordering) -> Self {
        self.ordering = ordering;
        self
    }

    /// What is tried again, how often, and after how long (KPL: `FailIfThrottled`, and fixed rules).
    #[must_use]
    pub fn with_retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Largest record taken, data and partition key together (KPL: `MaxUserRecordSize`, which leaves out the key).
    ///
    /// Default: what the stream itself takes, as the service says; 1 MiB, which every stream takes, where it may not be
    /// asked. 64 bytes to 10 MiB; the stream's own limit holds as well, as far as it is known.
    #[must_use]
    pub fn with_max_user_record_size(mut self, bytes: usize) -> Self {
        self.max_user_record_size = Some(bytes);
        self
    }

    /// Most requests on the way at a time (KPL: `MaxConnections`, for the whole producer).
    ///
    /// With [`Ordering::PerKey`] a shard never has more than one, so a stream of fewer shards never reaches it.
    /// Default 24, 1 to 256.
    #[must_use]
    pub fn with_max_in_flight_requests(mut self, requests: usize) -> Self {
        self.max_in_flight_requests = requests;
        self
    }

    /// How old the list of shards may become, while records are put, before it is fetched again although nothing speaks
    /// against it (no KPL equal: it never does). The old list stays in force meanwhile.
    ///
    /// After a longer pause the first records wait for an answer, as the stream may have been made anew; or for the
    /// failure to get one. Default 1 min, with jitter downwards, 1 s to 24 h.
    #[must_use]
    pub fn with_shard_refresh(mut self, every: Duration) -> Self {
        self.shard_refresh = every;
        self
    }

    /// How often the stream is asked for its record distribution and its record limit (no KPL 1.0 equal).
    ///
    /// The service answers 20 such questions a second for a whole account. Default 5 min, 1 s to 24 h.
    #[must_use]
    pub fn with_summary_refresh(mut self, every: Duration) -> Self {
        self.summary_refresh = every;
        self
    }

    /// A time to live that never ends: a record is tried for until it is delivered or refused for good.
    pub const NO_TTL: Duration = Duration::MAX;

    /// See [`with_linger`](Self::with_linger).
    #[must_use]
    pub fn linger(&self) -> Duration {
        self.linger
    }

    /// See [`with_record_ttl`](Self::with_record_ttl).
    #[must_use]
    pub fn record_ttl(&self) -> Duration {
        self.record_ttl
    }

    /// See [`with_first_contact_timeout`](Self::with_first_contact_timeout).
    #[must_use]
    pub fn first_contact_timeout(&self) -> Duration {
        self.first_contact_timeout
    }

    /// See [`with_aggregation`](Self::with_aggregation).
    #[must_use]
    pub fn aggregation(&self) -> Aggregation {
        self.aggregation
    }

    /// See [`with_outer_key`](Self::with_outer_key).
    #[must_use]
    pub fn outer_key(&self) -> OuterKey {
        self.outer_key
    }

    /// See [`with_aggregation_max_size`](Self::with_aggregation_max_size).
    #[must_use]
    pub fn aggregation_max_size(&self) -> usize {
        self.aggregation_max_size
    }

    /// See [`with_aggregation_max_count`](Self::with_aggregation_max_count).
    #[must_use]
    pub fn aggregation_max_count(&self) -> usize {
        self.aggregation_max_count
    }

    /// See [`with_collection_max_count`](Self::with_collection_max_count).
    #[must_use]
    pub fn collection_max_count(&self) -> usize {
        self.collection_max_count
    }

    /// See [`with_collection_max_size`](Self::with_collection_max_size).
    #[must_use]
    pub fn collection_max_size(&self) -> usize {
        self.collection_max_size
    }

    /// See [`with_rate_limit`](Self::with_rate_limit).
    #[must_use]
    pub fn rate_limit(&self) -> RateLimit {
        self.rate_limit
    }

    /// See [`with_adaptive_rate`](Self::with_adaptive_rate).
    #[must_use]
    pub fn adaptive_rate(&self) -> AdaptiveRate {
        self.adaptive_rate
    }

    /// See [`with_ordering`](Self::with_ordering).
    #[must_use]
    pub fn ordering(&self) -> Ordering {
        self.ordering
    }

    /// See [`with_retry`](Self::with_retry).
    #[must_use]
    pub fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    /// See [`with_max_user_record_size`](Self::with_max_user_record_size); `None` for the stream's own.
    #[must_use]
    pub fn max_user_record_size(&self) -> Option<usize> {
        self.max_user_record_size
    }

    /// See [`with_max_in_flight_requests`](Self::with_max_in_flight_requests).
    #[must_use]
    pub fn max_in_flight_requests(&self) -> usize {
        self.max_in_flight_requests
    }

    /// See [`with_shard_refresh`](Self::with_shard_refresh).
    #[must_use]
    pub fn shard_refresh(&self) -> Duration {
        self.shard_refresh
    }

    /// See [`with_summary_refresh`](Self::with_summary_refresh).
    #[must_use]
    pub fn summary_refresh(&self) -> Duration {
        self.summary_refresh
    }

    /// The time to live as it can be added to an instant.
    pub(crate) fn ttl(&self) -> Duration {
        self.record_ttl.min(A_CENTURY)
    }

    /// The limits of aggregates; valid once the settings were checked.
    pub(crate) fn aggregate_limits(&self) -> AggregateLimits {
        self.checked_limits().unwrap_or(AggregateLimits::DEFAULT)
    }

    /// Checks all settings, each by itself and against one another.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.checked_limits()?;
        self.retry.check()?;
        let hour = Duration::from_secs(3600);
        duration("linger", self.linger, Duration::ZERO, hour)?;
        if self.record_ttl != Self::NO_TTL {
            duration("record_ttl", self.record_ttl, MIN_TIMEOUT, 24 * hour)?;
        }
        let contact = self.first_contact_timeout;
        duration("first_contact_timeout", contact, MIN_TIMEOUT, 24 * hour)?;
        let second = Duration::from_secs(1);
        duration("shard_refresh", self.shard_refresh, second, 24 * hour)?;
        duration("summary_refresh", self.summary_refresh, second, 24 * hour)?;
        size(
            "collection_max_count",
            self.collection_max_count,
            1,
            MAX_REQUEST_RECORDS,
        )?;
        size(
            "collection_max_size",
            self.collection_max_size,
            52_224,
            MAX_REQUEST_BYTES,
        )?;
        if let Some(bytes) = self.max_user_record_size {
            size("max_user_record_size", bytes, 64, MAX_REQUEST_BYTES)?;
        }
        size("max_in_flight_requests", self.max_in_flight_requests, 1, 256)?;
        if let RateLimit::Percent(percent) = self.rate_limit {
            size("rate_limit", percent as usize, 1, u32::MAX as usize)?;
        }
        if self.record_ttl <= self.linger {
            return Err(ConfigError::TtlWithinLinger {
                ttl: self.record_ttl,
                linger: self.linger,
            });
        }
        // The aggregate's own partition key counts as well.
        if self.aggregation_max_size >= self.collection_max_size {
            return Err(ConfigError::AggregateExceedsCollection {
                aggregate: self.aggregation_max_size,
                collection: self.collection_max_size,
            });
        }
        Ok(())
    }

    fn checked_limits(&self) -> Result<AggregateLimits, ConfigError> {
        let limits = AggregateLimits::DEFAULT.with_max_bytes(self.aggregation_max_size)?;
        Ok(limits.with_max_records(self.aggregation_max_count)?)
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(100),
            record_ttl: Duration::from_secs(30),
            first_contact_timeout: Duration::from_secs(10),
            aggregation: Aggregation::Enabled,
            outer_key: OuterKey::Fixed,
            aggregation_max_size: AggregateLimits::DEFAULT.max_bytes(),
            aggregation_max_count: AggregateLimits::DEFAULT.max_records(),
            collection_max_count: MAX_REQUEST_RECORDS,
            collection_max_size: 5 * 1024 * 1024,
            rate_limit: RateLimit::Percent(150),
            adaptive_rate: AdaptiveRate::Enabled,
            ordering: Ordering::PerKey,
            retry: RetryPolicy::default(),
            max_user_record_size: None,
            max_in_flight_requests: 24,
            shard_refresh: Duration::from_secs(60),
            summary_refresh: Duration::from_secs(300),
        }
    }
}

/// Source: AWS API reference, PutRecords. Applies to: records of one request.
const MAX_REQUEST_RECORDS: usize = 500;
/// Source: AWS API reference, PutRecords. Applies to: one request with its partition keys, and so to one record.
const MAX_REQUEST_BYTES: usize = 10 * 1024 * 1024;
/// Longer than any process lives, and yet no clock overflows by it.
const A_CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
const MIN_TIMEOUT: Duration = Duration::from_millis(100);
