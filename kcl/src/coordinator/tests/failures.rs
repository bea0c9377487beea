//! Processors that fail, panic or hang, and a table that does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fleet::{Do, FAILOVER, Faulty, Fleet, SCAN, checkpoints, within};

const SOON: Duration = Duration::from_secs(1);

fn put(fleet: &Fleet, shard: u64, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        fleet.stream.put(shard, number, &number.to_string());
    }
}

/// Says `first` so often about this call, then checkpoints.
fn times(count: usize, call: &'static str, first: Do) -> impl Fn(&str) -> Do + Send + Sync + 'static {
    let left = AtomicUsize::new(count);
    move |told: &str| {
        let again = |left: usize| left.checked_sub(1);
        match told == call
            && left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, again)
                .is_ok()
        {
            true => first,
            false => Do::Checkpoint,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_comes_again_before_anything_else() {
    let fleet = Fleet::with_shards(1);
    put(&fleet, 0, 1..=7);
    let worker = fleet.start("w1", times(3, "5", Do::Fail));
    within(Duration::from_secs(10), "the second batch", || {
        fleet.seen.records().contains_key("7")
    })
    .await;
    let calls: Vec<_> = fleet
        .seen
        .of(0)
        .into_iter()
        .filter(|what| what != "batch")
        .collect();
    let batch = ["=1", "=2", "=3", "=4", "=5"];
    let mut expected = vec!["initialize TRIM_HORIZON"];
    for _ in 0..4 {
        expected.extend(batch);
    }
    expected.extend(["=6", "=7"]);
    assert_eq!(calls, expected);
    let summary = worker.stop().await;
    assert_eq!(
        (summary.records(), summary.batches()),
        (7, 2),
        "failed attempts do not count"
    );
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_always_fails_keeps_its_lease_and_its_place() {
    let fleet = Fleet::with_shards(2);
    put(&fleet, 0, 1..=3);
    put(&fleet, 1, 101..=103);
    let worker = fleet.start(
        "w1",
        |call: &str| if call == "3" { Do::Fail } else { Do::Checkpoint },
    );
    sleep(FAILOVER * 20).await;
    assert_eq!(worker.held(), 2);
    let attempts = fleet.seen.records()["3"];
    assert!(
        (5..60).contains(&attempts),
        "{attempts} attempts in 200 s: pauses grow, and end"
    );
    assert_eq!(fleet.seen.records()["103"], 1, "the other shard goes on");
    worker.stop().await;
    assert_eq!(
        fleet.lease(0).await.checkpoint.to_string(),
        "TRIM_HORIZON",
        "not past what failed"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_failing_processor_checkpointed_does_not_come_again() {
    // The checkpoint inside the failing call is the whole batch, so nothing of it is left.
    let fleet = Fleet::with_shards(1);
    put(&fleet, 0, 1..=7);
    let worker = fleet.start("w1", times(1, "5", Do::CheckpointAndFail));
    within(SOON * 3, "all", || fleet.seen.records().len() == 7).await;
    worker.stop().await;
    assert!(fleet.seen.records().values().all(|times| *times == 1));
    assert_eq!(fleet.lease(0).await.checkpoint.to_string(), "7/0");
}

#[tokio::test(start_paused = true)]
async fn initialize_is_repeated_until_it_succeeds() {
    let fleet = Fleet::with_shards(1);
    put(&fleet, 0, 1..=1);
    let worker = fleet.start("w1", times(2, "initialize", Do::Fail));
    within(Duration::from_secs(10), "the record", || {
        fleet.seen.records().len() == 1
    })
    .await;
    let calls = fleet
        .seen
        .of(0)
        .iter()
        .filter(|what| what.starts_with("initialize"))
        .count();
    assert_eq!(calls, 3);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_shard_a_pause_and_the_others_nothing() {
    let fleet = Fleet::with_shards(2);
    put(&fleet, 0, 1..=3);
    let worker = fleet.start("w1", times(1, "3", Do::Panic));
    within(SOON, "the panic", || fleet.seen.records().len() == 3).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(worker.held(), 1, "the lease is given up");
    assert_eq!(fleet.lease(0).await.owner, None);
    put(&fleet, 1, 101..=103);
    within(SOON, "the other shard", || {
        fleet.seen.records().contains_key("103")
    })
    .await;
    within(FAILOVER + SCAN * 2, "another attempt", || {
        fleet.seen.records()["3"] == 2
    })
    .await;
    let summary = worker.stop().await;
    assert_eq!(summary.panics(), 1);
    assert!(
        !fleet.seen.of(0).contains(&"lease_lost".to_owned()),
        "nothing is called after a panic"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hung_processor_does_not_hold_up_a_clean_stop_for_ever() {
    let fleet = Fleet::with_shards(2);
    put(&fleet, 0, 1..=3);
    let worker = fleet.start(
        "w1",
        |call: &str| if call == "3" { Do::Hang } else { Do::Checkpoint },
    );
    within(SOON, "the hang", || fleet.seen.records().len() == 3).await;
    let began = Instant::now();
    worker.stop().await;
    let took = began.elapsed();
    assert!((30..37).contains(&took.as_secs()), "{took:?}");
    assert_eq!(fleet.lease(0).await.owner, None, "given up all the same");
    assert_eq!(fleet.lease(0).await.checkpoint.to_string(), "TRIM_HORIZON");
}

#[tokio::test(start_paused = true)]
async fn a_hung_processor_loses_nothing_of_its_lease_meanwhile() {
    let fleet = Fleet::with_shards(1);
    put(&fleet, 0, 1..=3);
    let worker = fleet.start("w1", |call: &str| match call {
        "3" => Do::Slowly(FAILOVER * 5),
        _ => Do::Checkpoint,
    });
    let other = fleet.start("w2", checkpoints);
    sleep(FAILOVER * 4).await;
    assert_eq!((worker.held(), other.held()), (1, 0), "heartbeats run beside it");
    within(FAILOVER * 2, "the checkpoint", || {
        worker.held() == 1 && fleet.seen.records()["3"] == 1
    })
    .await;
    other.stop().await;
    worker.stop().await;
    assert_eq!(fleet.seen.records()["3"], 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_from_the_table_a_worker_stops_before_its_lease_expires_for_others() {
    let fleet = Fleet::with_shards(1);
    put(&fleet, 0, 1..=3);
    let store = Faulty::new(fleet.leases.clone());
    let hang = |call: &str| if call == "3" { Do::Hang } else { Do::Checkpoint };
    let worker = fleet.start_with("w1", hang, Arc::new(store.clone()), |config| config);
    let peer = fleet.start("w2", checkpoints);
    within(SOON, "the batch", || fleet.seen.records().len() == 3).await;
    store.fail(true);
    let lost = within(FAILOVER, "the loss", || {
        fleet.seen.of(0).contains(&"lease_lost".to_owned())
    })
    .await;
    assert!(lost > FAILOVER / 2, "a short fault costs nothing: {lost:?}");
    within(FAILOVER, "the other worker", || peer.held() == 1).await;
    within(SOON, "its records", || fleet.seen.records()["3"] == 2).await;
    let told = fleet.seen.of(0);
    let stopped = told.iter().position(|what| what == "lease_lost");
    let began = told.iter().rposition(|what| what == "=1");
    assert!(
        stopped < began,
        "the one stopped before the other began: {told:?}"
    );
    store.fail(false);
    worker.stop().await;
    peer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_short_fault_of_the_table_is_ridden_out() {
    let fleet = Fleet::with_shards(2);
    let store = Faulty::new(fleet.leases.clone());
    let worker = fleet.start_with("w1", checkpoints, Arc::new(store.clone()), |config| config);
    within(SOON, "two leases", || worker.held() == 2).await;
    store.fail(true);
    put(&fleet, 0, 1..=3);
    sleep(FAILOVER / 2).await;
    store.fail(false);
    within(FAILOVER, "the checkpoint", || fleet.seen.records().len() == 3).await;
    sleep(FAILOVER).await;
    assert_eq!(
        fleet.lease(0).await.checkpoint.to_string(),
        "3/0",
        "asked again after the fault"
    );
    let summary = worker.stop().await;
    assert_eq!(summary.leases_lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_takes_no_further_step() {
    for shards in [1, 16] {
        let fleet = Fleet::with_shards(shards);
        for shard in 0..shards {
            put(&fleet, shard, 1..=3);
        }
        let count = usize::try_from(shards).unwrap();
        let step = Duration::from_millis(400);
        let worker = fleet.start("w1", move |call: &str| match call {
            "3" => Do::Steps(step),
            _ => Do::Checkpoint,
        });
        sleep(FAILOVER).await;
        let steps = |fleet: &Fleet| fleet.seen.all().iter().filter(|what| *what == "step").count();
        let before = steps(&fleet);
        assert!(before >= 20 * count, "{before}");
        // All that is due in between is due at once, in whatever order.
        tokio::time::advance(FAILOVER + FAILOVER / 2).await;
        sleep(FAILOVER).await;
        let lost = fleet
            .seen
            .all()
            .iter()
            .filter(|what| *what == "lease_lost")
            .count();
        assert!(lost >= count, "{lost}");
        for shard in 0..shards {
            let told = fleet.seen.of(shard);
            let end = told.iter().position(|what| what == "lease_lost").unwrap();
            let done = told[..end].iter().filter(|what| *what == "step").count();
            assert!(
                done * count <= before,
                "no step after the pause: {done} of {before}"
            );
        }
        worker.kill().await;
    }
}
