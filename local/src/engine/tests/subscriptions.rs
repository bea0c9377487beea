use proptest::prelude::*;

use super::*;

fn with_consumer(mut engine: Engine) -> (Engine, String) {
    let arn = register(&mut engine, "app");
    (engine, arn)
}

fn register(engine: &mut Engine, name: &str) -> String {
    let request = RegisterConsumerRequest {
        stream_arn: Some(stream_arn()),
        consumer_name: Some(name.to_owned()),
        tags: None,
    };
    engine
        .register_stream_consumer(request, START)
        .unwrap()
        .consumer_arn
}

fn request(arn: &str, shard: u64, position: &str) -> SubscribeToShardRequest {
    SubscribeToShardRequest {
        consumer_arn: Some(arn.to_owned()),
        shard_id: Some(id(shard)),
        starting_position: Some(StartingPosition {
            position_type: Some(position.to_owned()),
            ..Default::default()
        }),
        dry_run: false,
    }
}

fn after(arn: &str, shard: u64, number: impl ToString) -> SubscribeToShardRequest {
    let mut request = request(arn, shard, "AFTER_SEQUENCE_NUMBER");
    if let Some(position) = &mut request.starting_position {
        position.sequence_number = Some(number.to_string());
    }
    request
}

fn subscribe(engine: &mut Engine, arn: &str, now_ms: u64) -> SubscriptionId {
    engine
        .subscribe_to_shard(request(arn, 0, "TRIM_HORIZON"), now_ms)
        .unwrap()
}

#[track_caller]
fn event(engine: &mut Engine, id: SubscriptionId, now_ms: u64) -> SubscriptionEvent {
    match engine.poll_subscription(id, now_ms) {
        SubscriptionPoll::Event(event) => event,
        other => panic!("no event: {other:?}"),
    }
}

#[test]
fn records_come_several_at_once_and_as_they_are_put() {
    let (mut engine, arn) = with_consumer(engine(1));
    for text in ["a", "b", "c"] {
        put(&mut engine, entry("k", text), START);
    }
    let id = subscribe(&mut engine, &arn, START + 10);
    let first = event(&mut engine, id, START + 10);
    assert_eq!(texts(&first.records), ["a", "b", "c"]);
    assert_eq!((first.millis_behind_latest, first.child_shards), (0, None));
    assert_eq!(
        engine.poll_subscription(id, START + 10),
        SubscriptionPoll::Wait {
            until_ms: START + 5_010
        }
    );
    assert!(engine.take_woken().is_empty());
    put(&mut engine, entry("k", "d"), START + 20);
    assert_eq!(engine.take_woken(), [id]);
    assert_eq!(texts(&event(&mut engine, id, START + 20).records), ["d"]);
    assert!(engine.take_woken().is_empty());
}

#[test]
fn an_idle_session_beats_every_five_seconds_and_its_number_moves() {
    let (mut engine, arn) = with_consumer(engine(1));
    let id = subscribe(&mut engine, &arn, START);
    let mut last = None;
    for beat in 1..=3 {
        let due = START + beat * 5_000;
        assert_eq!(
            engine.poll_subscription(id, due - 1),
            SubscriptionPoll::Wait { until_ms: due }
        );
        let empty = event(&mut engine, id, due);
        assert!(empty.records.is_empty());
        assert!(last < Some(empty.continuation_sequence_number));
        last = Some(empty.continuation_sequence_number);
    }
    // From the last beat on, nothing is lost and nothing comes twice.
    put(&mut engine, entry("k", "x"), START + 15_001);
    let resumed = engine
        .subscribe_to_shard(after(&arn, 0, last.unwrap()), START + 16_000)
        .unwrap();
    assert_eq!(texts(&event(&mut engine, resumed, START + 16_000).records), ["x"]);
}

#[test]
fn a_session_ends_after_five_minutes() {
    let (mut engine, arn) = with_consumer(engine(1));
    let id = subscribe(&mut engine, &arn, START);
    event(&mut engine, id, START + 299_000);
    assert_eq!(
        engine.poll_subscription(id, START + 299_999),
        SubscriptionPoll::Wait {
            until_ms: START + 300_000
        }
    );
    assert_eq!(
        engine.poll_subscription(id, START + 300_000),
        SubscriptionPoll::End
    );
    assert_eq!(engine.subscription_count(), 0);
    assert_eq!(
        engine.poll_subscription(id, START + 300_001),
        SubscriptionPoll::End
    );
}

