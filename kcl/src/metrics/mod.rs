//! Metrics under the KCL's names: counted by all tasks of a worker without a lock, told to whoever asks, uploaded to
//! whoever is given, and with the feature `metrics` told to the recorder of the facade of that name.
//!
//! `counting` decides and is pure. What acts is here: the tallies that tasks count on, and the task that uploads.

#[cfg(feature = "cloudwatch")]
mod cloudwatch;
pub(crate) mod counting;
#[cfg(feature = "metrics")]
mod facade;
mod meter;
mod sink;
mod upload;

#[cfg(feature = "cloudwatch")]
pub use self::cloudwatch::{CloudWatch, CloudWatchError};
pub use self::counting::{
    LeaseMetrics, Metric, MetricDatum, MetricKind, MetricUnit, MetricsSnapshot, Statistics,
};
pub(crate) use self::meter::{Counters, Meter};
pub use self::sink::{MetricsSink, MetricsUpload};
pub(crate) use self::upload::Uploads;
