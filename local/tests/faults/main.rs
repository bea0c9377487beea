//! Every fault, through the real SDK clients in virtual time, and over sockets where a connection is the point.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod dynamodb;
#[path = "../registered/mod.rs"]
mod registered;
mod subscriptions;

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use aws_types::SdkConfig;
use kinesis_local::{Fault, InProcess, Local, Reshard};
use tokio::time::{Instant, timeout};

const FIRST: &str = "shardId-000000000000";

const SECOND: &str = "shardId-000000000001";

/// A client that tries once, so that a test sees each fault itself.
fn once(config: &SdkConfig) -> Client {
    let config = config.to_builder().retry_config(RetryConfig::disabled()).build();
    Client::new(&config)
}

async fn with_stream(shards: u32) -> (InProcess, Client) {
    let local = InProcess::start().unwrap();
    local.create_stream("orders", shards).await.unwrap();
    let client = once(&local.kinesis_config());
    (local, client)
}

async fn put(client: &Client, data: &str) -> Result<String, String> {
    let put = client
        .put_record()
        .stream_name("orders")
        .partition_key("k")
        .data(Blob::new(data));
    match put.send().await {
        Ok(reply) => Ok(reply.shard_id().to_owned()),
        Err(SdkError::ServiceError(error)) => Err(error.err().code().unwrap_or("no code").to_owned()),
        Err(SdkError::DispatchFailure(_)) => Err("io".to_owned()),
        Err(other) => Err(format!("{other:?}")),
    }
}

async fn records(client: &Client) -> Vec<String> {
    let shards = client.list_shards().stream_name("orders").send().await.unwrap();
    let mut found = Vec::new();
    for shard in shards.shards() {
        let iterator = client
            .get_shard_iterator()
            .stream_name("orders")
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await
            .unwrap();
        let get = client
            .get_records()
            .set_shard_iterator(iterator.shard_iterator().map(str::to_owned));
        let page = get.send().await.unwrap();
        let text = |record: &aws_sdk_kinesis::types::Record| {
            String::from_utf8_lossy(record.data().as_ref()).into_owned()
        };
        found.extend(page.records().iter().map(text));
    }
    found
}

