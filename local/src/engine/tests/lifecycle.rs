use super::*;

fn slow() -> Engine {
    let durations = Durations {
        create_stream_ms: 10_000,
        delete_stream_ms: 10_000,
        update_stream_ms: 10_000,
        register_consumer_ms: 0,
        deregister_consumer_ms: 0,
    };
    Engine::new(Settings {
        durations,
        ..Settings::default()
    })
}

fn delete(engine: &mut Engine, now_ms: u64) -> Result<(), ServiceError> {
    engine.delete_stream(
        DeleteStreamRequest {
            stream: here(),
            ..Default::default()
        },
        now_ms,
    )
}

fn status(engine: &mut Engine, now_ms: u64) -> StreamStatus {
    summary(engine, now_ms).status
}

#[test]
fn a_stream_is_creating_then_active_then_deleting_then_gone() {
    let mut engine = slow();
    create(&mut engine, STREAM, 1, START);
    assert_eq!(status(&mut engine, START + 9_999), StreamStatus::Creating);
    assert_refused(
        engine.put_record(put_request(entry("k", "x")), START + 9_999),
        "ResourceNotFoundException",
        "not found",
    );
    let listing = ListShardsRequest {
        stream: here(),
        ..Default::default()
    };
    assert_refused(
        engine.list_shards(listing, START + 9_999),
        "ResourceInUseException",
        "CREATING",
    );
    assert_refused(
        split(&mut engine, 0, 7, START + 9_999),
        "ResourceInUseException",
        "CREATING",
    );
    assert_eq!(engine.next_due_ms(), Some(START + 10_000));
    assert_eq!(status(&mut engine, START + 10_000), StreamStatus::Active);
    put(&mut engine, entry("k", "x"), START + 10_000);
    delete(&mut engine, START + 20_000).unwrap();
    assert_eq!(status(&mut engine, START + 20_000), StreamStatus::Deleting);
    assert_refused(
        delete(&mut engine, START + 20_000),
        "ResourceInUseException",
        "DELETING",
    );
    assert_refused(
        engine.put_record(put_request(entry("k", "x")), START + 20_000),
        "ResourceNotFoundException",
        "not found",
    );
    assert!(engine.held_bytes() > 0);
    engine.tick(START + 30_000);
    assert_eq!((engine.held_bytes(), engine.status_of(STREAM)), (0, None));
    assert_refused(
        delete(&mut engine, START + 30_000),
        "ResourceNotFoundException",
        "Stream orders under",
    );
}

#[test]
fn an_update_takes_its_time_and_the_old_shards_serve_meanwhile() {
    let mut engine = slow();
    create(&mut engine, STREAM, 1, START);
    let now = START + 10_000;
    split(&mut engine, 0, 1 << 127, now).unwrap();
    assert_eq!(status(&mut engine, now + 9_999), StreamStatus::Updating);
    assert_refused(
        split(&mut engine, 0, 7, now + 1),
        "ResourceInUseException",
        "not ACTIVE, instead in state UPDATING",
    );
    assert_eq!(
        put(&mut engine, entry("k", "x"), now + 9_999).shard_id.number(),
        Some(0)
    );
    assert_ne!(
        put(&mut engine, entry("k", "x"), now + 10_000).shard_id.number(),
        Some(0)
    );
    assert_eq!(status(&mut engine, now + 10_000), StreamStatus::Active);
    // What was due long ago happened then, not when somebody looked.
    scale(&mut engine, 4, now + 20_000).unwrap();
    let then = filter("AT_TIMESTAMP", Some(now + 40_000));
    assert_eq!(list(&mut engine, then, now + 90_000).len(), 4);
}

#[test]
fn a_deletion_outruns_an_update() {
    let mut engine = slow();
    create(&mut engine, STREAM, 1, START);
    split(&mut engine, 0, 7, START + 10_000).unwrap();
    delete(&mut engine, START + 15_000).unwrap();
    assert_eq!(status(&mut engine, START + 20_000), StreamStatus::Deleting);
    engine.tick(START + 25_000);
    create(&mut engine, STREAM, 1, START + 25_000);
    assert_eq!(status(&mut engine, START + 34_999), StreamStatus::Creating);
}

