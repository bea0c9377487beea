//! Every call, without a socket.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::engine::api::CreateStreamRequest;
use crate::service::Setup;

fn control() -> Control {
    let setup = Setup {
        history_limit: 10,
        ..Setup::default()
    };
    let (kinesis, _) = setup.build(UNIX_EPOCH + Duration::from_secs(1_000)).unwrap();
    let create = CreateStreamRequest {
        stream_name: Some("orders".to_owned()),
        shard_count: Some(2),
        ..CreateStreamRequest::default()
    };
    kinesis
        .with_engine(|engine, now_ms| engine.create_stream(create, now_ms))
        .unwrap();
    Control::new(kinesis)
}

fn ok(control: &Control, method: Method, path: &str, body: &str) -> Value {
    let (status, reply) = control.answer(&method, path, body.as_bytes());
    assert_eq!(status, StatusCode::OK, "{path} {body}: {reply}");
    reply
}

fn refused(control: &Control, method: Method, path: &str, body: &str) -> (u16, String) {
    let (status, reply) = control.answer(&method, path, body.as_bytes());
    let error = reply["error"]
        .as_str()
        .unwrap_or_else(|| panic!("{path} {body}: {reply}"));
    (status.as_u16(), error.to_owned())
}

#[tokio::test(start_paused = true)]
async fn faults_come_and_go() {
    let control = control();
    let added = ok(
        &control,
        Method::POST,
        "/faults",
        r#"{"action":"throttle","operation":"PutRecords"}"#,
    );
    assert_eq!(added, json!({ "id": 1 }));
    ok(&control, Method::POST, "/faults", r#"{"action":"half_open"}"#);
    let listed = ok(&control, Method::GET, "/faults", "");
    assert_eq!(
        listed,
        json!({"faults": [
            {"id": 1, "fault": "throttle of PutRecords", "struck": 0},
            {"id": 2, "fault": "half_open", "struck": 0},
        ]})
    );
    ok(&control, Method::DELETE, "/faults/1", "");
    assert_eq!(refused(&control, Method::DELETE, "/faults/1", "").0, 404);
    assert_eq!(refused(&control, Method::DELETE, "/faults/one", "").0, 404);
    ok(&control, Method::DELETE, "/faults", "");
    assert_eq!(ok(&control, Method::GET, "/faults", ""), json!({"faults": []}));
}

#[tokio::test(start_paused = true)]
async fn reshards_are_now_or_later() {
    let control = control();
    let id = |number: u32| format!("shardId-{number:012}");
    let split = ok(
        &control,
        Method::POST,
        "/streams/orders/split",
        r#"{"shard":"shardId-000000000000"}"#,
    );
    assert_eq!(split["open_shards"], json!([id(1), id(2), id(3)]));
    let again = refused(
        &control,
        Method::POST,
        "/streams/orders/split",
        r#"{"shard":"shardId-000000000000"}"#,
    );
    assert_eq!(again.0, 409);
    let merge = r#"{"shard":"shardId-000000000002","adjacent":"shardId-000000000003","after_ms":1000}"#;
    let later = ok(&control, Method::POST, "/streams/orders/merge", merge);
    assert_eq!(later["due_in_ms"], 1_000);
    tokio::time::advance(Duration::from_millis(999)).await;
    assert_eq!(control.open_shards("orders").unwrap().len(), 3);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(control.open_shards("orders").unwrap(), [id(1), id(4)]);
    let scaled = ok(&control, Method::POST, "/streams/orders/scale", r#"{"target":4}"#);
    assert_eq!(scaled["open_shards"].as_array().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn state_and_clock() {
    let control = control();
    let state = ok(&control, Method::GET, "/state/", "");
    assert_eq!(state["now_ms"], 1_000_000);
    assert_eq!(state["streams"][0]["name"], "orders");
    assert_eq!(state["streams"][0]["status"], "ACTIVE");
    assert_eq!(state["streams"][0]["shards"][1]["id"], "shardId-000000000001");
    assert_eq!(state["streams"][0]["shards"][1]["open"], true);
    let moved = ok(&control, Method::POST, "/clock/advance", r#"{"ms":60000}"#);
    assert_eq!(moved["now_ms"], 1_060_000);
    let history = ok(&control, Method::GET, "/history", "");
    assert_eq!(history, json!({"dropped": 0, "entries": []}));
    ok(&control, Method::DELETE, "/history", "");
    assert_eq!(
        ok(&control, Method::POST, "/streams/orders/trim", ""),
        json!({"records": 0})
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_calls_are_refused_with_a_reason() {
    let control = control();
    for (method, path, body, status) in [
        (Method::GET, "/", "", 404),
        (Method::PUT, "/faults", "", 404),
        (Method::POST, "/faults", "", 400),
        (Method::POST, "/faults", "not json", 400),
        (
            Method::POST,
            "/faults",
            r#"{"action":"throttle","chance":7}"#,
            400,
        ),
        (Method::POST, "/streams/other/scale", r#"{"target":4}"#, 404),
        (Method::POST, "/streams/orders/scale", r#"{"target":0}"#, 400),
        (Method::POST, "/streams/orders/scale", r#"{"target":-1}"#, 400),
        (Method::POST, "/streams/orders/split", r#"{"shard":"one"}"#, 400),
        (
            Method::POST,
            "/streams/orders/split",
            r#"{"shard":"shardId-000000000000","at_hash_key":"x"}"#,
            400,
        ),
        (Method::POST, "/streams/other/trim", "{}", 404),
        (Method::POST, "/clock/advance", r#"{"ms":"1"}"#, 400),
    ] {
        let (found, error) = refused(&control, method.clone(), path, body);
        assert_eq!(found, status, "{method} {path} {body}: {error}");
    }
}
