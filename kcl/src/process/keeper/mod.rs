//! Keeps one lease: the only task that writes its row, so that heartbeats and checkpoints never overlap.
//!
//! Runs beside the driver, in a task of its own: a processor that takes long, or blocks its thread, delays no heartbeat.
//! What is due and what counts as lost is decided in `lease::renewal`, what may be checkpointed in `shard::checkpoint`, how the
//! lease goes to another owner in `handover::holder`.

mod checkpoints;
mod giving;
mod handle;
mod heartbeat;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::handle::Reply;
pub(crate) use self::handle::{Command, KeeperHandle, Life, Nudge, Outlet, Parting, Standing, tell};
use crate::events::LossReason;
use crate::handover::holder::{HandOver, Patience, Stage, Task as HandOverTask};
use crate::lease::WorkerId;
use crate::lease::renewal::{HeldLease, Task};
use crate::metrics::Meter;
use crate::position::Checkpoint;
use crate::shard::checkpoint::CheckpointRules;
use crate::store::LeaseStore;
use crate::worker_load::throughput::Throughput;

/// Keeps one lease until it is lost or given up.
#[derive(Debug)]
pub(crate) struct Keeper {
    held: HeldLease,
    rules: CheckpointRules,
    /// Who waits for what is due to be written.
    waiting: Vec<(Checkpoint, Reply)>,
    store: Arc<dyn LeaseStore>,
    commands: mpsc::Receiver<Command>,
    standing: watch::Sender<Standing>,
    cut_off: CancellationToken,
    reach: Arc<AtomicU64>,
    recovered: Arc<AtomicU64>,
    /// Bytes since the last heartbeat.
    delivered: Arc<AtomicU64>,
    throughput: Throughput,
    outlet: Outlet,
    hand_over: HandOver,
    /// Nobody can tell it anything any more.
    orphaned: bool,
    /// Who waits for the end.
    farewells: Vec<oneshot::Sender<()>>,
    meter: Meter,
    parting: Option<Parting>,
    /// Where the lease lives by its worker's heartbeat: the signs of it, and the life in which it was taken.
    signs: Option<(watch::Receiver<Option<Life>>, Option<u64>)>,
}

