//! What belongs to a stream or to the account: consumers, monitoring, tags, policies, settings.

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types as sdk;

use super::super::super::*;
use super::super::golden::{self, CONSUMER_ARN, STREAM_ARN};
use super::{Peer, exchange, tags};

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
