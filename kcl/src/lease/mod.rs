//! A lease: one shard's row in the lease table, and who holds it. Pure.

pub(crate) mod crowd;
mod key;
pub mod observed;
pub mod renewal;
pub(crate) mod scan_pace;
mod stream_id;

use std::collections::BTreeSet;

use bytes::Bytes;
use kinesis_aggregation::{HashKeyRange, ShardId};

pub(crate) use self::key::{CLIENT_VERSION_KEY, HEARTBEAT_PREFIX, LEADER_KEY, TABLE_MIGRATION_KEY};
pub use self::key::{LeaseKey, WorkerId};
pub use self::stream_id::{StreamId, StreamIdError};
use crate::position::Checkpoint;

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
    /// `throughputKBps`: KiB/s delivered to the processor, smoothed. What the holder sets here goes into the row with
    /// each heartbeat and each checkpoint, in six decimals (KCL 3: with heartbeats alone, which its checkpoints do not put off).
    pub throughput_kbps: Option<f64>,
    /// `streamName`, which holds the whole identity; `None` in a single-stream application.
    pub stream: Option<StreamId>,
    /// `kinesisKitOwner`, ours: the worker of this crate that took the lease last. Other libraries do not touch it, so
    /// it tells of the present owner only when it names it; see [`owner_is_of_this_crate`](Self::owner_is_of_this_crate).
    pub kit_owner: Option<WorkerId>,
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
            stream: None,
            kit_owner: None,
        }
    }

    /// A lease of a multi-stream application that nobody has held yet.
    #[must_use]
    pub fn of_stream(stream: StreamId, shard: &ShardId, checkpoint: Checkpoint) -> Self {
        let key = LeaseKey::of_stream_shard(&stream, shard);
        Self {
            stream: Some(stream),
            ..Self::new(key, checkpoint)
        }
    }

    /// Whether the worker that processes the shard is known to be of this crate: it obeys hand-overs and passes over
    /// rows that are no leases, whatever the fleet's format.
    #[must_use]
    pub fn owner_is_of_this_crate(&self) -> bool {
        self.kit_owner.is_some() && self.kit_owner.as_ref() == self.actual_owner()
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
