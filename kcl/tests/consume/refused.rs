//! Starts that cannot succeed end, and say why.

use std::time::Duration;

use kcl::{Consumer, RunError, ShardContext};
use kinesis_local::Local;
use tokio::time::timeout;

use super::world::{Recorder, Seen, config, local};

fn endless(local: &Local) -> kcl::ConsumerBuilder {
    Consumer::builder(config("w1")).dynamodb_client(local.dynamodb_client())
}

async fn ends_with(builder: kcl::ConsumerBuilder) -> RunError {
    let seen = Seen::default();
    let consumer = builder
        .build(move |shard: &ShardContext| Recorder {
            shard: shard.shard_id().to_string(),
            seen: seen.clone(),
            checkpoints: true,
        })
        .unwrap();
    let ended = timeout(Duration::from_secs(15), consumer.run()).await;
    ended.expect("a start that cannot succeed ends").unwrap_err()
}

#[tokio::test]
async fn a_missing_stream_is_named() {
    let local = Local::start().await.unwrap();
    let error = ends_with(endless(&local).kinesis_client(local.kinesis_client())).await;
    assert!(matches!(error, RunError::StreamMissing { .. }), "{error:?}");
    assert_eq!(error.to_string(), "stream `sales` does not exist");
    local.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_named() {
    let local = local(1).await;
    let nowhere = local
        .kinesis_config()
        .to_builder()
        .endpoint_url("http://127.0.0.1:9")
        .build();
    let error = ends_with(endless(&local).kinesis_client(aws_sdk_kinesis::Client::new(&nowhere))).await;
    assert!(matches!(error, RunError::Unreachable { .. }), "{error:?}");

    let nowhere = aws_sdk_dynamodb::Client::new(&nowhere);
    let builder = Consumer::builder(config("w1"))
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(nowhere);
    let error = ends_with(builder).await;
    assert!(
        matches!(&error, RunError::LeaseTable { table, .. } if table == "app"),
        "{error:?}"
    );
    local.stop().await;
}

#[tokio::test]
async fn missing_credentials_are_named() {
    let local = local(1).await;
    let bare = aws_types::SdkConfig::builder()
        .behavior_version(aws_sdk_kinesis::config::BehaviorVersion::v2026_01_12())
        .region(local.kinesis_config().region().cloned())
        .endpoint_url(local.kinesis_url())
        .build();
    let error = ends_with(endless(&local).kinesis_client(aws_sdk_kinesis::Client::new(&bare))).await;
    assert!(matches!(error, RunError::NoCredentials { .. }), "{error:?}");
    local.stop().await;
}
