//! A lease: one shard's row in the lease table, and who holds it. Pure.

pub mod observed;
pub mod renewal;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use kinesis_aggregation::{HashKeyRange, ShardId};

use crate::position::Checkpoint;

/// The key of a lease row (`leaseKey`): the shard id in a single-stream application. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey(Arc<str>);

impl LeaseKey {
    /// A key as stored.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Arc::from(key))
    }

    /// The key of a shard's lease in a single-stream application.
    #[must_use]
    pub fn of_shard(shard: &ShardId) -> Self {
        Self::new(shard.as_str())
    }

    /// The stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one worker, unique among the application's live workers (KCL: worker identifier).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// A worker id as stored in `leaseOwner`.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(Arc::from(id))
    }

    /// The stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One row of the lease table, as read. Which attribute holds what: see `store::dynamodb`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Lease {
    /// `leaseKey`.
    pub key: LeaseKey,
    /// `leaseOwner`; the *next* owner while a hand-over is pending. `None`: unassigned.
    pub owner: Option<WorkerId>,
    /// `checkpointOwner`: only while a hand-over is pending, the worker that still processes.
    pub checkpoint_owner: Option<WorkerId>,
    /// `leaseCounter`: optimistic lock and heartbeat.
    pub counter: u64,
    /// `checkpoint` and `checkpointSubSequenceNumber`.
    pub checkpoint: Checkpoint,
    /// `pendingCheckpoint…`, when a prepared checkpoint is stored.
    pub pending: Option<PendingCheckpoint>,
    /// `ownerSwitchesSinceCheckpoint`.
    pub owner_switches: u64,
    /// `parentShardId`, a set despite its name.
    pub parents: BTreeSet<ShardId>,
    /// `childShardIds`.
    pub children: BTreeSet<ShardId>,
    /// `startingHashKey` and `endingHashKey`; `None` on rows of old versions.
    pub hash_range: Option<HashKeyRange>,
    /// `throughputKBps`, written by KCL 3.
    pub throughput_kbps: Option<f64>,
}

/// A prepared (two-phase) checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCheckpoint {
    /// `pendingCheckpoint` and `pendingCheckpointSubSequenceNumber`.
    pub checkpoint: Checkpoint,
    /// `pendingCheckpointState`: the application's own bytes.
    pub state: Option<Bytes>,
}

impl Lease {
    /// A lease nobody has held yet.
    #[must_use]
    pub fn new(key: LeaseKey, checkpoint: Checkpoint) -> Self {
        Self {
            key,
            owner: None,
            checkpoint_owner: None,
            counter: 0,
            checkpoint,
            pending: None,
            owner_switches: 0,
            parents: BTreeSet::new(),
            children: BTreeSet::new(),
            hash_range: None,
            throughput_kbps: None,
        }
    }

    /// Who really processes the shard (KCL: actual owner): the checkpoint owner while a hand-over is
    /// pending, else the owner.
    #[must_use]
    pub fn actual_owner(&self) -> Option<&WorkerId> {
        self.checkpoint_owner.as_ref().or(self.owner.as_ref())
    }

    /// Whether the row asks its present holder to hand the shard over.
    #[must_use]
    pub fn hand_over_pending(&self) -> bool {
        self.checkpoint_owner.is_some()
    }

    /// Whether a take by `me` counts as a switch of owners (KCL: the rule for `ownerSwitchesSinceCheckpoint`).
    pub(crate) fn switches_to(&self, me: &WorkerId) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner != me) || self.checkpoint_owner.as_ref() == Some(me)
    }

    /// Whether the shard is finished.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.checkpoint == Checkpoint::ShardEnd
    }
}
