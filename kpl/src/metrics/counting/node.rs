//! A place in the tree of a metric: all streams, one stream, or one shard; with an error code where there is one.

use std::sync::Arc;

use kinesis_aggregation::ShardId;

use super::metric::Metric;
use crate::config::MetricsGranularity;
use crate::stream::StreamName;

/// Names one series of values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) metric: Metric,
    pub(crate) code: Option<Arc<str>>,
    pub(crate) stream: Option<StreamName>,
    /// Only with a stream.
    pub(crate) shard: Option<ShardId>,
}

impl Node {
    pub(crate) fn of_stream(metric: Metric, stream: &StreamName) -> Self {
        Self {
            metric,
            code: None,
            stream: Some(stream.clone()),
            shard: None,
        }
    }

    pub(crate) fn on_shard(self, shard: Option<ShardId>) -> Self {
        Self { shard, ..self }
    }

    pub(crate) fn with_code(self, code: Arc<str>) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// The node above: a shard's stream, a stream's whole.
    pub(crate) fn parent(&self) -> Option<Self> {
        let mut parent = self.clone();
        if parent.shard.take().is_some() || parent.stream.take().is_some() {
            return Some(parent);
        }
        None
    }

    pub(crate) fn granularity(&self) -> MetricsGranularity {
        match (&self.stream, &self.shard) {
            (_, Some(_)) => MetricsGranularity::Shard,
            (Some(_), None) => MetricsGranularity::Stream,
            (None, None) => MetricsGranularity::Global,
        }
    }

    /// What nodes are sorted by: metric, depth, then names.
    pub(crate) fn order(&self) -> impl Ord + '_ {
        (
            self.metric,
            self.granularity(),
            self.code.as_deref(),
            self.stream.as_ref().map(StreamName::as_str),
            self.shard.as_ref(),
        )
    }
}
