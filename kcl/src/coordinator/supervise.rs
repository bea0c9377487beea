//! One lease held: its keeper, its driver, and the end of both.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, error, warn};

use super::shards::Exit;
use crate::process::driver::{Job, drive};
use crate::process::keeper::{Command, Keeper, KeeperHandle, Standing};
use crate::processor::RecordProcessorFactory;
use crate::shard::machine::End;
use crate::source::Source;

/// The two tasks of one lease: the keeper's in the office, the driver's on the floor, once there is something to drive.
pub(super) struct Supervised<S: Source, F> {
    pub(super) job: Job<S, F>,
    /// Where the lease has to wait for its parents: opened when they are done.
    pub(super) gate: Option<oneshot::Receiver<()>>,
    pub(super) keeper: Keeper,
    pub(super) handle: KeeperHandle,
    /// Cuts it off.
    pub(super) cut: CancellationToken,
}

impl<S: Source, F: RecordProcessorFactory> Supervised<S, F> {
    pub(super) async fn run(self) -> Exit {
        let Self {
            job,
            gate,
            keeper,
            handle,
            cut,
        } = self;
        let key = job.shard.lease_key().clone();
        let mut keeping = JoinSet::new();
        keeping.spawn(keeper.run().instrument(Span::current()));
        let end = match wait(gate, handle.standing(), &job.stop, &cut).await {
            ControlFlow::Continue(()) => run_driver(job, &handle.cut_off(), &cut).await,
            ControlFlow::Break(end) => end,
        };
        // Whatever the end was: a keeper left alone would keep the lease for ever.
        let (reply, given_up) = oneshot::channel();
        let farewell = async {
            if handle.send(Command::GiveUp { reply }).await {
                let _ = given_up.await;
            }
            keeping.join_next().await
        };
        let parting = match timeout(FAREWELL, farewell).await {
            Ok(Some(Ok(parting))) => Some(parting),
            _ => None,
        };
        Exit { key, end, parting }
    }
}

/// Waits until the parents are done. Breaks off with the end where there is nothing to wait for any more.
async fn wait(
    gate: Option<oneshot::Receiver<()>>,
    mut standing: watch::Receiver<Standing>,
    stop: &CancellationToken,
    cut: &CancellationToken,
) -> ControlFlow<Option<End>> {
    let Some(gate) = gate else {
        return ControlFlow::Continue(());
    };
    let opened = async {
        if gate.await.is_err() {
            // Whoever knows of the parents is gone, and so will be this task.
            std::future::pending::<()>().await;
        }
    };
    let moved = standing.wait_for(|standing| !matches!(standing, Standing::Held { .. }));
    tokio::select! {
        biased;
        moved = moved => ControlFlow::Break(Some(match moved.as_deref() {
            Ok(Standing::Wanted { .. }) => End::Stopped,
            // Without a keeper it is lost too.
            _ => End::Lost,
        })),
        () = stop.cancelled() => ControlFlow::Break(Some(End::Stopped)),
        () = cut.cancelled() => ControlFlow::Break(None),
        () = opened => ControlFlow::Continue(()),
    }
}

/// How it ended. `None`: it was cut off, or there is a defect of ours.
async fn run_driver<S: Source, F: RecordProcessorFactory>(
    job: Job<S, F>,
    cut_off: &CancellationToken,
    cut: &CancellationToken,
) -> Option<End> {
    let key = job.shard.lease_key().clone();
    let (pulse, report_after) = (job.pulse.clone(), job.shop.config.watching.report_calls);
    let floor = job.rooms.floor().clone();
    let mut driving = JoinSet::new();
    driving.spawn_on(drive(job).instrument(Span::current()), &floor);
    tokio::select! {
        biased;
        ended = driving.join_next() => match ended {
            Some(Ok(end)) => Some(end),
            Some(Err(defect)) => {
                error!(lease_key = %key, error = %defect, "driver of a shard ended");
                None
            }
            None => None,
        },
        () = cut_off.cancelled() => match timeout(LAST_WORDS, driving.join_next()).await {
            Ok(Some(Ok(end))) => Some(end),
            _ => {
                warn!(lease_key = %key, "processor did not answer when it was cut off, it is dropped");
                driving.abort_all();
                None
            }
        },
        () = cut.cancelled() => {
            driving.abort_all();
            None
        }
        // It never ends.
        () = pulse.report_calls(report_after) => None,
    }
}

/// Ours: for `lease_lost` of a processor that took too long already.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Ours: a few round trips to the table. What is not given up by then expires.
const FAREWELL: Duration = Duration::from_secs(5);
