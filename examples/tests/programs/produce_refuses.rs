//! `produce` where it cannot begin: files, endpoints, credentials and usage that are none.

use crate::stage::{Stage, closed_port, listener, program, run};

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_none_are_said() {
    let stage = Stage::with_shards(2).await;
    let missing = crate::stage::text(&stage.path("missing.csv"));
    let ended = run(&mut stage.produce(&["--input", &missing, "--random-keys"])).await;
    ended.assert_gave_up("missing", &["missing.csv", "No such file"]);
    assert_eq!(ended.records(), 0);
    let ended = run(&mut stage.produce(&["--input", "/", "--random-keys"])).await;
    ended.assert_gave_up("directory", &["directory"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_are_none_are_said() {
    let stage = Stage::with_shards(2).await;
    let down = format!("http://127.0.0.1:{}", closed_port());
    let (_silent, silent_url) = listener().await;
    let kinesis = stage.local.kinesis_url();
    let produce = |stream: &str, url: &str| {
        let args = [
            "--stream",
            stream,
            "--endpoint-url",
            url,
            "--input",
            "-",
            "--random-keys",
        ];
        program(env!("CARGO_BIN_EXE_produce"), &args)
    };
    let (mut missing, mut down_run) = (produce("nowhere", kinesis), produce("s", &down));
    let (mut wrong, mut silent_run) = (
        produce("s", stage.local.dynamodb_url()),
        produce("s", &silent_url),
    );
    let mut unspoken = produce("s", &kinesis.replace("http://", "https://"));
    let (missing, down_run, wrong, silent_run, unspoken) = tokio::join!(
        run(&mut missing),
        run(&mut down_run),
        run(&mut wrong),
        run(&mut silent_run),
        run(&mut unspoken),
    );
    missing.assert_gave_up(
        "missing stream",
        &["stream nowhere", "does not exist", "--create"],
    );
    down_run.assert_gave_up("down", &[&down, "no answer", "refused", "is it running"]);
    wrong.assert_gave_up(
        "wrong service",
        &[stage.local.dynamodb_url(), "something else answers"],
    );
    silent_run.assert_gave_up("silent", &[&silent_url, "no answer"]);
    unspoken.assert_gave_up("no TLS there", &["https://", "no answer"]);
    for ended in [missing, down_run, wrong, silent_run, unspoken] {
        assert_eq!(ended.records(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_needs_a_region_and_credentials() {
    let produce = |more: &[&str]| {
        let args = ["--stream", "s", "--input", "-", "--random-keys"];
        program(env!("CARGO_BIN_EXE_produce"), &[&args, more].concat())
    };
    let (mut nowhere, mut nobody) = (produce(&[]), produce(&["--region", "eu-central-1"]));
    let (nowhere, nobody) = tokio::join!(run(&mut nowhere), run(&mut nobody));
    nowhere.assert_gave_up("no region", &["region", "--region", "AWS_REGION"]);
    nobody.assert_gave_up(
        "no credentials",
        &["credentials", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_exit_code_2_and_a_wrong_setting_1() {
    let stage = Stage::with_shards(2).await;
    let with = |more: &[&'static str]| [&["--input", "-", "--random-keys"], more].concat();
    for bad in [
        vec!["--input", "-"],
        with(&["--endpoint-url", "localhost"]),
        with(&["--ordering", "none"]),
        with(&["--ttl", "soon"]),
        with(&["--ttl", "-1"]),
        with(&["--rate", "0"]),
        with(&["--rate", "fast"]),
        with(&["--max-in-flight-bytes", "64K"]),
        with(&["--max-in-flight-bytes", "-1"]),
        with(&["--metrics=often"]),
    ] {
        let ended = run(&mut program(
            env!("CARGO_BIN_EXE_produce"),
            &[&["--stream", "s"], &bad[..]].concat(),
        ))
        .await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    }
    for (bad, parts) in [
        (["--ttl", "0"], ["record_ttl", "--help"]),
        (["--ttl", "25h"], ["record_ttl", "86400s"]),
        (["--linger-ms", "30000"], ["record_ttl", "linger"]),
        (
            ["--max-in-flight-bytes", "65535"],
            ["max_in_flight_bytes", "65536"],
        ),
    ] {
        let ended = run(&mut stage.produce(&[&["--input", "-", "--random-keys"], &bad[..]].concat())).await;
        ended.assert_gave_up("setting", &parts);
    }
}
