//! Streams and their shards.

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types as sdk;

use super::super::super::*;
use super::super::golden::{self, STREAM_ARN};
use super::{Peer, exchange, millis, tags};

#[tokio::test]
async fn listing_and_resharding() {
    let filter = sdk::ShardFilter::builder()
        .r#type(sdk::ShardFilterType::AtTimestamp)
        .shard_id("shardId-000000000002")
        .timestamp(DateTime::from_millis(1_700_000_000_500))
        .build()
        .unwrap();
    let output = exchange!(ListShards, client => client
        .list_shards()
        .stream_name("orders")
        .next_token("t")
        .exclusive_start_shard_id("shardId-000000000001")
        .max_results(7)
        .stream_creation_timestamp(DateTime::from_secs(1_700_000_000))
        .shard_filter(filter));
    assert_eq!(output.next_token(), Some("t"));
    let [closed, open] = output.shards() else {
        panic!("{output:?}");
    };
    let numbers = closed.sequence_number_range().unwrap();
    assert_eq!(numbers.starting_sequence_number(), golden::number(1).to_string());
    assert_eq!(
        numbers.ending_sequence_number(),
        Some(&*golden::number(2).to_string())
    );
    assert_eq!(closed.parent_shard_id(), None);
    assert_eq!(open.parent_shard_id(), Some("shardId-000000000001"));
    assert_eq!(open.adjacent_parent_shard_id(), Some("shardId-000000000002"));
    assert_eq!(
        open.sequence_number_range().unwrap().ending_sequence_number(),
        None
    );

    exchange!(SplitShard, client => client
        .split_shard()
        .stream_name("orders")
        .shard_to_split("shardId-000000000001")
        .new_starting_hash_key("10"));
    exchange!(MergeShards, client => client
        .merge_shards()
        .stream_name("orders")
        .shard_to_merge("shardId-000000000001")
        .adjacent_shard_to_merge("shardId-000000000002"));
    let output = exchange!(UpdateShardCount, client => client
        .update_shard_count()
        .stream_name("orders")
        .target_shard_count(4)
        .scaling_type(sdk::ScalingType::UniformScaling));
    assert_eq!(output.stream_arn(), Some(STREAM_ARN));
    assert_eq!(
        (output.current_shard_count(), output.target_shard_count()),
        (Some(2), Some(4))
    );
}

#[tokio::test]
async fn describing_streams() {
    let output = exchange!(DescribeStream, client => client
        .describe_stream()
        .stream_name("orders")
        .limit(1)
        .exclusive_start_shard_id("shardId-000000000001"));
    let stream = output.stream_description().unwrap();
    assert_eq!(stream.stream_arn(), STREAM_ARN);
    assert_eq!(stream.stream_status(), &sdk::StreamStatus::Active);
    assert!(stream.has_more_shards());
    assert_eq!(stream.stream_creation_timestamp().secs(), 1_700_000_000);
    assert_eq!(stream.encryption_type(), Some(&sdk::EncryptionType::None));
    assert_eq!(stream.enhanced_monitoring().len(), 1);

    let output = exchange!(DescribeStreamSummary, client => client
        .describe_stream_summary()
        .stream_arn(STREAM_ARN));
    let summary = output.stream_description_summary().unwrap();
    assert_eq!(summary.stream_name(), "orders");
    assert_eq!(summary.stream_status(), &sdk::StreamStatus::Updating);
    let mode = summary.stream_mode_details().unwrap();
    assert_eq!(mode.stream_mode(), &sdk::StreamMode::OnDemand);
    assert_eq!(summary.retention_period_hours(), 8760);
    assert_eq!(millis(summary.stream_creation_timestamp()), 1_700_000_000_001);
    assert_eq!(summary.key_id(), Some("alias/aws/kinesis"));
    assert_eq!(
        (summary.open_shard_count(), summary.consumer_count()),
        (4, Some(1))
    );
    let throughput = summary.warm_throughput().unwrap();
    assert_eq!(
        (throughput.target_mibps(), throughput.current_mibps()),
        (Some(50), Some(10))
    );
    assert_eq!(summary.max_record_size_in_kib(), Some(10_240));
    assert_eq!(
        summary.record_distribution_strategy(),
        Some(&sdk::RecordDistributionStrategy::Auto)
    );

    let output = exchange!(ListStreams, client => client
        .list_streams()
        .limit(3)
        .exclusive_start_stream_name("a")
        .next_token("t"));
    assert_eq!(output.stream_names(), ["orders"]);
    assert!(!output.has_more_streams());
    let [stream] = output.stream_summaries() else {
        panic!("{output:?}");
    };
    assert_eq!(stream.stream_status(), &sdk::StreamStatus::Creating);
}

#[tokio::test]
async fn changing_streams() {
    let mode = |mode| {
        sdk::StreamModeDetails::builder()
            .stream_mode(mode)
            .build()
            .unwrap()
    };
    exchange!(CreateStream, client => client
        .create_stream()
        .stream_name("orders")
        .shard_count(2)
        .stream_mode_details(mode(sdk::StreamMode::OnDemand))
        .set_tags(tags())
        .warm_throughput_mibps(50)
        .max_record_size_in_kib(10_240)
        .record_distribution_strategy(sdk::RecordDistributionStrategy::Auto));
    exchange!(DeleteStream, client => client
        .delete_stream()
        .stream_name("orders")
        .enforce_consumer_deletion(true));
    exchange!(IncreaseStreamRetentionPeriod, client => client
        .increase_stream_retention_period()
        .stream_name("orders")
        .retention_period_hours(48));
    exchange!(DecreaseStreamRetentionPeriod, client => client
        .decrease_stream_retention_period()
        .stream_name("orders")
        .retention_period_hours(24));
    exchange!(UpdateStreamMode, client => client
        .update_stream_mode()
        .stream_arn(STREAM_ARN)
        .stream_mode_details(mode(sdk::StreamMode::Provisioned))
        .warm_throughput_mibps(50));
    exchange!(UpdateMaxRecordSize, client => client
        .update_max_record_size()
        .stream_arn(STREAM_ARN)
        .max_record_size_in_kib(2048));
    exchange!(UpdateStreamRecordDistributionStrategy, client => client
        .update_stream_record_distribution_strategy()
        .stream_arn(STREAM_ARN)
        .record_distribution_strategy(sdk::RecordDistributionStrategy::Auto));
    let output = exchange!(UpdateStreamWarmThroughput, client => client
        .update_stream_warm_throughput()
        .stream_name("orders")
        .warm_throughput_mibps(50));
    assert_eq!(output.warm_throughput().unwrap().target_mibps(), Some(50));
    exchange!(StartStreamEncryption, client => client
        .start_stream_encryption()
        .stream_name("orders")
        .encryption_type(sdk::EncryptionType::Kms)
        .key_id("alias/aws/kinesis"));
    exchange!(StopStreamEncryption, client => client
        .stop_stream_encryption()
        .stream_name("orders")
        .encryption_type(sdk::EncryptionType::Kms)
        .key_id("alias/aws/kinesis"));
}
