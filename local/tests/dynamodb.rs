//! The DynamoDB half through the real SDK client: what a lease table asks of it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, ReturnValue, ReturnValuesOnConditionCheckFailure, ScalarAttributeType,
};
use kinesis_local::Local;

fn string(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn attribute(name: &str) -> AttributeDefinition {
    let built = AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build();
    built.expect("name and type are set")
}

fn hash_key(name: &str) -> KeySchemaElement {
    let built = KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(KeyType::Hash)
        .build();
    built.expect("name and type are set")
}

async fn with_table() -> (Local, Client) {
    let local = Local::start().await.unwrap();
    let client = local.dynamodb_client();
    let by_owner = GlobalSecondaryIndex::builder()
        .index_name("by-owner")
        .key_schema(hash_key("owner"))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::KeysOnly)
                .build(),
        )
        .build()
        .expect("name and key are set");
    client
        .create_table()
        .table_name("leases")
        .attribute_definitions(attribute("key"))
        .attribute_definitions(attribute("owner"))
        .key_schema(hash_key("key"))
        .billing_mode(BillingMode::PayPerRequest)
        .global_secondary_indexes(by_owner)
        .send()
        .await
        .unwrap();
    (local, client)
}

async fn put(client: &Client, key: &str, owner: &str, counter: u64) {
    let put = client
        .put_item()
        .table_name("leases")
        .item("key", string(key))
        .item("owner", string(owner));
    put.item("counter", number(counter)).send().await.unwrap();
}

async fn item(client: &Client, key: &str) -> HashMap<String, AttributeValue> {
    let get = client
        .get_item()
        .table_name("leases")
        .key("key", string(key))
        .consistent_read(true);
    get.send().await.unwrap().item.unwrap_or_default()
}

#[tokio::test]
async fn a_condition_that_fails_hands_back_the_item() {
    let (_local, client) = with_table().await;
    put(&client, "shard-1", "worker-a", 7).await;
    let take = |counter| {
        client
            .update_item()
            .table_name("leases")
            .key("key", string("shard-1"))
            .update_expression("SET #owner = :me, #counter = #counter + :one")
            .condition_expression("#counter = :seen AND attribute_exists(#owner)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#counter", "counter")
            .expression_attribute_values(":me", string("worker-b"))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":seen", number(counter))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };

    let lost = take(6).await.unwrap_err().into_service_error();
    let UpdateItemError::ConditionalCheckFailedException(lost) = lost else {
        panic!("{lost:?}")
    };
    let seen = lost.item().cloned().unwrap_or_default();
    assert_eq!(seen.get("owner"), Some(&string("worker-a")));
    assert_eq!(seen.get("counter"), Some(&number(7)));

    let won = take(7).await.unwrap();
    let now = won.attributes().cloned().unwrap_or_default();
    assert_eq!(
        (now.get("owner"), now.get("counter")),
        (Some(&string("worker-b")), Some(&number(8)))
    );
    assert_eq!(item(&client, "shard-1").await, now);
}

#[tokio::test]
async fn update_adds_and_removes_under_a_condition() {
    let (_local, client) = with_table().await;
    put(&client, "shard-1", "worker-a", 7).await;
    let release = || {
        client
            .update_item()
            .table_name("leases")
            .key("key", string("shard-1"))
            .update_expression("ADD #counter :one, switches :one REMOVE #owner")
            .condition_expression("#owner = :me OR attribute_not_exists(#key)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#key", "key")
            .expression_attribute_names("#counter", "counter")
            .expression_attribute_values(":me", string("worker-a"))
            .expression_attribute_values(":one", number(1))
            .send()
    };

    release().await.unwrap();
    let released = item(&client, "shard-1").await;
    assert_eq!(released.get("owner"), None);
    assert_eq!(
        (released.get("counter"), released.get("switches")),
        (Some(&number(8)), Some(&number(1)))
    );

    let again = release().await.unwrap_err().into_service_error();
    assert!(again.is_conditional_check_failed_exception(), "{again:?}");
    assert_eq!(item(&client, "shard-1").await, released);
}

#[tokio::test]
async fn put_and_delete_keep_their_conditions() {
    let (_local, client) = with_table().await;
    let create = || {
        let put = client
            .put_item()
            .table_name("leases")
            .item("key", string("shard-1"))
            .item("owner", string("a"));
        put.condition_expression("attribute_not_exists(#key)")
            .expression_attribute_names("#key", "key")
            .send()
    };
    create().await.unwrap();
    assert!(
        create()
            .await
            .unwrap_err()
            .into_service_error()
            .is_conditional_check_failed_exception()
    );

    let delete = |owner| {
        let delete = client
            .delete_item()
            .table_name("leases")
            .key("key", string("shard-1"));
        let delete = delete
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner");
        delete.expression_attribute_values(":owner", string(owner)).send()
    };
    assert!(
        delete("b")
            .await
            .unwrap_err()
            .into_service_error()
            .is_conditional_check_failed_exception()
    );
    delete("a").await.unwrap();
    assert!(item(&client, "shard-1").await.is_empty());
}

#[tokio::test]
async fn an_index_finds_items_by_owner_and_forgets_those_without() {
    let (_local, client) = with_table().await;
    for i in 0..10 {
        put(
            &client,
            &format!("shard-{i}"),
            if i % 3 == 0 { "worker-a" } else { "worker-b" },
            0,
        )
        .await;
    }
    let owned = async |owner| {
        let query = client.query().table_name("leases").index_name("by-owner");
        let query = query
            .key_condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner");
        let found = query
            .expression_attribute_values(":owner", string(owner))
            .send()
            .await
            .unwrap();
        let mut keys: Vec<_> = found
            .items()
            .iter()
            .filter_map(|item| item.get("key")?.as_s().ok().cloned())
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(
        owned("worker-a").await,
        ["shard-0", "shard-3", "shard-6", "shard-9"]
    );

    let release = client
        .update_item()
        .table_name("leases")
        .key("key", string("shard-3"));
    let release = release
        .update_expression("REMOVE #owner")
        .expression_attribute_names("#owner", "owner");
    release.send().await.unwrap();
    assert_eq!(owned("worker-a").await, ["shard-0", "shard-6", "shard-9"]);
    assert_eq!(owned("nobody").await, [""; 0]);
}

#[tokio::test]
async fn a_missing_table_is_named_as_such() {
    let local = Local::start().await.unwrap();
    let client = local.dynamodb_client();
    let refused = client
        .describe_table()
        .table_name("none")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(refused.is_resource_not_found_exception(), "{refused:?}");
}
