//! Faults of tables.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType,
};
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use kinesis_local::{Fault, InProcess};

async fn leases(local: &InProcess) -> aws_sdk_dynamodb::Client {
    let config = local
        .dynamodb_config()
        .into_builder()
        .retry_config(RetryConfig::disabled())
        .build();
    let client = aws_sdk_dynamodb::Client::new(&config);
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let hash = |name: &str| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(KeyType::Hash)
            .build()
            .unwrap()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("by-owner")
        .key_schema(hash("owner"))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .unwrap();
    client
        .create_table()
        .table_name("leases")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("key"))
        .attribute_definitions(attribute("owner"))
        .key_schema(hash("key"))
        .global_secondary_indexes(index)
        .send()
        .await
        .unwrap();
    client
}

async fn take(client: &aws_sdk_dynamodb::Client, key: &str) -> Result<(), String> {
    let put = client
        .put_item()
        .table_name("leases")
        .item("key", AttributeValue::S(key.to_owned()))
        .item("owner", AttributeValue::S("me".to_owned()))
        .condition_expression("attribute_not_exists(#key)")
        .expression_attribute_names("#key", "key");
    match put.send().await {
        Ok(_) => Ok(()),
        Err(SdkError::ServiceError(error)) => Err(error.err().code().unwrap_or("no code").to_owned()),
        Err(SdkError::DispatchFailure(_)) => Err("io".to_owned()),
        Err(other) => Err(format!("{other:?}")),
    }
}

async fn owned(client: &aws_sdk_dynamodb::Client) -> i32 {
    let query = client
        .query()
        .table_name("leases")
        .index_name("by-owner")
        .key_condition_expression("#owner = :me")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":me", AttributeValue::S("me".to_owned()));
    query.send().await.unwrap().count()
}

#[tokio::test(start_paused = true)]
async fn a_conditional_write_of_dynamodb_happens_without_an_answer() {
    let local = InProcess::start().unwrap();
    let client = leases(&local).await;
    local
        .faults()
        .add(Fault::reply_lost().table("leases").conditional().times(1))
        .unwrap();
    assert_eq!(take(&client, "a").await.unwrap_err(), "io");
    assert_eq!(
        take(&client, "a").await.unwrap_err(),
        "ConditionalCheckFailedException"
    );
    assert_eq!(owned(&client).await, 1);
}

#[tokio::test(start_paused = true)]
async fn dynamodb_is_throttled() {
    let local = InProcess::start().unwrap();
    let client = leases(&local).await;
    let throttle = Fault::throttle().operation("PutItem").times(1);
    local.faults().add(throttle).unwrap();
    assert_eq!(
        take(&client, "a").await.unwrap_err(),
        "ProvisionedThroughputExceededException"
    );
    take(&client, "a").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_index_lags_behind_its_table() {
    let local = InProcess::start().unwrap();
    let client = leases(&local).await;
    take(&client, "before").await.unwrap();
    let lag = local
        .faults()
        .add(Fault::index_lag(Duration::from_secs(10)))
        .unwrap();
    take(&client, "a").await.unwrap();
    assert_eq!(owned(&client).await, 1);
    tokio::time::advance(Duration::from_secs(6)).await;
    take(&client, "b").await.unwrap();
    assert_eq!(owned(&client).await, 1);
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(
        owned(&client).await,
        2,
        "what was written ten seconds ago is there"
    );
    let key = client
        .get_item()
        .table_name("leases")
        .key("key", AttributeValue::S("b".to_owned()));
    assert!(
        key.send().await.unwrap().item().is_some(),
        "the table itself does not lag"
    );
    assert!(local.faults().remove(lag));
    assert_eq!(owned(&client).await, 3);
}
