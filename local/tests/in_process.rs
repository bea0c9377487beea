//! The handle without sockets, through the real SDK clients, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod registered;

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, ShardIteratorType, StartingPosition, SubscribeToShardEventStream,
};
use kinesis_local::{InProcess, Latency, Reshard};
use tokio::time::Instant;

use self::registered::consumer;

const FIRST: &str = "shardId-000000000000";

async fn put(client: &Client, key: &str, data: &str) -> String {
    let put = client
        .put_record()
        .stream_name("orders")
        .partition_key(key)
        .data(Blob::new(data));
    put.send().await.unwrap().shard_id().to_owned()
}

async fn iterator(client: &Client, shard: &str, kind: ShardIteratorType) -> Option<String> {
    let get = client
        .get_shard_iterator()
        .stream_name("orders")
        .shard_id(shard)
        .shard_iterator_type(kind);
    get.send().await.unwrap().shard_iterator().map(str::to_owned)
}

fn start(kind: ShardIteratorType) -> StartingPosition {
    StartingPosition::builder().r#type(kind).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_record_comes_back_with_its_virtual_time() {
    let local = InProcess::start().unwrap();
    local.create_stream("orders", 1).await.unwrap();
    let client = local.kinesis_client();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    put(&client, "till-7", "coffee").await;
    let iterator = iterator(&client, FIRST, ShardIteratorType::TrimHorizon).await;
    let page = client
        .get_records()
        .set_shard_iterator(iterator)
        .send()
        .await
        .unwrap();
    let record = &page.records()[0];
    assert_eq!(record.data().as_ref(), b"coffee");
    assert_eq!(record.partition_key(), Some("till-7"));
    assert_eq!(
        record.approximate_arrival_timestamp(),
        Some(&DateTime::from_secs(1_767_225_600 + 3_600))
    );
    assert_eq!(
        local.now(),
        UNIX_EPOCH + Duration::from_secs(1_767_225_600 + 3_600)
    );
}

#[tokio::test(start_paused = true)]
async fn readers_of_a_split_shard_are_told_of_its_children() {
    let local = InProcess::start().unwrap();
    local.create_stream("orders", 1).await.unwrap();
    let client = local.kinesis_client();
    put(&client, "a", "before").await;
    local
        .faults()
        .reshard(Duration::from_secs(5), "orders", Reshard::split(FIRST))
        .unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    let shards: BTreeSet<String> =
        [put(&client, "a", "after").await, put(&client, "c", "after").await].into();
    assert!(!shards.contains(FIRST), "{shards:?}");

    let iterator = iterator(&client, FIRST, ShardIteratorType::TrimHorizon).await;
    let page = client
        .get_records()
        .set_shard_iterator(iterator)
        .send()
        .await
        .unwrap();
    assert_eq!(page.next_shard_iterator(), None);
    assert_eq!(page.records().len(), 1);
    let children: Vec<_> = page.child_shards().iter().map(|child| child.shard_id()).collect();
    assert_eq!(children, ["shardId-000000000001", "shardId-000000000002"]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_pushed_to_beats_when_idle_and_ends_after_five_minutes() {
    let local = InProcess::start().unwrap();
    local.create_stream("orders", 1).await.unwrap();
    let client = local.kinesis_client();
    let arn = consumer(&client, "billing").await;
    let subscribe = client
        .subscribe_to_shard()
        .consumer_arn(arn)
        .shard_id(FIRST)
        .starting_position(start(ShardIteratorType::Latest));
    let began = Instant::now();
    let mut events = subscribe.clone().send().await.unwrap().event_stream;
    let writer = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        put(&client, "k", "pushed").await;
        Instant::now()
    };
    let reader = async {
        loop {
            let event = events.recv().await.unwrap().unwrap();
            let SubscribeToShardEventStream::SubscribeToShardEvent(event) = event else {
                continue;
            };
            if !event.records().is_empty() {
                return Instant::now();
            }
        }
    };
    let (written, read) = tokio::join!(writer, reader);
    assert_eq!(written, read, "a write wakes its readers at once");

    let again = subscribe.clone().send().await.unwrap_err().into_service_error();
    assert!(again.is_resource_in_use_exception(), "{again:?}");

    let mut beats = 0;
    while events.recv().await.unwrap().is_some() {
        beats += 1;
    }
    assert!(
        (55..=65).contains(&beats),
        "{beats} events on an idle shard in 5 minutes"
    );
    assert_eq!((Instant::now() - began).as_secs(), 300);
    subscribe.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_subscription_follows_a_reshard_that_nobody_calls_for() {
    let local = InProcess::start().unwrap();
    local.create_stream("orders", 1).await.unwrap();
    let client = local.kinesis_client();
    let arn = consumer(&client, "billing").await;
    let mut events = client
        .subscribe_to_shard()
        .consumer_arn(arn)
        .shard_id(FIRST)
        .starting_position(start(ShardIteratorType::TrimHorizon))
        .send()
        .await
        .unwrap()
        .event_stream;
    let began = Instant::now();
    local
        .faults()
        .reshard(Duration::from_millis(2_345), "orders", Reshard::split(FIRST))
        .unwrap();
    let mut children = Vec::new();
    while let Some(event) = events.recv().await.unwrap() {
        if let SubscribeToShardEventStream::SubscribeToShardEvent(event) = event {
            children.extend(
                event
                    .child_shards()
                    .iter()
                    .map(|child| child.shard_id().to_owned()),
            );
        }
    }
    assert_eq!(children, ["shardId-000000000001", "shardId-000000000002"]);
    assert_eq!(Instant::now() - began, Duration::from_millis(2_345));
}

#[tokio::test(start_paused = true)]
async fn latencies_are_those_of_the_model() {
    let model = Latency::service().jitter_percent(0);
    let local = InProcess::builder().latency(model).start().unwrap();
    local.create_stream("orders", 1).await.unwrap();
    let client = local.kinesis_client();
    let began = Instant::now();
    put(&client, "k", "x").await;
    assert_eq!(began.elapsed(), Duration::from_millis(10));
    client.list_shards().stream_name("orders").send().await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(40));
    let iterator = iterator(&client, FIRST, ShardIteratorType::TrimHorizon).await;
    client
        .get_records()
        .set_shard_iterator(iterator)
        .send()
        .await
        .unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(70));
    local.dynamodb_client().list_tables().send().await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(75));

    let arn = consumer(&client, "billing").await;
    let began = Instant::now();
    let mut events = client
        .subscribe_to_shard()
        .consumer_arn(arn)
        .shard_id(FIRST)
        .starting_position(start(ShardIteratorType::TrimHorizon))
        .send()
        .await
        .unwrap()
        .event_stream;
    events.recv().await.unwrap().unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(20 + 70));
}

