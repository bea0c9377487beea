//! The tables in memory, with the same conditions as in DynamoDB: for tests, examples and trials.

mod fleet;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use kinesis_aggregation::{HashKeyRange, ShardId};

use self::fleet::Beside;
use super::refusal::{self, RefusedCheckpoint, RefusedRelease};
use super::{CheckpointUpdate, LeaseStore, Listing, Renewal};
use crate::error::StoreError;
use crate::lease::{Lease, LeaseKey, WorkerId};

/// A lease table inside this process. Clones share it, so several workers of one process can share leases.
///
/// Nothing is kept when the last clone is dropped.
#[derive(Debug, Clone, Default)]
pub struct MemoryLeaseStore {
    tables: Arc<Mutex<Tables>>,
}

type Rows = BTreeMap<LeaseKey, Lease>;

#[derive(Debug, Default)]
struct Tables {
    leases: Rows,
    /// Rows beside the leases in the lease table.
    beside: Beside,
    /// The separate tables of KCL 3.0 to 3.4, when there are any.
    separate: Option<Beside>,
    indexed: bool,
}

impl MemoryLeaseStore {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // A leaf lock: held for one synchronous step, never across an await.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step on the table, done when the future is first polled.
    fn step<'a, T: Send + 'a>(
        &'a self,
        step: impl FnOnce(&mut Rows) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        async move { Ok(step(&mut self.tables().leases)) }.boxed()
    }
}

impl LeaseStore for MemoryLeaseStore {
    fn prepare(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.step(|_| ())
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing, StoreError>> {
        self.step(|rows| Listing {
            leases: rows.values().cloned().collect(),
            skipped: Vec::new(),
        })
    }

    fn get<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<Option<Lease>, StoreError>> {
        self.step(|rows| rows.get(key).cloned())
    }

    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.step(|rows| {
            let absent = !rows.contains_key(&lease.key);
            if absent {
                rows.insert(lease.key.clone(), lease.clone());
            }
            absent
        })
    }

