//! Leases that move: shared, handed over, given up, expired, stolen.

use std::time::Duration;

use tokio::time::sleep;

use super::fleet::{Do, FAILOVER, Fleet, SCAN, checkpoints, within};
use crate::lease::WorkerId;
use crate::store::LeaseStore;

const SOON: Duration = Duration::from_secs(1);

fn put(fleet: &Fleet, shards: u64, from: u64, count: u64) {
    for shard in 0..shards {
        for number in from..from + count {
            fleet.stream.put(shard, number, &format!("{shard}-{number}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_worker_reads_every_shard_from_the_first_second() {
    let fleet = Fleet::with_shards(4);
    put(&fleet, 4, 1, 12);
    let worker = fleet.start("w1", checkpoints);
    within(SOON, "all records", || fleet.seen.records().len() == 48).await;
    assert_eq!(worker.held(), 4);
    let summary = worker.stop().await;
    assert_eq!(
        (summary.records(), summary.leases_taken(), summary.leases_lost()),
        (48, 4, 0)
    );
    assert!(fleet.seen.records().values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_clean_stop_tells_every_processor_gives_every_lease_up_and_repeats_nothing() {
    let fleet = Fleet::with_shards(2);
    put(&fleet, 2, 1, 7);
    // Only the last call checkpoints.
    let lazy = |call: &str| {
        if call == "shutdown_requested" {
            Do::Checkpoint
        } else {
            Do::NoCheckpoint
        }
    };
    let worker = fleet.start("w1", lazy);
    within(SOON, "all records", || fleet.seen.records().len() == 14).await;
    worker.stop().await;
    for shard in 0..2 {
        assert_eq!(
            fleet.seen.of(shard).last().unwrap(),
            "shutdown_requested",
            "and no lease_lost after it"
        );
        let lease = fleet.lease(shard).await;
        assert_eq!(lease.owner, None);
        assert_eq!(lease.checkpoint.to_string(), "7/0");
    }
    put(&fleet, 2, 8, 7);
    let worker = fleet.start("w2", checkpoints);
    within(SOON, "the rest", || fleet.seen.records().len() == 28).await;
    worker.stop().await;
    assert!(
        fleet.seen.records().values().all(|times| *times == 1),
        "{:?}",
        fleet.seen.records()
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_has_the_leases_of_a_stopped_worker_within_a_scan() {
    let fleet = Fleet::with_shards(4);
    let one = fleet.start("w1", checkpoints);
    let two = fleet.start("w2", checkpoints);
    within(Duration::from_secs(60), "two each", || {
        (one.held(), two.held()) == (2, 2)
    })
    .await;
    one.stop().await;
    let took = within(SCAN + SOON, "all four", || two.held() == 4).await;
    assert!(took <= SCAN + SOON, "{took:?}");
    two.stop().await;
}

/// A newcomer has the fewest leases, and cannot know yet that those of the dead are free.
#[tokio::test(start_paused = true)]
async fn a_killed_workers_shards_are_taken_in_time_whoever_joins_meanwhile() {
    for later in [1, 5, 8, 9] {
        let fleet = Fleet::with_shards(6);
        let one = fleet.start("w1", checkpoints);
        within(SCAN, "all", || one.held() == 6).await;
        let two = fleet.start("w2", checkpoints);
        within(SCAN * 3, "three each", || (one.held(), two.held()) == (3, 3)).await;
        sleep(FAILOVER).await;
        two.kill().await;
        let later = Duration::from_secs(later);
        sleep(later).await;
        let three = fleet.start("w3", checkpoints);
        let limit = FAILOVER + Duration::from_secs(2) - later;
        within(limit, "all run", || one.held() + three.held() == 6).await;
        within(SCAN * 2, "evenly", || (one.held(), three.held()) == (3, 3)).await;
        one.stop().await;
        three.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_workers_shards_are_taken_after_the_failover_time() {
    let fleet = Fleet::with_shards(4);
    put(&fleet, 4, 1, 5);
    let one = fleet.start("w1", checkpoints);
    let two = fleet.start("w2", checkpoints);
    within(Duration::from_secs(60), "two each", || {
        (one.held(), two.held()) == (2, 2)
    })
    .await;
    one.kill().await;
    put(&fleet, 4, 6, 5);
    let took = within(FAILOVER + SCAN * 2, "all four", || two.held() == 4).await;
    assert!(
        took > FAILOVER / 2,
        "nobody may take a lease that may be alive: {took:?}"
    );
    within(SOON, "all records", || fleet.seen.records().len() == 40).await;
    two.stop().await;
    assert_eq!(fleet.seen.records().len(), 40, "nothing is lost");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_joins_gets_its_half_and_no_record_comes_twice() {
    let fleet = Fleet::with_shards(4);
    // Only hand-overs checkpoint, so anything abrupt would show as a repetition.
    let lazy = |call: &str| {
        if call == "shutdown_requested" {
            Do::Checkpoint
        } else {
            Do::NoCheckpoint
        }
    };
    let one = fleet.start("w1", lazy);
    within(SOON, "four leases", || one.held() == 4).await;
    let two = fleet.start("w2", lazy);
    let mut number = 0;
    while (one.held(), two.held()) != (2, 2) {
        number += 1;
        put(&fleet, 4, number, 1);
        sleep(Duration::from_millis(100)).await;
        assert!(
            number < 300,
            "{} and {} leases after 30 s",
            one.held(),
            two.held()
        );
    }
    let total = usize::try_from(number).unwrap() * 4;
    within(SOON, "all records", || fleet.seen.records().len() == total).await;
    one.stop().await;
    two.stop().await;
    assert!(fleet.seen.records().values().all(|times| *times == 1));
    assert!(!fleet.seen.all().contains(&"lease_lost".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_lets_the_batch_in_hand_end() {
    let fleet = Fleet::with_shards(2);
    let slow = |call: &str| match call {
        "initialize" | "shutdown_requested" => Do::Checkpoint,
        _ => Do::Slowly(Duration::from_secs(5)),
    };
    let one = fleet.start("w1", slow);
    within(SOON, "two leases", || one.held() == 2).await;
    put(&fleet, 2, 1, 3);
    within(SOON, "both at work", || fleet.seen.records().len() == 6).await;
    let two = fleet.start("w2", slow);
    within(Duration::from_secs(15), "one each", || {
        (one.held(), two.held()) == (1, 1)
    })
    .await;
    sleep(FAILOVER).await;
    one.stop().await;
    two.stop().await;
    assert!(
        fleet.seen.records().values().all(|times| *times == 1),
        "{:?}",
        fleet.seen.records()
    );
}

/// Whoever asked takes the shard when the time for the hand-over is up. So until then its holder must have stopped, whatever its
/// processor does.
#[tokio::test(start_paused = true)]
async fn a_processor_that_does_not_end_is_cut_off_before_who_asked_begins() {
    for deaf in [Do::NoCheckpoint, Do::Hang] {
        let fleet = Fleet::with_shards(2);
        let endless = move |call: &str| match call {
            "lease_lost" => deaf,
            "initialize" | "shutdown_requested" => Do::Checkpoint,
            _ => Do::Steps(Duration::from_millis(100)),
        };
        let patience = Duration::from_secs(5);
        let store = std::sync::Arc::new(fleet.leases.clone());
        let one = fleet.start_with("w1", endless, store, |config| config.hand_over_timeout(patience));
        within(SOON, "two leases", || one.held() == 2).await;
        put(&fleet, 2, 1, 3);
        within(SOON, "both at work", || fleet.seen.records().len() == 6).await;
        let two = fleet.start("w2", checkpoints);
        let took = within(patience + SCAN * 2, "one each", || {
            (one.held(), two.held()) == (1, 1)
        })
        .await;
        assert!(took > patience / 2, "{took:?}");
        sleep(FAILOVER * 2).await;
        one.kill().await;
        two.kill().await;
        let moved = (0..2)
            .map(|shard| fleet.seen.of(shard))
            .find(|told| told.contains(&"lease_lost".to_owned()))
            .expect("one was told");
        let lost = moved.iter().position(|what| what == "lease_lost").unwrap();
        assert_eq!(moved[lost + 1], "initialize TRIM_HORIZON", "{deaf:?}: {moved:?}");
        assert!(!moved[lost..].contains(&"step".to_owned()), "{moved:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_taken_by_force_stops_the_processing_of_its_old_owner() {
    let fleet = Fleet::with_shards(1);
    put(&fleet, 1, 1, 3);
    let one = fleet.start(
        "w1",
        |call: &str| if call == "0-3" { Do::Hang } else { Do::Checkpoint },
    );
    within(SOON, "the batch", || fleet.seen.records().len() == 3).await;
    let row = fleet.lease(0).await;
    fleet
        .leases
        .take(&row, &WorkerId::new("java"))
        .await
        .unwrap()
        .expect("the row is as it was read");
    within(FAILOVER / 3 + SOON, "the news", || {
        fleet.seen.of(0).last().unwrap() == "lease_lost"
    })
    .await;
    within(SOON, "the end of it", || one.held() == 0).await;
    let summary = one.stop().await;
    assert_eq!(summary.leases_lost(), 1);
    assert_eq!(
        fleet.lease(0).await.owner,
        Some(WorkerId::new("java")),
        "what is lost is not touched"
    );
}

#[tokio::test(start_paused = true)]
async fn a_restarted_worker_of_the_same_name_has_its_leases_at_once() {
    let fleet = Fleet::with_shards(3);
    let worker = fleet.start("w1", checkpoints);
    within(SOON, "three leases", || worker.held() == 3).await;
    worker.kill().await;
    let worker = fleet.start("w1", checkpoints);
    within(SOON, "three leases again", || worker.held() == 3).await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_leases_is_kept() {
    let fleet = Fleet::with_shards(4);
    let store = std::sync::Arc::new(fleet.leases.clone());
    let worker = fleet.start_with("w1", checkpoints, store, |config| {
        config.max_leases_per_worker(std::num::NonZeroUsize::new(3).unwrap())
    });
    sleep(FAILOVER * 3).await;
    assert_eq!(worker.held(), 3);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn rows_that_name_no_shard_are_left_alone() {
    let fleet = Fleet::with_shards(1);
    let key = crate::lease::LeaseKey::new("123456789012:other:1700000000:shardId-000000000000");
    let foreign = crate::lease::Lease::new(key.clone(), crate::position::Checkpoint::TrimHorizon);
    fleet.leases.create(&foreign).await.unwrap();
    let worker = fleet.start("w1", checkpoints);
    sleep(FAILOVER * 3).await;
    assert_eq!(worker.held(), 1);
    assert_eq!(fleet.leases.get(&key).await.unwrap(), Some(foreign));
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_freed_is_lost_before_it_is_taken_again() {
    let fleet = Fleet::with_shards(1);
    let worker = fleet.start("w1", checkpoints);
    within(SOON, "the lease", || worker.held() == 1).await;
    // As a leader does whose patience with a hand-over is at its end.
    let row = fleet.lease(0).await;
    assert!(fleet.leases.release(&row).await.unwrap());
    within(FAILOVER, "the loss and the lease", || {
        worker.held() == 1
            && fleet
                .seen
                .of(0)
                .iter()
                .filter(|what| what.starts_with("initialize"))
                .count()
                == 2
    })
    .await;
    assert_eq!(fleet.seen.of(0)[..2], ["initialize TRIM_HORIZON", "lease_lost"]);
    sleep(FAILOVER * 3).await;
    assert_eq!(worker.held(), 1);
    let summary = worker.stop().await;
    assert_eq!((summary.leases_taken(), summary.leases_lost()), (2, 1));
    assert_eq!(fleet.lease(0).await.owner, None, "nobody keeps it in secret");
}
