//! The real client of the SDK, which nobody here wrote, writes the requests and reads the answers. No socket.

mod subscription;

use std::sync::{Arc, Mutex};

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types as sdk;
use aws_sdk_kinesis::{Client, Config};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::super::*;
use super::golden::{self, CONSUMER_ARN, STREAM_ARN};
use crate::engine::error::ServiceError;

/// Answers every request with the same bytes, and keeps what the last one meant.
#[derive(Debug, Clone)]
struct Peer {
    status: u16,
    content_type: &'static str,
    error_type: Option<String>,
    body: Bytes,
    seen: Arc<Mutex<Option<Request>>>,
}

impl HttpConnector for Peer {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = Bytes::copy_from_slice(request.body().bytes().unwrap());
        let headers = request.headers();
        let decoded = decode(headers.get("x-amz-target"), headers.get("content-type"), &body);
        let (_, format, request) = decoded.unwrap();
        assert_eq!(format, Format::Json);
        *self.seen.lock().unwrap() = Some(request);
        let mut answer = HttpResponse::new(self.status.try_into().unwrap(), SdkBody::from(self.body.clone()));
        answer.headers_mut().insert("content-type", self.content_type);
        if let Some(error_type) = &self.error_type {
            answer
                .headers_mut()
                .insert("x-amzn-errortype", error_type.clone());
        }
        HttpConnectorFuture::ready(Ok(answer))
    }
}

impl Peer {
    fn new(content_type: &'static str, body: Bytes) -> Self {
        Self {
            status: 200,
            content_type,
            error_type: None,
            body,
            seen: Arc::default(),
        }
    }

    /// Gives the golden answer of an operation, or the empty one if it has no members.
    fn of(operation: Operation) -> Self {
        let golden = golden::replies().into_iter().map(|(reply, _)| reply);
        let reply = golden.into_iter().find(|reply| {
            let name = format!("{reply:?}");
            name.split('(').next() == Some(operation.as_str())
        });
        let body = reply.map_or_else(Bytes::new, |reply| encode(&reply, Format::Json));
        Self::new(Format::Json.content_type(), body)
    }

    fn client(&self) -> Client {
        let connector = SharedHttpConnector::new(self.clone());
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .endpoint_url("http://localhost")
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        Client::from_conf(config)
    }
}

/// Sends the request that is golden for the operation, checks that it was understood, and gives the output.
macro_rules! exchange {
    ($operation:ident, $client:ident => $call:expr) => {{
        let peer = Peer::of(Operation::$operation);
        let $client = peer.client();
        let output = $call.send().await.unwrap();
        let seen = peer.seen.lock().unwrap().take();
        assert_eq!(seen, Some(golden::request_of(Operation::$operation)));
        output
    }};
}

fn tags() -> Option<std::collections::HashMap<String, String>> {
    Some([("team".to_owned(), "till".to_owned())].into())
}

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

/// The SDK reads a time as a float, and so a hair beside the millisecond that was written.
fn millis(time: &DateTime) -> i128 {
    (time.as_nanos() + 500_000) / 1_000_000
}

