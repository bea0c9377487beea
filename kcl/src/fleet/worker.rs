//! What a worker says of itself: its load, that it lives, and what it understands.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::lease::WorkerId;

/// A worker's row of metrics (KCL: `WorkerMetricStats`). Times are by the clock of the host that wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerStats {
    /// The worker, as in `leaseOwner`.
    pub worker: WorkerId,
    /// `lut`: when it was written, seconds since 1970.
    pub updated_at_s: u64,
    /// `sts`: for each metric its last averages, oldest first, 10 at most; -1 stands for an interval without a sample.
    pub metrics: BTreeMap<String, Vec<f64>>,
    /// `opr`: for each metric its operating range; the first number is the largest utilisation in percent.
    pub ranges: BTreeMap<String, Vec<f64>>,
    /// `sup`: 1 understands a lease table that also holds other rows (KCL 3.5).
    pub support: Option<u64>,
    /// `slu`: when `support` was written, seconds since 1970. Older code writes rows without touching either.
    pub support_at_s: Option<u64>,
}

/// What the assigner may conclude from a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Lives, and is balanced by throughput only: the row has no metrics.
    ByThroughput,
    /// Lives, with metrics.
    Measured,
    /// Lives, and its last sample failed: it keeps what it has and gets nothing new.
    Failing,
    /// The row is too old: the worker counts as gone.
    Silent,
    /// A metric without an operating range, or with none above 0: the row is not usable.
    Invalid,
}

impl WorkerStats {
    /// The row of a worker of this crate without metrics, which is the simplest valid one.
    #[must_use]
    pub fn new(worker: WorkerId, now: SystemTime) -> Self {
        let now = epoch_seconds(now);
        Self {
            worker,
            updated_at_s: now,
            metrics: BTreeMap::new(),
            ranges: BTreeMap::new(),
            support: Some(SUPPORTS_SINGLE_TABLE),
            support_at_s: Some(now),
        }
    }

    /// The row with one metric: its averages, oldest first, of which the last 10 are kept, and its largest utilisation
    /// in percent. Short names of KCL: `C` CPU, `M` memory, `NI`, `NO` network, `T` throughput.
    #[must_use]
    pub fn with_metric(mut self, name: &str, averages: &[f64], max_percent: f64) -> Self {
        let last = averages.len().saturating_sub(MAX_AVERAGES);
        self.metrics.insert(name.to_owned(), averages[last..].to_vec());
        self.ranges.insert(name.to_owned(), vec![max_percent]);
        self
    }

    /// What an assigner may conclude at `now`, when rows are good for `lifetime` (KCL: twice the reporter's period,
    /// 60 s).
    #[must_use]
    pub fn standing(&self, now: SystemTime, lifetime: Duration) -> Standing {
        if !is_fresh(self.updated_at_s, now, lifetime) {
            return Standing::Silent;
        }
        if self.metrics.is_empty() && self.ranges.is_empty() {
            return Standing::ByThroughput;
        }
        let ranged = |name| {
            self.ranges
                .get(name)
                .and_then(|range| range.first())
                .is_some_and(|max| *max > 0.0)
        };
        if !self.metrics.keys().all(ranged) {
            return Standing::Invalid;
        }
        let failed = |averages: &Vec<f64>| {
            averages
                .last()
                .is_some_and(|last| (*last + 1.0).abs() < f64::EPSILON)
        };
        if self.metrics.values().any(failed) {
            Standing::Failing
        } else {
            Standing::Measured
        }
    }

    /// Whether it says, not longer than `lifetime` ago, that it understands a table with rows of all kinds.
    #[must_use]
    pub fn supports_single_table(&self, now: SystemTime, lifetime: Duration) -> bool {
        self.support.is_some_and(|code| code >= SUPPORTS_SINGLE_TABLE)
            && self.support_at_s.is_some_and(|at| is_fresh(at, now, lifetime))
    }
}

/// Whether a moment of another host's clock is not longer ago than `lifetime`. One ahead of ours is fresh, as for KCL.
pub(super) fn is_fresh(at_s: u64, now: SystemTime, lifetime: Duration) -> bool {
    at_s.saturating_add(lifetime.as_secs()) >= epoch_seconds(now)
}

/// Whole seconds since 1970.
#[must_use]
pub fn epoch_seconds(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

/// Source: KCL 3.5, `WorkerMetricStats`: support code 1.
const SUPPORTS_SINGLE_TABLE: u64 = 1;
/// Source: KCL 3.x, `noOfPersistedMetricsPerWorkerMetrics`.
const MAX_AVERAGES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(60);

    fn at(s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(s)
    }

    fn row() -> WorkerStats {
        WorkerStats::new(WorkerId::new("w1"), at(1000))
    }

    #[test]
    fn a_row_has_one_of_five_standings() {
        let mut unranged = row().with_metric("C", &[1.0], 100.0);
        unranged.ranges.clear();
        let mut only_ranges = row();
        only_ranges.ranges.insert("C".to_owned(), vec![100.0]);
        let cases = [
            (row(), Standing::ByThroughput),
            (row().with_metric("C", &[-1.0, 12.5], 100.0), Standing::Measured),
            (row().with_metric("C", &[], 100.0), Standing::Measured),
            (only_ranges, Standing::Measured),
            (row().with_metric("C", &[12.5, -1.0], 100.0), Standing::Failing),
            (row().with_metric("C", &[0.0], 100.0), Standing::Measured),
            (row().with_metric("C", &[12.5], 0.0), Standing::Invalid),
            (unranged, Standing::Invalid),
        ];
        for (row, expected) in cases {
            assert_eq!(row.standing(at(1060), LIFETIME), expected, "{row:?}");
            assert_eq!(row.standing(at(1061), LIFETIME), Standing::Silent, "{row:?}");
            assert_ne!(
                row.standing(at(900), LIFETIME),
                Standing::Silent,
                "a clock behind the writer's"
            );
        }
    }

    #[test]
    fn support_has_to_be_said_again_and_again() {
        assert!(row().supports_single_table(at(1060), LIFETIME));
        assert!(!row().supports_single_table(at(1061), LIFETIME));
        let stale = WorkerStats {
            updated_at_s: 5000,
            ..row()
        };
        assert!(
            !stale.supports_single_table(at(5000), LIFETIME),
            "older code wrote the row"
        );
        let silent = WorkerStats {
            support: None,
            ..row()
        };
        assert!(!silent.supports_single_table(at(1000), LIFETIME));
        let zero = WorkerStats {
            support: Some(0),
            ..row()
        };
        assert!(!zero.supports_single_table(at(1000), LIFETIME));
    }

    #[test]
    fn the_last_ten_averages_are_kept() {
        let averages: Vec<f64> = (0..15).map(f64::from).collect();
        let row = row().with_metric("C", &averages, 100.0);
        assert_eq!(row.metrics["C"], averages[5..]);
    }
}
