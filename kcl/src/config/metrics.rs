//! What is published of the metrics, and how often.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ConsumerConfigBuilder;
use crate::error::ConfigError;

/// The settings of metrics (KCL: `MetricsConfig`).
///
/// [`ConsumerHandle::metrics`](crate::ConsumerHandle::metrics) tells everything at any level; the settings are about what
/// goes to CloudWatch and to the `metrics` facade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    level: MetricsLevel,
    dimensions: BTreeSet<MetricsDimension>,
    namespace: Option<String>,
    upload_interval: Duration,
    max_datums: usize,
}

/// Which metrics are published (KCL: `metricsLevel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MetricsLevel {
    /// None.
    None,
    /// Those that tell whether all is well.
    Summary,
    /// All.
    Detailed,
}

/// A dimension beside `Operation`, which is always there (KCL: `metricsEnabledDimensions`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MetricsDimension {
    /// The stream, of an application with several.
    StreamId,
    /// The shard.
    ShardId,
    /// The worker.
    WorkerIdentifier,
}

impl MetricsLevel {
    /// The level in the KCL's words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Summary => "SUMMARY",
            Self::Detailed => "DETAILED",
        }
    }
}

impl MetricsDimension {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::StreamId, Self::ShardId, Self::WorkerIdentifier];

    /// The dimension in the KCL's words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StreamId => "StreamId",
            Self::ShardId => "ShardId",
            Self::WorkerIdentifier => "WorkerIdentifier",
        }
    }
}

impl MetricsConfig {
    /// Which metrics are published (KCL: `metricsLevel`, whose default is detailed). Default summary: detailed ones are
    /// about as many again for each shard, and CloudWatch charges for each.
    #[must_use]
    pub fn with_level(mut self, level: MetricsLevel) -> Self {
        self.level = level;
        self
    }

    /// By what metrics are told apart, beside the operation (KCL: `metricsEnabledDimensions`). What a dimension would tell
    /// apart that is left out is added up: one series for all shards, say. Default all, as the KCL; a worker whose id
    /// changes with each start makes new series each time.
    #[must_use]
    pub fn with_dimensions(mut self, dimensions: impl IntoIterator<Item = MetricsDimension>) -> Self {
        self.dimensions = dimensions.into_iter().collect();
        self
    }

    /// The CloudWatch namespace (KCL: `namespace`): 1 to 255 characters, not beginning with `AWS/`. Default: the
    /// application's name, as the KCL.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Time between uploads (KCL: `metricsBufferTimeMillis`, 10 s). Default 1 min, which is as finely as CloudWatch keeps
    /// such metrics; 1 s to 1 h. It bounds what a crash loses.
    #[must_use]
    pub fn with_upload_interval(mut self, interval: Duration) -> Self {
        self.upload_interval = interval;
        self
    }

    /// The most sets of statistics in one upload (KCL: `metricsMaxQueueSize`); what is told apart most finely is left out
    /// first, and counted. Default 10,000, as the KCL; 1 to 100,000.
    #[must_use]
    pub fn with_max_datums(mut self, datums: usize) -> Self {
        self.max_datums = datums;
        self
    }

    /// See [`with_level`](Self::with_level).
    #[must_use]
    pub fn level(&self) -> MetricsLevel {
        self.level
    }

    /// Whether metrics are told apart by this.
    #[must_use]
    pub fn has(&self, dimension: MetricsDimension) -> bool {
        self.dimensions.contains(&dimension)
    }

    /// See [`with_namespace`](Self::with_namespace). `None`: the application's name.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// See [`with_upload_interval`](Self::with_upload_interval).
    #[must_use]
    pub fn upload_interval(&self) -> Duration {
        self.upload_interval
    }

    /// See [`with_max_datums`](Self::with_max_datums).
    #[must_use]
    pub fn max_datums(&self) -> usize {
        self.max_datums
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        ConfigError::check_range("upload_interval", self.upload_interval, second, hour)?;
        ConfigError::check_range("max_datums", self.max_datums, 1, 100_000)?;
        match &self.namespace {
            Some(name)
                if name.trim().is_empty() || name.chars().count() > 255 || name.starts_with("AWS/") =>
            {
                Err(ConfigError::name("metrics namespace", name, NAMESPACE_RULE))
            }
            _ => Ok(()),
        }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            level: MetricsLevel::Summary,
            dimensions: MetricsDimension::ALL.into(),
            namespace: None,
            upload_interval: Duration::from_secs(60),
            max_datums: 10_000,
        }
    }
}

impl ConsumerConfigBuilder {
    /// What is published of the metrics (KCL: `MetricsConfig`).
    pub fn metrics(mut self, metrics: MetricsConfig) -> Self {
        self.metrics = metrics;
        self
    }
}

/// Source: CloudWatch API reference, PutMetricData, `Namespace`.
const NAMESPACE_RULE: &str = "1 to 255 characters, not all blank, not beginning with `AWS/`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_and_ranges_are_checked() {
        let ok = |config: MetricsConfig| config.check().is_ok();
        let base = MetricsConfig::default;
        assert!(ok(base()) && ok(base().with_namespace("n".repeat(255))));
        for bad in ["", "  ", "AWS/Kinesis", "n".repeat(256).as_str()] {
            assert!(!ok(base().with_namespace(bad)), "{bad:?}");
        }
        assert!(!ok(base().with_upload_interval(Duration::from_millis(999))));
        assert!(!ok(base().with_max_datums(0)));
        assert!(base().has(MetricsDimension::ShardId));
        assert!(!base().with_dimensions([]).has(MetricsDimension::ShardId));
    }
}
