//! Batches from one shard: asked of the service, taken apart into user records, read one ahead within a memory budget.

pub(crate) mod ahead;
pub(crate) mod budget;
pub(crate) mod failure;
pub(crate) mod fan_out;
pub(crate) mod identity;
pub(crate) mod kinesis;
mod listing;
pub(crate) mod polling;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod scripted_sdk;
mod tip;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use kinesis_aggregation::{
    Deaggregated, HashKeyRange, MAGIC, OutOfRange, RawReason, ShardId, deaggregate_all,
};
use tokio::sync::Notify;
use tracing::{trace, warn};

use self::failure::Failure;
use crate::metrics::Meter;
use crate::position::{Position, SequenceNumber};
use crate::processor::RecordBatch;
use crate::record::{ClientRecord, DroppedRecords, StrayAggregate};
use crate::shard::progress::{Heard, RetrievalMode};
use crate::shard::start::StartAt;
use crate::shard_sync::Shard;
use crate::shard_sync::children::ChildShard;
use crate::stream::Stream;
use crate::streams::listed::StreamTarget;
use crate::streams::roster::Described;
use crate::text::Text;

/// Streams, as far as a consumer needs them.
pub(crate) trait Source: fmt::Debug + Send + Sync + 'static {
    type Reader: Reader;

    /// What a stream is, and that it is there.
    fn describe(&self, target: &StreamTarget) -> impl Future<Output = Result<Described, Failure>> + Send;

    /// Where the streams are, if that is known.
    fn region(&self) -> Option<String>;

    /// Told when somebody finds that the streams may not be what they were.
    fn doubts(&self) -> Arc<Notify>;

    /// All shards a stream still lists.
    fn list_shards(&self, stream: &Stream) -> impl Future<Output = Result<Vec<Shard>, Failure>> + Send;

    /// A reader of one shard, which counts its requests. Nothing is asked yet.
    fn open(
        &self,
        stream: &Stream,
        shard: ShardId,
        range: HashKeyRange,
        start: StartAt,
        meter: Meter,
    ) -> Self::Reader;

    /// The last user record of a shard that arrived before a time, or before about now. `None`: the shard keeps none.
    fn last_before(
        &self,
        stream: &Stream,
        shard: &ShardId,
        until: Option<SystemTime>,
    ) -> impl Future<Output = Result<Option<Position>, Failure>> + Send;
}

/// Reads one shard. Call [`due`](Self::due), then [`read`](Self::read), and so on until a batch with an end.
pub(crate) trait Reader: Send + 'static {
    /// Waits until the next read may be made: the shard's pace, or the pause after a failure.
    fn due(&mut self) -> impl Future<Output = ()> + Send;

    /// Reads once. Failures are ridden out by later reads: such a batch is empty, as one at the tip may be.
    ///
    /// # Cancel safety
    /// A dropped call has read nothing: the next one begins at the same place.
    fn read(&mut self) -> impl Future<Output = Batch> + Send;

    /// How it reads at the moment.
    fn mode(&self) -> RetrievalMode {
        RetrievalMode::Polling
    }

    /// There is no room for records for some time: let go of what others pay for meanwhile. The next [`due`](Self::due) takes it up again.
    fn rest(&mut self) {}
}

/// What one read gave.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) records: RecordBatch,
    /// Memory the records hold, about.
    pub(crate) bytes: usize,
    /// Aggregates to be diverted before the records are processed.
    pub(crate) strays: Vec<StrayAggregate>,
    /// The shard is closed and this was all of it.
    pub(crate) end: Option<ShardEnd>,
    /// What it heard of the service.
    pub(crate) heard: Heard,
    /// From now on it is read in another way.
    pub(crate) switched: Option<Switch>,
}

/// A change of the way of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Switch {
    pub(crate) to: RetrievalMode,
    pub(crate) reason: String,
}

impl Batch {
    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        let nothing = self.records.is_empty() && self.records.dropped().is_empty();
        nothing && self.end.is_none() && self.strays.is_empty()
    }
}

/// The end of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShardEnd {
    /// The shards that follow, where the service named them.
    pub(crate) children: Vec<ChildShard>,
    /// The stream itself is gone, so that nothing follows.
    pub(crate) stream_gone: bool,
}

/// One Kinesis record as it came.
#[derive(Debug)]
pub(crate) struct RawRecord {
    pub(crate) sequence_number: SequenceNumber,
    pub(crate) partition_key: Option<Text>,
    pub(crate) data: Bytes,
    pub(crate) arrived: Option<SystemTime>,
}

