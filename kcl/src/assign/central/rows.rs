//! Workers' rows, read as reports.

use super::liveness::{GaugeHistory, WorkerReport};
use super::model::GaugeKind;
use crate::fleet::WorkerStats;

impl WorkerReport {
    pub(crate) fn of_row(row: &WorkerStats) -> Self {
        let gauge = |(name, values): (&String, &Vec<f64>)| GaugeHistory {
            kind: gauge_kind(name),
            values: values.clone(),
            limit: row.ranges.get(name).and_then(|range| range.first()).copied(),
        };
        Self {
            worker: row.worker.clone(),
            updated_at: row.updated_at_s,
            gauges: row.metrics.iter().map(gauge).collect(),
        }
    }
}

/// Source: KCL 3.x, `WorkerMetricType`: short names. What is not known is taken for one more measure of throughput, as the
/// neutral one.
fn gauge_kind(short_name: &str) -> GaugeKind {
    match short_name {
        "C" => GaugeKind::Cpu,
        "M" => GaugeKind::Memory,
        "NI" => GaugeKind::NetworkIn,
        "NO" => GaugeKind::NetworkOut,
        _ => GaugeKind::Throughput,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::WorkerId;

    #[test]
    fn each_metric_is_a_gauge_with_the_first_number_of_its_range() {
        let row = WorkerStats {
            worker: WorkerId::new("w1"),
            updated_at_s: 7,
            metrics: [("C", 10.0), ("M", 20.0), ("NI", 30.0), ("NO", 40.0), ("X", 50.0)]
                .map(|(name, value)| (name.to_owned(), vec![value]))
                .into(),
            ranges: [("C".to_owned(), vec![80.0, 5.0]), ("M".to_owned(), Vec::new())].into(),
            support: None,
            support_at_s: None,
        };
        let report = WorkerReport::of_row(&row);
        assert_eq!((report.worker.as_str(), report.updated_at), ("w1", 7));
        let gauges: Vec<_> = report
            .gauges
            .iter()
            .map(|g| (g.kind, g.values[0], g.limit))
            .collect();
        let expected = [
            (GaugeKind::Cpu, 10.0, Some(80.0)),
            (GaugeKind::Memory, 20.0, None),
            (GaugeKind::NetworkIn, 30.0, None),
            (GaugeKind::NetworkOut, 40.0, None),
            (GaugeKind::Throughput, 50.0, None),
        ];
        assert_eq!(gauges, expected);
    }
}
