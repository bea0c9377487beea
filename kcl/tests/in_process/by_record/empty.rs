//! Batches of no records, for processors that ask for them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kcl::{BoxError, Checkpointer, Consumer, ConsumerConfig, RecordBatch, RecordProcessor, ShardContext};
use tokio::time::sleep;

use super::world::{local, put};
use crate::running::{MS, Running, SECOND};

/// Notes how many records each call had, and how far behind they were.
struct Noting(Arc<Mutex<Vec<Call>>>);

type Call = (usize, Option<Duration>);

impl RecordProcessor for Noting {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        self.0.lock().unwrap().push((batch.len(), batch.behind_latest()));
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

/// The calls in 20 s of a shard with ten records in it.
async fn calls(empty_batches: bool) -> Vec<Call> {
    let local = local().await;
    put(&local, 0..10, 10).await;
    let config = ConsumerConfig::builder("app", "sales")
        .worker_id("w1")
        .seed(7)
        .idle_between_reads(500 * MS)
        .call_with_empty_batches(empty_batches)
        .build()
        .unwrap();
    let calls: Arc<Mutex<Vec<_>>> = Arc::default();
    let keep = Arc::clone(&calls);
    let consumer = Consumer::builder(config)
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(local.dynamodb_client())
        .build(move |_: &ShardContext| Noting(Arc::clone(&keep)));
    let running = Running::of(consumer.unwrap());
    sleep(20 * SECOND).await;
    running.stop().await;
    let calls = calls.lock().unwrap();
    calls.clone()
}

#[tokio::test(start_paused = true)]
async fn a_read_that_finds_nothing_is_a_call_for_who_asks_for_it() {
    let records = |calls: &[(usize, _)]| calls.iter().map(|(records, _)| records).sum::<usize>();
    let without = calls(false).await;
    assert!(without.iter().all(|(records, _)| *records > 0), "{without:?}");
    assert_eq!(records(&without), 10);

    let with = calls(true).await;
    assert_eq!(records(&with), 10);
    let empty: Vec<_> = with.iter().filter(|(records, _)| *records == 0).collect();
    assert!((20..=60).contains(&empty.len()), "two in a second: {with:?}");
    assert!(
        empty.iter().all(|(_, behind)| *behind == Some(Duration::ZERO)),
        "{empty:?}"
    );
}