impl RawRecord {
    /// Its own bytes, as the service counts them.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.partition_key.as_ref().map_or(0, |key| key.as_str().len())
    }

    /// Whether there may be others inside.
    fn has_magic(&self) -> bool {
        self.data.starts_with(&MAGIC)
    }

    /// As it is.
    fn delivered(self) -> ClientRecord {
        ClientRecord::received(self.sequence_number, self.partition_key, self.data, self.arrived)
    }
}

/// User records taken out of Kinesis records.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    pub(crate) records: Vec<ClientRecord>,
    pub(crate) dropped: Vec<DroppedRecords>,
    pub(crate) strays: Vec<StrayAggregate>,
    pub(crate) bytes: usize,
}

/// Takes aggregates apart. By KCL's rule an aggregate with a record outside the shard's hash range is dropped whole, which is said;
/// `policy` may want it delivered or handed back.
pub(crate) fn unpack(
    shard: &ShardId,
    range: &HashKeyRange,
    policy: OutOfRange,
    raw: Vec<RawRecord>,
) -> Unpacked {
    let mut unpacked = Unpacked {
        records: Vec::with_capacity(raw.len()),
        ..Unpacked::default()
    };
    unpacked.bytes = raw.iter().map(|record| record.bytes() + TEXTS).sum();
    let mut raw = raw.into_iter();
    loop {
        // Where records are plain, nearly all of them are, and they are spared a long way.
        let plain = count_while(raw.as_slice(), |record| !record.has_magic());
        unpacked
            .records
            .extend(raw.by_ref().take(plain).map(RawRecord::delivered));
        let others = count_while(raw.as_slice(), RawRecord::has_magic);
        if others == 0 {
            break;
        }
        let others = raw.by_ref().take(others);
        unpacked.take_apart(shard, range, policy, others);
    }
    unpacked.bytes += unpacked.records.len() * size_of::<ClientRecord>();
    unpacked
}

fn count_while(records: &[RawRecord], is: impl Fn(&RawRecord) -> bool) -> usize {
    records.iter().take_while(|record| is(record)).count()
}

impl Unpacked {
    fn take_apart(
        &mut self,
        shard: &ShardId,
        range: &HashKeyRange,
        policy: OutOfRange,
        raw: impl ExactSizeIterator<Item = RawRecord>,
    ) {
        let mut left = raw.len();
        let raw = raw.map(|mut record| {
            let data = std::mem::take(&mut record.data);
            (record, data)
        });
        for (record, inside) in deaggregate_all(raw, *range, policy) {
            left -= 1;
            self.take_in(shard, record, inside, left);
        }
    }

    /// What was inside of a record, of which so many more are to come.
    fn take_in(&mut self, shard: &ShardId, record: RawRecord, inside: Deaggregated, left: usize) {
        let RawRecord {
            sequence_number,
            partition_key,
            arrived,
            ..
        } = record;
        match inside {
            Deaggregated::Raw { data, why } => {
                if why != RawReason::NotAggregate {
                    trace!(shard_id = %shard, position = %sequence_number, reason = %why, "delivered as it is");
                }
                self.records.push(ClientRecord::received(
                    sequence_number,
                    partition_key,
                    data,
                    arrived,
                ));
            }
            Deaggregated::Aggregate(subs) => {
                make_room(&mut self.records, subs.len(), left);
                let of = |sub| ClientRecord::from_aggregate(&sequence_number, sub, arrived);
                self.records.extend(subs.into_iter().map(of));
            }
            Deaggregated::Dropped(aggregate) => {
                let records = aggregate.record_count();
                warn!(shard_id = %shard, position = %sequence_number, records, "aggregate dropped: a record of it lies outside the shard's hash range");
                self.dropped.push(DroppedRecords {
                    shard_id: shard.clone(),
                    sequence_number,
                    records,
                });
            }
            Deaggregated::HandedBack(aggregate) => {
                let of = |sub| ClientRecord::from_aggregate(&sequence_number, sub, arrived);
                let records: Vec<_> = aggregate.into_records().into_iter().map(of).collect();
                self.bytes += records.len() * size_of::<ClientRecord>();
                self.strays.push(StrayAggregate {
                    shard_id: shard.clone(),
                    sequence_number,
                    records,
                });
            }
        }
    }
}

/// Room for an aggregate, and for as many like it as are to come: records are large, and moving them costs more than
/// making them.
fn make_room(records: &mut Vec<ClientRecord>, more: usize, left: usize) {
    if records.capacity() - records.len() < more {
        let alike = more.saturating_mul(left + 1).min(MOST_AT_ONCE);
        records.reserve(alike.max(more));
    }
}

/// What a Kinesis record takes beside its data and key: its number, twice a header.
const TEXTS: usize = 128;
/// Ours: 8 MiB of records, about.
const MOST_AT_ONCE: usize = 65_536;

