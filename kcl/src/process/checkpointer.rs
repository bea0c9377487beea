//! The handle by which a processor says how far it is.

use tokio::sync::oneshot;

use super::keeper::{Command, KeeperHandle};
use crate::error::CheckpointError;
use crate::position::Position;
use crate::record::ClientRecord;
use crate::shard::checkpoint::Asked;

/// Moves the checkpoint of one shard (KCL: `RecordProcessorCheckpointer`). Cheap to clone.
///
/// After a checkpoint the records up to it never come again, whoever reads the shard. Valid for as long as the lease is
/// held; a clone kept for longer only gets errors.
#[derive(Debug, Clone)]
pub struct Checkpointer {
    keeper: KeeperHandle,
}

impl Checkpointer {
    pub(crate) fn new(keeper: KeeperHandle) -> Self {
        Self { keeper }
    }

    /// Checkpoints everything that was processed, and, inside `process_records`, the batch in hand with the whole of its last
    /// aggregate. At the end of the shard: the end. Does nothing if nothing is new.
    ///
    /// # Errors
    /// [`CheckpointError`]; see [`is_retryable`](CheckpointError::is_retryable).
    ///
    /// # Cancel safety
    /// A dropped call may or may not have moved the checkpoint; calling again is safe.
    pub async fn checkpoint(&self) -> Result<(), CheckpointError> {
        self.ask(Asked::All).await
    }

    /// Checkpoints this record and all before it. Records of the same aggregate that follow it will come again. The last record
    /// of a closed shard means the end of the shard, once [`shard_ended`](crate::RecordProcessor::shard_ended) was called.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint), and [`CheckpointError::OutOfRange`] for a position before the last checkpoint or
    /// past the records delivered.
    ///
    /// # Cancel safety
    /// As [`checkpoint`](Self::checkpoint).
    pub async fn checkpoint_at(&self, place: impl AsPosition) -> Result<(), CheckpointError> {
        self.ask(Asked::At(place.as_position().clone())).await
    }

    async fn ask(&self, asked: Asked) -> Result<(), CheckpointError> {
        let (reply, answer) = oneshot::channel();
        let lost = || CheckpointError::LeaseLost {
            lease_key: self.keeper.lease_key().clone(),
        };
        if !self.keeper.send(Command::Checkpoint { asked, reply }).await {
            return Err(lost());
        }
        answer.await.unwrap_or_else(|_| Err(lost()))
    }
}

/// What names a place in a shard: a [`Position`], or the record at it. Not for others to implement.
pub trait AsPosition {
    /// The place.
    fn as_position(&self) -> &Position;
}

impl AsPosition for &Position {
    fn as_position(&self) -> &Position {
        self
    }
}

impl AsPosition for &ClientRecord {
    fn as_position(&self) -> &Position {
        self.position()
    }
}
