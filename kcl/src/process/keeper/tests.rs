use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use kinesis_aggregation::ShardId;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;
use crate::config::MetricsConfig;
use crate::error::CheckpointError;
use crate::events::Bell;
use crate::lease::renewal::Pace;
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::metrics::Counters;
use crate::position::{Checkpoint, Position, SequenceNumber};
use crate::process::Checkpointer;
use crate::process::told::Told;
use crate::shard::cadence::Cadence;
use crate::store::memory::MemoryLeaseStore;

const FAILOVER: Duration = Duration::from_secs(10);

struct Kept {
    store: MemoryLeaseStore,
    key: LeaseKey,
    handle: KeeperHandle,
    task: JoinSet<Parting>,
}

async fn kept() -> Kept {
    measured().await.0
}

async fn measured() -> (Kept, Arc<AtomicBool>) {
    let measure = Arc::new(AtomicBool::new(false));
    let store = MemoryLeaseStore::new();
    let key = LeaseKey::of_shard(&ShardId::from_number(3));
    let lease = Lease::new(key.clone(), Checkpoint::TrimHorizon);
    store.create(&lease).await.unwrap();
    let taken = store.take(&lease, &WorkerId::new("w1")).await.unwrap().unwrap();
    let held = HeldLease::new(taken, Pace::new(FAILOVER), now());
    let outlet = Outlet {
        life: None,
        bell: Bell::new(),
        news: Arc::default(),
        cadence: Cadence::from(now()),
        counters: Counters::new(WorkerId::new("w1"), MetricsConfig::default()),
        measure: Arc::clone(&measure),
    };
    let (keeper, handle) = Keeper::new(Arc::new(store.clone()), held, Patience::default(), outlet);
    let mut task = JoinSet::new();
    task.spawn(keeper.run());
    let kept = Kept {
        store,
        key,
        handle,
        task,
    };
    (kept, measure)
}

impl Kept {
    async fn row(&self) -> Lease {
        self.store.get(&self.key).await.unwrap().unwrap()
    }

    fn standing(&self) -> Standing {
        *self.handle.standing().borrow()
    }
}

