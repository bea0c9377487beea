//! Keeps one lease: the only task that writes its row, so that heartbeats and checkpoints never overlap.
//!
//! Runs beside the driver, in a task of its own: a processor that takes long, or blocks its thread, delays no heartbeat.
//! What is due and what counts as lost is decided in `lease::renewal`, what may be checkpointed in `shard::checkpoint`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{sleep_until, timeout_at};
use tracing::{debug, info, warn};

use crate::error::{CheckpointError, StoreError};
use crate::events::{Bell, ConsumerEvent, LossReason};
use crate::lease::renewal::{Change, HeldLease, Task};
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::metrics::{Counters, Metric};
use crate::position::{Checkpoint, Position};
use crate::shard::checkpoint::{Asked, CheckpointRules, Refusal, Verdict};
use crate::store::{CheckpointUpdate, LeaseStore, Renewal};
use crate::worker_load::throughput::Throughput;

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
    /// Who gets the lease when it is given up, unless somebody else asks for it before.
    Successor(WorkerId),
    /// Give the lease to whoever waits for it, or to nobody, and end.
    GiveUp {
        reply: oneshot::Sender<()>,
    },
}

/// How a lease was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parting {
    /// Given up; to whom, if it was somebody in particular.
    GivenUp { to: Option<WorkerId> },
    /// Not ours any more; whose, where the row told.
    Lost {
        reason: LossReason,
        to: Option<WorkerId>,
    },
    /// Left as it is, to expire: the table did not answer.
    Left,
}

/// Where keepers tell what they notice.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    pub(crate) bell: Bell,
    /// Told when the table shows something new, so that the coordinator reads it now.
    pub(crate) news: Arc<Notify>,
    pub(crate) counters: Counters,
    /// Whether a leader is there who wants to know what each lease delivers.
    pub(crate) measure: Arc<AtomicBool>,
}

/// The way to a lease's keeper.
#[derive(Debug, Clone)]
pub(crate) struct KeeperHandle {
    lease_key: LeaseKey,
    commands: mpsc::Sender<Command>,
    standing: watch::Receiver<Standing>,
    reach: Arc<AtomicU64>,
    recovered: Arc<AtomicU64>,
    delivered: Arc<AtomicU64>,
}

impl KeeperHandle {
    /// So many bytes were given to the processor.
    pub(crate) fn count(&self, bytes: u64) {
        self.delivered.fetch_add(bytes, Ordering::Relaxed);
    }

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
        Nudge {
            commands: self.commands.downgrade(),
            reach: Arc::clone(&self.reach),
            recovered: Arc::clone(&self.recovered),
        }
    }
}

/// Asks a keeper to look at its row.
#[derive(Debug, Clone)]
pub(crate) struct Nudge {
    commands: mpsc::WeakSender<Command>,
    reach: Arc<AtomicU64>,
    recovered: Arc<AtomicU64>,
}

impl Nudge {
    pub(crate) fn look(&self) {
        self.send(Command::Look);
    }

    /// Names who gets the lease when it is given up.
    pub(crate) fn name_successor(&self, next: WorkerId) {
        self.send(Command::Successor(next));
    }

    /// The highest counter that the row can have by the keeper's own writes. A higher one is somebody else's.
    pub(crate) fn reach(&self) -> u64 {
        self.reach.load(Ordering::Acquire)
    }

    /// How many writes in a row were refused because they seemed to have happened already.
    pub(crate) fn recovered(&self) -> u64 {
        self.recovered.load(Ordering::Relaxed)
    }

