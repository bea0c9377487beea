//! Closed shards: their last records, their end, their children.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::fleet::{Do, Fleet, SCAN, checkpoints, within};
use crate::lease::LeaseKey;
use crate::store::LeaseStore;
use kinesis_aggregation::ShardId;

const SOON: Duration = Duration::from_secs(1);

fn split(fleet: &Fleet) {
    for number in 1..=8 {
        fleet.stream.put(0, number, &format!("parent-{number}"));
    }
    fleet.stream.split(0, [1, 2]);
    for child in [1, 2] {
        for number in 101..=103 {
            fleet
                .stream
                .put(child, number, &format!("child-{child}-{number}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn children_are_read_after_their_parent_and_only_after_it() {
    let fleet = Fleet::with_shards(1);
    split(&fleet);
    let worker = fleet.start("w1", checkpoints);
    within(SCAN + SOON * 2, "all records", || {
        fleet.seen.records().len() == 14
    })
    .await;
    let told = fleet.seen.all();
    let ended = told.iter().position(|what| what == "shard_ended").unwrap();
    let last_of_parent = told.iter().rposition(|what| what.starts_with("=parent")).unwrap();
    let first_of_child = told.iter().position(|what| what.starts_with("=child")).unwrap();
    assert!(last_of_parent < ended && ended < first_of_child, "{told:?}");
    let parent = fleet.lease(0).await;
    assert!(parent.is_finished());
    assert_eq!(parent.owner, None, "a finished lease is nobody's load");
    assert_eq!(parent.children.len(), 2);
    let summary = worker.stop().await;
    assert_eq!(summary.shards_finished(), 1);
    assert!(fleet.seen.records().values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_closes_while_it_is_read_leads_to_its_children() {
    let fleet = Fleet::with_shards(1);
    let worker = fleet.start("w1", checkpoints);
    within(SOON, "the lease", || worker.held() == 1).await;
    split(&fleet);
    within(SCAN + SOON * 2, "all records", || {
        fleet.seen.records().len() == 14
    })
    .await;
    within(SOON, "both children", || worker.held() == 2).await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_not_checkpointed_is_told_again_and_children_wait() {
    let fleet = Fleet::with_shards(1);
    split(&fleet);
    let ends = AtomicUsize::new(0);
    let worker = fleet.start("w1", move |call: &str| {
        match call == "shard_ended" && ends.fetch_add(1, Ordering::Relaxed) < 3 {
            true => Do::NoCheckpoint,
            false => Do::Checkpoint,
        }
    });
    within(Duration::from_secs(30), "all records", || {
        fleet.seen.records().len() == 14
    })
    .await;
    let ends = fleet
        .seen
        .of(0)
        .iter()
        .filter(|what| *what == "shard_ended")
        .count();
    assert_eq!(ends, 4);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn children_have_leases_before_the_end_is_recorded() {
    let fleet = Fleet::with_shards(1);
    split(&fleet);
    let worker = fleet.start("w1", |call: &str| {
        if call == "shard_ended" {
            Do::Hang
        } else {
            Do::Checkpoint
        }
    });
    within(SOON * 2, "the end", || {
        fleet.seen.of(0).contains(&"shard_ended".to_owned())
    })
    .await;
    assert!(!fleet.lease(0).await.is_finished());
    for child in [1, 2] {
        let lease = fleet.lease(child).await;
        assert_eq!(lease.checkpoint.to_string(), "TRIM_HORIZON");
        assert!(lease.parents.contains(&ShardId::from_number(0)));
    }
    sleep(SCAN * 3).await;
    assert_eq!(
        worker.held(),
        1,
        "the children are not taken while their parent is not done"
    );
    worker.kill().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_child_lease_is_found_by_the_audit_and_finished_parents_are_removed() {
    let fleet = Fleet::with_shards(1);
    split(&fleet);
    let worker = fleet.start("w1", checkpoints);
    within(SCAN + SOON * 2, "all records", || {
        fleet.seen.records().len() == 14
    })
    .await;
    worker.stop().await;
    let lost = LeaseKey::of_shard(&ShardId::from_number(1));
    fleet.leases.delete(&lost).await.unwrap();

    let store = std::sync::Arc::new(fleet.leases.clone());
    let audit = Duration::from_secs(5);
    let worker = fleet.start_with("w1", checkpoints, store, |config| {
        config.shard_sync_interval(audit)
    });
    within(audit * 5, "the lost child", || worker.held() == 2).await;
    sleep(audit * 3).await;
    let parent = LeaseKey::of_shard(&ShardId::from_number(0));
    assert_eq!(
        fleet.leases.get(&parent).await.unwrap(),
        None,
        "both children are under way"
    );
    worker.stop().await;
}
