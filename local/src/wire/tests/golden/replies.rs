//! What each operation answers, and its bytes.

use std::sync::Arc;

use bytes::Bytes;
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::super::super::*;
use super::{CONSUMER_ARN, STREAM_ARN, number, some};
use crate::engine::api::*;
use crate::engine::error::ServiceError;

/// One answer of each operation that has members, and its bytes.
pub(in crate::wire) fn replies() -> Vec<(Reply, &'static str)> {
    let mut all = data_replies();
    all.extend(stream_replies());
    all.extend(other_replies());
    all
}

pub(super) fn stored(data: &'static [u8], counter: u64, encryption_type: EncryptionType) -> Record {
    Record {
        sequence_number: number(counter),
        arrival_ms: 1_700_000_000_120,
        data: Bytes::from_static(data),
        partition_key: (counter == 1).then(|| Arc::from("té\u{1}\"\\7\n")),
        encryption_type,
    }
}

pub(in crate::wire) fn children() -> Option<Vec<ChildShard>> {
    Some(vec![ChildShard {
        shard_id: ShardId::from_number(2),
        parent_shards: vec![ShardId::from_number(0), ShardId::from_number(1)],
        hash_key_range: range(0, u128::MAX),
    }])
}

pub(in crate::wire) fn records() -> Vec<Record> {
    vec![
        stored(b"one coffee", 1, EncryptionType::None),
        stored(&[0xFF, 0xEF], 2, EncryptionType::Kms),
    ]
}

fn range(start: u128, end: u128) -> HashKeyRange {
    HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap()
}

fn data_replies() -> Vec<(Reply, &'static str)> {
    vec![
        (
            Reply::PutRecord(PutRecordResponse {
                shard_id: ShardId::from_number(1),
                sequence_number: number(1),
                encryption_type: EncryptionType::None,
            }),
            r#"{"ShardId":"shardId-000000000001","SequenceNumber":"FIRST"}"#,
        ),
        (
            Reply::PutRecords(PutRecordsResponse {
                failed_record_count: 1,
                records: vec![
                    PutRecordsResult::Stored {
                        shard_id: ShardId::from_number(1),
                        sequence_number: number(1),
                    },
                    PutRecordsResult::Failed(ServiceError::throughput_exceeded("slower")),
                ],
                encryption_type: EncryptionType::Kms,
            }),
            r#"{"FailedRecordCount":1,"Records":[{"SequenceNumber":"FIRST","ShardId":"shardId-000000000001"},{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slower"}],"EncryptionType":"KMS"}"#,
        ),
        (
            Reply::GetShardIterator(GetShardIteratorResponse {
                shard_iterator: "0123abcd".to_owned(),
            }),
            r#"{"ShardIterator":"0123abcd"}"#,
        ),
        (
            Reply::GetRecords(GetRecordsResponse {
                records: records(),
                next_shard_iterator: None,
                millis_behind_latest: 12,
                child_shards: children(),
            }),
            r#"{"Records":[{"SequenceNumber":"FIRST","ApproximateArrivalTimestamp":1700000000.120,"Data":"b25lIGNvZmZlZQ==","PartitionKey":"té\u0001\"\\7\n"},{"SequenceNumber":"SECOND","ApproximateArrivalTimestamp":1700000000.120,"Data":"/+8=","EncryptionType":"KMS"}],"MillisBehindLatest":12,"ChildShards":[{"ShardId":"shardId-000000000002","ParentShards":["shardId-000000000000","shardId-000000000001"],"HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"340282366920938463463374607431768211455"}}]}"#,
        ),
        (
            Reply::ListShards(ListShardsResponse {
                shards: shards(),
                next_token: some("t"),
            }),
            r#"{"Shards":[{"ShardId":"shardId-000000000001","HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"},"SequenceNumberRange":{"StartingSequenceNumber":"FIRST","EndingSequenceNumber":"SECOND"}},{"ShardId":"shardId-000000000003","ParentShardId":"shardId-000000000001","AdjacentParentShardId":"shardId-000000000002","HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"},"SequenceNumberRange":{"StartingSequenceNumber":"FIRST"}}],"NextToken":"t"}"#,
        ),
        (
            Reply::UpdateShardCount(UpdateShardCountResponse {
                stream_name: "orders".to_owned(),
                stream_arn: STREAM_ARN.to_owned(),
                current_shard_count: 2,
                target_shard_count: 4,
            }),
            r#"{"StreamName":"orders","CurrentShardCount":2,"TargetShardCount":4,"StreamARN":"STREAM"}"#,
        ),
    ]
}

