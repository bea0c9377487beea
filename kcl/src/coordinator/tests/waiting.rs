//! Leases that are given to a worker before their parents are done: kept, and not begun with.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kinesis_aggregation::ShardId;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::fleet::{Do, FAILOVER, Faulty, Fleet, Running, SCAN, checkpoints, within};
use super::led::foreign_leader;
use crate::health::LeasePhase;
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::position::Checkpoint;
use crate::store::{CheckpointUpdate, LeaseStore, Renewal};

const SOON: Duration = Duration::from_secs(1);

/// A closed shard, its two children, of which the first has a lease, and somebody else who leads.
struct Family {
    fleet: Fleet,
    store: Faulty,
    may_end: Arc<AtomicBool>,
    worker: Running,
    _java: JoinSet<()>,
}

impl Family {
    async fn with_shards(shards: u64) -> Self {
        let fleet = Fleet::with_shards(shards);
        let java = foreign_leader(&fleet).await;
        let may_end = Arc::new(AtomicBool::new(false));
        let may = Arc::clone(&may_end);
        let manner = move |call: &str| match call == "shard_ended" && !may.load(Ordering::Relaxed) {
            true => Do::NoCheckpoint,
            false => Do::Checkpoint,
        };
        let store = Faulty::new(fleet.leases.clone());
        let worker = fleet.start_with("w1", manner, Arc::new(store.clone()), |config| {
            config.max_leases_per_worker(NonZeroUsize::MIN)
        });
        sleep(SOON * 2).await;
        Self {
            fleet,
            store,
            may_end,
            worker,
            _java: java,
        }
    }

    async fn assign(&self, shard: u64) {
        let row = self.fleet.lease(shard).await;
        let me = WorkerId::new("w1");
        assert!(self.fleet.leases.assign(&row, &me).await.unwrap());
    }

    /// Shard 0 is split into two, of which the first has a lease.
    async fn split(&self, children: [u64; 2]) {
        self.fleet.stream.put(0, 1, "parent");
        self.fleet.stream.split(0, children);
        self.fleet.stream.put(children[0], 101, "child");
        let key = LeaseKey::of_shard(&ShardId::from_number(children[0]));
        let mut child = Lease::new(key, Checkpoint::TrimHorizon);
        child.parents = [ShardId::from_number(0)].into();
        self.fleet.leases.create(&child).await.unwrap();
    }

