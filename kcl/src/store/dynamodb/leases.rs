//! The operations on lease rows: one conditional request each, and what its refusal means.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use kinesis_aggregation::ShardId;

use super::attributes::{self as row, Item, number, text};
use super::errors::Call;
use super::update::Update;
use super::{DynamoDbLeaseStore, ScanConsistency};
use crate::error::StoreError;
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::store::refusal::{self, RefusedCheckpoint, RefusedRelease};
use crate::store::{CheckpointUpdate, Listing, Renewal, SkippedRow};

/// What became of a conditional write.
enum Written {
    /// Done. The row after it, when it was asked for.
    Done(Option<Item>),
    /// The condition did not hold. The row at that moment, if there is one.
    Refused(Option<Box<Lease>>),
}

/// Whether the row after a write is wanted.
#[derive(Clone, Copy)]
enum Answer {
    Nothing,
    Row,
}

impl DynamoDbLeaseStore {
    pub(super) async fn scan_all(&self) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        let mut start = None;
        loop {
            let page = self
                .client
                .scan()
                .table_name(&self.table)
                .consistent_read(self.scan == ScanConsistency::Strong)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|error| self.call("Scan").failed(error))?;
            for item in page.items() {
                match row::decode(item) {
                    Ok(Some(lease)) => listing.leases.push(lease),
                    Ok(None) => {}
                    Err(skipped) => listing.skipped.push(skipped),
                }
            }
            match page.last_evaluated_key {
                // A page may be empty and still not be the last.
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(listing),
            }
        }
    }

    pub(super) async fn read(&self, key: &LeaseKey) -> Result<Option<Lease>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(row::LEASE_KEY, text(key.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| self.call("GetItem").failed(error))?;
        readable(key, answer.item())
    }

    pub(super) async fn put_new(&self, lease: &Lease) -> Result<bool, StoreError> {
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row::encode(lease)))
            .condition_expression("attribute_not_exists(#leaseKey)")
            .expression_attribute_names("#leaseKey", row::LEASE_KEY)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(answer))
                if matches!(answer.err(), PutItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(false)
            }
            Err(error) => Err(self.call("PutItem").failed(error)),
        }
    }

    pub(super) async fn beat(&self, held: &Lease) -> Result<Renewal, StoreError> {
        let mut update = Update::of(&held.key)
            .set(row::LEASE_COUNTER, number(held.counter + 1))
            .if_equal(row::LEASE_COUNTER, number(held.counter));
        if !held.hand_over_pending() {
            // The start of a hand-over leaves the counter alone, so this clause is how we learn of it.
            update = update.if_absent(row::CHECKPOINT_OWNER);
        }
        Ok(match self.write(update, Answer::Nothing).await? {
            Written::Done(_) => Renewal::Held(Lease {
                counter: held.counter + 1,
                ..held.clone()
            }),
            Written::Refused(row) => refusal::of_renewal(held, row.map(|row| *row)),
        })
    }

    pub(super) async fn take_over(
        &self,
        observed: &Lease,
        me: &WorkerId,
    ) -> Result<Option<Lease>, StoreError> {
        let mut update = Update::of(&observed.key)
            .set(row::LEASE_OWNER, text(me.as_str()))
            .set(row::LEASE_COUNTER, number(observed.counter + 1))
            .remove(row::CHECKPOINT_OWNER)
            .if_equal(row::LEASE_COUNTER, number(observed.counter));
        if observed.switches_to(me) {
            update = update.add_one(row::OWNER_SWITCHES);
        }
        match self.write(update, Answer::Row).await? {
            Written::Done(item) => readable(&observed.key, item.as_ref()),
            Written::Refused(row) => Ok(refusal::of_take(observed, me, row.map(|row| *row))),
        }
    }

    pub(super) async fn ask_for(&self, observed: &Lease, next: &WorkerId) -> Result<bool, StoreError> {
        let Some(owner) = &observed.owner else {
            return Ok(false);
        };
        // The counter stays, so that only this clause of the holder's next heartbeat fails: it learns and goes on.
        let update = Update::of(&observed.key)
            .set(row::LEASE_OWNER, text(next.as_str()))
            .set(row::CHECKPOINT_OWNER, text(owner.as_str()))
            .if_exists()
            .if_equal(row::LEASE_OWNER, text(owner.as_str()))
            .if_absent(row::CHECKPOINT_OWNER);
        Ok(match self.write(update, Answer::Nothing).await? {
            Written::Done(_) => true,
            Written::Refused(row) => refusal::of_hand_over_request(observed, next, row.as_deref()),
        })
    }

    pub(super) async fn hand_over(&self, held: &Lease) -> Result<bool, StoreError> {
        let Some(next) = held.owner.as_ref().filter(|_| held.hand_over_pending()) else {
            return Ok(false);
        };
        // Not conditioned on the counter: a heartbeat under way must not stop the transfer, and the new counter
        // makes the old holder's next write fail.
        let mut update = Update::of(&held.key)
            .set(row::LEASE_OWNER, text(next.as_str()))
            .remove(row::CHECKPOINT_OWNER)
            .add_one(row::LEASE_COUNTER)
            .if_exists();
        if held.switches_to(next) {
            update = update.add_one(row::OWNER_SWITCHES);
        }
        Ok(
            match self.write(if_owners_as_in(held, update), Answer::Nothing).await? {
                Written::Done(_) => true,
                Written::Refused(row) => refusal::of_completion(held, row.as_deref()),
            },
        )
    }

    pub(super) async fn give_up(&self, held: &Lease) -> Result<bool, StoreError> {
        let mut update = Update::of(&held.key)
            .remove(row::CHECKPOINT_OWNER)
            .add_one(row::LEASE_COUNTER)
            .if_exists();
        if !held.hand_over_pending() {
            update = update.remove(row::LEASE_OWNER);
        }
        match self.write(if_owners_as_in(held, update), Answer::Nothing).await? {
            Written::Done(_) => Ok(true),
            Written::Refused(row) => match refusal::of_release(held, row.map(|row| *row)) {
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
        match self.write(checkpoint_update(held, update), Answer::Row).await? {
            Written::Done(item) => {
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
            Written::Refused(row) => Ok(refusal::of_checkpoint(held, update, row.map(|row| *row))),
        }
    }

    pub(super) async fn add_children(&self, key: &LeaseKey, children: &[ShardId]) -> Result<(), StoreError> {
        if children.is_empty() {
            return Ok(());
        }
        // Children are only ever added. Without the row there is nothing to record, and none must be made.
        let update = Update::of(key)
            .add(row::CHILDREN, row::shard_ids(children))
            .if_exists();
        self.write(update, Answer::Nothing).await.map(drop)
    }

    pub(super) async fn remove(&self, key: &LeaseKey) -> Result<(), StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(row::LEASE_KEY, text(key.as_str()));
        request
            .send()
            .await
            .map(drop)
            .map_err(|error| self.call("DeleteItem").failed(error))
    }

    async fn write(&self, update: Update<'_>, wanted: Answer) -> Result<Written, StoreError> {
        let key = update.key;
        let expressions = update.finish();
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(row::LEASE_KEY, text(key.as_str()))
            .update_expression(expressions.update)
            .condition_expression(expressions.condition)
            .set_expression_attribute_names(Some(expressions.names))
            .set_expression_attribute_values(expressions.values)
            .return_values(match wanted {
                Answer::Nothing => ReturnValue::None,
                Answer::Row => ReturnValue::AllNew,
            })
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match answer {
            Ok(answer) => return Ok(Written::Done(answer.attributes)),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => match refused.item() {
                Some(item) if !item.is_empty() => {
                    Ok(Written::Refused(readable(key, Some(item))?.map(Box::new)))
                }
                // Absent, or an endpoint that does not return it.
                _ => Ok(Written::Refused(self.read(key).await?.map(Box::new))),
            },
            _ => Err(self.call("UpdateItem").failed(error)),
        }
    }

    pub(super) fn call(&self, operation: &'static str) -> Call<'_> {
        Call {
            operation,
            table: &self.table,
        }
    }
}

fn if_owners_as_in<'a>(held: &Lease, update: Update<'a>) -> Update<'a> {
    let stored = |worker: &Option<WorkerId>| worker.as_ref().map(|worker| text(worker.as_str()));
    update
        .if_as_read(row::LEASE_OWNER, stored(&held.owner))
        .if_as_read(row::CHECKPOINT_OWNER, stored(&held.checkpoint_owner))
}

fn checkpoint_update<'a>(held: &'a Lease, update: &CheckpointUpdate) -> Update<'a> {
    let mut request = Update::of(&held.key)
        .set(row::LEASE_COUNTER, number(held.counter + 1))
        .set(row::CHECKPOINT, text(update.checkpoint.as_str()))
        .set(
            row::CHECKPOINT_SUB,
            number(update.checkpoint.sub_sequence_number()),
        )
        .if_equal(row::LEASE_COUNTER, number(held.counter));
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
        Some(state) => request.set(row::PENDING_STATE, row::bytes(state)),
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
