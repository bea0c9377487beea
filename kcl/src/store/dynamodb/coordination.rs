//! Who leads, and what the fleet agreed on.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem, Update as UpdateAction};

use super::DynamoDbLeaseStore;
use super::names::Row;
use super::request::{Answer, Written, call};
use super::row::value::{Fault, Item, number, text};
use super::row::{COORDINATOR_KEY, LEASE_KEY, leader, state, stream};
use super::update::Update;
use crate::error::StoreError;
use crate::fleet::{Home, LeaderRow, StateKind, StateRow};
use crate::leader::lock::Over;
use crate::lease::{LEADER_KEY, LeaseKey, StreamId, TABLE_MIGRATION_KEY};

impl DynamoDbLeaseStore {
    pub(super) async fn read_leader(&self, home: Home) -> Result<Option<LeaderRow>, StoreError> {
        let row = self.leader_row(home);
        let item = self.read_row(row).await?;
        item.map(|item| leader::decode(&item).map_err(|fault| unreadable(row, fault)))
            .transpose()
    }

    pub(super) async fn put_leader(
        &self,
        home: Home,
        over: &Over,
        mine: &LeaderRow,
    ) -> Result<bool, StoreError> {
        let row = self.leader_row(home);
        let condition = match over {
            Over::Nothing => Update::of(row).if_new(),
            Over::Released => Update::of(row)
                .if_exists()
                .if_equal(leader::RELEASED, text(leader::RELEASED_VALUE)),
            Over::Version(version) => Update::of(row)
                .if_exists()
                .if_equal(leader::VERSION, text(version)),
        };
        let written = self
            .put_row(leader::encode(mine, row.key_name), condition)
            .await?;
        Ok(written.happened(|item| is_leader(item.as_ref(), mine)))
    }

    pub(super) async fn beat_as_leader(
        &self,
        home: Home,
        held: &LeaderRow,
        next: &LeaderRow,
    ) -> Result<bool, StoreError> {
        let update = self
            .if_leader(home, held)
            .set(leader::DURATION, text(&leader::duration(next)))
            .set(leader::VERSION, text(&next.version));
        let written = self.update_row(update, Answer::Nothing).await?;
        Ok(written.happened(|item| is_leader(item.as_ref(), next)))
    }

    pub(super) async fn delete_leader(&self, home: Home, held: &LeaderRow) -> Result<bool, StoreError> {
        // Without the row there is nothing to give up: it happened before, or somebody removed it.
        let written = self.delete_row_if(self.if_leader(home, held)).await?;
        Ok(written.happened(|item| item.is_none()))
    }

