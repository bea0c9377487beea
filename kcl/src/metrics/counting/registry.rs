//! All counts of a worker: of itself and of each lease, since the start and since the last export.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::cell::Cells;
use super::export::Export;
use super::metric::{Metric, OF_SHARD};
use super::snapshot::{LeaseMetrics, MetricsSnapshot};
use super::statistics::Statistics;
use crate::lease::{LeaseKey, WorkerId};

/// What was taken out of the cells.
///
/// Memory is bounded: a lease that is left goes into the sum of those, once its values are exported; more than
/// [`MAX_LEASES`] at a time are counted together.
#[derive(Debug)]
pub(crate) struct Registry {
    started_at: Instant,
    /// Whether anybody takes exports.
    exports: bool,
    worker: Counted,
    leases: HashMap<LeaseKey, Counted>,
    /// Leases for which there was no place.
    others: Counted,
    /// Totals of the leases left.
    left: Vec<Statistics>,
}

#[derive(Debug)]
struct Counted {
    cells: Arc<Cells>,
    series: Box<[Series]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Series {
    total: Statistics,
    unexported: Statistics,
}

impl Registry {
    pub(crate) fn new(exports: bool, now: Instant) -> Self {
        Self {
            started_at: now,
            exports,
            worker: Counted::new(Cells::of_worker()),
            leases: HashMap::new(),
            others: Counted::new(Cells::of_lease()),
            left: vec![Statistics::default(); OF_SHARD],
        }
    }

    /// From now on somebody takes exports.
    pub(crate) fn export(&mut self) {
        self.exports = true;
    }

    /// Where the worker's values are counted.
    pub(crate) fn worker_cells(&self) -> Arc<Cells> {
        Arc::clone(&self.worker.cells)
    }

    /// Where a lease's values are counted, for as long as they are held.
    pub(crate) fn lease_cells(&mut self, key: &LeaseKey) -> Arc<Cells> {
        if let Some(counted) = self.leases.get(key) {
            return Arc::clone(&counted.cells);
        }
        if self.leases.len() >= MAX_LEASES {
            self.collect();
        }
        if self.leases.len() >= MAX_LEASES {
            return Arc::clone(&self.others.cells);
        }
        let counted = self.leases.entry(key.clone());
        Arc::clone(&counted.or_insert_with(|| Counted::new(Cells::of_lease())).cells)
    }

    /// Everything known now.
    pub(crate) fn snapshot(&mut self, worker_id: WorkerId, now: Instant) -> MetricsSnapshot {
        self.collect();
        let mut totals: Vec<Statistics> = self.worker.series.iter().map(|series| series.total).collect();
        let mut leases = Vec::with_capacity(self.leases.len());
        for (total, left) in totals.iter_mut().zip(&self.left) {
            total.merge(left);
        }
        for counted in self.leases.values().chain([&self.others]) {
            for (total, series) in totals.iter_mut().zip(&counted.series) {
                total.merge(&series.total);
            }
        }
        for (key, counted) in &self.leases {
            let values = counted.series.iter().map(|series| series.total).collect();
            leases.push(LeaseMetrics::new(key.clone(), values));
        }
        leases.sort_unstable_by(|a, b| a.lease_key().cmp(b.lease_key()));
        let since_start = now.saturating_duration_since(self.started_at);
        MetricsSnapshot::new(worker_id, since_start, totals, leases)
    }

    /// What was counted since the last export.
    pub(crate) fn take_export(&mut self) -> Vec<Export> {
        self.collect();
        let mut taken = Vec::new();
        self.worker.take(None, &mut taken);
        self.others.take(None, &mut taken);
        for (key, counted) in &mut self.leases {
            counted.take(Some(key), &mut taken);
        }
        self.collect();
        taken
    }

    /// Takes what is in the cells, and folds leases that nobody holds any more.
    fn collect(&mut self) {
        let (exports, left) = (self.exports, &mut self.left);
        let mut lag = self.others.collect(exports);
        self.leases.retain(|_, counted| {
            // Asked before the values are taken: who let go counts no more.
            let is_left = Arc::get_mut(&mut counted.cells).is_some();
            lag.merge(&counted.collect(exports));
            let is_done = is_left && counted.series.iter().all(|series| series.unexported.count() == 0);
            if is_done {
                for (sum, series) in left.iter_mut().zip(&counted.series) {
                    sum.merge(&series.total);
                }
            }
            !is_done
        });
        self.worker.collect(exports);
        let application = &mut self.worker.series[Metric::ApplicationMillisBehindLatest.index()];
        application.add(&lag, exports);
    }

    #[cfg(test)]
    pub(super) fn leases(&self) -> usize {
        self.leases.len()
    }
}

impl Counted {
    fn new(cells: Cells) -> Self {
        Self {
            series: vec![Series::default(); cells.len()].into_boxed_slice(),
            cells: Arc::new(cells),
        }
    }

    /// Takes what is in the cells. The lag that was counted.
    fn collect(&mut self, exports: bool) -> Statistics {
        let mut lag = Statistics::default();
        for (metric, series) in Metric::ALL.into_iter().zip(&mut self.series) {
            let taken = self.cells.take(metric);
            series.add(&taken, exports);
            if metric == Metric::MillisBehindLatest {
                lag = taken;
            }
        }
        lag
    }

    fn take(&mut self, lease: Option<&LeaseKey>, into: &mut Vec<Export>) {
        for (metric, series) in Metric::ALL.into_iter().zip(&mut self.series) {
            if series.unexported.count() > 0 {
                into.push(Export {
                    metric,
                    lease: lease.cloned(),
                    values: std::mem::take(&mut series.unexported),
                });
            }
        }
    }
}

impl Series {
    fn add(&mut self, values: &Statistics, exports: bool) {
        self.total.merge(values);
        if exports {
            self.unexported.merge(values);
        }
    }
}

/// Ours: about 2 KiB each, so 8 MiB. More shards of one worker are counted without their names.
pub(super) const MAX_LEASES: usize = 4_096;
