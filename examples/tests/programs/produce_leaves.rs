//! `produce` that ends early: its endpoint goes away, a signal comes, nobody reads what it prints.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::stage::{PROMISED, Stage, ended, signal};

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_goes_away_is_said_and_counted() {
    let stage = Stage::with_shards(2).await;
    let mut command = stage.produce(&["--input", "-", "--random-keys", "--ttl-seconds", "2"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("a built program");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"one\ntwo\n").await.expect("read");
    until_stored(&stage).await;
    stage.local.stop().await;
    stdin.write_all(b"three\n").await.expect("read");
    drop(stdin);
    let ended = ended(child).await;
    ended.assert_gave_up(
        "endpoint gone",
        &["stdin line 3", "1 not delivered", "start again from that line"],
    );
    assert_eq!(
        (ended.records(), ended.summary()["failed"].as_u64()),
        (2, Some(1))
    );
}

/// Waits until something is stored: then the producer is at work for sure.
async fn until_stored(stage: &Stage) {
    let stored = stage
        .local
        .wait_for(|entry| entry.operation() == "PutRecords" && entry.outcome().starts_with("200"));
    timeout(PROMISED, stored)
        .await
        .expect("something is put")
        .expect("a history is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_stops_it_with_everything_delivered() {
    let stage = Stage::with_shards(2).await;
    let mut command = stage.produce(&["--input", "-", "--random-keys"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("a built program");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"one\ntwo\n").await.expect("read");
    until_stored(&stage).await;
    signal(&child, "TERM").await;
    let ended = ended(child).await;
    ended.assert_gave_up("signal", &["stdin line 2", "signal", "start again from the next"]);
    assert_eq!(ended.records(), 2);
    drop(stdin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_stdout_is_no_panic() {
    let stage = Stage::with_shards(2).await;
    let input = stage.file("in.csv", b"a\nb\n");
    let mut child = stage
        .produce(&["--input", &input, "--random-keys"])
        .spawn()
        .expect("a built program");
    drop(child.stdout.take());
    let ended = ended(child).await;
    ended.assert_gave_up("closed stdout", &["stdout", "all records are delivered"]);
}
