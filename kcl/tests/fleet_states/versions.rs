//! From 2.x to 3.x, and back.

use kcl::fleet::{Bake, FleetError, Home, IndexState, StateKind, VersionSetting};
use kcl::{LeaseStore as _, RunError};
use kinesis_local::Fault;
use tokio::time::sleep;

use crate::world::{LOOK, MINUTE, SECOND, World, halves, within};

const TABLE: Home = Home::LeaseTable;

/// Others write what the fleet is in, as the KCL and its script do; these workers have no setting at all.
#[tokio::test(start_paused = true)]
async fn workers_follow_where_others_lead_the_fleet_and_back() {
    let world = World::new().await;
    let (mut one, two) = (world.start(world.config("w1")), world.start(world.config("w2")));
    halves(&one, &two).await;
    sleep(2 * MINUTE).await;
    assert!(
        world.has_leases_only().await,
        "a worker of 2.x can list this table"
    );
    assert_eq!(world.index().await, IndexState::Absent);
    let begun = world.seen.begun();

    world.write_version("UPGRADE_FROM_2X", "java").await;
    sleep(LOOK).await;
    assert_eq!(world.reporters().await, ["w1", "w2"], "nobody is held up by them");
    assert_eq!(world.leader(TABLE).await, None, "each takes for itself");
    within(SECOND, "the index", async || {
        world.index().await == IndexState::Active
    })
    .await;

    world.write_version("3X_WITH_ROLLBACK", "java").await;
    sleep(LOOK).await;
    let leader = world.leader(TABLE).await.expect("somebody leads");
    assert!(["w1", "w2"].contains(&leader.as_str()), "{leader}");
    assert_eq!((one.held(), two.held()), (2, 2));

    world.write_version("2X", "script-rollback").await;
    sleep(LOOK).await;
    assert_eq!(world.leader(TABLE).await, None, "leadership is given up");
    assert!(world.reporters().await.is_empty(), "no rows of metrics are left");
    assert_eq!((one.held(), two.held()), (2, 2));
    world.delete_index().await;
    sleep(3 * MINUTE).await;
    assert_eq!(world.index().await, IndexState::Absent, "nobody makes it again");
    assert_eq!(world.seen.begun(), begun, "no lease has moved so far");
    assert_eq!(world.settled().await, 0);

    // In 2.x ways nobody waits for a leader.
    two.kill().await;
    within(15 * SECOND, "all four", async || one.held() == 4).await;
    let two = world.start(world.config("w2"));
    halves(&one, &two).await;
    let (begun, repeats) = (world.seen.begun(), world.settled().await);

    world.write_version("UPGRADE_FROM_2X", "script-rollforward").await;
    sleep(LOOK).await;
    assert_eq!(world.reporters().await, ["w1", "w2"]);
    assert_eq!(world.index().await, IndexState::Active, "it is made again");
    world.write_version("3X", "java").await;
    sleep(LOOK).await;
    assert!(world.leader(TABLE).await.is_some());
    assert_eq!((one.held(), two.held(), world.seen.begun()), (2, 2, begun));
    assert_eq!(world.settled().await, repeats);

    // From 3.x for good nobody looks back, and nobody who comes believes it.
    assert!(one.runs());
    two.stop().await;
    within(5 * SECOND, "all four", async || one.held() == 4).await;
    assert_eq!(world.settled().await, repeats);
    one.stop().await;
    assert_eq!(world.leader(TABLE).await, None);
}

