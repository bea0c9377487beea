//! The SDK's types and errors, into our words.

use std::time::Duration;

use aws_sdk_kinesis::error::ErrorMetadata;
use aws_sdk_kinesis::operation::describe_stream_summary::DescribeStreamSummaryOutput;
use aws_sdk_kinesis::operation::list_shards::{ListShardsError, ListShardsOutput};
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsOutput};
use aws_sdk_kinesis::types::error::{AccessDeniedException, ResourceNotFoundException};
use aws_sdk_kinesis::types::{
    HashKeyRange, PutRecordsResultEntry, RecordDistributionStrategy, SequenceNumberRange, Shard,
    StreamDescriptionSummary, StreamStatus,
};
use aws_sdk_kinesis::{Client, primitives::Blob};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use bytes::Bytes;
use kinesis_aggregation::HashKey;

use super::orders;
use crate::config::ProducerConfig;
use crate::driver::sdk::SdkTransport;
use crate::driver::transport::Transport as _;
use crate::error::ConfigError;
use crate::failure::{Failure, FailureKind};
use crate::pipeline::{Distribution, Entry, EntryReply, StreamSummary};
use crate::stream::StreamName;

fn transport(client: &Client) -> SdkTransport {
    SdkTransport::from_client(client, &ProducerConfig::default())
}

fn entry(key: &str, hash_key: u128) -> Entry {
    Entry {
        data: Bytes::from_static(b"data"),
        partition_key: key.to_owned(),
        hash_key: HashKey::new(hash_key),
    }
}

fn shard(id: &str, start: &str, end: &str, closed_at: Option<&str>) -> Shard {
    let range = HashKeyRange::builder()
        .starting_hash_key(start)
        .ending_hash_key(end)
        .build()
        .expect("complete");
    let sequence = SequenceNumberRange::builder()
        .starting_sequence_number("1")
        .set_ending_sequence_number(closed_at.map(str::to_owned))
        .build()
        .expect("complete");
    Shard::builder()
        .shard_id(id)
        .hash_key_range(range)
        .sequence_number_range(sequence)
        .build()
        .expect("complete")
}

#[tokio::test]
async fn entries_are_sent_and_answered_one_by_one() {
    let rule = mock!(Client::put_records)
        .match_requests(|request| {
            let entry = &request.records()[0];
            request.stream_name() == Some("orders")
                && request.records().len() == 2
                && entry.explicit_hash_key() == Some("340282366920938463463374607431768211455")
                && *entry.data() == Blob::new("data")
        })
        .then_output(|| {
            let stored = PutRecordsResultEntry::builder()
                .shard_id("shardId-000000000003")
                .sequence_number("49");
            let refused = PutRecordsResultEntry::builder()
                .error_code("ProvisionedThroughputExceededException")
                .error_message("rate exceeded");
            PutRecordsOutput::builder()
                .records(stored.build())
                .records(refused.build())
                .build()
                .expect("complete")
        });
    let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&rule]);
    let entries = vec![entry("a", u128::MAX), entry("b", 7)];
    let replies: Vec<EntryReply> = transport(&client)
        .put_records(&orders(), entries)
        .await
        .expect("answered");
    let stored = replies[0].as_ref().expect("stored");
    assert_eq!(
        (stored.shard_id.number(), &*stored.sequence_number),
        (Some(3), "49")
    );
    assert_eq!(
        replies[1].as_ref().map_err(Failure::kind).map(|_| ()),
        Err(FailureKind::Throttled)
    );
}

#[tokio::test]
async fn a_short_answer_is_no_answer() {
    let rule = mock!(Client::put_records).then_output(|| {
        PutRecordsOutput::builder()
            .set_records(Some(Vec::new()))
            .build()
            .expect("complete")
    });
    let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&rule]);
    let answer = transport(&client)
        .put_records(&orders(), vec![entry("a", 1)])
        .await;
    assert_eq!(
        answer.map(drop).map_err(|failure| failure.kind()),
        Err(FailureKind::BadAnswer)
    );
}

#[tokio::test]
async fn errors_of_the_service_are_classified_and_not_retried() {
    let missing = mock!(Client::put_records).then_error(|| {
        let meta = ErrorMetadata::builder()
            .code("ResourceNotFoundException")
            .message("no stream")
            .build();
        let error = ResourceNotFoundException::builder()
            .message("no stream")
            .meta(meta)
            .build();
        PutRecordsError::ResourceNotFoundException(error)
    });
    let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&missing]);
    let failure = transport(&client)
        .put_records(&orders(), vec![entry("a", 1)])
        .await
        .expect_err("missing");
    assert_eq!(
        (failure.kind(), failure.message()),
        (FailureKind::StreamNotFound, "no stream")
    );

    let denied = mock!(Client::list_shards).then_error(|| {
        let meta = ErrorMetadata::builder().code("AccessDeniedException").build();
        ListShardsError::AccessDeniedException(AccessDeniedException::builder().meta(meta).build())
    });
    let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&denied]);
    let failure = transport(&client)
        .list_shards(&orders())
        .await
        .expect_err("denied");
    assert_eq!(failure.kind(), FailureKind::AccessDenied);

    let broken = mock!(Client::put_records)
        .sequence()
        .http_status(503, None)
        .times(10)
        .build();
    let client = mock_client!(aws_sdk_kinesis, RuleMode::Sequential, [&broken]);
    let failure = transport(&client)
        .put_records(&orders(), vec![entry("a", 1)])
        .await
        .expect_err("broken");
    assert_eq!(failure.kind(), FailureKind::Unavailable, "{failure}");
    assert_eq!(broken.num_calls(), 1, "the SDK does not retry: the pipeline does");
}

