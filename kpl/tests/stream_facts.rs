//! Streams as the service has them now: records it distributes by itself, large records, ARNs, permissions that are
//! missing, streams that come later. Against the engine, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod stored;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{RecordDistributionStrategy, StreamMode, StreamModeDetails};
use kinesis_aggregation::{Deaggregated, HashKey, HashKeyRange, OutOfRange, deaggregate};
use kinesis_local::{Fault, InProcess};
use kpl::{
    Aggregation, DeliveryErrorKind, FailureKind, OuterKey, Producer, ProducerConfig, ProducerConfigBuilder,
    PutError, Record, RetryPolicy, RetryRule, StreamConfig, StreamName,
};

/// What a consumer finds that goes by the KCL's rule.
#[derive(Debug, Default)]
struct Found {
    /// How often each user record was seen, by its text.
    records: BTreeMap<String, usize>,
    kinesis_records: usize,
    aggregates: usize,
    /// Aggregates of which a member lies outside of the shard.
    dropped: usize,
    outer_keys: BTreeMap<String, usize>,
}

async fn read(client: &Client, stream: &str) -> Found {
    let mut found = Found::default();
    let shards = client.list_shards().stream_name(stream).send().await.unwrap();
    for shard in shards.shards() {
        let range = shard.hash_key_range().unwrap();
        let key = |text: &str| HashKey::parse_decimal(text).unwrap();
        let range = HashKeyRange::new(key(range.starting_hash_key()), key(range.ending_hash_key())).unwrap();
        for record in stored::records(client, stream, shard.shard_id()).await {
            found.add(&range, record);
        }
    }
    found
}

impl Found {
    fn add(&mut self, range: &HashKeyRange, record: aws_sdk_kinesis::types::Record) {
        self.kinesis_records += 1;
        let outer = record.partition_key().unwrap_or_default().to_owned();
        *self.outer_keys.entry(outer).or_default() += 1;
        match deaggregate(record.data.into_bytes(), range, OutOfRange::DropAggregate) {
            Deaggregated::Aggregate(records) => {
                self.aggregates += 1;
                for record in records {
                    self.see(record.data());
                }
            }
            Deaggregated::Raw { data, .. } => self.see(&data),
            _ => self.dropped += 1,
        }
    }

    fn see(&mut self, data: &[u8]) {
        // Large records are known by their beginning.
        let text = String::from_utf8_lossy(&data[..data.len().min(20)])
            .trim()
            .to_owned();
        *self.records.entry(text).or_default() += 1;
    }

    fn each_once(&self, records: usize) {
        assert_eq!(self.records.len(), records, "each is found");
        let twice: Vec<_> = self.records.iter().filter(|(_, seen)| **seen != 1).collect();
        assert!(twice.is_empty(), "none is found twice: {twice:?}");
    }
}

