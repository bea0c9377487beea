//! How tables come to be, and tables that are none of ours.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use kcl::StoreError;
use kcl::store::LeaseStore;
use kcl::store::dynamodb::DynamoDbLeaseStore;
use kinesis_local::Local;

use crate::world::TABLE;

#[tokio::test]
async fn workers_may_prepare_at_the_same_time() {
    let local = Local::start().await.unwrap();
    let store = || DynamoDbLeaseStore::from_sdk_config(&local.dynamodb_config(), TABLE);
    let stores: Vec<_> = (0..5).map(|_| store()).collect();
    let answers = futures::future::join_all(stores.iter().map(LeaseStore::prepare)).await;
    for answer in answers {
        answer.unwrap();
    }
    assert!(store().list().await.unwrap().leases.is_empty());
    local.stop().await;
}

#[tokio::test]
async fn another_table_of_that_name_is_refused() {
    let local = Local::start().await.unwrap();
    let client = local.dynamodb_client();
    let cases = [
        (
            "orders",
            vec![("id", ScalarAttributeType::S, KeyType::Hash)],
            "its key is `id`, expected `leaseKey` alone",
        ),
        (
            "numbered",
            vec![("leaseKey", ScalarAttributeType::N, KeyType::Hash)],
            "its key is of type N, expected S",
        ),
        (
            "sorted",
            vec![
                ("leaseKey", ScalarAttributeType::S, KeyType::Hash),
                ("at", ScalarAttributeType::N, KeyType::Range),
            ],
            "its key is `leaseKey`, `at`, expected `leaseKey` alone",
        ),
    ];
    for (table, keys, expected) in cases {
        create_table(&client, table, &keys).await;
        let error = DynamoDbLeaseStore::new(client.clone(), table)
            .prepare()
            .await
            .unwrap_err();
        assert!(!error.is_retryable());
        match error {
            StoreError::TableShape { table: named, reason } => {
                assert_eq!((named.as_str(), reason.as_str()), (table, expected));
            }
            other => panic!("{table}: {other:?}"),
        }
    }
    local.stop().await;
}

#[tokio::test]
async fn a_missing_table_has_a_name() {
    let local = Local::start().await.unwrap();
    let store = DynamoDbLeaseStore::from_sdk_config(&local.dynamodb_config(), "nowhere");
    let error = store.list().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::TableMissing { table } if table == "nowhere"),
        "{error:?}"
    );
    local.stop().await;
}

async fn create_table(client: &Client, table: &str, keys: &[(&str, ScalarAttributeType, KeyType)]) {
    let mut request = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest);
    for (name, kind, role) in keys {
        let attribute = AttributeDefinition::builder()
            .attribute_name(*name)
            .attribute_type(kind.clone());
        let key = KeySchemaElement::builder()
            .attribute_name(*name)
            .key_type(role.clone());
        request = request
            .attribute_definitions(attribute.build().unwrap())
            .key_schema(key.build().unwrap());
    }
    request.send().await.unwrap();
}