fn shards() -> Vec<ShardDescription> {
    vec![
        ShardDescription {
            shard_id: ShardId::from_number(1),
            parent_shard_id: None,
            adjacent_parent_shard_id: None,
            hash_key_range: range(0, 9),
            starting_sequence_number: number(1),
            ending_sequence_number: Some(number(2)),
        },
        ShardDescription {
            shard_id: ShardId::from_number(3),
            parent_shard_id: Some(ShardId::from_number(1)),
            adjacent_parent_shard_id: Some(ShardId::from_number(2)),
            hash_key_range: range(0, 9),
            starting_sequence_number: number(1),
            ending_sequence_number: None,
        },
    ]
}

fn stream_replies() -> Vec<(Reply, &'static str)> {
    vec![
        (
            Reply::DescribeStream(StreamDescription {
                stream_name: "orders".to_owned(),
                stream_arn: STREAM_ARN.to_owned(),
                status: StreamStatus::Active,
                mode: StreamMode::Provisioned,
                shards: Vec::new(),
                has_more_shards: true,
                retention_period_hours: 24,
                created_ms: 1_700_000_000_000,
                shard_level_metrics: Vec::new(),
                encryption_type: EncryptionType::None,
                key_id: None,
            }),
            r#"{"StreamDescription":{"StreamName":"orders","StreamARN":"STREAM","StreamStatus":"ACTIVE","StreamModeDetails":{"StreamMode":"PROVISIONED"},"Shards":[],"HasMoreShards":true,"RetentionPeriodHours":24,"StreamCreationTimestamp":1700000000,"EnhancedMonitoring":[{"ShardLevelMetrics":[]}],"EncryptionType":"NONE"}}"#,
        ),
        (
            Reply::DescribeStreamSummary(StreamDescriptionSummary {
                stream_name: "orders".to_owned(),
                stream_arn: STREAM_ARN.to_owned(),
                status: StreamStatus::Updating,
                mode: StreamMode::OnDemand,
                retention_period_hours: 8760,
                created_ms: 1_700_000_000_001,
                shard_level_metrics: vec!["IncomingBytes".to_owned()],
                encryption_type: EncryptionType::Kms,
                key_id: some("alias/aws/kinesis"),
                open_shard_count: 4,
                consumer_count: 1,
                warm_throughput: Some(WarmThroughput {
                    target_mibps: 50,
                    current_mibps: 10,
                }),
                max_record_size_in_kib: 10_240,
                channel_count: 0,
                record_distribution_strategy: Some(Distribution::Auto),
            }),
            r#"{"StreamDescriptionSummary":{"StreamName":"orders","StreamARN":"STREAM","StreamStatus":"UPDATING","StreamModeDetails":{"StreamMode":"ON_DEMAND"},"RetentionPeriodHours":8760,"StreamCreationTimestamp":1700000000.001,"EnhancedMonitoring":[{"ShardLevelMetrics":["IncomingBytes"]}],"EncryptionType":"KMS","KeyId":"alias/aws/kinesis","OpenShardCount":4,"ConsumerCount":1,"WarmThroughput":{"TargetMiBps":50,"CurrentMiBps":10},"MaxRecordSizeInKiB":10240,"ChannelCount":0,"RecordDistributionStrategy":"AUTO"}}"#,
        ),
        (
            Reply::ListStreams(ListStreamsResponse {
                streams: vec![StreamSummary {
                    stream_name: "orders".to_owned(),
                    stream_arn: STREAM_ARN.to_owned(),
                    status: StreamStatus::Creating,
                    mode: StreamMode::OnDemand,
                    created_ms: 1_700_000_000_500,
                }],
                has_more_streams: false,
                next_token: None,
            }),
            r#"{"StreamNames":["orders"],"HasMoreStreams":false,"StreamSummaries":[{"StreamName":"orders","StreamARN":"STREAM","StreamStatus":"CREATING","StreamModeDetails":{"StreamMode":"ON_DEMAND"},"StreamCreationTimestamp":1700000000.500}]}"#,
        ),
        (
            Reply::UpdateStreamWarmThroughput(UpdateWarmThroughputResponse {
                stream_name: "orders".to_owned(),
                stream_arn: STREAM_ARN.to_owned(),
                warm_throughput: WarmThroughput {
                    target_mibps: 50,
                    current_mibps: 10,
                },
            }),
            r#"{"StreamARN":"STREAM","StreamName":"orders","WarmThroughput":{"TargetMiBps":50,"CurrentMiBps":10}}"#,
        ),
    ]
}

