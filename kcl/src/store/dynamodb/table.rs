//! How tables come to be: described first, created only when absent, and then waited for.
//!
//! So a worker without the right to create tables can use those that exist; and one without the right to describe them
//! finds out by reading.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, KeySchemaElement, KeyType, PointInTimeRecoverySpecification, ScalarAttributeType,
    TableDescription, TableStatus,
};
use futures::future::try_join;
use tokio::time::Instant;

use super::DynamoDbLeaseStore;
use super::request::{call, is_denied};
use super::row::{COORDINATOR_KEY, LEASE_KEY, WORKER_KEY};
use crate::error::StoreError;

/// The index of owners. Source: KCL 3.0.
pub(super) const INDEX_NAME: &str = "LeaseOwnerToLeaseKeyIndex";

/// A table by its name and key.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    table: &'a str,
    key_name: &'static str,
}

pub(super) async fn prepare(store: &DynamoDbLeaseStore) -> Result<(), StoreError> {
    let table = store.table();
    let key_name = LEASE_KEY;
    prepare_one(store, Wanted { table, key_name }).await
}

pub(super) async fn prepare_separate(store: &DynamoDbLeaseStore) -> Result<(), StoreError> {
    let coordinator = Wanted {
        table: store.names.coordinator_table(),
        key_name: COORDINATOR_KEY,
    };
    let workers = Wanted {
        table: store.names.worker_metrics_table(),
        key_name: WORKER_KEY,
    };
    try_join(prepare_one(store, coordinator), prepare_one(store, workers))
        .await
        .map(drop)
}

async fn prepare_one(store: &DynamoDbLeaseStore, wanted: Wanted<'_>) -> Result<(), StoreError> {
    let deadline = Instant::now() + store.creation_timeout;
    let mut pause = FIRST_POLL;
    let mut created = false;
    let mut state = match describe(store, wanted).await? {
        State::Absent => {
            created = true;
            create(store, wanted).await?
        }
        state => state,
    };
    while state != State::Ready {
        if Instant::now() >= deadline {
            let waited = store.creation_timeout;
            return Err(StoreError::TableNotReady {
                table: wanted.table.to_owned(),
                waited,
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SLOWEST_POLL);
        // Just after its creation a table may still be described as absent; that is not the time to create again.
        state = describe(store, wanted).await?;
    }
    if created && store.settings.point_in_time_recovery {
        recover_to_points_in_time(store, wanted).await?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Coming,
    Ready,
}

async fn describe(store: &DynamoDbLeaseStore, wanted: Wanted<'_>) -> Result<State, StoreError> {
    match description(store, wanted.table).await {
        Ok(Some(table)) => state_of(wanted, &table),
        Ok(None) => Ok(State::Absent),
        Err(error) if is_denied(&error) => try_out(store, wanted).await,
        Err(error) => Err(error),
    }
}

/// What the service says of a table. `None`: there is none.
pub(super) async fn description(
    store: &DynamoDbLeaseStore,
    table: &str,
) -> Result<Option<TableDescription>, StoreError> {
    match store.client.describe_table().table_name(table).send().await {
        Ok(answer) => Ok(Some(
            answer
                .table
                .unwrap_or_else(|| TableDescription::builder().build()),
        )),
        Err(SdkError::ServiceError(answer))
            if matches!(answer.err(), DescribeTableError::ResourceNotFoundException(_)) =>
        {
            Ok(None)
        }
        Err(error) => Err(call("DescribeTable", table).failed(error)),
    }
}

/// Without the right to describe a table: whether it can be read, and whether what is there has the right key.
async fn try_out(store: &DynamoDbLeaseStore, wanted: Wanted<'_>) -> Result<State, StoreError> {
    let answer = store.client.scan().table_name(wanted.table).limit(1).send().await;
    let page = match answer.map_err(|error| call("Scan", wanted.table).failed(error)) {
        Ok(page) => page,
        Err(StoreError::TableMissing { .. }) => return Ok(State::Absent),
        Err(error) => return Err(error),
    };
    match page.items().first() {
        Some(item) if !item.get(wanted.key_name).is_some_and(|key| key.is_s()) => {
            Err(StoreError::TableShape {
                table: wanted.table.to_owned(),
                reason: format!("its rows have no `{}` of type S", wanted.key_name),
            })
        }
        _ => Ok(State::Ready),
    }
}

async fn create(store: &DynamoDbLeaseStore, wanted: Wanted<'_>) -> Result<State, StoreError> {
    let settings = &store.settings;
    if !settings.create {
        return Err(StoreError::TableMissing {
            table: wanted.table.to_owned(),
        });
    }
    let answer = store
        .client
        .create_table()
        .table_name(wanted.table)
        .key_schema(key_element(wanted.key_name, KeyType::Hash))
        .attribute_definitions(text_attribute(wanted.key_name))
        .billing_mode(settings.billing_mode())
        .set_provisioned_throughput(settings.throughput())
        .set_deletion_protection_enabled(Some(true).filter(|_| settings.deletion_protection))
        .set_tags(settings.tags())
        .send()
        .await;
    match answer {
        Ok(answer) => answer
            .table_description()
            .map_or(Ok(State::Coming), |table| state_of(wanted, table)),
        // Another worker was faster.
        Err(SdkError::ServiceError(answer))
            if matches!(answer.err(), CreateTableError::ResourceInUseException(_)) =>
        {
            Ok(State::Coming)
        }
        Err(error) => Err(call("CreateTable", wanted.table).failed(error)),
    }
}

async fn recover_to_points_in_time(store: &DynamoDbLeaseStore, wanted: Wanted<'_>) -> Result<(), StoreError> {
    let specification = PointInTimeRecoverySpecification::builder()
        .point_in_time_recovery_enabled(true)
        .build()
        .expect("invariant: its only required member is set");
    let request = store
        .client
        .update_continuous_backups()
        .table_name(wanted.table)
        .point_in_time_recovery_specification(specification);
    request
        .send()
        .await
        .map(drop)
        .map_err(|error| call("UpdateContinuousBackups", wanted.table).failed(error))
}

pub(super) fn key_element(name: &str, role: KeyType) -> KeySchemaElement {
    let element = KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(role)
        .build();
    element.expect("invariant: name and role are set")
}

pub(super) fn text_attribute(name: &str) -> AttributeDefinition {
    let definition = AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build();
    definition.expect("invariant: name and type are set")
}

fn state_of(wanted: Wanted<'_>, table: &TableDescription) -> Result<State, StoreError> {
    if let Some(reason) = wrong_shape(wanted.key_name, table) {
        return Err(StoreError::TableShape {
            table: wanted.table.to_owned(),
            reason,
        });
    }
    match table.table_status() {
        Some(TableStatus::Active | TableStatus::Updating) => Ok(State::Ready),
        _ => Ok(State::Coming),
    }
}

/// What is wrong with the key, if anything. A table that is just coming may not tell yet.
fn wrong_shape(key_name: &str, table: &TableDescription) -> Option<String> {
    let keys = table.key_schema();
    let names: Vec<&str> = keys.iter().map(KeySchemaElement::attribute_name).collect();
    if !names.is_empty() && names != [key_name] {
        return Some(format!(
            "its key is `{}`, expected `{key_name}` alone",
            names.join("`, `")
        ));
    }
    let definition = table
        .attribute_definitions()
        .iter()
        .find(|it| it.attribute_name() == key_name)?;
    let found = definition.attribute_type();
    (*found != ScalarAttributeType::S).then(|| format!("its key is of type {}, expected S", found.as_str()))
}

const FIRST_POLL: Duration = Duration::from_millis(200);
const SLOWEST_POLL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
