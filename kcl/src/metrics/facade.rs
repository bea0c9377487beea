//! Metrics through the `metrics` facade: to whatever recorder the application has installed.
//!
//! Names are the KCL's in snake case after `kcl_`, with the operation where the name says only `Success` or `Time`. Labels
//! are `operation`, and `shard_id`, `stream_id` and `worker_id` where those dimensions are enabled. Amounts are counters,
//! successes and failures one counter each, levels gauges, times histograms of milliseconds.

use std::sync::OnceLock;

use metrics::{Counter, Gauge, Histogram, Label, SharedString};

use super::counting::{Metric, MetricKind};
use crate::config::{MetricsConfig, MetricsDimension, MetricsLevel};
use crate::lease::{LeaseKey, WorkerId};

/// The recorder's instruments of one lease, or of the worker: asked for when first needed.
pub(super) struct Told {
    level: MetricsLevel,
    labels: Vec<Label>,
    instruments: Box<[OnceLock<Instrument>]>,
}

enum Instrument {
    Amount(Counter),
    Outcome { success: Counter, failure: Counter },
    Level(Gauge),
    Time(Histogram),
}

impl Told {
    pub(super) fn of_worker(worker: &WorkerId, config: &MetricsConfig) -> Self {
        Self::new(worker, None, config)
    }

    pub(super) fn of_lease(worker: &WorkerId, lease: &LeaseKey, config: &MetricsConfig) -> Self {
        Self::new(worker, Some(lease), config)
    }

    fn new(worker: &WorkerId, lease: Option<&LeaseKey>, config: &MetricsConfig) -> Self {
        let mut labels = Vec::new();
        let mut push = |dimension: MetricsDimension, name, value: Option<String>| {
            if let Some(value) = value.filter(|_| config.has(dimension)) {
                labels.push(Label::new(name, SharedString::from(value)));
            }
        };
        let stream = lease.and_then(LeaseKey::stream).map(|id| id.to_string());
        push(MetricsDimension::StreamId, "stream_id", stream);
        let shard = lease.and_then(LeaseKey::shard).map(|id| id.as_str().to_owned());
        push(MetricsDimension::ShardId, "shard_id", shard);
        let worker = Some(worker.as_str().to_owned());
        push(MetricsDimension::WorkerIdentifier, "worker_id", worker);
        Self {
            level: config.level(),
            labels,
            instruments: Metric::ALL.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    /// `value`: of a time in microseconds.
    pub(super) fn tell(&self, metric: Metric, value: u64, times: u64) {
        if metric.level() > self.level {
            return;
        }
        let Some(instrument) = self.instruments.get(metric.index()) else {
            return;
        };
        #[expect(clippy::cast_precision_loss, reason = "values are far below 2^53")]
        let number = value as f64;
        match instrument.get_or_init(|| self.instrument(metric)) {
            Instrument::Amount(counter) => counter.increment(value.saturating_mul(times)),
            Instrument::Outcome { success, .. } if value > 0 => success.increment(times),
            Instrument::Outcome { failure, .. } => failure.increment(times),
            Instrument::Level(gauge) => gauge.set(number),
            Instrument::Time(histogram) => {
                histogram.record_many(number / 1_000.0, usize::try_from(times).unwrap_or(usize::MAX));
            }
        }
    }

    fn instrument(&self, metric: Metric) -> Instrument {
        let name = name(metric);
        let mut labels = vec![Label::from_static_parts("operation", metric.operation())];
        labels.extend(self.labels.iter().cloned());
        match metric.kind() {
            MetricKind::Amount => Instrument::Amount(metrics::counter!(name, labels)),
            MetricKind::Outcome => Instrument::Outcome {
                failure: metrics::counter!(name.replace("success", "failure"), labels.clone()),
                success: metrics::counter!(name, labels),
            },
            MetricKind::Level => Instrument::Level(metrics::gauge!(name, labels)),
            MetricKind::Time => Instrument::Time(metrics::histogram!(name, labels)),
        }
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told")
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

/// `RenewLease.Success` is `kcl_renew_lease_success`; `Time` of `ProcessTask` is `kcl_process_task_time`.
fn name(metric: Metric) -> String {
    let plain = metric.name();
    let operation = match plain {
        "Success" | "Time" => metric.operation(),
        _ => "",
    };
    let mut name = String::from("kcl");
    for part in [operation, plain].into_iter().filter(|part| !part.is_empty()) {
        let mut apart = true;
        for c in part.chars() {
            if !c.is_ascii_alphanumeric() {
                apart = true;
                continue;
            }
            if c.is_ascii_uppercase() || apart {
                name.push('_');
            }
            apart = false;
            name.push(c.to_ascii_lowercase());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn names_are_in_snake_case() {
        assert_eq!(name(Metric::RenewedLeases), "kcl_renew_lease_success");
        assert_eq!(name(Metric::IsLeader), "kcl_leader_decider_is_leader");
        assert_eq!(name(Metric::NumWorkers), "kcl_num_workers");
        assert_eq!(name(Metric::ProcessTime), "kcl_process_task_time");
        assert_eq!(
            name(Metric::ProcessRecordsTime),
            "kcl_record_processor_process_records_time"
        );
    }

    #[test]
    fn a_name_has_one_kind() {
        let mut kinds = BTreeMap::new();
        for metric in Metric::ALL {
            let kind = kinds.entry(name(metric)).or_insert_with(|| metric.kind());
            assert_eq!(*kind, metric.kind(), "{metric:?}");
        }
        for metric in Metric::ALL
            .into_iter()
            .filter(|m| m.kind() == MetricKind::Outcome)
        {
            assert!(
                name(metric).ends_with("success"),
                "{metric:?} has a name for failures"
            );
        }
    }
}
