//! Starts that cannot succeed, and the end of a start.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fleet::{Faulty, Fleet, checkpoints, within};
use crate::error::RunError;
use crate::fleet::{Home, StateKind, VersionSetting};
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::position::Checkpoint;
use crate::source::failure::Kind;
use crate::store::{FleetStore as _, LeaseStore as _};

#[tokio::test(start_paused = true)]
async fn what_cannot_be_mended_by_waiting_is_told_at_once() {
    type Check = fn(&RunError) -> bool;
    let cases: [(Kind, Check); 4] = [
        (Kind::NotFound, |e| matches!(e, RunError::StreamMissing { .. })),
        (Kind::AccessDenied, |e| matches!(e, RunError::AccessDenied { .. })),
        (Kind::Credentials, |e| matches!(e, RunError::NoCredentials { .. })),
        (Kind::InvalidArgument, |e| matches!(e, RunError::Refused { .. })),
    ];
    for (kind, expected) in cases {
        let fleet = Fleet::with_shards(1);
        fleet.stream.fail_lists(Some(kind));
        let began = Instant::now();
        let error = fleet.start("w1", checkpoints).end().await.unwrap_err();
        assert!(expected(&error), "{kind:?} became {error:?}");
        assert!(!error.is_retryable());
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_is_waited_for_and_then_named() {
    let fleet = Fleet::with_shards(1);
    fleet.stream.fail_lists(Some(Kind::Unavailable));
    let began = Instant::now();
    let error = fleet.start("w1", checkpoints).end().await.unwrap_err();
    assert!(matches!(error, RunError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("sales") && error.is_retryable());
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_does_not_answer_is_waited_for_and_then_named() {
    let fleet = Fleet::with_shards(1);
    let store = Faulty::new(fleet.leases.clone());
    store.fail(true);
    let error = fleet
        .start_with("w1", checkpoints, Arc::new(store), |config| config)
        .end()
        .await
        .unwrap_err();
    assert!(
        matches!(&error, RunError::LeaseTable { table, .. } if table == "app"),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_comes_up_late_is_not_an_error() {
    let fleet = Fleet::with_shards(2);
    fleet.stream.fail_lists(Some(Kind::Unavailable));
    let worker = fleet.start("w1", checkpoints);
    sleep(Duration::from_secs(4)).await;
    fleet.stream.fail_lists(None);
    within(Duration::from_secs(4), "two leases", || worker.held() == 2).await;
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_the_start_ends_it() {
    let fleet = Fleet::with_shards(1);
    fleet.stream.fail_lists(Some(Kind::Throttled));
    let worker = fleet.start("w1", checkpoints);
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    let summary = worker.stop().await;
    assert_eq!(summary.leases_taken(), 0);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn two_workers_that_start_together_make_one_set_of_leases() {
    let fleet = Fleet::with_shards(8);
    let (one, two) = (fleet.start("w1", checkpoints), fleet.start("w2", checkpoints));
    within(Duration::from_secs(60), "four each", || {
        (one.held(), two.held()) == (4, 4)
    })
    .await;
    let reads = fleet.stream.reads();
    sleep(Duration::from_secs(10)).await;
    let rate = (fleet.stream.reads() - reads) / 10;
    assert!(rate <= 8 * 5, "{rate} reads a second over 8 shards");
    one.stop().await;
    two.stop().await;
}

/// It looks like one of an older worker until it is taken, which takes a moment: no reason to wait for a minute.
#[tokio::test(start_paused = true)]
async fn a_lease_that_its_owner_has_not_taken_yet_holds_nobody_back_for_long() {
    let fleet = Fleet::with_shards(1);
    let named = Lease {
        owner: Some(WorkerId::new("peer")),
        kit_owner: Some(WorkerId::new("former")),
        ..Lease::new(LeaseKey::new("shardId-000000000000"), Checkpoint::TrimHorizon)
    };
    assert!(fleet.leases.create(&named).await.unwrap());
    let store = Arc::new(fleet.leases.clone());
    let worker = fleet.start_with("w1", checkpoints, store, |config| {
        config.client_version(VersionSetting::ThreeX)
    });
    let state = async || {
        let stored = fleet.leases.state(Home::LeaseTable, StateKind::ClientVersion);
        stored.await.unwrap().map(|row| row.value)
    };
    sleep(Duration::from_secs(1)).await;
    assert_eq!(state().await, None, "it might be one of the KCL");
    let taken = fleet.leases.take(&named, &WorkerId::new("peer")).await.unwrap();
    assert!(taken.is_some());
    sleep(Duration::from_secs(2)).await;
    assert_eq!(state().await.as_deref(), Some("CLIENT_VERSION_3X"));
    worker.stop().await;
}
