//! `consume` where records are handled one by one, and where some of them cannot be.

use std::collections::{BTreeMap, BTreeSet};

use crate::stage::{Stage, output_lines, run, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kpl::{Producer, ProducerConfig, Record, StreamName};
use serde_json::Value;

/// Puts each of `data` under one of three keys, in this order.
async fn put(stage: &Stage, data: &[String]) {
    let producer =
        Producer::new(&stage.local.kinesis_config(), ProducerConfig::default()).expect("configured");
    let stream = StreamName::new("s").expect("a name");
    let mut tickets = Vec::new();
    for (place, data) in data.iter().enumerate() {
        let record = Record::new(format!("key-{}", place % 3), data.clone()).expect("a record");
        tickets.push(producer.put(&stream, record).await.expect("taken"));
    }
    producer.flush().await.expect("flushed");
    for ticket in tickets {
        ticket.await.expect("delivered");
    }
    producer.close().await.expect("closed");
}

/// So many numbers, with something that is no JSON in their midst.
async fn stage(records: usize, poison: &[usize]) -> Stage {
    let stage = Stage::with_shards(2).await;
    let data: Vec<_> = (0..records)
        .map(|place| match poison.contains(&place) {
            true => format!("poison {place}"),
            false => place.to_string(),
        })
        .collect();
    put(&stage, &data).await;
    stage
}

fn data(lines: &[Value]) -> Vec<String> {
    let data = lines
        .iter()
        .map(|line| line["data"].as_str().expect("text").to_owned());
    data.collect()
}

fn letters(lines: &[Value]) -> BTreeSet<String> {
    let decoded = data(lines)
        .into_iter()
        .map(|data| STANDARD.decode(data).expect("base64"));
    decoded
        .map(|bytes| String::from_utf8(bytes).expect("text"))
        .collect()
}

fn assert_in_order_by_key(lines: &[Value]) {
    let mut last: BTreeMap<&str, u32> = BTreeMap::new();
    for line in lines {
        let number = line["data"].as_str().expect("text").parse().expect("a number");
        let key = line["partition_key"].as_str().expect("a key");
        let before = last.insert(key, number);
        assert!(
            before.is_none_or(|before| before < number),
            "{key}: {number} after {before:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_handled_one_by_one_stay_in_order_and_what_is_none_is_set_aside() {
    let poison = [0, 151, 299];
    let stage = stage(300, &poison).await;
    let (output, dead, summary) = (
        stage.path("out.jsonl"),
        stage.path("dead.jsonl"),
        stage.path("summary"),
    );
    let (output_arg, dead_arg, summary_arg) = (text(&output), text(&dead), text(&summary));
    let args = [
        "--parallel-keys",
        "16",
        "--require",
        "json",
        "--dead-letter",
        &dead_arg,
        "--output",
        &output_arg,
        "--summary",
        &summary_arg,
        "--idle-exit",
        "2",
    ];
    run(&mut stage.consume(&args)).await.assert_done();

    let lines = output_lines(&output);
    assert_eq!(lines.len(), 297);
    assert_in_order_by_key(&lines);
    let dead_lines = output_lines(&dead);
    let expected: BTreeSet<_> = poison.iter().map(|place| format!("poison {place}")).collect();
    assert_eq!((dead_lines.len(), letters(&dead_lines)), (3, expected));
    for line in &dead_lines {
        assert_eq!(line["kind"], "asked");
        let reason = line["reason"].as_str().expect("text");
        assert!(reason.starts_with("data is no JSON: "), "{reason}");
    }
    let counted: Value = serde_json::from_slice(&std::fs::read(&summary).expect("a summary")).expect("JSON");
    let count = |name: &str| counted[name].as_u64().expect("a count");
    assert_eq!(
        (count("records"), count("dead_lettered"), count("leases_taken")),
        (297, 3, 2)
    );
    assert_eq!(counted["shards"].as_array().map(Vec::len), Some(2), "{counted}");
    assert!(count("checkpoints") > 0, "{counted}");

    // All of it is passed, the dead letters too.
    let again = run(&mut stage.consume(&["--idle-exit", "1"])).await;
    again.assert_done();
    assert_eq!(again.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_batches_what_is_none_is_set_aside_with_what_came_behind_it() {
    let stage = stage(60, &[30]).await;
    let (output, dead) = (stage.path("out.jsonl"), stage.path("dead.jsonl"));
    let (output_arg, dead_arg) = (text(&output), text(&dead));
    let args = [
        "--require",
        "json",
        "--dead-letter",
        &dead_arg,
        "--output",
        &output_arg,
    ];
    let ended = run(&mut stage.consume(&[&args[..], &["--idle-exit", "3"]].concat())).await;
    ended.assert_done();
    let (lines, dead_lines) = (output_lines(&output), output_lines(&dead));
    assert_in_order_by_key(&lines);
    let set_aside = letters(&dead_lines);
    assert!(set_aside.contains("poison 30"), "{set_aside:?}");
    assert!(dead_lines.iter().all(|line| line["kind"] == "batch_failed"));
    assert_eq!(
        lines.len() + dead_lines.len(),
        60,
        "each record is somewhere, once"
    );
    let written: BTreeSet<_> = data(&lines).into_iter().collect();
    assert!(written.is_disjoint(&set_aside));
    let before = (0..30).map(|place| place.to_string());
    assert!(
        before.into_iter().all(|place| written.contains(&place)),
        "what came before it is written"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_for_it_the_worker_stops_before_it() {
    for parallel in [&["--parallel-keys", "4"][..], &[]] {
        let stage = stage(30, &[15]).await;
        let output = stage.path("out.jsonl");
        let output_arg = text(&output);
        let args = [&["--require", "json", "--output", &output_arg], parallel].concat();
        let ended = run(&mut stage.consume(&args)).await;
        let parts = ["stopped at record s/shardId-", "data is no JSON", "--dead-letter"];
        ended.assert_gave_up("poison", &parts);
        // It was not passed: who takes anything gets it, and nothing is missing.
        let args = ["--output", &output_arg, "--idle-exit", "1"];
        run(&mut stage.consume(&args)).await.assert_done();
        let all: BTreeSet<_> = data(&output_lines(&output)).into_iter().collect();
        assert_eq!(all.len(), 30, "{parallel:?}");
        assert!(all.contains("poison 15"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_fails_sets_no_good_record_aside() {
    let stage = stage(30, &[]).await;
    let dead = stage.path("dead.jsonl");
    let dead_arg = text(&dead);
    for parallel in [&["--parallel-keys", "4"][..], &[]] {
        let args = [&["--require", "json", "--dead-letter", &dead_arg], parallel].concat();
        let mut closed = stage.consume(&args).spawn().expect("a built program");
        drop(closed.stdout.take());
        let ended = crate::stage::ended(closed).await;
        ended.assert_gave_up("closed stdout", &["output -", "roken pipe"]);
        assert_eq!(std::fs::read(&dead).expect("made"), b"", "{parallel:?}");
    }
    let all = run(&mut stage.consume(&["--expect", "30"])).await;
    all.assert_done();
    assert_eq!(all.stdout.lines().count(), 30, "nothing of it was checkpointed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_none_is_said() {
    let stage = stage(0, &[]).await;
    let ended = run(&mut stage.consume(&["--require", "text", "--dead-letter", "/"])).await;
    ended.assert_gave_up("directory", &["dead letters /", "directory"]);
    let ended = run(&mut stage.consume(&["--dead-letter", "dead.jsonl"])).await;
    assert_eq!(
        ended.code,
        Some(2),
        "nothing fails that is not required: {ended:?}"
    );
    let ended = run(&mut stage.consume(&["--parallel-keys", "1000000"])).await;
    ended.assert_gave_up("setting", &["in_flight", "--help"]);
}