#[tokio::test(start_paused = true)]
async fn errors_and_throttling_are_answered_and_nothing_happens() {
    let (local, client) = with_stream(1).await;
    let faults = local.faults();
    let error = faults
        .add(
            Fault::error("InternalFailure", 500)
                .operation("PutRecord")
                .times(1),
        )
        .unwrap();
    faults
        .add(Fault::throttle().operation("PutRecord").times(1))
        .unwrap();
    faults
        .add(
            Fault::error("KMSThrottlingException", 400)
                .operation("PutRecord")
                .times(1),
        )
        .unwrap();
    let replies = [
        put(&client, "1").await,
        put(&client, "2").await,
        put(&client, "3").await,
    ];
    assert_eq!(
        replies.map(Result::unwrap_err),
        [
            "InternalFailure",
            "ProvisionedThroughputExceededException",
            "KMSThrottlingException"
        ]
    );
    assert_eq!(put(&client, "4").await.unwrap(), FIRST);
    assert_eq!(records(&client).await, ["4"]);
    assert_eq!(faults.struck(error), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_a_write_that_happened_and_a_cut_is_not() {
    let (local, client) = with_stream(1).await;
    local
        .faults()
        .add(Fault::reply_lost().operation("PutRecord").times(1))
        .unwrap();
    local
        .faults()
        .add(Fault::connection_cut().operation("PutRecord").times(1))
        .unwrap();
    assert_eq!(put(&client, "lost").await.unwrap_err(), "io");
    assert_eq!(put(&client, "cut").await.unwrap_err(), "io");
    assert_eq!(records(&client).await, ["lost"]);
    let history = local.history().to_string();
    assert!(
        history.contains("PutRecord stream=orders") && history.contains("-> lost 200"),
        "{history}"
    );
}

/// The same over sockets, where the client sees its connection end; over HTTP/1.1 and retried as the SDK does.
#[tokio::test]
async fn connections_are_cut_over_sockets_too() {
    let local = Local::start().await.unwrap();
    local.create_stream("orders", 1).await.unwrap();
    let client = once(&local.kinesis_config());
    local
        .faults()
        .add(Fault::reply_lost().operation("PutRecord").times(1))
        .unwrap();
    assert_eq!(put(&client, "lost").await.unwrap_err(), "io");
    local
        .faults()
        .add(Fault::connection_cut().operation("PutRecord").times(1))
        .unwrap();
    assert_eq!(put(&client, "cut").await.unwrap_err(), "io");
    assert_eq!(put(&client, "whole").await.unwrap(), FIRST);
    assert_eq!(records(&client).await, ["lost", "whole"]);
    local.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_shard_loses_its_entries_and_the_others_do_not() {
    let (local, client) = with_stream(2).await;
    let throttled = local
        .faults()
        .add(Fault::throttle().shard(SECOND).times(3))
        .unwrap();
    let entries: Vec<_> = (0..20)
        .map(|number| {
            PutRecordsRequestEntry::builder()
                .partition_key(format!("key-{number}"))
                .data(Blob::new("x"))
                .build()
                .unwrap()
        })
        .collect();
    let put = client
        .put_records()
        .stream_name("orders")
        .set_records(Some(entries));
    let first = put.clone().send().await.unwrap();
    let failed = |reply: &aws_sdk_kinesis::operation::put_records::PutRecordsOutput| {
        reply
            .records()
            .iter()
            .filter(|entry| entry.error_code().is_some())
            .count()
    };
    assert_eq!(failed(&first), 3);
    assert!(
        first
            .records()
            .iter()
            .any(|entry| entry.shard_id() == Some(FIRST))
    );
    assert_eq!(local.faults().struck(throttled), Some(3));
    assert_eq!(failed(&put.send().await.unwrap()), 0);
}

#[tokio::test(start_paused = true)]
async fn latency_is_added_for_one_client_and_a_client_that_gives_up_is_noted() {
    let (local, client) = with_stream(1).await;
    local
        .faults()
        .add(Fault::latency(Duration::from_secs(3)).client("slow"))
        .unwrap();
    let began = Instant::now();
    put(&client, "fast").await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    let slow = once(&local.kinesis_config_as("slow"));
    put(&slow, "slow").await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    timeout(Duration::from_secs(1), put(&slow, "never"))
        .await
        .unwrap_err();
    timeout(Duration::from_secs(2), put(&slow, "done"))
        .await
        .unwrap_err();
    assert_eq!(records(&client).await, ["fast", "slow", "done"]);
    let abandoned = local.history().to_string().matches("slow PutRecord").count();
    assert_eq!(abandoned, 3);
}

#[tokio::test(start_paused = true)]
async fn a_stale_listing_knows_nothing_of_the_reshard() {
    let (local, client) = with_stream(1).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    local
        .faults()
        .reshard(Duration::ZERO, "orders", Reshard::split(FIRST))
        .unwrap();
    tokio::time::advance(Duration::from_millis(100)).await;
    let list = client.list_shards().stream_name("orders");
    assert_eq!(list.clone().send().await.unwrap().shards().len(), 3);
    local
        .faults()
        .add(Fault::stale_shards(Duration::from_secs(1)).lasting(Duration::from_secs(5)))
        .unwrap();
    let stale = list.clone().send().await.unwrap();
    assert_eq!(stale.shards().len(), 1);
    let range = stale.shards()[0].sequence_number_range().unwrap();
    assert_eq!(range.ending_sequence_number(), None, "still open then");
    tokio::time::advance(Duration::from_millis(900)).await;
    assert_eq!(list.send().await.unwrap().shards().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_with_a_wrong_clock_sees_and_asks_for_other_times() {
    let (local, client) = with_stream(1).await;
    tokio::time::advance(Duration::from_secs(100)).await;
    put(&client, "one").await.unwrap();
    tokio::time::advance(Duration::from_secs(100)).await;
    put(&client, "two").await.unwrap();
    local
        .faults()
        .add(Fault::clock_ahead(Duration::from_secs(150)).client("ahead"))
        .unwrap();
    let ahead = once(&local.kinesis_config_as("ahead"));
    let since = |client: &Client, second: i64| {
        client
            .get_shard_iterator()
            .stream_name("orders")
            .shard_id(FIRST)
            .shard_iterator_type(ShardIteratorType::AtTimestamp)
            .timestamp(DateTime::from_secs(1_767_225_600 + second))
            .send()
    };
    for (client, second, count, arrival) in
        [(&client, 50, 2, 100), (&ahead, 50, 1, 50), (&ahead, -50, 2, -50)]
    {
        let iterator = since(client, second).await.unwrap();
        let get = client
            .get_records()
            .set_shard_iterator(iterator.shard_iterator().map(str::to_owned));
        let page = get.send().await.unwrap();
        assert_eq!(page.records().len(), count);
        assert_eq!(
            page.records()[0].approximate_arrival_timestamp(),
            Some(&DateTime::from_secs(1_767_225_600 + arrival))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_cannot_be_is_refused() {
    let local = InProcess::start().unwrap();
    let error = local
        .faults()
        .add(Fault::throttle().operation("Nothing"))
        .unwrap_err();
    assert_eq!(error.to_string(), "Nothing is no operation of either half");
    let error = local
        .faults()
        .reshard(Duration::ZERO, "orders", Reshard::scale(0))
        .unwrap_err();
    assert_eq!(error.to_string(), "0 shards cannot be; ask for 1 to 10000");
}
