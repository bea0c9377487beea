//! The producer against an endpoint that speaks the service's protocol, inside this process.

mod stored;

use std::collections::HashMap;
use std::time::Duration;

use kinesis_aggregation::{Deaggregated, HashKeyRange, OutOfRange, deaggregate};
use kinesis_local::Local;
use kpl::{DeliveryErrorKind, Producer, ProducerConfig, Record, StreamName};

/// User records in stored order: key, data, and where they are.
async fn read_all(local: &Local, stream: &str) -> HashMap<(String, u64), (String, String)> {
    let client = local.kinesis_client();
    let shards = client
        .list_shards()
        .stream_name(stream)
        .send()
        .await
        .expect("listed")
        .shards
        .unwrap_or_default();
    let mut found = HashMap::new();
    for shard in shards {
        for record in stored::records(&client, stream, shard.shard_id()).await {
            let sequence = record.sequence_number().to_owned();
            let key = record.partition_key().unwrap_or_default().to_owned();
            let data = record.data.into_inner().into();
            match deaggregate(data, &HashKeyRange::FULL, OutOfRange::Deliver) {
                Deaggregated::Aggregate(records) => {
                    for user in records {
                        let text = String::from_utf8(user.data().to_vec()).expect("text");
                        let place = (sequence.clone(), user.sub_sequence_number());
                        found.insert(place, (user.partition_key().to_owned(), text));
                    }
                }
                Deaggregated::Raw { data, .. } => {
                    let text = String::from_utf8(data.to_vec()).expect("text");
                    found.insert((sequence, 0), (key, text));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ticket_tells_where_its_record_is() {
    let local = Local::start().await.expect("the local endpoint");
    local.create_stream("orders", 4).await.expect("a stream");
    let config = ProducerConfig::builder()
        .linger(Duration::from_millis(20))
        .build()
        .expect("valid");
    let producer = Producer::new(&local.kinesis_config(), config).expect("a producer");
    let stream = StreamName::new("orders").expect("valid");

    let mut tickets = Vec::new();
    for n in 0..5_000_u32 {
        let record = Record::new(format!("till-{}", n % 37), format!("sale {n}")).expect("valid");
        tickets.push((n, producer.put(&stream, record).await.expect("taken")));
    }
    producer.flush().await.expect("a barrier");
    let found = read_all(&local, "orders").await;
    assert_eq!(found.len(), 5_000, "each is stored once");
    for (n, ticket) in tickets {
        let delivery = ticket.await.expect("delivered");
        let place = (
            delivery.sequence_number().to_owned(),
            delivery.sub_sequence_number().unwrap_or(0),
        );
        assert_eq!(
            found.get(&place),
            Some(&(format!("till-{}", n % 37), format!("sale {n}")))
        );
    }
    producer.close().await.expect("orderly");
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_stream_is_named_at_once() {
    let local = Local::start().await.expect("the local endpoint");
    let producer = Producer::new(&local.kinesis_config(), ProducerConfig::default()).expect("a producer");
    let stream = StreamName::new("nowhere").expect("valid");
    let record = Record::new("key", "data").expect("valid");
    let error = producer
        .put(&stream, record.clone())
        .await
        .expect("taken")
        .await
        .expect_err("no such stream");
    assert!(
        matches!(error.kind(), DeliveryErrorKind::StreamNotFound { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("stream nowhere"), "{error}");
    assert_eq!(error.into_record(), Some(record));
    producer.close().await.expect("orderly");
    local.stop().await;
}
