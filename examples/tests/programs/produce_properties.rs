//! `produce` with a properties file of the KPL.

use crate::stage::{Stage, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_properties_file_is_taken_and_what_is_moot_is_said() {
    let stage = Stage::with_shards(2).await;
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
    let stage = Stage::with_shards(2).await;
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
