//! Fleets with a leader: ours, somebody else's, one that dies, one that is not understood.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::fleet::{FAILOVER, Fleet, Running, checkpoints, within};
use crate::config::ConsumerConfigBuilder;
use crate::error::RunError;
use crate::fleet::{Home, LeaderRow, NewFleet, StateKind, StateRow, record_version};
use crate::leader::lock::Over;
use crate::lease::WorkerId;
use crate::store::{FleetStore, LeaseStore, RetireIf};

const SOON: Duration = Duration::from_secs(1);
const LOCK: Duration = Duration::from_secs(30);

fn three_x(config: ConsumerConfigBuilder) -> ConsumerConfigBuilder {
    config
        .new_fleet(NewFleet::ThreeX)
        .leader_lock(LOCK, LOCK / 5)
        .worker_report_interval(Duration::from_secs(10))
}

fn start(fleet: &Fleet, id: &str) -> Running {
    fleet.start_with(id, checkpoints, Arc::new(fleet.leases.clone()), three_x)
}

async fn leader(fleet: &Fleet) -> Option<WorkerId> {
    let row = fleet.leases.leader(Home::LeaseTable).await.unwrap();
    row.map(|row| row.owner)
}

async fn reporters(fleet: &Fleet) -> Vec<String> {
    let contents = fleet.leases.scan().await.unwrap();
    let workers = contents.beside.workers.iter();
    workers.map(|row| row.worker.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_leads_assigns_to_itself_and_to_whoever_comes() {
    let fleet = Fleet::with_shards(8);
    let one = start(&fleet, "w1");
    within(SOON * 3, "all eight", || one.held() == 8).await;
    assert_eq!(leader(&fleet).await, Some(WorkerId::new("w1")));
    let two = start(&fleet, "w2");
    within(SOON * 3, "four each", || (one.held(), two.held()) == (4, 4)).await;
    assert_eq!(reporters(&fleet).await, ["w1", "w2"]);
    sleep(FAILOVER * 6).await;
    assert_eq!((one.held(), two.held()), (4, 4), "and so it stays");
    two.stop().await;
    within(SOON * 2, "all eight again", || one.held() == 8).await;
    assert_eq!(reporters(&fleet).await, ["w1"], "who leaves takes its row away");
    one.stop().await;
    assert_eq!(leader(&fleet).await, None, "the lock is given up");
    assert!(reporters(&fleet).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn when_the_leader_dies_nothing_is_left_lying_and_another_one_leads() {
    let fleet = Fleet::with_shards(6);
    let one = start(&fleet, "w1");
    within(SOON * 3, "all six", || one.held() == 6).await;
    let two = start(&fleet, "w2");
    within(SOON * 4, "three each", || (one.held(), two.held()) == (3, 3)).await;
    // Long enough for the other one to see it renew.
    sleep(FAILOVER / 2).await;
    one.kill().await;
    within(FAILOVER + SOON * 4, "all six with the other", || two.held() == 6).await;
    sleep(LOCK + LOCK / 5).await;
    assert_eq!(leader(&fleet).await, Some(WorkerId::new("w2")));
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_is_killed_and_one_comes_while_it_is_missed() {
    let fleet = Fleet::with_shards(8);
    let one = start(&fleet, "w1");
    within(SOON * 3, "all eight", || one.held() == 8).await;
    let two = start(&fleet, "w2");
    within(SOON * 3, "four each", || (one.held(), two.held()) == (4, 4)).await;
    sleep(FAILOVER).await;
    two.kill().await;
    sleep(FAILOVER - SOON * 2).await;
    let three = start(&fleet, "w3");
    within(SOON * 4, "all run", || one.held() + three.held() == 8).await;
    within(SOON * 3, "evenly", || (one.held(), three.held()) == (4, 4)).await;
    one.stop().await;
    three.stop().await;
}

/// Somebody else leads: its row lives, and it assigns nothing by itself.
pub(super) async fn foreign_leader(fleet: &Fleet) -> JoinSet<()> {
    let (store, java) = (fleet.leases.clone(), WorkerId::new("java"));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let version = StateRow::first("CLIENT_VERSION_3X", &java, now);
    store
        .create_state(Home::LeaseTable, StateKind::ClientVersion, &version)
        .await
        .unwrap();
    let mut held = LeaderRow::new(java, LOCK, record_version(1));
    store
        .acquire_leader(Home::LeaseTable, &Over::Nothing, &held)
        .await
        .unwrap();
    let mut beating = JoinSet::new();
    beating.spawn(async move {
        for beat in 2.. {
            sleep(LOCK / 4).await;
            let next = LeaderRow::new(held.owner.clone(), LOCK, record_version(beat));
            assert!(store.beat_leader(Home::LeaseTable, &held, &next).await.unwrap());
            held = next;
        }
    });
    beating
}

#[tokio::test(start_paused = true)]
async fn under_another_leader_a_worker_takes_what_bears_its_name_and_what_nobody_assigns() {
    let fleet = Fleet::with_shards(2);
    let _java = foreign_leader(&fleet).await;
    let store = Arc::new(fleet.leases.clone());
    // No setting at all: the fleet decides.
    let worker = fleet.start_with("w1", checkpoints, store, |config| config);
    sleep(SOON * 2).await;
    assert_eq!(worker.held(), 0, "free leases are the leader's to assign");
    assert_eq!(reporters(&fleet).await, ["w1"]);
    let row = fleet.lease(0).await;
    fleet.leases.assign(&row, &WorkerId::new("w1")).await.unwrap();
    within(SOON * 3, "the assigned lease", || worker.held() == 1).await;
    assert_eq!(fleet.lease(1).await.owner, None);
    within(FAILOVER * 2, "the one that lies about", || worker.held() == 2).await;
    assert_eq!(leader(&fleet).await, Some(WorkerId::new("java")));
    // A heartbeat says what the shard delivers.
    sleep(FAILOVER).await;
    assert_eq!(fleet.lease(0).await.throughput_kbps, Some(0.0));
    worker.stop().await;
    assert!(reporters(&fleet).await.is_empty());
}

/// As under a leader of the KCL, which may give a dead worker's leases back to it for a minute.
#[tokio::test(start_paused = true)]
async fn under_a_leader_that_does_nothing_a_killed_workers_leases_run_again_soon() {
    let fleet = Fleet::with_shards(4);
    let _java = foreign_leader(&fleet).await;
    let store = || Arc::new(fleet.leases.clone());
    let one = fleet.start_with("w1", checkpoints, store(), |config| config);
    let two = fleet.start_with("w2", checkpoints, store(), |config| config);
    sleep(SOON * 2).await;
    assert_eq!(one.held() + two.held(), 0);
    for (shard, worker) in [(0, "w1"), (1, "w1"), (2, "w2"), (3, "late")] {
        sleep(SOON / 10).await;
        let row = fleet.lease(shard).await;
        assert!(fleet.leases.assign(&row, &WorkerId::new(worker)).await.unwrap());
    }
    within(SOON * 3, "as assigned", || (one.held(), two.held()) == (2, 1)).await;
    sleep(FAILOVER / 2).await;
    one.kill().await;
    within(FAILOVER + SOON * 4, "the dead one's too", || two.held() == 3).await;
    let late = fleet.lease(3).await;
    assert_eq!(late.owner, Some(WorkerId::new("late")), "it may be about to come");
    within(FAILOVER, "but not for ever", || two.held() == 4).await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_state_is_no_fleet_to_join() {
    let fleet = Fleet::with_shards(1);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let row = StateRow::first("CLIENT_VERSION_9X", &WorkerId::new("java"), now);
    fleet
        .leases
        .create_state(Home::LeaseTable, StateKind::ClientVersion, &row)
        .await
        .unwrap();
    let error = fleet.start("w1", checkpoints).end().await.unwrap_err();
    assert!(matches!(&error, RunError::Fleet { .. }), "{error:?}");
    assert!(!error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_worker_goes_where_its_fleet_goes() {
    let fleet = Fleet::with_shards(2);
    let java = WorkerId::new("java");
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let upgrading = StateRow::first("CLIENT_VERSION_UPGRADE_FROM_2X", &java, wall);
    let home = Home::LeaseTable;
    let kind = StateKind::ClientVersion;
    fleet.leases.create_state(home, kind, &upgrading).await.unwrap();
    let worker = fleet.start("w1", checkpoints);
    within(SOON, "both", || worker.held() == 2).await;
    assert_eq!(leader(&fleet).await, None, "2.x ways");
    assert_eq!(reporters(&fleet).await, ["w1"], "but with a metrics row");
    let flipped = upgrading.next("CLIENT_VERSION_3X_WITH_ROLLBACK", &java, wall);
    fleet
        .leases
        .advance_state(home, kind, &upgrading, &flipped)
        .await
        .unwrap();
    sleep(Duration::from_secs(70)).await;
    assert_eq!(leader(&fleet).await, Some(WorkerId::new("w1")));
    assert_eq!(worker.held(), 2, "and keeps what it has");
    let rolled_back = flipped.next("CLIENT_VERSION_2X", &java, wall);
    fleet
        .leases
        .advance_state(home, kind, &flipped, &rolled_back)
        .await
        .unwrap();
    sleep(Duration::from_secs(70)).await;
    assert!(reporters(&fleet).await.is_empty(), "no rows that 2.x cannot read");
    worker.stop().await;
    let retired = fleet.leases.retire_worker(home, &java, RetireIf::Mine).await;
    assert!(retired.is_ok());
}

#[tokio::test(start_paused = true)]
async fn in_a_large_table_own_leases_are_found_between_looks_at_all_of_it() {
    let fleet = Fleet::with_shards(1_000);
    let _java = foreign_leader(&fleet).await;
    let store = Arc::new(fleet.leases.clone());
    let worker = fleet.start_with("w1", checkpoints, store, |config| config);
    // The whole table is read each four seconds; a lease that lies about is taken after twice the failover time.
    sleep(SOON * 5).await;
    for shard in 0..3 {
        let row = fleet.lease(shard).await;
        fleet.leases.assign(&row, &WorkerId::new("w1")).await.unwrap();
        within(SOON, "the assigned lease", || {
            worker.held() > usize::try_from(shard).unwrap()
        })
        .await;
    }
    assert_eq!(worker.held(), 3);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_of_a_2x_fleet_flips_it_when_it_was_ready_for_long_enough() {
    let fleet = Fleet::with_shards(4);
    let (java, home) = (WorkerId::new("java"), Home::LeaseTable);
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let upgrading = StateRow::first("CLIENT_VERSION_UPGRADE_FROM_2X", &java, wall);
    let kind = StateKind::ClientVersion;
    fleet.leases.create_state(home, kind, &upgrading).await.unwrap();
    let one = fleet.start("w1", checkpoints);
    let two = fleet.start("w2", checkpoints);
    within(SOON * 5, "two each", || (one.held(), two.held()) == (2, 2)).await;
    sleep(Duration::from_secs(9 * 60)).await;
    assert_eq!(fleet.leases.state(home, kind).await.unwrap(), Some(upgrading));
    sleep(Duration::from_secs(4 * 60)).await;
    let flipped = fleet.leases.state(home, kind).await.unwrap().unwrap();
    assert_eq!(flipped.value, "CLIENT_VERSION_3X_WITH_ROLLBACK");
    assert!(["w1", "w2"].contains(&flipped.by.as_str()), "{}", flipped.by);
    sleep(Duration::from_secs(90)).await;
    assert!(leader(&fleet).await.is_some(), "and one of them leads");
    assert_eq!((one.held(), two.held()), (2, 2));
    one.stop().await;
    two.stop().await;
}

/// A clock that follows virtual time, and can be set.
#[derive(Clone, Default)]
struct Wall(Arc<std::sync::atomic::AtomicI64>);

impl Wall {
    fn set(&self, seconds_off: i64) {
        self.0.store(seconds_off, std::sync::atomic::Ordering::Relaxed);
    }

    fn of(&self, start: tokio::time::Instant) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let off = Arc::clone(&self.0);
        move || {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + start.elapsed();
            let seconds = off.load(std::sync::atomic::Ordering::Relaxed);
            let step = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { now - step } else { now + step }
        }
    }
}

/// Wall clocks of workers jump, forth and back, together and apart: a day, ten years. No lease moves, none is lost, the same one
/// leads, and who comes gets its share.
#[tokio::test(start_paused = true)]
async fn wall_clocks_that_jump_move_nothing() {
    const DAY: i64 = 86_400;
    for led in [NewFleet::TwoX, NewFleet::ThreeX] {
        let fleet = Fleet::with_shards(8);
        let (origin, walls) = (
            tokio::time::Instant::now(),
            [Wall::default(), Wall::default(), Wall::default()],
        );
        let start = |id: &str, wall: &Wall| {
            let clock = wall.of(origin);
            fleet.start_with(id, checkpoints, Arc::new(fleet.leases.clone()), |config| {
                three_x(config).new_fleet(led).wall_clock(clock)
            })
        };
        let one = start("w1", &walls[0]);
        within(SOON * 5, "all eight", || one.held() == 8).await;
        let two = start("w2", &walls[1]);
        within(SOON * 10, "four each", || (one.held(), two.held()) == (4, 4)).await;
        sleep(FAILOVER * 3).await;
        let (before, leads) = (fleet.seen.all().len(), leader(&fleet).await);
        for (first, second) in [
            (DAY, 0),
            (-DAY, DAY),
            (0, -3_650 * DAY),
            (3_650 * DAY, 3_650 * DAY),
            (0, 0),
        ] {
            walls[0].set(first);
            walls[1].set(second);
            for _ in 0..100 {
                sleep(FAILOVER / 10).await;
                assert_eq!((one.held(), two.held()), (4, 4), "{led:?}: {first} {second}");
            }
            assert_eq!(leader(&fleet).await, leads, "{led:?}");
        }
        assert_eq!(fleet.seen.all().len(), before, "no processor was told anything");
        // Of a worker whose clock is wrong from the start, the leader learns with its second report.
        walls[2].set(-7 * DAY);
        let three = start("w3", &walls[2]);
        within(FAILOVER * 4, "a share", || three.held() >= 2).await;
        for worker in [three, two, one] {
            worker.stop().await;
        }
    }
}
