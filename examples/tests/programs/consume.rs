//! `consume` as its user meets it: shared work, clean and unclean ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use crate::stage::{Stage, ended, output_lines, run, signal, until};
use bytes::Bytes;
use kpl::{Producer, ProducerConfig, Record, StreamName};
use serde_json::Value;
use tokio::process::Child;

/// Puts lines `from..to` under seven keys; each line holds its number.
async fn put(stage: &Stage, from: u32, to: u32) {
    let config = ProducerConfig::builder().build().expect("defaults");
    let producer = Producer::new(&stage.local.kinesis_config(), config).expect("an SDK configuration");
    let stream = StreamName::new("s").expect("a name");
    let mut tickets = Vec::new();
    for number in from..to {
        let record = Record::new(format!("key-{}", number % 7), number.to_string()).expect("a record");
        tickets.push(producer.put(&stream, record).await.expect("taken"));
    }
    producer.flush().await.expect("flushed");
    for ticket in tickets {
        ticket.await.expect("delivered");
    }
    producer.close().await.expect("closed");
}

/// The numbers in a worker's output, by key, in the order of writing.
fn numbers(lines: &[Value]) -> BTreeMap<String, Vec<u32>> {
    let mut numbers: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for line in lines {
        let key = line["partition_key"].as_str().expect("a key").to_owned();
        let number = line["data"].as_str().expect("text").parse().expect("a number");
        numbers.entry(key).or_default().push(number);
    }
    numbers
}

/// Fails unless each worker's lines of each key are in order, once repeated ones are set aside.
fn assert_in_order(lines: &[Value]) {
    for (key, numbers) in numbers(lines) {
        let mut seen = BTreeSet::new();
        let fresh: Vec<_> = numbers
            .into_iter()
            .filter(|number| seen.insert(*number))
            .collect();
        assert!(fresh.is_sorted(), "{key}: {fresh:?}");
    }
}

/// How often each number was written, over all workers.
fn counts(outputs: &[&Path]) -> HashMap<u32, u32> {
    let mut counts = HashMap::new();
    for output in outputs {
        for number in numbers(&output_lines(output)).into_values().flatten() {
            *counts.entry(number).or_default() += 1;
        }
    }
    counts
}