async fn on_demand(client: &Client, stream: &str) -> String {
    let on_demand = StreamModeDetails::builder().stream_mode(StreamMode::OnDemand);
    client
        .create_stream()
        .stream_name(stream)
        .stream_mode_details(on_demand.build().unwrap())
        .send()
        .await
        .unwrap();
    loop {
        let summary = client
            .describe_stream_summary()
            .stream_name(stream)
            .send()
            .await
            .unwrap();
        let summary = summary.stream_description_summary.unwrap();
        if summary.stream_status.as_str() == "ACTIVE" {
            return summary.stream_arn;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn distribute(client: &Client, arn: &str, strategy: RecordDistributionStrategy) {
    client
        .update_stream_record_distribution_strategy()
        .stream_arn(arn)
        .record_distribution_strategy(strategy)
        .send()
        .await
        .unwrap();
}

fn producer(local: &InProcess, config: ProducerConfigBuilder) -> Producer {
    Producer::new(&local.kinesis_config(), config.build().unwrap()).unwrap()
}

fn config() -> ProducerConfigBuilder {
    ProducerConfig::builder()
}

fn orders() -> StreamName {
    StreamName::new("orders").unwrap()
}

/// Puts so many records of ten keys and waits for all of them; gives the most attempts that one took.
async fn put_all(producer: &Producer, stream: &StreamName, numbers: std::ops::Range<u32>) -> u32 {
    let mut tickets = Vec::new();
    for n in numbers {
        let record = Record::new(format!("till-{}", n % 10), n.to_string()).unwrap();
        tickets.push(producer.put(stream, record).await.unwrap());
    }
    let mut most = 0;
    for ticket in tickets {
        most = most.max(ticket.await.unwrap().attempt_count());
    }
    most
}

#[tokio::test(start_paused = true)]
async fn nothing_is_aggregated_where_the_service_distributes_records() {
    let local = InProcess::start().unwrap();
    let client = local.kinesis_client();
    let arn = on_demand(&client, "orders").await;
    distribute(&client, &arn, RecordDistributionStrategy::Auto).await;
    let producer = producer(&local, config());
    let most = put_all(&producer, &orders(), 0..3_000).await;
    assert_eq!(most, 1, "a record alone is never on the wrong shard");
    producer.close().await.unwrap();
    let found = read(&client, "orders").await;
    found.each_once(3_000);
    assert_eq!((found.kinesis_records, found.aggregates), (3_000, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_change_its_mind_while_records_flow() {
    let local = InProcess::start().unwrap();
    let client = local.kinesis_client();
    let arn = on_demand(&client, "orders").await;
    let producer = producer(&local, config().summary_refresh(Duration::from_secs(30)));
    put_all(&producer, &orders(), 0..1_000).await;
    let before = read(&client, "orders").await;
    assert!(
        before.aggregates > 0 && before.kinesis_records < 500,
        "{before:?}"
    );

    // Nobody tells the producer; its aggregates stray, which consumers hide.
    distribute(&client, &arn, RecordDistributionStrategy::Auto).await;
    put_all(&producer, &orders(), 1_000..2_000).await;
    put_all(&producer, &orders(), 2_000..3_000).await;
    let auto = read(&client, "orders").await;
    auto.each_once(3_000);
    assert!(auto.dropped > 0, "there were strays");

    distribute(&client, &arn, RecordDistributionStrategy::UserPartitionKey).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    put_all(&producer, &orders(), 3_000..3_001).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    put_all(&producer, &orders(), 3_001..4_000).await;
    producer.close().await.unwrap();
    let after = read(&client, "orders").await;
    after.each_once(4_000);
    assert_eq!(after.dropped, auto.dropped, "no more strays");
    assert!(
        after.kinesis_records - auto.kinesis_records < 500,
        "packed again: {} for 1,000",
        after.kinesis_records - auto.kinesis_records
    );
}

#[tokio::test(start_paused = true)]
async fn without_permission_to_ask_records_go_unpacked_unless_told_otherwise() {
    for (aggregation, packs) in [(Aggregation::Enabled, false), (Aggregation::Always, true)] {
        let local = InProcess::start().unwrap();
        local.create_stream("orders", 2).await.unwrap();
        let denied = Fault::error("AccessDeniedException", 400)
            .operation("DescribeStreamSummary")
            .message("not authorized to perform kinesis:DescribeStreamSummary");
        local.faults().add(denied).unwrap();
        let producer = producer(&local, config().aggregation(aggregation));
        put_all(&producer, &orders(), 0..500).await;
        let error = producer
            .put(&orders(), Record::new("k", vec![0; 2 << 20]).unwrap())
            .await
            .map(drop)
            .unwrap_err();
        assert!(
            matches!(error, PutError::RecordTooLarge { limit: 0x10_0000, .. }),
            "{error}"
        );
        producer.close().await.unwrap();
        let found = read(&local.kinesis_client(), "orders").await;
        found.each_once(500);
        assert_eq!(found.aggregates > 0, packs, "{aggregation:?}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_as_large_as_the_stream_takes() {
    const MIB: usize = 1 << 20;
    let local = InProcess::start().unwrap();
    let client = local.kinesis_client();
    local.create_stream("orders", 1).await.unwrap();
    local.create_stream("small", 1).await.unwrap();
    let summary = client
        .describe_stream_summary()
        .stream_name("orders")
        .send()
        .await
        .unwrap();
    let arn = summary.stream_description_summary.unwrap().stream_arn;
    let raise = client
        .update_max_record_size()
        .stream_arn(&arn)
        .max_record_size_in_kib(10_240);
    raise.send().await.unwrap();
    let large = |name: &str, size: usize| {
        let mut data = format!("{name:<20}").into_bytes();
        data.resize(size - 1, b'.');
        Record::new("k", data).unwrap()
    };
    // The default size of a request is half of the largest record, and no obstacle.
    let producer = producer(&local, config());
    let small = StreamName::new("small").unwrap();
    let mut tickets = Vec::new();
    for (n, size) in [10 * MIB, 5 * MIB, 2 * MIB, 100].into_iter().enumerate() {
        let name = format!("record {n}");
        tickets.push(producer.put(&orders(), large(&name, size)).await.unwrap());
    }
    for ticket in tickets {
        ticket.await.unwrap();
    }
    for (stream, size, limit) in [(&small, 10 * MIB, MIB), (&orders(), 10 * MIB + 1, 10 * MIB)] {
        let refused = producer.put(stream, large("refused", size)).await.map(drop);
        assert_eq!(refused, Err(PutError::RecordTooLarge { size, limit }));
    }
    producer.close().await.unwrap();
    read(&client, "orders").await.each_once(4);
    read(&client, "small").await.each_once(0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_reached_by_its_arn() {
    let local = InProcess::start().unwrap();
    let client = local.kinesis_client();
    let arn = on_demand(&client, "orders").await;
    let stream = StreamName::from_arn(arn.as_str()).unwrap();
    let producer = producer(&local, config());
    put_all(&producer, &stream, 0..100).await;
    let elsewhere = StreamName::from_arn("arn:aws:kinesis:eu-west-1:999999999999:stream/orders").unwrap();
    let ticket = producer
        .put(&elsewhere, Record::new("k", "x").unwrap())
        .await
        .unwrap();
    let error = ticket.await.unwrap_err();
    assert!(
        matches!(error.kind(), DeliveryErrorKind::StreamNotFound { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("999999999999"), "{error}");
    producer.close().await.unwrap();
    read(&client, "orders").await.each_once(100);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_comes_later_is_waited_for_on_request() {
    let local = InProcess::start().unwrap();
    let hopeful = RetryPolicy::default().with_rule(
        FailureKind::StreamNotFound,
        RetryRule::retry(Duration::from_secs(1), Duration::from_secs(5)),
    );
    let later = StreamName::new("later").unwrap();
    let config = config()
        .record_ttl(Duration::from_secs(120))
        .for_stream(later.clone(), move |stream: StreamConfig| {
            stream.with_retry(hopeful.clone())
        });
    let producer = producer(&local, config);
    let fails = producer
        .put(&orders(), Record::new("k", "x").unwrap())
        .await
        .unwrap();
    let waits = producer
        .put(&later, Record::new("k", "x").unwrap())
        .await
        .unwrap();
    let start = tokio::time::Instant::now();
    let error = fails.await.unwrap_err();
    assert!(
        matches!(error.kind(), DeliveryErrorKind::StreamNotFound { .. }),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(60)).await;
    local.create_stream("later", 1).await.unwrap();
    waits.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(75), "{:?}", start.elapsed());
    producer.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_aggregate_has_its_key() {
    let local = InProcess::start().unwrap();
    local.create_stream("orders", 2).await.unwrap();
    for (outer_key, keys) in [(OuterKey::FirstRecord, 2..=10), (OuterKey::PerKey, 10..=10)] {
        let stream = format!("{outer_key:?}");
        local.create_stream(&stream, 2).await.unwrap();
        let producer = producer(&local, config().outer_key(outer_key));
        put_all(&producer, &StreamName::new(stream.as_str()).unwrap(), 0..1_000).await;
        producer.close().await.unwrap();
        let found = read(&local.kinesis_client(), &stream).await;
        found.each_once(1_000);
        assert!(found.aggregates > 0 && found.kinesis_records < 500, "{found:?}");
        assert!(keys.contains(&found.outer_keys.len()), "{:?}", found.outer_keys);
        assert!(found.outer_keys.keys().all(|key| key.starts_with("till-")));
    }
}
