//! Every knob of the producer, validated in one place.

use std::time::Duration;

use kinesis_aggregation::AggregateLimits;

use crate::error::ConfigError;

/// The settings of a producer; immutable once built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerConfig {
    linger: Duration,
    record_ttl: Duration,
    first_contact_timeout: Duration,
    aggregation: Aggregation,
    aggregate_limits: AggregateLimits,
    collection_max_count: usize,
    collection_max_size: usize,
    rate_limit: RateLimit,
    max_user_record_size: usize,
    max_in_flight_bytes: usize,
    max_in_flight_records: usize,
    max_in_flight_requests: usize,
    connect_timeout: Duration,
    request_timeout: Duration,
    seed: Option<u64>,
}

impl ProducerConfig {
    /// A builder with all defaults.
    #[must_use]
    pub fn builder() -> ProducerConfigBuilder {
        ProducerConfigBuilder::default()
    }

    /// See [`ProducerConfigBuilder::linger`].
    #[must_use]
    pub fn linger(&self) -> Duration {
        self.linger
    }

    /// See [`ProducerConfigBuilder::record_ttl`].
    #[must_use]
    pub fn record_ttl(&self) -> Duration {
        self.record_ttl
    }

    /// See [`ProducerConfigBuilder::first_contact_timeout`].
    #[must_use]
    pub fn first_contact_timeout(&self) -> Duration {
        self.first_contact_timeout
    }

    /// See [`ProducerConfigBuilder::aggregation`].
    #[must_use]
    pub fn aggregation(&self) -> Aggregation {
        self.aggregation
    }

    /// See [`ProducerConfigBuilder::aggregation_max_size`].
    #[must_use]
    pub fn aggregation_max_size(&self) -> usize {
        self.aggregate_limits.max_bytes()
    }

    /// See [`ProducerConfigBuilder::aggregation_max_count`].
    #[must_use]
    pub fn aggregation_max_count(&self) -> usize {
        self.aggregate_limits.max_records()
    }

    pub(crate) fn aggregate_limits(&self) -> AggregateLimits {
        self.aggregate_limits
    }

    /// See [`ProducerConfigBuilder::collection_max_count`].
    #[must_use]
    pub fn collection_max_count(&self) -> usize {
        self.collection_max_count
    }

    /// See [`ProducerConfigBuilder::collection_max_size`].
    #[must_use]
    pub fn collection_max_size(&self) -> usize {
        self.collection_max_size
    }

    /// See [`ProducerConfigBuilder::rate_limit`].
    #[must_use]
    pub fn rate_limit(&self) -> RateLimit {
        self.rate_limit
    }

    /// See [`ProducerConfigBuilder::max_user_record_size`].
    #[must_use]
    pub fn max_user_record_size(&self) -> usize {
        self.max_user_record_size
    }

    /// See [`ProducerConfigBuilder::max_in_flight_bytes`].
    #[must_use]
    pub fn max_in_flight_bytes(&self) -> usize {
        self.max_in_flight_bytes
    }

    /// See [`ProducerConfigBuilder::max_in_flight_records`].
    #[must_use]
    pub fn max_in_flight_records(&self) -> usize {
        self.max_in_flight_records
    }

    /// See [`ProducerConfigBuilder::max_in_flight_requests`].
    #[must_use]
    pub fn max_in_flight_requests(&self) -> usize {
        self.max_in_flight_requests
    }

    /// See [`ProducerConfigBuilder::connect_timeout`].
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// See [`ProducerConfigBuilder::request_timeout`].
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// See [`ProducerConfigBuilder::seed`].
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }
}

impl Default for ProducerConfig {
    fn default() -> Self {
        ProducerConfigBuilder::default().config
    }
}

/// Whether user records of one shard travel packed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Aggregation {
    /// Many user records per Kinesis record; consumers must take them apart (the KCL does).
    Enabled,
    /// One Kinesis record per user record.
    Disabled,
}

/// How fast one shard is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateLimit {
    /// This share of a shard's quota of 1,000 records and 1 MiB per second.
    Percent(u32),
    /// No limit of ours; the service throttles.
    Unlimited,
}

impl RateLimit {
    /// A share of the shard's quota, in percent. Above 100 the service decides what is too much.
    #[must_use]
    pub fn percent(percent: u32) -> Self {
        Self::Percent(percent)
    }
}

