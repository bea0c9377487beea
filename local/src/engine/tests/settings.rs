use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3_600_000;

fn retention(hours: i64) -> RetentionPeriodRequest {
    RetentionPeriodRequest {
        stream: here(),
        retention_period_hours: Some(hours),
    }
}

#[test]
fn records_are_kept_for_a_day_and_not_a_moment_longer() {
    let mut engine = engine(1);
    put(&mut engine, entry("k", "old"), START);
    put(&mut engine, entry("k", "new"), START + HOUR);
    assert_eq!(
        texts(&read_shard(&mut engine, 0, 10, START + 24 * HOUR - 1).0),
        ["old", "new"]
    );
    assert_eq!(
        texts(&read_shard(&mut engine, 0, 10, START + 24 * HOUR).0),
        ["new"]
    );
    let held = engine.held_bytes();
    assert!(read_shard(&mut engine, 0, 10, START + 25 * HOUR).0.is_empty());
    assert!(held > 0 && engine.held_bytes() == 0);
}

#[test]
fn a_longer_period_keeps_what_has_not_expired_and_a_shorter_drops_at_once() {
    let mut engine = engine(1);
    put(&mut engine, entry("k", "old"), START);
    put(&mut engine, entry("k", "new"), START + HOUR);
    engine
        .increase_stream_retention_period(retention(48), START + 24 * HOUR)
        .unwrap();
    assert_eq!(
        texts(&read_shard(&mut engine, 0, 10, START + 48 * HOUR).0),
        ["new"]
    );
    put(&mut engine, entry("k", "newer"), START + 48 * HOUR);
    engine
        .decrease_stream_retention_period(retention(24), START + 48 * HOUR)
        .unwrap();
    assert_eq!(
        texts(&read_shard(&mut engine, 0, 10, START + 48 * HOUR).0),
        ["newer"]
    );
    assert_eq!(summary(&mut engine, START + 48 * HOUR).retention_period_hours, 24);
}

#[test]
fn periods_go_the_way_they_say_and_no_further() {
    let mut engine = engine(1);
    let no_hours = RetentionPeriodRequest {
        stream: here(),
        retention_period_hours: None,
    };
    assert_refused(
        engine.increase_stream_retention_period(no_hours, START),
        "ValidationException",
        "retentionPeriodHours",
    );
    for (hours, part) in [
        (23, "Minimum allowed retention period is 24 hours"),
        (8_761, "8760"),
        (-1, "Minimum"),
    ] {
        let refused = engine.increase_stream_retention_period(retention(hours), START);
        assert_refused(refused, "InvalidArgumentException", part);
    }
    engine
        .increase_stream_retention_period(retention(8_760), START)
        .unwrap();
    assert_refused(
        engine.increase_stream_retention_period(retention(48), START),
        "InvalidArgumentException",
        "Use DecreaseRetentionPeriod API.",
    );
    engine
        .decrease_stream_retention_period(retention(24), START)
        .unwrap();
    assert_refused(
        engine.decrease_stream_retention_period(retention(48), START),
        "InvalidArgumentException",
        "Use IncreaseRetentionPeriod API.",
    );
}

proptest! {
    #[test]
    fn memory_stays_within_its_bound_and_the_oldest_go_first(
        puts in prop::collection::vec((any::<u128>(), 0_usize..5_000, 0_u64..50), 1..150),
    ) {
        let limit = 50_000;
        let mut engine = engine_of(3, Settings { memory_bytes: Some(limit), ..Settings::default() });
        let (mut now, mut put_at) = (START, Vec::new());
        for (key, size, wait) in puts {
            now += wait;
            put(&mut engine, entry_at(key, vec![b'x'; size]), now);
            put_at.push(now);
            prop_assert!(engine.held_bytes() <= limit);
        }
        let mut kept: Vec<u64> = (0..3)
            .flat_map(|shard| read_shard(&mut engine, shard, 1_000, now).0)
            .map(|record| record.arrival_ms)
            .collect();
        kept.sort_unstable();
        // What is left is the youngest: as many arrivals from the end.
        prop_assert_eq!(&kept[..], &put_at[put_at.len() - kept.len()..]);
        prop_assert!(kept.len() == put_at.len() || engine.held_bytes() > limit - 6_000);
    }
}