#[test]
fn creation_is_checked() {
    let mut engine = engine(1);
    let request = |name: &str, shards| CreateStreamRequest {
        stream_name: Some(name.to_owned()),
        shard_count: shards,
        ..Default::default()
    };
    let on_demand = |shards| CreateStreamRequest {
        stream_mode: Some("ON_DEMAND".to_owned()),
        ..request("b", shards)
    };
    let auto = CreateStreamRequest {
        record_distribution_strategy: Some("AUTO".to_owned()),
        ..request("b", Some(1))
    };
    let sized = |kib| CreateStreamRequest {
        max_record_size_in_kib: Some(kib),
        ..request("b", Some(1))
    };
    for (request, code) in [
        (request(STREAM, Some(1)), "ResourceInUseException"),
        (request("a/b", Some(1)), "ValidationException"),
        (request(&"a".repeat(129), Some(1)), "ValidationException"),
        (CreateStreamRequest::default(), "ValidationException"),
        (request("b", Some(0)), "ValidationException"),
        (request("b", None), "ValidationException"),
        (request("b", Some(10_001)), "LimitExceededException"),
        (request("b", Some(i64::MAX)), "LimitExceededException"),
        (on_demand(Some(2)), "ValidationException"),
        (auto, "InvalidArgumentException"),
        (sized(1_023), "ValidationException"),
        (sized(10_241), "ValidationException"),
    ] {
        assert_refused(engine.create_stream(request, START), code, "");
    }
    engine.create_stream(on_demand(None), START).unwrap();
    engine.create_stream(request("c", Some(10_000)), START).unwrap();
    let described = engine
        .describe_stream_summary(
            StreamRequest {
                stream: StreamAddress::name("b"),
            },
            START,
        )
        .unwrap();
    assert_eq!(
        (described.mode, described.open_shard_count),
        (StreamMode::OnDemand, 4)
    );
    assert_eq!(
        described.record_distribution_strategy,
        Some(Distribution::UserPartitionKey)
    );
    assert_eq!(summary(&mut engine, START).record_distribution_strategy, None);
}

#[test]
fn quotas_bound_an_account() {
    let limits = Limits {
        account_shards: 10,
        control: false,
        ..Limits::service()
    };
    let durations = Durations {
        create_stream_ms: 1_000,
        ..Durations::default()
    };
    let mut engine = Engine::new(Settings {
        limits,
        durations,
        ..Settings::default()
    });
    for name in ["a", "b", "c", "d", "e"] {
        create(&mut engine, name, 1, START);
    }
    let request = |shards| CreateStreamRequest {
        stream_name: Some("f".to_owned()),
        shard_count: Some(shards),
        ..Default::default()
    };
    assert_refused(
        engine.create_stream(request(1), START),
        "LimitExceededException",
        "simultaneously",
    );
    assert_refused(
        engine.create_stream(request(6), START + 1_000),
        "LimitExceededException",
        "shard limit",
    );
    engine.create_stream(request(5), START + 1_000).unwrap();
    let limits = engine.describe_limits(START + 1_000).unwrap();
    assert_eq!((limits.shard_limit, limits.open_shard_count), (10, 10));
}

#[test]
fn descriptions_page_their_shards() {
    let mut engine = engine(120);
    let request = |limit, start: Option<u64>| DescribeStreamRequest {
        stream: here(),
        limit,
        exclusive_start_shard_id: start.map(id),
    };
    for (limit, start, count, more) in [
        (None, None, 100, true),
        (Some(7), None, 7, true),
        (Some(10_000), None, 100, true),
        (None, Some(99), 20, false),
        (Some(20), Some(99), 20, false),
        (Some(19), Some(99), 19, true),
    ] {
        let described = engine.describe_stream(request(limit, start), START).unwrap();
        assert_eq!(
            (described.shards.len(), described.has_more_shards),
            (count, more),
            "{limit:?} {start:?}"
        );
        assert_eq!(described.stream_arn, stream_arn());
    }
    assert_refused(
        engine.describe_stream(request(Some(0), None), START),
        "ValidationException",
        "'limit'",
    );
}

#[test]
fn streams_are_listed_by_name_in_pages() {
    let mut engine = Engine::new(Settings::default());
    for name in ["c", "a", "b"] {
        create(&mut engine, name, 1, START);
    }
    let names = |answer: &ListStreamsResponse| -> Vec<String> {
        answer
            .streams
            .iter()
            .map(|stream| stream.stream_name.clone())
            .collect()
    };
    let first = ListStreamsRequest {
        limit: Some(2),
        ..Default::default()
    };
    let page = engine.list_streams(first, START).unwrap();
    assert_eq!(
        (names(&page), page.has_more_streams),
        (vec!["a".to_owned(), "b".to_owned()], true)
    );
    let by_token = |token: Option<String>| ListStreamsRequest {
        next_token: token,
        ..Default::default()
    };
    let last = engine
        .list_streams(by_token(page.next_token.clone()), START)
        .unwrap();
    assert_eq!(
        (names(&last), last.has_more_streams, &last.next_token),
        (vec!["c".to_owned()], false, &None)
    );
    assert_refused(
        engine.list_streams(by_token(page.next_token), START + 300_001),
        "ExpiredNextTokenException",
        "",
    );
    assert_refused(
        engine.list_streams(by_token(Some("x".to_owned())), START),
        "InvalidArgumentException",
        "",
    );
    let after = ListStreamsRequest {
        exclusive_start_stream_name: Some("a".to_owned()),
        ..Default::default()
    };
    assert_eq!(names(&engine.list_streams(after, START).unwrap()), ["b", "c"]);
}

