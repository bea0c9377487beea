//! What is counted and what becomes of it. Decides, and acts nowhere: no runtime, no clock, no lock.
//!
//! ```text
//!  tasks of a worker ──> cells (atomics)  ──taken now and then──> registry ──> snapshot   since the start
//!                        one set a lease,                            └───────> export     since the last export
//!                        one for the worker                                      └──> datums, in requests' worth
//! ```

mod cell;
mod export;
mod metric;
mod registry;
mod snapshot;
mod statistics;

#[cfg(test)]
mod tests;

pub(crate) use self::cell::Cells;
pub use self::export::MetricDatum;
pub(crate) use self::export::{Scope, batches};
pub use self::metric::{Metric, MetricKind, MetricUnit};
pub(crate) use self::registry::Registry;
pub use self::snapshot::{LeaseMetrics, MetricsSnapshot};
pub use self::statistics::Statistics;