/// Workers of this crate alone, deployed thrice as AWS says: tolerant, on the way, for good.
#[tokio::test(start_paused = true)]
async fn a_fleet_of_ours_upgrades_itself_by_three_deployments() {
    let world = World::new().await;
    let with = |id: &str, version| world.start(world.config(id).client_version(version));
    let deploy = async |one, two, version| {
        // One after the other, as a deployment does.
        let running: (crate::world::Running, crate::world::Running) = (one, two);
        running.0.stop().await;
        let one = with("w1", version);
        halves(&one, &running.1).await;
        running.1.stop().await;
        let two = with("w2", version);
        halves(&one, &two).await;
        (one, two)
    };
    let first = VersionSetting::CompatibleWith2xPhase1;
    let (one, two) = (with("w1", first), with("w2", first));
    halves(&one, &two).await;
    sleep(5 * MINUTE).await;
    assert!(world.has_leases_only().await);

    // The index cannot be made for a while: the fleet waits for it, and works without.
    let denied = Fault::error("AccessDeniedException", 400).operation("UpdateTable");
    world.local.faults().add(denied.lasting(20 * MINUTE)).unwrap();
    let (one, two) = deploy(one, two, VersionSetting::CompatibleWith2x).await;
    // Who came while leases changed hands could not see whose they were, and looked again.
    sleep(LOOK).await;
    assert_eq!(world.version().await.as_deref(), Some("UPGRADE_FROM_2X"));
    assert_eq!(world.index().await, IndexState::Absent);
    sleep(15 * MINUTE).await;
    assert_eq!(
        world.version().await.as_deref(),
        Some("UPGRADE_FROM_2X"),
        "no index"
    );
    let begun = world.seen.begun();
    within(20 * MINUTE, "the index, and ten minutes more", async || {
        world.version().await.as_deref() == Some("3X_WITH_ROLLBACK")
    })
    .await;
    assert_eq!(world.index().await, IndexState::Active);
    sleep(LOOK).await;
    assert!(world.leader(TABLE).await.is_some());
    assert_eq!((one.held(), two.held(), world.seen.begun()), (2, 2, begun));

    let (one, two) = deploy(one, two, VersionSetting::ThreeX).await;
    let row = world.state(TABLE, StateKind::ClientVersion).await.unwrap();
    let history: Vec<&str> = row.history.iter().map(|past| past.value.as_str()).collect();
    assert_eq!(row.value, "CLIENT_VERSION_3X");
    assert_eq!(
        history,
        [
            "CLIENT_VERSION_3X_WITH_ROLLBACK",
            "CLIENT_VERSION_UPGRADE_FROM_2X"
        ]
    );
    assert_eq!(world.settled().await, 0);
    one.stop().await;
    two.stop().await;
}

/// One owner of a lease says nothing of itself: the fleet stays where it is until that one is gone.
#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_report_holds_the_flip_up() {
    let world = World::new().await;
    world.write_version("UPGRADE_FROM_2X", "java").await;
    let bake = Bake {
        version: 2 * MINUTE,
        ..Bake::default()
    };
    let one = world.start(world.config("w1").migration_bake(bake));
    let two = world.start(world.config("w2").migration_bake(bake));
    halves(&one, &two).await;
    let old = world.hold_as("java-2.7", 0);
    within(MINUTE, "three for two", async || one.held() + two.held() == 3).await;
    sleep(10 * MINUTE).await;
    assert_eq!(world.version().await.as_deref(), Some("UPGRADE_FROM_2X"));
    drop(old);
    let waited = within(10 * MINUTE, "the flip", async || {
        world.version().await.as_deref() == Some("3X_WITH_ROLLBACK")
    })
    .await;
    assert!(waited > 2 * MINUTE, "{waited:?}");
    assert_eq!(one.held() + two.held(), 4);
    assert_eq!(world.settled().await, 0);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_has_arrived_works_without_its_index_and_gets_it_later() {
    let world = World::new().await;
    world.write_version("3X", "java").await;
    let fault = Fault::error("InternalServerError", 500).operation("UpdateTable");
    world.local.faults().add(fault.lasting(5 * MINUTE)).unwrap();
    let one = world.start(world.config("w1"));
    within(MINUTE, "all four", async || one.held() == 4).await;
    sleep(3 * MINUTE).await;
    assert_eq!(world.index().await, IndexState::Absent);
    within(4 * MINUTE, "the index", async || {
        world.index().await == IndexState::Active
    })
    .await;
    assert_eq!(world.settled().await, 0);
    one.stop().await;
}

/// What no version knows ends a running worker, with the reason; it gives its leases back.
#[tokio::test(start_paused = true)]
async fn a_state_that_nobody_knows_ends_a_running_worker() {
    let world = World::new().await;
    world.write_version("UPGRADE_FROM_2X", "java").await;
    let one = world.start(world.config("w1"));
    within(MINUTE, "all four", async || one.held() == 4).await;
    world.write_version("4X", "java-of-tomorrow").await;
    let error = one.end().await;
    let RunError::Fleet { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(matches!(source, FleetError::UnknownState { .. }), "{source:?}");
    let leases = world.store.list().await.unwrap().leases;
    assert!(
        leases.iter().all(|lease| lease.actual_owner().is_none()),
        "{leases:?}"
    );
}
