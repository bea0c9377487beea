//! Keeps one lease: the only task that writes its row, so that heartbeats and checkpoints never overlap.
//!
//! Runs beside the driver, in a task of its own: a processor that takes long, or blocks its thread, delays no heartbeat.
//! What is due and what counts as lost is decided in `lease::renewal`, what may be checkpointed in `shard::checkpoint`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep_until, timeout_at};
use tracing::{debug, info, warn};

use crate::error::{CheckpointError, StoreError};
use crate::lease::LeaseKey;
use crate::lease::renewal::{Change, HeldLease, Task};
use crate::position::{Checkpoint, Position};
use crate::shard::checkpoint::{Asked, CheckpointRules, Refusal, Verdict};
use crate::store::{CheckpointUpdate, LeaseStore, Renewal};

/// How the lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Ours until this instant, unless it is renewed.
    Held {
        until: Instant,
    },
    /// The same, and somebody waits for it.
    Wanted {
        until: Instant,
    },
    Lost,
}

/// What the keeper is told, in the order in which it happened.
#[derive(Debug)]
pub(crate) enum Command {
    /// A batch that ends here goes to the processor.
    Delivering(Position),
    Processed,
    ProcessingFailed,
    /// All records of the closed shard were processed.
    ShardEnded,
    Checkpoint {
        asked: Asked,
        reply: oneshot::Sender<Result<(), CheckpointError>>,
    },
    /// What the table holds.
    Written {
        reply: oneshot::Sender<Checkpoint>,
    },
    /// The row changed without us: look now, not at the next heartbeat.
    Look,
    /// Give the lease to whoever waits for it, or to nobody, and end.
    GiveUp {
        reply: oneshot::Sender<()>,
    },
}

/// The way to a lease's keeper.
#[derive(Debug, Clone)]
pub(crate) struct KeeperHandle {
    lease_key: LeaseKey,
    commands: mpsc::Sender<Command>,
    standing: watch::Receiver<Standing>,
}

impl KeeperHandle {
    pub(crate) fn lease_key(&self) -> &LeaseKey {
        &self.lease_key
    }

    /// How the lease stands, now and from now on.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Whether the processor may be given more at `now`, judged by our own clock.
    pub(crate) fn is_held(&self, now: Instant) -> bool {
        match *self.standing.borrow() {
            Standing::Held { until } | Standing::Wanted { until } => now <= until,
            Standing::Lost => false,
        }
    }

    /// `false`: the keeper has ended, so the lease is lost or given up.
    pub(crate) async fn send(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }

    /// What the table holds. `None`: the keeper has ended.
    pub(crate) async fn written(&self) -> Option<Checkpoint> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Written { reply }).await;
        answer.await.ok()
    }

    /// The way to ask for a look at the row, which does not keep the keeper alive.
    pub(crate) fn nudge(&self) -> Nudge {
        Nudge(self.commands.downgrade())
    }
}

/// Asks a keeper to look at its row.
#[derive(Debug, Clone)]
pub(crate) struct Nudge(mpsc::WeakSender<Command>);

impl Nudge {
    /// Does nothing if the keeper has ended, or has that much to do already.
    pub(crate) fn look(&self) {
        if let Some(commands) = self.0.upgrade() {
            let _ = commands.try_send(Command::Look);
        }
    }
}

/// Keeps one lease until it is lost or given up.
#[derive(Debug)]
pub(crate) struct Keeper {
    held: HeldLease,
    rules: CheckpointRules,
    store: Arc<dyn LeaseStore>,
    commands: mpsc::Receiver<Command>,
    standing: watch::Sender<Standing>,
    ended: bool,
}

