//! What a consumer tells of itself: events, health, why it ended.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use tokio::time::sleep;

use super::fleet::{Do, FAILOVER, Faulty, Fleet, Running, checkpoints, within};
use crate::error::{RunError, StoreError};
use crate::events::{ConsumerEvent, Notice};
use crate::health::{LeasePhase, Stage};
use crate::lease::WorkerId;
use crate::store::LeaseStore;
use crate::store::memory::MemoryLeaseStore;

const SOON: Duration = Duration::from_secs(1);

/// What was told so far, in short.
fn told(worker: &mut Running) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(Some(Notice::Event(event))) = worker.events.next().now_or_never() {
        told.push(match event {
            ConsumerEvent::Started { leases_created } => format!("started {leases_created}"),
            ConsumerEvent::LeaseTaken { from, .. } => format!("taken from {}", name(from.as_ref())),
            ConsumerEvent::LeaseLost { reason, to, .. } => {
                format!("lost {reason:?} to {}", name(to.as_ref()))
            }
            ConsumerEvent::LeaseHandedOver { to, .. } => format!("handed to {}", name(to.as_ref())),
            ConsumerEvent::HandOverRequested { by, .. } => format!("requested by {}", name(by.as_ref())),
            ConsumerEvent::HandOverAsked { from, .. } => format!("asked {from}"),
            ConsumerEvent::WorkerJoined { worker_id } => format!("joined {worker_id}"),
            ConsumerEvent::WorkerLeft { worker_id } => format!("left {worker_id}"),
            other => format!("{other:?}"),
        });
    }
    told
}

