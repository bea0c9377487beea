//! Every knob of the producer, validated in one place.

mod builder;
mod choices;
mod metrics;
mod properties;
mod range;
mod retry;
mod stream;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use crate::stream::StreamName;

pub use builder::ProducerConfigBuilder;
pub use choices::{AdaptiveRate, Aggregation, Ordering, OuterKey, RateLimit};
pub use metrics::{MetricsConfig, MetricsDimension, MetricsGranularity, MetricsLevel};
pub use properties::{
    EscapeError, KPL_SETTINGS, KplConnection, KplProperties, KplProxy, NoteKind, PropertiesError,
    PropertyNote, ValueError,
};
pub(crate) use retry::Waits;
pub use retry::{RetryBudget, RetryPolicy, RetryRule};
pub use stream::StreamConfig;

/// The settings of a producer; immutable once built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerConfig {
    streams: StreamConfig,
    changed: HashMap<StreamName, StreamConfig>,
    max_in_flight_bytes: usize,
    max_in_flight_records: usize,
    connect_timeout: Duration,
    request_timeout: Duration,
    seed: Option<u64>,
    metrics: MetricsConfig,
}

impl ProducerConfig {
    /// A builder with all defaults.
    #[must_use]
    pub fn builder() -> ProducerConfigBuilder {
        ProducerConfigBuilder::default()
    }

    /// A builder that begins with these settings. Those of single streams stay as they are, whatever is set for all.
    #[must_use]
    pub fn to_builder(&self) -> ProducerConfigBuilder {
        ProducerConfigBuilder::from(self.clone())
    }

    /// The settings of streams that have none of their own.
    #[must_use]
    pub fn streams(&self) -> &StreamConfig {
        &self.streams
    }

    /// The settings of one stream.
    #[must_use]
    pub fn stream(&self, stream: &StreamName) -> &StreamConfig {
        self.changed.get(stream).unwrap_or(&self.streams)
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

    /// See [`ProducerConfigBuilder::metrics`].
    #[must_use]
    pub fn metrics(&self) -> &MetricsConfig {
        &self.metrics
    }
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            streams: StreamConfig::default(),
            changed: HashMap::new(),
            max_in_flight_bytes: 32 * 1024 * 1024,
            max_in_flight_records: 100_000,
            connect_timeout: Duration::from_secs(6),
            request_timeout: Duration::from_secs(6),
            seed: None,
            metrics: MetricsConfig::default(),
        }
    }
}

const MIN_TIMEOUT: Duration = Duration::from_millis(100);