    fn leader_row(&self, home: Home) -> Row<'_> {
        self.names.coordinator_row(home, LEADER_KEY)
    }

    fn if_leader(&self, home: Home, held: &LeaderRow) -> Update<'_> {
        Update::of(self.leader_row(home))
            .if_exists()
            .if_equal(leader::VERSION, text(&held.version))
            .if_equal(leader::OWNER, text(held.owner.as_str()))
    }

    pub(super) async fn read_state(
        &self,
        home: Home,
        kind: StateKind,
    ) -> Result<Option<StateRow>, StoreError> {
        let row = self.names.coordinator_row(home, state::key(kind));
        let item = self.read_row(row).await?;
        item.map(|item| state::decode(kind, &item).map_err(|fault| unreadable(row, fault)))
            .transpose()
    }

    pub(super) async fn put_state(
        &self,
        home: Home,
        kind: StateKind,
        first: &StateRow,
    ) -> Result<bool, StoreError> {
        let row = self.names.coordinator_row(home, state::key(kind));
        let item = state::encode(kind, first, row.key_name);
        let written = self.put_row(item, Update::of(row).if_new()).await?;
        Ok(written.happened(|item| is_state(kind, item.as_ref(), first)))
    }

    pub(super) async fn move_state(
        &self,
        home: Home,
        kind: StateKind,
        read: &StateRow,
        next: &StateRow,
    ) -> Result<bool, StoreError> {
        let row = self.names.coordinator_row(home, state::key(kind));
        let written = self
            .update_row(state_update(row, kind, read, next), Answer::Nothing)
            .await?;
        Ok(written.happened(|item| is_state(kind, item.as_ref(), next)))
    }

    pub(super) async fn put_stream(&self, home: Home, id: &StreamId) -> Result<bool, StoreError> {
        let row = self.names.coordinator_row(home, id.as_str());
        let item = stream::encode(id, row.key_name);
        let written = self.put_row(item, Update::of(row).if_new()).await?;
        Ok(matches!(written, Written::Done(_)))
    }

    pub(super) async fn copy_coordination(&self, held: &LeaderRow) -> Result<Option<usize>, StoreError> {
        let mut items = Vec::new();
        self.each_row(self.names.coordinator_table(), None, |item| {
            if let Some(item) = moved(item) {
                items.push(item);
            }
        })
        .await?;
        for batch in items.chunks(MOVED_AT_ONCE) {
            let check = self.leader_check(held)?;
            let puts = batch.iter().map(|item| self.put_moved(item));
            let actions = std::iter::once(Ok(check)).chain(puts).collect::<Result<_, _>>()?;
            if !self.transact(actions).await? {
                return Ok(None);
            }
        }
        Ok(Some(items.len()))
    }

    fn put_moved(&self, item: &Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(self.table())
            .set_item(Some(item.clone()))
            .build()
            .map_err(|error| not_built(self.table(), error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn leader_check(&self, held: &LeaderRow) -> Result<TransactWriteItem, StoreError> {
        let condition = self.if_leader(Home::SeparateTables, held);
        let row = condition.row;
        let parts = condition.finish();
        let check = ConditionCheck::builder()
            .table_name(row.table)
            .key(row.key_name, text(row.key))
            .condition_expression(parts.condition)
            .set_expression_attribute_names(Some(parts.names))
            .set_expression_attribute_values(parts.values)
            .build()
            .map_err(|error| not_built(row.table, error))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    pub(super) async fn finish_migration(
        &self,
        read: &StateRow,
        next: &StateRow,
    ) -> Result<bool, StoreError> {
        let kind = StateKind::TableMigration;
        let row = self.names.coordinator_row(Home::SeparateTables, state::key(kind));
        let parts = state_update(row, kind, read, next).finish();
        let update = UpdateAction::builder()
            .table_name(row.table)
            .key(row.key_name, text(row.key))
            .update_expression(parts.update)
            .condition_expression(parts.condition)
            .set_expression_attribute_names(Some(parts.names))
            .set_expression_attribute_values(parts.values)
            .build()
            .map_err(|error| not_built(row.table, error))?;
        let actions = vec![
            TransactWriteItem::builder().update(update).build(),
            self.put_moved(&state::encode(kind, next, LEASE_KEY))?,
        ];
        if self.transact(actions).await? {
            return Ok(true);
        }
        let there = self.read_state(Home::SeparateTables, kind).await?;
        Ok(there.is_some_and(|row| is_same(&row, next)))
    }

    /// `true`: all of it is written; `false`: a condition did not hold, and nothing is.
    async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<bool, StoreError> {
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(actions))
            .send()
            .await;
        let Err(error) = answer else { return Ok(true) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
            error.as_service_error()
        {
            let codes = canceled
                .cancellation_reasons()
                .iter()
                .filter_map(|reason| reason.code());
            let mut failed = codes.filter(|code| *code != "None").peekable();
            if failed.peek().is_some() && failed.all(|code| code == "ConditionalCheckFailed") {
                return Ok(false);
            }
        }
        let canceled =
            error.as_service_error().and_then(|error| error.code()) == Some("TransactionCanceledException");
        let call = call("TransactWriteItems", self.table());
        // Another transaction or write was at one of the rows.
        Err(if canceled {
            call.throttled(error)
        } else {
            call.failed(error)
        })
    }
}

fn state_update<'a>(row: Row<'a>, kind: StateKind, read: &StateRow, next: &StateRow) -> Update<'a> {
    Update::of(row)
        .set(state::value_name(kind), text(&next.value))
        .set(state::BY, text(&next.by))
        .set(state::AT, number(next.at_ms))
        .set(state::HISTORY, state::history(kind, next))
        .if_exists()
        .if_equal(state::value_name(kind), text(&read.value))
}

fn is_leader(item: Option<&Item>, mine: &LeaderRow) -> bool {
    item.and_then(|item| leader::decode(item).ok())
        .is_some_and(|row| row.is_same_version(mine))
}

fn is_state(kind: StateKind, item: Option<&Item>, mine: &StateRow) -> bool {
    item.and_then(|item| state::decode(kind, item).ok())
        .is_some_and(|row| is_same(&row, mine))
}

/// Whether a row is the one that we wrote: a value by us at that very millisecond.
fn is_same(row: &StateRow, mine: &StateRow) -> bool {
    row.value == mine.value && row.by == mine.by && row.at_ms == mine.at_ms
}

/// A row of the separate table as it stands in the lease table. `None`: it stays where it is.
fn moved(item: &Item) -> Option<Item> {
    let mut item = item.clone();
    let key = item.remove(COORDINATOR_KEY)?;
    match key.as_s().ok()?.as_str() {
        LEADER_KEY | TABLE_MIGRATION_KEY => None,
        text => {
            let kind = state::entity_of_key(text)
                .or_else(|| item.contains_key(stream::STREAM_ID).then_some(stream::ENTITY));
            // A row without a kind would be taken for a lease.
            if let Some(kind) = kind {
                item.entry(super::row::ENTITY_TYPE.to_owned())
                    .or_insert_with(|| super::row::value::text(kind));
            }
            item.contains_key(super::row::ENTITY_TYPE).then(|| {
                item.insert(LEASE_KEY.to_owned(), key);
                item
            })
        }
    }
}

fn unreadable(row: Row<'_>, fault: Fault) -> StoreError {
    StoreError::Row {
        key: LeaseKey::new(row.key),
        attribute: fault.attribute,
        reason: fault.reason,
    }
}

fn not_built(table: &str, error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Refused {
        operation: "TransactWriteItems",
        table: table.to_owned(),
        code: "RequestNotBuilt".to_owned(),
        source: error.into(),
    }
}

/// Source: KCL 3.5 moves rows in transactions of 25 actions, one of which is the check of leadership.
const MOVED_AT_ONCE: usize = 24;
