//! The Kinesis half through the real SDK client.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType, StreamStatus};
use kinesis_local::{CreateStreamError, Local};

const FIRST_SHARD: &str = "shardId-000000000000";

async fn with_stream(shards: u32) -> (Local, Client) {
    let local = Local::start().await.unwrap();
    local.create_stream("orders", shards).await.unwrap();
    let client = local.kinesis_client();
    (local, client)
}

fn entry(key: &str, data: Vec<u8>) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .partition_key(key)
        .data(Blob::new(data))
        .build()
        .expect("key and data are set")
}

async fn put(client: &Client, entries: Vec<PutRecordsRequestEntry>) {
    let put = client
        .put_records()
        .stream_name("orders")
        .set_records(Some(entries))
        .send()
        .await
        .unwrap();
    assert_eq!(put.failed_record_count(), Some(0));
}

async fn iterator(client: &Client, shard: &str, kind: ShardIteratorType, at: Option<&str>) -> Option<String> {
    let made = client
        .get_shard_iterator()
        .stream_name("orders")
        .shard_id(shard)
        .shard_iterator_type(kind)
        .set_starting_sequence_number(at.map(str::to_owned))
        .send();
    made.await.unwrap().shard_iterator
}

async fn read(client: &Client, iterator: Option<String>) -> GetRecordsOutput {
    client
        .get_records()
        .set_shard_iterator(iterator)
        .send()
        .await
        .unwrap()
}

