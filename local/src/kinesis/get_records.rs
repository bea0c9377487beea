//! GetRecords on the engine's store: pages of at most 10 MiB that tell how far behind the reader is and, at the end
//! of a closed shard, which shards follow.
//!
//! Takes only requests without a fault. The engine sees the others and words the refusal.

use std::borrow::Cow;

use ferrokinesis::sequence::{increment_sequence, parse_sequence, resolve_shard_id, shard_ix_to_hex};
use ferrokinesis::shard_iterator::{create_shard_iterator, decode_shard_iterator};
use ferrokinesis::store::Store;
use ferrokinesis::types::{EpochSeconds, HashKeyRange, Shard, StoredRecord};
use ferrokinesis::util::current_time_ms;
use serde::{Deserialize, Serialize};

/// A position in a shard and how many records to read from it.
pub(super) struct Read {
    stream: String,
    shard_id: String,
    shard_index: i64,
    /// The first sequence number that may be returned.
    from: String,
    limit: usize,
}

impl Read {
    /// The read in a JSON body, or `None` if anything about it is not regular: no iterator of ours, one that has
    /// expired, a limit out of range.
    pub(super) fn parse(body: &[u8], store: &Store) -> Option<Self> {
        let request: Request<'_> = serde_json::from_slice(body).ok()?;
        let limit = request.limit.unwrap_or(MAX_RECORDS);
        let (made, stream, shard_id, from) = decode_shard_iterator(&request.shard_iterator).ok()?;
        let age = current_time_ms().checked_sub(made)?;
        let (canonical, shard_index) = resolve_shard_id(&shard_id).ok()?;
        parse_sequence(&from).ok()?;
        let regular = (1..=MAX_RECORDS).contains(&limit)
            && age <= store.options.iterator_ttl_seconds * 1000
            && canonical == shard_id;
        regular.then_some(Self {
            stream,
            shard_id,
            shard_index,
            from,
            limit,
        })
    }

    /// What is there to read now, or `None` if the stream or shard is gone. The caller holds the gate alone.
    pub(super) async fn page(self, store: &Store) -> Option<Page> {
        let mut shards = store.get_stream(&self.stream).await.ok()?.shards;
        let index = usize::try_from(self.shard_index).ok()?;
        let closed = shards
            .get(index)?
            .sequence_number_range
            .ending_sequence_number
            .is_some();
        let (records, more) = self.records(store).await;
        let ends = closed && !more;
        shards.retain(|shard| ends && parents(shard).any(|parent| parent == self.shard_id));
        Some(Page {
            read: self,
            now: current_time_ms(),
            records,
            more,
            ends,
            children: shards,
        })
    }

    /// Records up to the limits, and whether there are more.
    async fn records(&self, store: &Store) -> (Vec<(String, StoredRecord)>, bool) {
        let end = shard_ix_to_hex(self.shard_index + 1);
        let mut from = format!("{}/{}", shard_ix_to_hex(self.shard_index), self.from);
        let mut records = Vec::new();
        let mut bytes = 0;
        loop {
            // One more than may be returned tells whether there is more.
            let wanted = FETCH.min(self.limit + 1 - records.len());
            let fetched = store
                .get_records_range_limited(&self.stream, &from, &end, wanted)
                .await;
            let last = fetched.len() < wanted;
            if let Some((key, _)) = fetched.last() {
                from = format!("{key}\0");
            }
            for (key, record) in fetched {
                bytes += record.data.len() / 4 * 3 + record.partition_key.len();
                if records.len() == self.limit || (bytes > MAX_BYTES && !records.is_empty()) {
                    return (records, true);
                }
                records.push((key, record));
            }
            if last {
                return (records, false);
            }
        }
    }
}

/// What one read found.
pub(super) struct Page {
    read: Read,
    now: u64,
    /// By the engine's key, `shard/sequence number`.
    records: Vec<(String, StoredRecord)>,
    more: bool,
    /// Whether this is all that the shard will ever hold.
    ends: bool,
    children: Vec<Shard>,
}

impl Page {
    /// The reply, which borrows the records.
    pub(super) fn answer(&self) -> Answer<'_> {
        let records: Vec<_> = self
            .records
            .iter()
            .map(|(key, record)| Record::new(key, record))
            .collect();
        let next_shard_iterator = (!self.ends).then(|| {
            let from = records
                .last()
                .and_then(|last| parse_sequence(last.sequence_number).ok());
            // An empty page leaves the position where it is; moving it by the clock could pass a record.
            let from = from.map_or_else(|| self.read.from.clone(), |last| increment_sequence(&last, None));
            create_shard_iterator(&self.read.stream, &self.read.shard_id, &from, self.now)
        });
        Answer {
            millis_behind_latest: self.millis_behind_latest(),
            next_shard_iterator,
            records,
            child_shards: self.ends.then(|| self.children.iter().map(Child::new).collect()),
        }
    }

    /// 0 at the tip; else the age of the last record returned, at least 1.
    fn millis_behind_latest(&self) -> u64 {
        match self.records.last() {
            Some((_, last)) if self.more => self.now.saturating_sub(millis(last)).max(1),
            _ => 0,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    shard_iterator: Cow<'a, str>,
    limit: Option<usize>,
}

/// What the client gets.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer<'a> {
    millis_behind_latest: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_shard_iterator: Option<String>,
    records: Vec<Record<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    child_shards: Option<Vec<Child<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    partition_key: &'a str,
    data: &'a str,
    approximate_arrival_timestamp: EpochSeconds,
    sequence_number: &'a str,
}

