//! Where leases live, and the fleet's own rows beside them. Conditions are stated as outcomes; a lost condition is an answer, not an error.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod dynamodb;
#[cfg(test)]
pub(crate) mod every_method;
mod fleet;
pub mod memory;
mod refusal;

use std::collections::HashSet;

use futures::future::BoxFuture;

pub use self::fleet::{Contents, FleetStore, RetireIf};
use crate::error::StoreError;
use crate::lease::{Lease, LeaseKey, PendingCheckpoint, WorkerId};
use crate::position::Checkpoint;
use kinesis_aggregation::{HashKeyRange, ShardId};

/// The table of leases (KCL: `LeaseRefresher`). Conditions are those of KCL's rows, so that Java workers and
/// ours may share one table.
///
/// # Cancel safety
/// A dropped call may or may not have been applied. Every write is conditional, so that repeating it is safe.
pub trait LeaseStore: FleetStore {
    /// Creates what is missing and waits until it can be used.
    fn prepare(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Every lease of the table; rows that cannot be read are reported, not fatal.
    fn list(&self) -> BoxFuture<'_, Result<Listing, StoreError>>;

    /// One lease, read consistently. A row that is there and cannot be read is [`StoreError::Row`].
    fn get<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<Option<Lease>, StoreError>>;

    /// Writes a new lease unless the key is there already. `true`: written.
    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The leases whose row names `worker` as the owner, by the index of owners; without those of `known`, and without those that
    /// are still being handed over to it (KCL: lease discovery). Each row is read itself, whatever the index said. `None`:
    /// there is no index to ask, and only [`list`](Self::list) would tell.
    fn list_owned<'a>(
        &'a self,
        worker: &'a WorkerId,
        known: &'a HashSet<LeaseKey>,
    ) -> BoxFuture<'a, Result<Option<Vec<Lease>>, StoreError>>;

    /// Heartbeat of a held lease: counter + 1 if the counter is still ours and no hand-over was asked for.
    ///
    /// `held` is the lease as its holder knows it; its throughput, when known, is written too. Once the holder knows of the hand-over
    /// (`held.checkpoint_owner` is set) only the counter is compared. A reply that was lost is recovered by
    /// reading the row.
    fn renew<'a>(&'a self, held: &'a Lease) -> BoxFuture<'a, Result<Renewal, StoreError>>;

    /// Takes a lease whose counter is still the one observed; clears a pending hand-over. `None`: lost the race.
    fn take<'a>(
        &'a self,
        observed: &'a Lease,
        me: &'a WorkerId,
    ) -> BoxFuture<'a, Result<Option<Lease>, StoreError>>;

    /// Gives the lease to `next`, if both owners are still as observed; clears a pending hand-over, counter + 1 (KCL:
    /// assign). For a leader: not conditioned on the counter, so that a busy owner cannot starve it. `true`: written.
    fn assign<'a>(
        &'a self,
        observed: &'a Lease,
        next: &'a WorkerId,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Asks the owner to hand the lease to `next` (KCL: graceful handoff): sets owner = next and
    /// checkpoint owner = old owner, counter untouched, if the owner is as observed and no hand-over is pending.
    /// `true`: written.
    fn request_hand_over<'a>(
        &'a self,
        observed: &'a Lease,
        next: &'a WorkerId,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Ends a hand-over: clears the checkpoint owner, counter + 1, if both owners are as observed
    /// (KCL: assign). `true`: written.
    fn complete_hand_over<'a>(&'a self, held: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Gives the lease up: removes the owner, counter + 1, if both owners are as held (KCL: evict).
    /// With a hand-over pending it completes the hand-over instead. `true`: written.
    fn release<'a>(&'a self, held: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Moves the checkpoint if the counter is still ours; counts as a heartbeat, so the throughput of `held`, when known, is
    /// written here too. A lost reply is recovered.
    fn checkpoint<'a>(
        &'a self,
        held: &'a Lease,
        update: &'a CheckpointUpdate,
    ) -> BoxFuture<'a, Result<Renewal, StoreError>>;

    /// Records the children of a shard; neither counter nor owner is touched.
    fn set_children<'a>(
        &'a self,
        key: &'a LeaseKey,
        children: &'a [ShardId],
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Records the hash range of a shard whose row has none; neither counter nor owner is touched. A range of one key
    /// is not written, because KCL could not read it.
    fn set_hash_range<'a>(
        &'a self,
        key: &'a LeaseKey,
        range: &'a HashKeyRange,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Removes a row. No condition. `true`: it was there, so that of several who remove it one is told so; `false` also where the
    /// reply to a first attempt was lost.
    fn delete<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// What [`LeaseStore::list`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// The rows that are leases.
    pub leases: Vec<Lease>,
    /// Rows that look like leases and cannot be read.
    pub skipped: Vec<SkippedRow>,
}

impl Listing {
    /// The same leases, none of which waits for another one.
    pub(crate) fn without_parents(&self) -> Self {
        let mut listing = self.clone();
        for lease in &mut listing.leases {
            lease.parents.clear();
        }
        listing
    }
}

/// A row of the lease table that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedRow {
    /// Its key, when it has one.
    pub key: Option<LeaseKey>,
    /// The attribute at fault.
    pub attribute: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// The answer to a heartbeat or a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub enum Renewal {
    /// Still ours: the lease as it now is (new counter, new checkpoint).
    Held(Lease),
    /// Still ours: the write was refused because it had happened already, and its reply was lost. The lease as it now is. Again
    /// and again, it is a sign of another worker with the same id.
    Recovered(Lease),
    /// Still ours, nothing written: somebody asks for the shard. The lease as it now is; renew with it.
    HandOverRequested(Lease),
    /// Not ours any more. The row as it is, if there is one.
    Lost(Option<Lease>),
}

/// A checkpoint to write.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointUpdate {
    /// The new checkpoint; unchanged when only a prepared one is written.
    pub checkpoint: Checkpoint,
    /// The prepared checkpoint to store; `None` removes one that is there.
    pub pending: Option<PendingCheckpoint>,
}