async fn until_active(client: &Client) {
    loop {
        let summary = client
            .describe_stream_summary()
            .stream_name("orders")
            .send()
            .await
            .unwrap();
        if summary
            .stream_description_summary()
            .map(|summary| summary.stream_status())
            == Some(&StreamStatus::Active)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_put() {
    let (local, client) = with_stream(1).await;

    let one = client
        .put_record()
        .stream_name("orders")
        .partition_key("ключ")
        .data(Blob::new([0, 255, 10]))
        .send()
        .await;
    let one = one.unwrap();
    put(&client, vec![entry("k", vec![1]), entry("k", vec![])]).await;

    let page = read(
        &client,
        iterator(&client, one.shard_id(), ShardIteratorType::TrimHorizon, None).await,
    )
    .await;
    let [first, second, third] = page.records() else {
        panic!("{page:?}")
    };
    assert_eq!(
        (first.partition_key(), first.data().as_ref()),
        (Some("ключ"), &[0, 255, 10][..])
    );
    assert_eq!(first.sequence_number(), one.sequence_number());
    assert_eq!(
        (second.partition_key(), second.data().as_ref()),
        (Some("k"), &[1][..])
    );
    assert_eq!(third.data().as_ref(), &[] as &[u8]);
    assert!(first.sequence_number() < second.sequence_number());
    assert_eq!(page.millis_behind_latest(), Some(0));

    let next = read(&client, page.next_shard_iterator).await;
    assert!(next.records().is_empty() && next.next_shard_iterator().is_some());
    local.stop().await;
}

#[tokio::test]
async fn ten_megabytes_go_in_with_one_request_and_out_in_one_page() {
    let (_local, client) = with_stream(1).await;
    let data = |i: usize| vec![u8::try_from(i % 251).unwrap(); 20 * 1024 - 8];
    put(
        &client,
        (0..500).map(|i| entry(&i.to_string(), data(i))).collect(),
    )
    .await;

    let page = read(
        &client,
        iterator(&client, FIRST_SHARD, ShardIteratorType::TrimHorizon, None).await,
    )
    .await;
    assert_eq!(page.records().len(), 500);
    for (i, record) in page.records().iter().enumerate() {
        assert_eq!(record.data().as_ref(), data(i), "record {i}");
    }
}

#[tokio::test]
async fn pages_stay_within_ten_mebibytes_and_tell_that_more_is_to_come() {
    let (_local, client) = with_stream(1).await;
    for round in 0..3 {
        put(
            &client,
            (0..9)
                .map(|i| entry(&format!("{round}-{i}"), vec![0; 1024 * 1024 - 9]))
                .collect(),
        )
        .await;
    }

    let mut next = iterator(&client, FIRST_SHARD, ShardIteratorType::TrimHorizon, None).await;
    let mut pages = Vec::new();
    let mut keys = Vec::new();
    loop {
        let page = read(&client, next).await;
        keys.extend(
            page.records()
                .iter()
                .filter_map(|record| record.partition_key().map(str::to_owned)),
        );
        pages.push((page.records().len(), page.millis_behind_latest() > Some(0)));
        next = page.next_shard_iterator;
        if page.millis_behind_latest == Some(0) {
            break;
        }
    }
    assert_eq!(pages, [(10, true), (10, true), (7, false)]);
    let all: Vec<_> = (0..3)
        .flat_map(|round| (0..9).map(move |i| format!("{round}-{i}")))
        .collect();
    assert_eq!(keys, all);
}

#[tokio::test]
async fn a_limit_is_kept_and_the_next_page_goes_on() {
    let (_local, client) = with_stream(1).await;
    put(
        &client,
        (0..200).map(|i| entry(&i.to_string(), vec![0])).collect(),
    )
    .await;

    let start = iterator(&client, FIRST_SHARD, ShardIteratorType::TrimHorizon, None).await;
    let first = client
        .get_records()
        .set_shard_iterator(start)
        .limit(130)
        .send()
        .await
        .unwrap();
    let second = read(&client, first.next_shard_iterator.clone()).await;
    assert_eq!((first.records().len(), second.records().len()), (130, 70));
    assert_eq!(first.records()[129].partition_key(), Some("129"));
    assert_eq!(second.records()[0].partition_key(), Some("130"));
}

#[tokio::test]
async fn iterators_start_where_they_say() {
    let (_local, client) = with_stream(1).await;
    put(
        &client,
        vec![entry("a", vec![0]), entry("b", vec![0]), entry("c", vec![0])],
    )
    .await;
    let all = read(
        &client,
        iterator(&client, FIRST_SHARD, ShardIteratorType::TrimHorizon, None).await,
    )
    .await;
    let middle = all.records()[1].sequence_number();

    let cases = [
        (ShardIteratorType::AtSequenceNumber, Some(middle), "bcd"),
        (ShardIteratorType::AfterSequenceNumber, Some(middle), "cd"),
        (ShardIteratorType::Latest, None, "d"),
    ];
    let mut made = Vec::new();
    for (kind, at, expected) in cases {
        made.push((iterator(&client, FIRST_SHARD, kind, at).await, expected));
    }
    put(&client, vec![entry("d", vec![0])]).await;
    for (iterator, expected) in made {
        let page = read(&client, iterator).await;
        let keys: String = page
            .records()
            .iter()
            .filter_map(|record| record.partition_key())
            .collect();
        assert_eq!(keys, expected);
    }
}

#[tokio::test]
async fn a_closed_shard_ends_and_names_its_children() {
    let (_local, client) = with_stream(1).await;
    put(&client, vec![entry("a", vec![1])]).await;
    let middle = (u128::MAX / 2).to_string();
    let split = client
        .split_shard()
        .stream_name("orders")
        .shard_to_split(FIRST_SHARD)
        .new_starting_hash_key(middle);
    split.send().await.unwrap();
    until_active(&client).await;

    let page = read(
        &client,
        iterator(&client, FIRST_SHARD, ShardIteratorType::TrimHorizon, None).await,
    )
    .await;
    assert_eq!(page.records().len(), 1);
    assert_eq!(page.next_shard_iterator(), None);
    let children: Vec<_> = page
        .child_shards()
        .iter()
        .map(|child| (child.shard_id(), child.parent_shards().to_vec()))
        .collect();
    let parent = vec![FIRST_SHARD.to_owned()];
    assert_eq!(
        children,
        [
            ("shardId-000000000001", parent.clone()),
            ("shardId-000000000002", parent)
        ]
    );

    let open = read(
        &client,
        iterator(
            &client,
            "shardId-000000000001",
            ShardIteratorType::TrimHorizon,
            None,
        )
        .await,
    )
    .await;
    assert!(open.next_shard_iterator().is_some() && open.child_shards().is_empty());
}

/// A reader at the tip sees every record, whatever the moment it comes between the writes of many.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_between_concurrent_writers_misses_nothing() {
    const WRITERS: usize = 8;
    const REQUESTS: usize = 40;
    const RECORDS: usize = 20;
    let (_local, client) = with_stream(1).await;

    let writers = (0..WRITERS).map(|writer| {
        let client = client.clone();
        async move {
            for request in 0..REQUESTS {
                let entries = (0..RECORDS).map(|i| entry(&format!("{writer}/{request}/{i}"), vec![0; 2000]));
                put(&client, entries.collect()).await;
            }
        }
    });
    let mut running: tokio::task::JoinSet<()> = writers.collect();

    let mut seen = HashSet::new();
    let mut next = iterator(&client, FIRST_SHARD, ShardIteratorType::TrimHorizon, None).await;
    loop {
        // Asked before the read: what is read after the last writer ended is everything.
        let written = running.try_join_next().is_none() && running.is_empty();
        let page = read(&client, next).await;
        seen.extend(
            page.records()
                .iter()
                .filter_map(|record| record.partition_key().map(str::to_owned)),
        );
        next = page.next_shard_iterator;
        if written && page.records.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), WRITERS * REQUESTS * RECORDS);
}