#[tokio::test]
async fn all_pages_of_shards_are_read() {
    let first = mock!(Client::list_shards)
        .match_requests(|request| {
            request.stream_name() == Some("orders")
                && request.next_token().is_none()
                && request.shard_filter().is_some()
        })
        .then_output(|| {
            ListShardsOutput::builder()
                .shards(shard("shardId-000000000000", "0", "99", Some("5")))
                .shards(shard("shardId-000000000001", "0", "9", None))
                .next_token("more")
                .build()
        });
    let second = mock!(Client::list_shards)
        .match_requests(|request| {
            request.next_token() == Some("more")
                && request.stream_name().is_none()
                && request.shard_filter().is_none()
        })
        .then_output(|| {
            ListShardsOutput::builder()
                .shards(shard("shardId-000000000002", "10", "99", None))
                .build()
        });
    let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&first, &second]);
    let shards = transport(&client).list_shards(&orders()).await.expect("listed");
    let open: Vec<_> = shards
        .iter()
        .map(|shard| (shard.id.number(), shard.is_open))
        .collect();
    assert_eq!(open, [(Some(0), false), (Some(1), true), (Some(2), true)]);
}

#[tokio::test]
async fn a_stream_by_arn_is_asked_for_by_arn_alone() {
    const ARN: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
    let by_arn = |name: Option<&str>, arn: Option<&str>, id: Option<&str>| {
        name.is_none() && arn == Some(ARN) && id == Some("id-1")
    };
    let put = mock!(Client::put_records)
        .match_requests(move |r| by_arn(r.stream_name(), r.stream_arn(), r.stream_id()))
        .then_output(|| {
            let stored = PutRecordsResultEntry::builder()
                .shard_id("shardId-000000000000")
                .sequence_number("49");
            PutRecordsOutput::builder()
                .records(stored.build())
                .build()
                .expect("complete")
        });
    let first = mock!(Client::list_shards)
        .match_requests(move |r| {
            by_arn(r.stream_name(), r.stream_arn(), r.stream_id()) && r.next_token().is_none()
        })
        .then_output(|| ListShardsOutput::builder().next_token("more").build());
    let second = mock!(Client::list_shards)
        .match_requests(|r| {
            let selects = r.stream_name().is_some() || r.stream_arn().is_some() || r.stream_id().is_some();
            r.next_token() == Some("more") && !selects
        })
        .then_output(|| {
            ListShardsOutput::builder()
                .shards(shard("shardId-000000000000", "0", "99", None))
                .build()
        });
    let describe = mock!(Client::describe_stream_summary)
        .match_requests(move |r| by_arn(r.stream_name(), r.stream_arn(), r.stream_id()))
        .then_output(|| summary(None, None));
    let rules = [&put, &first, &second, &describe];
    let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, rules);
    let stream = StreamName::from_arn(ARN).and_then(|stream| stream.with_stream_id("id-1"));
    let stream = stream.expect("valid");
    let transport = transport(&client);
    let replies = transport.put_records(&stream, vec![entry("a", 1)]).await;
    assert_eq!(replies.expect("answered").len(), 1);
    assert_eq!(transport.list_shards(&stream).await.expect("listed").len(), 1);
    transport.describe(&stream).await.expect("described");
}

fn summary(strategy: Option<RecordDistributionStrategy>, kib: Option<i32>) -> DescribeStreamSummaryOutput {
    let summary = StreamDescriptionSummary::builder()
        .stream_name("orders")
        .stream_arn("arn:aws:kinesis:eu-west-1:123456789012:stream/orders")
        .stream_status(StreamStatus::Active)
        .retention_period_hours(24)
        .stream_creation_timestamp(aws_sdk_kinesis::primitives::DateTime::from_secs(0))
        .set_enhanced_monitoring(Some(Vec::new()))
        .open_shard_count(1)
        .set_record_distribution_strategy(strategy)
        .set_max_record_size_in_kib(kib)
        .build()
        .expect("complete");
    DescribeStreamSummaryOutput::builder()
        .stream_description_summary(summary)
        .build()
}

