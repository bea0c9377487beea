//! The values of one place: a stream or a shard.

use std::sync::Arc;

use kinesis_aggregation::ShardId;

use super::metric::{Metric, MetricKind};
use super::node::Node;
use super::statistics::Statistics;
use crate::stream::StreamName;

/// Values of each metric at one place.
#[derive(Debug, Default)]
pub(super) struct Tally {
    values: Vec<Statistics>,
    /// How often each code was met. Few: codes are the service's.
    codes: Vec<(Arc<str>, u64)>,
    /// Takings since anything was counted here.
    idle: u32,
    is_touched: bool,
}

impl Tally {
    /// Takings since anything was counted here.
    pub(super) fn idle(&self) -> u32 {
        self.idle
    }

    pub(super) fn add(&mut self, metric: Metric, value: f64, n: u64) {
        self.values(metric).add(value, n);
    }

    pub(super) fn add_many(&mut self, metric: Metric, count: u64, sum: f64, min: f64, max: f64) {
        self.values(metric).add_many(count, sum, min, max);
    }

    pub(super) fn observe(&mut self, metric: Metric, value: f64, n: u64) {
        debug_assert!(
            metric.kind() != MetricKind::Amount,
            "{metric:?} has no distribution"
        );
        self.values(metric).observe(value, n);
    }

    pub(super) fn error(&mut self, code: &str) {
        self.add(Metric::AllErrors, 1.0, 1);
        if let Some((_, count)) = self.codes.iter_mut().find(|(known, _)| **known == *code) {
            *count += 1;
        } else if self.codes.len() < MAX_CODES {
            self.codes.push((Arc::from(code), 1));
        } else {
            // Codes come from outside: their number must not.
            let (_, count) = &mut self.codes[MAX_CODES - 1];
            *count += 1;
        }
    }

    fn values(&mut self, metric: Metric) -> &mut Statistics {
        self.is_touched = true;
        if self.values.is_empty() {
            self.values.resize(Metric::ALL.len(), Statistics::default());
        }
        &mut self.values[metric as usize]
    }

    pub(super) fn take(
        &mut self,
        stream: &StreamName,
        shard: Option<&ShardId>,
        visit: &mut impl FnMut(Node, &Statistics),
    ) {
        if !self.is_touched {
            self.idle += 1;
            return;
        }
        for (metric, values) in Metric::ALL.into_iter().zip(&mut self.values) {
            if values.count() > 0 {
                visit(Node::of_stream(metric, stream).on_shard(shard.cloned()), values);
                values.clear();
            }
        }
        for (code, count) in self.codes.drain(..) {
            let mut errors = Statistics::default();
            errors.add(1.0, count);
            let node = Node::of_stream(Metric::ErrorsByCode, stream).on_shard(shard.cloned());
            visit(node.with_code(code), &errors);
        }
        (self.idle, self.is_touched) = (0, false);
    }
}

/// Different codes between two takings; what comes after counts as the last of them.
const MAX_CODES: usize = 32;
