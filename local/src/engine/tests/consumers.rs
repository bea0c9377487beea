use std::collections::BTreeMap;

use super::*;

fn register_request(name: &str) -> RegisterConsumerRequest {
    RegisterConsumerRequest {
        stream_arn: Some(stream_arn()),
        consumer_name: Some(name.to_owned()),
        tags: None,
    }
}

fn by_arn(arn: &str) -> ConsumerAddress {
    ConsumerAddress {
        consumer_arn: Some(arn.to_owned()),
        ..Default::default()
    }
}

fn by_name(name: &str) -> ConsumerAddress {
    ConsumerAddress {
        stream_arn: Some(stream_arn()),
        consumer_name: Some(name.to_owned()),
        consumer_arn: None,
    }
}

fn slow() -> Engine {
    let durations = Durations {
        register_consumer_ms: 2_000,
        deregister_consumer_ms: 2_000,
        ..Durations::default()
    };
    engine_of(
        1,
        Settings {
            durations,
            ..Settings::default()
        },
    )
}

#[test]
fn a_consumer_is_creating_then_active_then_deleting_then_gone() {
    let mut engine = slow();
    let made = engine
        .register_stream_consumer(register_request("app"), START)
        .unwrap();
    assert_eq!(made.status, ConsumerStatus::Creating);
    assert_eq!(
        made.consumer_arn,
        format!("{}/consumer/app:{}", stream_arn(), START / 1000)
    );
    let described =
        |engine: &mut Engine, now| engine.describe_stream_consumer(by_arn(&made.consumer_arn), now);
    assert_eq!(
        described(&mut engine, START + 1_999).unwrap().status,
        ConsumerStatus::Creating
    );
    let active = described(&mut engine, START + 2_000).unwrap();
    assert_eq!(
        (active.status, active.stream_arn),
        (ConsumerStatus::Active, stream_arn())
    );
    assert_eq!(summary(&mut engine, START + 2_000).consumer_count, 1);
    engine
        .deregister_stream_consumer(by_name("app"), START + 3_000)
        .unwrap();
    assert_eq!(
        described(&mut engine, START + 4_999).unwrap().status,
        ConsumerStatus::Deleting
    );
    assert_refused(
        engine.deregister_stream_consumer(by_name("app"), START + 4_000),
        "ResourceInUseException",
        "app",
    );
    assert_refused(
        described(&mut engine, START + 5_000),
        "ResourceNotFoundException",
        "Consumer app under stream",
    );
    assert_eq!(summary(&mut engine, START + 5_000).consumer_count, 0);
}

#[test]
fn one_made_again_has_another_arn_even_within_a_second() {
    let mut engine = engine(1);
    let first = engine
        .register_stream_consumer(register_request("app"), START)
        .unwrap();
    assert_refused(
        engine.register_stream_consumer(register_request("app"), START),
        "ResourceInUseException",
        "already exists",
    );
    engine
        .deregister_stream_consumer(by_arn(&first.consumer_arn), START)
        .unwrap();
    let second = engine
        .register_stream_consumer(register_request("app"), START)
        .unwrap();
    assert_ne!(first.consumer_arn, second.consumer_arn);
    assert_refused(
        engine.describe_stream_consumer(by_arn(&first.consumer_arn), START),
        "ResourceNotFoundException",
        "app",
    );
    assert!(
        engine
            .describe_stream_consumer(by_arn(&second.consumer_arn), START)
            .is_ok()
    );
}

#[test]
fn addresses_must_agree() {
    let mut engine = engine(1);
    let made = engine
        .register_stream_consumer(register_request("app"), START)
        .unwrap();
    let all = ConsumerAddress {
        consumer_arn: Some(made.consumer_arn),
        ..by_name("app")
    };
    assert!(engine.describe_stream_consumer(all.clone(), START).is_ok());
    let other = ConsumerAddress {
        consumer_name: Some("web".to_owned()),
        ..all
    };
    let only_name = ConsumerAddress {
        stream_arn: None,
        ..by_name("app")
    };
    for (address, code) in [
        (other, "InvalidArgumentException"),
        (only_name, "InvalidArgumentException"),
        (ConsumerAddress::default(), "InvalidArgumentException"),
        (by_arn(&stream_arn()), "InvalidArgumentException"),
        (by_arn("x"), "ValidationException"),
        (by_name("web"), "ResourceNotFoundException"),
    ] {
        assert_refused(engine.describe_stream_consumer(address, START), code, "");
    }
    let no_arn = RegisterConsumerRequest {
        stream_arn: None,
        ..register_request("b")
    };
    assert_refused(
        engine.register_stream_consumer(no_arn, START),
        "ValidationException",
        "streamARN",
    );
    assert_refused(
        engine.register_stream_consumer(register_request("a b"), START),
        "ValidationException",
        "consumerName",
    );
}