#[test]
fn five_seconds_must_pass_and_then_the_later_call_takes_over() {
    let (mut engine, arn) = with_consumer(engine(2));
    let first = subscribe(&mut engine, &arn, START);
    let again = |engine: &mut Engine, now| engine.subscribe_to_shard(request(&arn, 0, "LATEST"), now);
    assert_refused(
        again(&mut engine, START + 4_999),
        "ResourceInUseException",
        "Another active subscription",
    );
    // Hanging up changes nothing; other shards and other consumers are free.
    engine.cancel_subscription(first);
    assert_refused(again(&mut engine, START + 4_999), "ResourceInUseException", "");
    engine
        .subscribe_to_shard(request(&arn, 1, "LATEST"), START)
        .unwrap();
    let web = register(&mut engine, "web");
    subscribe(&mut engine, &web, START);

    let second = again(&mut engine, START + 5_000).unwrap();
    engine.take_woken();
    let third = again(&mut engine, START + 10_000).unwrap();
    assert_eq!(engine.take_woken(), [second]);
    let SubscriptionPoll::Fail(refused) = engine.poll_subscription(second, START + 10_000) else {
        panic!("the earlier session goes on")
    };
    assert_eq!(refused.code(), "ResourceInUseException");
    assert!(matches!(
        engine.poll_subscription(third, START + 10_000),
        SubscriptionPoll::Wait { .. }
    ));
}

#[test]
fn a_closed_shard_ends_with_its_children() {
    let (mut engine, arn) = with_consumer(engine(1));
    let id = subscribe(&mut engine, &arn, START);
    put(&mut engine, entry("k", "last"), START + 1);
    split(&mut engine, 0, 1 << 127, START + 2).unwrap();
    assert_eq!(engine.take_woken(), [id]);
    let last = event(&mut engine, id, START + 2);
    assert_eq!(texts(&last.records), ["last"]);
    let children: Vec<_> = last
        .child_shards
        .unwrap()
        .iter()
        .map(|c| c.shard_id.number().unwrap())
        .collect();
    assert_eq!(children, [1, 2]);
    assert_eq!(engine.poll_subscription(id, START + 2), SubscriptionPoll::End);
    // A reader who comes too late is told the same, at once.
    let late = engine
        .subscribe_to_shard(request(&arn, 0, "LATEST"), START + 6_000)
        .unwrap();
    let only = event(&mut engine, late, START + 6_000);
    assert!(only.records.is_empty() && only.child_shards.unwrap().len() == 2);
    assert_eq!(
        engine.poll_subscription(late, START + 6_000),
        SubscriptionPoll::End
    );
}

#[test]
fn an_idle_session_learns_of_the_end_of_its_shard() {
    let (mut engine, arn) = with_consumer(engine(1));
    let id = engine
        .subscribe_to_shard(request(&arn, 0, "LATEST"), START)
        .unwrap();
    engine.schedule_reshard(STREAM, Reshard::Scale { target: 2 }, START + 1_000);
    engine.tick(START + 1_000);
    assert_eq!(engine.take_woken(), [id]);
    assert!(event(&mut engine, id, START + 1_000).child_shards.is_some());
}