fn consumer() -> ConsumerDescription {
    ConsumerDescription {
        consumer_name: "till".to_owned(),
        consumer_arn: CONSUMER_ARN.to_owned(),
        status: ConsumerStatus::Active,
        created_ms: 1_700_000_000_000,
        stream_arn: STREAM_ARN.to_owned(),
    }
}

fn changed() -> MonitoringResponse {
    MonitoringResponse {
        stream_name: "orders".to_owned(),
        stream_arn: STREAM_ARN.to_owned(),
        current_shard_level_metrics: Vec::new(),
        desired_shard_level_metrics: vec!["IncomingBytes".to_owned(), "OutgoingBytes".to_owned()],
    }
}

fn settings() -> AccountSettings {
    AccountSettings {
        billing_commitment: "ENABLED",
        started_ms: Some(1_700_000_000_000),
        ended_ms: None,
        earliest_allowed_end_ms: Some(1_700_086_400_000),
    }
}

fn other_replies() -> Vec<(Reply, &'static str)> {
    const CHANGED: &str = r#"{"StreamName":"orders","CurrentShardLevelMetrics":[],"DesiredShardLevelMetrics":["IncomingBytes","OutgoingBytes"],"StreamARN":"STREAM"}"#;
    const SETTINGS: &str = r#"{"MinimumThroughputBillingCommitment":{"Status":"ENABLED","StartedAt":1700000000,"EarliestAllowedEndAt":1700086400}}"#;
    let team = || vec![("team".to_owned(), "till".to_owned())];
    vec![
        (
            Reply::RegisterStreamConsumer(consumer()),
            r#"{"Consumer":{"ConsumerName":"till","ConsumerARN":"CONSUMER","ConsumerStatus":"ACTIVE","ConsumerCreationTimestamp":1700000000}}"#,
        ),
        (
            Reply::DescribeStreamConsumer(consumer()),
            r#"{"ConsumerDescription":{"ConsumerName":"till","ConsumerARN":"CONSUMER","ConsumerStatus":"ACTIVE","ConsumerCreationTimestamp":1700000000,"StreamARN":"STREAM"}}"#,
        ),
        (
            Reply::ListStreamConsumers(ListConsumersResponse {
                consumers: vec![consumer()],
                next_token: some("t"),
            }),
            r#"{"Consumers":[{"ConsumerName":"till","ConsumerARN":"CONSUMER","ConsumerStatus":"ACTIVE","ConsumerCreationTimestamp":1700000000}],"NextToken":"t"}"#,
        ),
        (Reply::EnableEnhancedMonitoring(changed()), CHANGED),
        (Reply::DisableEnhancedMonitoring(changed()), CHANGED),
        (
            Reply::ListTagsForStream(ListTagsResponse {
                tags: team(),
                has_more_tags: true,
            }),
            r#"{"Tags":[{"Key":"team","Value":"till"}],"HasMoreTags":true}"#,
        ),
        (
            Reply::ListTagsForResource(team()),
            r#"{"Tags":[{"Key":"team","Value":"till"}]}"#,
        ),
        (
            Reply::GetResourcePolicy(r#"{"Version":1}"#.to_owned()),
            r#"{"Policy":"{\"Version\":1}"}"#,
        ),
        (
            Reply::DescribeLimits(DescribeLimitsResponse {
                shard_limit: 500,
                open_shard_count: 4,
                on_demand_stream_count: 1,
                on_demand_stream_count_limit: 50,
            }),
            r#"{"ShardLimit":500,"OpenShardCount":4,"OnDemandStreamCount":1,"OnDemandStreamCountLimit":50}"#,
        ),
        (Reply::DescribeAccountSettings(settings()), SETTINGS),
        (Reply::UpdateAccountSettings(settings()), SETTINGS),
    ]
}