    fn list_owned<'a>(
        &'a self,
        worker: &'a WorkerId,
        known: &'a HashSet<LeaseKey>,
    ) -> BoxFuture<'a, Result<Option<Vec<Lease>>, StoreError>> {
        async move {
            let tables = self.tables();
            let news = |lease: &&Lease| {
                lease.owner.as_ref() == Some(worker)
                    && !lease.hand_over_pending()
                    && !known.contains(&lease.key)
            };
            let find = || tables.leases.values().filter(news).cloned().collect();
            Ok(tables.indexed.then(find))
        }
        .boxed()
    }

    fn renew<'a>(&'a self, held: &'a Lease) -> BoxFuture<'a, Result<Renewal, StoreError>> {
        self.step(|rows| match rows.get_mut(&held.key) {
            Some(row)
                if row.counter == held.counter && (held.hand_over_pending() || !row.hand_over_pending()) =>
            {
                row.counter += 1;
                row.throughput_kbps = held.throughput_kbps.or(row.throughput_kbps);
                Renewal::Held(Lease {
                    counter: row.counter,
                    ..held.clone()
                })
            }
            row => refusal::of_renewal(held, row.cloned()),
        })
    }

    fn take<'a>(
        &'a self,
        observed: &'a Lease,
        me: &'a WorkerId,
    ) -> BoxFuture<'a, Result<Option<Lease>, StoreError>> {
        self.step(|rows| match rows.get_mut(&observed.key) {
            Some(row) if row.counter == observed.counter => {
                row.owner_switches += u64::from(observed.switches_to(me));
                row.owner = Some(me.clone());
                row.kit_owner = Some(me.clone());
                row.checkpoint_owner = None;
                row.counter += 1;
                Some(row.clone())
            }
            row => refusal::of_take(observed, me, row.cloned()),
        })
    }

    fn assign<'a>(
        &'a self,
        observed: &'a Lease,
        next: &'a WorkerId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.step(|rows| give_to(rows, observed, next))
    }

    fn request_hand_over<'a>(
        &'a self,
        observed: &'a Lease,
        next: &'a WorkerId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.step(|rows| match (rows.get_mut(&observed.key), &observed.owner) {
            (Some(row), Some(owner)) if row.owner.as_ref() == Some(owner) && !row.hand_over_pending() => {
                row.checkpoint_owner = row.owner.replace(next.clone());
                true
            }
            (row, Some(_)) => refusal::of_hand_over_request(observed, next, row.as_deref()),
            (_, None) => false,
        })
    }

    fn complete_hand_over<'a>(&'a self, held: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.step(|rows| complete(rows, held))
    }

    fn release<'a>(&'a self, held: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.step(|rows| match rows.get_mut(&held.key) {
            Some(row) if same_owners(row, held) => {
                if row.checkpoint_owner.take().is_none() {
                    row.owner = None;
                }
                row.counter += 1;
                true
            }
            row => match refusal::of_release(held, row.cloned()) {
                RefusedRelease::Answer(answer) => answer,
                RefusedRelease::HandOver(row) => complete(rows, &row),
            },
        })
    }

    fn checkpoint<'a>(
        &'a self,
        held: &'a Lease,
        update: &'a CheckpointUpdate,
    ) -> BoxFuture<'a, Result<Renewal, StoreError>> {
        self.step(|rows| match rows.get_mut(&held.key) {
            Some(row) if row.counter == held.counter => {
                row.throughput_kbps = held.throughput_kbps.or(row.throughput_kbps);
                Renewal::Held(write_checkpoint(row, update))
            }
            row => match refusal::of_checkpoint(held, update, row.as_deref().cloned()) {
                RefusedCheckpoint::Answer(answer) => answer,
                RefusedCheckpoint::Again(_) => match row {
                    Some(row) => Renewal::Held(write_checkpoint(row, update)),
                    None => Renewal::Lost(None),
                },
            },
        })
    }

    fn set_children<'a>(
        &'a self,
        key: &'a LeaseKey,
        children: &'a [ShardId],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.step(|rows| {
            if let Some(row) = rows.get_mut(key) {
                row.children.extend(children.iter().cloned());
            }
        })
    }

    fn set_hash_range<'a>(
        &'a self,
        key: &'a LeaseKey,
        range: &'a HashKeyRange,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.step(|rows| {
            if let Some(row) = rows.get_mut(key).filter(|_| range.start() < range.end()) {
                row.hash_range = Some(*range);
            }
        })
    }

    fn delete<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.step(|rows| rows.remove(key).is_some())
    }
}

fn complete(rows: &mut Rows, held: &Lease) -> bool {
    let next = held.owner.as_ref().filter(|_| held.hand_over_pending());
    next.is_some_and(|next| give_to(rows, held, next))
}

fn give_to(rows: &mut Rows, observed: &Lease, next: &WorkerId) -> bool {
    match rows.get_mut(&observed.key) {
        Some(row) if same_owners(row, observed) => {
            row.owner_switches += u64::from(observed.switches_to(next));
            row.owner = Some(next.clone());
            row.checkpoint_owner = None;
            row.counter += 1;
            true
        }
        row => refusal::of_assignment(observed, next, row.as_deref()),
    }
}

fn write_checkpoint(row: &mut Lease, update: &CheckpointUpdate) -> Lease {
    if update.pending.is_none() {
        row.owner_switches = 0;
    }
    row.checkpoint = update.checkpoint.clone();
    row.pending = update.pending.clone();
    row.counter += 1;
    row.clone()
}

fn same_owners(row: &Lease, held: &Lease) -> bool {
    row.owner == held.owner && row.checkpoint_owner == held.checkpoint_owner
}

#[cfg(test)]
mod tests {
    use super::MemoryLeaseStore;
    use crate::store::conformance;

    #[tokio::test]
    async fn keeps_the_promises_of_every_store() {
        conformance::run(|| async { MemoryLeaseStore::new() }).await;
    }
}
