//! What becomes of counts: totals, exports, datums.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::export::Export;
use super::registry::MAX_LEASES;
use super::*;
use crate::config::{MetricsConfig, MetricsDimension, MetricsLevel};
use crate::lease::{LeaseKey, WorkerId};

#[expect(clippy::disallowed_methods, reason = "virtual time has to start somewhere")]
fn start() -> Instant {
    Instant::now()
}

fn key(number: usize) -> LeaseKey {
    LeaseKey::new(&format!("shardId-{number:012}"))
}

fn of_stream(number: usize) -> LeaseKey {
    LeaseKey::new(&format!("123456789012:orders:17:shardId-{number:012}"))
}

fn snapshot(registry: &mut Registry) -> MetricsSnapshot {
    registry.snapshot(WorkerId::new("w1"), start())
}

fn published(registry: &mut Registry, config: &MetricsConfig) -> (Vec<MetricDatum>, usize) {
    let worker_id = WorkerId::new("w1");
    let scope = Scope {
        worker_id: &worker_id,
        config,
    };
    let (batches, surplus) = batches(registry.take_export(), scope);
    (batches.into_iter().flatten().collect(), surplus)
}

#[test]
fn a_lease_that_is_left_stays_in_the_totals_and_leaves_its_place() {
    let mut registry = Registry::new(false, start());
    let cells = registry.lease_cells(&key(1));
    cells.add(Metric::RecordsProcessed, 5, 1);
    assert_eq!(snapshot(&mut registry).leases().len(), 1);
    drop(cells);
    assert_eq!(snapshot(&mut registry).get(Metric::RecordsProcessed), 5);
    assert_eq!(registry.leases(), 0);
    let again = registry.lease_cells(&key(1));
    again.add(Metric::RecordsProcessed, 2, 1);
    let snapshot = snapshot(&mut registry);
    assert_eq!(snapshot.get(Metric::RecordsProcessed), 7);
    let of_lease = snapshot.lease(&key(1)).unwrap();
    assert_eq!(
        of_lease.values(Metric::RecordsProcessed).sum(),
        2.0,
        "of this time"
    );
}

#[test]
fn what_a_left_lease_counted_last_is_exported_before_it_is_forgotten() {
    let mut registry = Registry::new(true, start());
    registry.lease_cells(&key(1)).add(Metric::RecordsProcessed, 5, 1);
    snapshot(&mut registry);
    assert_eq!(registry.leases(), 1, "not exported yet");
    let exported: Vec<_> = registry
        .take_export()
        .iter()
        .map(|e| (e.metric, e.values.sum()))
        .collect();
    assert_eq!(exported, [(Metric::RecordsProcessed, 5.0)]);
    assert_eq!(registry.leases(), 0);
    assert!(registry.take_export().is_empty(), "once");
}

#[test]
fn memory_is_bounded_and_nothing_is_lost() {
    let mut registry = Registry::new(false, start());
    let held: Vec<_> = (0..MAX_LEASES + 100)
        .map(|number| registry.lease_cells(&key(number)))
        .collect();
    for cells in &held {
        cells.add(Metric::RecordsProcessed, 1, 1);
    }
    assert_eq!(registry.leases(), MAX_LEASES);
    let counted = snapshot(&mut registry);
    assert_eq!(counted.get(Metric::RecordsProcessed), held.len() as u64);
    drop(held);
    assert!(Arc::strong_count(&registry.lease_cells(&key(0))) > 1);
    assert_eq!(registry.leases(), MAX_LEASES, "until somebody looks");
    registry.lease_cells(&key(MAX_LEASES + 200));
    assert_eq!(registry.leases(), 1, "room was made");
}

#[test]
fn lag_is_told_by_shard_and_for_the_application() {
    let mut registry = Registry::new(true, start());
    let (one, two) = (registry.lease_cells(&key(1)), registry.lease_cells(&key(2)));
    one.add(Metric::MillisBehindLatest, 7_000, 1);
    one.add(Metric::MillisBehindLatest, 1_000, 1);
    two.add(Metric::MillisBehindLatest, 3_000, 1);
    let counted = snapshot(&mut registry);
    assert_eq!(counted.behind_latest(), Some(Duration::from_secs(3)), "of now");
    assert_eq!(
        counted.values(Metric::ApplicationMillisBehindLatest).max(),
        Some(7_000.0)
    );
    let (datums, _) = published(&mut registry, &MetricsConfig::default());
    let lags: Vec<_> = datums
        .iter()
        .map(|datum| (datum.name(), datum.dimensions().to_vec(), datum.values().max()))
        .collect();
    let operation = |name: &str| ("Operation", name.to_owned());
    let shard = |number| ("ShardId", key(number).as_str().to_owned());
    assert_eq!(
        lags,
        [
            (
                "MillisBehindLatest",
                vec![operation("ApplicationTracker")],
                Some(7_000.0)
            ),
            (
                "MillisBehindLatest",
                vec![operation("ProcessTask"), shard(1)],
                Some(7_000.0)
            ),
            (
                "MillisBehindLatest",
                vec![operation("ProcessTask"), shard(2)],
                Some(3_000.0)
            ),
        ]
    );
}

