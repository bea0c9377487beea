//! The counts at one moment, for programs and for people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kinesis_aggregation::ShardId;

use super::metric::Metric;
use super::node::Node;
use super::statistics::Statistics;
use crate::stream::StreamName;

/// All metrics of a producer at one moment (KPL: `getMetrics`).
///
/// Its text is a table of all streams' series. What an upload to CloudWatch has taken away is still here.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MetricsSnapshot {
    since_start: Duration,
    recent: Duration,
    series: Vec<MetricSeries>,
}

/// The values of one metric at one place: all streams, one stream, or one shard of it.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MetricSeries {
    metric: Metric,
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
    stream: Option<StreamName>,
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
    shard: Option<ShardIdText>,
    #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
    error_code: Option<Arc<str>>,
    total: Statistics,
    recent: Statistics,
}

/// A shard id that shows itself as its text.
#[derive(Debug, Clone)]
struct ShardIdText(ShardId);

impl fmt::Display for ShardIdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl MetricsSnapshot {
    pub(super) fn new(since_start: Duration, recent: Duration, series: Vec<MetricSeries>) -> Self {
        Self {
            since_start,
            recent,
            series,
        }
    }

    /// How long the producer has been counting.
    #[must_use]
    pub fn since_start(&self) -> Duration {
        self.since_start
    }

    /// How much time [`MetricSeries::recent`] covers.
    #[must_use]
    pub fn recent(&self) -> Duration {
        self.recent
    }

    /// All series: by metric, then the whole, streams and shards.
    pub fn iter(&self) -> impl Iterator<Item = &MetricSeries> {
        self.series.iter()
    }

    /// A metric for all streams together.
    #[must_use]
    pub fn global(&self, metric: Metric) -> Option<&MetricSeries> {
        self.find(metric, |series| series.stream.is_none())
    }

    /// A metric of one stream.
    #[must_use]
    pub fn stream(&self, metric: Metric, stream: &StreamName) -> Option<&MetricSeries> {
        self.find(metric, |series| {
            series.stream.as_ref() == Some(stream) && series.shard.is_none()
        })
    }

    /// A metric of one shard.
    #[must_use]
    pub fn shard(&self, metric: Metric, stream: &StreamName, shard: &ShardId) -> Option<&MetricSeries> {
        self.find(metric, |series| {
            series.stream.as_ref() == Some(stream) && series.shard() == Some(shard)
        })
    }

    /// How often each error code was met, on all streams together.
    pub fn errors(&self) -> impl Iterator<Item = (&str, &Statistics)> {
        self.series
            .iter()
            .filter(|series| series.metric == Metric::ErrorsByCode && series.stream.is_none())
            .filter_map(|series| Some((series.error_code()?, &series.total)))
    }

    fn find(&self, metric: Metric, is_it: impl Fn(&MetricSeries) -> bool) -> Option<&MetricSeries> {
        self.series
            .iter()
            .find(|series| series.metric == metric && series.error_code.is_none() && is_it(series))
    }
}

impl MetricSeries {
    pub(super) fn new(node: &Node, total: Statistics, recent: Statistics) -> Self {
        Self {
            metric: node.metric,
            stream: node.stream.clone(),
            shard: node.shard.clone().map(ShardIdText),
            error_code: node.code.clone(),
            total,
            recent,
        }
    }

    /// What is measured.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// On which stream; `None` for all together.
    #[must_use]
    pub fn stream(&self) -> Option<&StreamName> {
        self.stream.as_ref()
    }

    /// On which shard; `None` for all of the stream.
    #[must_use]
    pub fn shard(&self) -> Option<&ShardId> {
        self.shard.as_ref().map(|shard| &shard.0)
    }

    /// Which code; only for [`Metric::ErrorsByCode`].
    #[must_use]
    pub fn error_code(&self) -> Option<&str> {
        self.error_code.as_deref()
    }

    /// All values since the producer started.
    #[must_use]
    pub fn total(&self) -> &Statistics {
        &self.total
    }

    /// The values of the snapshot's [window](MetricsSnapshot::recent).
    #[must_use]
    pub fn recent(&self) -> &Statistics {
        &self.recent
    }
}

impl fmt::Display for MetricsSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<36} {:<24} {:>12} {:>14} {:>12} {:>12} {:>12} {:>12}",
            "metric", "stream", "count", "sum", "mean", "min", "p99", "max"
        )?;
        for series in self.series.iter().filter(|series| series.shard.is_none()) {
            let name = match series.error_code() {
                Some(code) => format!("{} {code}", series.metric.name()),
                None => series.metric.name().to_owned(),
            };
            let stream = series.stream.as_ref().map_or("all", StreamName::as_str);
            let values = &series.total;
            writeln!(
                f,
                "{name:<36} {stream:<24} {:>12} {:>14.0} {:>12} {:>12} {:>12} {:>12}",
                values.count(),
                values.sum(),
                cell(values.mean()),
                cell(values.min()),
                cell(values.percentile(0.99)),
                cell(values.max()),
            )?;
        }
        Ok(())
    }
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

#[cfg(feature = "serde")]
fn as_text<T: fmt::Display, S: serde::Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
