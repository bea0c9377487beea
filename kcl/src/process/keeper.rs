//! Keeps one lease: the only task that writes its row.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use crate::error::CheckpointError;
use crate::lease::LeaseKey;
use crate::position::Position;
use crate::shard::checkpoint::Asked;

/// How the lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Ours until this instant at least.
    Held { until: Instant },
    /// Ours until this instant at least, and somebody waits for it.
    Wanted { until: Instant },
    Lost,
}

/// What the keeper is told, in the order in which it happened.
#[derive(Debug)]
pub(crate) enum Command {
    /// A batch that ends here goes to the processor.
    Delivering(Position),
    Processed,
    ProcessingFailed,
    ShardEnded,
    Checkpoint { asked: Asked, reply: oneshot::Sender<Result<(), CheckpointError>> },
    /// The row changed without us: look now, not at the next heartbeat.
    Look,
    /// Give the lease to whoever waits for it, or to nobody, and end.
    GiveUp { reply: oneshot::Sender<()> },
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

    /// `false`: the keeper has ended, so the lease is lost or given up.
    pub(crate) async fn send(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }
}