#[tokio::test(start_paused = true)]
async fn limits_are_the_services_when_asked_for() {
    let local = InProcess::builder().service_limits(true).start().unwrap();
    local.create_stream("orders", 1).await.unwrap();
    let client = local.kinesis_client();
    let entry = PutRecordsRequestEntry::builder()
        .partition_key("k")
        .data(Blob::new(vec![b'x'; 4 * 1_024]))
        .build()
        .unwrap();
    let put = client
        .put_records()
        .stream_name("orders")
        .set_records(Some(vec![entry; 500]));
    let reply = put.send().await.unwrap();
    let refused = reply
        .records()
        .iter()
        .filter(|entry| entry.error_code() == Some("ProvisionedThroughputExceededException"))
        .count();
    assert!(
        (200..=300).contains(&refused),
        "{refused} of 500 x 4 KiB into one shard of 1 MiB/s"
    );
    assert_eq!(reply.failed_record_count(), Some(i32::try_from(refused).unwrap()));
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_by_letting_the_oldest_go() {
    let local = InProcess::builder().max_memory(1 << 20).start().unwrap();
    local.create_stream("orders", 2).await.unwrap();
    let client = local.kinesis_client();
    for number in 0..60 {
        let data = format!("{number:<60000}");
        put(&client, &format!("key-{number}"), &data).await;
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let mut kept = Vec::new();
    for shard in [FIRST, "shardId-000000000001"] {
        let iterator = iterator(&client, shard, ShardIteratorType::TrimHorizon).await;
        let page = client
            .get_records()
            .set_shard_iterator(iterator)
            .send()
            .await
            .unwrap();
        let number = |record: &aws_sdk_kinesis::types::Record| -> u32 {
            String::from_utf8_lossy(record.data().as_ref())
                .trim()
                .parse()
                .unwrap()
        };
        kept.extend(page.records().iter().map(number));
    }
    kept.sort_unstable();
    let newest: Vec<u32> = (60 - u32::try_from(kept.len()).unwrap()..60).collect();
    assert_eq!(kept, newest);
    assert!(
        (15..=17).contains(&kept.len()),
        "{} records of 60 kB in 1 MiB",
        kept.len()
    );
}

#[tokio::test(start_paused = true)]
async fn the_clock_can_be_moved_alone() {
    let local = InProcess::start().unwrap();
    local.create_stream("orders", 1).await.unwrap();
    let client = local.kinesis_client();
    put(&client, "k", "x").await;
    let iterator = iterator(&client, FIRST, ShardIteratorType::TrimHorizon).await;
    local.advance_clock(Duration::from_secs(301));
    let get = client.get_records().set_shard_iterator(iterator);
    let expired = get.send().await.unwrap_err().into_service_error();
    assert!(expired.is_expired_iterator_exception(), "{expired:?}");
}

#[tokio::test(start_paused = true)]
async fn two_handles_know_nothing_of_each_other_and_clients_outlive_theirs() {
    let one = InProcess::start().unwrap();
    let other = InProcess::start().unwrap();
    one.create_stream("orders", 1).await.unwrap();
    let client = one.kinesis_client();
    drop(one);
    put(&client, "k", "x").await;
    let streams = other.kinesis_client().list_streams().send().await.unwrap();
    assert!(streams.stream_names().is_empty());
}
