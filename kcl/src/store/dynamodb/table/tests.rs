use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ErrorMetadata;
use aws_sdk_dynamodb::operation::create_table::CreateTableOutput;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableOutput;
use aws_sdk_dynamodb::operation::scan::{ScanError, ScanOutput};
use aws_sdk_dynamodb::operation::update_continuous_backups::{
    UpdateContinuousBackupsError, UpdateContinuousBackupsOutput,
};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::BillingMode;
use aws_sdk_dynamodb::types::error::{ResourceInUseException, ResourceNotFoundException};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

use super::*;
use crate::store::dynamodb::row::value::Item;
use crate::store::dynamodb::{Billing, TableSettings};

fn lease_table(status: TableStatus) -> TableDescription {
    let key = KeySchemaElement::builder()
        .attribute_name(LEASE_KEY)
        .key_type(KeyType::Hash)
        .build()
        .unwrap();
    let attribute = AttributeDefinition::builder()
        .attribute_name(LEASE_KEY)
        .attribute_type(ScalarAttributeType::S);
    TableDescription::builder()
        .key_schema(key)
        .attribute_definitions(attribute.build().unwrap())
        .table_status(status)
        .build()
}

fn described(status: TableStatus) -> DescribeTableOutput {
    DescribeTableOutput::builder().table(lease_table(status)).build()
}

fn absent() -> DescribeTableError {
    DescribeTableError::ResourceNotFoundException(ResourceNotFoundException::builder().build())
}

fn denied<E>(make: impl Fn(ErrorMetadata) -> E) -> E {
    make(
        ErrorMetadata::builder()
            .code("AccessDeniedException")
            .message("no")
            .build(),
    )
}

fn store(rules: &[&Rule]) -> DynamoDbLeaseStore {
    let client = mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, rules, |config| {
        config.retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
    });
    DynamoDbLeaseStore::new(client, "app")
}