#[test]
fn reshards_that_cannot_be_are_refused() {
    let mut engine = engine(3);
    split(&mut engine, 0, 7, START).unwrap();
    assert_refused(
        split(&mut engine, 0, 3, START),
        "InvalidArgumentException",
        "already closed",
    );
    assert_refused(
        split(&mut engine, 1, 7, START),
        "InvalidArgumentException",
        "NewStartingHashKey 7",
    );
    assert_refused(
        split(&mut engine, 99, 7, START),
        "ResourceNotFoundException",
        "Could not find shard",
    );
    assert_refused(
        merge(&mut engine, 1, 3, START),
        "InvalidArgumentException",
        "not an adjacent pair",
    );
    assert_refused(
        merge(&mut engine, 1, 1, START),
        "InvalidArgumentException",
        "not an adjacent pair",
    );
    assert_refused(
        merge(&mut engine, 0, 1, START),
        "InvalidArgumentException",
        "already closed",
    );
    assert_refused(
        scale(&mut engine, 4, START),
        "InvalidArgumentException",
        "current shard count",
    );
    assert_refused(
        scale(&mut engine, 0, START),
        "ValidationException",
        "targetShardCount",
    );
    assert_refused(
        scale(&mut engine, 10_001, START),
        "LimitExceededException",
        "10000",
    );
    let empty = SplitShardRequest {
        stream: here(),
        ..Default::default()
    };
    assert_refused(
        engine.split_shard(empty, START),
        "ValidationException",
        "2 validation errors",
    );
    let empty = UpdateShardCountRequest {
        stream: here(),
        ..Default::default()
    };
    assert_refused(
        engine.update_shard_count(empty, START),
        "ValidationException",
        "2 validation errors",
    );
    merge(&mut engine, 4, 1, START).unwrap();
    merge(&mut engine, 5, 3, START).unwrap();

    let mut engine = Engine::new(Settings::default());
    create_on_demand(&mut engine, STREAM, START);
    for refused in [
        split(&mut engine, 0, 7, START),
        merge(&mut engine, 0, 1, START),
        scale(&mut engine, 2, START).map(|_| ()),
    ] {
        assert_refused(refused, "ValidationException", "On-Demand mode");
    }
}

#[test]
fn scaling_has_quotas() {
    let mut engine = limited(4);
    let mut now = START;
    assert_refused(
        scale(&mut engine, 9, now),
        "LimitExceededException",
        "over double",
    );
    assert_refused(scale(&mut engine, 1, now), "LimitExceededException", "below half");
    for step in 0..10 {
        now += 1_000;
        let target = if step % 2 == 0 { 8 } else { 4 };
        let answer = scale(&mut engine, target, now).unwrap();
        assert_eq!(answer.target_shard_count, usize::try_from(target).unwrap());
    }
    assert_refused(
        scale(&mut engine, 8, now + 1_000),
        "LimitExceededException",
        "10 times",
    );
    assert!(scale(&mut engine, 8, START + 1_000 + 86_400_000).is_ok());
}

#[test]
fn a_scripted_reshard_happens_at_its_moment_in_any_mode() {
    let mut engine = Engine::new(Settings::default());
    create_on_demand(&mut engine, STREAM, START);
    engine.schedule_reshard(STREAM, Reshard::Scale { target: 8 }, START + 5_000);
    engine.schedule_reshard(
        STREAM,
        Reshard::Merge {
            shard: 0,
            adjacent: 9,
        },
        START + 6_000,
    );
    engine.schedule_reshard("other", Reshard::Scale { target: 8 }, START + 6_000);
    assert_eq!(engine.next_due_ms(), Some(START + 5_000));
    assert_eq!(list(&mut engine, None, START + 4_999).len(), 4);
    assert_eq!(
        list(&mut engine, filter("AT_LATEST", None), START + 7_000).len(),
        8
    );
    engine.schedule_reshard(STREAM, Reshard::Scale { target: 2 }, START);
    let closed_then = list(
        &mut engine,
        filter("AT_TIMESTAMP", Some(START + 5_500)),
        START + 7_000,
    );
    assert_eq!(closed_then.len(), 8, "the past is not changed");
    assert_eq!(
        list(&mut engine, filter("AT_LATEST", None), START + 7_000).len(),
        2
    );
}
