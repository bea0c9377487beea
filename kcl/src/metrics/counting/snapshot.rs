//! The counts at one moment, for programs and for people.

use std::fmt;
use std::time::Duration;

use super::metric::{Metric, MetricKind, OF_SHARD};
use super::statistics::Statistics;
use crate::lease::{LeaseKey, WorkerId};

/// What one worker has counted since its consumer was built; from
/// [`ConsumerHandle::metrics`](crate::ConsumerHandle::metrics).
///
/// Everything is here at any [level](crate::MetricsConfig::with_level), and what an upload has taken away too. Its text is
/// a table of what was counted of all shards together, and of the lag of each.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsSnapshot {
    worker_id: WorkerId,
    since_start: Duration,
    totals: Vec<Statistics>,
    leases: Vec<LeaseMetrics>,
}

/// What was counted of one lease that the worker holds, or has just left.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseMetrics {
    lease_key: LeaseKey,
    values: Vec<Statistics>,
}

impl MetricsSnapshot {
    pub(super) fn new(
        worker_id: WorkerId,
        since_start: Duration,
        totals: Vec<Statistics>,
        leases: Vec<LeaseMetrics>,
    ) -> Self {
        Self {
            worker_id,
            since_start,
            totals,
            leases,
        }
    }

    /// The worker (KCL: dimension `WorkerIdentifier`).
    #[must_use]
    pub fn worker_id(&self) -> &WorkerId {
        &self.worker_id
    }

    /// How long the worker has been counting.
    #[must_use]
    pub fn since_start(&self) -> Duration {
        self.since_start
    }

    /// One value, whole: of an amount or an outcome the sum, of a level how it was last seen, of a time how many
    /// milliseconds it comes to in all.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "values are not negative and below 2^53"
    )]
    pub fn get(&self, metric: Metric) -> u64 {
        let values = self.values(metric);
        match metric.kind() {
            MetricKind::Level => values.last().unwrap_or_default() as u64,
            MetricKind::Amount | MetricKind::Outcome | MetricKind::Time => values.sum() as u64,
        }
    }

    /// All values of a metric; of one that is told apart by shard, those of all shards.
    #[must_use]
    pub fn values(&self, metric: Metric) -> Statistics {
        self.totals.get(metric.index()).copied().unwrap_or_default()
    }

    /// All metrics.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, Statistics)> + '_ {
        Metric::ALL
            .into_iter()
            .map(|metric| (metric, self.values(metric)))
    }

    /// The leases, by key. Of a worker with more than 4,096 of them, the first so many.
    #[must_use]
    pub fn leases(&self) -> &[LeaseMetrics] {
        &self.leases
    }

    /// One lease.
    #[must_use]
    pub fn lease(&self, key: &LeaseKey) -> Option<&LeaseMetrics> {
        let found = self.leases.binary_search_by(|lease| lease.lease_key.cmp(key));
        found.ok().map(|place| &self.leases[place])
    }

    /// How far behind its tip the shard is that lags most, at its last read. `None`: nothing was read yet.
    #[must_use]
    pub fn behind_latest(&self) -> Option<Duration> {
        self.leases.iter().filter_map(LeaseMetrics::behind_latest).max()
    }
}

impl LeaseMetrics {
    pub(super) fn new(lease_key: LeaseKey, values: Vec<Statistics>) -> Self {
        Self { lease_key, values }
    }

    /// Which lease.
    #[must_use]
    pub fn lease_key(&self) -> &LeaseKey {
        &self.lease_key
    }

    /// All values of a metric that is told apart by shard; of another one, none.
    #[must_use]
    pub fn values(&self, metric: Metric) -> Statistics {
        self.values.get(metric.index()).copied().unwrap_or_default()
    }

    /// The metrics that are told apart by shard.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, Statistics)> + '_ {
        let metrics = Metric::ALL.into_iter().take(OF_SHARD);
        metrics.map(|metric| (metric, self.values(metric)))
    }

    /// How far behind its tip the shard was at its last read. `None`: it was not read yet.
    #[must_use]
    pub fn behind_latest(&self) -> Option<Duration> {
        let last = self.values(Metric::MillisBehindLatest).last()?;
        Duration::try_from_secs_f64(last / 1_000.0).ok()
    }
}

impl fmt::Display for MetricsSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<26} {:<45} {:>9} {:>14} {:>10} {:>10} {:>10} {:>10}",
            "operation", "metric", "count", "sum", "mean", "min", "max", "last"
        )?;
        let line = |f: &mut fmt::Formatter<'_>, metric: Metric, place: &str, values: &Statistics| {
            let operation = if place.is_empty() {
                metric.operation()
            } else {
                place
            };
            writeln!(
                f,
                "{:<26} {:<45} {:>9} {:>14.0} {:>10} {:>10} {:>10} {:>10}",
                operation,
                metric.name(),
                values.count(),
                values.sum(),
                cell(values.mean()),
                cell(values.min()),
                cell(values.max()),
                cell(values.last()),
            )
        };
        for (metric, values) in self.iter().filter(|(_, values)| values.count() > 0) {
            line(f, metric, "", &values)?;
        }
        for lease in &self.leases {
            let values = lease.values(Metric::MillisBehindLatest);
            line(f, Metric::MillisBehindLatest, lease.lease_key.as_str(), &values)?;
        }
        Ok(())
    }
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}
