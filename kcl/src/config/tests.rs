use std::num::NonZeroUsize;
use std::time::Duration;

use super::*;

fn builder() -> ConsumerConfigBuilder {
    ConsumerConfig::builder("stock", "sales")
}

#[test]
fn defaults_are_those_of_the_kcl_where_it_has_them() {
    let config = builder().build().unwrap();
    assert_eq!(config.application_name(), "stock");
    assert_eq!(config.stream().unwrap().as_str(), "sales");
    assert_eq!(config.lease_table_name(), "stock");
    assert_eq!(config.initial_position(), InitialPosition::TrimHorizon);
    assert_eq!(config.leasing.failover, Duration::from_secs(10));
    assert_eq!(config.leasing.hand_over_timeout, Duration::from_secs(30));
    assert_eq!(config.retrieval.max_records, 10_000);
    assert_eq!(config.coordination.scan_interval, None, "by what there is to see");
}

#[test]
fn worker_ids_are_unique_unless_given() {
    let (one, two) = (builder().build().unwrap(), builder().build().unwrap());
    assert_ne!(one.worker_id(), two.worker_id());
    assert_eq!(
        builder().worker_id("w1").build().unwrap().worker_id().as_str(),
        "w1"
    );
}

#[test]
fn a_worker_id_that_would_meet_other_rows_is_refused() {
    for id in [
        "shardId-000000000001",
        "Leader",
        "1:orders:17:shardId-000000000001",
    ] {
        let error = builder().worker_id(id).build().unwrap_err();
        assert!(
            matches!(&error, ConfigError::Name { setting, .. } if *setting == "worker id"),
            "{id}: {error}"
        );
    }
}

#[test]
fn what_is_out_of_range_is_named() {
    let ms = Duration::from_millis;
    let bytes = |n| NonZeroUsize::new(n).unwrap();
    let cases = [
        ("application name", ConsumerConfig::builder("ab", "sales")),
        ("application name", ConsumerConfig::builder("a b c", "sales")),
        ("stream name", ConsumerConfig::builder("stock", "")),
        ("stream name", ConsumerConfig::builder("stock", "sa les")),
        ("worker id", builder().worker_id("")),
        ("worker id", builder().worker_id(&"w".repeat(257))),
        ("lease table name", builder().lease_table_name("a/b/c")),
        ("failover", builder().failover(ms(99))),
        ("failover", builder().failover(ms(3_600_001))),
        ("hand_over_timeout", builder().hand_over_timeout(ms(1))),
        ("max_records", builder().max_records(0)),
        ("max_records", builder().max_records(10_001)),
        ("idle_between_reads", builder().idle_between_reads(ms(199))),
        ("prefetch_bytes", builder().prefetch_bytes(bytes(1000))),
        ("request_timeout", builder().request_timeout(ms(0))),
        ("scan_interval", builder().scan_interval(ms(10))),
        ("scan_interval", builder().scan_interval(ms(10_001))),
        ("shard_sync_interval", builder().shard_sync_interval(ms(1))),
        ("start_timeout", builder().start_timeout(ms(1))),
        ("shutdown_timeout", builder().shutdown_timeout(ms(3_600_001))),
        ("retry_backoff", builder().retry_backoff(ms(2), ms(1))),
        ("retry_backoff", builder().retry_backoff(ms(0), ms(1))),
    ];
    for (setting, builder) in cases {
        let text = builder.build().expect_err(setting).to_string();
        assert!(text.contains(setting), "{text} does not name {setting}");
    }
}

#[test]
fn the_ends_of_ranges_are_inside() {
    let config = builder()
        .failover(Duration::from_millis(100))
        .scan_interval(Duration::from_millis(100))
        .max_records(1)
        .idle_between_reads(Duration::from_millis(200))
        .shutdown_timeout(Duration::ZERO)
        .lease_table_name(&"t".repeat(255))
        .build();
    assert_eq!(config.unwrap().lease_table_name().len(), 255);
}