#[test]
fn modes_switch_twice_a_day() {
    let mut engine = limited(2);
    let switch = |engine: &mut Engine, mode: &str, now| {
        let request = UpdateStreamModeRequest {
            stream: StreamAddress::arn(stream_arn()),
            stream_mode: Some(mode.to_owned()),
            warm_throughput_mibps: None,
        };
        engine.update_stream_mode(request, now)
    };
    switch(&mut engine, "ON_DEMAND", START).unwrap();
    assert_eq!(summary(&mut engine, START).open_shard_count, 2, "the shards stay");
    switch(&mut engine, "PROVISIONED", START + 1).unwrap();
    assert_refused(
        switch(&mut engine, "ON_DEMAND", START + 2),
        "LimitExceededException",
        "2 times",
    );
    switch(&mut engine, "ON_DEMAND", START + 24 * HOUR).unwrap();
    let strategy = UpdateRecordDistributionStrategyRequest {
        stream: StreamAddress::arn(stream_arn()),
        strategy: Some("AUTO".to_owned()),
    };
    engine
        .update_stream_record_distribution_strategy(strategy, START + 24 * HOUR)
        .unwrap();
    assert_refused(
        switch(&mut engine, "PROVISIONED", START + 25 * HOUR),
        "InvalidArgumentException",
        "AUTO",
    );
    assert_refused(
        switch(&mut engine, "BOTH", START + 25 * HOUR),
        "ValidationException",
        "ON_DEMAND",
    );
}

#[test]
fn provisioned_streams_refuse_auto_and_warmth() {
    let mut engine = engine(1);
    let strategy = UpdateRecordDistributionStrategyRequest {
        stream: here(),
        strategy: Some("AUTO".to_owned()),
    };
    assert_refused(
        engine.update_stream_record_distribution_strategy(strategy, START),
        "InvalidArgumentException",
        "on-demand",
    );
    let warm = |name: &str| UpdateWarmThroughputRequest {
        stream: StreamAddress::name(name),
        warm_throughput_mibps: Some(100),
    };
    assert_refused(
        engine.update_stream_warm_throughput(warm(STREAM), START),
        "ValidationException",
        "",
    );
    create_on_demand(&mut engine, "od", START);
    assert_refused(
        engine.update_stream_warm_throughput(warm("od"), START),
        "ValidationException",
        "",
    );
    let enable = |status: &str| UpdateAccountSettingsRequest {
        billing_commitment: Some(status.to_owned()),
    };
    let enabled = engine.update_account_settings(enable("ENABLED"), START).unwrap();
    assert_eq!(
        (enabled.billing_commitment, enabled.started_ms),
        ("ENABLED", Some(START))
    );
    let answer = engine.update_stream_warm_throughput(warm("od"), START).unwrap();
    assert_eq!(answer.warm_throughput.target_mibps, 100);
    assert_refused(
        engine.update_account_settings(enable("DISABLED"), START + 23 * HOUR),
        "ValidationException",
        "24 hours",
    );
    engine
        .update_account_settings(enable("DISABLED"), START + 24 * HOUR)
        .unwrap();
    let described = engine.describe_account_settings(START + 24 * HOUR).unwrap();
    assert_eq!(
        (described.billing_commitment, described.ended_ms),
        ("DISABLED", Some(START + 24 * HOUR))
    );
}

#[test]
fn record_sizes_have_a_range() {
    let mut engine = engine(1);
    for (kib, fits) in [(1_023, false), (1_024, true), (10_240, true), (10_241, false)] {
        let request = UpdateMaxRecordSizeRequest {
            stream: here(),
            max_record_size_in_kib: Some(kib),
        };
        assert_eq!(
            engine.update_max_record_size(request, START).is_ok(),
            fits,
            "{kib}"
        );
    }
}

#[test]
fn encryption_is_a_state_that_records_carry() {
    let mut engine = engine(1);
    let request = |encryption: &str, key: Option<&str>| EncryptionRequest {
        stream: here(),
        encryption_type: Some(encryption.to_owned()),
        key_id: key.map(str::to_owned),
    };
    put(&mut engine, entry("k", "plain"), START);
    engine
        .start_stream_encryption(request("KMS", Some("alias/aws/kinesis")), START)
        .unwrap();
    assert_eq!(
        put(&mut engine, entry("k", "secret"), START).encryption_type,
        EncryptionType::Kms
    );
    assert_eq!(
        summary(&mut engine, START).key_id.as_deref(),
        Some("alias/aws/kinesis")
    );
    let types: Vec<_> = read_shard(&mut engine, 0, 10, START)
        .0
        .iter()
        .map(|r| r.encryption_type)
        .collect();
    assert_eq!(types, [EncryptionType::None, EncryptionType::Kms]);
    engine
        .stop_stream_encryption(request("KMS", Some("alias/aws/kinesis")), START)
        .unwrap();
    assert_eq!(summary(&mut engine, START).encryption_type, EncryptionType::None);
    assert_refused(
        engine.start_stream_encryption(request("NONE", Some("k")), START),
        "InvalidArgumentException",
        "",
    );
    assert_refused(
        engine.start_stream_encryption(request("KMS", None), START),
        "ValidationException",
        "keyId",
    );
}