fn at(number: u64) -> Position {
    Position::new(SequenceNumber::parse(&number.to_string()).unwrap(), 0)
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_for_as_long_as_it_is_kept() {
    let kept = kept().await;
    sleep(FAILOVER * 10).await;
    assert!(matches!(kept.standing(), Standing::Held { .. }));
    let renewals = kept.row().await.counter;
    assert!((25..=35).contains(&renewals), "{renewals} writes in 100 s");
}

#[tokio::test(start_paused = true)]
async fn that_a_lease_lasts_longer_wakes_nobody_and_is_seen_by_who_looks() {
    let kept = kept().await;
    let mut standing = kept.handle.standing();
    standing.borrow_and_update();
    sleep(FAILOVER * 3).await;
    assert!(kept.handle.is_held(now()), "it was renewed");
    assert!(!standing.has_changed().unwrap());
    let thief = WorkerId::new("w2");
    let row = kept.row().await;
    assert!(kept.store.request_hand_over(&row, &thief).await.unwrap());
    sleep(FAILOVER).await;
    assert!(standing.has_changed().unwrap(), "that is news");
    assert!(matches!(*standing.borrow(), Standing::Wanted { .. }));
}

#[tokio::test(start_paused = true)]
async fn checkpoints_and_heartbeats_do_not_disturb_each_other() {
    let kept = kept().await;
    let checkpointer = Checkpointer::new(kept.handle.clone());
    for number in 1..200_u64 {
        assert!(kept.handle.send(Command::Delivering(at(number))).await);
        checkpointer.checkpoint().await.unwrap();
        assert!(kept.handle.send(Command::Processed).await);
        sleep(Duration::from_millis(170)).await;
    }
    assert_eq!(kept.row().await.checkpoint, Checkpoint::At(at(199)));
    assert!(matches!(kept.standing(), Standing::Held { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_checkpointed_all_the_time_tells_what_it_delivers() {
    let (kept, measure) = measured().await;
    measure.store(true, Ordering::Relaxed);
    let checkpointer = Checkpointer::new(kept.handle.clone());
    for number in 1..200_u64 {
        kept.handle.count(10 * 1024);
        assert!(kept.handle.send(Command::Delivering(at(number))).await);
        checkpointer.checkpoint().await.unwrap();
        assert!(kept.handle.send(Command::Processed).await);
        sleep(Duration::from_millis(250)).await;
    }
    let told = kept.row().await.throughput_kbps.expect("a value");
    assert!((35.0..=45.0).contains(&told), "{told} KiB/s told of 40");
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_checkpointed_is_refused_by_name() {
    let kept = kept().await;
    let checkpointer = Checkpointer::new(kept.handle.clone());
    checkpointer.checkpoint().await.unwrap();
    assert_eq!(
        kept.row().await.checkpoint,
        Checkpoint::TrimHorizon,
        "nothing is delivered, so nothing is written"
    );
    assert!(kept.handle.send(Command::Delivering(at(5))).await);
    let error = checkpointer.checkpoint_at(&at(6)).await.unwrap_err();
    assert!(
        matches!(&error, CheckpointError::OutOfRange { position, .. } if *position == Checkpoint::At(at(6)))
    );
    assert!(!error.is_retryable());
    checkpointer.checkpoint_at(&at(5)).await.unwrap();
    let error = checkpointer.checkpoint_at(&at(4)).await.unwrap_err();
    assert!(
        error.to_string().contains("before the last checkpoint"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_processed_is_covered_before_and_after_the_keeper_hears_of_it() {
    let kept = kept().await;
    let checkpointer = Checkpointer::new(kept.handle.clone());
    let mut told = Told::default();
    let covered = async || {
        checkpointer.checkpoint().await.unwrap();
        kept.row().await.checkpoint
    };
    told.delivering(&kept.handle, at(5)).await;
    told.processed();
    assert_eq!(covered().await, Checkpoint::At(at(5)));
    told.delivering(&kept.handle, at(6)).await;
    told.processed();
    told.delivering(&kept.handle, at(7)).await;
    told.failed(&kept.handle).await;
    assert_eq!(covered().await, Checkpoint::At(at(6)), "not the one that failed");
    told.delivering(&kept.handle, at(7)).await;
    told.processed();
    // One without records.
    told.failed(&kept.handle).await;
    assert_eq!(
        covered().await,
        Checkpoint::At(at(7)),
        "it is not that one that failed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_is_noticed_kept_alive_and_completed() {
    let mut kept = kept().await;
    let thief = WorkerId::new("w2");
    assert!(
        kept.store
            .request_hand_over(&kept.row().await, &thief)
            .await
            .unwrap()
    );
    kept.handle.nudge().look();
    sleep(Duration::from_millis(10)).await;
    assert!(matches!(kept.standing(), Standing::Wanted { .. }));
    let checkpointer = Checkpointer::new(kept.handle.clone());
    assert!(kept.handle.send(Command::Delivering(at(5))).await);
    sleep(FAILOVER * 2).await;
    checkpointer
        .checkpoint()
        .await
        .expect("the old owner may checkpoint until it lets go");
    let (reply, given_up) = oneshot::channel();
    assert!(kept.handle.send(Command::GiveUp { reply }).await);
    given_up.await.unwrap();
    let row = kept.row().await;
    assert_eq!((row.owner, row.checkpoint_owner), (Some(thief), None));
    assert_eq!(row.checkpoint, Checkpoint::At(at(5)));
    kept.task.join_next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lease_asked_for_at_the_last_moment_goes_to_who_asked() {
    let kept = kept().await;
    let thief = WorkerId::new("w2");
    assert!(
        kept.store
            .request_hand_over(&kept.row().await, &thief)
            .await
            .unwrap()
    );
    let (reply, given_up) = oneshot::channel();
    assert!(kept.handle.send(Command::GiveUp { reply }).await);
    given_up.await.unwrap();
    let row = kept.row().await;
    assert_eq!((row.owner, row.checkpoint_owner), (Some(thief), None));
}

#[tokio::test(start_paused = true)]
async fn a_stolen_lease_is_noticed_and_cannot_be_checkpointed() {
    let mut kept = kept().await;
    assert!(kept.handle.send(Command::Delivering(at(5))).await);
    let row = kept.row().await;
    kept.store
        .take(&row, &WorkerId::new("w2"))
        .await
        .unwrap()
        .unwrap();
    let checkpointer = Checkpointer::new(kept.handle.clone());
    let error = checkpointer.checkpoint().await.unwrap_err();
    assert!(matches!(error, CheckpointError::LeaseLost { .. }));
    assert_eq!(kept.standing(), Standing::Lost);
    assert_eq!(kept.row().await.checkpoint, Checkpoint::TrimHorizon);
    assert!(!kept.handle.is_held(now()));
    kept.task.join_next().await.unwrap().unwrap();
    assert!(matches!(
        checkpointer.checkpoint().await,
        Err(CheckpointError::LeaseLost { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_keeper_without_handles_gives_its_lease_up() {
    let Kept {
        store,
        key,
        handle,
        mut task,
    } = kept().await;
    drop(handle);
    task.join_next().await.unwrap().unwrap();
    assert_eq!(store.get(&key).await.unwrap().unwrap().owner, None);
}

#[tokio::test(start_paused = true)]
async fn a_prepared_checkpoint_is_seen_by_whoever_comes_next_and_goes_with_its_commit() {
    let kept = kept().await;
    let checkpointer = Checkpointer::new(kept.handle.clone());
    assert!(kept.handle.send(Command::Delivering(at(5))).await);
    let prepared = checkpointer
        .prepare_at(&at(4), Some(Bytes::from_static(b"mine")))
        .await
        .unwrap();
    let row = kept.row().await;
    assert_eq!(row.checkpoint, Checkpoint::TrimHorizon);
    let pending = row.pending.unwrap();
    assert_eq!(&pending.checkpoint, prepared.checkpoint());
    assert_eq!(pending.state.as_deref(), Some(&b"mine"[..]));
    prepared.commit().await.unwrap();
    let row = kept.row().await;
    assert_eq!((row.checkpoint, row.pending), (Checkpoint::At(at(4)), None));
    prepared.commit().await.unwrap();
    assert_eq!(kept.row().await.counter, row.counter, "done already");
    let early = checkpointer.prepare_at(&at(5), None).await.unwrap();
    checkpointer.checkpoint().await.unwrap();
    assert_eq!(kept.row().await.pending, None, "a checkpoint removes it");
    early.commit().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn many_checkpoints_at_once_are_one_write_and_each_is_answered_for_itself() {
    let kept = kept().await;
    let checkpointer = Checkpointer::new(kept.handle.clone());
    assert!(kept.handle.send(Command::Delivering(at(100))).await);
    let before = kept.row().await.counter;
    let places: Vec<_> = (1..=101).map(at).collect();
    let asked = places.iter().map(|place| checkpointer.checkpoint_at(place));
    let answers = futures::future::join_all(asked).await;
    assert!(answers[..100].iter().all(Result::is_ok));
    assert!(matches!(&answers[100], Err(CheckpointError::OutOfRange { .. })));
    let row = kept.row().await;
    assert_eq!(row.checkpoint, Checkpoint::At(at(100)));
    assert_eq!(row.counter - before, 1, "one write for a hundred calls");
}
