//! The index of lease owners: how it stands, how it comes to be, and whether to ask it.
//!
//! It is an economy and nothing more. Until it is there, or without the rights for it, a scan says the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, IndexStatus, KeyType, Projection,
    ProjectionType, ProvisionedThroughput, TableDescription,
};
use tokio::time::Instant;

use super::DynamoDbLeaseStore;
use super::request::{call, is_denied, is_invalid};
use super::row::{LEASE_KEY, lease};
use super::table::{INDEX_NAME, description, key_element, text_attribute};
use crate::error::StoreError;
use crate::fleet::IndexState;

/// What a store found out about its table on the way; shared by its clones.
#[derive(Debug, Default)]
pub(super) struct Learned {
    pages: AtomicUsize,
    index: Mutex<Option<Looked>>,
}

#[derive(Debug, Clone, Copy)]
struct Looked {
    at: Instant,
    state: IndexState,
}

/// How to find the leases of one owner now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexUse {
    Query,
    Scan,
}

impl Learned {
    pub(super) fn pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }

    pub(super) fn pages_seen(&self, pages: usize) {
        self.pages.store(pages, Ordering::Relaxed);
    }

    pub(super) fn index_gone(&self) {
        self.index_is(IndexState::Absent);
    }

    fn index_is(&self, state: IndexState) {
        let at = Instant::now();
        *self.looked() = Some(Looked { at, state });
    }

    /// What is known well enough: that an index is there, until it refuses; that it is not, for a while.
    fn known(&self) -> Option<IndexState> {
        let looked = (*self.looked())?;
        let good = looked.state == IndexState::Active || looked.at.elapsed() < LOOK_AGAIN;
        good.then_some(looked.state)
    }

    // A leaf lock: held for one assignment, never across an await.
    fn looked(&self) -> MutexGuard<'_, Option<Looked>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DynamoDbLeaseStore {
    pub(super) async fn index_use(&self) -> IndexUse {
        let state = match self.learned.known() {
            Some(state) => state,
            // Whatever keeps us from looking, a scan will do.
            None => self.look_at_index().await.unwrap_or_default(),
        };
        match state {
            IndexState::Active => IndexUse::Query,
            IndexState::Coming | IndexState::Absent => IndexUse::Scan,
        }
    }

    pub(super) async fn look_at_index(&self) -> Result<IndexState, StoreError> {
        let state = match description(self, self.table()).await {
            Ok(table) => table.as_ref().map_or(IndexState::Absent, state_of),
            // Nobody can tell; see [`IndexState::Absent`].
            Err(error) if is_denied(&error) => IndexState::Absent,
            Err(error) => return Err(error),
        };
        self.learned.index_is(state);
        Ok(state)
    }

    pub(super) async fn build_index(&self) -> Result<IndexState, StoreError> {
        let table = description(self, self.table()).await?;
        let Some(table) = table else {
            return Err(StoreError::TableMissing {
                table: self.table().to_owned(),
            });
        };
        let state = state_of(&table);
        if state != IndexState::Absent {
            return Ok(state);
        }
        let action = CreateGlobalSecondaryIndexAction::builder()
            .index_name(INDEX_NAME)
            .key_schema(key_element(lease::LEASE_OWNER, KeyType::Hash))
            .key_schema(key_element(LEASE_KEY, KeyType::Range))
            .projection(
                Projection::builder()
                    .projection_type(ProjectionType::KeysOnly)
                    .build(),
            )
            .set_provisioned_throughput(units_of(&table))
            .build()
            .expect("invariant: name, keys and projection are set");
        let answer = self
            .client
            .update_table()
            .table_name(self.table())
            .attribute_definitions(text_attribute(LEASE_KEY))
            .attribute_definitions(text_attribute(lease::LEASE_OWNER))
            .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(action).build())
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.table_description().map_or(IndexState::Coming, |table| {
                // The answer may be of the moment before.
                match state_of(table) {
                    IndexState::Absent => IndexState::Coming,
                    state => state,
                }
            })),
            // Another worker was faster, or the table is being changed.
            Err(error)
                if is_invalid(&error)
                    || error
                        .as_service_error()
                        .is_some_and(|error| error.is_resource_in_use_exception()) =>
            {
                self.look_at_index().await
            }
            Err(error) => Err(call("UpdateTable", self.table()).failed(error)),
        }
    }
}

fn state_of(table: &TableDescription) -> IndexState {
    let index = table
        .global_secondary_indexes()
        .iter()
        .find(|index| index.index_name() == Some(INDEX_NAME));
    match index.map(|index| index.index_status()) {
        None | Some(Some(IndexStatus::Deleting)) => IndexState::Absent,
        Some(Some(IndexStatus::Active | IndexStatus::Updating)) => IndexState::Active,
        Some(_) => IndexState::Coming,
    }
}

/// A table of provisioned capacity lends the index as much as it has itself.
fn units_of(table: &TableDescription) -> Option<ProvisionedThroughput> {
    let units = table.provisioned_throughput()?;
    let read = units.read_capacity_units().filter(|units| *units > 0)?;
    let write = units.write_capacity_units().filter(|units| *units > 0)?;
    let units = ProvisionedThroughput::builder()
        .read_capacity_units(read)
        .write_capacity_units(write);
    units.build().ok()
}

/// Ours: an index takes minutes to come, and a scan in the meantime costs little.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(30);
