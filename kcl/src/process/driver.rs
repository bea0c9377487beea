//! Runs one shard: asks the machine for the next step and carries it out, until the lease is gone.

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::hands::{Hands, Workshop};
use super::keeper::{KeeperHandle, Standing};
use crate::lease::Lease;
use crate::processor::RecordProcessorFactory;
use crate::shard::machine::{End, Interrupt, Machine, Step};
use crate::source::Source;
use crate::stream::ShardContext;

/// Runs the shard of a lease that was just taken, until the lease is lost, given up or finished.
#[tracing::instrument(name = "kcl.shard", skip_all, fields(shard_id = %shard.shard_id()))]
pub(crate) async fn drive<S: Source, F: RecordProcessorFactory>(
    shop: Arc<Workshop<S, F>>,
    shard: ShardContext,
    lease: Lease,
    keeper: KeeperHandle,
    stop: CancellationToken,
) -> End {
    let mut signals = Signals {
        standing: keeper.standing(),
        stop,
        told: None,
    };
    let mut machine = Machine::new(lease.is_finished());
    let mut hands = Hands::new(shop, shard, lease, keeper);
    let mut step = machine.first();
    loop {
        if let Step::Done(end) = step {
            info!(end = ?end, "shard left");
            return end;
        }
        let mut acting = pin!(hands.act(step));
        step = loop {
            tokio::select! {
                biased;
                interrupt = signals.next() => if let Some(next) = machine.interrupt(interrupt) {
                    break next;
                },
                event = &mut acting => break machine.on(event),
            }
        };
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
                (Standing::Lost, _) => break Interrupt::LeaseLost,
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
