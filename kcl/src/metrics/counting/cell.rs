//! Where values are counted by many tasks at once, without a lock.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, Ordering};

use super::metric::{Metric, MetricKind, OF_SHARD};
use super::statistics::Statistics;

/// A cell for each metric of a lease, or of the worker.
#[derive(Debug)]
pub(crate) struct Cells {
    cells: Box<[Cell]>,
}

/// Values since they were last taken. Each adder announces itself in `begun` and signs off in `ended`, so whoever takes
/// knows whether all parts belong together.
#[derive(Debug)]
struct Cell {
    begun: AtomicU64,
    ended: AtomicU64,
    count: AtomicU64,
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
    last: AtomicU64,
}

impl Cells {
    pub(crate) fn of_worker() -> Self {
        Self::with(Metric::ALL.len())
    }

    pub(crate) fn of_lease() -> Self {
        Self::with(OF_SHARD)
    }

    fn with(metrics: usize) -> Self {
        Self {
            cells: (0..metrics).map(|_| Cell::new()).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Adds `times` times a value, of a time in microseconds. What is not of this set is not counted.
    pub(crate) fn add(&self, metric: Metric, value: u64, times: u64) {
        if let Some(cell) = self.cells.get(metric.index())
            && times > 0
        {
            cell.add(value, times);
        }
    }

    /// What was counted since the last taking. For one taker at a time.
    pub(super) fn take(&self, metric: Metric) -> Statistics {
        let Some(cell) = self.cells.get(metric.index()) else {
            return Statistics::default();
        };
        let Some(raw) = cell.take() else {
            return Statistics::default();
        };
        let scale = match metric.kind() {
            MetricKind::Time => MICROS_PER_MILLI,
            MetricKind::Amount | MetricKind::Outcome | MetricKind::Level => 1.0,
        };
        Statistics {
            count: raw.count,
            sum: as_number(raw.sum) / scale,
            min: as_number(raw.min) / scale,
            max: as_number(raw.max) / scale,
            last: as_number(raw.last) / scale,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Raw {
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
    last: u64,
}

impl Cell {
    fn new() -> Self {
        Self {
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            count: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    fn add(&self, value: u64, times: u64) {
        self.begun.fetch_add(1, Relaxed);
        self.count.fetch_add(times, Release);
        self.sum.fetch_add(value.saturating_mul(times), Release);
        self.min.fetch_min(value, Release);
        self.max.fetch_max(value, Release);
        self.last.store(value, Release);
        self.ended.fetch_add(1, Release);
    }

    fn take(&self) -> Option<Raw> {
        let mut seen = self.look();
        for _ in 0..PATIENCE {
            if seen.1 {
                break;
            }
            std::hint::spin_loop();
            seen = self.look();
        }
        let raw = seen.0;
        if raw.count == 0 {
            return None;
        }
        // What was not seen stays for the next time.
        self.count.fetch_sub(raw.count, Ordering::AcqRel);
        self.sum.fetch_sub(raw.sum, Ordering::AcqRel);
        let (min, max) = (
            self.min.swap(u64::MAX, Ordering::AcqRel),
            self.max.swap(0, Ordering::AcqRel),
        );
        // An adder between a look and its taking has had its extremes taken along then.
        let mean = raw.sum / raw.count;
        let min = if min == u64::MAX { mean } else { min };
        Some(Raw {
            min,
            max: max.max(min),
            ..raw
        })
    }

    /// The values, and whether they belong together.
    fn look(&self) -> (Raw, bool) {
        let ended = self.ended.load(Acquire);
        let raw = Raw {
            count: self.count.load(Acquire),
            sum: self.sum.load(Acquire),
            min: self.min.load(Acquire),
            max: self.max.load(Acquire),
            last: self.last.load(Acquire),
        };
        (raw, self.begun.load(Relaxed) == ended)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53, which nobody counts to between two takings"
)]
fn as_number(value: u64) -> f64 {
    value as f64
}

const MICROS_PER_MILLI: f64 = 1_000.0;
/// Looks until adders are let be: each needs some nanoseconds.
const PATIENCE: u32 = 1_000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn values_are_taken_once() {
        let cells = Cells::of_lease();
        cells.add(Metric::RecordsProcessed, 3, 1);
        cells.add(Metric::RecordsProcessed, 7, 2);
        cells.add(Metric::ProcessTime, 1_500, 1);
        let records = cells.take(Metric::RecordsProcessed);
        assert_eq!((records.count(), records.sum()), (3, 17.0));
        assert_eq!(
            (records.min(), records.max(), records.last()),
            (Some(3.0), Some(7.0), Some(7.0))
        );
        assert_eq!(cells.take(Metric::ProcessTime).sum(), 1.5, "milliseconds");
        assert_eq!(cells.take(Metric::RecordsProcessed), Statistics::default());
        cells.add(Metric::RecordsProcessed, 5, 1);
        let again = cells.take(Metric::RecordsProcessed);
        assert_eq!(
            (again.min(), again.max()),
            (Some(5.0), Some(5.0)),
            "extremes start over"
        );
    }

    #[test]
    fn a_lease_has_no_cells_for_the_workers_metrics() {
        let cells = Cells::of_lease();
        cells.add(Metric::TakenLeases, 1, 1);
        assert_eq!(cells.take(Metric::TakenLeases).count(), 0);
    }

    #[test]
    fn nothing_is_lost_or_mixed_between_threads() {
        const EACH: u64 = 20_000;
        let cells = Arc::new(Cells::of_lease());
        let adders: Vec<_> = (0..3)
            .map(|_| {
                let cells = Arc::clone(&cells);
                std::thread::spawn(move || {
                    for _ in 0..EACH {
                        cells.add(Metric::RecordsProcessed, 5, 1);
                    }
                })
            })
            .collect();
        let mut all = Statistics::default();
        while adders.iter().any(|adder| !adder.is_finished()) {
            all.merge(&cells.take(Metric::RecordsProcessed));
        }
        all.merge(&cells.take(Metric::RecordsProcessed));
        for adder in adders {
            adder.join().unwrap();
        }
        all.merge(&cells.take(Metric::RecordsProcessed));
        assert_eq!(all.count(), 3 * EACH);
        assert_eq!(all.sum(), (15 * EACH) as f64);
        assert_eq!((all.min(), all.max()), (Some(5.0), Some(5.0)));
    }
}