    /// Does nothing if the keeper has ended, or has that much to do already.
    fn send(&self, command: Command) {
        if let Some(commands) = self.commands.upgrade() {
            let _ = commands.try_send(command);
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
    reach: Arc<AtomicU64>,
    recovered: Arc<AtomicU64>,
    /// Bytes since the last heartbeat.
    delivered: Arc<AtomicU64>,
    throughput: Throughput,
    outlet: Outlet,
    successor: Option<WorkerId>,
    parting: Option<Parting>,
}

impl Keeper {
    pub(crate) fn new(store: Arc<dyn LeaseStore>, held: HeldLease, outlet: Outlet) -> (Self, KeeperHandle) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (standing, watcher) = watch::channel(Standing::Held {
            until: held.lost_at(),
        });
        let reach = Arc::new(AtomicU64::new(held.lease().counter));
        let handle = KeeperHandle {
            lease_key: held.lease().key.clone(),
            commands: sender,
            standing: watcher,
            reach: Arc::clone(&reach),
            recovered: Arc::default(),
            delivered: Arc::default(),
        };
        let recovered = Arc::clone(&handle.recovered);
        let throughput = Throughput::new(held.lease().throughput_kbps, now());
        let delivered = Arc::clone(&handle.delivered);
        let rules = CheckpointRules::new(held.lease().checkpoint.clone());
        (
            Self {
                held,
                rules,
                store,
                commands,
                standing,
                reach,
                recovered,
                delivered,
                throughput,
                outlet,
                successor: None,
                parting: None,
            },
            handle,
        )
    }

    /// Ends when the lease is lost, given up, or when nobody holds a handle any more, which gives it up too.
    pub(crate) async fn run(mut self) -> Parting {
        loop {
            if let Some(parting) = self.parting {
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
            Command::Successor(next) => self.successor = Some(next),
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
        self.throughput
            .on_bytes(self.delivered.swap(0, Ordering::Relaxed));
        if self.outlet.measure.load(Ordering::Relaxed) {
            self.held.set_throughput(self.throughput.at_heartbeat(sent_at));
        }
        self.reach_for(1);
        let answer = timeout_at(deadline.into(), self.store.renew(self.held.lease())).await;
        let counted = match &answer {
            Ok(Ok(Renewal::Held(_) | Renewal::Recovered(_))) => Some(Metric::RenewedLeases),
            Ok(Ok(_)) => None,
            Ok(Err(_)) | Err(_) => Some(Metric::FailedRenewals),
        };
        if let Some(metric) = counted {
            self.outlet.counters.add(metric, 1);
        }
        match answer {
            Ok(Ok(renewal)) => self.take_in(renewal, sent_at),
            Ok(Err(error)) => self.on_store_failure(&error),
            Err(_) => self.lose(LossReason::Expired, None),
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
                self.lose(LossReason::Expired, None);
                break;
            }
            let update = CheckpointUpdate {
                checkpoint: checkpoint.clone(),
                pending: None,
            };
            let sent_at = now();
            let deadline = self.held.lost_at();
            // Twice, where the first write finds that a heartbeat's reply was lost.
            self.reach_for(2);
            match timeout_at(deadline.into(), self.store.checkpoint(self.held.lease(), &update)).await {
                Ok(Ok(renewal)) => {
                    let written = matches!(renewal, Renewal::Held(_) | Renewal::Recovered(_));
                    self.take_in(renewal, sent_at);
                    if written {
                        debug!(lease_key = %self.held.lease().key, position = %checkpoint, "checkpointed");
                        self.rules.on_written(checkpoint);
                        return Ok(());
                    }
                    if self.parting.is_some() {
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
                    self.lose(LossReason::Expired, None);
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
        let lost = match &renewal {
            Renewal::Lost(row) => self.who_has(row.as_ref()),
            _ => (LossReason::Expired, None),
        };
        match &renewal {
            Renewal::Recovered(_) => self.recovered.fetch_add(1, Ordering::Relaxed),
            _ => self.recovered.swap(0, Ordering::Relaxed),
        };
        match self.held.on_answer(renewal, sent_at, now()) {
            Change::None => self.show(),
            Change::HandOverRequested { next } => {
                let key = &self.held.lease().key;
                let name = next.as_ref().map_or("", |worker| worker.as_str());
                info!(lease_key = %key, worker_id = name, "asked to hand the shard over");
                self.outlet.bell.ring(ConsumerEvent::HandOverRequested {
                    lease_key: key.clone(),
                    by: next,
                });
                // Whoever asks for one lease often asks for more.
                self.outlet.news.notify_one();
                self.show();
            }
            Change::Lost => self.lose(lost.0, lost.1),
        }
    }

    /// What the row of a lost lease says of its loss.
    fn who_has(&self, row: Option<&Lease>) -> (LossReason, Option<WorkerId>) {
        let Some(row) = row else {
            return (LossReason::Deleted, None);
        };
        let owner = row.actual_owner().cloned();
        let reason = match owner.is_some() && owner.as_ref() == self.held.lease().actual_owner() {
            // Ours by name, and somebody else writes.
            true => LossReason::SameId,
            false => LossReason::Taken,
        };
        (reason, owner)
    }

    fn on_store_failure(&mut self, error: &StoreError) {
        warn!(lease_key = %self.held.lease().key, error = %chain(error), "lease table did not answer");
        if self.held.on_failure(now()) == Change::Lost {
            self.lose(LossReason::Expired, None);
        }
    }

    /// Gives the lease up as well as can be done before it would expire anyway.
    async fn give_up(&mut self) {
        for _ in 0..GIVE_UP_ATTEMPTS {
            if self.parting.is_some() || self.held.next(now()) == Task::Stop {
                break;
            }
            let deadline = self.held.lost_at();
            let to = self.next_owner();
            match timeout_at(deadline.into(), self.part_from(to.as_ref())).await {
                Ok(Ok(true)) => {
                    let name = to.as_ref().map_or("", |worker| worker.as_str());
                    info!(lease_key = %self.held.lease().key, worker_id = name, "lease given up");
                    self.parting = Some(Parting::GivenUp { to });
                }
                // The owners are not as we know them: somebody asked for the lease, or has it.
                Ok(Ok(false)) => self.renew().await,
                Ok(Err(error)) => self.on_store_failure(&error),
                Err(_) => break,
            }
        }
        self.parting.get_or_insert(Parting::Left);
        self.standing.send_replace(Standing::Lost);
    }

    /// Who gets the lease: whoever asked for it, else the successor that was named.
    fn next_owner(&self) -> Option<WorkerId> {
        let lease = self.held.lease();
        match lease.hand_over_pending() {
            true => lease.owner.clone(),
            false => self.successor.clone(),
        }
    }

    async fn part_from(&self, next: Option<&WorkerId>) -> Result<bool, StoreError> {
        let lease = self.held.lease();
        match next {
            Some(next) if !lease.hand_over_pending() => {
                self.reach_for(1);
                self.store.assign(lease, next).await
            }
            _ => {
                self.reach_for(1);
                self.store.release(lease).await
            }
        }
    }

    fn lose(&mut self, reason: LossReason, to: Option<WorkerId>) {
        if self.parting.is_none() {
            let owner = to.as_ref().map_or("", |worker| worker.as_str());
            warn!(lease_key = %self.held.lease().key, worker_id = owner, error = ?reason, "lease lost");
            self.parting = Some(Parting::Lost { reason, to });
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
