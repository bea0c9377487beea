//! The way to a lease's keeper: what it is told, what it shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::error::CheckpointError;
use crate::events::{Bell, LossReason};
use crate::lease::{LeaseKey, WorkerId};
use crate::metrics::Counters;
use crate::position::{Checkpoint, Position};
use crate::shard::cadence::Cadence;
use crate::shard::checkpoint::{Asked, Deed};

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
    /// Ours, and the processor has had its time: it stops where it is.
    CutOff,
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
    /// Answered with the place it came to, once the table holds it.
    Checkpoint {
        asked: Asked,
        deed: Deed,
        reply: Reply,
    },
    /// What the table holds.
    Written {
        reply: oneshot::Sender<Checkpoint>,
    },
    /// The row changed without us: look now, not at the next heartbeat.
    Look,
    /// This worker stops. Who gets the lease then, unless somebody else asks for it before.
    Stop {
        next: Option<WorkerId>,
    },
    /// Processing is over: give the lease to whoever waits for it, or to nobody, and end.
    GiveUp {
        reply: oneshot::Sender<()>,
    },
}

/// Where the answer to a checkpoint goes.
pub(super) type Reply = oneshot::Sender<Result<Checkpoint, CheckpointError>>;

impl Command {
    /// Whether a write that is due may as well come after it.
    pub(super) fn may_precede_write(&self) -> bool {
        matches!(
            self,
            Self::Delivering(_)
                | Self::Processed
                | Self::ProcessingFailed
                | Self::ShardEnded
                | Self::Checkpoint { .. }
        )
    }
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
    /// When heartbeats are sent.
    pub(crate) cadence: Cadence,
    /// The worker's own signs of life, where its leases live by them.
    pub(crate) life: Option<watch::Receiver<Option<Life>>>,
    /// Whether a leader is there who wants to know what each lease delivers.
    pub(crate) measure: Arc<AtomicBool>,
}

/// A worker's life in a private fleet, as its last confirmed heartbeat says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// A worker that had to be taken for dead lives again as another.
    pub(crate) number: u64,
    /// When the heartbeat was sent.
    pub(crate) beat_at: Instant,
}

/// The way to a lease's keeper.
#[derive(Debug, Clone)]
pub(crate) struct KeeperHandle {
    pub(super) lease_key: LeaseKey,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) cut_off: CancellationToken,
    pub(super) reach: Arc<AtomicU64>,
    pub(super) recovered: Arc<AtomicU64>,
    pub(super) delivered: Arc<AtomicU64>,
}

impl KeeperHandle {
    /// So many bytes were given to the processor.
    pub(crate) fn count(&self, bytes: u64) {
        self.delivered.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn lease_key(&self) -> &LeaseKey {
        &self.lease_key
    }

    /// How the lease stands, now and from now on. That it is held for longer is no change that is told.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Cancelled when the processor has had its time. Not told by [`standing`](Self::standing): of several who wait for the same
    /// change a lot would decide who hears of it first, and a seed no longer say what happens.
    pub(crate) fn cut_off(&self) -> CancellationToken {
        self.cut_off.clone()
    }

    /// Whether the processor may be given more at `now`, judged by our own clock.
    pub(crate) fn is_held(&self, now: Instant) -> bool {
        match *self.standing.borrow() {
            Standing::Held { until } | Standing::Wanted { until } => now <= until,
            Standing::CutOff | Standing::Lost => false,
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

    /// Says that this worker stops, and who should get the lease then.
    pub(crate) fn stop(&self, next: Option<WorkerId>) {
        self.send(Command::Stop { next });
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

/// Where the keeper is gone it waits for ever: the driver hears of it and drops the call.
pub(crate) async fn tell(keeper: &KeeperHandle, command: Command) {
    if !keeper.send(command).await {
        std::future::pending::<()>().await;
    }
}
