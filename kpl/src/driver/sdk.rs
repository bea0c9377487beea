//! [`Transport`] over the AWS SDK. The only place that knows the SDK's types, and that reads its errors.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::{ReconnectMode, RetryConfig};
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, PutRecordsResultEntry, Shard, ShardFilter, ShardFilterType,
};
use aws_types::SdkConfig;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::transport::Transport;
use crate::config::ProducerConfig;
use crate::error::ConfigError;
use crate::failure::{Failure, FailureKind};
use crate::pipeline::{Entry, EntryReply, ListedShard, Stored};
use crate::stream::StreamName;

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
        let client = Client::from_conf(builder.retry_config(retries).timeout_config(timeouts).build());
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
            .stream_name(stream.as_str())
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
            .stream_name(stream.as_str())
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
}

impl fmt::Debug for SdkTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SdkTransport")
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}

async fn within<O, E, R>(
    limit: Duration,
    call: impl Future<Output = Result<O, SdkError<E, R>>>,
) -> Result<O, Failure>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: fmt::Debug + HasStatus + Send + Sync + 'static,
{
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| failure(&error)),
        Err(_) => Err(Failure::new(
            FailureKind::Timeout,
            "Timeout",
            format!("no answer within {limit:?}"),
        )),
    }
}

/// The status of an HTTP response, where a service's error has no code that we know.
trait HasStatus {
    fn status(&self) -> u16;
}

impl HasStatus for aws_sdk_kinesis::config::http::HttpResponse {
    fn status(&self) -> u16 {
        self.status().as_u16()
    }
}

fn failure<E, R>(error: &SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + StdError + 'static,
    R: fmt::Debug + HasStatus,
{
    match error {
        SdkError::ServiceError(context) => {
            let answer = context.err();
            let message = answer.message().unwrap_or_default();
            match answer.code() {
                Some(code) => {
                    let known = Failure::of_code(code, message);
                    if known.kind() == FailureKind::Other && context.raw().status() >= 500 {
                        return Failure::new(FailureKind::Unavailable, code, message);
                    }
                    known
                }
                None => of_status(context.raw().status(), message),
            }
        }
        SdkError::ResponseError(context) => of_status(context.raw().status(), &in_one_line(error)),
        SdkError::TimeoutError(_) => Failure::new(FailureKind::Timeout, "Timeout", in_one_line(error)),
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => {
            Failure::new(FailureKind::Timeout, "Timeout", in_one_line(error))
        }
        SdkError::DispatchFailure(dispatch) if dispatch.is_io() => {
            Failure::new(FailureKind::Connection, "Connection", in_one_line(error))
        }
        // Before anything is sent, the SDK resolves credentials and endpoint. Both fail in ways it does not type.
        other => {
            let text = in_one_line(other);
            let lower = text.to_lowercase();
            if lower.contains("timed out") {
                // A provider that was slow this time is no reason to give up records.
                Failure::new(FailureKind::Timeout, "Timeout", text)
            } else if lower.contains("credential") || lower.contains("identity") {
                Failure::new(FailureKind::Credentials, "Credentials", text)
            } else if matches!(other, SdkError::DispatchFailure(_)) {
                Failure::new(FailureKind::Connection, "Connection", text)
            } else {
                Failure::new(FailureKind::Invalid, "Request", text)
            }
        }
    }
}

/// An answer that is not the service's: a proxy's, or that of something else behind the endpoint.
fn of_status(status: u16, message: &str) -> Failure {
    let kind = match status {
        429 => FailureKind::Throttled,
        401 | 403 => FailureKind::AccessDenied,
        400..=499 => FailureKind::Invalid,
        500..=599 => FailureKind::Unavailable,
        _ => FailureKind::BadAnswer,
    };
    Failure::new(kind, format!("Http{status}"), message)
}

/// The causes of an error on one line, each once.
fn in_one_line(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text.replace(['\n', '\r'], " ")
}

fn unbuildable(error: &dyn StdError) -> Failure {
    Failure::new(FailureKind::Invalid, "Request", in_one_line(error))
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

fn bad_answer(error: &dyn StdError) -> Failure {
    Failure::new(FailureKind::BadAnswer, "BadAnswer", error.to_string())
}

/// Source: AWS API reference, ListShards. Applies to: shards of one page.
const PAGE: i32 = 1_000;
/// The SDK's own limit comes first and tells more; this one only catches what escapes it.
const GRACE: Duration = Duration::from_millis(500);
