//! Metrics through the `metrics` facade: to whatever recorder the application has installed.
//!
//! Names are the KCL's in snake case after `kcl_`, labels are `operation` and `worker_id`. Amounts are counters, levels
//! gauges.

use metrics::{Label, SharedString};

use super::metric::Metric;
use crate::lease::WorkerId;

pub(super) fn add(worker: &WorkerId, metric: Metric, more: u64) {
    metrics::counter!(name(metric), labels(worker, metric)).increment(more);
}

pub(super) fn set(worker: &WorkerId, metric: Metric, level: u64) {
    #[expect(clippy::cast_precision_loss, reason = "levels are far below 2^53")]
    metrics::gauge!(name(metric), labels(worker, metric)).set(level as f64);
}

fn labels(worker: &WorkerId, metric: Metric) -> Vec<Label> {
    let worker = SharedString::from(worker.as_str().to_owned());
    vec![
        Label::from_static_parts("operation", metric.operation()),
        Label::new("worker_id", worker),
    ]
}

/// `RenewLease.Success` is `kcl_renew_lease_success`.
fn name(metric: Metric) -> String {
    let mut name = String::from("kcl");
    let mut apart = true;
    for c in metric.name().chars() {
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
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_snake_case() {
        assert_eq!(name(Metric::RenewedLeases), "kcl_renew_lease_success");
        assert_eq!(name(Metric::IsLeader), "kcl_leader_decider_is_leader");
        assert_eq!(name(Metric::NumWorkers), "kcl_num_workers");
    }
}
