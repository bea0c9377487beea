//! `produce` as its user meets it: good input, and all the bad input there is.

use std::process::Stdio;

use crate::stage::{Stage, closed_port, ended, program, run, run_with_stdin};
use tokio::net::TcpListener;

/// A stage with the stream `s`.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage.local.create_stream("s", 2).await.expect("a stream");
    stage
}

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
    let stage = stage().await;
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

/// Name, input, more arguments, what the error must hold, records delivered all the same.
type Case<'a> = (&'a str, &'a [u8], &'a [&'a str], &'a [&'a str], u64);

const KEY_1: &[&str] = &["--key-column", "1"];
const KEY_2: &[&str] = &["--key-column", "2"];
const KEY_3: &[&str] = &["--key-column", "3"];
const HASH_2: &[&str] = &["--key-column", "1", "--explicit-hash-key-column", "2"];

/// Fails unless each case ends as promised, with what came before delivered and nothing failed.
async fn assert_all_give_up(cases: &[Case<'_>]) {
    let stage = stage().await;
    for &(name, input, more, parts, delivered) in cases {
        let input = stage.file("in.csv", input);
        let ended = run(&mut stage.produce(&[&["--input", &input], more].concat())).await;
        ended.assert_gave_up(name, parts);
        assert_eq!(ended.records(), delivered, "{name}");
        assert_eq!(ended.summary()["failed"], 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_keys_are_named_and_what_came_before_is_delivered() {
    let long = format!("ok,a\n{},b\n", "k".repeat(257));
    let astral = format!("{},a\n{},b\n", "\u{1F600}".repeat(256), "\u{1F600}".repeat(257));
    assert_all_give_up(&[
        (
            "column",
            b"a,b\n",
            KEY_3,
            &["in.csv line 1", "no column 3", "the line has 2"],
            0,
        ),
        (
            "column later",
            b"a,b\nc,d\ne\n",
            KEY_2,
            &["in.csv line 3", "no column 2", "the line has 1"],
            2,
        ),
        (
            "column below a heading",
            b"h\na\n",
            &[KEY_2, &["--header"]].concat(),
            &["in.csv line 2"],
            0,
        ),
        (
            "empty key",
            b"a,b\n,b\n",
            KEY_1,
            &["in.csv line 2", "key is empty"],
            1,
        ),
        (
            "empty line",
            b"a,b\n\n",
            KEY_1,
            &["in.csv line 2", "key is empty"],
            1,
        ),
        (
            "long key",
            long.as_bytes(),
            KEY_1,
            &["in.csv line 2", "257 characters", "256"],
            1,
        ),
        (
            "long key of astral characters",
            astral.as_bytes(),
            KEY_1,
            &["in.csv line 2", "257 characters", "256"],
            1,
        ),
        (
            "open quote",
            b"a,\"b\nc\",d\n",
            KEY_2,
            &["in.csv line 1", "quote is not closed"],
            0,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_hash_keys_are_named_and_what_came_before_is_delivered() {
    let above = "340282366920938463463374607431768211456";
    let big_hash = format!("a,340282366920938463463374607431768211455\nb,{above}\n");
    assert_all_give_up(&[
        (
            "hash key with a sign",
            b"a,000\nb,007\nc,+7\n",
            HASH_2,
            &["in.csv line 3", "+7", "decimal"],
            2,
        ),
        (
            "negative hash key",
            b"a,1\nb,-1\n",
            HASH_2,
            &["in.csv line 2", "-1", "decimal"],
            1,
        ),
        (
            "hash key",
            b"a,1\nb,0x10\n",
            HASH_2,
            &["in.csv line 2", "0x10", "decimal", "3402823669"],
            1,
        ),
        (
            "big hash key",
            big_hash.as_bytes(),
            HASH_2,
            &["in.csv line 2", above],
            1,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bytes_are_named_and_what_came_before_is_delivered() {
    let big = [b"ok,a\n".as_slice(), &vec![b'x'; 1024 * 1024 + 1], b"\n"].concat();
    let endless = [b"ok,a\nok,b\n".as_slice(), &vec![b'x'; 11 * 1024 * 1024]].concat();
    let (binary, headed) = ([KEY_1, &["--binary"]].concat(), [KEY_1, &["--header"]].concat());
    assert_all_give_up(&[
        ("empty", b"", KEY_1, &["in.csv", "no records"], 0),
        ("only a heading", b"h\n", &headed, &["in.csv", "no records"], 0),
        (
            "not UTF-8",
            b"a,b\ncaf\xe9,b\n",
            KEY_2,
            &["in.csv line 2", "utf-8", "byte 3", "--binary"],
            1,
        ),
        (
            "key not UTF-8",
            b"a\n\xff\n",
            &binary,
            &["in.csv line 2", "column 1"],
            1,
        ),
        (
            "big",
            &big,
            &["--random-keys"],
            &["in.csv line 2", "exceeds the limit", "1048576"],
            1,
        ),
        ("endless", &endless, KEY_1, &["in.csv line 3", "longer than"], 2),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_bytes_are_sent_when_asked_for() {
    let stage = stage().await;
    let input = stage.file("in.bin", b"a,\xff\xfe\nb,\x00\r\n");
    let ended = run(&mut stage.produce(&["--input", &input, "--key-column", "1", "--binary"])).await;
    ended.assert_done();
    assert_eq!(ended.records(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_data_is_data() {
    let stage = stage().await;
    let input = stage.file("in.txt", b"\n\na\n");
    let ended = run(&mut stage.produce(&["--input", &input, "--random-keys"])).await;
    ended.assert_done();
    assert_eq!((ended.records(), ended.summary()["bytes"].as_u64()), (3, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_setting_can_be_given() {
    let stage = stage().await;
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
    let stage = stage().await;
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
    let stage = stage().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_properties_file_is_taken_and_what_is_moot_is_said() {
    let stage = stage().await;
    let input = stage.file("in.txt", b"a\nb\n");
    let properties = stage.file(
        "kpl.properties",
        b"# ours\nRecordMaxBufferedTime = 20\nThreadPoolSize = 64\n",
    );
    let args = ["--input", &input, "--random-keys", "--properties", &properties];
    let ended = run(&mut stage.produce(&args)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.records(), 2);
    assert!(
        ended.stderr.contains("line 3: ThreadPoolSize has no effect"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_that_are_none_are_said() {
    let stage = stage().await;
    let missing = crate::stage::text(&stage.path("missing.properties"));
    for (name, content, parts) in [
        ("number", &b"RecordTtl = 99\n"[..], ["line 1", "RecordTtl", "100"]),
        (
            "text",
            b"\nMetricsLevel = much\n",
            ["line 2", "MetricsLevel", "much"],
        ),
        ("escape", b"Region = \\u12\n", ["line 1", "escape", "properties"]),
        (
            "together",
            b"RecordTtl = 100\nRecordMaxBufferedTime = 5000\n",
            ["go together", "record_ttl", "linger"],
        ),
    ] {
        let file = stage.file("kpl.properties", content);
        let args = ["--input", "-", "--random-keys", "--properties", &file];
        run(&mut stage.produce(&args)).await.assert_gave_up(name, &parts);
    }
    let args = ["--input", "-", "--random-keys", "--properties", &missing];
    let ended = run(&mut stage.produce(&args)).await;
    ended.assert_gave_up("missing", &["missing.properties", "No such file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_none_are_said() {
    let stage = stage().await;
    let missing = crate::stage::text(&stage.path("missing.csv"));
    let ended = run(&mut stage.produce(&["--input", &missing, "--random-keys"])).await;
    ended.assert_gave_up("missing", &["missing.csv", "No such file"]);
    assert_eq!(ended.records(), 0);
    let ended = run(&mut stage.produce(&["--input", "/", "--random-keys"])).await;
    ended.assert_gave_up("directory", &["directory"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_are_none_are_said() {
    let stage = stage().await;
    let down = format!("http://127.0.0.1:{}", closed_port());
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let silent_url = format!("http://{}", silent.local_addr().expect("bound"));
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
async fn an_endpoint_that_goes_away_is_said_and_counted() {
    let stage = stage().await;
    let mut command = stage.produce(&["--input", "-", "--random-keys", "--ttl-seconds", "2"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("a built program");
    let mut stdin = child.stdin.take().expect("piped");
    // The first lines are stored: then the producer is at work for sure.
    use tokio::io::AsyncWriteExt;
    stdin.write_all(b"one\ntwo\n").await.expect("read");
    let kinesis = stage.local.kinesis_client();
    stage_has_records(&kinesis).await;
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

/// Waits until the stream holds something.
async fn stage_has_records(kinesis: &aws_sdk_kinesis::Client) {
    use aws_sdk_kinesis::types::ShardIteratorType::TrimHorizon;
    let shards = kinesis
        .list_shards()
        .stream_name("s")
        .send()
        .await
        .expect("a stream");
    for _ in 0..1000 {
        for shard in shards.shards() {
            let iterator = kinesis
                .get_shard_iterator()
                .stream_name("s")
                .shard_id(shard.shard_id());
            let iterator = iterator
                .shard_iterator_type(TrimHorizon)
                .send()
                .await
                .expect("a shard");
            let read = kinesis
                .get_records()
                .set_shard_iterator(iterator.shard_iterator)
                .send()
                .await;
            if read.is_ok_and(|read| !read.records().is_empty()) {
                return;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("nothing was put");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_stops_it_with_everything_delivered() {
    let stage = stage().await;
    let mut command = stage.produce(&["--input", "-", "--random-keys"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("a built program");
    let mut stdin = child.stdin.take().expect("piped");
    use tokio::io::AsyncWriteExt;
    stdin.write_all(b"one\ntwo\n").await.expect("read");
    stage_has_records(&stage.local.kinesis_client()).await;
    crate::stage::signal(&child, "TERM").await;
    let ended = ended(child).await;
    ended.assert_gave_up("signal", &["stdin line 2", "signal", "start again from the next"]);
    assert_eq!(ended.records(), 2);
    drop(stdin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_stdout_is_no_panic() {
    let stage = stage().await;
    let input = stage.file("in.csv", b"a\nb\n");
    let mut child = stage
        .produce(&["--input", &input, "--random-keys"])
        .spawn()
        .expect("a built program");
    drop(child.stdout.take());
    let ended = ended(child).await;
    ended.assert_gave_up("closed stdout", &["stdout", "all records are delivered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_exit_code_2_and_a_wrong_setting_1() {
    let stage = stage().await;
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