#[test]
fn consumers_are_listed_in_pages() {
    let mut engine = engine(1);
    for name in ["c", "a", "b"] {
        engine
            .register_stream_consumer(register_request(name), START)
            .unwrap();
    }
    let request = |token| ListConsumersRequest {
        stream: StreamAddress::arn(stream_arn()),
        next_token: token,
        max_results: Some(2),
        stream_creation_timestamp_ms: None,
    };
    let names = |answer: &ListConsumersResponse| -> Vec<String> {
        answer
            .consumers
            .iter()
            .map(|consumer| consumer.consumer_name.clone())
            .collect()
    };
    let first = engine.list_stream_consumers(request(None), START).unwrap();
    assert_eq!(names(&first), ["a", "b"]);
    let last = engine
        .list_stream_consumers(request(first.next_token.clone()), START + 300_000)
        .unwrap();
    assert_eq!((names(&last), last.next_token), (vec!["c".to_owned()], None));
    assert_refused(
        engine.list_stream_consumers(request(first.next_token), START + 300_001),
        "ExpiredNextTokenException",
        "",
    );
}

#[test]
fn twenty_consumers_and_five_at_once() {
    let limits = Limits {
        quotas: true,
        ..Limits::off()
    };
    let durations = Durations {
        register_consumer_ms: 1_000,
        ..Durations::default()
    };
    let mut engine = engine_of(
        1,
        Settings {
            limits,
            durations,
            ..Settings::default()
        },
    );
    for number in 0..20 {
        let now = START + number / 5 * 1_000;
        engine
            .register_stream_consumer(register_request(&format!("c{number}")), now)
            .unwrap();
        if number % 5 == 4 && number < 19 {
            let refused = engine.register_stream_consumer(register_request("more"), now);
            assert_refused(refused, "LimitExceededException", "");
        }
    }
    assert_refused(
        engine.register_stream_consumer(register_request("more"), START + 60_000),
        "LimitExceededException",
        "maximum number of registered consumers",
    );
}

#[test]
fn a_stream_with_consumers_is_deleted_only_by_force() {
    let mut engine = engine(1);
    engine
        .register_stream_consumer(register_request("app"), START)
        .unwrap();
    let delete = |force| DeleteStreamRequest {
        stream: here(),
        enforce_consumer_deletion: force,
    };
    assert_refused(
        engine.delete_stream(delete(false), START),
        "ResourceInUseException",
        "consumers",
    );
    engine.delete_stream(delete(true), START).unwrap();
}

#[test]
fn consumers_have_tags_and_policies_of_their_own() {
    let mut engine = engine(1);
    let tags = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let request = RegisterConsumerRequest {
        tags: Some(tags),
        ..register_request("app")
    };
    let arn = engine
        .register_stream_consumer(request, START)
        .unwrap()
        .consumer_arn;
    let resource = || ResourceRequest {
        resource_arn: Some(arn.clone()),
    };
    let listed = engine.list_tags_for_resource(resource(), START).unwrap();
    assert_eq!(listed, [("team".to_owned(), "a".to_owned())]);
    let policy = PutResourcePolicyRequest {
        resource_arn: Some(arn.clone()),
        policy: Some("{}".to_owned()),
    };
    engine.put_resource_policy(policy, START).unwrap();
    assert_eq!(engine.get_resource_policy(resource(), START).unwrap(), "{}");
    let of_stream = ResourceRequest {
        resource_arn: Some(stream_arn()),
    };
    assert_refused(
        engine.get_resource_policy(of_stream, START),
        "ResourceNotFoundException",
        "",
    );
}
