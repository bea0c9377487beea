use super::*;

fn filled() -> (Engine, Vec<PutRecordResponse>) {
    let mut engine = engine(1);
    let stored = (0..5)
        .map(|number| {
            put(
                &mut engine,
                entry("k", number.to_string()),
                START + number * 1_000,
            )
        })
        .collect();
    (engine, stored)
}

#[test]
fn five_types_point_where_they_say() {
    let (mut engine, stored) = filled();
    let now = START + 10_000;
    let third = stored[2].sequence_number;
    let at = |moment| GetShardIteratorRequest {
        timestamp_ms: Some(moment),
        ..iterator_request(0, "AT_TIMESTAMP")
    };
    let since =
        |engine: &mut Engine, moment| engine.get_shard_iterator(at(moment), now).unwrap().shard_iterator;
    let cases = [
        (iterator(&mut engine, 0, "TRIM_HORIZON", now), "01234"),
        (iterator(&mut engine, 0, "LATEST", now), ""),
        (iterator_at(&mut engine, "AT_SEQUENCE_NUMBER", third, now), "234"),
        (
            iterator_at(&mut engine, "AFTER_SEQUENCE_NUMBER", third, now),
            "34",
        ),
        (since(&mut engine, START + 2_000), "234"),
        (since(&mut engine, START + 2_001), "34"),
        (since(&mut engine, 5), "01234"),
        (since(&mut engine, START + 9_000), ""),
    ];
    for (number, (iterator, expected)) in cases.iter().enumerate() {
        assert_eq!(
            texts(&get(&mut engine, iterator, now).records).concat(),
            *expected,
            "case {number}"
        );
    }
    // What comes after is read by all of them.
    put(&mut engine, entry("k", "new"), now);
    for (iterator, _) in &cases {
        assert_eq!(
            *texts(&get(&mut engine, iterator, now).records).last().unwrap(),
            "new"
        );
    }
}

#[test]
fn the_start_of_a_shard_is_a_position_too() {
    let (mut engine, _) = filled();
    let start = list(&mut engine, None, START)[0].starting_sequence_number;
    for position in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        let iterator = iterator_at(&mut engine, position, start, START + 9_000);
        assert_eq!(
            get(&mut engine, &iterator, START + 9_000).records.len(),
            5,
            "{position}"
        );
    }
}

#[test]
fn positions_that_are_none_are_refused() {
    let (mut engine, stored) = filled();
    let request = |position: &str, number: Option<String>, timestamp_ms| GetShardIteratorRequest {
        starting_sequence_number: number,
        timestamp_ms,
        ..iterator_request(0, position)
    };
    let number = Some(stored[0].sequence_number.to_string());
    for (request, code, part) in [
        (
            request("LATEST", number, None),
            "InvalidArgumentException",
            "LATEST and also a Starting",
        ),
        (
            request("AT_SEQUENCE_NUMBER", None, None),
            "InvalidArgumentException",
            "and no StartingSequence",
        ),
        (
            request("AT_TIMESTAMP", None, None),
            "InvalidArgumentException",
            "no timestamp parameter",
        ),
        (
            request("AT_TIMESTAMP", None, Some(START + 99_999)),
            "InvalidArgumentException",
            "cannot be greater",
        ),
        (
            request("FIRST", None, None),
            "ValidationException",
            "Member must satisfy enum value set: [AFTER_",
        ),
        (
            request("AT_SEQUENCE_NUMBER", Some("x".to_owned()), None),
            "ValidationException",
            "regular expression",
        ),
        (
            request("AT_SEQUENCE_NUMBER", Some("7".to_owned()), None),
            "InvalidArgumentException",
            "is invalid.",
        ),
        (
            GetShardIteratorRequest {
                shard_id: Some(id(7)),
                ..request("LATEST", None, None)
            },
            "ResourceNotFoundException",
            "Shard shardId-000000000007 in stream orders under account 000000000000 does not exist",
        ),
        (
            GetShardIteratorRequest::default(),
            "ValidationException",
            "2 validation errors detected",
        ),
    ] {
        assert_refused(engine.get_shard_iterator(request, START + 60_000), code, part);
    }
}

