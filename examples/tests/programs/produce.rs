//! `produce` as its user meets it: files and pipes, settings, and what it prints.

use crate::stage::{Stage, program, run, run_with_stdin};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_line_by_line() {
    let stage = Stage::new().await;
    let input = stage.file("in.csv", b"name,till\n\"one, two\",a\nthree,b\nfour,a");
    let ended = run(&mut stage.produce(&[
        "--create",
        "2",
        "--input",
        &input,
        "--header",
        "--key-column",
        "2",
    ]))
    .await;
    ended.assert_done();
    let summary = ended.summary();
    assert_eq!(
        (ended.records(), summary["bytes"].as_u64()),
        (3, Some(12 + 7 + 6))
    );
    assert_eq!(
        (summary["failed"].as_u64(), summary["attempts"].as_u64()),
        (Some(0), Some(3))
    );
    assert_eq!(summary["stream"], "s");
    let kinesis_records = summary["kinesis_records"].as_u64().expect("a count");
    assert!((1..=3).contains(&kinesis_records), "{summary}");

    let again = run(&mut stage.produce(&["--create", "7", "--input", &input, "--random-keys"])).await;
    again.assert_done();
    assert_eq!(
        again.records(),
        4,
        "the stream is there already, and the heading is a line"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stdin_is_read_to_its_end() {
    let stage = Stage::with_shards(2).await;
    let input: String = (0..5000).map(|n| format!("{n},till-{}\n", n % 7)).collect();
    let args = [
        "--input",
        "-",
        "--key-column",
        "2",
        "--linger-ms",
        "10",
        "--rate",
        "unlimited",
    ];
    let ended = run_with_stdin(&mut stage.produce(&args), input.as_bytes()).await;
    ended.assert_done();
    assert_eq!(ended.records(), 5000);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_can_be_given() {
    let stage = Stage::with_shards(2).await;
    let input = stage.file("in.csv", b"a,1\nb,2\n");
    for more in [
        ["--ordering", "key"],
        ["--ordering", "relaxed"],
        ["--ttl", "none"],
        ["--ttl", "500ms"],
        ["--rate", "10"],
        ["--max-in-flight-bytes", "65536"],
    ] {
        let ended =
            run(&mut stage.produce(&[&["--input", &input, "--key-column", "1"], &more[..]].concat())).await;
        ended.assert_done();
        assert_eq!(ended.records(), 2, "{more:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_be_given_by_its_arn() {
    let stage = Stage::with_shards(2).await;
    let input = stage.file("in.txt", b"a\n");
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    let args = ["--stream", arn, "--endpoint-url", stage.local.kinesis_url()];
    let more = ["--input", &input, "--random-keys"];
    let ended = run(&mut program(
        env!("CARGO_BIN_EXE_produce"),
        &[args, [more[0], more[1], more[2], "--metrics"]].concat(),
    ))
    .await;
    ended.assert_done();
    assert_eq!(ended.records(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_a_table_above_the_summary() {
    let stage = Stage::with_shards(2).await;
    let input = stage.file("in.txt", b"a\nb\nc\n");
    let ended = run(&mut stage.produce(&["--input", &input, "--random-keys", "--metrics"])).await;
    ended.assert_done();
    let row = |name: &str| {
        ended
            .stdout
            .lines()
            .find(|line| line.starts_with(name))
            .map(str::to_owned)
    };
    let put = row("UserRecordsPut").expect("a row");
    assert!(
        put.contains(" all ") && put.split_whitespace().any(|word| word == "3"),
        "{put}"
    );
    assert!(
        row("{").is_some_and(|line| ended.stdout.trim_end().ends_with(&line)),
        "{}",
        ended.stdout
    );
}
