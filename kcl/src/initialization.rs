//! What a processor is told before its first record, and what it may answer.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::lease::{Lease, PendingCheckpoint};
use crate::position::{Checkpoint, Position};
use crate::stream::ShardContext;

/// Where a processor starts (KCL: `InitializationInput`).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Initialization<'a> {
    pub(crate) shard: &'a ShardContext,
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) pending: Option<&'a PendingCheckpoint>,
    pub(crate) token: FencingToken,
    pub(crate) choice: &'a Choice,
}

impl<'a> Initialization<'a> {
    /// The shard.
    #[must_use]
    pub fn shard(&self) -> &'a ShardContext {
        self.shard
    }

    /// What the lease remembers: the first record to come is the one after it, unless [`start_after`](Self::start_after) says
    /// otherwise.
    #[must_use]
    pub fn checkpoint(&self) -> &'a Checkpoint {
        self.checkpoint
    }

    /// A checkpoint that was prepared and never completed, if the table holds one.
    #[must_use]
    pub fn pending(&self) -> Option<&'a PendingCheckpoint> {
        self.pending
    }

    /// The number of this tenure of the shard.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.token
    }

    /// Starts after this record, whatever the checkpoint says: for a processor that stores positions together with its effects, in
    /// its own transaction. The last call counts; a call from an `initialize` that fails does not.
    ///
    /// It may be before the checkpoint or after it. Checkpoints keep to their rule and never go back, so none can be written until
    /// the records come past the last one; with [`CheckpointPolicy::Never`](crate::CheckpointPolicy::Never) none are.
    pub fn start_after(&self, position: Position) {
        self.choice.set(position);
    }
}

/// Where a processor wants to start.
#[derive(Debug, Default)]
pub(crate) struct Choice(Mutex<Option<Position>>);

impl Choice {
    fn set(&self, position: Position) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
    }

    pub(crate) fn take(&self) -> Option<Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The number of one tenure of a shard: greater than that of every earlier one, on whichever worker it was.
///
/// A worker that stood still may wake up after its shard went to another one, and write once more to a database that knows nothing
/// of leases. So let the database know: store the token when the tenure begins, refuse it if a greater one is there, and make every
/// write conditional on it. The late writer is refused, and effects that are stored in the same transaction as their position
/// happen exactly once.
///
/// It is the lease's counter as it was when the shard was taken. A lease table that was deleted begins anew: then delete the stored
/// tokens too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(u64);

impl FencingToken {
    pub(crate) fn of(lease: &Lease) -> Self {
        Self(lease.counter)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
