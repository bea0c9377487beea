//! Defaults, ranges, contradictions.

use super::*;
use crate::error::ConfigError;

fn builder() -> ProducerConfigBuilder {
    ProducerConfig::builder()
}

#[test]
fn the_defaults_are_valid_and_those_of_the_kpl() {
    let config = builder().build().expect("defaults are valid");
    assert_eq!(config, ProducerConfig::default());
    assert_eq!(config.streams().linger(), Duration::from_millis(100));
    assert_eq!(config.streams().record_ttl(), Duration::from_secs(30));
    assert_eq!(config.streams().aggregation_max_size(), 51_200);
    assert_eq!(config.streams().aggregation_max_count(), 4_294_967_295);
    assert_eq!(config.streams().collection_max_count(), 500);
    assert_eq!(config.streams().collection_max_size(), 5_242_880);
    assert_eq!(config.streams().rate_limit(), RateLimit::percent(150));
    assert_eq!(config.streams().max_user_record_size(), None);
    assert_eq!(config.streams().max_in_flight_requests(), 24);
    assert_eq!(config.connect_timeout(), Duration::from_secs(6));
    assert_eq!(config.request_timeout(), Duration::from_secs(6));
}

#[test]
fn each_setting_is_checked_at_both_ends() {
    let ms = Duration::from_millis;
    let setting = |result: Result<ProducerConfig, ConfigError>| match result {
        Err(ConfigError::Duration { setting, .. } | ConfigError::Number { setting, .. }) => setting,
        other => panic!("expected an error about a range, got {other:?}"),
    };
    let days = |n: u64| Duration::from_secs(n * 86_400);
    let cases = [
        (builder().linger(days(1)), "linger"),
        (builder().record_ttl(ms(99)), "record_ttl"),
        (builder().record_ttl(days(2)), "record_ttl"),
        (builder().first_contact_timeout(ms(99)), "first_contact_timeout"),
        (builder().first_contact_timeout(days(2)), "first_contact_timeout"),
        (builder().collection_max_count(0), "collection_max_count"),
        (builder().collection_max_count(501), "collection_max_count"),
        (builder().collection_max_size(52_223), "collection_max_size"),
        (builder().collection_max_size(10_485_761), "collection_max_size"),
        (builder().max_user_record_size(63), "max_user_record_size"),
        (builder().max_user_record_size(10_485_761), "max_user_record_size"),
        (builder().max_in_flight_bytes(65_535), "max_in_flight_bytes"),
        (
            builder().max_in_flight_bytes(u32::MAX as usize + 1),
            "max_in_flight_bytes",
        ),
        (builder().max_in_flight_records(0), "max_in_flight_records"),
        (builder().max_in_flight_requests(0), "max_in_flight_requests"),
        (builder().max_in_flight_requests(257), "max_in_flight_requests"),
        (builder().connect_timeout(ms(99)), "connect_timeout"),
        (builder().connect_timeout(days(1)), "connect_timeout"),
        (builder().request_timeout(ms(99)), "request_timeout"),
        (builder().request_timeout(days(1)), "request_timeout"),
        (builder().rate_limit(RateLimit::percent(0)), "rate_limit"),
        (builder().shard_refresh(ms(999)), "shard_refresh"),
        (builder().shard_refresh(days(2)), "shard_refresh"),
        (builder().summary_refresh(ms(999)), "summary_refresh"),
        (builder().summary_refresh(days(2)), "summary_refresh"),
    ];
    for (builder, name) in cases {
        assert_eq!(setting(builder.build()), name);
    }
}

#[test]
fn the_ends_of_the_ranges_are_valid() {
    let ms = Duration::from_millis;
    let low = builder()
        .linger(Duration::ZERO)
        .record_ttl(ms(100))
        .first_contact_timeout(ms(100))
        .collection_max_count(1)
        .collection_max_size(52_224)
        .max_user_record_size(64)
        .max_in_flight_bytes(65_536)
        .max_in_flight_records(1)
        .max_in_flight_requests(1)
        .connect_timeout(ms(100))
        .request_timeout(ms(100))
        .rate_limit(RateLimit::percent(1));
    assert!(low.build().is_ok());
    let high = builder()
        .collection_max_size(10_485_760)
        .aggregation_max_size(10_485_759);
    assert!(high.build().is_ok());
}

#[test]
fn the_settings_of_one_stream_are_checked_as_well() {
    let orders = StreamName::new("orders").expect("valid");
    let of_orders =
        |change: fn(StreamConfig) -> StreamConfig| builder().for_stream(orders.clone(), change).build();
    assert!(matches!(
        of_orders(|stream| stream.with_collection_max_count(0)),
        Err(ConfigError::Number {
            setting: "collection_max_count",
            ..
        })
    ));
    assert!(matches!(
        of_orders(|stream| stream.with_linger(Duration::from_secs(40))),
        Err(ConfigError::TtlWithinLinger { .. })
    ));
    let large = of_orders(|stream| stream.with_max_user_record_size(10 << 20));
    assert!(large.is_ok());
    let small_budget = builder()
        .max_in_flight_bytes(1 << 20)
        .for_stream(orders.clone(), |stream| stream.with_max_user_record_size(1 << 20));
    assert!(matches!(
        small_budget.build(),
        Err(ConfigError::RecordExceedsBudget {
            record: 0x10_0000,
            budget: 0x10_0000
        })
    ));
    let fits = of_orders(|stream| stream.with_linger(Duration::ZERO)).expect("valid");
    assert_eq!(fits.stream(&orders).linger(), Duration::ZERO);
    let by_arn = StreamName::from_arn("arn:aws:kinesis:eu-west-1:123456789012:stream/orders").expect("valid");
    assert_eq!(
        fits.stream(&by_arn),
        fits.streams(),
        "another name, another stream"
    );
}

#[test]
fn a_time_to_live_may_never_end() {
    let config = builder().record_ttl(StreamConfig::NO_TTL).build().expect("valid");
    assert!(config.streams().ttl() < Duration::MAX, "no clock overflows by it");
}

#[test]
fn a_builder_goes_on_from_settings_that_are_there() {
    let orders = StreamName::new("orders").expect("valid");
    let before = ProducerConfig::builder()
        .linger(Duration::from_millis(7))
        .for_stream(orders.clone(), |stream| {
            stream.with_linger(Duration::from_millis(9))
        })
        .build()
        .expect("in range");
    assert_eq!(before.to_builder().build(), Ok(before.clone()));
    let after = before
        .to_builder()
        .linger(Duration::from_millis(8))
        .seed(1)
        .build()
        .expect("in range");
    assert_eq!(after.streams().linger(), Duration::from_millis(8));
    assert_eq!(after.stream(&orders).linger(), Duration::from_millis(9));
    assert_eq!(after.seed(), Some(1));
}

#[test]
fn settings_at_odds_are_refused() {
    let second = Duration::from_secs(1);
    assert!(matches!(
        builder().linger(second).record_ttl(second).build(),
        Err(ConfigError::TtlWithinLinger { .. })
    ));
    let large = builder().aggregation_max_size(6 * 1024 * 1024);
    assert!(matches!(
        large.build(),
        Err(ConfigError::AggregateExceedsCollection { .. })
    ));
    assert!(matches!(
        builder().aggregation_max_size(63).build(),
        Err(ConfigError::Aggregate(_))
    ));
    assert!(matches!(
        builder().aggregation_max_count(0).build(),
        Err(ConfigError::Aggregate(_))
    ));
}