    fn phase(&self, shard: u64) -> Option<LeasePhase> {
        let key = LeaseKey::of_shard(&ShardId::from_number(shard));
        let health = self.worker.health();
        let mut leases = health.leases().iter();
        leases
            .find(|lease| *lease.lease_key() == key)
            .map(|lease| lease.phase())
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_given_early_is_kept_and_begins_within_a_scan_of_its_parents_end() {
    let family = Family::with_shards(1).await;
    family.split([1, 2]).await;
    family.assign(1).await;
    let waiting = Some(LeasePhase::WaitingForParents);
    within(SOON * 3, "the child", || family.phase(1) == waiting).await;
    // It takes none of the room for one lease.
    family.assign(0).await;
    within(SOON * 3, "the parent too", || family.worker.held() == 2).await;
    let counter = family.fleet.lease(1).await.counter;
    let looks = family.store.asked("get");
    sleep(FAILOVER * 3).await;
    assert_eq!(family.store.asked("get"), looks, "nobody polls the parents");
    assert_eq!(family.phase(1), waiting);
    let kept = family.fleet.lease(1).await;
    assert_eq!(kept.owner, Some(WorkerId::new("w1")));
    assert!(kept.counter >= counter + 6, "{} of {counter}", kept.counter);
    assert!(family.fleet.seen.of(1).is_empty());
    family.may_end.store(true, Ordering::Relaxed);
    let ended = || {
        family
            .fleet
            .seen
            .of(0)
            .iter()
            .filter(|told| *told == "shard_ended")
            .count()
    };
    let before = ended();
    within(SOON * 60, "the parent's end", || ended() > before).await;
    within(SCAN, "the child's first record", || {
        family.fleet.seen.of(1).contains(&"=child".to_owned())
    })
    .await;
    assert!(family.fleet.lease(0).await.is_finished());
    family.worker.stop().await;
    assert!(family.fleet.seen.records().values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_ends_elsewhere_is_seen_by_the_next_scan() {
    let family = Family::with_shards(1).await;
    family.split([1, 2]).await;
    // Somebody else reads the parent, and ends it.
    let java = WorkerId::new("java");
    let row = family.fleet.lease(0).await;
    let mut parent = family.fleet.leases.take(&row, &java).await.unwrap().unwrap();
    family.assign(1).await;
    for _ in 0..10 {
        sleep(FAILOVER / 3).await;
        match family.fleet.leases.renew(&parent).await.unwrap() {
            Renewal::Held(renewed) => parent = renewed,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(family.phase(1), Some(LeasePhase::WaitingForParents));
    let end = CheckpointUpdate {
        checkpoint: Checkpoint::ShardEnd,
        pending: None,
    };
    family.fleet.leases.checkpoint(&parent, &end).await.unwrap();
    within(SCAN + SOON, "the child's first record", || {
        family.fleet.seen.of(1).contains(&"=child".to_owned())
    })
    .await;
    family.worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_lease_is_handed_over_lost_and_given_up_like_any_other() {
    enum What {
        Asked,
        Taken,
        Stopped,
    }
    for what in [What::Asked, What::Taken, What::Stopped] {
        let family = Family::with_shards(1).await;
        family.split([1, 2]).await;
        family.assign(0).await;
        family.assign(1).await;
        within(SOON * 3, "both", || family.worker.held() == 2).await;
        let (row, java) = (family.fleet.lease(1).await, WorkerId::new("java"));
        let leases = &family.fleet.leases;
        let next = match what {
            What::Asked => {
                assert!(leases.request_hand_over(&row, &java).await.unwrap());
                Some(java)
            }
            What::Taken => {
                leases.take(&row, &java).await.unwrap().unwrap();
                Some(java)
            }
            What::Stopped => None,
        };
        if next.is_some() {
            within(SCAN + SOON, "gone", || family.phase(1).is_none()).await;
        }
        assert!(family.fleet.seen.of(1).is_empty(), "it had not begun");
        let Family { worker, fleet, .. } = family;
        let began = tokio::time::Instant::now();
        worker.stop().await;
        assert!(began.elapsed() < SOON * 3, "{:?}", began.elapsed());
        let left = fleet.lease(1).await;
        assert_eq!(
            (left.actual_owner(), left.hand_over_pending()),
            (next.as_ref(), false)
        );
        assert_eq!(left.checkpoint, Checkpoint::TrimHorizon);
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_large_table_a_child_found_between_looks_waits_too_and_after_a_restart() {
    const CHILD: u64 = 400;
    let family = Family::with_shards(CHILD).await;
    family.split([CHILD, CHILD + 1]).await;
    // Each second all of the table is read.
    sleep(SOON * 3).await;
    family.assign(CHILD).await;
    let waiting = Some(LeasePhase::WaitingForParents);
    within(SOON, "the child", || family.phase(CHILD) == waiting).await;
    sleep(SOON * 5).await;
    assert_eq!(family.phase(CHILD), waiting);
    let Family { fleet, worker, .. } = family;
    worker.kill().await;
    let store = Arc::new(fleet.leases.clone());
    let worker = fleet.start_with("w1", checkpoints, store, |config| config);
    let key = LeaseKey::of_shard(&ShardId::from_number(CHILD));
    within(SOON * 3, "the child again", || {
        let health = worker.health();
        let mut leases = health.leases().iter();
        leases.any(|lease| *lease.lease_key() == key && Some(lease.phase()) == waiting)
    })
    .await;
    assert!(fleet.seen.of(CHILD).is_empty());
    worker.kill().await;
}