fn assert_records(records: &[sdk::Record]) {
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

fn assert_children(children: &[sdk::ChildShard]) {
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

#[tokio::test]
async fn consumers_and_monitoring() {
    let output = exchange!(RegisterStreamConsumer, client => client
        .register_stream_consumer()
        .stream_arn(STREAM_ARN)
        .consumer_name("till")
        .set_tags(tags()));
    assert_eq!(output.consumer().unwrap().consumer_arn(), CONSUMER_ARN);
    exchange!(DeregisterStreamConsumer, client => client
        .deregister_stream_consumer()
        .consumer_arn(CONSUMER_ARN));
    let output = exchange!(DescribeStreamConsumer, client => client
        .describe_stream_consumer()
        .stream_arn(STREAM_ARN)
        .consumer_name("till"));
    let consumer = output.consumer_description().unwrap();
    assert_eq!(consumer.consumer_status(), &sdk::ConsumerStatus::Active);
    assert_eq!(consumer.stream_arn(), STREAM_ARN);
    let output = exchange!(ListStreamConsumers, client => client
        .list_stream_consumers()
        .stream_arn(STREAM_ARN)
        .next_token("t")
        .max_results(2)
        .stream_creation_timestamp(DateTime::from_secs(1_700_000_000)));
    assert_eq!(output.consumers()[0].consumer_name(), "till");
    assert_eq!(output.next_token(), Some("t"));

    let output = exchange!(EnableEnhancedMonitoring, client => client
        .enable_enhanced_monitoring()
        .stream_name("orders")
        .shard_level_metrics(sdk::MetricsName::IncomingBytes)
        .shard_level_metrics(sdk::MetricsName::All));
    assert_eq!(output.desired_shard_level_metrics().len(), 2);
    let output = exchange!(DisableEnhancedMonitoring, client => client
        .disable_enhanced_monitoring()
        .stream_name("orders")
        .shard_level_metrics(sdk::MetricsName::IncomingBytes)
        .shard_level_metrics(sdk::MetricsName::All));
    assert_eq!(output.stream_name(), Some("orders"));
}

#[tokio::test]
async fn tags_and_policies() {
    exchange!(AddTagsToStream, client => client
        .add_tags_to_stream()
        .stream_name("orders")
        .set_tags(tags()));
    exchange!(RemoveTagsFromStream, client => client
        .remove_tags_from_stream()
        .stream_name("orders")
        .tag_keys("team"));
    let output = exchange!(ListTagsForStream, client => client
        .list_tags_for_stream()
        .stream_name("orders")
        .exclusive_start_tag_key("a")
        .limit(5));
    assert_eq!(
        (output.tags()[0].key(), output.tags()[0].value()),
        ("team", Some("till"))
    );
    assert!(output.has_more_tags());
    exchange!(TagResource, client => client
        .tag_resource()
        .resource_arn(STREAM_ARN)
        .set_tags(tags()));
    exchange!(UntagResource, client => client
        .untag_resource()
        .resource_arn(STREAM_ARN)
        .tag_keys("team"));
    let output = exchange!(ListTagsForResource, client => client
        .list_tags_for_resource()
        .resource_arn(STREAM_ARN));
    assert_eq!(output.tags().len(), 1);
    exchange!(PutResourcePolicy, client => client
        .put_resource_policy()
        .resource_arn(STREAM_ARN)
        .policy(r#"{"Version":"2012-10-17"}"#));
    let output = exchange!(GetResourcePolicy, client => client
        .get_resource_policy()
        .resource_arn(STREAM_ARN));
    assert_eq!(output.policy(), r#"{"Version":1}"#);
    exchange!(DeleteResourcePolicy, client => client
        .delete_resource_policy()
        .resource_arn(STREAM_ARN));
}

#[tokio::test]
async fn the_account() {
    let output = exchange!(DescribeLimits, client => client.describe_limits());
    assert_eq!((output.shard_limit(), output.open_shard_count()), (500, 4));
    let output = exchange!(DescribeAccountSettings, client => client.describe_account_settings());
    let commitment = output.minimum_throughput_billing_commitment().unwrap();
    assert_eq!(
        commitment.earliest_allowed_end_at().unwrap().secs(),
        1_700_086_400
    );
    let status = sdk::MinimumThroughputBillingCommitmentInput::builder()
        .status(sdk::MinimumThroughputBillingCommitmentInputStatus::Enabled)
        .build()
        .unwrap();
    exchange!(UpdateAccountSettings, client => client
        .update_account_settings()
        .minimum_throughput_billing_commitment(status));
}

#[tokio::test]
async fn errors_keep_their_code_and_their_words() {
    for (error, code) in [
        (ServiceError::not_found("no stream"), "ResourceNotFoundException"),
        (
            ServiceError::throughput_exceeded("slower \"please\""),
            "ProvisionedThroughputExceededException",
        ),
        (ServiceError::internal_failure(), "InternalFailure"),
        (
            ServiceError::new("SerializationException", 400, Some("what".to_owned())),
            "SerializationException",
        ),
        (
            ServiceError::new("UnknownOperationException", 400, None),
            "UnknownOperationException",
        ),
    ] {
        let (status, body, error_type) = encode_error(&error, Format::Json);
        for error_type in [Some(error_type.to_owned()), None] {
            let peer = Peer {
                status,
                error_type,
                ..Peer::new(Format::Json.content_type(), body.clone())
            };
            let outcome = peer
                .client()
                .get_records()
                .shard_iterator("0123abcd")
                .send()
                .await;
            let failure = outcome.unwrap_err();
            assert_eq!(failure.raw_response().unwrap().status().as_u16(), error.status());
            let meta = failure.into_service_error().meta().clone();
            assert_eq!((meta.code(), meta.message()), (Some(code), error.message()));
        }
    }
}