/// Builds a [`ProducerConfig`]. The names of the Kinesis Producer Library's (KPL's) settings stand beside ours.
#[derive(Debug, Clone)]
pub struct ProducerConfigBuilder {
    config: ProducerConfig,
    aggregation_max_size: usize,
    aggregation_max_count: usize,
}

impl Default for ProducerConfigBuilder {
    fn default() -> Self {
        let config = ProducerConfig {
            linger: Duration::from_millis(100),
            record_ttl: Duration::from_secs(30),
            first_contact_timeout: Duration::from_secs(10),
            aggregation: Aggregation::Enabled,
            aggregate_limits: AggregateLimits::DEFAULT,
            collection_max_count: MAX_REQUEST_RECORDS,
            collection_max_size: 5 * MIB,
            rate_limit: RateLimit::Percent(150),
            max_user_record_size: MIB,
            max_in_flight_bytes: 32 * MIB,
            max_in_flight_records: 100_000,
            max_in_flight_requests: 24,
            connect_timeout: Duration::from_secs(6),
            request_timeout: Duration::from_secs(6),
            seed: None,
        };
        Self {
            aggregation_max_size: config.aggregation_max_size(),
            aggregation_max_count: config.aggregation_max_count(),
            config,
        }
    }
}

impl ProducerConfigBuilder {
    /// How long a record may wait for company (KPL: `RecordMaxBufferedTime`).
    ///
    /// Longer packs better, shorter answers sooner. A record leaves earlier when its aggregate is full or a flush is
    /// asked for, and later when its shard is busy or limited. Default 100 ms, 0 to 1 h.
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.config.linger = linger;
        self
    }

    /// How long a record is tried for before it fails as expired (KPL: `RecordTtl`).
    ///
    /// Longer rides out longer outages, and fills the budget of bytes in flight meanwhile. A record whose request is
    /// on its way when the time comes waits for that reply. Default 30 s, 100 ms to 24 h, longer than the linger.
    #[must_use]
    pub fn record_ttl(mut self, ttl: Duration) -> Self {
        self.config.record_ttl = ttl;
        self
    }

    /// How long records wait for a stream that has never answered (no KPL equal).
    ///
    /// Applies until the stream's shards have been listed once; from then on [`record_ttl`](Self::record_ttl) rules.
    /// Shorter reports a wrong endpoint sooner. Default 10 s, 100 ms to 24 h.
    #[must_use]
    pub fn first_contact_timeout(mut self, timeout: Duration) -> Self {
        self.config.first_contact_timeout = timeout;
        self
    }

    /// Whether user records are packed together (KPL: `AggregationEnabled`). Default enabled.
    #[must_use]
    pub fn aggregation(mut self, aggregation: Aggregation) -> Self {
        self.config.aggregation = aggregation;
        self
    }

    /// Most bytes of an aggregate, envelope included (KPL: `AggregationMaxSize`).
    ///
    /// Larger makes fewer Kinesis records; smaller makes less to send again. A record larger than this travels alone.
    /// Default 51,200 (two payload units of 25 KiB), 64 to 10,485,760; less than the collection size.
    #[must_use]
    pub fn aggregation_max_size(mut self, bytes: usize) -> Self {
        self.aggregation_max_size = bytes;
        self
    }

    /// Most user records of an aggregate (KPL: `AggregationMaxCount`). Default 4,294,967,295, from 1.
    #[must_use]
    pub fn aggregation_max_count(mut self, records: usize) -> Self {
        self.aggregation_max_count = records;
        self
    }

    /// Most Kinesis records of one request (KPL: `CollectionMaxCount`).
    ///
    /// Default and maximum 500 (source: AWS API reference, PutRecords), from 1.
    #[must_use]
    pub fn collection_max_count(mut self, records: usize) -> Self {
        self.config.collection_max_count = records;
        self
    }

    /// Most bytes of one request, partition keys included, before encoding (KPL: `CollectionMaxSize`).
    ///
    /// A record larger than this travels in a request of its own. Default 5 MiB, 52,224 bytes to 10 MiB (source: AWS
    /// API reference, PutRecords).
    #[must_use]
    pub fn collection_max_size(mut self, bytes: usize) -> Self {
        self.config.collection_max_size = bytes;
        self
    }

    /// How fast one shard is written to (KPL: `RateLimit`).
    ///
    /// Lower leaves room for other producers and is throttled less. Default 150 %, from 1 %. The first second after a
    /// pause may hold a burst of 1,000 records and 1 MiB more.
    #[must_use]
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.config.rate_limit = limit;
        self
    }

    /// Largest record taken, data and partition key together (KPL: `MaxUserRecordSize`, which leaves out the key).
    ///
    /// Raise it only with the stream's own limit. Default 1 MiB, 64 bytes to 10 MiB.
    #[must_use]
    pub fn max_user_record_size(mut self, bytes: usize) -> Self {
        self.config.max_user_record_size = bytes;
        self
    }

    /// Most memory held by records that have been put and have no outcome yet (no KPL equal).
    ///
    /// A record counts its data, its key and [`RECORD_OVERHEAD`](crate::RECORD_OVERHEAD). When it is used up,
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

    /// Most requests on the way at a time, for each stream (KPL: `MaxConnections`, for the whole producer).
    ///
    /// A shard never has more than one, so a stream of fewer shards never reaches it. Default 24, 1 to 256.
    #[must_use]
    pub fn max_in_flight_requests(mut self, requests: usize) -> Self {
        self.config.max_in_flight_requests = requests;
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
        let limits = AggregateLimits::DEFAULT.with_max_bytes(self.aggregation_max_size)?;
        c.aggregate_limits = limits.with_max_records(self.aggregation_max_count)?;
        let hour = Duration::from_secs(3600);
        duration("linger", c.linger, Duration::ZERO, hour)?;
        duration("record_ttl", c.record_ttl, MIN_TIMEOUT, 24 * hour)?;
        duration(
            "first_contact_timeout",
            c.first_contact_timeout,
            MIN_TIMEOUT,
            24 * hour,
        )?;
        duration(
            "connect_timeout",
            c.connect_timeout,
            MIN_TIMEOUT,
            Duration::from_secs(300),
        )?;
        duration(
            "request_timeout",
            c.request_timeout,
            MIN_TIMEOUT,
            Duration::from_secs(600),
        )?;
        size(
            "collection_max_count",
            c.collection_max_count,
            1,
            MAX_REQUEST_RECORDS,
        )?;
        size(
            "collection_max_size",
            c.collection_max_size,
            52_224,
            MAX_REQUEST_BYTES,
        )?;
        size(
            "max_user_record_size",
            c.max_user_record_size,
            64,
            MAX_REQUEST_BYTES,
        )?;
        size(
            "max_in_flight_bytes",
            c.max_in_flight_bytes,
            64 * 1024,
            u32::MAX as usize,
        )?;
        size(
            "max_in_flight_records",
            c.max_in_flight_records,
            1,
            u32::MAX as usize,
        )?;
        size("max_in_flight_requests", c.max_in_flight_requests, 1, 256)?;
        if let RateLimit::Percent(percent) = c.rate_limit {
            size("rate_limit", percent as usize, 1, u32::MAX as usize)?;
        }
        if c.record_ttl <= c.linger {
            return Err(ConfigError::TtlWithinLinger {
                ttl: c.record_ttl,
                linger: c.linger,
            });
        }
        // The aggregate's own partition key counts as well.
        if c.aggregation_max_size() >= c.collection_max_size {
            return Err(ConfigError::AggregateExceedsCollection {
                aggregate: c.aggregation_max_size(),
                collection: c.collection_max_size,
            });
        }
        Ok(c)
    }
}

