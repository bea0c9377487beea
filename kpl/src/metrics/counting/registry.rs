//! All counts of a producer: a tree for each metric, since the start, of the last minute, and not yet exported.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinesis_aggregation::ShardId;

use super::export::Export;
use super::metric::{Metric, MetricKind};
use super::node::Node;
use super::snapshot::{MetricSeries, MetricsSnapshot};
use super::statistics::Statistics;
use crate::config::MetricsGranularity;
use crate::stream::StreamName;

/// The tree.
///
/// What is added at a shard is added at its stream and at the whole. Memory is bounded: shards that were silent for
/// [`SILENCE`] are forgotten, more than [`MAX_SHARDS`] are counted in their streams only, and so are codes beyond
/// [`MAX_CODES`].
#[derive(Debug)]
pub(crate) struct Registry {
    started_at: Instant,
    granularity: MetricsGranularity,
    /// Whether anybody takes exports.
    exports: bool,
    nodes: HashMap<Node, Series>,
    shards: HashMap<(StreamName, ShardId), Instant>,
    codes: HashSet<Arc<str>>,
    levels: HashMap<(Metric, StreamName), f64>,
    next_cleaning: Instant,
}

#[derive(Debug)]
struct Series {
    total: Statistics,
    /// By number of the slice; the newest last.
    slices: VecDeque<(u64, Statistics)>,
    unexported: Statistics,
}

impl Registry {
    pub(crate) fn new(granularity: MetricsGranularity, exports: bool, now: Instant) -> Self {
        Self {
            started_at: now,
            granularity,
            exports,
            nodes: HashMap::new(),
            shards: HashMap::new(),
            codes: HashSet::new(),
            levels: HashMap::new(),
            next_cleaning: now + CLEANING,
        }
    }

    /// Adds counts at a node and at all above it.
    pub(crate) fn add(&mut self, node: Node, counts: &Statistics, now: Instant) {
        self.clean(now);
        let mut place = Some(self.within_bounds(node, now));
        while let Some(node) = place {
            place = node.parent();
            let sums_levels = node.stream.is_none() && adds_up(node.metric);
            // The whole of a level that adds up is not a mix of its parts: see `level`.
            if !sums_levels {
                self.add_at(node, counts, now);
            }
        }
    }

    /// A stream's level of now; for all streams together the sum.
    pub(crate) fn level(&mut self, metric: Metric, stream: &StreamName, value: f64, now: Instant) {
        debug_assert!(adds_up(metric), "{metric:?} does not add up");
        self.levels.insert((metric, stream.clone()), value);
        let of_metric = self.levels.iter().filter(|((of, _), _)| *of == metric);
        let mut whole = Statistics::default();
        whole.observe(of_metric.map(|(_, value)| value).sum(), 1);
        let node = Node::of_stream(metric, stream).parent();
        self.add_at(node.expect("invariant: a stream has a parent"), &whole, now);
    }

    /// Everything known now; recent is what was counted within about `window`, at most a minute.
    pub(crate) fn snapshot(&self, window: Duration, now: Instant) -> MetricsSnapshot {
        let current = self.slice(now);
        let window = window.min(SLICE * MAX_SLICES);
        let slices = window.as_millis().div_ceil(SLICE.as_millis()).max(1);
        let oldest = current.saturating_sub(u64::try_from(slices).unwrap_or(u64::MAX) - 1);
        let mut series: Vec<_> = self
            .nodes
            .iter()
            .map(|(node, series)| {
                let mut recent = Statistics::default();
                for (_, slice) in series.slices.iter().filter(|(number, _)| *number >= oldest) {
                    recent.merge(slice);
                }
                (node, MetricSeries::new(node, series.total.clone(), recent))
            })
            .collect();
        series.sort_unstable_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        let since_start = now.saturating_duration_since(self.started_at);
        let slice_start = SLICE * u32::try_from(oldest).unwrap_or(u32::MAX);
        MetricsSnapshot::new(
            since_start,
            since_start.saturating_sub(slice_start),
            series.into_iter().map(|(_, series)| series).collect(),
        )
    }

