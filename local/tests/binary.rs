//! The program, as another program sees it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_kinesis::config::{BehaviorVersion, Region};
use kinesis_local::Local;
use tokio::time::Instant;

/// A running program, killed if a test fails half way.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinesis-local"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts the program and returns it with the fields of its line.
fn start(arguments: &[&str]) -> (Program, serde_json::Value) {
    let mut program = Program(program(arguments).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(program.0.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    (program, serde_json::from_str(&line).unwrap())
}

/// Sends a signal and returns the exit code and what else was printed.
fn end(program: &mut Program, signal: &str) -> (Option<i32>, String) {
    let child = &mut program.0;
    let sent = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(sent.success());
    let before = Instant::now();
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
    let code = child.wait().unwrap().code();
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "took {:?}",
        before.elapsed()
    );
    (code, printed)
}

fn fails(arguments: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = program(arguments).output().unwrap();
    assert!(stdout.is_empty());
    (status.code(), String::from_utf8(stderr).unwrap())
}

fn client(url: &str) -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "test"))
        .endpoint_url(url)
        .build();
    aws_sdk_kinesis::Client::from_conf(config)
}

#[tokio::test]
async fn streams_are_there_when_the_line_is() {
    let (mut program, ready) = start(&["--stream", "orders:3", "--stream", "stock:1"]);
    let fields: BTreeSet<_> = ready.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, BTreeSet::from(["dynamodb", "kinesis"]));

    let kinesis = client(ready["kinesis"].as_str().unwrap());
    let shards = kinesis.list_shards().stream_name("orders").send().await.unwrap();
    assert_eq!(shards.shards().len(), 3);
    let stock = kinesis
        .describe_stream_summary()
        .stream_name("stock")
        .send()
        .await
        .unwrap();
    assert_eq!(
        stock
            .stream_description_summary()
            .map(|summary| summary.open_shard_count()),
        Some(1)
    );
    tokio::net::TcpStream::connect(ready["dynamodb"].as_str().unwrap().trim_start_matches("http://"))
        .await
        .unwrap();

    assert_eq!(end(&mut program, "TERM"), (Some(0), String::new()));
}

#[test]
fn ctrl_c_ends_it_cleanly() {
    let (mut program, _) = start(&[]);
    assert_eq!(end(&mut program, "INT"), (Some(0), String::new()));
}

#[test]
fn the_certificate_is_a_file_while_it_runs() {
    let (mut program, ready) = start(&["--tls"]);
    assert!(ready["kinesis"].as_str().unwrap().starts_with("https://"));
    assert!(ready["dynamodb"].as_str().unwrap().starts_with("https://"));
    let path = Path::new(ready["certificate"].as_str().unwrap()).to_owned();
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    assert_eq!(end(&mut program, "TERM"), (Some(0), String::new()));
    assert!(!path.exists());
}

#[test]
fn it_outlives_a_reader_that_goes_away() {
    let (mut program, ready) = start(&[]);
    drop(program.0.stdout.take());
    drop(program.0.stderr.take());
    let address = ready["kinesis"]
        .as_str()
        .unwrap()
        .trim_start_matches("http://")
        .to_owned();
    std::net::TcpStream::connect(address).unwrap();
    assert_eq!(program.0.try_wait().unwrap(), None);
}

#[tokio::test]
async fn a_taken_port_ends_it_with_one_line() {
    let local = Local::start().await.unwrap();
    let port = local.kinesis_url().rsplit_once(':').unwrap().1;
    for (flag, endpoint) in [("--kinesis-port", "Kinesis"), ("--dynamodb-port", "DynamoDB")] {
        let (code, text) = fails(&[flag, port]);
        assert_eq!(code, Some(1));
        assert!(
            text.starts_with(&format!(
                "kinesis-local: cannot listen on 127.0.0.1:{port} for {endpoint}: "
            )),
            "{text}"
        );
        assert!(
            text.ends_with("choose another port, or 0 for any free one\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn a_bad_stream_ends_it_with_one_line() {
    for (stream, says) in [
        ("orders", "NAME:SHARDS"),
        ("orders:", "NAME:SHARDS"),
        (":4", "NAME:SHARDS"),
        ("orders:0", "NAME:SHARDS"),
        ("orders:-1", "NAME:SHARDS"),
        ("orders:many", "NAME:SHARDS"),
        ("two words:1", "ValidationException"),
        ("two\nlines:1", "ValidationException"),
        ("with:colon:1", "ValidationException"),
    ] {
        let (code, text) = fails(&["--stream", stream]);
        assert_eq!(code, Some(1), "{stream}: {text}");
        assert!(
            text.starts_with("kinesis-local: ") && text.contains(says),
            "{stream}: {text}"
        );
        assert_eq!(text.lines().count(), 1, "{stream}: {text}");
    }
}

#[test]
fn wrong_usage_exits_with_two() {
    for arguments in [&["--bogus"][..], &["--kinesis-port", "65536"], &["--stream"]] {
        assert_eq!(fails(arguments).0, Some(2), "{arguments:?}");
    }
}
