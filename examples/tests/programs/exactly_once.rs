//! Workers are killed a hundred times, and the books are counted.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use crate::stage::{Stage, program};

const KILLS: u32 = 100;
const SHARDS: u32 = 2;
/// Two workers, one of which dies each time: a worker lives for twice as long.
const BETWEEN_KILLS: Duration = Duration::from_millis(300);

impl Stage {
    fn exactly_once(&self, worker: &str) -> Child {
        let (kinesis, dynamodb) = (self.local.kinesis_url(), self.local.dynamodb_url());
        let args = [
            &["--stream", "s", "--application", "app", "--books", "books"][..],
            &["--worker-id", worker, "--failover-ms", "1000"],
            &["--endpoint-url", kinesis, "--dynamodb-endpoint-url", dynamodb],
        ];
        let mut command = program(env!("CARGO_BIN_EXE_exactly_once"), &args.concat());
        command.stderr(std::process::Stdio::inherit());
        command.spawn().expect("a built program")
    }

    /// Each effect, and how often it was applied.
    async fn books(&self) -> BTreeMap<String, u64> {
        let mut pages = self
            .local
            .dynamodb_client()
            .scan()
            .table_name("books")
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut effects = BTreeMap::new();
        while let Some(item) = pages.next().await {
            let item = item.expect("the books are there");
            let id = item["id"].as_s().expect("a key").clone();
            if let Some(effect) = id.strip_prefix(kinesis_examples::exactly_once::EFFECT_PREFIX) {
                let applied = item["applied"].as_n().expect("a number");
                effects.insert(effect.to_owned(), applied.parse().expect("a number"));
            }
        }
        effects
    }

    async fn put(&self, from: u32, count: u32) {
        let entries = (from..from + count).map(|n| {
            let entry = PutRecordsRequestEntry::builder().partition_key(format!("key-{n}"));
            entry.data(Blob::new(format!("{n}"))).build().expect("complete")
        });
        let put = self.local.kinesis_client().put_records().stream_name("s");
        let output = put
            .set_records(Some(entries.collect()))
            .send()
            .await
            .expect("put");
        assert_eq!(output.failed_record_count(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes most of a minute: .ci/run has a step for it"]
async fn a_hundred_kills_lose_no_effect_and_repeat_none() {
    let stage = Stage::with_shards(SHARDS).await;
    let names = ["worker-1", "worker-2"];
    let mut workers = names.map(|name| stage.exactly_once(name));
    let mut put = 0;
    let began = Instant::now();
    let mut growing = 0;
    let mut before = 0;
    for kill in 0..KILLS {
        stage.put(put, 40).await;
        put += 40;
        sleep(BETWEEN_KILLS).await;
        let victim = (kill % 2) as usize;
        // SIGKILL, and no farewell.
        workers[victim].kill().await.expect("a process of ours");
        workers[victim] = stage.exactly_once(names[victim]);
        if kill % 10 == 9 {
            let applied = stage.books().await.len();
            growing += u32::from(applied > before);
            before = applied;
        }
    }
    assert!(
        growing >= 5,
        "the kills fell into work, not before it: {growing} of 10"
    );
    let all_in = async {
        while stage.books().await.len() < put as usize {
            sleep(Duration::from_millis(200)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), all_in).await;
    let books = stage.books().await;
    assert!(waited.is_ok(), "{} of {put} effects", books.len());
    // A repetition may come late.
    sleep(Duration::from_secs(2)).await;
    let books = stage.books().await;
    let twice: Vec<_> = books.iter().filter(|(_, applied)| **applied != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(books.len(), put as usize);
    println!(
        "{KILLS} kills in {:.0} s, {put} effects, each exactly once",
        began.elapsed().as_secs_f64()
    );
}