    /// What was counted since the last export.
    pub(crate) fn take_export(&mut self) -> Vec<Export> {
        let mut taken: Vec<_> = self
            .nodes
            .iter_mut()
            .filter(|(_, series)| series.unexported.count() > 0)
            .map(|(node, series)| Export {
                node: node.clone(),
                counts: std::mem::take(&mut series.unexported),
            })
            .collect();
        taken.sort_unstable_by(|a, b| a.node.order().cmp(&b.node.order()));
        taken
    }

    fn add_at(&mut self, node: Node, counts: &Statistics, now: Instant) {
        let slice = self.slice(now);
        let series = self.nodes.entry(node).or_insert_with(Series::new);
        series.total.merge(counts);
        match series.slices.back_mut() {
            Some((number, values)) if *number == slice => values.merge(counts),
            _ => series.slices.push_back((slice, counts.clone())),
        }
        while series
            .slices
            .front()
            .is_some_and(|(number, _)| number + u64::from(MAX_SLICES) <= slice)
        {
            series.slices.pop_front();
        }
        if self.exports {
            series.unexported.merge(&counts.summary());
        }
    }

    /// The node, or the one above that stands for it.
    fn within_bounds(&mut self, mut node: Node, now: Instant) -> Node {
        if self.granularity < MetricsGranularity::Shard {
            node.shard = None;
        }
        if self.granularity < MetricsGranularity::Stream {
            node.stream = None;
        }
        if let (Some(stream), Some(shard)) = (&node.stream, &node.shard) {
            let is_full = self.shards.len() >= MAX_SHARDS;
            match self.shards.get_mut(&(stream.clone(), shard.clone())) {
                Some(seen) => *seen = now,
                None if is_full => node.shard = None,
                None => {
                    self.shards.insert((stream.clone(), shard.clone()), now);
                }
            }
        }
        if let Some(code) = &node.code {
            if let Some(known) = self.codes.get(code) {
                node.code = Some(Arc::clone(known));
            } else if self.codes.len() < MAX_CODES {
                self.codes.insert(Arc::clone(code));
            } else {
                node.code = Some(Arc::from(OTHER_CODE));
            }
        }
        node
    }

    /// Forgets shards that fell silent. Their streams keep what they had.
    fn clean(&mut self, now: Instant) {
        if now < self.next_cleaning {
            return;
        }
        self.next_cleaning = now + CLEANING;
        let shards = &mut self.shards;
        shards.retain(|_, seen| now.saturating_duration_since(*seen) < SILENCE);
        self.nodes.retain(|node, _| match (&node.stream, &node.shard) {
            (Some(stream), Some(shard)) => shards.contains_key(&(stream.clone(), shard.clone())),
            _ => true,
        });
    }

    fn slice(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started_at).as_secs() / SLICE.as_secs()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }
}

impl Series {
    fn new() -> Self {
        Self {
            total: Statistics::default(),
            slices: VecDeque::new(),
            unexported: Statistics::default(),
        }
    }
}

/// Levels of which the sum over all streams means something.
fn adds_up(metric: Metric) -> bool {
    metric.kind() == MetricKind::Level
        && matches!(metric, Metric::UserRecordsPending | Metric::UserBytesPending)
}

/// What a window is made of: coarse enough that a thousand shards fit into a few megabytes.
const SLICE: Duration = Duration::from_secs(10);
const MAX_SLICES: u32 = 6;
/// After this time without a count a shard is gone: split, merged, or no longer written to.
pub(super) const SILENCE: Duration = Duration::from_secs(15 * 60);
const CLEANING: Duration = Duration::from_secs(60);
/// Shards that are told apart, of all streams together.
pub(super) const MAX_SHARDS: usize = 1_024;
/// Codes that are told apart.
pub(super) const MAX_CODES: usize = 64;
const OTHER_CODE: &str = "Other";