fn name(worker: Option<&WorkerId>) -> &str {
    worker.map_or("nobody", WorkerId::as_str)
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_is_told_by_both_sides() {
    let fleet = Fleet::with_shards(2);
    let mut one = fleet.start("w1", checkpoints);
    within(SOON, "two leases", || one.held() == 2).await;
    let mut two = fleet.start("w2", checkpoints);
    within(SOON * 4, "one each", || (one.held(), two.held()) == (1, 1)).await;
    two.stop.cancel();
    within(SOON, "both again", || one.held() == 2).await;
    sleep(SOON).await;
    assert_eq!(
        told(&mut one),
        [
            "started 2",
            "taken from nobody",
            "taken from nobody",
            "joined w2",
            "requested by w2",
            "handed to w2",
            "left w2",
            "taken from nobody",
        ],
        "what is given to it bears its name already"
    );
    let tale = told(&mut two);
    let expected = [
        "started 0",
        "joined w1",
        "asked w1",
        "taken from nobody",
        "Stopping { leases_held: 1 }",
        "handed to w1",
    ];
    assert_eq!(tale, expected);
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn losses_say_why() {
    let fleet = Fleet::with_shards(2);
    let store = Faulty::new(fleet.leases.clone());
    let mut worker = fleet.start_with("w1", checkpoints, Arc::new(store.clone()), |config| config);
    within(SOON, "two leases", || worker.held() == 2).await;
    let row = fleet.lease(0).await;
    fleet.leases.take(&row, &WorkerId::new("java")).await.unwrap();
    within(FAILOVER, "the loss", || worker.held() == 1).await;
    assert!(told(&mut worker).contains(&"lost Taken to java".to_owned()));
    store.fail(true);
    within(FAILOVER * 2, "the other loss", || worker.held() == 0).await;
    assert!(told(&mut worker).contains(&"lost Expired to nobody".to_owned()));
    worker.kill().await;
}

#[tokio::test(start_paused = true)]
async fn health_follows_the_leases() {
    let fleet = Fleet::with_shards(1);
    let failing = std::sync::atomic::AtomicBool::new(true);
    let failing = Arc::new(failing);
    let told = Arc::clone(&failing);
    let worker = fleet.start("w1", move |call: &str| {
        match call == "initialize" && told.load(std::sync::atomic::Ordering::Relaxed) {
            true => Do::Fail,
            false => Do::Checkpoint,
        }
    });
    assert_eq!(worker.health().stage(), Stage::Starting);
    assert!(!worker.health().is_ready());
    within(SOON, "the lease", || worker.held() == 1).await;
    sleep(SOON).await;
    let health = worker.health();
    assert_eq!((health.stage(), health.is_ready()), (Stage::Running, false));
    assert_eq!(health.leases()[0].phase(), LeasePhase::Retrying);
    failing.store(false, std::sync::atomic::Ordering::Relaxed);
    within(FAILOVER, "readiness", || worker.health().is_ready()).await;
    assert_eq!(worker.health().leases()[0].phase(), LeasePhase::Running);
    let ear = worker.ear.clone();
    worker.stop().await;
    assert_eq!(ear.listen().next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_refuses_for_good_ends_a_worker_that_has_nothing() {
    let fleet = Fleet::with_shards(1);
    let store = Faulty::new(fleet.leases.clone());
    let other = fleet.start("w0", checkpoints);
    within(SOON, "the lease", || other.held() == 1).await;
    let worker = fleet.start_with("w1", checkpoints, Arc::new(store.clone()), |config| config);
    sleep(SOON).await;
    store.refuse(true);
    let error = worker.end().await.unwrap_err();
    assert!(
        matches!(
            &error,
            RunError::LeaseTable {
                source: StoreError::AccessDenied { .. },
                ..
            }
        ),
        "{error:?}"
    );
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_workers_with_one_id_one_stops_and_says_so() {
    for seed in 0..8 {
        let fleet = Fleet::with_shards(4);
        let store = Arc::new(fleet.leases.clone());
        let start = || {
            let store: Arc<dyn LeaseStore> = Arc::<MemoryLeaseStore>::clone(&store);
            fleet.start_with("same", checkpoints, store, |config| config)
        };
        let one = start();
        sleep(Duration::from_millis(1_700 * seed)).await;
        let two = start();
        sleep(FAILOVER * 5).await;
        let (mut one, mut two) = (one, two);
        let tales = (told(&mut one), told(&mut two));
        let (ended, going) = match (one.has_ended(), two.has_ended()) {
            (true, false) => (one, two),
            (false, true) => (two, one),
            both => panic!("{seed}: {both:?} have ended: {tales:#?}"),
        };
        let error = ended.end().await.unwrap_err();
        assert!(matches!(&error, RunError::WorkerIdInUse { .. }), "{error:?}");
        assert!(error.to_string().contains("same") && !error.is_retryable());
        within(FAILOVER, "all four", || going.held() == 4).await;
        sleep(FAILOVER * 5).await;
        assert_eq!(going.held(), 4, "and keeps them");
        assert_eq!(
            going.stop().await.end(),
            crate::consumer::RunEnd::ShutdownRequested
        );
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_have_the_names_of_the_kcl() {
    use crate::metrics::Metric;

    let fleet = Fleet::with_shards(4);
    let one = fleet.start("w1", checkpoints);
    within(SOON, "four leases", || one.held() == 4).await;
    let two = fleet.start("w2", checkpoints);
    within(SOON * 4, "two each", || (one.held(), two.held()) == (2, 2)).await;
    sleep(FAILOVER).await;
    let counted = one.counters.snapshot();
    let expected = [
        (Metric::CurrentLeases, 2),
        (Metric::TakenLeases, 4),
        (Metric::LostLeases, 0),
        (Metric::TotalLeases, 4),
        (Metric::NumWorkers, 2),
        (Metric::CreatedLeases, 4),
        (Metric::IsLeader, 0),
    ];
    for (metric, value) in expected {
        assert_eq!(counted.get(metric), value, "{}", metric.name());
    }
    assert!(counted.get(Metric::RenewedLeases) >= 4);
    two.stop().await;
    one.stop().await;
}
