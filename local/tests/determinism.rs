//! The same seed twice gives the same history, byte for byte, and virtual time is cheap.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use kinesis_local::{Fault, Faults, InProcess, Latency, Reshard};
use tokio::time::Instant;

/// One virtual run: a producer, two workers that share 16 shards, a reshard, faults; and what came of it.
async fn run(seed: u64, length: Duration) -> (String, u64, u64) {
    let faults = Faults::builder()
        .seed(seed)
        .fault(Fault::reply_lost().operation("PutRecords").chance(0.02))
        .fault(Fault::throttle().operation("GetRecords").chance(0.02))
        .fault(Fault::entries_refused().chance(0.01))
        .fault(
            Fault::latency(Duration::from_millis(400))
                .client("worker-1")
                .chance(0.05),
        )
        .fault(Fault::reply_lost().conditional().chance(0.02))
        .reshard(length / 3, "orders", Reshard::split("shardId-000000000003"))
        .build()
        .unwrap();
    let local = InProcess::builder()
        .seed(seed)
        .latency(Latency::service())
        .faults(faults)
        .start()
        .unwrap();
    local.create_stream("orders", 16).await.unwrap();
    table(&local).await;
    let end = Instant::now() + length;
    let pause = (length / 360).max(Duration::from_secs(5));
    let (put, first, second) = tokio::join!(
        produce(Client::new(&local.kinesis_config_as("producer")), pause, end),
        work(&local, "worker-0", 0, pause, end),
        work(&local, "worker-1", 1, pause, end),
    );
    (local.history().to_string(), put, first + second)
}

async fn table(local: &InProcess) {
    let client = local.dynamodb_client();
    let create = client
        .create_table()
        .table_name("leases")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("key")
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap(),
        )
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name("key")
                .key_type(KeyType::Hash)
                .build()
                .unwrap(),
        );
    create.send().await.unwrap();
    client.describe_table().table_name("leases").send().await.unwrap();
}

/// Puts 20 records, again until they are in, then pauses. Returns how many it put, once each.
async fn produce(client: Client, pause: Duration, end: Instant) -> u64 {
    let mut put = 0;
    while Instant::now() < end {
        let mut entries: Vec<PutRecordsRequestEntry> = (0..20)
            .map(|number| {
                PutRecordsRequestEntry::builder()
                    .partition_key(format!("key-{put}-{number}"))
                    .data(Blob::new(vec![b'x'; 100]))
                    .build()
                    .unwrap()
            })
            .collect();
        while !entries.is_empty() {
            let call = client
                .put_records()
                .stream_name("orders")
                .set_records(Some(entries.clone()));
            if let Ok(reply) = call.send().await {
                let failed = |(_, result): &(
                    PutRecordsRequestEntry,
                    &aws_sdk_kinesis::types::PutRecordsResultEntry,
                )| { result.error_code().is_some() };
                let results = entries.into_iter().zip(reply.records());
                entries = results.filter(failed).map(|(entry, _)| entry).collect();
            }
        }
        put += 20;
        tokio::time::sleep(pause).await;
    }
    put
}

/// Reads every second shard, keeps a lease on each, then pauses. Returns how many records it read.
async fn work(local: &InProcess, name: &str, remainder: usize, pause: Duration, end: Instant) -> u64 {
    let client = Client::new(&local.kinesis_config_as(name));
    let leases = aws_sdk_dynamodb::Client::new(&local.dynamodb_config_as(name));
    let mut iterators: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut read = 0;
    while Instant::now() < end {
        let shards = client.list_shards().stream_name("orders").send().await.unwrap();
        for (number, shard) in shards.shards().iter().enumerate() {
            let id = shard.shard_id();
            if number % 2 != remainder || iterators.contains_key(id) {
                continue;
            }
            let first = client
                .get_shard_iterator()
                .stream_name("orders")
                .shard_id(id)
                .shard_iterator_type(ShardIteratorType::TrimHorizon);
            let first = first.send().await.unwrap();
            iterators.insert(id.to_owned(), first.shard_iterator().map(str::to_owned));
        }
        for (shard, iterator) in &mut iterators {
            let Some(current) = iterator.clone() else { continue };
            if let Ok(page) = client.get_records().shard_iterator(current).send().await {
                read += page.records().len() as u64;
                *iterator = page.next_shard_iterator().map(str::to_owned);
            }
            let item = HashMap::from([
                ("key".to_owned(), AttributeValue::S(shard.clone())),
                ("owner".to_owned(), AttributeValue::S(name.to_owned())),
                ("read".to_owned(), AttributeValue::N(read.to_string())),
            ]);
            // A lost reply is retried, and then loses against itself or not; either way the history says so.
            let put = leases
                .put_item()
                .table_name("leases")
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(#key) OR #owner = :me")
                .expression_attribute_names("#key", "key")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":me", AttributeValue::S(name.to_owned()));
            let _ = put.send().await;
        }
        tokio::time::sleep(pause).await;
    }
    read
}

#[tokio::test(start_paused = true)]
async fn a_seed_has_one_history() {
    let length = Duration::from_secs(240);
    let (history, put, read) = Box::pin(run(7, length)).await;
    let (again, ..) = Box::pin(run(7, length)).await;
    // Not assert_eq: two histories of some hundred kilobytes help nobody.
    assert!(history == again, "{}", first_difference(&history, &again));
    let (other, ..) = Box::pin(run(8, length)).await;
    assert!(history != other, "another seed has another history");

    let has = |what: &str| history.lines().any(|line| line.contains(what));
    for what in [
        "lost 200",
        "PutItem",
        "worker-1",
        "GetRecords",
        "shard=shardId-000000000016",
        "-> 400",
    ] {
        assert!(has(what), "the run has no {what}");
    }
    assert!(read >= put * 9 / 10, "{read} records read of {put}");
}

fn first_difference(one: &str, other: &str) -> String {
    let lines = one.lines().zip(other.lines()).enumerate();
    let difference = lines.into_iter().find(|(_, (one, other))| one != other);
    format!(
        "{difference:?} of {} and {} lines",
        one.lines().count(),
        other.lines().count()
    )
}

#[tokio::test(start_paused = true)]
async fn a_virtual_hour_takes_seconds() {
    #[expect(clippy::disallowed_methods, reason = "how long it really takes is the point")]
    let before = std::time::SystemTime::now();
    let virtual_start = Instant::now();
    let (history, put, read) = Box::pin(run(1, Duration::from_secs(3_600))).await;
    assert!(virtual_start.elapsed() >= Duration::from_secs(3_600));
    let took = before.elapsed().unwrap();
    assert!(
        put > 6_000 && read >= put * 9 / 10,
        "{read} records read of {put}"
    );
    assert!(history.lines().count() > 10_000);
    // A debug build on a busy machine; in release it is some seconds.
    assert!(
        took < Duration::from_secs(240),
        "an hour of a 16-shard stream took {took:?}"
    );
}
