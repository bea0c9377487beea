//! What hangs, stands still or is denied: named in time, and not held for ever.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kcl::events::{ConsumerEvent, StallRemedy};
use kcl::{BoxError, Checkpointer, RecordBatch, RecordProcessor};
use kinesis_local::Fault;
use tokio::time::{Instant, sleep};

use super::stage::{Seen, Taker, config, endpoint, put, quick, start};
use crate::running::SECOND;

/// Never returns from its first batches.
struct Hanger {
    inner: Taker,
    hangs: Arc<AtomicUsize>,
}

impl RecordProcessor for Hanger {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        let left = self
            .hangs
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() {
            pending::<()>().await;
        }
        self.inner.process_records(batch, checkpointer).await
    }
}

fn hanger(seen: &Seen, hangs: usize) -> impl Fn() -> Hanger + Send + Sync + 'static {
    let (seen, hangs) = (seen.clone(), Arc::new(AtomicUsize::new(hangs)));
    move || Hanger {
        inner: Taker {
            seen: seen.clone(),
            takes: SECOND / 100,
        },
        hangs: Arc::clone(&hangs),
    }
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_hangs_is_named_at_its_deadline() {
    let local = endpoint(1).await;
    put(&local, 10, 0..1).await;
    let seen = Seen::default();
    let settings = config().report_calls_after(SECOND * 20);
    let mut worker = start(&local, settings, None, hanger(&seen, 1));
    while worker
        .handle
        .health()
        .leases()
        .iter()
        .all(|lease| lease.running_call().is_none())
    {
        sleep(SECOND / 10).await;
    }
    let began = Instant::now();
    let (shard, method, running) = worker
        .wait_for(|event| match event {
            ConsumerEvent::ProcessorSlow {
                lease_key,
                method,
                running_for,
            } => Some((lease_key.to_string(), *method, *running_for)),
            _ => None,
        })
        .await;
    assert!(began.elapsed() <= SECOND * 20, "{:?}", began.elapsed());
    assert_eq!(
        (shard.as_str(), method, running.as_secs()),
        ("shardId-000000000000", "process_records", 20)
    );
    let call = worker.handle.health().leases()[0].running_call().unwrap();
    assert_eq!(call.method(), "process_records");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_is_dropped_by_choice_and_its_records_come_again() {
    let local = endpoint(1).await;
    put(&local, 10, 0..1).await;
    let seen = Seen::default();
    let settings = config().cancel_calls_after(SECOND * 5);
    let mut worker = start(&local, settings, None, hanger(&seen, 2));
    seen.wait_for(10).await;
    let cancelled: Vec<_> = worker
        .told()
        .into_iter()
        .filter_map(|event| match event {
            ConsumerEvent::ProcessorCancelled {
                method, running_for, ..
            } => Some((method, running_for)),
            _ => None,
        })
        .collect();
    assert_eq!(cancelled, [("process_records", SECOND * 5); 2]);
    worker.stop().await;
    seen.check(10, 1);
}

#[tokio::test(start_paused = true)]
async fn a_denial_after_the_start_is_an_event_and_makes_the_worker_unready() {
    let local = endpoint(1).await;
    let seen = Seen::default();
    let mut worker = quick(&local, config(), &seen);
    assert!(worker.handle.ready().await);
    put(&local, 10, 0..1).await;
    seen.wait_for(10).await;
    let fault = Fault::error("AccessDeniedException", 400)
        .operation("GetRecords")
        .lasting(SECOND * 20);
    local.faults().add(fault).unwrap();
    let denied = worker
        .wait_for(|event| match event {
            ConsumerEvent::ReadDenied { operation, code, .. } => Some((*operation, code.clone())),
            _ => None,
        })
        .await;
    assert_eq!(denied, ("GetRecords", "AccessDeniedException".to_owned()));
    sleep(SECOND * 5).await;
    let health = worker.handle.health();
    assert!(!health.is_ready());
    let trouble = health.leases()[0].trouble().unwrap().clone();
    assert!(trouble.is_denied() && trouble.failures() > 1, "{trouble:?}");
    worker
        .wait_for(|event| matches!(event, ConsumerEvent::ReadRecovered { .. }).then_some(()))
        .await;
    assert!(worker.handle.health().is_ready());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_stands_still_is_read_anew_then_given_up_and_taken_again_later() {
    let local = endpoint(2).await;
    let seen = Seen::default();
    let settings = config().stall_timeout(SECOND * 20);
    let mut worker = quick(&local, settings, &seen);
    assert!(worker.handle.ready().await);
    put(&local, 20, 0..1).await;
    seen.wait_for(20).await;
    let began = Instant::now();
    let fault = Fault::error("InternalFailure", 500)
        .operation("GetRecords")
        .shard("shardId-000000000001")
        .lasting(SECOND * 60);
    local.faults().add(fault).unwrap();
    let stalled = |event: &ConsumerEvent| match event {
        ConsumerEvent::ShardStalled {
            lease_key, remedy, ..
        } => Some((lease_key.to_string(), *remedy)),
        _ => None,
    };
    let shard = "shardId-000000000001".to_owned();
    assert_eq!(
        worker.wait_for(stalled).await,
        (shard.clone(), StallRemedy::ReadAnew)
    );
    assert!(began.elapsed() <= SECOND * 22, "{:?}", began.elapsed());
    assert_eq!(worker.wait_for(stalled).await, (shard, StallRemedy::GivenUp));
    assert!(began.elapsed() <= SECOND * 44, "{:?}", began.elapsed());
    put(&local, 20, 1..2).await;
    sleep(SECOND * 5).await;
    assert_eq!(worker.handle.leases_held(), 1, "the other shard is read");
    seen.wait_for(40).await;
    assert_eq!(worker.handle.leases_held(), 2, "it was taken again");
    worker.stop().await;
    seen.check(20, 2);
}
