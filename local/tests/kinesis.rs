//! The Kinesis half through the real SDK client.

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use kinesis_local::Local;

fn entry(key: &str, bytes: usize) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .partition_key(key)
        .data(Blob::new(vec![7; bytes]))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_put() {
    let local = Local::start().await.unwrap();
    local.create_stream("orders", 1).await.unwrap();
    let client = local.kinesis_client();

    let put = client
        .put_record()
        .stream_name("orders")
        .partition_key("ключ")
        .data(Blob::new([0, 255, 10]))
        .send()
        .await
        .unwrap();

    let iterator = client
        .get_shard_iterator()
        .stream_name("orders")
        .shard_id(put.shard_id())
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .unwrap();
    let read = client
        .get_records()
        .set_shard_iterator(iterator.shard_iterator)
        .send()
        .await
        .unwrap();
    let [record] = read.records() else {
        panic!("{read:?}")
    };
    assert_eq!(record.partition_key(), Some("ключ"));
    assert_eq!(record.data().as_ref(), [0, 255, 10]);
    assert_eq!(record.sequence_number(), put.sequence_number());
    local.stop().await;
}

#[tokio::test]
async fn one_request_of_ten_megabytes_is_taken() {
    let local = Local::start().await.unwrap();
    local.create_stream("big", 4).await.unwrap();
    let records = (0..500).map(|i| entry(&i.to_string(), 20 * 1024 - 8)).collect();

    let put = local
        .kinesis_client()
        .put_records()
        .stream_name("big")
        .set_records(Some(records))
        .send()
        .await
        .unwrap();

    assert_eq!(put.failed_record_count(), Some(0));
    assert_eq!(put.records().len(), 500);
}
