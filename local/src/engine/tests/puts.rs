use super::super::sequence::{LAST_COUNTER, SequenceNumber};
use super::*;

#[test]
fn a_record_goes_where_its_hash_key_belongs() {
    let mut engine = engine(4);
    for (key, shard) in [(0, 0), ((1 << 126) - 1, 0), (1 << 126, 1), (u128::MAX, 3)] {
        let stored = put(&mut engine, entry_at(key, "x"), START);
        assert_eq!(stored.shard_id.number(), Some(shard), "{key}");
    }
    // MD5("abcd") is e2fc..., in the last quarter.
    let stored = put(&mut engine, entry("abcd", "x"), START);
    assert_eq!(stored.shard_id.as_str(), "shardId-000000000003");
}

#[test]
fn numbers_climb_and_have_the_services_shape() {
    let mut engine = engine(1);
    let first = engine
        .list_shards(
            ListShardsRequest {
                stream: here(),
                ..Default::default()
            },
            START,
        )
        .unwrap()
        .shards[0]
        .starting_sequence_number;
    let mut last = first;
    for step in 0..100 {
        let stored = put(&mut engine, entry("k", "x"), START + step * 37);
        assert!(stored.sequence_number > last);
        assert_eq!(stored.sequence_number.to_string().len(), 56);
        last = stored.sequence_number;
    }
}

#[test]
fn a_batch_is_answered_in_its_order() {
    let mut engine = engine(2);
    let entries = vec![entry_at(0, "a"), entry_at(u128::MAX, "b"), entry_at(1, "c")];
    let answer = put_all(&mut engine, entries, START).unwrap();
    assert_eq!(answer.failed_record_count, 0);
    let shards: Vec<_> = answer
        .records
        .iter()
        .map(|record| match record {
            PutRecordsResult::Stored { shard_id, .. } => shard_id.number().unwrap(),
            PutRecordsResult::Failed(refused) => panic!("{refused}"),
        })
        .collect();
    assert_eq!(shards, [0, 1, 0]);
    assert_eq!(texts(&read_shard(&mut engine, 0, 10, START).0), ["a", "c"]);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_stored() {
    let mut engine = engine(1);
    let no_key = PutEntry {
        partition_key: None,
        ..entry("", "x")
    };
    let no_data = PutEntry {
        data: None,
        ..entry("k", "x")
    };
    let hash = |text: &str| PutEntry {
        explicit_hash_key: Some(text.to_owned()),
        ..entry("k", "x")
    };
    let mib = |size: usize| Bytes::from(vec![0; size]);
    for (bad, code, part) in [
        (
            no_key,
            "ValidationException",
            "Value null at 'records.2.member.partitionKey'",
        ),
        (
            no_data,
            "ValidationException",
            "Value null at 'records.2.member.data'",
        ),
        (
            entry("", "x"),
            "ValidationException",
            "'records.2.member.partitionKey'",
        ),
        (
            entry(&"k".repeat(257), "x"),
            "ValidationException",
            "less than or equal to 256",
        ),
        (hash("-1"), "ValidationException", "explicitHashKey"),
        (hash("00"), "ValidationException", "explicitHashKey"),
        (
            hash("340282366920938463463374607431768211456"),
            "InvalidArgumentException",
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1].",
        ),
        (entry("k", mib(1 << 20)), "InvalidArgumentException", "1024 KiB"),
        (entry("k", mib((10 << 20) + 1)), "ValidationException", "10485760"),
    ] {
        assert_refused(
            put_all(&mut engine, vec![entry("a", "good"), bad], START),
            code,
            part,
        );
    }
    assert!(
        read_shard(&mut engine, 0, 10, START).0.is_empty(),
        "something was stored"
    );
}

#[test]
fn requests_have_a_size() {
    let mut engine = engine(1);
    let many = vec![entry("k", "x"); 501];
    assert_refused(
        put_all(&mut engine, many, START),
        "ValidationException",
        "less than or equal to 500",
    );
    assert_refused(
        put_all(&mut engine, Vec::new(), START),
        "ValidationException",
        "greater than or equal to 1",
    );
    let none = PutRecordsRequest {
        stream: here(),
        ..Default::default()
    };
    assert_refused(
        engine.put_records(none, START),
        "ValidationException",
        "Value null at 'records'",
    );
    let data = Bytes::from(vec![0; (1 << 20) - 1]);
    let large = vec![entry("k", data.clone()); 11];
    assert_refused(
        put_all(&mut engine, large, START),
        "InvalidArgumentException",
        "10 MB limit",
    );
    // Exactly 1 MiB with its key, and exactly 10 MiB together.
    assert!(put_all(&mut engine, vec![entry("k", data); 10], START).is_ok());
    // 256 characters, not bytes.
    assert!(put_all(&mut engine, vec![entry(&"ä".repeat(256), "x")], START).is_ok());
}

