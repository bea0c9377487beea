//! Where tasks count: one meter for the worker, one for each lease, cheap to clone and without a lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::counting::{Cells, Metric, MetricsSnapshot, Registry};
use crate::config::MetricsConfig;
use crate::lease::{LeaseKey, WorkerId};

/// The counts of one worker. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    worker_id: WorkerId,
    config: Arc<MetricsConfig>,
    worker: Meter,
    /// Locked when a lease begins and when somebody looks; never across an await.
    registry: Arc<Mutex<Registry>>,
}

/// Counts values of one lease, or of the worker.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    cells: Arc<Cells>,
    #[cfg(feature = "metrics")]
    told: Arc<super::facade::Told>,
}

impl Counters {
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::new(WorkerId::new("test"), MetricsConfig::default())
    }

    pub(crate) fn new(worker_id: WorkerId, config: MetricsConfig) -> Self {
        let registry = Registry::new(false, Instant::now().into_std());
        let worker = Meter {
            cells: registry.worker_cells(),
            #[cfg(feature = "metrics")]
            told: Arc::new(super::facade::Told::of_worker(&worker_id, &config)),
        };
        Self {
            worker_id,
            config: Arc::new(config),
            worker,
            registry: Arc::new(Mutex::new(registry)),
        }
    }

    pub(crate) fn worker_id(&self) -> &WorkerId {
        &self.worker_id
    }

    pub(crate) fn config(&self) -> &MetricsConfig {
        &self.config
    }

    /// Where to count for a lease, for as long as the meter is kept.
    pub(crate) fn of_lease(&self, key: &LeaseKey) -> Meter {
        Meter {
            cells: self.registry().lease_cells(key),
            #[cfg(feature = "metrics")]
            told: Arc::new(super::facade::Told::of_lease(&self.worker_id, key, &self.config)),
        }
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        let now = Instant::now().into_std();
        self.registry().snapshot(self.worker_id.clone(), now)
    }

    pub(super) fn registry(&self) -> MutexGuard<'_, Registry> {
        // Counts are whole after each call, whatever panicked.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker's own.
impl std::ops::Deref for Counters {
    type Target = Meter;

    fn deref(&self) -> &Meter {
        &self.worker
    }
}

impl Meter {
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Counters::for_tests().of_lease(&LeaseKey::new("shardId-000000000000"))
    }

    /// More of an amount.
    pub(crate) fn add(&self, metric: Metric, more: usize) {
        if more > 0 {
            self.count(metric, as_count(more), 1);
        }
    }

    /// How a level is now.
    pub(crate) fn set(&self, metric: Metric, level: usize) {
        self.count(metric, as_count(level), 1);
    }

    /// How far behind something is.
    pub(crate) fn behind(&self, metric: Metric, behind: Duration) {
        self.count(metric, u64::try_from(behind.as_millis()).unwrap_or(u64::MAX), 1);
    }

    /// So many successes.
    pub(crate) fn succeeded(&self, metric: Metric, times: usize) {
        self.count(metric, 1, as_count(times));
    }

    /// Something was tried once.
    pub(crate) fn tried(&self, metric: Metric, success: bool) {
        self.count(metric, u64::from(success), 1);
    }

    /// Something took from `began` until now.
    pub(crate) fn took(&self, metric: Metric, began: Instant) {
        let elapsed = began.elapsed().as_micros();
        self.count(metric, u64::try_from(elapsed).unwrap_or(u64::MAX), 1);
    }

    fn count(&self, metric: Metric, value: u64, times: u64) {
        self.cells.add(metric, value, times);
        #[cfg(feature = "metrics")]
        self.told.tell(metric, value, times);
    }
}

fn as_count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_worker_and_its_leases_are_counted_apart() {
        let counters = Counters::new(WorkerId::new("w1"), MetricsConfig::default());
        let clone = counters.clone();
        clone.add(Metric::TakenLeases, 3);
        counters.add(Metric::TakenLeases, 2);
        counters.set(Metric::CurrentLeases, 5);
        counters.set(Metric::CurrentLeases, 4);
        let lease = counters.of_lease(&LeaseKey::new("shardId-000000000001"));
        let began = Instant::now();
        tokio::time::advance(Duration::from_millis(7)).await;
        lease.took(Metric::ProcessTime, began);
        lease.behind(Metric::MillisBehindLatest, Duration::from_secs(3));
        lease.tried(Metric::ProcessSuccess, false);
        lease.tried(Metric::ProcessSuccess, true);

        let snapshot = clone.snapshot();
        assert_eq!(snapshot.worker_id().as_str(), "w1");
        assert_eq!(snapshot.get(Metric::TakenLeases), 5);
        assert_eq!(snapshot.get(Metric::CurrentLeases), 4);
        assert_eq!(snapshot.behind_latest(), Some(Duration::from_secs(3)));
        assert_eq!(snapshot.get(Metric::ApplicationMillisBehindLatest), 3_000);
        assert_eq!(snapshot.values(Metric::ProcessSuccess).mean(), Some(0.5));
        let of_lease = snapshot.lease(&LeaseKey::new("shardId-000000000001")).unwrap();
        assert_eq!(of_lease.values(Metric::ProcessTime).sum(), 7.0);
        assert_eq!(of_lease.values(Metric::TakenLeases).count(), 0);
        let text = snapshot.to_string();
        assert!(
            text.contains("TakenLeases") && text.contains("shardId-000000000001"),
            "{text}"
        );
    }
}
