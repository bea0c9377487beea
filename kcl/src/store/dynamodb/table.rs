//! How the table comes to be: described first, created only when it is absent, and then waited for.
//!
//! So a worker without the right to create tables can use one that exists.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
    TableStatus,
};
use tokio::time::Instant;

use super::DynamoDbLeaseStore;
use super::attributes::LEASE_KEY;
use crate::error::StoreError;

pub(super) async fn prepare(store: &DynamoDbLeaseStore) -> Result<(), StoreError> {
    let deadline = Instant::now() + store.creation_timeout;
    let mut pause = FIRST_POLL;
    let mut state = match describe(store).await? {
        State::Absent => create(store).await?,
        state => state,
    };
    while state != State::Ready {
        if Instant::now() >= deadline {
            let waited = store.creation_timeout;
            return Err(StoreError::TableNotReady {
                table: store.table.clone(),
                waited,
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SLOWEST_POLL);
        // Just after its creation a table may still be described as absent; that is not the time to create again.
        state = describe(store).await?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Coming,
    Ready,
}

async fn describe(store: &DynamoDbLeaseStore) -> Result<State, StoreError> {
    match store
        .client
        .describe_table()
        .table_name(&store.table)
        .send()
        .await
    {
        Ok(answer) => answer
            .table()
            .map_or(Ok(State::Coming), |table| state_of(store, table)),
        Err(SdkError::ServiceError(answer))
            if matches!(answer.err(), DescribeTableError::ResourceNotFoundException(_)) =>
        {
            Ok(State::Absent)
        }
        Err(error) => Err(store.call("DescribeTable").failed(error)),
    }
}

async fn create(store: &DynamoDbLeaseStore) -> Result<State, StoreError> {
    let key = KeySchemaElement::builder()
        .attribute_name(LEASE_KEY)
        .key_type(KeyType::Hash)
        .build();
    let attribute = AttributeDefinition::builder()
        .attribute_name(LEASE_KEY)
        .attribute_type(ScalarAttributeType::S)
        .build();
    let answer = store
        .client
        .create_table()
        .table_name(&store.table)
        .key_schema(key.expect("invariant: name and type are set"))
        .attribute_definitions(attribute.expect("invariant: name and type are set"))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await;
    match answer {
        Ok(answer) => answer
            .table_description()
            .map_or(Ok(State::Coming), |table| state_of(store, table)),
        // Another worker was faster.
        Err(SdkError::ServiceError(answer))
            if matches!(answer.err(), CreateTableError::ResourceInUseException(_)) =>
        {
            Ok(State::Coming)
        }
        Err(error) => Err(store.call("CreateTable").failed(error)),
    }
}

fn state_of(store: &DynamoDbLeaseStore, table: &TableDescription) -> Result<State, StoreError> {
    if let Some(reason) = wrong_shape(table) {
        return Err(StoreError::TableShape {
            table: store.table.clone(),
            reason,
        });
    }
    match table.table_status() {
        Some(TableStatus::Active | TableStatus::Updating) => Ok(State::Ready),
        _ => Ok(State::Coming),
    }
}

/// What is wrong with the key, if anything. A table that is just coming may not tell yet.
fn wrong_shape(table: &TableDescription) -> Option<String> {
    let keys = table.key_schema();
    let names: Vec<&str> = keys.iter().map(KeySchemaElement::attribute_name).collect();
    if !names.is_empty() && names != [LEASE_KEY] {
        return Some(format!(
            "its key is `{}`, expected `{LEASE_KEY}` alone",
            names.join("`, `")
        ));
    }
    let definition = table
        .attribute_definitions()
        .iter()
        .find(|it| it.attribute_name() == LEASE_KEY)?;
    let found = definition.attribute_type();
    (*found != ScalarAttributeType::S).then(|| format!("its key is of type {}, expected S", found.as_str()))
}

const FIRST_POLL: Duration = Duration::from_millis(200);
const SLOWEST_POLL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