impl Keeper {
    pub(crate) fn new(
        store: Arc<dyn LeaseStore>,
        held: HeldLease,
        patience: Patience,
        outlet: Outlet,
    ) -> (Self, KeeperHandle) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (standing, watcher) = watch::channel(Standing::Held {
            until: held.lost_at(),
        });
        let reach = Arc::new(AtomicU64::new(held.lease().counter));
        let handle = KeeperHandle {
            lease_key: held.lease().key.clone(),
            commands: sender,
            standing: watcher,
            cut_off: CancellationToken::new(),
            reach: Arc::clone(&reach),
            recovered: Arc::default(),
            delivered: Arc::default(),
        };
        let recovered = Arc::clone(&handle.recovered);
        let cut_off = handle.cut_off.clone();
        let throughput = Throughput::new(held.lease().throughput_kbps, now());
        let delivered = Arc::clone(&handle.delivered);
        let meter = outlet.counters.of_lease(&handle.lease_key);
        let signs = outlet.life.clone().map(|life| {
            let number = life.borrow().map(|life| life.number);
            (life, number)
        });
        let rules = CheckpointRules::new(held.lease().checkpoint.clone(), held.lease().pending.clone());
        (
            Self {
                held,
                rules,
                waiting: Vec::new(),
                store,
                commands,
                standing,
                cut_off,
                reach,
                recovered,
                delivered,
                throughput,
                outlet,
                hand_over: HandOver::new(patience),
                orphaned: false,
                farewells: Vec::new(),
                meter,
                parting: None,
                signs,
            },
            handle,
        )
    }

    /// Ends when the lease is lost, given up, or when nobody holds a handle any more, which gives it up too.
    pub(crate) async fn run(mut self) -> Parting {
        loop {
            if let Some(parting) = self.parting {
                for farewell in self.farewells {
                    // Nobody waits any more: the caller was dropped.
                    let _ = farewell.send(());
                }
                return parting;
            }
            let wake = match self.held.next(now()) {
                Task::Stop => {
                    self.lose(LossReason::Expired, None);
                    continue;
                }
                Task::Renew => {
                    self.renew().await;
                    continue;
                }
                Task::WaitUntil(wake) => wake,
            };
            let Some(wake) = self.hand_on(wake).await else {
                continue;
            };
            // At the very instant of expiry there is nothing to do yet: the grain keeps that from spinning.
            let wake = wake.max(now() + GRAIN);
            tokio::select! {
                biased;
                command = self.commands.recv(), if !self.orphaned => match command {
                    Some(command) => self.obey(command).await,
                    None => {
                        self.orphaned = true;
                        self.hand_over.on_processing_over(now());
                    }
                },
                life = next_sign(&mut self.signs) => self.on_sign_of_life(life),
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    fn on_sign_of_life(&mut self, life: Option<Life>) {
        let of_this_life = self.signs.as_ref().and_then(|(_, number)| *number);
        match life.filter(|life| Some(life.number) == of_this_life) {
            Some(life) => {
                self.held.on_heartbeat(life.beat_at, now());
                self.show();
            }
            None => self.lose(LossReason::Expired, None),
        }
    }

    /// Does what the way to another owner asks for now. When to come again, at `wake` at the latest; `None`: at once.
    async fn hand_on(&mut self, wake: Instant) -> Option<Instant> {
        match self.hand_over.next(now()) {
            HandOverTask::WaitUntil(until) => return Some(wake.min(until)),
            HandOverTask::Transfer(next) => self.give(Some(next)).await,
            HandOverTask::Release => self.give(None).await,
            HandOverTask::Finish(_) => self.leave(),
            HandOverTask::CutOff => {
                info!(lease_key = %self.held.lease().key, "processor did not end in time, it is cut off");
                self.show();
            }
            HandOverTask::AskProcessor(_) => self.show(),
            HandOverTask::Process | HandOverTask::Cutting => return Some(wake),
        }
        None
    }

    async fn obey(&mut self, command: Command) {
        let mut next = Some(command);
        let mut merged = 0;
        while let Some(command) = next.take() {
            if !command.may_precede_write() {
                self.write_due().await;
            }
            self.carry_out(command).await;
            merged += 1;
            // What else was asked for until now joins the same write.
            if self.is_write_due() && merged < COMMANDS {
                next = self.commands.try_recv().ok();
            }
        }
        self.write_due().await;
    }

    async fn carry_out(&mut self, command: Command) {
        match command {
            Command::Delivering(last) => self.rules.on_batch(last),
            Command::Processed => self.rules.on_processed(),
            Command::ProcessingFailed => self.rules.on_failed(),
            Command::ShardEnded => self.rules.on_shard_end(),
            Command::Checkpoint { asked, deed, reply } => self.on_wish(asked, deed, reply),
            Command::Written { reply } => {
                let _ = reply.send(self.rules.written().clone());
            }
            Command::Look => self.renew().await,
            Command::Stop { next } => self.hand_over.on_stopping(next, now()),
            Command::GiveUp { reply } => {
                self.farewells.push(reply);
                self.hand_over.on_processing_over(now());
            }
        }
    }

    fn lose(&mut self, reason: LossReason, to: Option<WorkerId>) {
        if self.parting.is_none() {
            let owner = to.as_ref().map_or("", |worker| worker.as_str());
            warn!(lease_key = %self.held.lease().key, worker_id = owner, error = ?reason, "lease lost");
            self.parting = Some(Parting::Lost { reason, to });
            self.hand_over.on_lost();
        }
        self.standing.send_replace(Standing::Lost);
    }

    /// So many writes may be on their way, each of which raises the counter by one.
    fn reach_for(&self, writes: u64) {
        self.reach
            .store(self.held.lease().counter + writes, Ordering::Release);
    }

    fn show(&self) {
        self.reach_for(0);
        let (until, stage) = (self.held.lost_at(), self.hand_over.stage());
        let stands = match stage {
            Stage::Processing => Standing::Held { until },
            Stage::Asked => Standing::Wanted { until },
            Stage::CutOff => Standing::CutOff,
        };
        self.standing.send_if_modified(|standing| {
            // A lease that lasts for longer is seen by who looks, and is worth nobody's waking up.
            let before = std::mem::replace(standing, stands);
            std::mem::discriminant(&before) != std::mem::discriminant(&stands)
        });
        if stage == Stage::CutOff {
            self.cut_off.cancel();
        }
    }
}

/// The worker's next sign of life; never one where each lease lives by itself.
async fn next_sign(signs: &mut Option<(watch::Receiver<Option<Life>>, Option<u64>)>) -> Option<Life> {
    let Some((signs, _)) = signs else {
        return std::future::pending().await;
    };
    match signs.changed().await {
        Ok(()) => *signs.borrow_and_update(),
        // Whoever gave the signs is gone, and with it the worker.
        Err(_) => None,
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Source: tokio, the resolution of its timer.
const GRAIN: Duration = Duration::from_millis(1);
/// Ours: the driver sends one at a time; so many checkpoints, asked for while one is being written, become the next write.
const COMMANDS: usize = 256;

#[cfg(test)]
mod tests;
