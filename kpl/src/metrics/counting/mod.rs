//! What is counted, and what becomes of the counts: pure, without locks, and on no record's way.
//!
//! ```text
//!  pipeline ─► Meter ──(once a second)──► Registry ─┬─► MetricsSnapshot
//!   one add      one stream's counts       the tree: │
//!   per entry    since the last time       all / stream / shard / code
//!                                                    └─► export: datums, dimensions, batches
//! ```

mod export;
mod meter;
mod metric;
mod node;
mod registry;
mod routes;
mod snapshot;
mod statistics;
mod tally;

#[cfg(test)]
mod tests;

pub use export::MetricDatum;
pub(crate) use export::{Export, batches};
pub(crate) use meter::{DeliveredRecord, EntryEnd, FailedRecord, Meter, SentTo};
pub use metric::{Metric, MetricKind, MetricUnit};
pub(crate) use node::Node;
pub(crate) use registry::Registry;
pub use snapshot::{MetricSeries, MetricsSnapshot};
pub use statistics::Statistics;
