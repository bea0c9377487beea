//! What is published of the metrics, and how often.

use std::time::Duration;

use super::range::duration;
use crate::error::ConfigError;

/// The settings of metrics (KPL: `MetricsLevel`, `MetricsGranularity`, `MetricsNamespace`, `MetricsUploadDelay`).
///
/// [`Producer::metrics`](crate::Producer::metrics) tells everything at any level; the settings are about what goes to
/// CloudWatch and to the `metrics` facade, and how far metrics are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    level: MetricsLevel,
    granularity: MetricsGranularity,
    namespace: String,
    upload_delay: Duration,
    dimensions: Vec<MetricsDimension>,
}

/// Which metrics are published (KPL: `MetricsLevel`).
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

/// How far metrics are told apart (KPL: `MetricsGranularity`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MetricsGranularity {
    /// Not at all: all streams together.
    Global,
    /// By stream.
    Stream,
    /// By shard.
    Shard,
}

impl MetricsLevel {
    /// The level in the KPL's words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Summary => "summary",
            Self::Detailed => "detailed",
        }
    }
}

impl MetricsGranularity {
    /// The granularity in the KPL's words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Stream => "stream",
            Self::Shard => "shard",
        }
    }
}

/// A dimension that the application adds (KPL: `addAdditionalMetricsDimension`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsDimension {
    name: String,
    value: String,
    granularity: MetricsGranularity,
}

impl MetricsDimension {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// After which part of the path it comes.
    #[must_use]
    pub fn granularity(&self) -> MetricsGranularity {
        self.granularity
    }
}

impl MetricsConfig {
    /// Which metrics are published (KPL: `MetricsLevel`). Default detailed.
    #[must_use]
    pub fn with_level(mut self, level: MetricsLevel) -> Self {
        self.level = level;
        self
    }

    /// How far metrics are told apart, here and where they are published (KPL: `MetricsGranularity`).
    ///
    /// By shard costs memory and, at CloudWatch, money: about nine metrics for each shard. Default shard; more than
    /// 1,024 shards of one producer are counted in their streams only.
    #[must_use]
    pub fn with_granularity(mut self, granularity: MetricsGranularity) -> Self {
        self.granularity = granularity;
        self
    }

    /// The CloudWatch namespace (KPL: `MetricsNamespace`).
    ///
    /// 1 to 255 characters, not beginning with `AWS/`. Default `KinesisProducerLibrary`.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Time between uploads (KPL: `MetricsUploadDelay`). Default 1 min, 1 ms to 1 min.
    #[must_use]
    pub fn with_upload_delay(mut self, delay: Duration) -> Self {
        self.upload_delay = delay;
        self
    }

    /// Adds a dimension to what is uploaded (KPL: `addAdditionalMetricsDimension`).
    ///
    /// It comes after the metric's name (global), the stream's name or the shard's id, after those added there before.
    /// Each one adds a datum to those of its level and lengthens those below. Name and value 1 to 255 characters.
    #[must_use]
    pub fn with_dimension(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
        granularity: MetricsGranularity,
    ) -> Self {
        self.dimensions.push(MetricsDimension {
            name: name.into(),
            value: value.into(),
            granularity,
        });
        self
    }

    /// See [`with_level`](Self::with_level).
    #[must_use]
    pub fn level(&self) -> MetricsLevel {
        self.level
    }

    /// See [`with_granularity`](Self::with_granularity).
    #[must_use]
    pub fn granularity(&self) -> MetricsGranularity {
        self.granularity
    }

    /// See [`with_namespace`](Self::with_namespace).
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// See [`with_upload_delay`](Self::with_upload_delay).
    #[must_use]
    pub fn upload_delay(&self) -> Duration {
        self.upload_delay
    }

    /// See [`with_dimension`](Self::with_dimension).
    #[must_use]
    pub fn dimensions(&self) -> &[MetricsDimension] {
        &self.dimensions
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        duration(
            "upload_delay",
            self.upload_delay,
            Duration::from_millis(1),
            Duration::from_secs(60),
        )?;
        let text = |setting, text: &str| {
            let length = text.chars().count();
            if (1..=MAX_CHARS).contains(&length) && !text.trim().is_empty() {
                Ok(())
            } else {
                Err(ConfigError::Text { setting, length })
            }
        };
        text("namespace", &self.namespace)?;
        if self.namespace.starts_with("AWS/") {
            return Err(ConfigError::ReservedNamespace {
                namespace: self.namespace.clone(),
            });
        }
        for dimension in &self.dimensions {
            text("dimension name", &dimension.name)?;
            text("dimension value", &dimension.value)?;
        }
        if self.dimensions.len() > MAX_DIMENSIONS {
            return Err(ConfigError::Number {
                setting: "dimensions",
                value: self.dimensions.len(),
                min: 0,
                max: MAX_DIMENSIONS,
            });
        }
        Ok(())
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            level: MetricsLevel::Detailed,
            granularity: MetricsGranularity::Shard,
            namespace: "KinesisProducerLibrary".to_owned(),
            upload_delay: Duration::from_secs(60),
            dimensions: Vec::new(),
        }
    }
}

/// Source: KPL, its checks of namespace and additional dimensions; CloudWatch API reference, PutMetricData.
const MAX_CHARS: usize = 255;
/// Source: CloudWatch API reference, MetricDatum: 30 dimensions, of which stream, shard and code are ours.
const MAX_DIMENSIONS: usize = 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_kpls() {
        let config = MetricsConfig::default();
        assert_eq!(config.level().as_str(), "detailed");
        assert_eq!(config.granularity().as_str(), "shard");
        assert_eq!(config.namespace(), "KinesisProducerLibrary");
        assert_eq!(config.upload_delay(), Duration::from_secs(60));
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn ranges_are_the_kpls() {
        let ok = |config: MetricsConfig| config.check().is_ok();
        let base = MetricsConfig::default;
        let dimension =
            |name: &str, value: &str| base().with_dimension(name, value, MetricsGranularity::Stream);
        assert!(ok(base().with_upload_delay(Duration::from_millis(1))));
        assert!(!ok(base().with_upload_delay(Duration::ZERO)));
        assert!(!ok(base().with_upload_delay(Duration::from_millis(60_001))));
        assert!(ok(base().with_namespace("n".repeat(255))));
        for bad in ["", "  ", "AWS/Kinesis", "n".repeat(256).as_str()] {
            assert!(!ok(base().with_namespace(bad)), "{bad:?}");
        }
        assert!(ok(dimension("Environment", "production")));
        assert!(!ok(dimension("", "production")));
        assert!(!ok(dimension("Environment", " ")));
        assert!(!ok(dimension("Environment", "v".repeat(256).as_str())));
    }

    #[test]
    fn a_producer_checks_them() {
        let with = |metrics| crate::ProducerConfig::builder().metrics(metrics).build();
        let reserved = with(MetricsConfig::default().with_namespace("AWS/Kinesis"));
        assert!(matches!(reserved, Err(ConfigError::ReservedNamespace { .. })));
        let empty = with(MetricsConfig::default().with_namespace(""));
        assert!(matches!(empty, Err(ConfigError::Text { length: 0, .. })));
    }
}