#[tokio::test]
async fn what_a_stream_says_of_itself() {
    use Distribution::{ByKey, ByService};
    let cases = [
        (None, None, ByKey, None),
        (None, Some(1_024), ByKey, Some(1 << 20)),
        (Some("USER_PARTITION_KEY"), Some(10_240), ByKey, Some(10 << 20)),
        (Some("AUTO"), Some(1_024), ByService, Some(1 << 20)),
        (Some("SOMETHING_NEW"), Some(0), ByService, None),
        (None, Some(-1), ByKey, None),
    ];
    for (strategy, kib, distribution, max_record_size) in cases {
        let rule = mock!(Client::describe_stream_summary)
            .then_output(move || summary(strategy.map(RecordDistributionStrategy::from), kib));
        let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&rule]);
        let said = transport(&client).describe(&orders()).await.expect("described");
        let expected = StreamSummary {
            distribution,
            max_record_size,
        };
        assert_eq!(said, expected, "{strategy:?} {kib:?}");
    }
    let empty =
        mock!(Client::describe_stream_summary).then_output(|| DescribeStreamSummaryOutput::builder().build());
    let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&empty]);
    let failure = transport(&client).describe(&orders()).await.expect_err("empty");
    assert_eq!(failure.kind(), FailureKind::BadAnswer);
}

/// Plain HTTP to an endpoint given as a URL, and who it is that calls.
#[tokio::test]
async fn the_user_agent_names_this_library() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let heard = std::thread::spawn(move || {
        use std::io::{BufRead as _, BufReader, Write as _};
        let (mut stream, _) = listener.accept().expect("a call");
        let lines = BufReader::new(stream.try_clone().expect("a handle")).lines();
        let head: Vec<_> = lines
            .map(|line| line.expect("text"))
            .take_while(|line| !line.is_empty())
            .collect();
        let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
        head.join("\n")
    });
    let credentials = aws_sdk_kinesis::config::Credentials::new("id", "secret", None, None, "test");
    let provider = aws_sdk_kinesis::config::SharedCredentialsProvider::new(credentials);
    let here = sdk_config()
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(provider)
        .app_name(aws_types::app_name::AppName::new("till").expect("valid"))
        .build();
    let transport = SdkTransport::from_sdk_config(&here, &ProducerConfig::default()).expect("complete");
    let failure = transport.list_shards(&orders()).await.expect_err("busy");
    assert_eq!(failure.kind(), FailureKind::Unavailable, "{failure}");
    let head = heard.join().expect("heard");
    let version = env!("CARGO_PKG_VERSION");
    assert!(head.contains(&format!("lib/kinesis-kpl/{version}")), "{head}");
    assert!(
        head.contains("app/till"),
        "the application's own name stays: {head}"
    );
}

#[tokio::test]
async fn shards_that_make_no_sense_are_a_bad_answer() {
    for (start, end) in [
        ("x", "9"),
        ("9", "0"),
        ("0", "340282366920938463463374607431768211456"),
    ] {
        let rule = mock!(Client::list_shards).then_output(move || {
            ListShardsOutput::builder()
                .shards(shard("shardId-000000000000", start, end, None))
                .build()
        });
        let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&rule]);
        let answer = transport(&client).list_shards(&orders()).await;
        assert_eq!(
            answer.map_err(|failure| failure.kind()),
            Err(FailureKind::BadAnswer),
            "{start}..={end}"
        );
    }
}

fn sdk_config() -> aws_types::sdk_config::Builder {
    aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-west-1"))
        .endpoint_url("http://127.0.0.1:1")
}

#[tokio::test]
async fn no_credentials_and_no_endpoint_are_told_apart() {
    let config = ProducerConfig::builder()
        .request_timeout(Duration::from_secs(2))
        .build()
        .expect("valid");
    let transport = SdkTransport::from_sdk_config(&sdk_config().build(), &config).expect("complete");
    let failure = transport
        .list_shards(&orders())
        .await
        .expect_err("no credentials");
    assert_eq!(failure.kind(), FailureKind::Credentials, "{failure}");

    let credentials = aws_sdk_kinesis::config::Credentials::new("id", "secret", None, None, "test");
    let provider = aws_sdk_kinesis::config::SharedCredentialsProvider::new(credentials);
    let here = sdk_config().credentials_provider(provider).build();
    let transport = SdkTransport::from_sdk_config(&here, &config).expect("complete");
    let failure = transport
        .list_shards(&orders())
        .await
        .expect_err("nobody listens on port 1");
    assert_eq!(failure.kind(), FailureKind::Connection, "{failure}");
    assert!(!failure.to_string().contains('\n'));
}

#[test]
fn an_incomplete_sdk_config_is_refused() {
    let config = ProducerConfig::default();
    let no_region = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .build();
    let refused = SdkTransport::from_sdk_config(&no_region, &config).map(drop);
    assert_eq!(refused, Err(ConfigError::MissingRegion));
    let no_version = aws_config::SdkConfig::builder()
        .region(aws_config::Region::new("eu-west-1"))
        .build();
    let refused = SdkTransport::from_sdk_config(&no_version, &config).map(drop);
    assert_eq!(refused, Err(ConfigError::MissingBehaviorVersion));
}
