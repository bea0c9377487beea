//! From the three tables of KCL 3.0 to 3.4 to one.

use std::time::Duration;

use kcl::WorkerId;
use kcl::fleet::{Bake, Home, StateKind, StateRow};
use kcl::store::FleetStore as _;
use tokio::time::sleep;

use crate::world::{LOOK, MINUTE, Running, SECOND, World, halves, within};

const OLD: Home = Home::SeparateTables;
const NEW: Home = Home::LeaseTable;

/// The last wait is as short as the KCL lets it be.
const BAKE: Bake = {
    let step = Duration::from_secs(600);
    let complete = Duration::from_secs(3600);
    Bake {
        version: step,
        deployed: step,
        complete,
    }
};

/// What the row of the migration says, without the prefix that all values have.
async fn migration(world: &World, home: Home) -> Option<String> {
    let row = world.state(home, StateKind::TableMigration).await?;
    row.value
        .strip_prefix("TABLE_MIGRATION_STATUS_")
        .map(str::to_owned)
}

/// Who has a row of metrics in the separate table.
async fn old_reporters(world: &World) -> Vec<String> {
    let survey = world.store.survey().await.unwrap();
    let rows = survey.separate_rows().unwrap();
    let mut workers: Vec<String> = rows.workers.iter().map(|row| row.worker.to_string()).collect();
    workers.sort();
    workers
}

/// The tables of a fleet of KCL 3.4, whose workers have all left.
async fn of_3_4() -> World {
    let world = World::with_pace(10 * SECOND).await;
    world.store.prepare_separate().await.unwrap();
    let now = (world.clock())();
    let row = StateRow::first("CLIENT_VERSION_3X", &WorkerId::new("java-3.4"), now);
    let kind = StateKind::ClientVersion;
    assert!(world.store.create_state(OLD, kind, &row).await.unwrap());
    world
}

fn start(world: &World, id: &str, migrate: bool) -> Running {
    // Hours pass here: a leader plans each tenth of the failover time.
    let config = world.config(id).migration_bake(BAKE).failover(MINUTE);
    let config = config.idle_between_reads(20 * SECOND);
    world.start(config.migrate_all_entities(migrate))
}

#[tokio::test(start_paused = true)]
async fn three_tables_become_one_and_an_older_worker_takes_them_back_once() {
    let world = of_3_4().await;
    let (one, two) = (start(&world, "w1", false), start(&world, "w2", false));
    halves(&one, &two).await;
    assert!(world.has_leases_only().await, "an older worker lists this table");
    assert_eq!(old_reporters(&world).await, ["w1", "w2"]);
    assert!(world.leader(OLD).await.is_some());
    assert_eq!(migration(&world, OLD).await, None);

    // Everybody understands one table, for ten minutes.
    within(15 * MINUTE, "deployed", async || {
        migration(&world, OLD).await.as_deref() == Some("DEPLOYED")
    })
    .await;
    assert!(world.has_leases_only().await);

    // Second deployment: rows of metrics go into the lease table, one worker after the other.
    one.stop().await;
    let one = start(&world, "w1", true);
    halves(&one, &two).await;
    assert_eq!(world.reporters().await, ["w1"]);
    assert_eq!(old_reporters(&world).await, ["w2"]);
    sleep(5 * MINUTE).await;
    assert_eq!(
        migration(&world, OLD).await.as_deref(),
        Some("DEPLOYED"),
        "one writes there still"
    );
    assert_eq!((one.held(), two.held()), (2, 2), "and each sees the other");
    two.stop().await;
    let two = start(&world, "w2", true);
    halves(&one, &two).await;
    within(5 * MINUTE, "pending", async || {
        migration(&world, OLD).await.as_deref() == Some("PENDING")
    })
    .await;
    assert_eq!(world.reporters().await, ["w1", "w2"]);
    let moved = world.state(NEW, StateKind::ClientVersion).await.unwrap();
    assert_eq!(
        moved.value, "CLIENT_VERSION_3X",
        "what the fleet agreed on has moved"
    );
    assert!(world.leader(OLD).await.is_some(), "the lock has not");
    assert_eq!(world.leader(NEW).await, None);

    // A deployment that is taken back: one worker writes into the old table again.
    let three = start(&world, "w3", false);
    within(3 * MINUTE, "back to deployed", async || {
        migration(&world, OLD).await.as_deref() == Some("DEPLOYED")
    })
    .await;
    assert!(old_reporters(&world).await.contains(&"w3".to_owned()));
    three.stop().await;
    within(5 * MINUTE, "pending again", async || {
        migration(&world, OLD).await.as_deref() == Some("PENDING")
    })
    .await;
    halves(&one, &two).await;
    assert_eq!(world.settled().await, 0);

    // An hour later, it is done: in both tables at once, and who leads does so in the lease table.
    let begun = world.seen.begun();
    within(75 * MINUTE, "complete", async || {
        migration(&world, OLD).await.as_deref() == Some("COMPLETE")
    })
    .await;
    assert_eq!(migration(&world, NEW).await.as_deref(), Some("COMPLETE"));
    within(3 * MINUTE, "a leader in the lease table", async || {
        world.leader(NEW).await.is_some() && world.leader(OLD).await.is_none()
    })
    .await;
    assert_eq!((one.held(), two.held(), world.seen.begun()), (2, 2, begun));

    // Who comes now, told or not, finds one table.
    two.stop().await;
    let two = start(&world, "w2", false);
    halves(&one, &two).await;
    sleep(LOOK).await;
    assert_eq!(world.reporters().await, ["w1", "w2"]);
    assert!(old_reporters(&world).await.is_empty());
    one.stop().await;
    within(10 * SECOND, "all four", async || two.held() == 4).await;
    assert_eq!(world.settled().await, 0);
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_told_too_early_refuses_to_start() {
    let world = of_3_4().await;
    let one = start(&world, "w1", false);
    within(MINUTE, "all four", async || one.held() == 4).await;
    let error = start(&world, "w2", true).end().await;
    assert!(error.to_string().contains("app"), "{error}");
    let is_early =
        |source: &kcl::fleet::FleetError| matches!(source, kcl::fleet::FleetError::MigrationNotDeployed);
    assert!(
        matches!(&error, kcl::RunError::Fleet { source, .. } if is_early(source)),
        "{error:?}"
    );
    assert!(world.has_leases_only().await);
    assert_eq!(one.held(), 4);
    one.stop().await;
}
