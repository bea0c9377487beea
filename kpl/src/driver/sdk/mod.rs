//! [`Transport`] over the AWS SDK. The only place that knows the SDK's types, and that reads its errors.

mod failures;

use std::fmt;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::{ReconnectMode, RetryConfig};
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, PutRecordsResultEntry, RecordDistributionStrategy, Shard, ShardFilter,
    ShardFilterType, StreamDescriptionSummary,
};
use aws_types::SdkConfig;
use aws_types::sdk_ua_metadata::FrameworkMetadata;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::transport::Transport;
use crate::config::ProducerConfig;
use crate::error::ConfigError;
use crate::failure::{Failure, FailureKind};
use crate::pipeline::{Distribution, Entry, EntryReply, ListedShard, Stored, StreamSummary};
use crate::stream::StreamName;
use failures::{bad_answer, unbuildable, within};

/// Calls Kinesis through an SDK client of its own.
#[derive(Clone)]
pub(crate) struct SdkTransport {
    client: Client,
    /// Around the whole call as well: whatever the HTTP client does, a call ends.
    call_timeout: Duration,
}

impl SdkTransport {
    pub(crate) fn from_sdk_config(sdk: &SdkConfig, config: &ProducerConfig) -> Result<Self, ConfigError> {
        if sdk.region().is_none() {
            return Err(ConfigError::MissingRegion);
        }
        if sdk.behavior_version().is_none() {
            return Err(ConfigError::MissingBehaviorVersion);
        }
        Ok(Self::with_builder(
            aws_sdk_kinesis::config::Builder::from(sdk),
            config,
        ))
    }

    pub(crate) fn from_client(client: &Client, config: &ProducerConfig) -> Self {
        Self::with_builder(client.config().to_builder(), config)
    }

    fn with_builder(builder: aws_sdk_kinesis::config::Builder, config: &ProducerConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(config.connect_timeout())
            .read_timeout(config.request_timeout())
            .operation_attempt_timeout(config.request_timeout())
            .operation_timeout(config.request_timeout())
            .build();
        // The pipeline retries, record by record. One failed call says nothing about the connection it shares.
        let retries = RetryConfig::disabled().with_reconnect_mode(ReconnectMode::ReuseAllConnections);
        let mut builder = builder.retry_config(retries).timeout_config(timeouts);
        // The application's name is its own to set; a library adds itself to the list of frameworks.
        if let Ok(this) = FrameworkMetadata::new(env!("CARGO_PKG_NAME"), Some(env!("CARGO_PKG_VERSION"))) {
            builder = builder.framework_metadata(this);
        }
        let client = Client::from_conf(builder.build());
        Self {
            client,
            call_timeout: config.request_timeout() + GRACE,
        }
    }

    async fn put(self, stream: StreamName, entries: Vec<Entry>) -> Result<Vec<EntryReply>, Failure> {
        let expected = entries.len();
        let entries = entries
            .into_iter()
            .map(sdk_entry)
            .collect::<Result<Vec<_>, _>>()?;
        let call = self
            .client
            .put_records()
            .set_stream_name(name_of(&stream))
            .set_stream_arn(arn_of(&stream))
            .set_stream_id(id_of(&stream))
            .set_records(Some(entries))
            .send();
        let output = within(self.call_timeout, call).await?;
        let replies: Vec<_> = output.records.into_iter().map(entry_reply).collect();
        if replies.len() == expected {
            return Ok(replies);
        }
        let message = format!("{} replies to {expected} entries", replies.len());
        Err(Failure::new(
            FailureKind::BadAnswer,
            "RecordCountMismatch",
            message,
        ))
    }

    async fn list(self, stream: StreamName) -> Result<Vec<ListedShard>, Failure> {
        let open_now = ShardFilter::builder().r#type(ShardFilterType::AtLatest).build();
        let open_now = open_now.map_err(|error| unbuildable(&error))?;
        let mut call = self
            .client
            .list_shards()
            .set_stream_name(name_of(&stream))
            .set_stream_arn(arn_of(&stream))
            .set_stream_id(id_of(&stream))
            .shard_filter(open_now)
            .max_results(PAGE);
        let mut shards = Vec::new();
        loop {
            let page = within(self.call_timeout, call.send()).await?;
            for shard in page.shards.unwrap_or_default() {
                shards.push(listed_shard(&shard)?);
            }
            // A token stands for the stream and the filter: the service refuses them beside it.
            let Some(token) = page.next_token else {
                return Ok(shards);
            };
            call = self.client.list_shards().next_token(token).max_results(PAGE);
        }
    }