#[tokio::test(start_paused = true)]
async fn an_existing_table_needs_no_right_to_create() {
    let describe = mock!(Client::describe_table).then_output(|| described(TableStatus::Active));
    let create = mock!(Client::create_table).then_error(|| denied(CreateTableError::generic));
    prepare(&store(&[&describe, &create])).await.unwrap();
    assert_eq!((describe.num_calls(), create.num_calls()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_updating_table_can_be_used() {
    let describe = mock!(Client::describe_table).then_output(|| described(TableStatus::Updating));
    prepare(&store(&[&describe])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_table_is_waited_for() {
    // Right after its creation the service may not know it yet.
    let describe = mock!(Client::describe_table)
        .sequence()
        .error(absent)
        .error(absent)
        .output(|| described(TableStatus::Creating))
        .output(|| described(TableStatus::Active))
        .build();
    let create = mock!(Client::create_table)
        .match_requests(|request| {
            request.table_name() == Some("app")
                && request.billing_mode() == Some(&BillingMode::PayPerRequest)
                && request.key_schema().len() == 1
                && request.key_schema()[0].attribute_name() == "leaseKey"
                && request.attribute_definitions()[0].attribute_type() == &ScalarAttributeType::S
        })
        .then_output(|| {
            CreateTableOutput::builder()
                .table_description(lease_table(TableStatus::Creating))
                .build()
        });
    let start = Instant::now();
    prepare(&store(&[&describe, &create])).await.unwrap();
    assert_eq!((describe.num_calls(), create.num_calls()), (4, 1));
    assert_eq!(start.elapsed().as_millis(), 200 + 400 + 800, "polls slow down");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_another_worker_creates_is_waited_for() {
    let describe = mock!(Client::describe_table)
        .sequence()
        .error(absent)
        .output(|| described(TableStatus::Active))
        .build();
    let create = mock!(Client::create_table)
        .then_error(|| CreateTableError::ResourceInUseException(ResourceInUseException::builder().build()));
    prepare(&store(&[&describe, &create])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_named() {
    let describe = mock!(Client::describe_table).then_error(absent);
    let create = mock!(Client::create_table).then_error(|| denied(CreateTableError::generic));
    let error = prepare(&store(&[&describe, &create])).await.unwrap_err();
    assert_eq!(error.to_string(), "no permission for CreateTable on table `app`");
    assert!(!error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_never_comes_is_given_up() {
    let describe = mock!(Client::describe_table).then_output(|| described(TableStatus::Creating));
    let store = store(&[&describe]).with_creation_timeout(Duration::from_secs(30));
    let start = Instant::now();
    let error = prepare(&store).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "lease table `app` did not become active within 30s"
    );
    let waited = start.elapsed();
    assert!(
        waited >= Duration::from_secs(30) && waited < Duration::from_secs(33),
        "{waited:?}"
    );
}

fn scanned(items: Vec<Item>) -> ScanOutput {
    ScanOutput::builder().set_items(Some(items)).build()
}

#[tokio::test(start_paused = true)]
async fn a_table_that_may_not_be_described_is_tried_out() {
    let describe = mock!(Client::describe_table).then_error(|| denied(DescribeTableError::generic));
    let empty = mock!(Client::scan).then_output(|| scanned(Vec::new()));
    prepare(&store(&[&describe, &empty])).await.unwrap();

    let lease = || Item::from([(LEASE_KEY.to_owned(), AttributeValue::S("k".to_owned()))]);
    let used = mock!(Client::scan).then_output(move || scanned(vec![lease()]));
    prepare(&store(&[&describe, &used])).await.unwrap();

    let strange = || Item::from([("id".to_owned(), AttributeValue::S("k".to_owned()))]);
    let other = mock!(Client::scan).then_output(move || scanned(vec![strange()]));
    let error = prepare(&store(&[&describe, &other])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "table `app` is not a lease table: its rows have no `leaseKey` of type S"
    );

    let scan = mock!(Client::scan).then_error(|| denied(ScanError::generic));
    let error = prepare(&store(&[&describe, &scan])).await.unwrap_err();
    assert_eq!(error.to_string(), "no permission for Scan on table `app`");

    let absent = mock!(Client::scan).then_error(|| {
        let code = ErrorMetadata::builder().code("ResourceNotFoundException").build();
        ScanError::generic(code)
    });
    let create = mock!(Client::create_table).then_error(|| denied(CreateTableError::generic));
    let error = prepare(&store(&[&describe, &absent, &create])).await.unwrap_err();
    assert_eq!(error.to_string(), "no permission for CreateTable on table `app`");
}

#[tokio::test(start_paused = true)]
async fn a_missing_table_is_made_only_if_allowed() {
    let describe = mock!(Client::describe_table).then_error(absent);
    let create = mock!(Client::create_table).then_error(|| denied(CreateTableError::generic));
    let settings = TableSettings::builder().create_if_missing(false).build().unwrap();
    let store = store(&[&describe, &create]).with_table_settings(settings);
    let error = prepare(&store).await.unwrap_err();
    assert!(matches!(error, StoreError::TableMissing { .. }), "{error:?}");
    assert_eq!(create.num_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn settings_reach_the_new_table() {
    let describe = mock!(Client::describe_table)
        .sequence()
        .error(absent)
        .output(|| described(TableStatus::Active))
        .build();
    let create = mock!(Client::create_table)
        .match_requests(|request| {
            let units = request.provisioned_throughput().unwrap();
            let tag = &request.tags()[0];
            request.billing_mode() == Some(&BillingMode::Provisioned)
                && (units.read_capacity_units(), units.write_capacity_units()) == (10, 5)
                && request.deletion_protection_enabled() == Some(true)
                && (tag.key(), tag.value()) == ("team", "payments")
        })
        .then_output(|| CreateTableOutput::builder().build());
    let backups = mock!(Client::update_continuous_backups)
        .match_requests(|request| {
            let wanted = request.point_in_time_recovery_specification().unwrap();
            wanted.point_in_time_recovery_enabled()
        })
        .then_output(|| UpdateContinuousBackupsOutput::builder().build());
    let settings = TableSettings::builder()
        .billing(Billing::Provisioned { read: 10, write: 5 })
        .deletion_protection(true)
        .point_in_time_recovery(true)
        .tag("team", "payments");
    let store = store(&[&describe, &create, &backups]).with_table_settings(settings.build().unwrap());
    prepare(&store).await.unwrap();
    assert_eq!((create.num_calls(), backups.num_calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn backups_without_the_right_are_a_named_error_and_left_alone_on_tables_that_exist() {
    let backups =
        mock!(Client::update_continuous_backups).then_error(|| denied(UpdateContinuousBackupsError::generic));
    let settings = || {
        TableSettings::builder()
            .point_in_time_recovery(true)
            .build()
            .unwrap()
    };
    let there = mock!(Client::describe_table).then_output(|| described(TableStatus::Active));
    let existing = store(&[&there, &backups]).with_table_settings(settings());
    prepare(&existing).await.unwrap();
    let describe = mock!(Client::describe_table)
        .sequence()
        .error(absent)
        .output(|| described(TableStatus::Active))
        .build();
    let create = mock!(Client::create_table).then_output(|| CreateTableOutput::builder().build());
    let new = store(&[&describe, &create, &backups]).with_table_settings(settings());
    let error = prepare(&new).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no permission for UpdateContinuousBackups on table `app`"
    );
}
