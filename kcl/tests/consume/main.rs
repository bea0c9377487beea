//! The consumer against a Kinesis and a DynamoDB inside this process: real requests, real tables.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod refused;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kcl::{Checkpoint, DynamoDbLeaseStore, LeaseStore};
use tokio::time::{Instant, sleep, timeout};

use self::world::{Record, Seen, local, numbered, put, put_aggregate, start, start_with};

fn in_order_within_shards(records: &[Record]) {
    let mut last: BTreeMap<&str, &kcl::Position> = BTreeMap::new();
    for record in records {
        let before = last.insert(&record.shard, &record.position);
        assert!(before < Some(&record.position), "{record:?} after {before:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_and_aggregated_records_of_four_shards_come_once_and_in_order() {
    let local = local(4).await;
    put(&local, numbered("plain-", 200)).await;
    for n in 0..8_u128 {
        put_aggregate(&local, n << 125, &numbered(&format!("inner-{n}-"), 25)).await;
    }
    let seen = Seen::default();
    let began = Instant::now();
    let worker = start(&local, "w1", &seen);
    seen.wait_for(400).await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "took {:?}",
        began.elapsed()
    );
    assert_eq!(worker.handle.leases_held(), 4);
    let summary = worker.stop().await;

    let records = seen.all();
    assert_eq!(records.len(), 400, "nothing twice");
    assert_eq!(summary.records(), 400);
    in_order_within_shards(&records);
    assert_eq!(
        records
            .iter()
            .map(|record| &record.shard)
            .collect::<BTreeSet<_>>()
            .len(),
        4
    );
    let of_aggregates: Vec<_> = records.iter().filter(|record| record.key == "inner").collect();
    assert_eq!(of_aggregates.len(), 200);
    assert!(
        of_aggregates
            .iter()
            .any(|record| record.position.sub_sequence_number() == 24)
    );

    let store = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
    for lease in store.list().await.unwrap().leases {
        assert_eq!(lease.owner, None, "a clean stop gives {} up", lease.key);
        assert!(matches!(lease.checkpoint, Checkpoint::At(_)), "{lease:?}");
        assert!(lease.hash_range.is_some());
    }
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_is_followed_parents_first() {
    let local = local(1).await;
    put(&local, numbered("before-", 300)).await;
    let client = local.kinesis_client();
    let middle = (u128::MAX / 2).to_string();
    let split = client
        .split_shard()
        .stream_name("sales")
        .shard_to_split("shardId-000000000000");
    split.new_starting_hash_key(middle).send().await.unwrap();
    let wait = async {
        while client
            .list_shards()
            .stream_name("sales")
            .send()
            .await
            .unwrap()
            .shards()
            .len()
            < 3
        {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), wait).await.unwrap();
    put(&local, numbered("after-", 300)).await;

    let seen = Seen::default();
    let worker = start(&local, "w1", &seen);
    seen.wait_for(600).await;
    let summary = worker.stop().await;

    let records = seen.all();
    assert_eq!(records.len(), 600, "nothing twice");
    in_order_within_shards(&records);
    let parent = "shardId-000000000000";
    let last_of_parent = records.iter().rposition(|record| record.shard == parent).unwrap();
    let first_of_children = records.iter().position(|record| record.shard != parent).unwrap();
    assert!(
        last_of_parent < first_of_children,
        "a child ran ahead of its parent"
    );
    assert_eq!(summary.shards_finished(), 1);

    let store = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
    let leases = store.list().await.unwrap().leases;
    let finished: Vec<_> = leases.iter().filter(|lease| lease.is_finished()).collect();
    assert_eq!(leases.len(), 3);
    assert_eq!(finished.len(), 1);
    assert_eq!(finished[0].key.as_str(), parent);
    assert_eq!(finished[0].children.len(), 2);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_goes_on_after_its_checkpoint() {
    let local = local(2).await;
    put(&local, numbered("first-", 100)).await;
    let before = Seen::default();
    let worker = start(&local, "w1", &before);
    before.wait_for(100).await;
    // The last batch may be processed and not checkpointed yet.
    let store = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
    let last = |shard: &str| {
        before
            .all()
            .into_iter()
            .filter(|r| r.shard == shard)
            .map(|r| r.position)
            .max()
    };
    let checkpointed = async {
        loop {
            let leases = store.list().await.unwrap().leases;
            if leases
                .iter()
                .all(|lease| lease.checkpoint.position() == last(lease.key.as_str()).as_ref())
            {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), checkpointed).await.unwrap();
    worker.kill().await;

    put(&local, numbered("second-", 100)).await;
    let after = Seen::default();
    // The same name gets its leases back without waiting for them to expire.
    let began = Instant::now();
    let worker = start(&local, "w1", &after);
    after.wait_for(100).await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "took {:?}",
        began.elapsed()
    );
    worker.stop().await;
    let data = after.data();
    assert!(
        data.iter().all(|data| data.starts_with("second-")),
        "something came again"
    );
    assert_eq!(data.len(), 100);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_checkpointed_comes_again_after_a_kill_on_another_worker() {
    let local = local(2).await;
    put(&local, numbered("r-", 100)).await;
    let before = Seen::default();
    let worker = start_with(&local, "w1", &before, false);
    before.wait_for(100).await;
    worker.kill().await;
    let after = Seen::default();
    let worker = start(&local, "w2", &after);
    after.wait_for(100).await;
    worker.stop().await;
    assert_eq!(after.data().len(), 100);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_worker_takes_its_half_without_repeating_a_record() {
    let local = local(4).await;
    let seen = Seen::default();
    let one = start(&local, "w1", &seen);
    put(&local, numbered("a-", 100)).await;
    seen.wait_for(100).await;
    let two = start(&local, "w2", &seen);
    let halves = async {
        let mut round = 0;
        while (one.handle.leases_held(), two.handle.leases_held()) != (2, 2) {
            put(&local, numbered(&format!("during-{round}-"), 10)).await;
            round += 1;
            sleep(Duration::from_millis(100)).await;
        }
        round
    };
    let rounds = timeout(Duration::from_secs(20), halves)
        .await
        .expect("four shards, two each");
    put(&local, numbered("b-", 100)).await;
    let total = 200 + rounds * 10;
    seen.wait_for(total).await;
    one.stop().await;
    put(&local, numbered("c-", 100)).await;
    seen.wait_for(total + 100).await;
    two.stop().await;
    assert_eq!(seen.data().len(), total + 100, "a graceful move repeats nothing");
    local.stop().await;
}
