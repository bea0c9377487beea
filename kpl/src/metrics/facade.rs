//! Metrics through the `metrics` facade: to whatever recorder the application has installed.
//!
//! Names are the KPL's in snake case after `kpl_`, labels are `stream`, `shard_id` and `error_code`. Only what is told
//! apart most finely is recorded: adding up is the recorder's business. Amounts are counters, levels gauges,
//! distributions histograms.

use metrics::{Label, SharedString};

use super::counting::{Metric, MetricKind, Node, Statistics};
use crate::config::{MetricsConfig, MetricsGranularity};

/// Records counts of a node.
pub(super) fn tell(node: &Node, counts: &Statistics, config: &MetricsConfig) {
    // Errors are told by code; their total and its zeros would count them twice.
    let is_total = node.metric == Metric::AllErrors;
    if node.metric.level() > config.level() || is_total {
        return;
    }
    let labels = labels(node, config.granularity());
    let name = name(node.metric);
    match node.metric.kind() {
        MetricKind::Amount => {
            let counter = metrics::counter!(name, labels);
            counter.increment(whole(counts.sum()));
        }
        MetricKind::Level => {
            if let Some(level) = counts.max() {
                metrics::gauge!(name, labels).set(level);
            }
        }
        MetricKind::Distribution => {
            let histogram = metrics::histogram!(name, labels);
            for (value, times) in counts.spans() {
                histogram.record_many(value, usize::try_from(times).unwrap_or(usize::MAX));
            }
        }
    }
}

fn labels(node: &Node, granularity: MetricsGranularity) -> Vec<Label> {
    let mut labels = Vec::new();
    let mut push = |name, value: &str| labels.push(Label::new(name, SharedString::from(value.to_owned())));
    if let Some(stream) = node
        .stream
        .as_ref()
        .filter(|_| granularity >= MetricsGranularity::Stream)
    {
        push("stream", stream.as_str());
    }
    if let Some(shard) = node
        .shard
        .as_ref()
        .filter(|_| granularity >= MetricsGranularity::Shard)
    {
        push("shard_id", shard.as_str());
    }
    if let Some(code) = &node.code {
        push("error_code", code);
    }
    labels
}

/// `UserRecordsPut` is `kpl_user_records_put`.
fn name(metric: Metric) -> String {
    let mut name = String::from("kpl");
    for c in metric.name().chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "amounts are whole, not negative, and below 2^53"
)]
fn whole(sum: f64) -> u64 {
    sum as u64
}
