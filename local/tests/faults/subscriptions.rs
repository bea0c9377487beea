//! Faults of open subscriptions.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::types::{ShardIteratorType, StartingPosition, SubscribeToShardEventStream};
use kinesis_local::Fault;
use tokio::time::timeout;

use super::registered::consumer;
use super::{FIRST, put, with_stream};

async fn subscribe(
    client: &Client,
    name: &str,
) -> aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput {
    let start = StartingPosition::builder()
        .r#type(ShardIteratorType::TrimHorizon)
        .build()
        .unwrap();
    client
        .subscribe_to_shard()
        .consumer_arn(consumer(client, name).await)
        .shard_id(FIRST)
        .starting_position(start)
        .send()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_half_open_subscription_falls_silent() {
    let (local, client) = with_stream(1).await;
    put(&client, "one").await.unwrap();
    let mut events = subscribe(&client, "a").await.event_stream;
    events.recv().await.unwrap().unwrap();
    local.faults().add(Fault::half_open()).unwrap();
    put(&client, "two").await.unwrap();
    timeout(Duration::from_secs(3_600), events.recv())
        .await
        .expect_err("no bytes, no end");
}

#[tokio::test(start_paused = true)]
async fn an_event_comes_twice_and_a_subscription_is_cut() {
    let (local, client) = with_stream(1).await;
    put(&client, "one").await.unwrap();
    local
        .faults()
        .add(Fault::duplicate_event().shard(FIRST).times(1))
        .unwrap();
    let mut events = subscribe(&client, "a").await.event_stream;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)) = events.recv().await.unwrap()
        else {
            panic!("an event");
        };
        seen.push(event.continuation_sequence_number().to_owned());
        assert_eq!(event.records().len(), 1);
    }
    assert_eq!(seen[0], seen[1]);
    local.faults().add(Fault::subscription_cut()).unwrap();
    let cut = events.recv().await.unwrap_err();
    assert!(
        matches!(cut, SdkError::ResponseError(_) | SdkError::DispatchFailure(_)),
        "{cut:?}"
    );
}
