//! Runs one shard: asks the machine for the next step and carries it out, until the lease is gone.
//!
//! Before every single poll of a step the lease is judged by our own clock: a process that stood still finds on its first
//! breath that its lease has expired, and goes no further, whichever task of it breathes first.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::hands::{Hands, Workshop};
use super::keeper::{KeeperHandle, Standing};
use super::pulse::Pulse;
use super::rooms::Rooms;
use crate::health::{Entry, LeasePhase};
use crate::lease::Lease;
use crate::processor::RecordProcessorFactory;
use crate::shard::machine::{End, Event, Interrupt, Machine, Step};
use crate::source::Source;
use crate::stream::{ShardContext, Stream};

/// One lease to be driven.
pub(crate) struct Job<S, F> {
    pub(crate) shop: Arc<Workshop<S, F>>,
    pub(crate) rooms: Rooms,
    pub(crate) stream: Stream,
    pub(crate) shard: ShardContext,
    pub(crate) lease: Lease,
    pub(crate) keeper: KeeperHandle,
    pub(crate) pulse: Pulse,
    pub(crate) entry: Entry,
    pub(crate) stop: CancellationToken,
}

/// Runs the shard of a lease that was just taken, until the lease is lost, given up or finished.
#[tracing::instrument(
    name = "kcl.shard",
    skip_all,
    fields(
        stream = %job.shard.stream(),
        shard_id = %job.shard.shard_id(),
        lease_key = %job.shard.lease_key(),
    )
)]
pub(crate) async fn drive<S: Source, F: RecordProcessorFactory>(job: Job<S, F>) -> End {
    let Job {
        shop,
        rooms,
        stream,
        shard,
        lease,
        keeper,
        pulse,
        mut entry,
        stop,
    } = job;
    let mut signals = Signals {
        standing: keeper.standing(),
        stop,
        told: None,
    };
    let mut machine = Machine::new(lease.is_finished());
    let mut hands = Hands::new(shop, rooms, stream, shard, lease, keeper.clone(), pulse);
    let mut step = machine.first();
    loop {
        if let Step::Done(end) = step {
            info!(end = ?end, "shard left");
            return end;
        }
        entry.show(phase(step));
        let mut acting = pin!(hands.act(step));
        step = loop {
            tokio::select! {
                biased;
                interrupt = signals.next() => if let Some(next) = machine.interrupt(interrupt) {
                    break next;
                },
                event = fenced(step, &keeper, acting.as_mut()) => match event {
                    Some(event) => break machine.on(event),
                    None => {
                        warn!(lease_key = %keeper.lease_key(), "lease expired by our own clock, processing stops");
                        signals.told = Some(Interrupt::LeaseLost);
                        if let Some(next) = machine.interrupt(Interrupt::LeaseLost) {
                            break next;
                        }
                    }
                },
            }
        };
    }
}

/// Lets a step go on for as long as the lease is held. `None`: it is not, by our own clock.
async fn fenced(
    step: Step,
    keeper: &KeeperHandle,
    mut acting: Pin<&mut impl Future<Output = Event>>,
) -> Option<Event> {
    poll_fn(|cx| {
        if needs_lease(step) && !keeper.is_held(Instant::now().into_std()) {
            return Poll::Ready(None);
        }
        acting.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Whether a step may only be done by the lease's holder.
fn needs_lease(step: Step) -> bool {
    !matches!(step, Step::TellLost | Step::GiveUp | Step::Done(_))
}

fn phase(step: Step) -> LeasePhase {
    match step {
        Step::CheckParents | Step::WaitForParents => LeasePhase::WaitingForParents,
        Step::Initialize => LeasePhase::Initializing,
        Step::Read | Step::Process => LeasePhase::Running,
        Step::Pause => LeasePhase::Retrying,
        Step::Finish { .. } | Step::RecordChildren | Step::EndShard => LeasePhase::Ending,
        Step::RequestShutdown | Step::TellLost | Step::GiveUp | Step::Done(_) => LeasePhase::Leaving,
    }
}

/// What may interrupt a step; each is told once.
struct Signals {
    standing: watch::Receiver<Standing>,
    stop: CancellationToken,
    told: Option<Interrupt>,
}

impl Signals {
    async fn next(&mut self) -> Interrupt {
        let interrupt = loop {
            let standing = *self.standing.borrow_and_update();
            match (standing, self.told) {
                (_, Some(Interrupt::LeaseLost)) => std::future::pending().await,
                (Standing::Lost | Standing::CutOff, _) => break Interrupt::LeaseLost,
                (Standing::Wanted { .. }, None) => break Interrupt::Stop,
                (_, told) => tokio::select! {
                    biased;
                    changed = self.standing.changed() => if changed.is_err() {
                        break Interrupt::LeaseLost;
                    },
                    () = self.stop.cancelled(), if told.is_none() => break Interrupt::Stop,
                },
            }
        };
        self.told = Some(interrupt);
        interrupt
    }
}
