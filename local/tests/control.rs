//! The control endpoint over its socket, as a test in another language uses it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use aws_credential_types::Credentials;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Region};
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use serde_json::{Value, json};

struct Program {
    child: Child,
    ready: Value,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(arguments: &[&str]) -> Program {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kinesis-local"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    Program {
        ready: serde_json::from_str(&line).unwrap(),
        child,
    }
}

impl Program {
    /// One control call, by hand.
    fn control(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let address = self.ready["control"]
            .as_str()
            .unwrap()
            .trim_start_matches("http://")
            .to_owned();
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, reply) = self.control(method, path, body);
        assert_eq!(status, 200, "{method} {path}: {reply}");
        reply
    }

    fn client(&self) -> Client {
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("till-7", "any", None, None, "test"))
            .endpoint_url(self.ready["kinesis"].as_str().unwrap())
            .retry_config(RetryConfig::disabled())
            .build();
        Client::from_conf(config)
    }
}

async fn put(client: &Client) -> Result<String, String> {
    let put = client
        .put_record()
        .stream_name("orders")
        .partition_key("k")
        .data(Blob::new("x"));
    match put.send().await {
        Ok(reply) => Ok(reply.shard_id().to_owned()),
        Err(error) => Err(error.into_service_error().code().unwrap_or("none").to_owned()),
    }
}

#[tokio::test]
async fn faults_reshards_state_and_history_by_http() {
    let program = start(&["--control", "0", "--stream", "orders:1"]);
    let client = program.client();
    let added = program.ok(
        "POST",
        "/faults",
        &json!({"action": "error", "code": "InternalFailure", "status": 500, "client": "till-7", "operation": "PutRecord", "times": 1}),
    );
    assert_eq!(added, json!({"id": 1}));
    assert_eq!(put(&client).await.unwrap_err(), "InternalFailure");
    assert_eq!(put(&client).await.unwrap(), "shardId-000000000000");
    assert_eq!(
        program.ok("GET", "/faults", &Value::Null)["faults"][0]["struck"],
        1
    );

    let split = program.ok(
        "POST",
        "/streams/orders/split",
        &json!({"shard": "shardId-000000000000"}),
    );
    assert_eq!(
        split["open_shards"],
        json!(["shardId-000000000001", "shardId-000000000002"])
    );
    assert_ne!(put(&client).await.unwrap(), "shardId-000000000000");

    let state = program.ok("GET", "/state", &Value::Null);
    let records: Vec<u64> = state["streams"][0]["shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shard| shard["records"].as_u64().unwrap())
        .collect();
    assert_eq!(records.iter().sum::<u64>(), 2, "{state}");
    let history = program.ok("GET", "/history", &Value::Null);
    let outcomes: Vec<&str> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["operation"] == "PutRecord")
        .map(|entry| entry["outcome"].as_str().unwrap().split(' ').next().unwrap())
        .collect();
    assert_eq!(outcomes, ["500", "200", "200"]);

    let trimmed = program.ok(
        "POST",
        "/streams/orders/trim",
        &json!({"shard": "shardId-000000000000"}),
    );
    assert_eq!(trimmed, json!({"records": 1}));
    assert_eq!(
        program
            .control("POST", "/streams/other/scale", &json!({"target": 2}))
            .0,
        404
    );
    assert_eq!(
        program
            .control("POST", "/faults", &json!({"action": "nonsense"}))
            .0,
        400
    );
}

#[test]
fn without_control_there_is_none() {
    assert_eq!(start(&[]).ready.get("control"), None);
}

#[tokio::test]
async fn limits_latency_and_memory_are_flags() {
    let program = start(&[
        "--limits",
        "--latency",
        "--max-memory",
        "1M",
        "--stream",
        "orders:1",
    ]);
    let client = program.client();
    let entries: Vec<_> = (0..500)
        .map(|number| {
            aws_sdk_kinesis::types::PutRecordsRequestEntry::builder()
                .partition_key(number.to_string())
                .data(Blob::new(vec![b'x'; 5_000]))
                .build()
                .unwrap()
        })
        .collect();
    let before = tokio::time::Instant::now();
    let reply = client
        .put_records()
        .stream_name("orders")
        .set_records(Some(entries))
        .send()
        .await
        .unwrap();
    assert!(before.elapsed() >= std::time::Duration::from_millis(8));
    assert!(
        reply.failed_record_count().is_some_and(|failed| failed > 100),
        "{:?}",
        reply.failed_record_count()
    );
}