    async fn describe(self, stream: StreamName) -> Result<StreamSummary, Failure> {
        let call = self
            .client
            .describe_stream_summary()
            .set_stream_name(name_of(&stream))
            .set_stream_arn(arn_of(&stream))
            .set_stream_id(id_of(&stream))
            .send();
        let output = within(self.call_timeout, call).await?;
        let Some(summary) = output.stream_description_summary else {
            return Err(Failure::new(
                FailureKind::BadAnswer,
                "StreamDescriptionSummary",
                "the answer holds no summary",
            ));
        };
        Ok(stream_summary(&summary))
    }
}

impl Transport for SdkTransport {
    fn put_records(
        &self,
        stream: &StreamName,
        entries: Vec<Entry>,
    ) -> BoxFuture<'static, Result<Vec<EntryReply>, Failure>> {
        self.clone().put(stream.clone(), entries).boxed()
    }

    fn list_shards(&self, stream: &StreamName) -> BoxFuture<'static, Result<Vec<ListedShard>, Failure>> {
        self.clone().list(stream.clone()).boxed()
    }

    fn describe(&self, stream: &StreamName) -> BoxFuture<'static, Result<StreamSummary, Failure>> {
        self.clone().describe(stream.clone()).boxed()
    }
}

impl fmt::Debug for SdkTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SdkTransport")
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}

/// A name means a stream of the caller's own account: beside an ARN it would say nothing more, or something else.
fn name_of(stream: &StreamName) -> Option<String> {
    match stream.arn() {
        None => Some(stream.as_str().to_owned()),
        Some(_) => None,
    }
}

fn arn_of(stream: &StreamName) -> Option<String> {
    stream.arn().map(str::to_owned)
}

fn id_of(stream: &StreamName) -> Option<String> {
    stream.stream_id().map(str::to_owned)
}

fn sdk_entry(entry: Entry) -> Result<PutRecordsRequestEntry, Failure> {
    PutRecordsRequestEntry::builder()
        .data(Blob::from_maybe_shared(entry.data))
        .partition_key(entry.partition_key)
        .explicit_hash_key(entry.hash_key.to_string())
        .build()
        .map_err(|error| unbuildable(&error))
}

fn entry_reply(entry: PutRecordsResultEntry) -> EntryReply {
    match (entry.shard_id, entry.sequence_number) {
        (Some(shard_id), Some(sequence_number)) => {
            let shard_id = ShardId::new(&shard_id).map_err(|e| bad_answer(&e))?;
            Ok(Stored {
                shard_id,
                sequence_number: sequence_number.into(),
            })
        }
        _ => Err(Failure::of_code(
            entry.error_code.as_deref().unwrap_or_default(),
            entry.error_message.unwrap_or_default(),
        )),
    }
}

fn listed_shard(shard: &Shard) -> Result<ListedShard, Failure> {
    let range = shard.hash_key_range().ok_or_else(|| {
        Failure::new(
            FailureKind::BadAnswer,
            "ShardList",
            "a shard has no hash key range",
        )
    })?;
    let key = |text: &str| HashKey::parse_decimal(text).map_err(|e| bad_answer(&e));
    let (start, end) = (key(range.starting_hash_key())?, key(range.ending_hash_key())?);
    let is_open = shard
        .sequence_number_range()
        .is_none_or(|r| r.ending_sequence_number().is_none());
    Ok(ListedShard {
        id: ShardId::new(shard.shard_id()).map_err(|e| bad_answer(&e))?,
        range: HashKeyRange::new(start, end).map_err(|e| bad_answer(&e))?,
        is_open,
    })
}

fn stream_summary(summary: &StreamDescriptionSummary) -> StreamSummary {
    let kib = summary
        .max_record_size_in_kib()
        .and_then(|kib| usize::try_from(kib).ok())
        .filter(|kib| *kib > 0);
    StreamSummary {
        // Only on-demand streams have a strategy. One that this version does not know may scatter keys as well.
        distribution: match summary.record_distribution_strategy() {
            None | Some(RecordDistributionStrategy::UserPartitionKey) => Distribution::ByKey,
            Some(_) => Distribution::ByService,
        },
        max_record_size: kib.map(|kib| kib * 1024),
    }
}

/// Source: AWS API reference, ListShards. Applies to: shards of one page.
const PAGE: i32 = 1_000;
/// The SDK's own limit comes first and tells more; this one only catches what escapes it.
const GRACE: Duration = Duration::from_millis(500);
