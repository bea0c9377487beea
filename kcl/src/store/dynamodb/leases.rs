//! The operations on lease rows: one conditional request each, and what its refusal means.

use kinesis_aggregation::{HashKeyRange, ShardId};

use super::DynamoDbLeaseStore;
use super::request::{Answer, Written};
use super::row::lease as row;
use super::row::value::{Item, bytes, decimal, number, shard_ids, text};
use super::update::Update;
use crate::error::StoreError;
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::store::refusal::{self, RefusedCheckpoint, RefusedRelease};
use crate::store::{CheckpointUpdate, Renewal, SkippedRow};

impl DynamoDbLeaseStore {
    pub(super) async fn read(&self, key: &LeaseKey) -> Result<Option<Lease>, StoreError> {
        let item = self.read_row(self.names.lease_row(key.as_str())).await?;
        readable(key, item.as_ref())
    }

    pub(super) async fn put_new(&self, lease: &Lease) -> Result<bool, StoreError> {
        let written = self
            .put_row(row::encode(lease), self.of(&lease.key).if_new())
            .await?;
        Ok(matches!(written, Written::Done(_)))
    }

    pub(super) async fn beat(&self, held: &Lease) -> Result<Renewal, StoreError> {
        let mut update = self
            .of(&held.key)
            .set(row::LEASE_COUNTER, number(held.counter + 1))
            .if_equal(row::LEASE_COUNTER, number(held.counter));
        if let Some(measured) = held.throughput_kbps.and_then(decimal) {
            update = update.set(row::THROUGHPUT, measured);
        }
        if !held.hand_over_pending() {
            // The start of a hand-over leaves the counter alone, so this clause is how we learn of it.
            update = update.if_absent(row::CHECKPOINT_OWNER);
        }
        Ok(match self.write(update, Answer::Nothing).await? {
            LeaseWritten::Done(_) => Renewal::Held(Lease {
                counter: held.counter + 1,
                ..held.clone()
            }),
            LeaseWritten::Refused(row) => refusal::of_renewal(held, row.map(|row| *row)),
        })
    }

    pub(super) async fn take_over(
        &self,
        observed: &Lease,
        me: &WorkerId,
    ) -> Result<Option<Lease>, StoreError> {
        let mut update = self
            .of(&observed.key)
            .set(row::LEASE_OWNER, text(me.as_str()))
            .set(row::LEASE_COUNTER, number(observed.counter + 1))
            .set(row::KIT_OWNER, text(me.as_str()))
            .remove(row::CHECKPOINT_OWNER)
            .if_equal(row::LEASE_COUNTER, number(observed.counter));
        if observed.switches_to(me) {
            update = update.add_one(row::OWNER_SWITCHES);
        }
        match self.write(update, Answer::Row).await? {
            LeaseWritten::Done(item) => readable(&observed.key, item.as_ref()),
            LeaseWritten::Refused(row) => Ok(refusal::of_take(observed, me, row.map(|row| *row))),
        }
    }

    pub(super) async fn ask_for(&self, observed: &Lease, next: &WorkerId) -> Result<bool, StoreError> {
        let Some(owner) = &observed.owner else {
            return Ok(false);
        };
        // The counter stays, so that only this clause of the holder's next heartbeat fails: it learns and goes on.
        let update = self
            .of(&observed.key)
            .set(row::LEASE_OWNER, text(next.as_str()))
            .set(row::CHECKPOINT_OWNER, text(owner.as_str()))
            .if_exists()
            .if_equal(row::LEASE_OWNER, text(owner.as_str()))
            .if_absent(row::CHECKPOINT_OWNER);
        Ok(match self.write(update, Answer::Nothing).await? {
            LeaseWritten::Done(_) => true,
            LeaseWritten::Refused(row) => refusal::of_hand_over_request(observed, next, row.as_deref()),
        })
    }

    pub(super) async fn hand_over(&self, held: &Lease) -> Result<bool, StoreError> {
        match held.owner.as_ref().filter(|_| held.hand_over_pending()) {
            Some(next) => self.give_to(held, next).await,
            None => Ok(false),
        }
    }

    pub(super) async fn give_to(&self, observed: &Lease, next: &WorkerId) -> Result<bool, StoreError> {
        // Not conditioned on the counter: a heartbeat under way must not stop the transfer, and the new counter
        // makes the old holder's next write fail.
        let mut update = self
            .of(&observed.key)
            .set(row::LEASE_OWNER, text(next.as_str()))
            .remove(row::CHECKPOINT_OWNER)
            .add_one(row::LEASE_COUNTER)
            .if_exists();
        if observed.switches_to(next) {
            update = update.add_one(row::OWNER_SWITCHES);
        }
        Ok(
            match self
                .write(if_owners_as_in(observed, update), Answer::Nothing)
                .await?
            {
                LeaseWritten::Done(_) => true,
                LeaseWritten::Refused(row) => refusal::of_assignment(observed, next, row.as_deref()),
            },
        )
    }

    pub(super) async fn give_up(&self, held: &Lease) -> Result<bool, StoreError> {
        let mut update = self
            .of(&held.key)
            .remove(row::CHECKPOINT_OWNER)
            .add_one(row::LEASE_COUNTER)
            .if_exists();
        if !held.hand_over_pending() {
            update = update.remove(row::LEASE_OWNER);
        }
        match self.write(if_owners_as_in(held, update), Answer::Nothing).await? {
            LeaseWritten::Done(_) => Ok(true),
            LeaseWritten::Refused(row) => match refusal::of_release(held, row.map(|row| *row)) {
                RefusedRelease::Answer(answer) => Ok(answer),
                RefusedRelease::HandOver(row) => self.hand_over(&row).await,
            },
        }
    }