fn written(outputs: &[&Path]) -> usize {
    counts(outputs).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_fan_out_a_consumer_is_registered_and_each_record_is_a_line() {
    let stage = Stage::with_shards(4).await;
    put(&stage, 0, 500).await;
    let output = stage.path("out.jsonl");
    let output_arg = crate::stage::text(&output);
    let args = ["--fan-out", "--output", &output_arg, "--expect", "500"];
    run(&mut stage.consume(&args)).await.assert_done();
    let lines = output_lines(&output);
    assert_eq!(lines.len(), 500);
    assert_in_order(&lines);
    let client = stage.local.kinesis_client();
    let summary = client.describe_stream_summary().stream_name("s").send().await;
    let summary = summary.expect("a summary").stream_description_summary;
    let consumers = client
        .list_stream_consumers()
        .stream_arn(summary.expect("a summary").stream_arn);
    let consumers = consumers.send().await.expect("a list");
    let names = consumers
        .consumers()
        .iter()
        .map(|consumer| consumer.consumer_name());
    assert!(names.eq(["app"]), "{consumers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_is_a_line_and_a_restart_goes_on() {
    let stage = Stage::with_shards(4).await;
    put(&stage, 0, 500).await;
    let (output, summary) = (stage.path("out.jsonl"), stage.path("summary.json"));
    let (output_arg, summary_arg) = (crate::stage::text(&output), crate::stage::text(&summary));
    let args = [
        "--output",
        &output_arg,
        "--summary",
        &summary_arg,
        "--failover-ms",
        "2000",
        "--worker-id",
        "w",
    ];

    run(&mut stage.consume(&[&args[..], &["--expect", "500"]].concat()))
        .await
        .assert_done();
    let lines = output_lines(&output);
    assert_eq!(lines.len(), 500);
    assert_in_order(&lines);
    for line in &lines {
        // As a set: how serde_json orders what it read is decided by whoever else is in the build.
        let fields: BTreeSet<_> = line
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            fields.into_iter().collect::<Vec<_>>(),
            [
                "data",
                "partition_key",
                "sequence_number",
                "shard_id",
                "sub_sequence_number"
            ]
        );
        assert!(
            line["shard_id"]
                .as_str()
                .is_some_and(|id| id.starts_with("shardId-")),
            "{line}"
        );
    }
    let counted: Value = serde_json::from_slice(&std::fs::read(&summary).expect("a summary")).expect("JSON");
    assert_eq!(
        (counted["records"].as_u64(), counted["worker_id"].as_str()),
        (Some(500), Some("w"))
    );
    assert_eq!(counted["shards"].as_array().map(Vec::len), Some(4), "{counted}");

    put(&stage, 500, 600).await;
    run(&mut stage.consume(&[&args[..], &["--idle-exit", "2"]].concat()))
        .await
        .assert_done();
    assert_eq!(
        counts(&[&output]),
        (0..600).map(|number| (number, 1)).collect(),
        "appended, and nothing again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_no_text_is_base64_on_stdout() {
    let stage = Stage::with_shards(4).await;
    let producer =
        Producer::new(&stage.local.kinesis_config(), ProducerConfig::default()).expect("configured");
    let record = Record::new("k", Bytes::from_static(b"\xff\x00")).expect("a record");
    let ticket = producer
        .put(&StreamName::new("s").expect("a name"), record)
        .await
        .expect("taken");
    ticket.await.expect("delivered");
    let ended = run(&mut stage.consume(&["--expect", "1", "--start", "at:0", "--metrics"])).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("MillisBehindLatest"), "{}", ended.stderr);
    let line = ended.summary();
    assert_eq!(
        (line["data"].as_str(), line["base64"].as_bool()),
        (Some("/wA="), Some(true))
    );
    assert_eq!(ended.stdout.lines().count(), 1, "nothing but lines on stdout");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sigterm_nothing_is_lost_and_nothing_twice() {
    let stage = Stage::with_shards(4).await;
    let (one, two) = (stage.path("1.jsonl"), stage.path("2.jsonl"));
    let outputs = [one.as_path(), two.as_path()];
    let (first, second) = pair(&stage, &outputs, "4000", &[]);
    let mut next = 0;
    // Until both are at work, and the first has shown that it is.
    until_both_write(&stage, &mut next, &outputs).await;
    let (_, ()) = tokio::join!(put(&stage, next, next + 3000), signal(&first, "TERM"));
    next += 3000;
    let first = ended(first).await;
    first.assert_done();
    until("all records", || written(&outputs) == next as usize).await;
    signal(&second, "INT").await;
    ended(second).await.assert_done();

    assert_eq!(counts(&outputs), (0..next).map(|number| (number, 1)).collect());
    outputs
        .iter()
        .for_each(|output| assert_in_order(&output_lines(output)));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sigkill_nothing_is_lost_and_order_holds() {
    let stage = Stage::with_shards(4).await;
    let (one, two) = (stage.path("1.jsonl"), stage.path("2.jsonl"));
    let outputs = [one.as_path(), two.as_path()];
    let (mut first, second) = pair(&stage, &outputs, "1000", &[]);
    let mut next = 0;
    until_both_write(&stage, &mut next, &outputs).await;
    let (_, killed) = tokio::join!(put(&stage, next, next + 3000), first.kill());
    killed.expect("was running");
    next += 3000;
    until("all records", || written(&outputs) == next as usize).await;
    signal(&second, "TERM").await;
    ended(second).await.assert_done();

    let counts = counts(&outputs);
    assert!((0..next).all(|number| counts.contains_key(&number)));
    assert_eq!(counts.len(), next as usize);
    outputs
        .iter()
        .for_each(|output| assert_in_order(&output_lines(output)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_outlives_a_peer_that_died() {
    let stage = Stage::with_shards(4).await;
    let (one, two) = (stage.path("1.jsonl"), stage.path("2.jsonl"));
    let outputs = [one.as_path(), two.as_path()];
    let (mut first, second) = pair(&stage, &outputs, "4000", &["--idle-exit", "3"]);
    let mut next = 0;
    until_both_write(&stage, &mut next, &outputs).await;
    first.kill().await.expect("was running");
    put(&stage, next, next + 700).await;
    next += 700;

    // Its own shards are read at once; the dead worker's come only after more than the idle time.
    ended(second).await.assert_done();
    let counts = counts(&outputs);
    assert!((0..next).all(|number| counts.contains_key(&number)));
}

/// The workers `w1` and `w2`, each with its output.
fn pair(stage: &Stage, outputs: &[&Path; 2], failover_ms: &str, more: &[&str]) -> (Child, Child) {
    let start = |name: &str, output: &Path| {
        let output = crate::stage::text(output);
        let args = [
            "--worker-id",
            name,
            "--failover-ms",
            failover_ms,
            "--output",
            &output,
        ];
        let mut worker = stage.consume(&[&args, more].concat());
        worker.spawn().expect("a built program")
    };
    (start("w1", outputs[0]), start("w2", outputs[1]))
}

/// Puts, a little at a time, until both workers have written something that was put after the other had started.
async fn until_both_write(stage: &Stage, next: &mut u32, outputs: &[&Path; 2]) {
    for _ in 0..200 {
        let before = outputs.map(|output| output_lines(output).len());
        put(stage, *next, *next + 100).await;
        *next += 100;
        until("what was put", || written(outputs) == *next as usize).await;
        let after = outputs.map(|output| output_lines(output).len());
        if before[0] < after[0] && before[1] < after[1] {
            return;
        }
    }
    panic!("the workers do not share");
}
