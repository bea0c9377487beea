use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableOutput;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableOutput;
use aws_sdk_dynamodb::types::error::{ResourceInUseException, ResourceNotFoundException};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};

use super::*;

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

fn denied<E>(make: impl Fn(aws_sdk_dynamodb::error::ErrorMetadata) -> E) -> E {
    make(
        aws_sdk_dynamodb::error::ErrorMetadata::builder()
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

    let describe = mock!(Client::describe_table).then_error(|| denied(DescribeTableError::generic));
    let error = prepare(&store(&[&describe])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no permission for DescribeTable on table `app`"
    );
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
