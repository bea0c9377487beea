//! Workers that leave in the middle: in good order, by a crash, because another one wants its share.

use std::time::Duration;

use kcl::{Checkpoint, DynamoDbLeaseStore, LeaseStore, ReceivedRecord};
use kinesis_local::InProcess;
use tokio::time::sleep;

use super::world::{Ledger, local, number, put, worker};
use crate::running::{MS, Running, SECOND};

const RECORDS: u64 = 5_000;

fn start(local: &InProcess, name: &'static str, ledger: &Ledger) -> Running {
    let ledger = ledger.clone();
    let consumer = worker(local, name)
        .for_each_record(move |record: ReceivedRecord| {
            let ledger = ledger.clone();
            async move {
                let leave = Leave(ledger.clone(), record.clone(), name);
                ledger.begin(&record, name);
                // Out of order, by number: 20 to 300 ms.
                sleep(MS * u32::try_from(20 + number(&record) * 7 % 280).unwrap()).await;
                drop(leave);
                ledger.done(&record, name, None);
            }
        })
        .unwrap();
    Running::of(consumer)
}

struct Leave(Ledger, ReceivedRecord, &'static str);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.leave(&self.1, self.2);
    }
}

async fn checkpoint(local: &InProcess) -> Checkpoint {
    let store = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
    store.list().await.unwrap().leases[0].checkpoint.clone()
}

/// Puts all records. When 2,000 are handled, the worker `w1` leaves as `leave` says, and `w2` does the rest. What `leave` gave.
async fn replaced<T>(local: &InProcess, ledger: &Ledger, leave: impl AsyncFnOnce(Running) -> T) -> T {
    let first = start(local, "w1", ledger);
    let writing = put(local, 0..RECORDS, 1_000);
    let changing = async {
        while ledger.count() < 2_000 {
            sleep(10 * MS).await;
        }
        let left = leave(first).await;
        let second = start(local, "w2", ledger);
        ledger.wait_for(usize::try_from(RECORDS).unwrap()).await;
        second.stop().await;
        left
    };
    let ((), left) = tokio::join!(writing, changing);
    ledger.check_order();
    left
}

#[tokio::test(start_paused = true)]
async fn a_clean_stop_repeats_nothing() {
    let local = local().await;
    let ledger = Ledger::default();
    replaced(&local, &ledger, async |first| {
        first.stop().await;
    })
    .await;
    assert_eq!(ledger.repeated().len(), 0);
    assert!(ledger.positions("w1").len() >= 2_000 && ledger.positions("w2").len() > 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_crash_repeats_only_what_is_past_the_watermark() {
    let local = local().await;
    let ledger = Ledger::default();
    let kept = replaced(&local, &ledger, async |first| {
        first.kill().await;
        checkpoint(&local).await
    })
    .await;
    let mark = kept.position().expect("checkpointed on the way").clone();
    let repeated = ledger.repeated();
    for (number, position) in ledger.positions("w1") {
        let again = repeated.contains_key(&number);
        assert_eq!(again, position > mark, "{number} at {position}, watermark {mark}");
    }
    println!(
        "{} of {} came again",
        repeated.len(),
        ledger.positions("w1").len()
    );
    assert!(
        !repeated.is_empty() && repeated.len() < 2_000,
        "{}",
        repeated.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_ends_is_cut_off_after_the_drain_and_its_record_comes_again() {
    let local = local().await;
    put(&local, 0..100, 100).await;
    let ledger = Ledger::default();
    let keep = ledger.clone();
    let consumer = worker(&local, "w1")
        .for_each_record(move |record: ReceivedRecord| {
            let ledger = keep.clone();
            async move {
                if number(&record) == 40 {
                    std::future::pending::<()>().await;
                }
                ledger.done(&record, "w1", None);
            }
        })
        .unwrap();
    let running = Running::of(consumer);
    ledger.wait_for(99).await;
    sleep(3 * SECOND).await;
    let begun = tokio::time::Instant::now();
    running.stop().await;
    let took = begun.elapsed();
    assert!(took >= 10 * SECOND && took < 15 * SECOND, "{took:?}");
    assert!(matches!(checkpoint(&local).await, Checkpoint::At(_)));

    let second = start(&local, "w2", &ledger);
    ledger.wait_for(100).await;
    second.stop().await;
    let again: Vec<_> = ledger.repeated().into_keys().collect();
    assert_eq!(again, (41..100).collect::<Vec<_>>(), "the watermark is 39");
}

#[tokio::test(start_paused = true)]
async fn handlers_are_dropped_when_the_lease_is_lost() {
    let local = local().await;
    put(&local, 0..10, 10).await;
    let ledger = Ledger::default();
    let keep = ledger.clone();
    let consumer = worker(&local, "w1")
        .for_each_record(move |record: ReceivedRecord| {
            let ledger = keep.clone();
            async move {
                let _leave = Leave(ledger.clone(), record.clone(), "w1");
                ledger.begin(&record, "w1");
                std::future::pending::<()>().await;
            }
        })
        .unwrap();
    let running = Running::of(consumer);
    while ledger.running() < 10 {
        sleep(50 * MS).await;
    }
    // Nothing answers the heartbeats any more.
    let denied = kinesis_local::Fault::error("InternalServerError", 500).operation("UpdateItem");
    local.faults().add(denied).unwrap();
    let cut = tokio::time::timeout(Duration::from_secs(10), async {
        while ledger.running() > 0 {
            sleep(10 * MS).await;
        }
    });
    cut.await.expect("dropped within the failover time");
    running.kill().await;
}
