//! Metrics of coordination, under the KCL's names: counted here, told to whoever asks, and with the feature `metrics` to
//! the recorder of the facade of that name.
//!
//! `metric` says what is counted and is pure. What acts is here: the counters that all tasks of a worker share.

#[cfg(feature = "metrics")]
mod facade;
mod metric;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::metric::{Metric, MetricKind};
use crate::lease::WorkerId;

/// What one worker has counted, at one moment; from [`ConsumerHandle::metrics`](crate::ConsumerHandle::metrics).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSnapshot {
    worker_id: WorkerId,
    values: [u64; Metric::ALL.len()],
}

impl MetricsSnapshot {
    /// The worker (KCL: dimension `WorkerIdentifier`).
    #[must_use]
    pub fn worker_id(&self) -> &WorkerId {
        &self.worker_id
    }

    /// One value: of an amount how much it has come to since the consumer was made, of a level how it was last seen.
    #[must_use]
    pub fn get(&self, metric: Metric) -> u64 {
        self.values[metric.index()]
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, u64)> + '_ {
        Metric::ALL.into_iter().map(|metric| (metric, self.get(metric)))
    }
}

/// The counters of one worker. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    worker_id: WorkerId,
    values: Arc<[AtomicU64; Metric::ALL.len()]>,
}

impl Counters {
    pub(crate) fn new(worker_id: WorkerId) -> Self {
        Self {
            worker_id,
            values: Arc::new(std::array::from_fn(|_| AtomicU64::new(0))),
        }
    }

    /// More of an amount.
    pub(crate) fn add(&self, metric: Metric, more: usize) {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        if more > 0 {
            self.values[metric.index()].fetch_add(more, Ordering::Relaxed);
            #[cfg(feature = "metrics")]
            facade::add(&self.worker_id, metric, more);
        }
    }

    /// How a level is now.
    pub(crate) fn set(&self, metric: Metric, level: usize) {
        let level = u64::try_from(level).unwrap_or(u64::MAX);
        self.values[metric.index()].store(level, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        facade::set(&self.worker_id, metric, level);
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot {
            worker_id: self.worker_id.clone(),
            values: std::array::from_fn(|index| self.values[index].load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_add_up_and_levels_are_replaced() {
        let counters = Counters::new(WorkerId::new("w1"));
        let clone = counters.clone();
        clone.add(Metric::TakenLeases, 3);
        counters.add(Metric::TakenLeases, 2);
        counters.set(Metric::CurrentLeases, 5);
        counters.set(Metric::CurrentLeases, 4);
        let snapshot = clone.snapshot();
        assert_eq!(snapshot.worker_id().as_str(), "w1");
        let counted: Vec<_> = snapshot.iter().filter(|(_, value)| *value > 0).collect();
        assert_eq!(counted, [(Metric::CurrentLeases, 4), (Metric::TakenLeases, 5)]);
    }
}
