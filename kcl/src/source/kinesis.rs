//! Streams in Kinesis: the SDK's calls, their answers in our words.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::{ReconnectMode, RetryConfig, RetryPartition};
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{self, ShardIteratorType};
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::sleep;

use super::budget::{ReadBudget, SharedRate};
use super::failure::{Failure, Kind};
use super::fan_out::{Connections, Registrar, ShardReader};
use super::identity::Identities;
use super::listing::Listings;
use super::tip::last_before;
use super::{RawRecord, ShardEnd, Source};
use crate::config::ConsumerConfig;
use crate::error::BoxError;
use crate::metrics::Meter;
use crate::position::{Position, SequenceNumber};
use crate::shard::cadence::Cadence;
use crate::shard::start::StartAt;
use crate::shard_sync::Shard;
use crate::shard_sync::children::ChildShard;
use crate::stream::Stream;
use crate::streams::listed::StreamTarget;
use crate::streams::roster::Described;
use crate::text::Texts;

/// The streams of one account and region. Reads are repeated by their reader, so the SDK repeats none; listings are repeated by the SDK.
#[derive(Debug, Clone)]
pub(crate) struct KinesisStream {
    data: Client,
    control: Client,
    config: Arc<ConsumerConfig>,
    listings: Listings,
    budget: ReadBudget,
    registrar: Registrar,
    connections: Connections,
    region: Arc<str>,
    identities: Identities,
}

/// One answer of GetRecords.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<RawRecord>,
    pub(crate) next_iterator: Option<String>,
    pub(crate) behind: Option<Duration>,
    pub(crate) children: Vec<ChildShard>,
}

impl Page {
    /// The records' own bytes, as the service counts them.
    pub(super) fn bytes(&self) -> usize {
        self.records.iter().map(RawRecord::bytes).sum()
    }
}

