//! Reads a stream from its beginning as a KCL consumer would: aggregates taken apart, those dropped of which a record
//! lies outside the shard's range, parents before children.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{Record, Shard, ShardIteratorType};
use bytes::Bytes;
use kinesis_aggregation::{Deaggregated, HashKey, HashKeyRange, OutOfRange, RawReason, ShardId, deaggregate};
use tokio::time::sleep;

use super::books::{Books, Position};
use super::competitor;
use super::error::TrialError;
use super::events::number_of;

/// What was read beside the copies that are in the books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Read {
    /// Shards, closed ones included.
    pub shards: u64,
    /// Kinesis records of the producer.
    pub kinesis_records: u64,
    /// Their bytes, data and keys.
    pub bytes: u64,
    /// Of these, aggregates that consumers drop, since a record lies outside the shard's range.
    pub misplaced: u64,
    /// The bytes of Kinesis records without any first copy.
    pub repeated_bytes: u64,
    /// Bytes of the competitor.
    pub competitor_bytes: u64,
}

/// Reads all of the stream into the books.
///
/// # Errors
/// [`TrialError::Call`] when the stream cannot be read, [`TrialError::Content`] for what no trial puts.
pub async fn read(client: &Client, stream: &str, books: &mut Books) -> Result<Read, TrialError> {
    let mut shards = list(client, stream).await?;
    // Children have higher numbers than their parents.
    shards.sort_by_key(number_in);
    let mut reader = Reader {
        client,
        stream,
        books,
        read: Read::default(),
    };
    for shard in &shards {
        reader.shard(shard).await?;
    }
    Ok(reader.read)
}

/// All shards of a stream, closed ones included.
pub(super) async fn list(client: &Client, stream: &str) -> Result<Vec<Shard>, TrialError> {
    let mut shards = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let call = client.list_shards();
        let call = match token.take() {
            Some(token) => call.next_token(token),
            None => call.stream_name(stream),
        };
        let page = match call.send().await {
            Ok(page) => page,
            Err(error) if is_over_rate(error.as_service_error().map(|e| e.is_limit_exceeded_exception())) => {
                sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Err(TrialError::call("ListShards")(error.into())),
        };
        token = page.next_token;
        shards.extend(page.shards.unwrap_or_default());
        if token.is_none() {
            return Ok(shards);
        }
    }
}

pub(super) fn number_in(shard: &Shard) -> Option<u64> {
    ShardId::new(shard.shard_id()).ok()?.number()
}

/// The hash range of a shard.
pub(super) fn range_of(shard: &Shard) -> Option<HashKeyRange> {
    let range = shard.hash_key_range()?;
    let start = HashKey::parse_decimal(range.starting_hash_key()).ok()?;
    let end = HashKey::parse_decimal(range.ending_hash_key()).ok()?;
    HashKeyRange::new(start, end).ok()
}

struct Reader<'a> {
    client: &'a Client,
    stream: &'a str,
    books: &'a mut Books,
    read: Read,
}

impl Reader<'_> {
    async fn shard(&mut self, shard: &Shard) -> Result<(), TrialError> {
        self.read.shards += 1;
        let range = range_of(shard).ok_or(TrialError::Content {
            what: "a shard without range",
        })?;
        let mut iterator = self.iterator(shard.shard_id()).await?;
        loop {
            let page = match self.client.get_records().shard_iterator(&iterator).send().await {
                Ok(page) => page,
                Err(error)
                    if is_over_rate(
                        error
                            .as_service_error()
                            .map(|error| error.is_provisioned_throughput_exceeded_exception()),
                    ) =>
                {
                    sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(TrialError::call("GetRecords")(error.into())),
            };
            let is_tip = page.records.is_empty() && page.millis_behind_latest == Some(0);
            for record in page.records {
                self.record(shard.shard_id(), record, &range)?;
            }
            match page.next_shard_iterator {
                Some(next) if !is_tip => iterator = next,
                _ => return Ok(()),
            }
        }
    }

    async fn iterator(&self, shard: &str) -> Result<String, TrialError> {
        let call = self
            .client
            .get_shard_iterator()
            .stream_name(self.stream)
            .shard_id(shard)
            .shard_iterator_type(ShardIteratorType::TrimHorizon);
        let reply = call
            .send()
            .await
            .map_err(|error| TrialError::call("GetShardIterator")(error.into()))?;
        reply.shard_iterator.ok_or(TrialError::Content {
            what: "a shard without iterator",
        })
    }

    fn record(&mut self, shard: &str, record: Record, range: &HashKeyRange) -> Result<(), TrialError> {
        let Record {
            sequence_number,
            data,
            partition_key,
            ..
        } = record;
        let data: Bytes = Blob::into_inner(data).into();
        let partition_key = partition_key.unwrap_or_default();
        let bytes = (data.len() + partition_key.len()) as u64;
        if competitor::is_of(&partition_key) {
            self.read.competitor_bytes += bytes;
            return Ok(());
        }
        self.read.kinesis_records += 1;
        self.read.bytes += bytes;
        let first_copies = self.books.first_copies();
        match deaggregate(data, range, OutOfRange::DropAggregate) {
            Deaggregated::Aggregate(records) => {
                for record in records {
                    let place = Some(record.sub_sequence_number());
                    self.copy(shard, &sequence_number, place, record.data())?;
                }
            }
            Deaggregated::Dropped(_) => self.read.misplaced += 1,
            Deaggregated::Raw {
                data,
                why: RawReason::NotAggregate,
            } => self.copy(shard, &sequence_number, None, &data)?,
            _ => {
                return Err(TrialError::Content {
                    what: "a broken aggregate",
                });
            }
        }
        if self.books.first_copies() == first_copies {
            self.read.repeated_bytes += bytes;
        }
        Ok(())
    }

    fn copy(
        &mut self,
        shard: &str,
        sequence_number: &str,
        sub_sequence_number: Option<u64>,
        data: &[u8],
    ) -> Result<(), TrialError> {
        let number = number_of(data).ok_or(TrialError::Content {
            what: "a record without number",
        })?;
        let position = Position {
            shard,
            sequence_number,
            sub_sequence_number,
        };
        self.books.stored(number, position);
        Ok(())
    }
}

fn is_over_rate(verdict: Option<bool>) -> bool {
    verdict == Some(true)
}

/// A fifth of a second: the service takes five reads of a shard in each.
const PAUSE: Duration = Duration::from_millis(200);