#[test]
fn dimensions_are_the_kcls_and_may_be_left_out() {
    let fill = |registry: &mut Registry| {
        registry.worker_cells().add(Metric::TakenLeases, 2, 1);
        for number in 1..=2 {
            registry
                .lease_cells(&of_stream(number))
                .add(Metric::RecordsProcessed, 4, 1);
        }
    };
    let names = |config: &MetricsConfig| {
        let mut registry = Registry::new(true, start());
        fill(&mut registry);
        let of = |datum: &MetricDatum| {
            let dimensions: Vec<_> = datum
                .dimensions()
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            (dimensions.join(" "), datum.values().sum())
        };
        published(&mut registry, config)
            .0
            .iter()
            .map(of)
            .collect::<Vec<_>>()
    };
    let all = MetricsConfig::default();
    let shard =
        |n| format!("Operation=ProcessTask StreamId=123456789012:orders:17 ShardId=shardId-00000000000{n}");
    assert_eq!(
        names(&all),
        [
            ("Operation=TakeLeases WorkerIdentifier=w1".to_owned(), 2.0),
            (shard(1), 4.0),
            (shard(2), 4.0),
        ]
    );
    let few = MetricsConfig::default().with_dimensions([MetricsDimension::StreamId]);
    let stream = "Operation=ProcessTask StreamId=123456789012:orders:17";
    assert_eq!(
        names(&few),
        [("Operation=TakeLeases".to_owned(), 2.0), (stream.to_owned(), 8.0)],
        "added up over shards"
    );
}

#[test]
fn levels_choose_what_is_published() {
    let count = |level| {
        let mut registry = Registry::new(true, start());
        let cells = registry.lease_cells(&key(1));
        cells.add(Metric::RecordsProcessed, 4, 1);
        cells.add(Metric::GetRecordsTime, 4, 1);
        let config = MetricsConfig::default().with_level(level);
        published(&mut registry, &config).0.len()
    };
    assert_eq!(count(MetricsLevel::None), 0);
    assert_eq!(count(MetricsLevel::Summary), 1);
    assert_eq!(count(MetricsLevel::Detailed), 2);
}

#[test]
fn what_is_too_much_is_left_out_finest_first_and_counted() {
    let mut registry = Registry::new(true, start());
    registry.worker_cells().add(Metric::StartSuccess, 1, 1);
    for number in 0..10 {
        registry
            .lease_cells(&key(number))
            .add(Metric::RecordsProcessed, 1, 1);
    }
    let config = MetricsConfig::default().with_max_datums(4);
    let (datums, surplus) = published(&mut registry, &config);
    assert_eq!((datums.len(), surplus), (4, 7));
    assert_eq!(datums[0].name(), "Initialize.Success");
}

#[test]
fn requests_stay_within_what_cloudwatch_takes() {
    let exports = (0..2_500).map(|number| Export {
        metric: Metric::RecordsProcessed,
        lease: Some(key(number)),
        values: Statistics::default(),
    });
    let worker_id = WorkerId::new("w1");
    let config = MetricsConfig::default();
    let scope = Scope {
        worker_id: &worker_id,
        config: &config,
    };
    let (batches, surplus) = batches(exports.collect(), scope);
    let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
    assert_eq!((sizes, surplus), (vec![1_000, 1_000, 500], 0));
}

/// Source: KCL 3.5, its metrics by operation, those that make sense without its scheduler.
#[test]
fn names_and_levels_are_the_kcls() {
    let of = |operation: &str, level| {
        let mut names: Vec<_> = Metric::ALL
            .into_iter()
            .filter(|m| m.is_of_kcl() && m.operation() == operation && m.level() == level)
            .map(Metric::name)
            .collect();
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(
        of("ProcessTask", MetricsLevel::Summary),
        "DataBytesProcessed ExpiredIterator MillisBehindLatest RecordProcessor.processRecords.Time RecordsProcessed \
         Success Time"
    );
    assert_eq!(
        of("ProcessTask", MetricsLevel::Detailed),
        "KinesisDataFetcher.getRecords.Success KinesisDataFetcher.getRecords.Time \
         KinesisDataFetcher.getShardIterator.Success KinesisDataFetcher.getShardIterator.Time UpdateLease.Success \
         UpdateLease.Time"
    );
    assert_eq!(
        of("RenewAllLeases", MetricsLevel::Summary),
        "CurrentLeases LostLeases"
    );
    assert_eq!(
        of("RenewAllLeases", MetricsLevel::Detailed),
        "RenewLease.Success RenewLease.Time"
    );
    assert_eq!(
        of("ApplicationTracker", MetricsLevel::Summary),
        "MillisBehindLatest"
    );
}

proptest! {
    #[test]
    fn exports_and_totals_agree(
        values in prop::collection::vec((0_u64..1_000_000, 0_usize..3, any::<bool>()), 0..60),
    ) {
        let mut registry = Registry::new(true, start());
        let mut exported = Statistics::default();
        for (value, lease, export) in &values {
            registry.lease_cells(&key(*lease)).add(Metric::RecordsProcessed, *value, 1);
            if *export {
                for export in registry.take_export() {
                    exported.merge(&export.values);
                }
            }
        }
        for export in registry.take_export() {
            exported.merge(&export.values);
        }
        let counted = snapshot(&mut registry).values(Metric::RecordsProcessed);
        let exact: u64 = values.iter().map(|(value, ..)| value).sum();
        prop_assert_eq!(counted.count(), values.len() as u64);
        prop_assert_eq!(counted.sum(), exact as f64);
        prop_assert_eq!(exported.count(), counted.count());
        prop_assert_eq!(exported.sum(), counted.sum());
        prop_assert_eq!(counted.max(), values.iter().map(|(value, ..)| *value as f64).reduce(f64::max));
        prop_assert_eq!(exported.min(), counted.min());
    }
}