#[test]
fn events_are_bounded_and_paced() {
    let (mut engine, arn) = with_consumer(limited(1));
    for number in 0..6 {
        put(&mut engine, entry("k", vec![0; 900_000]), START + number * 1_000);
    }
    let now = START + 10_000;
    let id = subscribe(&mut engine, &arn, now);
    let (mut at, mut sizes) = (now, Vec::new());
    while sizes.len() < 6 {
        match engine.poll_subscription(id, at) {
            SubscriptionPoll::Event(event) => sizes.push(event.records.len()),
            SubscriptionPoll::Wait { until_ms } => at = until_ms,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sizes, [1; 6], "two together are above 1 MiB");
    // 5.4 MB less the first second's 2 MiB, and the last runs into debt: 2.2 to 2.6 MB at 2 MiB/s.
    assert!((1_100..1_300).contains(&(at - now)), "{}", at - now);
}

#[test]
fn sessions_fail_when_what_they_read_is_gone() {
    let (mut engine, arn) = with_consumer(engine(1));
    let id = subscribe(&mut engine, &arn, START);
    let address = ConsumerAddress {
        consumer_arn: Some(arn),
        ..Default::default()
    };
    engine.deregister_stream_consumer(address, START).unwrap();
    assert_eq!(engine.take_woken(), [id]);
    let SubscriptionPoll::Fail(refused) = engine.poll_subscription(id, START) else {
        panic!("goes on")
    };
    assert_eq!(refused.code(), "ResourceNotFoundException");
    let arn = register(&mut engine, "app");
    let id = subscribe(&mut engine, &arn, START + 10_000);
    let delete = DeleteStreamRequest {
        stream: here(),
        enforce_consumer_deletion: true,
    };
    engine.delete_stream(delete, START + 10_000).unwrap();
    assert_eq!(engine.take_woken(), [id]);
    assert!(matches!(
        engine.poll_subscription(id, START + 10_000),
        SubscriptionPoll::Fail(_)
    ));
    assert_eq!(engine.subscription_count(), 0);
}

#[test]
fn calls_that_cannot_be_are_refused() {
    let (mut engine, arn) = with_consumer(engine(1));
    let stale = format!("{}/consumer/app:1", stream_arn());
    let no_position = SubscribeToShardRequest {
        starting_position: None,
        ..request(&arn, 0, "LATEST")
    };
    for (request, code) in [
        (request(&arn, 7, "LATEST"), "ResourceNotFoundException"),
        (request(&stale, 0, "LATEST"), "ResourceNotFoundException"),
        (request("x", 0, "LATEST"), "ValidationException"),
        (request(&arn, 0, "NOW"), "ValidationException"),
        (request(&arn, 0, "AT_TIMESTAMP"), "InvalidArgumentException"),
        (no_position, "ValidationException"),
        (SubscribeToShardRequest::default(), "ValidationException"),
        (
            SubscribeToShardRequest {
                dry_run: true,
                ..request(&arn, 0, "LATEST")
            },
            "DryRunOperationException",
        ),
    ] {
        assert_refused(engine.subscribe_to_shard(request, START), code, "");
    }
    assert_eq!(engine.subscription_count(), 0);
    assert!(
        engine
            .subscribe_to_shard(request(&arn, 0, "LATEST"), START)
            .is_ok(),
        "refusals count for nothing"
    );
}

#[test]
fn one_call_a_second_with_limits() {
    let (mut engine, arn) = with_consumer(limited(1));
    subscribe(&mut engine, &arn, START);
    let again = |engine: &mut Engine, now| engine.subscribe_to_shard(request(&arn, 0, "LATEST"), now);
    assert_refused(
        again(&mut engine, START + 999),
        "LimitExceededException",
        "Rate exceeded",
    );
    assert_refused(again(&mut engine, START + 1_000), "ResourceInUseException", "");
    assert_refused(again(&mut engine, START + 1_500), "LimitExceededException", "");
}

#[test]
fn a_consumer_that_is_being_created_cannot_read() {
    let durations = Durations {
        register_consumer_ms: 1_000,
        ..Durations::default()
    };
    let (mut engine, arn) = with_consumer(engine_of(
        1,
        Settings {
            durations,
            ..Settings::default()
        },
    ));
    let call = |engine: &mut Engine, now| engine.subscribe_to_shard(request(&arn, 0, "LATEST"), now);
    assert_refused(
        call(&mut engine, START + 999),
        "ResourceInUseException",
        "CREATING",
    );
    assert!(call(&mut engine, START + 1_000).is_ok());
}

#[test]
fn scripted_faults_strike_events() {
    for (effect, check) in [
        (Effect::CutEvents, "cut"),
        (Effect::FailEvents(ServiceError::internal_failure()), "fail"),
        (Effect::HalfOpen, "silent"),
        (Effect::DuplicateEvent, "twice"),
    ] {
        let (mut engine, arn) = with_consumer(engine(1));
        put(&mut engine, entry("k", "a"), START);
        let id = subscribe(&mut engine, &arn, START);
        engine.faults_mut().add(Fault {
            stream: Some(STREAM.to_owned()),
            ..Fault::always(effect)
        });
        let poll = engine.poll_subscription(id, START);
        match check {
            "cut" => assert_eq!((poll, engine.subscription_count()), (SubscriptionPoll::Cut, 0)),
            "fail" => assert!(matches!(poll, SubscriptionPoll::Fail(error) if error.status() == 500)),
            "silent" => {
                assert_eq!(poll, SubscriptionPoll::Wait { until_ms: u64::MAX });
                let later = engine.poll_subscription(id, START + 900_000);
                assert_eq!(later, SubscriptionPoll::Wait { until_ms: u64::MAX });
                assert_eq!(engine.subscription_count(), 1, "only the client can end it");
            }
            _ => {
                let again = event(&mut engine, id, START);
                assert_eq!(poll, SubscriptionPoll::Event(again));
                assert!(matches!(
                    engine.poll_subscription(id, START),
                    SubscriptionPoll::Wait { .. }
                ));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Puts, polls and resumptions in any order: the reader gets every record once.
    #[test]
    fn resuming_after_the_continuation_loses_and_repeats_nothing(
        steps in prop::collection::vec((0_u8..10, 0_u64..4_000), 1..120),
    ) {
        let (mut engine, arn) = with_consumer(engine(1));
        let mut id = subscribe(&mut engine, &arn, START);
        let (mut now, mut put_count, mut read) = (START, 0, Vec::new());
        let mut continuation = None;
        let mut opened = START;
        for (step, wait) in steps {
            now += wait;
            if step < 5 {
                put(&mut engine, entry("k", put_count.to_string()), now);
                put_count += 1;
            } else if step == 5 && now >= opened + 5_000 && continuation.is_some() {
                engine.cancel_subscription(id);
                id = engine.subscribe_to_shard(after(&arn, 0, continuation.unwrap()), now).unwrap();
                opened = now;
            } else if let SubscriptionPoll::Event(event) = engine.poll_subscription(id, now) {
                read.extend(texts(&event.records).into_iter().map(str::to_owned));
                continuation = Some(event.continuation_sequence_number);
            }
        }
        while let SubscriptionPoll::Event(event) = engine.poll_subscription(id, now) {
            if event.records.is_empty() {
                break;
            }
            read.extend(texts(&event.records).into_iter().map(str::to_owned));
        }
        // A session that ended by its age leaves the rest to the next.
        if engine.subscription_count() > 0 {
            let expected: Vec<_> = (0..put_count).map(|number: u32| number.to_string()).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
