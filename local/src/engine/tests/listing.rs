use super::*;

/// A stream that was two shards, of which the first was split at +10 s and the halves merged at +20 s.
fn reshaped() -> Engine {
    let mut engine = engine(2);
    split(&mut engine, 0, 1 << 126, START + 10_000).unwrap();
    merge(&mut engine, 2, 3, START + 20_000).unwrap();
    engine
}

#[test]
fn filters_tell_which_shards_were_there() {
    let mut engine = reshaped();
    let now = START + 30_000;
    let mut listed = |filter_type: &str, moment: Option<u64>| {
        numbers(&list(&mut engine, filter(filter_type, moment), now))
    };
    assert_eq!(listed("FROM_TRIM_HORIZON", None), [0, 1, 2, 3, 4]);
    assert_eq!(listed("AT_TRIM_HORIZON", None), [0, 1]);
    assert_eq!(listed("AT_LATEST", None), [1, 4]);
    assert_eq!(listed("AT_TIMESTAMP", Some(START + 5_000)), [0, 1]);
    assert_eq!(listed("AT_TIMESTAMP", Some(START + 15_000)), [1, 2, 3]);
    assert_eq!(listed("AT_TIMESTAMP", Some(START + 25_000)), [1, 4]);
    assert_eq!(listed("AT_TIMESTAMP", Some(0)), [0, 1]);
    assert_eq!(listed("FROM_TIMESTAMP", Some(START + 15_000)), [1, 2, 3, 4]);
    assert_eq!(listed("FROM_TIMESTAMP", Some(START + 25_000)), [1, 4]);
    assert_eq!(listed("FROM_TIMESTAMP", Some(0)), [0, 1, 2, 3, 4]);
    let after = Some(ShardFilter {
        filter_type: Some("AFTER_SHARD_ID".to_owned()),
        shard_id: Some(id(2)),
        timestamp_ms: None,
    });
    assert_eq!(numbers(&list(&mut engine, after, now)), [3, 4]);
}

#[test]
fn shards_tell_their_families() {
    let mut engine = reshaped();
    let shards = list(&mut engine, None, START + 30_000);
    let parents: Vec<_> = shards
        .iter()
        .map(|shard| {
            let number = |id: &Option<kinesis_aggregation::ShardId>| id.as_ref().and_then(|id| id.number());
            (
                number(&shard.parent_shard_id),
                number(&shard.adjacent_parent_shard_id),
            )
        })
        .collect();
    let split = (Some(0), None);
    assert_eq!(
        parents,
        [(None, None), (None, None), split, split, (Some(2), Some(3))]
    );
    let closed: Vec<_> = shards
        .iter()
        .map(|shard| shard.ending_sequence_number.is_some())
        .collect();
    assert_eq!(closed, [true, false, true, true, false]);
}

#[test]
fn expired_shards_are_listed_no_more() {
    let mut engine = reshaped();
    let day = 24 * 3_600_000;
    assert_eq!(
        numbers(&list(&mut engine, None, START + 10_000 + day)),
        [1, 2, 3, 4]
    );
    assert_eq!(
        numbers(&list(
            &mut engine,
            filter("AT_TRIM_HORIZON", None),
            START + 15_000 + day
        )),
        [1, 2, 3]
    );
    assert_eq!(numbers(&list(&mut engine, None, START + 20_000 + day)), [1, 4]);
    let request = iterator_request(0, "TRIM_HORIZON");
    assert_refused(
        engine.get_shard_iterator(request, START + 20_000 + day),
        "ResourceNotFoundException",
        "does not exist",
    );
}

fn page(engine: &mut Engine, request: ListShardsRequest, now_ms: u64) -> (Vec<u64>, Option<String>) {
    let answer = engine.list_shards(request, now_ms).unwrap();
    (numbers(&answer.shards), answer.next_token)
}

fn by_token(token: &str) -> ListShardsRequest {
    ListShardsRequest {
        next_token: Some(token.to_owned()),
        ..Default::default()
    }
}

#[test]
fn pages_go_on_with_the_filter_they_began_with() {
    let mut engine = reshaped();
    let now = START + 30_000;
    let first = ListShardsRequest {
        stream: StreamAddress::arn(stream_arn()),
        max_results: Some(2),
        shard_filter: filter("FROM_TIMESTAMP", Some(START + 15_000)),
        ..Default::default()
    };
    let (shards, token) = page(&mut engine, first, now);
    assert_eq!(shards, [1, 2]);
    let token = token.unwrap();
    let (shards, _) = page(&mut engine, by_token(&token), now);
    assert_eq!(shards, [3, 4]);
    let again = ListShardsRequest {
        max_results: Some(1),
        ..by_token(&token)
    };
    let (shards, next) = page(&mut engine, again, now + 300_000);
    assert_eq!(shards, [3], "a token can be used again, for other sizes too");
    let (shards, last) = page(&mut engine, by_token(&next.unwrap()), now + 600_000);
    assert_eq!((shards, last), (vec![4], None));
}

#[test]
fn tokens_expire_after_three_hundred_seconds() {
    let mut engine = reshaped();
    let first = ListShardsRequest {
        stream: here(),
        max_results: Some(1),
        ..Default::default()
    };
    let token = page(&mut engine, first, START + 30_000).1.unwrap();
    assert!(engine.list_shards(by_token(&token), START + 330_000).is_ok());
    assert_refused(
        engine.list_shards(by_token(&token), START + 330_001),
        "ExpiredNextTokenException",
        "expired",
    );
}

