//! From counts to the tree, to snapshots, and to what is uploaded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kinesis_aggregation::ShardId;
use proptest::prelude::*;

use super::export::datums;
use super::meter::{DeliveredRecord, EntryEnd, FailedRecord, Meter, SentTo};
use super::registry::{MAX_CODES, MAX_SHARDS, SILENCE};
use super::*;
use crate::config::{MetricsConfig, MetricsGranularity, MetricsLevel};
use crate::pipeline::ListedShard;
use crate::stream::StreamName;

#[expect(clippy::disallowed_methods, reason = "virtual time has to start somewhere")]
fn start() -> Instant {
    Instant::now()
}

fn orders() -> StreamName {
    StreamName::new("orders").expect("valid")
}

fn shard(number: u64) -> ShardId {
    ShardId::from_number(number)
}

fn once(value: f64) -> Statistics {
    let mut statistics = Statistics::default();
    statistics.add(value, 1);
    statistics
}

fn registry() -> (Registry, Instant) {
    let now = start();
    (Registry::new(MetricsGranularity::Shard, true, now), now)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn delivered(data: usize) -> DeliveredRecord {
    DeliveredRecord {
        data,
        key: 1,
        retries: 0,
        may_be_stored_twice: false,
    }
}

fn put_on(metric: Metric, number: u64) -> Node {
    Node::of_stream(metric, &orders()).on_shard(Some(shard(number)))
}

#[test]
fn what_is_added_at_a_shard_is_added_above() {
    let (mut registry, now) = registry();
    let other = StreamName::new("payments").expect("valid");
    registry.add(put_on(Metric::UserRecordsPut, 0), &once(1.0), now);
    registry.add(put_on(Metric::UserRecordsPut, 1), &once(0.0), now);
    registry.add(Node::of_stream(Metric::UserRecordsPut, &other), &once(1.0), now);
    let all = registry.snapshot(seconds(60), now);
    let count = |series: Option<&MetricSeries>| series.map(|s| (s.total().count(), s.total().sum()));
    assert_eq!(count(all.global(Metric::UserRecordsPut)), Some((3, 2.0)));
    assert_eq!(
        count(all.stream(Metric::UserRecordsPut, &orders())),
        Some((2, 1.0))
    );
    assert_eq!(count(all.stream(Metric::UserRecordsPut, &other)), Some((1, 1.0)));
    assert_eq!(
        count(all.shard(Metric::UserRecordsPut, &orders(), &shard(1))),
        Some((1, 0.0))
    );
    assert_eq!(
        count(all.shard(Metric::UserRecordsPut, &orders(), &shard(2))),
        None
    );
}

#[test]
fn pending_records_of_all_streams_are_a_sum() {
    let (mut registry, now) = registry();
    let other = StreamName::new("payments").expect("valid");
    for (stream, value) in [(orders(), 10.0), (other, 5.0), (orders(), 2.0)] {
        let node = Node::of_stream(Metric::UserRecordsPending, &stream);
        registry.add(node, &once(value), now);
        registry.level(Metric::UserRecordsPending, &stream, value, now);
    }
    let all = registry.snapshot(seconds(60), now);
    let global = all.global(Metric::UserRecordsPending).expect("sampled").total();
    assert_eq!(global.count(), 3);
    assert_eq!(global.max(), Some(15.0));
    assert_eq!(global.min(), Some(7.0));
    let stream = all
        .stream(Metric::UserRecordsPending, &orders())
        .expect("sampled");
    assert_eq!(stream.total().max(), Some(10.0));
}

#[test]
fn exports_take_each_count_once_and_leave_the_windows_alone() {
    let (mut registry, now) = registry();
    registry.add(put_on(Metric::UserRecordsPut, 0), &once(1.0), now);
    assert_eq!(registry.take_export().len(), 3, "shard, stream, all");
    assert!(registry.take_export().is_empty());
    let after = registry.snapshot(seconds(60), now + seconds(1));
    let series = after.global(Metric::UserRecordsPut).expect("still there");
    assert_eq!(
        series.recent().count(),
        1,
        "an upload takes nothing from a window"
    );
    registry.add(put_on(Metric::UserRecordsPut, 0), &once(1.0), now);
    let again = registry.take_export();
    assert!(
        again.iter().all(|export| export.counts.count() == 1),
        "only what is new"
    );
}

#[test]
fn windows_forget_and_totals_do_not() {
    let (mut registry, now) = registry();
    let at = |registry: &Registry, after, window| {
        let snapshot = registry.snapshot(seconds(window), now + seconds(after));
        let series = snapshot.global(Metric::UserRecordsPut).expect("counted");
        (series.recent().count(), series.total().count(), snapshot.recent())
    };
    registry.add(put_on(Metric::UserRecordsPut, 0), &once(1.0), now + seconds(5));
    assert_eq!(at(&registry, 9, 60), (1, 1, seconds(9)));
    registry.add(put_on(Metric::UserRecordsPut, 0), &once(1.0), now + seconds(25));
    assert_eq!(at(&registry, 25, 60), (2, 2, seconds(25)));
    assert_eq!(
        at(&registry, 25, 10),
        (1, 2, seconds(5)),
        "the current slice only"
    );
    assert_eq!(
        at(&registry, 69, 60),
        (1, 2, seconds(59)),
        "the first slice is over"
    );
    assert_eq!(at(&registry, 200, 60), (0, 2, seconds(50)));
}

#[test]
fn shards_that_fell_silent_are_forgotten() {
    let (mut registry, now) = registry();
    registry.add(put_on(Metric::UserRecordsPut, 0), &once(1.0), now);
    let later = now + SILENCE + seconds(60);
    registry.add(put_on(Metric::UserRecordsPut, 1), &once(1.0), later);
    let all = registry.snapshot(seconds(60), later);
    assert!(all.shard(Metric::UserRecordsPut, &orders(), &shard(0)).is_none());
    assert!(all.shard(Metric::UserRecordsPut, &orders(), &shard(1)).is_some());
    let stream = all.stream(Metric::UserRecordsPut, &orders()).expect("kept");
    assert_eq!(stream.total().count(), 2, "their stream keeps what they had");
}

#[test]
fn memory_is_bounded_however_many_shards_and_codes_come() {
    let (mut registry, now) = registry();
    for number in 0..MAX_SHARDS as u64 * 2 {
        registry.add(put_on(Metric::UserRecordsPut, number), &once(1.0), now);
    }
    for number in 0..MAX_CODES * 2 {
        let code = Arc::from(format!("Code{number}"));
        let node = Node::of_stream(Metric::ErrorsByCode, &orders()).with_code(code);
        registry.add(node, &once(1.0), now);
    }
    assert_eq!(registry.len(), MAX_SHARDS + 2 + 2 * (MAX_CODES + 1));
    let all = registry.snapshot(seconds(60), now);
    let stream = all.stream(Metric::UserRecordsPut, &orders()).expect("counted");
    assert_eq!(
        stream.total().count(),
        MAX_SHARDS as u64 * 2,
        "nothing is left out above"
    );
    let errors: u64 = all.errors().map(|(_, counts)| counts.count()).sum();
    assert_eq!(errors, MAX_CODES as u64 * 2);
}

#[test]
fn a_granularity_is_kept_in_memory_too() {
    let now = start();
    let mut registry = Registry::new(MetricsGranularity::Stream, true, now);
    registry.add(put_on(Metric::UserRecordsPut, 0), &once(1.0), now);
    assert_eq!(registry.len(), 2, "stream and all");
    let mut registry = Registry::new(MetricsGranularity::Global, true, now);
    registry.add(put_on(Metric::UserRecordsPut, 0), &once(1.0), now);
    assert_eq!(registry.len(), 1);
}

/// A meter that has seen one of everything on shard 7.
fn busy_meter() -> Meter {
    let mut meter = Meter::default();
    meter.on_shards(&[ListedShard {
        id: shard(7),
        range: kinesis_aggregation::HashKeyRange::FULL,
        is_open: true,
    }]);
    for _ in 0..5 {
        meter.on_put(11);
    }
    assert_eq!(meter.pending(), (5, 55));
    meter.on_request(Duration::from_millis(20), 2, 4, None);
    let seven = shard(7);
    let entry = |records| SentTo {
        shard: &seven,
        bytes: 100,
        records,
    };
    meter.on_entry(entry(3), EntryEnd::Stored);
    meter.on_entry(entry(1), EntryEnd::Refused("InternalFailure"));
    meter.on_buffered(&seven, [10, 10, 30].map(Duration::from_millis).into_iter());
    meter.on_delivered(&seven, [10, 10, 10].map(delivered).into_iter());
    meter.on_failed(&FailedRecord {
        hash_key: kinesis_aggregation::HashKey::new(5),
        bytes: 11,
        attempts: 3,
        is_expired: true,
        may_be_stored: true,
    });
    meter.on_request(Duration::from_millis(40), 1, 1, Some("AccessDeniedException"));
    meter.on_entry(entry(1), EntryEnd::Unanswered);
    assert_eq!(meter.pending(), (1, 11));
    meter
}

#[test]
fn the_meter_counts_what_the_kpl_counts() {
    let mut meter = busy_meter();
    let (mut registry, now) = registry();
    meter.take(&orders(), |node, counts| registry.add(node, counts, now));
    assert!(meter.is_empty(), "taken");
    let all = registry.snapshot(seconds(60), now);
    let values = |series: Option<&MetricSeries>| series.map(|s| (s.total().count(), s.total().sum()));
    let on_the_shard = [
        // The mean is the rate of success.
        (Metric::UserRecordsPut, 4, 3.0),
        (Metric::UserRecordsDataPut, 3, 30.0),
        // Of answered requests only.
        (Metric::KinesisRecordsPut, 2, 1.0),
        (Metric::KinesisRecordsDataPut, 1, 100.0),
        (Metric::UserRecordsPerKinesisRecord, 3, 5.0),
        (Metric::RetriesPerRecord, 4, 2.0),
        (Metric::UserRecordExpired, 1, 1.0),
        (Metric::BufferingTime, 3, 50.0),
        // An entry refused, a record expired, and a zero for the entry that was stored.
        (Metric::AllErrors, 3, 2.0),
    ];
    for (metric, count, sum) in on_the_shard {
        let found = values(all.shard(metric, &orders(), &shard(7)));
        assert_eq!(found, Some((count, sum)), "{metric:?}");
    }
    let on_the_stream = [
        (Metric::UserRecordsReceived, 5, 5.0),
        (Metric::RequestTime, 2, 60.0),
        (Metric::KinesisRecordsPerPutRecordsRequest, 2, 3.0),
        (Metric::UserRecordsPerPutRecordsRequest, 2, 5.0),
        (Metric::PossibleDuplicates, 1, 1.0),
        (Metric::OpenShards, 1, 1.0),
        // The request that failed as a whole as well.
        (Metric::AllErrors, 4, 3.0),
    ];
    for (metric, count, sum) in on_the_stream {
        let found = values(all.stream(metric, &orders()));
        assert_eq!(found, Some((count, sum)), "{metric:?}");
    }
    let codes: Vec<_> = all
        .errors()
        .map(|(code, counts)| (code, counts.count()))
        .collect();
    let expected = [
        ("AccessDeniedException", 1),
        ("Expired", 1),
        ("InternalFailure", 1),
    ];
    assert_eq!(codes, expected);
}

fn paths(datums: &[MetricDatum]) -> Vec<String> {
    let path = |datum: &MetricDatum| {
        let dimensions: Vec<_> = datum
            .dimensions()
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        format!("{} {}", datum.name(), dimensions.join(" "))
            .trim_end()
            .to_owned()
    };
    datums.iter().map(path).collect()
}

fn exports() -> Vec<Export> {
    let (mut registry, now) = registry();
    registry.add(put_on(Metric::UserRecordsPut, 0), &once(1.0), now);
    let error = put_on(Metric::ErrorsByCode, 0).with_code(Arc::from("InternalFailure"));
    registry.add(error, &once(1.0), now);
    registry.add(Node::of_stream(Metric::RequestTime, &orders()), &once(5.0), now);
    registry.take_export()
}

#[test]
fn dimensions_are_the_kpls() {
    let all = datums(exports(), &MetricsConfig::default());
    assert_eq!(
        paths(&all),
        [
            "UserRecordsPut",
            "RequestTime",
            "UserRecordsPut StreamName=orders",
            "ErrorsByCode ErrorCode=InternalFailure",
            "RequestTime StreamName=orders",
            "UserRecordsPut StreamName=orders ShardId=shardId-000000000000",
            "ErrorsByCode ErrorCode=InternalFailure StreamName=orders",
            "ErrorsByCode ErrorCode=InternalFailure StreamName=orders ShardId=shardId-000000000000",
        ]
    );
}

#[test]
fn level_and_granularity_choose() {
    let count = |level, granularity| {
        let config = MetricsConfig::default()
            .with_level(level)
            .with_granularity(granularity);
        paths(&datums(exports(), &config))
    };
    assert!(count(MetricsLevel::None, MetricsGranularity::Shard).is_empty());
    assert_eq!(
        count(MetricsLevel::Summary, MetricsGranularity::Global),
        ["UserRecordsPut", "ErrorsByCode ErrorCode=InternalFailure"]
    );
    assert_eq!(count(MetricsLevel::Detailed, MetricsGranularity::Stream).len(), 6);
}

#[test]
fn additional_dimensions_slot_in_at_their_level() {
    let config = MetricsConfig::default()
        .with_level(MetricsLevel::Summary)
        .with_dimension("Host", "h1", MetricsGranularity::Shard)
        .with_dimension("Environment", "test", MetricsGranularity::Global)
        .with_dimension("Team", "shop", MetricsGranularity::Stream);
    let all = datums(exports(), &config);
    let put: Vec<_> = paths(&all)
        .into_iter()
        .filter(|p| p.starts_with("UserRecordsPut"))
        .collect();
    assert_eq!(
        put,
        [
            "UserRecordsPut",
            "UserRecordsPut Environment=test",
            "UserRecordsPut Environment=test StreamName=orders",
            "UserRecordsPut Environment=test StreamName=orders Team=shop",
            "UserRecordsPut Environment=test StreamName=orders Team=shop ShardId=shardId-000000000000",
            "UserRecordsPut Environment=test StreamName=orders Team=shop ShardId=shardId-000000000000 Host=h1",
        ]
    );
}

#[test]
fn blank_and_odd_codes_do_not_spoil_an_upload() {
    let of_code = |code: &str| {
        let node = Node::of_stream(Metric::ErrorsByCode, &orders()).with_code(Arc::from(code));
        let export = Export {
            node,
            counts: once(1.0),
        };
        paths(&datums(vec![export], &MetricsConfig::default())).remove(0)
    };
    assert_eq!(of_code(""), "ErrorsByCode StreamName=orders");
    assert_eq!(of_code("  "), "ErrorsByCode StreamName=orders");
    assert_eq!(
        of_code(":größe\n"),
        "ErrorsByCode ErrorCode=gr??e StreamName=orders"
    );
}

proptest! {
    #[test]
    fn batches_hold_all_within_the_limits(shards in 1_u64..400, dimensions in 0_usize..4) {
        let mut config = MetricsConfig::default();
        for n in 0..dimensions {
            config = config.with_dimension(format!("d{n}"), "v".repeat(200), MetricsGranularity::Shard);
        }
        let (mut registry, now) = registry();
        for number in 0..shards {
            for metric in [Metric::UserRecordsPut, Metric::BufferingTime, Metric::AllErrors] {
                registry.add(put_on(metric, number), &once(1.0), now);
            }
        }
        let exports = registry.take_export();
        let all = datums(exports.clone(), &config);
        let batches = batches(exports, &config);
        for batch in &batches {
            prop_assert!(!batch.is_empty() && batch.len() <= 1_000);
            let bytes: usize = batch
                .iter()
                .flat_map(|datum| datum.dimensions())
                .map(|(name, value)| name.len() + value.len())
                .sum();
            prop_assert!(bytes < 1_000_000);
        }
        prop_assert_eq!(batches.concat(), all);
    }
}
