//! `consume` with the settings file of the Kinesis Client Library.

use aws_sdk_kinesis::primitives::Blob;

use crate::stage::{Stage, program, run, text};

/// A stream with one record in it.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage.local.create_stream("sales", 1).await.expect("a stream");
    let kinesis = stage.local.kinesis_client();
    let put = kinesis.put_record().stream_name("sales").partition_key("k");
    put.data(Blob::new("apples")).send().await.expect("stored");
    stage
}

fn endpoints(stage: &Stage) -> String {
    let (kinesis, dynamodb) = (stage.local.kinesis_url(), stage.local.dynamodb_url());
    format!("kinesisEndpoint = {kinesis}\ndynamoDBEndpoint = {dynamodb}\n")
}

fn consume(args: &[&str]) -> tokio::process::Command {
    program(env!("CARGO_BIN_EXE_consume"), args)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_properties_file_is_enough_and_what_is_moot_is_said() {
    let stage = stage().await;
    let content = format!(
        "applicationName = stock\nstreamName = sales\nmaxActiveThreads = 64\ntableName = leases-of-stock\n\
         workerId = w7\ninitialPositionInStream = TRIM_HORIZON\nretrievalMode = POLLING\nregionName = eu-central-1\n{}",
        endpoints(&stage)
    );
    let file = stage.file("kcl.properties", content.as_bytes());
    let summary = stage.path("summary.json");
    let args = [
        "--properties",
        &file,
        "--expect",
        "1",
        "--summary",
        &text(&summary),
    ];
    let ended = run(&mut consume(&args)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.summary()["data"], "apples");
    let told: Vec<_> = ended.stderr.lines().collect();
    assert!(
        matches!(told[..], [line] if line.starts_with("note: ") && line.contains("line 3: maxActiveThreads has no effect")),
        "{told:?}"
    );
    let counted = std::fs::read_to_string(&summary).expect("a summary");
    let start = r#"{"stream":"sales","application":"stock","worker_id":"w7","records":1,"#;
    assert!(counted.starts_with(start), "{counted}");
    let tables = stage.local.dynamodb_client().list_tables().send().await;
    assert_eq!(tables.expect("a list").table_names(), ["leases-of-stock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_go_before_a_properties_file() {
    let stage = stage().await;
    // Where it is silent, the KCL reads from now on, by fan-out, and would not see the record.
    let content = format!(
        "applicationName = theirs\nstreamName = elsewhere\nfailoverTimeMillis = 5000\n{}",
        endpoints(&stage)
    );
    let file = stage.file("kcl.properties", content.as_bytes());
    let args = [
        "--properties",
        &file,
        "--application",
        "ours",
        "--stream",
        "sales",
        "--start",
        "trim-horizon",
        "--fan-out=false",
        "--expect",
        "1",
    ];
    let ended = run(&mut consume(&args)).await;
    ended.assert_done();
    assert_eq!(ended.summary()["data"], "apples");
    let tables = stage.local.dynamodb_client().list_tables().send().await;
    assert_eq!(tables.expect("a list").table_names(), ["ours"]);
    let kinesis = stage.local.kinesis_client();
    let summary = kinesis
        .describe_stream_summary()
        .stream_name("sales")
        .send()
        .await;
    let summary = summary
        .expect("a summary")
        .stream_description_summary
        .expect("a summary");
    assert_eq!(summary.consumer_count(), Some(0), "nobody was registered");
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_that_are_none_are_said() {
    let stage = stage().await;
    let base = "applicationName = stock\nstreamName = sales\n";
    for (name, more, parts) in [
        (
            "number",
            "failoverTimeMillis = soon\n",
            ["line 3", "failoverTimeMillis", "soon"],
        ),
        (
            "text",
            "\nretrievalMode = MAGIC\n",
            ["line 4", "retrievalMode", "FANOUT"],
        ),
        (
            "escape",
            "regionName = \\u12\n",
            ["line 3", "escape", "properties"],
        ),
        (
            "endpoint",
            "kinesisEndpoint = nowhere\n",
            ["kcl.properties", "http://", "--endpoint-url"],
        ),
    ] {
        let file = stage.file("kcl.properties", format!("{base}{more}").as_bytes());
        assert_refused(name, &file, &parts).await;
    }
    let empty = stage.file("kcl.properties", b"# nothing\n");
    assert_refused("empty", &empty, &["applicationName is not set"]).await;
    let missing = text(&stage.path("missing.properties"));
    assert_refused("missing", &missing, &["missing.properties", "No such file"]).await;
    let ended = run(&mut consume(&["--stream", "sales"])).await;
    assert_eq!(ended.code, Some(2), "neither application nor file: {ended:?}");
}

/// Refused like a wrong flag: exit code 2, in one line.
async fn assert_refused(case: &str, file: &str, parts: &[&str]) {
    let ended = run(&mut consume(&["--properties", file])).await;
    assert_eq!(ended.code, Some(2), "{case}: {ended:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    let [line] = lines[..] else {
        panic!("{case}: not one line but {lines:#?}")
    };
    assert!(line.starts_with("error: "), "{case}: {line}");
    for part in parts {
        assert!(line.contains(part), "{case}: no \"{part}\" in \"{line}\"");
    }
}
