//! What the SDK sends for each operation, and what it means.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::super::super::*;
use super::{CONSUMER_ARN, STREAM_ARN, some};
use crate::engine::api::*;

/// One body of each operation as `aws-sdk-kinesis` writes it (member order aside), and its meaning.
pub(in crate::wire) fn requests() -> Vec<(&'static str, Request)> {
    let mut all = data_requests();
    all.extend(shard_requests());
    all.extend(stream_requests());
    all.extend(other_requests());
    all
}

fn data_requests() -> Vec<(&'static str, Request)> {
    vec![
        (
            r#"{"StreamName":"orders","Data":"b25lIGNvZmZlZQ==","PartitionKey":"till-7","ExplicitHashKey":"17","SequenceNumberForOrdering":"0","StreamId":"ignored","DryRun":true}"#,
            Request::PutRecord(PutRecordRequest {
                stream: named(),
                entry: PutEntry {
                    data: Some(Bytes::from_static(b"one coffee")),
                    partition_key: Some(Arc::from("till-7")),
                    explicit_hash_key: some("17"),
                },
                sequence_number_for_ordering: some("0"),
                dry_run: true,
            }),
        ),
        (
            r#"{"Records":[{"Data":"b25lIGNvZmZlZQ==","PartitionKey":"té \"7\""},{"Data":"","ExplicitHashKey":"0"},{"Data":"/+8=","PartitionKey":"k"}],"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders"}"#,
            Request::PutRecords(PutRecordsRequest {
                stream: by_arn(),
                records: Some(vec![
                    PutEntry {
                        data: Some(Bytes::from_static(b"one coffee")),
                        partition_key: Some(Arc::from("té \"7\"")),
                        explicit_hash_key: None,
                    },
                    PutEntry {
                        data: Some(Bytes::new()),
                        partition_key: None,
                        explicit_hash_key: some("0"),
                    },
                    PutEntry {
                        data: Some(Bytes::from_static(&[0xFF, 0xEF])),
                        partition_key: Some(Arc::from("k")),
                        explicit_hash_key: None,
                    },
                ]),
                dry_run: false,
            }),
        ),
        (
            r#"{"StreamName":"orders","ShardId":"shardId-000000000001","ShardIteratorType":"AT_TIMESTAMP","StartingSequenceNumber":"5","Timestamp":1700000000.125,"DryRun":true}"#,
            Request::GetShardIterator(GetShardIteratorRequest {
                stream: named(),
                shard_id: some("shardId-000000000001"),
                iterator_type: some("AT_TIMESTAMP"),
                starting_sequence_number: some("5"),
                timestamp_ms: Some(1_700_000_000_125),
                dry_run: true,
            }),
        ),
        (
            r#"{"ShardIterator":"0123abcd","Limit":10000,"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","DryRun":false}"#,
            Request::GetRecords(GetRecordsRequest {
                stream: by_arn(),
                shard_iterator: some("0123abcd"),
                limit: Some(10_000),
                dry_run: false,
            }),
        ),
        (
            r#"{"ConsumerARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/till:1700000000","ShardId":"shardId-000000000001","StartingPosition":{"Type":"AT_TIMESTAMP","SequenceNumber":"5","Timestamp":1700000000}}"#,
            Request::SubscribeToShard(SubscribeToShardRequest {
                consumer_arn: some(CONSUMER_ARN),
                shard_id: some("shardId-000000000001"),
                starting_position: Some(StartingPosition {
                    position_type: some("AT_TIMESTAMP"),
                    sequence_number: some("5"),
                    timestamp_ms: Some(1_700_000_000_000),
                }),
                dry_run: false,
            }),
        ),
    ]
}

