//! Records: put, and got.

use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types as sdk;

use super::super::super::*;
use super::super::golden::{self, STREAM_ARN};
use super::{Peer, exchange, millis};

#[tokio::test]
async fn writing() {
    let output = exchange!(PutRecord, client => client
        .put_record()
        .stream_name("orders")
        .data(Blob::new("one coffee"))
        .partition_key("till-7")
        .explicit_hash_key("17")
        .sequence_number_for_ordering("0")
        .stream_id("ignored")
        .dry_run(true));
    assert_eq!(output.shard_id(), "shardId-000000000001");
    assert_eq!(output.sequence_number(), golden::number(1).to_string());

    let entry = |data: &[u8]| sdk::PutRecordsRequestEntry::builder().data(Blob::new(data));
    let output = exchange!(PutRecords, client => client
        .put_records()
        .stream_arn(STREAM_ARN)
        .records(entry(b"one coffee").partition_key("té \"7\"").build().unwrap())
        .records(entry(b"").explicit_hash_key("0").build().unwrap())
        .records(entry(&[0xFF, 0xEF]).partition_key("k").build().unwrap()));
    assert_eq!(output.failed_record_count(), Some(1));
    assert_eq!(output.encryption_type(), Some(&sdk::EncryptionType::Kms));
    let [stored, failed] = output.records() else {
        panic!("{output:?}");
    };
    assert_eq!(stored.sequence_number(), Some(&*golden::number(1).to_string()));
    assert_eq!(stored.shard_id(), Some("shardId-000000000001"));
    assert_eq!(
        failed.error_code(),
        Some("ProvisionedThroughputExceededException")
    );
    assert_eq!(failed.error_message(), Some("slower"));
}

#[tokio::test]
async fn reading() {
    let output = exchange!(GetShardIterator, client => client
        .get_shard_iterator()
        .stream_name("orders")
        .shard_id("shardId-000000000001")
        .shard_iterator_type(sdk::ShardIteratorType::AtTimestamp)
        .starting_sequence_number("5")
        .timestamp(DateTime::from_millis(1_700_000_000_125))
        .dry_run(true));
    assert_eq!(output.shard_iterator(), Some("0123abcd"));

    let output = exchange!(GetRecords, client => client
        .get_records()
        .shard_iterator("0123abcd")
        .limit(10_000)
        .stream_arn(STREAM_ARN)
        .dry_run(false));
    assert_eq!(output.next_shard_iterator(), None);
    assert_eq!(output.millis_behind_latest(), Some(12));
    assert_records(output.records());
    assert_children(output.child_shards());
}

pub(super) fn assert_records(records: &[sdk::Record]) {
    let [plain, encrypted] = records else {
        panic!("{records:?}");
    };
    assert_eq!(plain.sequence_number(), golden::number(1).to_string());
    assert_eq!(plain.data().as_ref(), b"one coffee");
    assert_eq!(plain.partition_key(), Some("té\u{1}\"\\7\n"));
    assert_eq!(plain.encryption_type(), None);
    assert_eq!(
        millis(plain.approximate_arrival_timestamp().unwrap()),
        1_700_000_000_120
    );
    assert_eq!(encrypted.data().as_ref(), [0xFF, 0xEF]);
    assert_eq!(encrypted.partition_key(), None);
    assert_eq!(encrypted.encryption_type(), Some(&sdk::EncryptionType::Kms));
}

pub(super) fn assert_children(children: &[sdk::ChildShard]) {
    let [child] = children else {
        panic!("{children:?}");
    };
    assert_eq!(child.shard_id(), "shardId-000000000002");
    assert_eq!(
        child.parent_shards(),
        ["shardId-000000000000", "shardId-000000000001"]
    );
    assert_eq!(
        child.hash_key_range().unwrap().ending_hash_key(),
        u128::MAX.to_string()
    );
}
