//! One worker's background: starts, finds leases to take, watches over the shards it reads, stops.
//!
//! ```text
//!  start ──> round, round, round … ──> shutdown          audit, every now and then
//!              │ scan the table                            │ shards without lease: create
//!              │ plan (assign)                             │ finished leases: delete
//!              │ take, ask for                             └─ in a task of its own
//!              └─> shards: one keeper and one driver for each lease held
//! ```

mod assign;
mod audit;
mod shards;
mod shutdown;
mod start;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::assign::Assigner;
use self::audit::Auditor;
use self::shards::Shards;
use crate::consumer::{ConsumerState, RunSummary};
use crate::error::RunError;
use crate::process::hands::Workshop;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;

/// One worker, about to run.
#[derive(Debug)]
pub(crate) struct Worker<S: Source, F> {
    pub(crate) shop: Arc<Workshop<S, F>>,
    pub(crate) stop: CancellationToken,
    pub(crate) state: watch::Sender<ConsumerState>,
}

impl<S: Source, F: RecordProcessorFactory> Worker<S, F> {
    /// Runs until asked to stop. Dropped, it aborts all its tasks.
    #[tracing::instrument(name = "kcl.worker", skip_all, fields(
        stream = %self.shop.config.stream(),
        worker_id = %self.shop.config.worker_id(),
    ))]
    pub(crate) async fn run(self) -> Result<RunSummary, RunError> {
        let Self { shop, stop, state } = self;
        let mut shards = Shards::new(Arc::clone(&shop));
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(shards.summary()),
            started = start::start(&shop) => started?,
        }
        info!("consumer started");

        let mut background = JoinSet::new();
        let wake = Arc::new(Notify::new());
        background.spawn(Auditor::new(Arc::clone(&shop), Arc::clone(&wake)).run());
        let mut assigner = Assigner::new(Arc::clone(&shop), stop.clone());
        let mut scan = interval(shop.config.coordination.scan_interval(&shop.config.leasing));
        scan.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                exit = shards.next_exit() => if shards.on_exit(exit) {
                    wake.notify_one();
                },
                () = wake.notified() => assigner.round(&mut shards).await,
                _ = scan.tick() => assigner.round(&mut shards).await,
            }
            state.send_modify(|state| state.leases_held = shards.held());
        }

        info!("consumer stops");
        background.shutdown().await;
        shutdown::give_all_up(&mut shards, shop.config.coordination.shutdown_timeout, &state).await;
        info!("consumer stopped");
        Ok(shards.summary())
    }
}