#[test]
fn numbers_of_other_shards_and_streams_are_refused() {
    let (mut engine, _) = filled();
    let now = START + 60_000;
    create(&mut engine, "other", 2, now);
    let mut elsewhere = |hash_key| {
        let request = PutRecordRequest {
            stream: StreamAddress::name("other"),
            ..put_request(entry_at(hash_key, "x"))
        };
        engine.put_record(request, now).unwrap().sequence_number
    };
    for (number, part) in [
        (elsewhere(0), "did not come from this stream"),
        (
            elsewhere(u128::MAX),
            "It encodes shardId-000000000001, while it was used in a call to a shard with shardId-000000000000",
        ),
    ] {
        for position in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
            let request = GetShardIteratorRequest {
                starting_sequence_number: Some(number.to_string()),
                ..iterator_request(0, position)
            };
            assert_refused(
                engine.get_shard_iterator(request, now),
                "InvalidArgumentException",
                part,
            );
        }
    }
}

#[test]
fn iterators_expire_after_five_minutes() {
    let (mut engine, _) = filled();
    let made = START + 4_000;
    let iterator = iterator(&mut engine, 0, "TRIM_HORIZON", made);
    assert_eq!(get(&mut engine, &iterator, made + 300_000).records.len(), 5);
    let refused = engine
        .get_records(get_request(&iterator, None), made + 300_001)
        .unwrap_err();
    assert_eq!(refused.code(), "ExpiredIteratorException");
    assert_eq!(
        refused.message(),
        Some(
            "Iterator expired. The iterator was created at time Tue Nov 14 22:13:24 UTC 2023 while right now it is \
             Tue Nov 14 22:18:24 UTC 2023 which is further in the future than the tolerated delay of 300000 \
             milliseconds."
        )
    );
}

#[test]
fn iterators_nobody_made_are_refused() {
    let (mut engine, _) = filled();
    let mine = iterator(&mut engine, 0, "TRIM_HORIZON", START);
    assert!((1..=512).contains(&mine.len()));
    let wrong_stream = GetRecordsRequest {
        stream: StreamAddress::name("other"),
        ..get_request(&mine, None)
    };
    for (request, code) in [
        (get_request("x", None), "InvalidArgumentException"),
        (get_request(&mine[2..], None), "InvalidArgumentException"),
        (get_request(&"a".repeat(513), None), "ValidationException"),
        (get_request("", None), "ValidationException"),
        (get_request(&mine, Some(0)), "ValidationException"),
        (get_request(&mine, Some(10_001)), "InvalidArgumentException"),
        (wrong_stream, "InvalidArgumentException"),
        (GetRecordsRequest::default(), "ValidationException"),
    ] {
        assert_refused(engine.get_records(request, START), code, "");
    }
    let longest = "n".repeat(128);
    create(&mut engine, &longest, 1, START);
    let request = GetShardIteratorRequest {
        stream: StreamAddress::name(longest),
        ..iterator_request(0, "LATEST")
    };
    let iterator = engine.get_shard_iterator(request, START).unwrap().shard_iterator;
    assert!(iterator.len() <= 512, "{}", iterator.len());
}

#[test]
fn an_iterator_can_be_used_again() {
    let (mut engine, _) = filled();
    let iterator = iterator(&mut engine, 0, "TRIM_HORIZON", START);
    let first = engine
        .get_records(get_request(&iterator, Some(2)), START)
        .unwrap();
    let again = engine
        .get_records(get_request(&iterator, Some(2)), START)
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(texts(&first.records), ["0", "1"]);
    let next = get(&mut engine, &first.next_shard_iterator.unwrap(), START);
    assert_eq!(texts(&next.records), ["2", "3", "4"]);
}