    pub(super) async fn move_checkpoint(
        &self,
        held: &Lease,
        update: &CheckpointUpdate,
    ) -> Result<Renewal, StoreError> {
        let again = match self.try_checkpoint(held, update).await? {
            RefusedCheckpoint::Answer(answer) => return Ok(answer),
            RefusedCheckpoint::Again(row) => row,
        };
        match self.try_checkpoint(&again, update).await? {
            RefusedCheckpoint::Answer(answer) => Ok(answer),
            // Ours by name, and yet somebody else writes: a second worker with our id.
            RefusedCheckpoint::Again(row) => Ok(Renewal::Lost(Some(row))),
        }
    }

    async fn try_checkpoint(
        &self,
        held: &Lease,
        update: &CheckpointUpdate,
    ) -> Result<RefusedCheckpoint, StoreError> {
        match self
            .write(checkpoint_update(self.of(&held.key), held, update), Answer::Row)
            .await?
        {
            LeaseWritten::Done(item) => {
                // The row also tells of a hand-over that was asked for meanwhile. It could be read before this
                // write; should that have changed, what we know of it is good enough.
                let row = readable(&held.key, item.as_ref()).ok().flatten();
                let row = row.unwrap_or_else(|| Lease {
                    counter: held.counter + 1,
                    checkpoint: update.checkpoint.clone(),
                    pending: update.pending.clone(),
                    ..held.clone()
                });
                Ok(RefusedCheckpoint::Answer(Renewal::Held(row)))
            }
            LeaseWritten::Refused(row) => Ok(refusal::of_checkpoint(held, update, row.map(|row| *row))),
        }
    }

    pub(super) async fn add_children(&self, key: &LeaseKey, children: &[ShardId]) -> Result<(), StoreError> {
        if children.is_empty() {
            return Ok(());
        }
        // Children are only ever added. Without the row there is nothing to record, and none must be made.
        let update = self.of(key).add(row::CHILDREN, shard_ids(children)).if_exists();
        self.write(update, Answer::Nothing).await.map(drop)
    }

    pub(super) async fn fill_in_range(&self, key: &LeaseKey, range: &HashKeyRange) -> Result<(), StoreError> {
        if range.start() >= range.end() {
            return Ok(());
        }
        let update = self
            .of(key)
            .set(row::STARTING_HASH_KEY, text(&range.start().to_string()))
            .set(row::ENDING_HASH_KEY, text(&range.end().to_string()))
            .if_exists();
        self.write(update, Answer::Nothing).await.map(drop)
    }

    pub(super) async fn remove(&self, key: &LeaseKey) -> Result<bool, StoreError> {
        self.delete_row(self.names.lease_row(key.as_str())).await
    }

    fn of<'a>(&'a self, key: &'a LeaseKey) -> Update<'a> {
        Update::of(self.names.lease_row(key.as_str()))
    }

    async fn write(&self, update: Update<'_>, wanted: Answer) -> Result<LeaseWritten, StoreError> {
        let key = LeaseKey::new(update.row.key);
        Ok(match self.update_row(update, wanted).await? {
            Written::Done(item) => LeaseWritten::Done(item),
            Written::Refused(item) => LeaseWritten::Refused(readable(&key, item.as_ref())?.map(Box::new)),
        })
    }
}

/// What became of a conditional write on a lease.
enum LeaseWritten {
    Done(Option<Item>),
    Refused(Option<Box<Lease>>),
}

fn if_owners_as_in<'a>(held: &Lease, update: Update<'a>) -> Update<'a> {
    let stored = |worker: &Option<WorkerId>| worker.as_ref().map(|worker| text(worker.as_str()));
    update
        .if_as_read(row::LEASE_OWNER, stored(&held.owner))
        .if_as_read(row::CHECKPOINT_OWNER, stored(&held.checkpoint_owner))
}

fn checkpoint_update<'a>(row: Update<'a>, held: &Lease, update: &CheckpointUpdate) -> Update<'a> {
    let mut request = row
        .set(row::LEASE_COUNTER, number(held.counter + 1))
        .set(row::CHECKPOINT, text(update.checkpoint.as_str()))
        .set(
            row::CHECKPOINT_SUB,
            number(update.checkpoint.sub_sequence_number()),
        )
        .if_equal(row::LEASE_COUNTER, number(held.counter));
    if let Some(measured) = held.throughput_kbps.and_then(decimal) {
        // A lease that is checkpointed often needs no heartbeat that would tell.
        request = request.set(row::THROUGHPUT, measured);
    }
    let state = match &update.pending {
        Some(pending) => {
            request = request
                .set(row::PENDING, text(pending.checkpoint.as_str()))
                .set(row::PENDING_SUB, number(pending.checkpoint.sub_sequence_number()));
            pending.state.as_ref()
        }
        None => {
            request = request
                .set(row::OWNER_SWITCHES, number(0))
                .remove(row::PENDING)
                .remove(row::PENDING_SUB);
            None
        }
    };
    match state {
        Some(state) => request.set(row::PENDING_STATE, bytes(state)),
        None => request.remove(row::PENDING_STATE),
    }
}

/// A row that must be a lease when it is there.
fn readable(key: &LeaseKey, item: Option<&Item>) -> Result<Option<Lease>, StoreError> {
    let Some(item) = item else { return Ok(None) };
    match row::decode(item) {
        Ok(lease) => Ok(lease),
        Err(SkippedRow {
            attribute, reason, ..
        }) => Err(StoreError::Row {
            key: key.clone(),
            attribute,
            reason,
        }),
    }
}
