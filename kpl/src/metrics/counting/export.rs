//! What is uploaded: datums out of counts, within level and granularity, in batches a service takes.

use super::metric::MetricUnit;
use super::node::Node;
use super::statistics::Statistics;
use crate::config::{MetricsConfig, MetricsGranularity};
use crate::stream::StreamName;

/// Counts of one node, taken out of the registry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Export {
    pub(crate) node: Node,
    pub(crate) counts: Statistics,
}

/// One set of statistics of a metric under its dimensions, as it is uploaded.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricDatum {
    name: &'static str,
    unit: MetricUnit,
    dimensions: Vec<(String, String)>,
    statistics: Statistics,
}

impl MetricDatum {
    /// The metric's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The unit of the values.
    #[must_use]
    pub fn unit(&self) -> MetricUnit {
        self.unit
    }

    /// Name and value of each dimension, outermost first. None of the values is blank.
    #[must_use]
    pub fn dimensions(&self) -> &[(String, String)] {
        &self.dimensions
    }

    /// Count, sum, least and greatest.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// How much of a request it takes, at most.
    fn weight(&self) -> usize {
        let dimensions: usize = self
            .dimensions
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        DATUM_BYTES + self.name.len() + dimensions + DIMENSION_BYTES * self.dimensions.len()
    }
}

/// The datums for what was counted: one for each place within level and granularity, and one more for each additional
/// dimension of that place. Sorted by number of dimensions, as the KPL does, so that what a throttled upload loses is
/// what is told apart most finely.
pub(crate) fn datums(exports: Vec<Export>, config: &MetricsConfig) -> Vec<MetricDatum> {
    let mut datums = Vec::new();
    for Export { node, counts } in exports {
        let granularity = node.granularity();
        if node.metric.level() > config.level() || granularity > config.granularity() {
            continue;
        }
        for dimensions in dimension_sets(&node, granularity, config) {
            datums.push(MetricDatum {
                name: node.metric.name(),
                unit: node.metric.unit(),
                dimensions,
                statistics: counts.clone(),
            });
        }
    }
    datums.sort_by_key(|datum| datum.dimensions.len());
    datums
}

/// The datums in requests' worth.
pub(crate) fn batches(exports: Vec<Export>, config: &MetricsConfig) -> Vec<Vec<MetricDatum>> {
    let mut batches: Vec<Vec<MetricDatum>> = Vec::new();
    let mut room = 0;
    for datum in datums(exports, config) {
        let weight = datum.weight();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_DATUMS && weight <= room => {
                room -= weight;
                batch.push(datum);
            }
            _ => {
                room = BATCH_BYTES.saturating_sub(weight);
                batches.push(vec![datum]);
            }
        }
    }
    batches
}

/// The path of a node, and the same path with one more of its own additional dimensions each time.
fn dimension_sets(
    node: &Node,
    granularity: MetricsGranularity,
    config: &MetricsConfig,
) -> Vec<Vec<(String, String)>> {
    let mut path = Vec::new();
    let mut push = |name: &str, value: &str| {
        let value = printable(value);
        if !value.is_empty() {
            path.push((name.to_owned(), value));
        }
    };
    // An error code comes right after the name, the global dimensions follow.
    if let Some(code) = &node.code {
        push("ErrorCode", code);
    }
    let levels = [
        (MetricsGranularity::Global, None),
        (
            MetricsGranularity::Stream,
            node.stream
                .as_ref()
                .map(|stream| ("StreamName", StreamName::as_str(stream))),
        ),
        (
            MetricsGranularity::Shard,
            node.shard.as_ref().map(|shard| ("ShardId", shard.as_str())),
        ),
    ];
    let mut own = 0;
    for (level, place) in levels {
        if level > granularity {
            break;
        }
        if let Some((name, value)) = place {
            push(name, value);
        }
        let additional = config
            .dimensions()
            .iter()
            .filter(|dimension| dimension.granularity() == level);
        own = 0;
        for dimension in additional {
            push(dimension.name(), dimension.value());
            own += 1;
        }
    }
    let shortest = path.len().saturating_sub(own);
    (shortest..=path.len())
        .map(|length| path[..length].to_vec())
        .collect()
}

/// CloudWatch takes printable ASCII and no blank values; codes may come from anywhere.
fn printable(value: &str) -> String {
    let cleaned: String = value
        .trim()
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .take(MAX_VALUE)
        .collect();
    // A leading colon is not allowed either.
    cleaned.trim_start_matches(':').to_owned()
}

/// Source: CloudWatch API reference, PutMetricData. Applies to: datums of one call.
const BATCH_DATUMS: usize = 1_000;
/// Source: as above, 1 MB of payload; less, since sizes are estimated.
const BATCH_BYTES: usize = 900_000;
/// Source: as above. Applies to: characters of a dimension's value.
const MAX_VALUE: usize = 1_024;
/// Field names, numbers, timestamp and unit of a datum in the most talkative encoding.
const DATUM_BYTES: usize = 400;
const DIMENSION_BYTES: usize = 60;
