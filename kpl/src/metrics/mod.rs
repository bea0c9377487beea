//! Metrics: counted by the pipelines, gathered here, told to whoever asks, uploaded to whoever is given.
//!
//! `counting/` decides and is pure. What acts is here: the registry all streams share, the task that uploads, and the
//! two places where metrics go beyond [`Producer::metrics`](crate::Producer::metrics).

#[cfg(feature = "cloudwatch")]
mod cloudwatch;
pub(crate) mod counting;
#[cfg(feature = "metrics")]
mod facade;
mod gathered;
mod sink;
mod upload;

#[cfg(feature = "cloudwatch")]
pub use cloudwatch::{CloudWatch, CloudWatchError};
pub use counting::{Metric, MetricDatum, MetricKind, MetricSeries, MetricUnit, MetricsSnapshot, Statistics};
pub(crate) use gathered::{Gathered, StreamMetrics};
pub use sink::{MetricsSink, MetricsUpload};
pub(crate) use upload::Uploads;

#[cfg(test)]
mod tests;