#[cfg(test)]
mod tests {
    use kinesis_aggregation::{AggregateBuilder, AggregateLimits, HashKey};

    use super::*;

    fn raw(number: u64, data: Bytes) -> RawRecord {
        RawRecord {
            sequence_number: SequenceNumber::parse(&number.to_string()).unwrap(),
            partition_key: Some(Text::from("outer")),
            data,
            arrived: None,
        }
    }

    fn aggregate(keys: &[u128]) -> Bytes {
        let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT);
        for &key in keys {
            let key = HashKey::new(key);
            builder
                .try_push("key", Some(key), key, key.to_string().as_bytes())
                .unwrap();
        }
        builder.seal().unwrap().into_data()
    }

    fn shard() -> ShardId {
        ShardId::from_number(7)
    }

    fn range(start: u128, end: u128) -> HashKeyRange {
        HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap()
    }

    #[test]
    fn plain_and_aggregated_records_come_in_order_with_their_positions() {
        let raws = vec![
            raw(10, Bytes::from_static(b"plain")),
            raw(11, aggregate(&[1, 2, 3])),
            raw(12, Bytes::from_static(b"plain")),
        ];
        let unpacked = unpack(&shard(), &range(0, 5), OutOfRange::DropAggregate, raws);
        let places: Vec<_> = unpacked
            .records
            .iter()
            .map(|r| (r.position().to_string(), r.is_aggregated()))
            .collect();
        let expected = [
            ("10/0", false),
            ("11/0", true),
            ("11/1", true),
            ("11/2", true),
            ("12/0", false),
        ];
        assert_eq!(
            places,
            expected.map(|(place, aggregated)| (place.to_owned(), aggregated))
        );
        assert_eq!(unpacked.records[0].partition_key(), Some("outer"));
        assert_eq!(unpacked.records[1].partition_key(), Some("key"));
        assert_eq!(unpacked.records[3].data().as_ref(), b"3");
        assert!(unpacked.dropped.is_empty());
        assert!(unpacked.bytes > 10);
    }

    #[test]
    fn an_aggregate_with_a_stranger_is_dropped_whole_and_reported() {
        let raws = vec![raw(10, aggregate(&[1, 9])), raw(11, aggregate(&[1, 2]))];
        let unpacked = unpack(&shard(), &range(0, 5), OutOfRange::DropAggregate, raws);
        assert_eq!(unpacked.records.len(), 2);
        assert_eq!(unpacked.dropped.len(), 1);
        let dropped = &unpacked.dropped[0];
        assert_eq!(dropped.shard_id(), &shard());
        assert_eq!(dropped.sequence_number().as_str(), "10");
        assert_eq!(dropped.records(), 2);
    }

    #[test]
    fn an_aggregate_with_a_stranger_may_be_delivered_or_handed_back() {
        let raws = || vec![raw(10, aggregate(&[1, 9])), raw(11, aggregate(&[1, 2]))];
        let delivered = unpack(&shard(), &range(0, 5), OutOfRange::Deliver, raws());
        assert_eq!((delivered.records.len(), delivered.strays.len()), (4, 0));
        let handed_back = unpack(&shard(), &range(0, 5), OutOfRange::HandBack, raws());
        assert_eq!((handed_back.records.len(), handed_back.dropped.len()), (2, 0));
        let [stray] = &handed_back.strays[..] else {
            panic!("one is a stray");
        };
        assert_eq!(stray.sequence_number().as_str(), "10");
        let data: Vec<_> = stray
            .records()
            .iter()
            .map(|record| record.data().clone())
            .collect();
        assert_eq!(data, ["1", "9"], "all of it, the record inside the range too");
    }

    #[test]
    fn with_an_unknown_range_nothing_is_dropped() {
        let unpacked = unpack(
            &shard(),
            &HashKeyRange::FULL,
            OutOfRange::DropAggregate,
            vec![raw(10, aggregate(&[1, u128::MAX]))],
        );
        assert_eq!((unpacked.records.len(), unpacked.dropped.len()), (2, 0));
    }

    #[test]
    fn what_only_looks_like_an_aggregate_is_delivered_as_it_is() {
        let mut broken = aggregate(&[1, 2]).to_vec();
        *broken.last_mut().unwrap() ^= 1;
        let unpacked = unpack(
            &shard(),
            &range(5, 6),
            OutOfRange::DropAggregate,
            vec![raw(10, Bytes::from(broken.clone()))],
        );
        assert_eq!(unpacked.records[0].data().as_ref(), broken);
        assert!(!unpacked.records[0].is_aggregated());
    }
}
