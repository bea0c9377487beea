//! One endpoint with one stream, and the calls that most cases make.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::operation::put_record::PutRecordOutput;
use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, Shard, ShardIteratorType, StreamDescriptionSummary, StreamStatus,
};

use super::target::Endpoint;
use super::violation::Violation;

/// The first shard of every stream.
pub(super) const FIRST: &str = "shardId-000000000000";

/// The highest hash key.
pub(super) const HIGHEST: u128 = u128::MAX;

/// An endpoint under test and a stream's name that nobody else uses.
#[derive(Debug)]
pub struct Subject {
    pub(super) client: Client,
    pub(super) stream: String,
    pub(super) endpoint: Endpoint,
}

impl Subject {
    /// Creates the stream and waits for it.
    pub(super) async fn create(&self, shards: i32) -> Result<(), Violation> {
        let create = self.client.create_stream().stream_name(&self.stream);
        create.shard_count(shards).send().await?;
        self.until_active().await
    }

    /// Waits until the stream is active.
    pub(super) async fn until_active(&self) -> Result<(), Violation> {
        while self.summary().await?.stream_status() != &StreamStatus::Active {
            self.pause(20).await;
        }
        Ok(())
    }

    pub(super) async fn summary(&self) -> Result<StreamDescriptionSummary, Violation> {
        let describe = self.client.describe_stream_summary().stream_name(&self.stream);
        let answer = describe.send().await?;
        answer
            .stream_description_summary
            .ok_or(Violation::Missing("StreamDescriptionSummary"))
    }

    pub(super) async fn arn(&self) -> Result<String, Violation> {
        Ok(self.summary().await?.stream_arn)
    }

    pub(super) async fn shards(&self) -> Result<Vec<Shard>, Violation> {
        let list = self.client.list_shards().stream_name(&self.stream);
        Ok(list.send().await?.shards.unwrap_or_default())
    }

    pub(super) async fn put(
        &self,
        key: &str,
        data: impl Into<Vec<u8>>,
    ) -> Result<PutRecordOutput, Violation> {
        let put = self.client.put_record().stream_name(&self.stream);
        let put = put.partition_key(key).data(Blob::new(data));
        Ok(put.send().await?)
    }

    /// Puts under this hash key.
    pub(super) async fn put_at(&self, hash_key: u128, data: &str) -> Result<PutRecordOutput, Violation> {
        let put = self.client.put_record().stream_name(&self.stream);
        let put = put.partition_key("k").data(Blob::new(data));
        Ok(put.explicit_hash_key(hash_key.to_string()).send().await?)
    }

    /// Puts with one request; all must be stored.
    pub(super) async fn put_all(
        &self,
        entries: Vec<PutRecordsRequestEntry>,
    ) -> Result<PutRecordsOutput, Violation> {
        let put = self.client.put_records().stream_name(&self.stream);
        let answer = put.set_records(Some(entries)).send().await?;
        super::violation::same("FailedRecordCount", answer.failed_record_count.unwrap_or(0), 0)?;
        Ok(answer)
    }

    pub(super) async fn iterator(&self, shard: &str, kind: ShardIteratorType) -> Result<String, Violation> {
        self.iterator_at(shard, kind, None).await
    }

    pub(super) async fn iterator_at(
        &self,
        shard: &str,
        kind: ShardIteratorType,
        number: Option<&str>,
    ) -> Result<String, Violation> {
        let get = self.client.get_shard_iterator().stream_name(&self.stream);
        let get = get.shard_id(shard).shard_iterator_type(kind);
        let answer = get.set_starting_sequence_number(number.map(str::to_owned));
        let answer = answer.send().await?;
        answer.shard_iterator.ok_or(Violation::Missing("ShardIterator"))
    }

    pub(super) async fn read(&self, iterator: &str) -> Result<GetRecordsOutput, Violation> {
        Ok(self.client.get_records().shard_iterator(iterator).send().await?)
    }

    /// What a shard holds, to its tip or its end.
    pub(super) async fn all_of(&self, shard: &str) -> Result<Vec<String>, Violation> {
        let mut next = Some(self.iterator(shard, ShardIteratorType::TrimHorizon).await?);
        let mut held = Vec::new();
        while let Some(at) = next {
            let page = self.read(&at).await?;
            held.extend(page.records().iter().map(text));
            next = page.next_shard_iterator;
            if page.records.is_empty() && page.millis_behind_latest.unwrap_or(0) == 0 {
                break;
            }
        }
        Ok(held)
    }

    /// Splits the first shard in the middle of the hash keys and waits.
    pub(super) async fn split(&self) -> Result<(), Violation> {
        self.split_at(FIRST, HIGHEST / 2 + 1).await
    }

    pub(super) async fn split_at(&self, shard: &str, hash_key: u128) -> Result<(), Violation> {
        let split = self.client.split_shard().stream_name(&self.stream);
        let split = split
            .shard_to_split(shard)
            .new_starting_hash_key(hash_key.to_string());
        split.send().await?;
        self.until_active().await
    }

    /// Merges and waits.
    pub(super) async fn merge(&self, shard: &str, adjacent: &str) -> Result<(), Violation> {
        let merge = self.client.merge_shards().stream_name(&self.stream);
        let merge = merge.shard_to_merge(shard).adjacent_shard_to_merge(adjacent);
        merge.send().await?;
        self.until_active().await
    }

    /// Lets time pass: by waiting, for both sides.
    pub(super) async fn pause(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// Moves the endpoint's time on. Only for cases that need a clock.
    pub(super) fn advance(&self, seconds: u64) {
        self.endpoint.advance(Duration::from_secs(seconds));
    }
}

/// A record's data as text.
pub(super) fn text(record: &aws_sdk_kinesis::types::Record) -> String {
    String::from_utf8_lossy(record.data().as_ref()).into_owned()
}

/// An entry of PutRecords.
pub(super) fn entry(key: &str, data: impl Into<Vec<u8>>) -> Result<PutRecordsRequestEntry, Violation> {
    let entry = PutRecordsRequestEntry::builder().partition_key(key);
    Ok(entry.data(Blob::new(data)).build()?)
}