fn shard_requests() -> Vec<(&'static str, Request)> {
    vec![
        (
            r#"{"StreamName":"orders","NextToken":"t","ExclusiveStartShardId":"shardId-000000000001","MaxResults":7,"StreamCreationTimestamp":1700000000,"ShardFilter":{"Type":"AT_TIMESTAMP","ShardId":"shardId-000000000002","Timestamp":1700000000.5}}"#,
            Request::ListShards(ListShardsRequest {
                stream: named(),
                next_token: some("t"),
                exclusive_start_shard_id: some("shardId-000000000001"),
                max_results: Some(7),
                stream_creation_timestamp_ms: Some(1_700_000_000_000),
                shard_filter: Some(ShardFilter {
                    filter_type: some("AT_TIMESTAMP"),
                    shard_id: some("shardId-000000000002"),
                    timestamp_ms: Some(1_700_000_000_500),
                }),
            }),
        ),
        (
            r#"{"StreamName":"orders","ShardToSplit":"shardId-000000000001","NewStartingHashKey":"10"}"#,
            Request::SplitShard(SplitShardRequest {
                stream: named(),
                shard_to_split: some("shardId-000000000001"),
                new_starting_hash_key: some("10"),
            }),
        ),
        (
            r#"{"StreamName":"orders","ShardToMerge":"shardId-000000000001","AdjacentShardToMerge":"shardId-000000000002"}"#,
            Request::MergeShards(MergeShardsRequest {
                stream: named(),
                shard_to_merge: some("shardId-000000000001"),
                adjacent_shard_to_merge: some("shardId-000000000002"),
            }),
        ),
        (
            r#"{"StreamName":"orders","TargetShardCount":4,"ScalingType":"UNIFORM_SCALING"}"#,
            Request::UpdateShardCount(UpdateShardCountRequest {
                stream: named(),
                target_shard_count: Some(4),
                scaling_type: some("UNIFORM_SCALING"),
            }),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "one table")]
fn stream_requests() -> Vec<(&'static str, Request)> {
    vec![
        (
            r#"{"StreamName":"orders","ShardCount":2,"StreamModeDetails":{"StreamMode":"ON_DEMAND"},"Tags":{"team":"till"},"WarmThroughputMiBps":50,"MaxRecordSizeInKiB":10240,"RecordDistributionStrategy":"AUTO"}"#,
            Request::CreateStream(CreateStreamRequest {
                stream_name: some("orders"),
                shard_count: Some(2),
                stream_mode: some("ON_DEMAND"),
                tags: tags(),
                warm_throughput_mibps: Some(50),
                max_record_size_in_kib: Some(10_240),
                record_distribution_strategy: some("AUTO"),
            }),
        ),
        (
            r#"{"StreamName":"orders","EnforceConsumerDeletion":true}"#,
            Request::DeleteStream(DeleteStreamRequest {
                stream: named(),
                enforce_consumer_deletion: true,
            }),
        ),
        (
            r#"{"StreamName":"orders","Limit":1,"ExclusiveStartShardId":"shardId-000000000001"}"#,
            Request::DescribeStream(DescribeStreamRequest {
                stream: named(),
                limit: Some(1),
                exclusive_start_shard_id: some("shardId-000000000001"),
            }),
        ),
        (
            r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders"}"#,
            Request::DescribeStreamSummary(StreamRequest { stream: by_arn() }),
        ),
        (
            r#"{"Limit":3,"ExclusiveStartStreamName":"a","NextToken":"t"}"#,
            Request::ListStreams(ListStreamsRequest {
                limit: Some(3),
                exclusive_start_stream_name: some("a"),
                next_token: some("t"),
            }),
        ),
        (
            r#"{"StreamName":"orders","RetentionPeriodHours":48}"#,
            Request::IncreaseStreamRetentionPeriod(retention(48)),
        ),
        (
            r#"{"StreamName":"orders","RetentionPeriodHours":24}"#,
            Request::DecreaseStreamRetentionPeriod(retention(24)),
        ),
        (
            r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","StreamModeDetails":{"StreamMode":"PROVISIONED"},"WarmThroughputMiBps":50}"#,
            Request::UpdateStreamMode(UpdateStreamModeRequest {
                stream: by_arn(),
                stream_mode: some("PROVISIONED"),
                warm_throughput_mibps: Some(50),
            }),
        ),
        (
            r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","MaxRecordSizeInKiB":2048}"#,
            Request::UpdateMaxRecordSize(UpdateMaxRecordSizeRequest {
                stream: by_arn(),
                max_record_size_in_kib: Some(2048),
            }),
        ),
        (
            r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","RecordDistributionStrategy":"AUTO"}"#,
            Request::UpdateStreamRecordDistributionStrategy(UpdateRecordDistributionStrategyRequest {
                stream: by_arn(),
                strategy: some("AUTO"),
            }),
        ),
        (
            r#"{"StreamName":"orders","WarmThroughputMiBps":50}"#,
            Request::UpdateStreamWarmThroughput(UpdateWarmThroughputRequest {
                stream: named(),
                warm_throughput_mibps: Some(50),
            }),
        ),
        (
            r#"{"StreamName":"orders","EncryptionType":"KMS","KeyId":"alias/aws/kinesis"}"#,
            Request::StartStreamEncryption(encryption()),
        ),
        (
            r#"{"StreamName":"orders","EncryptionType":"KMS","KeyId":"alias/aws/kinesis"}"#,
            Request::StopStreamEncryption(encryption()),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "one table")]
fn other_requests() -> Vec<(&'static str, Request)> {
    vec![
        (
            r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","ConsumerName":"till","Tags":{"team":"till"}}"#,
            Request::RegisterStreamConsumer(RegisterConsumerRequest {
                stream_arn: some(STREAM_ARN),
                consumer_name: some("till"),
                tags: tags(),
            }),
        ),
        (
            r#"{"ConsumerARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/till:1700000000"}"#,
            Request::DeregisterStreamConsumer(ConsumerAddress {
                consumer_arn: some(CONSUMER_ARN),
                ..ConsumerAddress::default()
            }),
        ),
        (
            r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","ConsumerName":"till"}"#,
            Request::DescribeStreamConsumer(consumer_by_name()),
        ),
        (
            r#"{"StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","NextToken":"t","MaxResults":2,"StreamCreationTimestamp":1700000000}"#,
            Request::ListStreamConsumers(ListConsumersRequest {
                stream: by_arn(),
                next_token: some("t"),
                max_results: Some(2),
                stream_creation_timestamp_ms: Some(1_700_000_000_000),
            }),
        ),
        (
            r#"{"StreamName":"orders","ShardLevelMetrics":["IncomingBytes","ALL"]}"#,
            Request::EnableEnhancedMonitoring(monitoring()),
        ),
        (
            r#"{"StreamName":"orders","ShardLevelMetrics":["IncomingBytes","ALL"]}"#,
            Request::DisableEnhancedMonitoring(monitoring()),
        ),
        (
            r#"{"StreamName":"orders","Tags":{"team":"till"}}"#,
            Request::AddTagsToStream(AddTagsRequest {
                stream: named(),
                tags: tags(),
            }),
        ),
        (
            r#"{"StreamName":"orders","TagKeys":["team"]}"#,
            Request::RemoveTagsFromStream(RemoveTagsRequest {
                stream: named(),
                tag_keys: Some(vec!["team".to_owned()]),
            }),
        ),
        (
            r#"{"StreamName":"orders","ExclusiveStartTagKey":"a","Limit":5}"#,
            Request::ListTagsForStream(ListTagsRequest {
                stream: named(),
                exclusive_start_tag_key: some("a"),
                limit: Some(5),
            }),
        ),
        (
            r#"{"ResourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","Tags":{"team":"till"}}"#,
            Request::TagResource(TagResourceRequest {
                resource_arn: some(STREAM_ARN),
                tags: tags(),
            }),
        ),
        (
            r#"{"ResourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","TagKeys":["team"]}"#,
            Request::UntagResource(UntagResourceRequest {
                resource_arn: some(STREAM_ARN),
                tag_keys: Some(vec!["team".to_owned()]),
            }),
        ),
        (
            r#"{"ResourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders"}"#,
            Request::ListTagsForResource(resource()),
        ),
        (
            r#"{"ResourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders","Policy":"{\"Version\":\"2012-10-17\"}"}"#,
            Request::PutResourcePolicy(PutResourcePolicyRequest {
                resource_arn: some(STREAM_ARN),
                policy: some(r#"{"Version":"2012-10-17"}"#),
            }),
        ),
        (
            r#"{"ResourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders"}"#,
            Request::GetResourcePolicy(resource()),
        ),
        (
            r#"{"ResourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/orders"}"#,
            Request::DeleteResourcePolicy(resource()),
        ),
        ("{}", Request::DescribeLimits(Nothing)),
        ("{}", Request::DescribeAccountSettings(Nothing)),
        (
            r#"{"MinimumThroughputBillingCommitment":{"Status":"ENABLED"}}"#,
            Request::UpdateAccountSettings(UpdateAccountSettingsRequest {
                billing_commitment: some("ENABLED"),
            }),
        ),
    ]
}

fn named() -> StreamAddress {
    StreamAddress::name("orders")
}

fn by_arn() -> StreamAddress {
    StreamAddress::arn(STREAM_ARN)
}

fn tags() -> Option<BTreeMap<String, String>> {
    Some(BTreeMap::from([("team".to_owned(), "till".to_owned())]))
}

fn consumer_by_name() -> ConsumerAddress {
    ConsumerAddress {
        stream_arn: some(STREAM_ARN),
        consumer_name: some("till"),
        consumer_arn: None,
    }
}

fn retention(hours: i64) -> RetentionPeriodRequest {
    RetentionPeriodRequest {
        stream: named(),
        retention_period_hours: Some(hours),
    }
}

fn encryption() -> EncryptionRequest {
    EncryptionRequest {
        stream: named(),
        encryption_type: some("KMS"),
        key_id: some("alias/aws/kinesis"),
    }
}

fn monitoring() -> MonitoringRequest {
    MonitoringRequest {
        stream: named(),
        shard_level_metrics: Some(vec!["IncomingBytes".to_owned(), "ALL".to_owned()]),
    }
}

fn resource() -> ResourceRequest {
    ResourceRequest {
        resource_arn: some(STREAM_ARN),
    }
}