fn duration(setting: &'static str, value: Duration, min: Duration, max: Duration) -> Result<(), ConfigError> {
    if value < min || value > max {
        return Err(ConfigError::Duration {
            setting,
            value,
            min,
            max,
        });
    }
    Ok(())
}

fn size(setting: &'static str, value: usize, min: usize, max: usize) -> Result<(), ConfigError> {
    if value < min || value > max {
        return Err(ConfigError::Number {
            setting,
            value,
            min,
            max,
        });
    }
    Ok(())
}

const MIB: usize = 1024 * 1024;
/// Source: AWS API reference, PutRecords. Applies to: records of one request.
const MAX_REQUEST_RECORDS: usize = 500;
/// Source: AWS API reference, PutRecords. Applies to: one request with its partition keys, and so to one record.
const MAX_REQUEST_BYTES: usize = 10 * MIB;
const MIN_TIMEOUT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> ProducerConfigBuilder {
        ProducerConfig::builder()
    }

    #[test]
    fn the_defaults_are_valid_and_those_of_the_kpl() {
        let config = builder().build().expect("defaults are valid");
        assert_eq!(config, ProducerConfig::default());
        assert_eq!(config.linger(), Duration::from_millis(100));
        assert_eq!(config.record_ttl(), Duration::from_secs(30));
        assert_eq!(config.aggregation_max_size(), 51_200);
        assert_eq!(config.aggregation_max_count(), 4_294_967_295);
        assert_eq!(config.collection_max_count(), 500);
        assert_eq!(config.collection_max_size(), 5_242_880);
        assert_eq!(config.rate_limit(), RateLimit::percent(150));
        assert_eq!(config.max_user_record_size(), 1_048_576);
        assert_eq!(config.max_in_flight_requests(), 24);
        assert_eq!(config.connect_timeout(), Duration::from_secs(6));
        assert_eq!(config.request_timeout(), Duration::from_secs(6));
    }

    #[test]
    fn each_setting_is_checked_at_both_ends() {
        let ms = Duration::from_millis;
        let setting = |result: Result<ProducerConfig, ConfigError>| match result {
            Err(ConfigError::Duration { setting, .. } | ConfigError::Number { setting, .. }) => setting,
            other => panic!("expected an error about a range, got {other:?}"),
        };
        let days = |n: u64| Duration::from_secs(n * 86_400);
        let cases = [
            (builder().linger(days(1)), "linger"),
            (builder().record_ttl(ms(99)), "record_ttl"),
            (builder().record_ttl(days(2)), "record_ttl"),
            (builder().first_contact_timeout(ms(99)), "first_contact_timeout"),
            (builder().first_contact_timeout(days(2)), "first_contact_timeout"),
            (builder().collection_max_count(0), "collection_max_count"),
            (builder().collection_max_count(501), "collection_max_count"),
            (builder().collection_max_size(52_223), "collection_max_size"),
            (builder().collection_max_size(10_485_761), "collection_max_size"),
            (builder().max_user_record_size(63), "max_user_record_size"),
            (builder().max_user_record_size(10_485_761), "max_user_record_size"),
            (builder().max_in_flight_bytes(65_535), "max_in_flight_bytes"),
            (
                builder().max_in_flight_bytes(u32::MAX as usize + 1),
                "max_in_flight_bytes",
            ),
            (builder().max_in_flight_records(0), "max_in_flight_records"),
            (builder().max_in_flight_requests(0), "max_in_flight_requests"),
            (builder().max_in_flight_requests(257), "max_in_flight_requests"),
            (builder().connect_timeout(ms(99)), "connect_timeout"),
            (builder().connect_timeout(days(1)), "connect_timeout"),
            (builder().request_timeout(ms(99)), "request_timeout"),
            (builder().request_timeout(days(1)), "request_timeout"),
            (builder().rate_limit(RateLimit::percent(0)), "rate_limit"),
        ];
        for (builder, name) in cases {
            assert_eq!(setting(builder.build()), name);
        }
    }

    #[test]
    fn the_ends_of_the_ranges_are_valid() {
        let ms = Duration::from_millis;
        let low = builder()
            .linger(Duration::ZERO)
            .record_ttl(ms(100))
            .first_contact_timeout(ms(100))
            .collection_max_count(1)
            .collection_max_size(52_224)
            .max_user_record_size(64)
            .max_in_flight_bytes(65_536)
            .max_in_flight_records(1)
            .max_in_flight_requests(1)
            .connect_timeout(ms(100))
            .request_timeout(ms(100))
            .rate_limit(RateLimit::percent(1));
        assert!(low.build().is_ok());
        let high = builder()
            .collection_max_size(10_485_760)
            .aggregation_max_size(10_485_759);
        assert!(high.build().is_ok());
    }

    #[test]
    fn settings_at_odds_are_refused() {
        let second = Duration::from_secs(1);
        assert!(matches!(
            builder().linger(second).record_ttl(second).build(),
            Err(ConfigError::TtlWithinLinger { .. })
        ));
        let large = builder().aggregation_max_size(6 * MIB);
        assert!(matches!(
            large.build(),
            Err(ConfigError::AggregateExceedsCollection { .. })
        ));
        assert!(matches!(
            builder().aggregation_max_size(63).build(),
            Err(ConfigError::Aggregate(_))
        ));
        assert!(matches!(
            builder().aggregation_max_count(0).build(),
            Err(ConfigError::Aggregate(_))
        ));
    }
}