#[test]
fn streams_that_are_not_there_are_said_so() {
    let mut engine = engine(1);
    let request = PutRecordRequest {
        stream: StreamAddress::name("other"),
        ..put_request(entry("k", "x"))
    };
    assert_refused(
        engine.put_record(request, START),
        "ResourceNotFoundException",
        "Stream other under account 000000000000 not found.",
    );
    let by_arn = PutRecordRequest {
        stream: StreamAddress::arn(stream_arn()),
        ..put_request(entry("k", "x"))
    };
    assert!(engine.put_record(by_arn, START).is_ok());
}

#[test]
fn a_shard_over_its_rate_refuses_entries_one_by_one() {
    let mut engine = limited(2);
    let half = Bytes::from(vec![0; 600_000]);
    let entries = vec![
        entry_at(0, half.clone()),
        entry_at(0, half.clone()),
        entry_at(u128::MAX, half),
        entry_at(0, "small"),
    ];
    let answer = put_all(&mut engine, entries, START).unwrap();
    assert_eq!(answer.failed_record_count, 1);
    let PutRecordsResult::Failed(refused) = &answer.records[1] else {
        panic!("{answer:?}")
    };
    assert_eq!(refused.code(), "ProvisionedThroughputExceededException");
    assert_eq!(
        refused.message(),
        Some("Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000000.")
    );
    let again = put_request(entry_at(0, vec![0; 600_000]));
    assert_refused(
        engine.put_record(again.clone(), START),
        "ProvisionedThroughputExceededException",
        "Rate exceeded",
    );
    assert!(engine.put_record(again, START + 200).is_ok());
}

#[test]
fn a_thousand_records_a_second_of_each_shard() {
    let mut engine = limited(1);
    let failed = |engine: &mut Engine, now| {
        put_all(engine, vec![entry("k", "x"); 500], now)
            .unwrap()
            .failed_record_count
    };
    assert_eq!(
        [
            failed(&mut engine, START),
            failed(&mut engine, START),
            failed(&mut engine, START)
        ],
        [0, 0, 500]
    );
    assert_eq!(failed(&mut engine, START + 100), 400);
}

#[test]
fn auto_distribution_ignores_keys_and_may_be_switched_live() {
    let mut engine = Engine::new(Settings::default());
    create_on_demand(&mut engine, STREAM, START);
    let no_key = || PutEntry {
        partition_key: None,
        ..entry("", "x")
    };
    assert_refused(
        engine.put_record(put_request(no_key()), START),
        "ValidationException",
        "partitionKey",
    );
    let switch = |engine: &mut Engine, strategy: &str| {
        let request = UpdateRecordDistributionStrategyRequest {
            stream: StreamAddress::arn(stream_arn()),
            strategy: Some(strategy.to_owned()),
        };
        engine.update_stream_record_distribution_strategy(request, START)
    };
    switch(&mut engine, "AUTO").unwrap();
    let mut hits = [0; 4];
    for _ in 0..400 {
        let stored = put(&mut engine, entry_at(0, "x"), START);
        hits[usize::try_from(stored.shard_id.number().unwrap()).unwrap()] += 1;
    }
    assert!(hits.iter().all(|&count| count > 50), "{hits:?}");
    put(&mut engine, no_key(), START);
    let all: Vec<_> = (0..4)
        .flat_map(|shard| read_shard(&mut engine, shard, 1_000, START).0)
        .collect();
    assert_eq!(
        all.iter().filter(|record| record.partition_key.is_none()).count(),
        1
    );
    let ordered = PutRecordRequest {
        sequence_number_for_ordering: Some(all[0].sequence_number.to_string()),
        ..put_request(entry("k", "x"))
    };
    assert_refused(
        engine.put_record(ordered, START),
        "InvalidArgumentException",
        "AUTO",
    );
    assert_refused(
        switch(&mut engine, "RANDOM"),
        "ValidationException",
        "[AUTO, USER_PARTITION_KEY]",
    );
    switch(&mut engine, "USER_PARTITION_KEY").unwrap();
    assert_refused(
        engine.put_record(put_request(no_key()), START),
        "ValidationException",
        "partitionKey",
    );
}

