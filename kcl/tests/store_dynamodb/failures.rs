//! Endpoints that are down, and credentials that are not there.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use kcl::StoreError;
use kcl::store::LeaseStore;
use kcl::store::dynamodb::DynamoDbLeaseStore;
use kinesis_local::Local;

use crate::world::TABLE;

#[tokio::test]
async fn an_endpoint_that_is_down_is_unavailable_and_says_why() {
    let local = Local::start().await.unwrap();
    let config = local.dynamodb_config();
    local.stop().await;
    let store = DynamoDbLeaseStore::from_sdk_config(&config, TABLE);
    let error = tokio::time::timeout(Duration::from_secs(12), store.prepare())
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(
            &error,
            StoreError::Unavailable {
                operation: "DescribeTable",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.is_retryable());
    let deepest = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source())
        .last()
        .unwrap();
    assert!(deepest.to_string().contains("refused"), "{deepest}");
}

#[tokio::test]
async fn missing_credentials_are_not_worth_a_retry() {
    let local = Local::start().await.unwrap();
    let config = local
        .dynamodb_config()
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(NoCredentials))
        .build();
    let error = DynamoDbLeaseStore::from_sdk_config(&config, TABLE)
        .prepare()
        .await
        .unwrap_err();
    assert!(matches!(&error, StoreError::Refused { .. }), "{error:?}");
    assert!(!error.is_retryable());
    local.stop().await;
}

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::ready(Err(CredentialsError::not_loaded("there are none")))
    }
}
