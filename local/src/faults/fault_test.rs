//! Which faults can be, and what they match.

use super::*;
use crate::faults::Caller;

fn caller(key: &str) -> Caller {
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/kinesis/aws4_request, x");
    Caller::from_headers(Some(&authorization), [None, None])
}

fn call<'a>(operation: &'a str, caller: &'a Caller) -> Call<'a> {
    Call {
        service: FaultService::Kinesis,
        operation,
        resource: Some("orders"),
        shard: Some("shardId-000000000001"),
        caller,
        is_conditional: false,
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let shard = "shardId-000000000001";
    let hour = Duration::from_secs(3_600);
    let cases: Vec<(Fault, Option<&str>)> = vec![
        (Fault::error("InternalFailure", 500), None),
        (
            Fault::error("Any", 399),
            Some("the status 399 of error Any is not from 400 to 599"),
        ),
        (
            Fault::error("Any", 600),
            Some("the status 600 of error Any is not from 400 to 599"),
        ),
        (
            Fault::error("", 400),
            Some(r#"the error code "" is not letters and digits"#),
        ),
        (
            Fault::error("a\"b", 400),
            Some(r#"the error code "a\"b" is not letters and digits"#),
        ),
        (
            Fault::throttle().chance(-0.1),
            Some("the chance -0.1 is not from 0 to 1"),
        ),
        (
            Fault::throttle().chance(f64::NAN),
            Some("the chance NaN is not from 0 to 1"),
        ),
        (
            Fault::throttle().operation("PutItem").operation("PutRecords"),
            None,
        ),
        (
            Fault::throttle().operation("putRecords"),
            Some("putRecords is no operation of either half"),
        ),
        (
            Fault::throttle().operation("PutItem").stream("orders"),
            Some("PutItem is no operation of Kinesis"),
        ),
        (
            Fault::throttle().operation("PutRecords").table("leases"),
            Some("PutRecords is no operation of DynamoDB"),
        ),
        (Fault::half_open().operation("SubscribeToShard"), None),
        (
            Fault::half_open().operation("GetRecords"),
            Some("half_open does not concern GetRecords"),
        ),
        (
            Fault::stale_shards(hour).table("leases"),
            Some("stale_shards does not concern DynamoDB"),
        ),
        (
            Fault::index_lag(hour).stream("orders"),
            Some("index_lag does not concern Kinesis"),
        ),
        (
            Fault::index_lag(hour).operation("GetItem"),
            Some("index_lag does not concern GetItem"),
        ),
        (Fault::entries_refused().operation("PutRecord"), None),
        (Fault::throttle().operation("PutRecords").shard(shard), None),
        (
            Fault::throttle().shard("one"),
            Some(r#""one" is not a shard id such as shardId-000000000000"#),
        ),
        (
            Fault::reply_lost().operation("PutRecords").shard(shard),
            Some("reply_lost cannot be narrowed to one shard for PutRecords; errors and throttling can"),
        ),
    ];
    for (fault, reason) in cases {
        let found = fault.check().err().map(|error| error.to_string());
        assert_eq!(found.as_deref(), reason, "{fault:?}");
    }
}

#[test]
fn every_condition_narrows() {
    let worker = caller("worker-1");
    let get = call("GetRecords", &worker);
    let narrow = Fault::latency(Duration::from_millis(1))
        .operation("GetRecords")
        .stream("orders")
        .shard("shardId-000000000001")
        .client("worker-1");
    assert!(narrow.matches(&get));
    for other in [
        Call {
            operation: "GetShardIterator",
            ..get
        },
        Call {
            resource: Some("other"),
            ..get
        },
        Call {
            resource: None,
            ..get
        },
        Call { shard: None, ..get },
        Call {
            shard: Some("shardId-000000000000"),
            ..get
        },
        Call {
            caller: &Caller::default(),
            ..get
        },
        Call {
            service: FaultService::DynamoDb,
            ..get
        },
    ] {
        assert!(!narrow.matches(&other), "{other:?}");
    }
    assert!(Fault::throttle().matches(&Call {
        service: FaultService::DynamoDb,
        operation: "PutItem",
        ..get
    }));
}

#[test]
fn actions_match_only_what_they_can_act_on() {
    let worker = caller("w");
    let cases = [
        (Fault::half_open(), "SubscribeToShard", "GetRecords"),
        (Fault::duplicate_event(), "SubscribeToShard", "GetRecords"),
        (
            Fault::stale_shards(Duration::ZERO),
            "ListShards",
            "DescribeStream",
        ),
        (Fault::entries_refused(), "PutRecords", "GetRecords"),
        // The shard of a write is for the engine to find, entry by entry.
        (
            Fault::throttle().shard("shardId-000000000007"),
            "PutRecords",
            "GetRecords",
        ),
    ];
    for (fault, acts, acts_not) in cases {
        assert!(fault.matches(&call(acts, &worker)), "{fault:?}");
        assert!(!fault.matches(&call(acts_not, &worker)), "{fault:?}");
    }
    let conditional = Fault::reply_lost().conditional();
    let update = Call {
        service: FaultService::DynamoDb,
        ..call("UpdateItem", &worker)
    };
    assert!(!conditional.matches(&update));
    assert!(conditional.matches(&Call {
        is_conditional: true,
        ..update
    }));
}

#[test]
fn throttling_uses_the_words_of_each_operation() {
    let code = |service, operation| Refusal::throttle(service, operation).code;
    assert_eq!(
        code(FaultService::Kinesis, "GetRecords"),
        "ProvisionedThroughputExceededException"
    );
    assert_eq!(
        code(FaultService::Kinesis, "ListShards"),
        "LimitExceededException"
    );
    assert_eq!(
        code(FaultService::DynamoDb, "PutItem"),
        "ProvisionedThroughputExceededException"
    );
}

#[test]
fn a_summary_says_what_and_where() {
    let fault = Fault::throttle()
        .operation("PutRecords")
        .stream("orders")
        .client("till-7");
    assert_eq!(fault.summary(), "throttle of PutRecords on orders for till-7");
    assert_eq!(Fault::half_open().summary(), "half_open");
}
