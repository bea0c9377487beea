//! The handle by which a processor says how far it is.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::keeper::{Command, KeeperHandle};
use crate::error::CheckpointError;
use crate::lease::LeaseKey;
use crate::position::{Checkpoint, Position, SequenceNumber};
use crate::record::ClientRecord;
use crate::shard::checkpoint::{Asked, Deed};

/// Moves the checkpoint of one shard (KCL: `RecordProcessorCheckpointer`). Cheap to clone.
///
/// After a checkpoint the records up to it never come again, whoever reads the shard. Calls made while one is being written
/// become the next write, one for all of them; each returns once its own place is in the table. Valid for as long as the lease
/// is held; a clone kept for longer only gets errors.
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
        self.ask(Asked::All, Deed::Move).await.map(drop)
    }

    /// Checkpoints this record and all before it. A [`Position`] or a record means that very user record: those of its aggregate
    /// that follow it will come again. A [`SequenceNumber`] means the whole aggregate. (KCL: a number alone means the first user
    /// record of the aggregate.) The last record of a closed shard means the end of the shard, once
    /// [`shard_ended`](crate::RecordProcessor::shard_ended) was called.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint), and [`CheckpointError::OutOfRange`] for a position before the last checkpoint or
    /// past the records delivered.
    ///
    /// # Cancel safety
    /// As [`checkpoint`](Self::checkpoint).
    pub async fn checkpoint_at(&self, place: impl AsPosition) -> Result<(), CheckpointError> {
        self.ask(place.as_place().0, Deed::Move).await.map(drop)
    }

    /// Prepares a checkpoint of everything that [`checkpoint`](Self::checkpoint) would cover, with `state`, the application's own
    /// bytes (KCL: `prepareCheckpoint`).
    ///
    /// The checkpoint stays where it is until [`PreparedCheckpoint::commit`]. Whoever reads the shard next, should this worker die
    /// in between, finds place and bytes in [`Initialization::pending`](crate::Initialization::pending) and can find out how far
    /// the effects came. One is kept: preparing again replaces it, a checkpoint removes it.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint). A row of the lease table holds 400 KB; keep `state` far below.
    ///
    /// # Cancel safety
    /// A dropped call may or may not have prepared; calling again is safe.
    pub async fn prepare(&self, state: Option<Bytes>) -> Result<PreparedCheckpoint, CheckpointError> {
        self.prepare_as(Asked::All, state).await
    }

    /// As [`prepare`](Self::prepare), of a place named as for [`checkpoint_at`](Self::checkpoint_at).
    ///
    /// # Errors
    /// As [`checkpoint_at`](Self::checkpoint_at).
    ///
    /// # Cancel safety
    /// As [`prepare`](Self::prepare).
    pub async fn prepare_at(
        &self,
        place: impl AsPosition,
        state: Option<Bytes>,
    ) -> Result<PreparedCheckpoint, CheckpointError> {
        self.prepare_as(place.as_place().0, state).await
    }

    async fn prepare_as(
        &self,
        asked: Asked,
        state: Option<Bytes>,
    ) -> Result<PreparedCheckpoint, CheckpointError> {
        let checkpoint = self.ask(asked, Deed::Prepare { state }).await?;
        Ok(PreparedCheckpoint {
            checkpointer: self.clone(),
            checkpoint,
        })
    }

    pub(super) fn lease_key(&self) -> &LeaseKey {
        self.keeper.lease_key()
    }

    pub(super) async fn ask(&self, asked: Asked, deed: Deed) -> Result<Checkpoint, CheckpointError> {
        let (reply, answer) = oneshot::channel();
        let lost = || CheckpointError::LeaseLost {
            lease_key: self.keeper.lease_key().clone(),
        };
        if !self.keeper.send(Command::Checkpoint { asked, deed, reply }).await {
            return Err(lost());
        }
        answer.await.unwrap_or_else(|_| Err(lost()))
    }
}

/// A place noted beside the checkpoint, from [`Checkpointer::prepare`]. Dropping it changes nothing: it stays noted.
#[derive(Debug, Clone)]
#[must_use = "a prepared checkpoint moves nothing until it is committed"]
pub struct PreparedCheckpoint {
    checkpointer: Checkpointer,
    checkpoint: Checkpoint,
}

impl PreparedCheckpoint {
    /// What the checkpoint will be.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Moves the checkpoint there, and removes what was prepared. Committing again does nothing.
    ///
    /// # Errors
    /// As [`Checkpointer::checkpoint`], and [`CheckpointError::OutOfRange`] if the checkpoint was moved past it meanwhile.
    ///
    /// # Cancel safety
    /// A dropped call may or may not have moved the checkpoint; calling again is safe.
    pub async fn commit(&self) -> Result<(), CheckpointError> {
        let asked = Asked::Prepared(self.checkpoint.clone());
        self.checkpointer.ask(asked, Deed::Move).await.map(drop)
    }
}

/// What names a place in a shard: a [`Position`] or the record at it, or the [`SequenceNumber`] of a Kinesis record with all user
/// records in it. Not for others to implement.
pub trait AsPosition {
    /// The place.
    fn as_place(&self) -> Place;
}

/// What an [`AsPosition`] names.
#[derive(Debug, Clone)]
pub struct Place(pub(crate) Asked);

impl AsPosition for &Position {
    fn as_place(&self) -> Place {
        Place(Asked::At((*self).clone()))
    }
}

impl AsPosition for &ClientRecord {
    fn as_place(&self) -> Place {
        Place(Asked::At(self.position().clone()))
    }
}

impl AsPosition for &SequenceNumber {
    fn as_place(&self) -> Place {
        Place(Asked::Whole((*self).clone()))
    }
}