#[test]
fn large_records_need_to_be_allowed_and_empty_the_shard() {
    let mut engine = limited(1);
    let large = || put_request(entry("k", vec![0; (5 << 20) - 1]));
    assert_refused(
        engine.put_record(large(), START),
        "InvalidArgumentException",
        "Record size exceeds",
    );
    let request = UpdateMaxRecordSizeRequest {
        stream: StreamAddress::arn(stream_arn()),
        max_record_size_in_kib: Some(10_240),
    };
    engine.update_max_record_size(request, START).unwrap();
    assert_eq!(summary(&mut engine, START).max_record_size_in_kib, 10_240);
    assert!(engine.put_record(large(), START).is_ok());
    assert!(
        engine.put_record(large(), START).is_ok(),
        "10 MiB of tank hold two"
    );
    assert_refused(
        engine.put_record(large(), START),
        "ProvisionedThroughputExceededException",
        "Rate",
    );
    let iterator = iterator(&mut engine, 0, "TRIM_HORIZON", START);
    assert_eq!(
        get(&mut engine, &iterator, START).records.len(),
        2,
        "10 MiB are a page"
    );
    assert_refused(
        engine.get_records(get_request(&iterator, None), START + 4_999),
        "ProvisionedThroughputExceededException",
        "Rate",
    );
}

#[test]
fn numbers_for_ordering_must_be_of_this_stream() {
    let mut engine = engine(1);
    let first = put(&mut engine, entry("k", "x"), START);
    let ordered = |number: &str| PutRecordRequest {
        sequence_number_for_ordering: Some(number.to_owned()),
        ..put_request(entry("k", "x"))
    };
    let second = engine
        .put_record(ordered(&first.sequence_number.to_string()), START)
        .unwrap();
    assert!(second.sequence_number > first.sequence_number);
    let end = SequenceNumber::new(first.sequence_number.shard(), LAST_COUNTER, 0);
    for (number, code) in [
        (end.to_string(), "InvalidArgumentException"),
        ("5".to_owned(), "InvalidArgumentException"),
        ("x".to_owned(), "ValidationException"),
    ] {
        assert_refused(engine.put_record(ordered(&number), START), code, &number);
    }
}

#[test]
fn a_dry_run_stores_nothing() {
    let mut engine = engine(1);
    let dry = PutRecordRequest {
        dry_run: true,
        ..put_request(entry("k", "x"))
    };
    assert_refused(
        engine.put_record(dry, START),
        "DryRunOperationException",
        "DryRun",
    );
    let dry = PutRecordsRequest {
        stream: here(),
        records: Some(vec![entry("k", "x")]),
        dry_run: true,
    };
    assert_refused(
        engine.put_records(dry, START),
        "DryRunOperationException",
        "DryRun",
    );
    let refused = PutRecordRequest {
        dry_run: true,
        stream: StreamAddress::name("other"),
        ..put_request(entry("k", "x"))
    };
    assert_refused(
        engine.put_record(refused, START),
        "ResourceNotFoundException",
        "other",
    );
    assert!(read_shard(&mut engine, 0, 10, START).0.is_empty());
}

#[test]
fn a_scripted_fault_refuses_entries_of_one_shard() {
    let mut engine = engine(2);
    engine.faults_mut().add(Fault {
        shard: Some(kinesis_aggregation::ShardId::from_number(1)),
        when: When {
            times: Some(1),
            ..When::default()
        },
        ..Fault::always(Effect::RefuseEntry(ServiceError::internal_failure()))
    });
    let entries = || {
        vec![
            entry_at(0, "a"),
            entry_at(u128::MAX, "b"),
            entry_at(u128::MAX, "c"),
        ]
    };
    let answer = put_all(&mut engine, entries(), START).unwrap();
    assert_eq!(answer.failed_record_count, 1);
    assert!(
        matches!(&answer.records[1], PutRecordsResult::Failed(error) if error.code() == "InternalFailure")
    );
    assert_eq!(
        put_all(&mut engine, entries(), START)
            .unwrap()
            .failed_record_count,
        0
    );
}