impl KinesisStream {
    pub(crate) fn new(
        builder: &aws_sdk_kinesis::config::Builder,
        config: Arc<ConsumerConfig>,
        budget: ReadBudget,
    ) -> Self {
        let timeout = config.retrieval.request_timeout;
        let timeouts = |attempt: Duration, operation: Duration| {
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(attempt)
                .operation_attempt_timeout(attempt)
                .operation_timeout(operation)
                .build()
        };
        // One failed read says nothing about the connection that all shards share.
        let no_retries = RetryConfig::disabled().with_reconnect_mode(ReconnectMode::ReuseAllConnections);
        // Of subscriptions all timeouts are ours but this one.
        let subscribing = builder
            .clone()
            .retry_config(no_retries.clone())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build());
        let data = builder
            .clone()
            .retry_config(no_retries)
            .timeout_config(timeouts(timeout, timeout));
        let control_pause = match config.is_seeded() {
            true => Duration::ZERO,
            false => CONTROL_BACKOFF,
        };
        let control = builder
            .clone()
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(CONTROL_ATTEMPTS)
                    .with_initial_backoff(control_pause),
            )
            .retry_partition(RetryPartition::new("kinesis-kcl-control"))
            .timeout_config(timeouts(CONTROL_TIMEOUT, CONTROL_TIMEOUT * 2));
        let data = Client::from_conf(data.build());
        let region = data.config().region().map_or("", |region| region.as_ref());
        let control = Client::from_conf(control.build());
        Self {
            region: Arc::from(region),
            data,
            registrar: Registrar::new(control.clone(), Arc::clone(&config)),
            connections: Connections::new(subscribing),
            control,
            listings: Listings::of(&config),
            identities: Identities::default(),
            config,
            budget,
        }
    }

    pub(crate) fn config(&self) -> &ConsumerConfig {
        &self.config
    }

    pub(super) fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The rate at which a shard may be polled, shared with all who share the budget.
    pub(super) fn rate(&self, stream: &Stream, shard: &ShardId) -> SharedRate {
        self.budget
            .rate(format!("{}/{}", self.region, stream.name()), shard.clone())
    }

    /// When shards at rest are polled.
    pub(super) fn cadence(&self) -> Cadence {
        self.budget.cadence()
    }

    /// A turn at GetRecords.
    pub(super) async fn request(&self) -> OwnedSemaphorePermit {
        self.budget.request().await
    }

    pub(crate) async fn shard_iterator(
        &self,
        stream: &Stream,
        shard: &ShardId,
        start: &StartAt,
    ) -> Result<String, Failure> {
        const OPERATION: &str = "GetShardIterator";
        let call = self
            .data
            .get_shard_iterator()
            .set_stream_arn(arn(stream))
            .set_stream_name(name(stream))
            .shard_id(shard.as_str());
        let call = match start {
            StartAt::TrimHorizon => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            StartAt::Latest => call.shard_iterator_type(ShardIteratorType::Latest),
            StartAt::AtTimestamp(time) => call
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from(*time)),
            StartAt::AtSequence(number) => call
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(number.as_str()),
            StartAt::AfterSequence(number) => call
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(number.as_str()),
        };
        let output = call
            .send()
            .await
            .map_err(|error| Failure::of_sdk(OPERATION, error))?;
        output
            .shard_iterator
            .ok_or_else(|| Failure::bad_answer(OPERATION, "no iterator in the answer"))
    }

    pub(crate) async fn records(&self, stream: &Stream, iterator: &str) -> Result<Page, Failure> {
        const OPERATION: &str = "GetRecords";
        let output = self
            .data
            .get_records()
            .set_stream_arn(arn(stream))
            .shard_iterator(iterator)
            .limit(i32::try_from(self.config.retrieval.max_records).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| Failure::of_sdk(OPERATION, error))?;
        let bad = |source: BoxError| Failure::bad_answer(OPERATION, source);
        let behind = output.millis_behind_latest.and_then(|ms| u64::try_from(ms).ok());
        Ok(Page {
            records: raw_records(output.records).map_err(bad)?,
            next_iterator: output.next_shard_iterator,
            behind: behind.map(Duration::from_millis),
            children: output
                .child_shards
                .unwrap_or_default()
                .iter()
                .map(child_shard)
                .collect::<Result<_, _>>()
                .map_err(bad)?,
        })
    }

    /// Fails unless a stream is known, since `age` at most, to be the one it was.
    pub(crate) async fn ensure_same(&self, stream: &Stream, age: Duration) -> Result<(), Failure> {
        self.identities
            .ensure(&self.control, &self.listings, stream, age)
            .await
    }

    /// What it means that a read says there is no such thing: the end of the shard, if its stream is still there without it, or is gone
    /// too. `None`: the shard is there.
    ///
    /// A stream is believed to be gone only when it is said several times, seconds apart. One of several is for the tracker to judge.
    pub(crate) async fn end_of_missing(
        &self,
        stream: &Stream,
        shard: &ShardId,
    ) -> Result<Option<ShardEnd>, Failure> {
        let mut denials = 0;
        loop {
            // A listing of another stream says nothing about this one's shards.
            let listed = match self.ensure_same(stream, Duration::ZERO).await {
                Ok(()) => self.list_shards(stream).await,
                Err(failure) => Err(failure),
            };
            match listed {
                Ok(shards) => {
                    let gone = !shards.is_empty() && shards.iter().all(|listed| listed.id != *shard);
                    return Ok(gone.then(ShardEnd::default));
                }
                Err(failure) if failure.kind == Kind::NotFound && stream.id().is_none() => denials += 1,
                Err(failure) => return Err(failure),
            }
            if denials == DENIALS {
                return Ok(Some(ShardEnd {
                    stream_gone: true,
                    ..ShardEnd::default()
                }));
            }
            sleep(BETWEEN_DENIALS).await;
        }
    }
}

impl Source for KinesisStream {
    type Reader = ShardReader;

    async fn describe(&self, target: &StreamTarget) -> Result<Described, Failure> {
        self.identities
            .describe(&self.control, &self.listings, target)
            .await
    }

    fn region(&self) -> Option<String> {
        self.data.config().region().map(ToString::to_string)
    }

    fn doubts(&self) -> Arc<Notify> {
        self.identities.doubts()
    }

    async fn list_shards(&self, stream: &Stream) -> Result<Vec<Shard>, Failure> {
        const OPERATION: &str = "ListShards";
        let first = self
            .control
            .list_shards()
            .set_stream_arn(arn(stream))
            .set_stream_name(name(stream));
        let mut call = first.clone();
        let mut shards = Vec::new();
        loop {
            self.listings.turn().await;
            let page = match call
                .max_results(LISTED)
                .send()
                .await
                .map_err(|error| Failure::of_sdk(OPERATION, error))
            {
                Ok(page) => page,
                // It took more than five minutes to come here.
                Err(failure) if failure.kind == Kind::TokenExpired => {
                    shards.clear();
                    call = first.clone();
                    continue;
                }
                Err(failure) => {
                    if failure.kind == Kind::Throttled {
                        self.listings.throttled();
                    }
                    return Err(failure);
                }
            };
            for shard in page.shards.unwrap_or_default() {
                shards.push(listed_shard(&shard).map_err(|source| Failure::bad_answer(OPERATION, source))?);
            }
            // A token stands for the stream: the service refuses both together.
            let Some(token) = page.next_token else {
                return Ok(shards);
            };
            call = self.control.list_shards().next_token(token);
        }
    }