#[tokio::test]
async fn wrong_requests_are_refused_with_the_services_error() {
    let (_local, client) = with_stream(1).await;
    let code = async |stream: &str, entries| {
        let refused = client
            .put_records()
            .stream_name(stream)
            .set_records(Some(entries))
            .send()
            .await
            .unwrap_err();
        refused.into_service_error().code().unwrap_or("none").to_owned()
    };
    let many = (0..501).map(|i| entry(&i.to_string(), vec![0])).collect();
    let large = (0..11)
        .map(|i| entry(&i.to_string(), vec![0; 1024 * 1024]))
        .collect();
    assert_eq!(
        code("missing", vec![entry("k", vec![0])]).await,
        "ResourceNotFoundException"
    );
    assert_eq!(code("orders", many).await, "ValidationException");
    assert_eq!(code("orders", large).await, "InvalidArgumentException");
    assert_eq!(
        code("orders", vec![entry(&"k".repeat(257), vec![0])]).await,
        "ValidationException"
    );
    assert_eq!(
        code("orders", vec![entry("k", vec![0; 1024 * 1024 + 1])]).await,
        "InvalidArgumentException"
    );

    let refused = client
        .get_records()
        .shard_iterator("nonsense")
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        refused.into_service_error().code(),
        Some("InvalidArgumentException")
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_endpoint_lives_on() {
    let (_local, client) = with_stream(1).await;
    let huge = (0..20)
        .map(|i| entry(&i.to_string(), vec![0; 1024 * 1024]))
        .collect();
    client
        .put_records()
        .stream_name("orders")
        .set_records(Some(huge))
        .send()
        .await
        .unwrap_err();
    put(&client, vec![entry("k", vec![0])]).await;
}

#[tokio::test]
async fn create_stream_says_why_it_was_refused() {
    let local = Local::start().await.unwrap();
    local.create_stream("twice", 1).await.unwrap();
    for (name, shards, code) in [
        ("twice", 1, "ResourceInUseException"),
        ("a b", 1, "ValidationException"),
        ("none", 0, "ValidationException"),
    ] {
        let refused = local.create_stream(name, shards).await.unwrap_err();
        assert!(
            matches!(refused, CreateStreamError::Refused { .. }),
            "{refused:?}"
        );
        let text = refused.to_string();
        assert!(
            text.starts_with(&format!("cannot create stream {name}: {code}: ")),
            "{text}"
        );
    }
}