impl Keeper {
    pub(crate) fn new(store: Arc<dyn LeaseStore>, held: HeldLease) -> (Self, KeeperHandle) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (standing, watcher) = watch::channel(Standing::Held {
            until: held.lost_at(),
        });
        let handle = KeeperHandle {
            lease_key: held.lease().key.clone(),
            commands: sender,
            standing: watcher,
        };
        let rules = CheckpointRules::new(held.lease().checkpoint.clone());
        (
            Self {
                held,
                rules,
                store,
                commands,
                standing,
                ended: false,
            },
            handle,
        )
    }

    /// Ends when the lease is lost, given up, or when nobody holds a handle any more, which gives it up too.
    pub(crate) async fn run(mut self) {
        while !self.ended {
            let wake = match self.held.next(now()) {
                Task::Stop => {
                    self.lose("not renewed in time");
                    break;
                }
                Task::Renew => {
                    self.renew().await;
                    continue;
                }
                // At the very instant of expiry there is nothing to do yet: the grain keeps that from spinning.
                Task::WaitUntil(wake) => wake.max(now() + GRAIN),
            };
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => self.give_up().await,
                },
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Delivering(last) => self.rules.on_batch(last),
            Command::Processed => self.rules.on_processed(),
            Command::ProcessingFailed => self.rules.on_failed(),
            Command::ShardEnded => self.rules.on_shard_end(),
            Command::Checkpoint { asked, reply } => {
                let answer = self.checkpoint(asked).await;
                // Nobody waits any more: the caller was dropped, and the checkpoint stands all the same.
                let _ = reply.send(answer);
            }
            Command::Written { reply } => {
                let _ = reply.send(self.rules.written().clone());
            }
            Command::Look => self.renew().await,
            Command::GiveUp { reply } => {
                self.give_up().await;
                let _ = reply.send(());
            }
        }
    }

    #[tracing::instrument(name = "kcl.renew", skip_all, fields(lease_key = %self.held.lease().key))]
    async fn renew(&mut self) {
        let sent_at = now();
        let deadline = self.held.lost_at();
        let answer = timeout_at(deadline.into(), self.store.renew(self.held.lease())).await;
        match answer {
            Ok(Ok(renewal)) => self.take_in(renewal, sent_at),
            Ok(Err(error)) => self.on_store_failure(&error),
            Err(_) => self.lose("no answer until it expired"),
        }
    }

    #[tracing::instrument(name = "kcl.checkpoint", skip_all, fields(lease_key = %self.held.lease().key))]
    async fn checkpoint(&mut self, asked: Asked) -> Result<(), CheckpointError> {
        // Once more only if a hand-over was noticed in between.
        for _ in 0..2 {
            let checkpoint = match self.rules.verdict(&asked) {
                Verdict::Skip => return Ok(()),
                Verdict::Refuse(why) => return Err(self.refused(asked, why)),
                Verdict::Write(checkpoint) => checkpoint,
            };
            if self.held.next(now()) == Task::Stop {
                self.lose("not renewed in time");
                break;
            }
            let update = CheckpointUpdate {
                checkpoint: checkpoint.clone(),
                pending: None,
            };
            let sent_at = now();
            let deadline = self.held.lost_at();
            match timeout_at(deadline.into(), self.store.checkpoint(self.held.lease(), &update)).await {
                Ok(Ok(renewal)) => {
                    let written = matches!(renewal, Renewal::Held(_));
                    self.take_in(renewal, sent_at);
                    if written {
                        debug!(lease_key = %self.held.lease().key, position = %checkpoint, "checkpointed");
                        self.rules.on_written(checkpoint);
                        return Ok(());
                    }
                    if self.ended {
                        break;
                    }
                }
                Ok(Err(source)) => {
                    self.on_store_failure(&source);
                    return Err(CheckpointError::Store {
                        lease_key: self.held.lease().key.clone(),
                        source,
                    });
                }
                Err(_) => {
                    self.lose("no answer until it expired");
                    break;
                }
            }
        }
        Err(CheckpointError::LeaseLost {
            lease_key: self.held.lease().key.clone(),
        })
    }

    fn refused(&self, asked: Asked, why: Refusal) -> CheckpointError {
        let lease_key = self.held.lease().key.clone();
        match asked {
            Asked::At(position) => CheckpointError::OutOfRange {
                lease_key,
                position,
                reason: match why {
                    Refusal::Backwards => "it is before the last checkpoint",
                    Refusal::Undelivered => "no such record was delivered yet",
                },
            },
            // The rules refuse named positions only.
            Asked::All => CheckpointError::LeaseLost { lease_key },
        }
    }

    fn take_in(&mut self, renewal: Renewal, sent_at: Instant) {
        match self.held.on_answer(renewal, sent_at, now()) {
            Change::None => self.show(),
            Change::HandOverRequested { next } => {
                let key = &self.held.lease().key;
                let next = next.as_ref().map_or("", |worker| worker.as_str());
                info!(lease_key = %key, worker_id = next, "asked to hand the shard over");
                self.show();
            }
            Change::Lost => self.lose("another worker has it"),
        }
    }

    fn on_store_failure(&mut self, error: &StoreError) {
        warn!(lease_key = %self.held.lease().key, error = %chain(error), "lease table did not answer");
        if self.held.on_failure(now()) == Change::Lost {
            self.lose("not renewed in time");
        }
    }

    /// Gives the lease up as well as can be done before it would expire anyway.
    async fn give_up(&mut self) {
        for _ in 0..GIVE_UP_ATTEMPTS {
            if self.ended || self.held.next(now()) == Task::Stop {
                break;
            }
            let deadline = self.held.lost_at();
            match timeout_at(deadline.into(), self.store.release(self.held.lease())).await {
                Ok(Ok(true)) => {
                    info!(lease_key = %self.held.lease().key, "lease given up");
                    break;
                }
                // The owners are not as we know them: somebody asked for the lease, or has it.
                Ok(Ok(false)) => self.renew().await,
                Ok(Err(error)) => self.on_store_failure(&error),
                Err(_) => break,
            }
        }
        self.ended = true;
        self.standing.send_replace(Standing::Lost);
    }

    fn lose(&mut self, why: &'static str) {
        if !self.ended {
            warn!(lease_key = %self.held.lease().key, reason = why, "lease lost");
        }
        self.ended = true;
        self.standing.send_replace(Standing::Lost);
    }

    fn show(&self) {
        let until = self.held.lost_at();
        let standing = if self.held.is_handing_over() {
            Standing::Wanted { until }
        } else {
            Standing::Held { until }
        };
        self.standing.send_replace(standing);
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
/// Ours: the driver sends one at a time, and checkpoints wait for their turn.
const COMMANDS: usize = 16;
/// Ours: the first may learn of a hand-over, the second completes it, the third is for a fault.
const GIVE_UP_ATTEMPTS: u32 = 3;

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