#[test]
fn metrics_are_remembered() {
    let mut engine = engine(1);
    let request = |metrics: &[&str]| MonitoringRequest {
        stream: here(),
        shard_level_metrics: Some(metrics.iter().map(|&metric| metric.to_owned()).collect()),
    };
    let answer = engine
        .enable_enhanced_monitoring(request(&["IncomingBytes", "OutgoingBytes"]), START)
        .unwrap();
    assert!(answer.current_shard_level_metrics.is_empty());
    assert_eq!(
        answer.desired_shard_level_metrics,
        ["IncomingBytes", "OutgoingBytes"]
    );
    let answer = engine
        .disable_enhanced_monitoring(request(&["IncomingBytes"]), START)
        .unwrap();
    assert_eq!(answer.desired_shard_level_metrics, ["OutgoingBytes"]);
    let answer = engine
        .enable_enhanced_monitoring(request(&["ALL"]), START)
        .unwrap();
    assert_eq!(answer.desired_shard_level_metrics.len(), 7);
    let answer = engine
        .disable_enhanced_monitoring(request(&["ALL"]), START)
        .unwrap();
    assert!(answer.desired_shard_level_metrics.is_empty());
    assert_refused(
        engine.enable_enhanced_monitoring(request(&["X"]), START),
        "ValidationException",
        "IncomingBytes",
    );
    assert_refused(
        engine.enable_enhanced_monitoring(request(&[]), START),
        "ValidationException",
        "",
    );
}

fn tags(pairs: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    Some(
        pairs
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    )
}

#[test]
fn tags_are_kept_paged_and_bounded() {
    let mut engine = engine(1);
    let add = |tags| AddTagsRequest { stream: here(), tags };
    engine
        .add_tags_to_stream(add(tags(&[("a", "1"), ("b", "2"), ("c", "")])), START)
        .unwrap();
    let request = ListTagsRequest {
        stream: here(),
        limit: Some(1),
        exclusive_start_tag_key: Some("a".to_owned()),
    };
    let page = engine.list_tags_for_stream(request, START).unwrap();
    assert_eq!(
        (page.tags, page.has_more_tags),
        (vec![("b".to_owned(), "2".to_owned())], true)
    );
    let many: BTreeMap<_, _> = (0..48).map(|n| (n.to_string(), String::new())).collect();
    assert_refused(
        engine.add_tags_to_stream(add(Some(many)), START),
        "InvalidArgumentException",
        "50 tags",
    );
    assert_refused(
        engine.add_tags_to_stream(add(tags(&[])), START),
        "ValidationException",
        "'tags'",
    );
    assert_refused(
        engine.add_tags_to_stream(add(None), START),
        "ValidationException",
        "'tags'",
    );
    let arn = Some(stream_arn());
    let tag = TagResourceRequest {
        resource_arn: arn.clone(),
        tags: tags(&[("d", "4")]),
    };
    engine.tag_resource(tag, START).unwrap();
    let untag = UntagResourceRequest {
        resource_arn: arn.clone(),
        tag_keys: Some(vec!["a".to_owned()]),
    };
    engine.untag_resource(untag, START).unwrap();
    let remove = RemoveTagsRequest {
        stream: here(),
        tag_keys: Some(vec!["b".to_owned(), "z".to_owned()]),
    };
    engine.remove_tags_from_stream(remove, START).unwrap();
    let listed = engine
        .list_tags_for_resource(ResourceRequest { resource_arn: arn }, START)
        .unwrap();
    let keys: Vec<_> = listed.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["c", "d"]);
    let none = ResourceRequest::default();
    assert_refused(
        engine.list_tags_for_resource(none, START),
        "ValidationException",
        "resourceARN",
    );
}

#[test]
fn policies_are_stored_and_returned() {
    let mut engine = engine(1);
    let resource = || ResourceRequest {
        resource_arn: Some(stream_arn()),
    };
    let policy = |text: &str| PutResourcePolicyRequest {
        resource_arn: Some(stream_arn()),
        policy: Some(text.to_owned()),
    };
    assert_refused(
        engine.get_resource_policy(resource(), START),
        "ResourceNotFoundException",
        "",
    );
    assert_refused(
        engine.put_resource_policy(policy("no"), START),
        "InvalidArgumentException",
        "JSON",
    );
    engine.put_resource_policy(policy("{}"), START).unwrap();
    assert_eq!(engine.get_resource_policy(resource(), START).unwrap(), "{}");
    engine.delete_resource_policy(resource(), START).unwrap();
    assert_refused(
        engine.delete_resource_policy(resource(), START),
        "ResourceNotFoundException",
        "",
    );
}
