//! The end of a shard: only when each of its records has its outcome.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kcl::{Checkpoint, DynamoDbLeaseStore, LeaseStore, ReceivedRecord};
use kinesis_local::InProcess;
use tokio::time::{Instant, sleep};

use super::world::{Ledger, local, number, put, worker};
use crate::running::{MS, Running, SECOND};

async fn split(local: &InProcess) {
    let client = local.kinesis_client();
    let split = client
        .split_shard()
        .stream_name("sales")
        .shard_to_split("shardId-000000000000");
    let half = (u128::MAX / 2).to_string();
    split.new_starting_hash_key(half).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn children_wait_for_the_last_record_of_their_parent() {
    let local = local().await;
    let ledger = Ledger::default();
    let times: Arc<Mutex<BTreeMap<u64, (Instant, Instant)>>> = Arc::default();
    let (keep, clock) = (ledger.clone(), Arc::clone(&times));
    let consumer = worker(&local, "w1")
        .for_each_record(move |record: ReceivedRecord| {
            let (ledger, clock) = (keep.clone(), Arc::clone(&clock));
            async move {
                let begun = Instant::now();
                // One takes long after the others are done.
                let pause = if number(&record) == 1_500 {
                    8 * SECOND
                } else {
                    30 * MS
                };
                sleep(pause).await;
                clock
                    .lock()
                    .unwrap()
                    .insert(number(&record), (begun, Instant::now()));
                ledger.done(&record, "w1", None);
            }
        })
        .unwrap();
    let running = Running::of(consumer);
    put(&local, 0..2_000, 500).await;
    split(&local).await;
    sleep(SECOND).await;
    put(&local, 2_000..4_000, 500).await;
    ledger.wait_for(3_999).await;
    ledger.wait_for(4_000).await;
    running.stop().await;
    ledger.check_order();
    assert!(ledger.repeated().is_empty());
    {
        let times = times.lock().unwrap();
        let parent_done = times.range(..2_000).map(|(_, (_, end))| *end).max().unwrap();
        let child_began = times.range(2_000..).map(|(_, (begin, _))| *begin).min().unwrap();
        assert!(parent_done <= child_began, "order over the split");
    }
    let store = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
    let leases = store.list().await.unwrap().leases;
    let ended = leases
        .iter()
        .filter(|lease| lease.checkpoint == Checkpoint::ShardEnd)
        .count();
    assert_eq!((leases.len(), ended), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_at_an_end_that_is_not_done_leaves_the_rest_to_the_next() {
    let local = local().await;
    put(&local, 0..100, 100).await;
    split(&local).await;
    let ledger = Ledger::default();
    for round in 0..2 {
        let keep = ledger.clone();
        let consumer = worker(&local, "w1")
            .for_each_record(move |record: ReceivedRecord| {
                let ledger = keep.clone();
                async move {
                    if round == 0 && number(&record) == 99 {
                        std::future::pending::<()>().await;
                    }
                    ledger.done(&record, "w1", None);
                }
            })
            .unwrap();
        let running = Running::of(consumer);
        ledger.wait_for(if round == 0 { 99 } else { 100 }).await;
        sleep(5 * SECOND).await;
        let summary = running.stop().await;
        assert_eq!(summary.shards_finished(), round);
    }
    assert!(ledger.repeated().is_empty());
}