#[test]
fn a_token_stands_alone() {
    let mut engine = reshaped();
    let now = START + 30_000;
    let first = ListShardsRequest {
        stream: here(),
        max_results: Some(1),
        ..Default::default()
    };
    let token = page(&mut engine, first, now).1.unwrap();
    let iterator = iterator(&mut engine, 1, "LATEST", now);
    for request in [
        ListShardsRequest {
            stream: here(),
            ..by_token(&token)
        },
        ListShardsRequest {
            stream: StreamAddress::arn(stream_arn()),
            ..by_token(&token)
        },
        ListShardsRequest {
            stream_creation_timestamp_ms: Some(START),
            ..by_token(&token)
        },
        ListShardsRequest {
            exclusive_start_shard_id: Some(id(0)),
            ..by_token(&token)
        },
        ListShardsRequest {
            shard_filter: filter("AT_LATEST", None),
            ..by_token(&token)
        },
        by_token("nonsense"),
        by_token(&iterator),
    ] {
        assert_refused(
            engine.list_shards(request, now),
            "InvalidArgumentException",
            "NextToken",
        );
    }
    engine
        .delete_stream(
            DeleteStreamRequest {
                stream: here(),
                ..Default::default()
            },
            now,
        )
        .unwrap();
    create(&mut engine, STREAM, 2, now);
    assert_refused(
        engine.list_shards(by_token(&token), now),
        "ResourceNotFoundException",
        STREAM,
    );
}

#[test]
fn filters_that_are_none_are_refused() {
    let mut engine = reshaped();
    let now = START + 30_000;
    let request = |filter| ListShardsRequest {
        stream: here(),
        shard_filter: filter,
        ..Default::default()
    };
    let with_id = |filter_type: &str| ShardFilter {
        filter_type: Some(filter_type.to_owned()),
        shard_id: Some(id(0)),
        timestamp_ms: None,
    };
    for (request, code) in [
        (request(Some(ShardFilter::default())), "ValidationException"),
        (request(filter("AT_NOON", None)), "ValidationException"),
        (request(filter("AT_TIMESTAMP", None)), "InvalidArgumentException"),
        (request(filter("AT_LATEST", Some(1))), "InvalidArgumentException"),
        (
            request(filter("FROM_TIMESTAMP", Some(now + 1))),
            "InvalidArgumentException",
        ),
        (
            request(filter("AFTER_SHARD_ID", None)),
            "InvalidArgumentException",
        ),
        (request(Some(with_id("AT_LATEST"))), "InvalidArgumentException"),
        (ListShardsRequest::default(), "InvalidArgumentException"),
        (
            ListShardsRequest {
                max_results: Some(0),
                ..request(None)
            },
            "ValidationException",
        ),
        (
            ListShardsRequest {
                max_results: Some(10_001),
                ..request(None)
            },
            "ValidationException",
        ),
        (
            ListShardsRequest {
                exclusive_start_shard_id: Some("x".to_owned()),
                ..request(None)
            },
            "InvalidArgumentException",
        ),
        (
            ListShardsRequest {
                exclusive_start_shard_id: Some(id(0)),
                ..request(Some(with_id("AFTER_SHARD_ID")))
            },
            "InvalidArgumentException",
        ),
        (
            ListShardsRequest {
                stream_creation_timestamp_ms: Some(START - 60_000),
                ..request(None)
            },
            "ResourceNotFoundException",
        ),
    ] {
        assert_refused(engine.list_shards(request, now), code, "");
    }
    let start = ListShardsRequest {
        exclusive_start_shard_id: Some(id(1)),
        ..request(filter("AT_LATEST", None))
    };
    assert_eq!(page(&mut engine, start, now).0, [4]);
}

#[test]
fn a_page_has_a_thousand_shards_at_most() {
    let mut engine = engine(2_500);
    let mut request = ListShardsRequest {
        stream: here(),
        max_results: Some(10_000),
        ..Default::default()
    };
    let mut sizes = Vec::new();
    loop {
        let (shards, token) = page(&mut engine, request, START);
        sizes.push(shards.len());
        match token {
            Some(token) => request = by_token(&token),
            None => break,
        }
    }
    assert_eq!(sizes, [1_000, 1_000, 500]);
}

#[test]
fn a_stale_listing_is_that_of_a_while_ago() {
    let mut engine = reshaped();
    engine.faults_mut().add(Fault {
        when: When {
            times: Some(1),
            ..When::default()
        },
        ..Fault::always(Effect::StaleShards { by_ms: 15_000 })
    });
    let stale = list(&mut engine, filter("AT_LATEST", None), START + 30_000);
    assert_eq!(numbers(&stale), [1, 2, 3]);
    assert!(stale.iter().all(|shard| shard.ending_sequence_number.is_none()));
    assert_eq!(
        numbers(&list(&mut engine, filter("AT_LATEST", None), START + 30_000)),
        [1, 4]
    );
}

#[test]
fn listing_has_its_rate() {
    let mut engine = limited(1);
    let request = || ListShardsRequest {
        stream: here(),
        ..Default::default()
    };
    let admitted = (0..1_200)
        .filter(|_| engine.list_shards(request(), START).is_ok())
        .count();
    assert_eq!(admitted, 1_000);
    assert_refused(
        engine.list_shards(request(), START),
        "LimitExceededException",
        "Rate exceeded",
    );
}