#[test]
fn time_behind_latest_is_true() {
    let (mut engine, _) = filled();
    let now = START + 10_000;
    let mut next = iterator(&mut engine, 0, "TRIM_HORIZON", now);
    let mut behind = Vec::new();
    for _ in 0..6 {
        let page = engine.get_records(get_request(&next, Some(1)), now).unwrap();
        behind.push(page.millis_behind_latest);
        next = page.next_shard_iterator.unwrap();
    }
    assert_eq!(behind, [9_000, 8_000, 7_000, 6_000, 0, 0]);
}

#[test]
fn a_closed_shard_ends_with_its_children() {
    let (mut engine, _) = filled();
    let waiting = iterator(&mut engine, 0, "LATEST", START);
    let half = 1 << 127;
    split(&mut engine, 0, half, START + 20_000).unwrap();
    put(&mut engine, entry_at(0, "low"), START + 21_000);
    let now = START + 22_000;
    let first = iterator(&mut engine, 0, "TRIM_HORIZON", now);
    let page = engine.get_records(get_request(&first, Some(4)), now).unwrap();
    assert_eq!((page.records.len(), page.child_shards), (4, None));
    let last = get(&mut engine, &page.next_shard_iterator.unwrap(), now);
    assert_eq!(texts(&last.records), ["4"]);
    assert_eq!((last.next_shard_iterator, last.millis_behind_latest), (None, 0));
    let children = last.child_shards.unwrap();
    let told: Vec<_> = children
        .iter()
        .map(|child| {
            (
                child.shard_id.number().unwrap(),
                child.parent_shards[0].number().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [(1, 0), (2, 0)]);
    assert_eq!(children[1].hash_key_range.start().get(), half);
    let now = START + 22_001;
    for iterator in [waiting, iterator(&mut engine, 0, "LATEST", now)] {
        let page = get(&mut engine, &iterator, now);
        assert!(page.records.is_empty() && page.next_shard_iterator.is_none());
        assert_eq!(page.child_shards.unwrap().len(), 2);
    }
    merge(&mut engine, 1, 2, START + 23_000).unwrap();
    let (records, children) = read_shard(&mut engine, 1, 10, START + 23_000);
    assert_eq!(texts(&records), ["low"]);
    let parents: Vec<_> = children.unwrap()[0]
        .parent_shards
        .iter()
        .map(|id| id.number())
        .collect();
    assert_eq!(parents, [Some(1), Some(2)]);
}

#[test]
fn a_page_has_ten_mebibytes_and_then_there_is_a_pause() {
    let mut engine = limited(1);
    for number in 0..14 {
        put(
            &mut engine,
            entry("k", vec![b'x'; 1_000_000]),
            START + number * 1_000,
        );
    }
    let now = START + 20_000;
    let first = iterator(&mut engine, 0, "TRIM_HORIZON", now);
    let page = get(&mut engine, &first, now);
    assert_eq!(page.records.len(), 10);
    let next = page.next_shard_iterator.unwrap();
    for wait in [0, 1_000, 4_999] {
        assert_refused(
            engine.get_records(get_request(&next, None), now + wait),
            "ProvisionedThroughputExceededException",
            "Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000000.",
        );
    }
    assert_eq!(get(&mut engine, &next, now + 5_000).records.len(), 4);
}

#[test]
fn five_reads_and_five_iterators_a_second() {
    let mut engine = limited(1);
    let request = || iterator_request(0, "LATEST");
    let made = (0..8)
        .filter(|_| engine.get_shard_iterator(request(), START).is_ok())
        .count();
    assert_eq!(made, 5);
    let iterator = iterator(&mut engine, 0, "LATEST", START + 1_000);
    let read = (0..8)
        .filter(|_| {
            engine
                .get_records(get_request(&iterator, None), START + 1_000)
                .is_ok()
        })
        .count();
    assert_eq!(read, 5);
    assert!(
        engine
            .get_records(get_request(&iterator, None), START + 2_000)
            .is_ok()
    );
}

#[test]
fn a_deleted_streams_iterators_are_worthless() {
    let (mut engine, _) = filled();
    let iterator = iterator(&mut engine, 0, "TRIM_HORIZON", START);
    engine
        .delete_stream(
            DeleteStreamRequest {
                stream: here(),
                ..Default::default()
            },
            START,
        )
        .unwrap();
    let read = |engine: &mut Engine| engine.get_records(get_request(&iterator, None), START);
    assert_refused(
        read(&mut engine),
        "ResourceNotFoundException",
        "Shard shardId-000000000000 in stream orders",
    );
    create(&mut engine, STREAM, 1, START);
    assert_refused(read(&mut engine), "ResourceNotFoundException", "does not exist");
}

#[test]
fn trimmed_positions_start_at_the_horizon_or_are_refused() {
    for (trimmed, refused) in [
        (TrimmedPosition::StartAtHorizon, false),
        (TrimmedPosition::Refuse, true),
    ] {
        let settings = Settings {
            trimmed_positions: trimmed,
            ..Settings::default()
        };
        let mut engine = engine_of(1, settings);
        let day = 24 * 3_600_000;
        let old = put(&mut engine, entry("k", "old"), START).sequence_number;
        let new = put(&mut engine, entry("k", "new"), START + day).sequence_number;
        for (position, number, is_refused) in [
            ("AT_SEQUENCE_NUMBER", old, refused),
            ("AFTER_SEQUENCE_NUMBER", old, false),
            ("AT_SEQUENCE_NUMBER", new, false),
        ] {
            let request = GetShardIteratorRequest {
                starting_sequence_number: Some(number.to_string()),
                ..iterator_request(0, position)
            };
            let made = engine.get_shard_iterator(request, START + day);
            assert_eq!(made.is_err(), is_refused, "{trimmed:?} {position}");
            if let Ok(made) = made {
                assert_eq!(
                    texts(&get(&mut engine, &made.shard_iterator, START + day).records),
                    ["new"]
                );
            }
        }
    }
}

#[test]
fn empty_pages_lose_nothing() {
    let settings = Settings {
        empty_pages_per_million: 500_000,
        ..Settings::default()
    };
    let mut engine = engine_of(1, settings);
    for number in 0..50 {
        put(&mut engine, entry("k", number.to_string()), START);
    }
    let mut next = iterator(&mut engine, 0, "TRIM_HORIZON", START);
    let (mut records, mut empty) = (Vec::new(), 0);
    loop {
        let page = engine
            .get_records(get_request(&next, Some(5)), START + 1)
            .unwrap();
        empty += usize::from(page.records.is_empty());
        records.extend(page.records);
        if page.millis_behind_latest == 0 {
            break;
        }
        next = page.next_shard_iterator.unwrap();
    }
    assert_eq!(records.len(), 50);
    assert!(empty > 0);
}

#[test]
fn dry_runs_and_targets_of_iterators() {
    let (mut engine, _) = filled();
    let dry = GetShardIteratorRequest {
        dry_run: true,
        ..iterator_request(0, "LATEST")
    };
    assert_refused(
        engine.get_shard_iterator(dry, START),
        "DryRunOperationException",
        "",
    );
    let iterator = iterator(&mut engine, 0, "LATEST", START);
    let dry = GetRecordsRequest {
        dry_run: true,
        ..get_request(&iterator, None)
    };
    assert_refused(engine.get_records(dry, START), "DryRunOperationException", "");
    let (stream, shard) = engine.iterator_target(&iterator).unwrap();
    assert_eq!((stream.as_str(), shard.number()), (STREAM, Some(0)));
    assert_eq!(engine.iterator_target("x"), None);
}
