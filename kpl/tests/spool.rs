//! A spool between two producers and an endpoint that speaks the service's protocol, inside this process.
#![cfg(feature = "spool")]

mod stored;

use std::path::PathBuf;
use std::time::Duration;

use aws_types::SdkConfig;
use kinesis_aggregation::{Deaggregated, HashKeyRange, OutOfRange, deaggregate};
use kinesis_local::Local;
use kpl::{Producer, ProducerConfig, Record, Spool, SpoolConfig, StreamName};

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("kpl-spool-engine-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Key and data of all user records of the stream's only shard, in stored order.
async fn read_shard(local: &Local, stream: &str) -> Vec<(String, String)> {
    let client = local.kinesis_client();
    let mut found = Vec::new();
    for record in stored::records(&client, stream, "shardId-000000000000").await {
        let key = record.partition_key().unwrap_or_default().to_owned();
        let text = |data: &[u8]| String::from_utf8(data.to_vec()).expect("text");
        match deaggregate(
            record.data.into_inner().into(),
            &HashKeyRange::FULL,
            OutOfRange::Deliver,
        ) {
            Deaggregated::Aggregate(records) => {
                let users = records.iter();
                found.extend(users.map(|user| (user.partition_key().to_owned(), text(user.data()))));
            }
            Deaggregated::Raw { data, .. } => found.push((key, text(&data))),
            other => panic!("{other:?}"),
        }
    }
    found
}

/// Puts ten records of each of three keys.
async fn put_all(producer: &Producer, stream: &StreamName, what: &str) -> Vec<kpl::DeliveryTicket> {
    let mut tickets = Vec::new();
    for n in 0..10 {
        for key in ["a", "b", "c"] {
            let record = Record::new(key, format!("{what} {n}")).expect("valid");
            tickets.push(producer.put(stream, record).await.expect("taken"));
        }
    }
    tickets
}

/// The same configuration with an endpoint where nobody listens.
fn elsewhere(sdk: &SdkConfig) -> SdkConfig {
    sdk.to_builder().endpoint_url("http://127.0.0.1:9").build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_outage_left_behind_goes_before_what_is_new_in_each_keys_order() {
    let directory = Directory::new();
    let local = Local::start().await.expect("the local endpoint");
    local.create_stream("orders", 1).await.expect("a stream");
    let orders = StreamName::new("orders").expect("valid");
    {
        let spool = Spool::open(&directory.0, SpoolConfig::default()).expect("opens");
        let config = ProducerConfig::builder()
            .first_contact_timeout(Duration::from_millis(300))
            .build()
            .expect("valid");
        let producer = Producer::builder(&elsewhere(&local.kinesis_config()))
            .config(config)
            .dead_letters(spool.clone())
            .build()
            .expect("a producer");
        for ticket in put_all(&producer, &orders, "1 old").await {
            assert!(ticket.await.is_err(), "nobody listens");
        }
        producer.close().await.expect("orderly");
    }
    let spool = Spool::open(&directory.0, SpoolConfig::default()).expect("opens again");
    let producer = Producer::builder(&local.kinesis_config())
        .dead_letters(spool.clone())
        .build()
        .expect("a producer");
    let replay = spool.replay(&producer).await.expect("put again");
    let tickets = put_all(&producer, &orders, "2 new").await;
    let report = replay.finish().await.expect("finished");
    assert_eq!((report.put, report.delivered, report.kept), (30, 30, 0));
    for ticket in tickets {
        assert!(ticket.await.is_ok());
    }
    producer.close().await.expect("orderly");
    assert_eq!(spool.size(), 0, "what was delivered is deleted");

    let found = read_shard(&local, "orders").await;
    assert_eq!(found.len(), 60, "each is stored once");
    for key in ["a", "b", "c"] {
        let of_key: Vec<_> = found
            .iter()
            .filter(|(k, _)| k == key)
            .map(|(_, data)| data)
            .collect();
        assert!(of_key.is_sorted(), "{key}: {of_key:?}");
    }
    local.stop().await;
}
