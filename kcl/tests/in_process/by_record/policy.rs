//! What follows when `process_records` fails: by default the same again, for ever.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use kcl::dead_letter::{DeadLetterFile, DeadLetterStream};
use kcl::{
    BoxError, Checkpointer, ConfigError, Consumer, ConsumerConfig, ProcessingFailure, RecordBatch,
    RecordProcessor, RunError, ShardContext, StreamName, WhenExhausted,
};
use kinesis_local::InProcess;
use tokio::time::sleep;

use super::world::{local, put};
use crate::running::{MS, Running, SECOND};

/// Fails with every batch that holds a number from 100 on, after it has checkpointed what is before.
struct Failing(Arc<Mutex<Vec<u64>>>);

impl RecordProcessor for Failing {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for record in batch.records() {
            let number = std::str::from_utf8(record.data())?.parse()?;
            if number == 100 {
                return Err("a hundred".into());
            }
            self.0.lock().unwrap().push(number);
            checkpointer.checkpoint_at(record).await?;
        }
        Ok(())
    }
}

fn config(what: ProcessingFailure) -> ConsumerConfig {
    let builder = ConsumerConfig::builder("app", "sales").worker_id("w1").seed(7);
    let builder = builder.on_processing_failure(what).failover(4 * SECOND);
    builder.scan_interval(SECOND).build().unwrap()
}

fn after(then: WhenExhausted) -> ProcessingFailure {
    let attempts = NonZeroU32::new(3).unwrap();
    ProcessingFailure::After { attempts, then }
}

fn path(name: &str) -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    path.push(format!("{name}-{}.jsonl", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

async fn world() -> (InProcess, Arc<Mutex<Vec<u64>>>) {
    let local = local().await;
    put(&local, 80..120, 10).await;
    sleep(SECOND).await;
    (local, Arc::default())
}

fn consumer(local: &InProcess, what: ProcessingFailure) -> kcl::ConsumerBuilder {
    Consumer::builder(config(what))
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(local.dynamodb_client())
}

#[tokio::test(start_paused = true)]
async fn by_default_nothing_is_left_out() {
    let (local, seen) = world().await;
    let keep = Arc::clone(&seen);
    let consumer =
        consumer(&local, ProcessingFailure::Retry).build(move |_: &ShardContext| Failing(Arc::clone(&keep)));
    let running = Running::of(consumer.unwrap());
    sleep(60 * SECOND).await;
    let counts = running.handle.record_counts();
    running.stop().await;
    assert_eq!(*seen.lock().unwrap(), (80..100).collect::<Vec<_>>());
    assert!(counts.retried > 100 && counts.skipped == 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_names_the_first_record_that_is_not_done() {
    let (local, seen) = world().await;
    let keep = Arc::clone(&seen);
    let consumer = consumer(&local, after(WhenExhausted::Stop))
        .build(move |_: &ShardContext| Failing(Arc::clone(&keep)));
    let error = Running::of(consumer.unwrap()).end().await.unwrap_err();
    let RunError::StoppedAtRecord { record, reason } = error else {
        panic!("{error}")
    };
    assert_eq!(reason.to_string(), "process_records failed: a hundred");
    assert!(record.shard().is_some() && record.position().is_some());
    assert_eq!(*seen.lock().unwrap(), (80..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_skip_passes_what_is_left_of_the_batch() {
    let (local, seen) = world().await;
    let keep = Arc::clone(&seen);
    let consumer = consumer(&local, after(WhenExhausted::Skip))
        .build(move |_: &ShardContext| Failing(Arc::clone(&keep)));
    let running = Running::of(consumer.unwrap());
    sleep(20 * SECOND).await;
    put(&local, 200..210, 10).await;
    sleep(5 * SECOND).await;
    let counts = running.handle.record_counts();
    running.stop().await;
    assert_eq!(
        *seen.lock().unwrap(),
        (80..100).chain(200..210).collect::<Vec<_>>()
    );
    assert_eq!((counts.skipped, counts.dead_lettered), (20, 0));
}

#[tokio::test(start_paused = true)]
async fn dead_letters_of_a_batch_are_in_the_file_before_it_is_passed() {
    let (local, seen) = world().await;
    let keep = Arc::clone(&seen);
    let path = path("batch");
    // A line that a crash has cut off.
    std::fs::write(&path, "{\"half").unwrap();
    let consumer = consumer(&local, after(WhenExhausted::DeadLetter))
        .dead_letters(DeadLetterFile::open(&path).unwrap())
        .build(move |_: &ShardContext| Failing(Arc::clone(&keep)));
    let running = Running::of(consumer.unwrap());
    while running.handle.record_counts().dead_lettered < 20 {
        sleep(100 * MS).await;
    }
    running.stop().await;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 20);
    for (line, number) in lines.iter().zip(100..120) {
        assert_eq!(line["partition_key"], format!("key-{}", number % 10));
        assert_eq!(line["data"], base64(&number.to_string()));
        assert_eq!(
            (&line["kind"], &line["attempts"]),
            (&"batch_failed".into(), &3.into())
        );
        assert_eq!(line["reason"], "process_records failed: a hundred");
        assert_eq!(line["shard_id"], "shardId-000000000000");
        let name = format!(
            "sales/shardId-000000000000/{}/0",
            line["sequence_number"].as_str().unwrap()
        );
        assert_eq!(line["record"], name);
        assert!(line["arrived_ms"].is_u64() && line["worker_id"] == "w1");
    }
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test(start_paused = true)]
async fn dead_letters_in_a_stream_have_a_line_of_json_before_the_data() {
    let (local, seen) = world().await;
    local.create_stream("letters", 1).await.unwrap();
    let keep = Arc::clone(&seen);
    let letters = DeadLetterStream::new(local.kinesis_client(), StreamName::new("letters").unwrap());
    let consumer = consumer(&local, after(WhenExhausted::DeadLetter))
        .dead_letters(letters)
        .build(move |_: &ShardContext| Failing(Arc::clone(&keep)));
    let running = Running::of(consumer.unwrap());
    while running.handle.record_counts().dead_lettered < 20 {
        sleep(100 * MS).await;
    }
    running.stop().await;
    let client = local.kinesis_client();
    let iterator = client
        .get_shard_iterator()
        .stream_name("letters")
        .shard_id("shardId-000000000000");
    let iterator = iterator
        .shard_iterator_type("TRIM_HORIZON".into())
        .send()
        .await
        .unwrap();
    let page = client
        .get_records()
        .set_shard_iterator(iterator.shard_iterator)
        .send()
        .await
        .unwrap();
    assert_eq!(page.records().len(), 20);
    for (record, number) in page.records().iter().zip(100..120) {
        let data = record.data().as_ref();
        let end = data.iter().position(|byte| *byte == b'\n').unwrap();
        let header: serde_json::Value = serde_json::from_slice(&data[..end]).unwrap();
        assert_eq!(header["reason"], "process_records failed: a hundred");
        assert_eq!(&data[end + 1..], number.to_string().as_bytes());
        assert_eq!(record.partition_key(), Some(&*format!("key-{}", number % 10)));
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_want_a_place() {
    let (local, _) = world().await;
    let built =
        consumer(&local, after(WhenExhausted::DeadLetter)).build(|_: &ShardContext| Failing(Arc::default()));
    assert!(matches!(built, Err(ConfigError::MissingDeadLetters)));
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