impl<'a> Record<'a> {
    fn new(key: &'a str, record: &'a StoredRecord) -> Self {
        Self {
            partition_key: &record.partition_key,
            data: &record.data,
            approximate_arrival_timestamp: EpochSeconds(record.approximate_arrival_timestamp),
            sequence_number: key
                .split_once('/')
                .map_or("", |(_, sequence_number)| sequence_number),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Child<'a> {
    shard_id: &'a str,
    parent_shards: Vec<&'a str>,
    hash_key_range: &'a HashKeyRange,
}

impl<'a> Child<'a> {
    fn new(shard: &'a Shard) -> Self {
        Self {
            shard_id: &shard.shard_id,
            parent_shards: parents(shard).collect(),
            hash_key_range: &shard.hash_key_range,
        }
    }
}

fn parents(shard: &Shard) -> impl Iterator<Item = &str> {
    shard
        .parent_shard_id
        .iter()
        .chain(&shard.adjacent_parent_shard_id)
        .map(String::as_str)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the engine stores whole seconds since 1970; a float cast saturates"
)]
fn millis(record: &StoredRecord) -> u64 {
    (record.approximate_arrival_timestamp * 1000.0) as u64
}

/// Source: AWS API reference, GetRecords.
const MAX_RECORDS: usize = 10_000;

/// Source: AWS API reference, GetRecords.
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// Records copied out of the store at a time: little is copied in vain when the byte limit ends a page.
const FETCH: usize = 64;

#[cfg(test)]
mod tests {
    use ferrokinesis::store::StoreOptions;

    use super::*;

    const FIRST_SHARD: &str = "shardId-000000000000";
    const SEQUENCE_NUMBER: &str = "49680428697995738806491568058642938532681428860133179394";
    const FIVE_MINUTES: u64 = 300_000;
    /// Between the making of an iterator and the look at it.
    const SLACK: u64 = 10_000;

    fn parse(iterator: &str, limit: &str) -> Option<Read> {
        let body = format!(r#"{{"ShardIterator":"{iterator}"{limit}}}"#);
        Read::parse(body.as_bytes(), &Store::new(StoreOptions::default()))
    }

    fn made(shard: &str, sequence_number: &str, at: u64) -> String {
        create_shard_iterator("orders", shard, sequence_number, at)
    }

    #[test]
    fn regular_reads_are_taken_and_all_others_left_to_the_engine() {
        let now = current_time_ms();
        let good = made(FIRST_SHARD, SEQUENCE_NUMBER, now);
        let cases = [
            ("fresh", good.clone(), "", true),
            (
                "old",
                made(FIRST_SHARD, SEQUENCE_NUMBER, now - FIVE_MINUTES + SLACK),
                "",
                true,
            ),
            (
                "expired",
                made(FIRST_SHARD, SEQUENCE_NUMBER, now - FIVE_MINUTES - 1),
                "",
                false,
            ),
            (
                "of tomorrow",
                made(FIRST_SHARD, SEQUENCE_NUMBER, now + 86_400_000),
                "",
                false,
            ),
            (
                "other shard text",
                made("shardId-0", SEQUENCE_NUMBER, now),
                "",
                false,
            ),
            ("no shard", made("nonsense", SEQUENCE_NUMBER, now), "", false),
            ("no number", made(FIRST_SHARD, "nonsense", now), "", false),
            ("nonsense", "nonsense".to_owned(), "", false),
            ("lowest limit", good.clone(), r#","Limit":1"#, true),
            ("highest limit", good.clone(), r#","Limit":10000"#, true),
            ("limit 0", good.clone(), r#","Limit":0"#, false),
            ("limit too high", good.clone(), r#","Limit":10001"#, false),
            ("limit below 0", good.clone(), r#","Limit":-1"#, false),
            ("limit as text", good, r#","Limit":"1""#, false),
        ];
        for (name, iterator, limit, taken) in cases {
            assert_eq!(parse(&iterator, limit).is_some(), taken, "{name}");
        }
    }

    #[tokio::test]
    async fn a_stream_or_shard_that_is_gone_is_left_to_the_engine() {
        let read = parse(&made(FIRST_SHARD, SEQUENCE_NUMBER, current_time_ms()), "").unwrap();
        assert!(read.page(&Store::new(StoreOptions::default())).await.is_none());
    }
}
