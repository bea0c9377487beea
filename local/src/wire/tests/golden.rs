//! What the SDK sends for each operation, and what it is answered, as bytes and as values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::super::*;
use super::decode_as;
use crate::engine::api::*;
use crate::engine::error::ServiceError;
use crate::engine::sequence::{SequenceNumber, ShardEpoch};

pub(super) const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
pub(super) const CONSUMER_ARN: &str =
    "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/till:1700000000";

/// The numbers of the replies below.
const FIRST: &str = "49646437577130777162115407028968674069677692735675432978";
const SECOND: &str = "49646437577130777162115407028969882995497307364850139154";

pub(super) fn number(counter: u64) -> SequenceNumber {
    let shard = ShardEpoch {
        number: 1,
        created_s: 1_700_000_000,
    };
    SequenceNumber::new(shard, counter, 1_700_000_001)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
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

/// One body of each operation as `aws-sdk-kinesis` writes it (member order aside), and its meaning.
pub(super) fn requests() -> Vec<(&'static str, Request)> {
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

/// One answer of each operation that has members, and its bytes.
pub(super) fn replies() -> Vec<(Reply, &'static str)> {
    let mut all = data_replies();
    all.extend(stream_replies());
    all.extend(other_replies());
    all
}

fn stored(data: &'static [u8], counter: u64, encryption_type: EncryptionType) -> Record {
    Record {
        sequence_number: number(counter),
        arrival_ms: 1_700_000_000_120,
        data: Bytes::from_static(data),
        partition_key: (counter == 1).then(|| Arc::from("té\u{1}\"\\7\n")),
        encryption_type,
    }
}

pub(super) fn children() -> Option<Vec<ChildShard>> {
    Some(vec![ChildShard {
        shard_id: ShardId::from_number(2),
        parent_shards: vec![ShardId::from_number(0), ShardId::from_number(1)],
        hash_key_range: range(0, u128::MAX),
    }])
}

pub(super) fn records() -> Vec<Record> {
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

/// A golden text with its placeholders filled in.
pub(super) fn filled(text: &str) -> String {
    text.replace("FIRST", FIRST)
        .replace("SECOND", SECOND)
        .replace("STREAM\"", &format!("{STREAM_ARN}\""))
        .replace("CONSUMER\"", &format!("{CONSUMER_ARN}\""))
}

/// The golden request of an operation.
pub(in crate::wire) fn request_of(operation: Operation) -> Request {
    let all = requests().into_iter().map(|(_, request)| request);
    all.into_iter()
        .find(|request| request.operation() == operation)
        .unwrap()
}

#[test]
fn there_is_a_request_of_each_operation() {
    let covered: BTreeSet<_> = requests()
        .iter()
        .map(|(_, request)| request.operation())
        .collect();
    assert_eq!(covered, BTreeSet::from(Operation::ALL));
}

#[test]
fn json_requests_are_read_as_they_are_meant() {
    for (body, request) in requests() {
        assert_eq!(
            decode_as(request.operation(), Format::Json, body),
            Ok(request),
            "{body}"
        );
    }
}

#[test]
fn replies_are_written_to_the_byte() {
    for (reply, body) in replies() {
        assert_eq!(encode(&reply, Format::Json), filled(body), "{reply:?}");
    }
}

#[test]
fn an_answer_without_members_has_no_bytes() {
    for reply in [Reply::CreateStream(()), Reply::PutResourcePolicy(())] {
        for format in [Format::Json, Format::Cbor] {
            assert_eq!(encode(&reply, format), "");
        }
    }
}

#[test]
fn large_pages_are_written_into_the_room_that_was_reserved() {
    let record = |length: usize| Record {
        data: Bytes::from(vec![7; length]),
        encryption_type: EncryptionType::Kms,
        ..stored(b"", 1, EncryptionType::None)
    };
    for length in [0, 1, 100, 10_000] {
        let page = Reply::GetRecords(GetRecordsResponse {
            records: vec![record(length); 50],
            next_shard_iterator: Some("i".repeat(300)),
            millis_behind_latest: u64::MAX,
            child_shards: children(),
        });
        for format in [Format::Json, Format::Cbor] {
            let bytes = encode(&page, format).len();
            let expected = page.expected_bytes(format);
            assert!(
                bytes <= expected && expected <= bytes * 2 + 1024,
                "{length}: {bytes} of {expected}"
            );
        }
    }
}
