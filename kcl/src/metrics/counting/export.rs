//! What is uploaded: datums out of counts, within level and dimensions, in batches a service takes.

use std::collections::BTreeMap;

use super::metric::{Metric, MetricUnit};
use super::statistics::Statistics;
use crate::config::{MetricsConfig, MetricsDimension};
use crate::lease::{LeaseKey, WorkerId};

/// Values of one metric at one place, taken out of the registry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Export {
    pub(crate) metric: Metric,
    pub(crate) lease: Option<LeaseKey>,
    pub(crate) values: Statistics,
}

/// Whose values they are, and what of them is published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) worker_id: &'a WorkerId,
    pub(crate) config: &'a MetricsConfig,
}

/// One set of statistics of a metric under its dimensions, as it is uploaded.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricDatum {
    metric: Metric,
    dimensions: Dimensions,
    values: Statistics,
}

impl MetricDatum {
    /// The metric.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The metric's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.metric.name()
    }

    /// The unit of the values.
    #[must_use]
    pub fn unit(&self) -> MetricUnit {
        self.metric.unit()
    }

    /// Name and value of each dimension. None of the values is blank.
    #[must_use]
    pub fn dimensions(&self) -> &[(&'static str, String)] {
        &self.dimensions
    }

    /// Count, sum, least and greatest.
    #[must_use]
    pub fn values(&self) -> Statistics {
        self.values
    }

    /// How much of a request it takes, at most.
    fn weight(&self) -> usize {
        let dimensions: usize = self
            .dimensions
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        DATUM_BYTES + self.name().len() + dimensions + DIMENSION_BYTES * self.dimensions.len()
    }
}

/// What is published of the exports, in requests' worth, and how many datums are too many and left out: those with most
/// dimensions first.
pub(crate) fn batches(exports: Vec<Export>, scope: Scope<'_>) -> (Vec<Vec<MetricDatum>>, usize) {
    let mut datums = datums(exports, scope);
    let surplus = datums.len().saturating_sub(scope.config.max_datums());
    datums.truncate(scope.config.max_datums());
    let mut batches: Vec<Vec<MetricDatum>> = Vec::new();
    let mut room = 0;
    for datum in datums {
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
    (batches, surplus)
}

/// Names and values.
type Dimensions = Vec<(&'static str, String)>;

/// One datum for each metric and set of dimensions: what a dimension that is left out would tell apart is added up.
fn datums(exports: Vec<Export>, scope: Scope<'_>) -> Vec<MetricDatum> {
    let mut datums: BTreeMap<(usize, Metric, Dimensions), Statistics> = BTreeMap::new();
    for Export {
        metric,
        lease,
        values,
    } in exports
    {
        if metric.level() > scope.config.level() {
            continue;
        }
        let dimensions = dimensions(metric, lease.as_ref(), scope);
        datums
            .entry((dimensions.len(), metric, dimensions))
            .or_default()
            .merge(&values);
    }
    let datum = |((_, metric, dimensions), values)| MetricDatum {
        metric,
        dimensions,
        values,
    };
    datums.into_iter().map(datum).collect()
}

/// Source: KCL, `MetricsUtil`: the names of its dimensions.
fn dimensions(metric: Metric, lease: Option<&LeaseKey>, scope: Scope<'_>) -> Dimensions {
    let mut dimensions = vec![("Operation", metric.operation().to_owned())];
    let mut push = |dimension: MetricsDimension, value: Option<String>| {
        let value = value
            .map(|value| printable(&value))
            .filter(|value| !value.is_empty());
        if let Some(value) = value
            && scope.config.has(dimension)
        {
            dimensions.push((dimension.as_str(), value));
        }
    };
    if let Some(lease) = lease.filter(|_| metric.is_by_shard()) {
        push(
            MetricsDimension::StreamId,
            lease.stream().map(|id| id.to_string()),
        );
        push(
            MetricsDimension::ShardId,
            lease.shard().map(|id| id.as_str().to_owned()),
        );
    }
    if metric.is_by_worker() {
        let worker = scope.worker_id.as_str().to_owned();
        push(MetricsDimension::WorkerIdentifier, Some(worker));
    }
    dimensions
}

/// CloudWatch takes printable ASCII, no blank values, and no leading colon.
fn printable(value: &str) -> String {
    let cleaned: String = value
        .trim()
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .take(MAX_VALUE)
        .collect();
    cleaned.trim_start_matches(':').to_owned()
}

/// Source: CloudWatch API reference, PutMetricData. Applies to: datums of one call. (The KCL sends 20 at a time.)
const BATCH_DATUMS: usize = 1_000;
/// Source: as above, 1 MB of payload; less, since sizes are estimated.
const BATCH_BYTES: usize = 900_000;
/// Source: as above. Applies to: characters of a dimension's value.
const MAX_VALUE: usize = 1_024;
/// Field names, numbers, timestamp and unit of a datum in the most talkative encoding.
const DATUM_BYTES: usize = 400;
const DIMENSION_BYTES: usize = 60;