    fn open(
        &self,
        stream: &Stream,
        shard: ShardId,
        range: HashKeyRange,
        start: StartAt,
        meter: Meter,
    ) -> ShardReader {
        ShardReader::new(self.clone(), stream.clone(), shard, range, start, meter)
    }

    async fn last_before(
        &self,
        stream: &Stream,
        shard: &ShardId,
        until: Option<SystemTime>,
    ) -> Result<Option<Position>, Failure> {
        last_before(self, stream, shard, until).await
    }
}

/// How a stream is asked for: by its ARN where that is known, else by its name.
fn arn(stream: &Stream) -> Option<String> {
    stream.arn().map(ToString::to_string)
}

fn name(stream: &Stream) -> Option<String> {
    stream.arn().is_none().then(|| stream.name().as_str().to_owned())
}

/// Records in our words. Their texts are put together, those of neighbours at a time: whoever keeps a record keeps these.
pub(super) fn raw_records(records: Vec<types::Record>) -> Result<Vec<RawRecord>, BoxError> {
    let mut raw = Vec::with_capacity(records.len());
    let mut records = records.into_iter();
    while !records.as_slice().is_empty() {
        let neighbours = records.as_slice();
        let neighbours = neighbours.get(..NEIGHBOURS).unwrap_or(neighbours);
        let mut texts = Texts::of(neighbours.iter().flat_map(texts_of));
        let count = neighbours.len();
        for record in records.by_ref().take(count) {
            raw.push(RawRecord {
                sequence_number: SequenceNumber::received(texts.take(record.sequence_number.len()))?,
                partition_key: record.partition_key.map(|key| texts.take(key.len())),
                data: record.data.into_bytes(),
                arrived: record
                    .approximate_arrival_timestamp
                    .and_then(|time| SystemTime::try_from(time).ok()),
            });
        }
    }
    Ok(raw)
}

fn texts_of(record: &types::Record) -> impl Iterator<Item = &str> + Clone {
    let number = std::iter::once(record.sequence_number.as_str());
    number.chain(record.partition_key.as_deref())
}

fn hash_range(range: Option<&types::HashKeyRange>) -> Result<HashKeyRange, BoxError> {
    let range = range.ok_or("a shard has no hash key range")?;
    let key = HashKey::parse_decimal;
    Ok(HashKeyRange::new(
        key(range.starting_hash_key())?,
        key(range.ending_hash_key())?,
    )?)
}

pub(super) fn child_shard(child: &types::ChildShard) -> Result<ChildShard, BoxError> {
    let parents = child
        .parent_shards()
        .iter()
        .map(|id| ShardId::new(id))
        .collect::<Result<_, _>>()?;
    Ok(ChildShard {
        id: ShardId::new(child.shard_id())?,
        parents,
        hash_range: hash_range(child.hash_key_range())?,
    })
}

fn listed_shard(shard: &types::Shard) -> Result<Shard, BoxError> {
    let numbers = shard.sequence_number_range();
    let parent = |id: Option<&str>| id.map(ShardId::new).transpose();
    Ok(Shard {
        id: ShardId::new(shard.shard_id())?,
        parent: parent(shard.parent_shard_id())?,
        adjacent_parent: parent(shard.adjacent_parent_shard_id())?,
        hash_range: hash_range(shard.hash_key_range())?,
        starting_sequence_number: numbers
            .map(|range| SequenceNumber::parse(range.starting_sequence_number()))
            .transpose()?,
        closed: numbers.is_some_and(|range| range.ending_sequence_number().is_some()),
    })
}

impl ShardEnd {
    pub(crate) fn of(children: Vec<ChildShard>) -> Self {
        Self {
            children,
            stream_gone: false,
        }
    }
}

/// Source: AWS SDK for Rust, default connect timeout. Applies to: every call.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);
/// Ours. Applies to: one attempt of a listing.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(4);
const CONTROL_ATTEMPTS: u32 = 3;
/// Ours: listings are rare, so a short first pause does no harm.
const CONTROL_BACKOFF: Duration = Duration::from_millis(200);
/// Ours: a name that is being looked up elsewhere, or a stream that is made anew, answers by then.
const DENIALS: u32 = 3;
const BETWEEN_DENIALS: Duration = Duration::from_secs(5);
/// Ours: with their numbers, and keys as long as numbers, some 8 KiB.
const NEIGHBOURS: usize = 64;
/// Source: AWS API reference, ListShards, `MaxResults`.
const LISTED: i32 = 1_000;
