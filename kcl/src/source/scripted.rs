//! A stream in memory, for tests in virtual time: shards that hold records, split, and can be told to fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kinesis_aggregation::{HashKey, HashKeyRange, OutOfRange, ShardId};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::failure::{Failure, Kind};
use super::{Batch, RawRecord, Reader, ShardEnd, Source, unpack};
use crate::metrics::Meter;
use crate::position::{Position, SequenceNumber};
use crate::processor::RecordBatch;
use crate::shard::progress::Heard;
use crate::shard::start::StartAt;
use crate::shard_sync::Shard;
use crate::stream::Stream;
use crate::streams::listed::StreamTarget;
use crate::streams::roster::Described;
use crate::text::Text;

/// A stream. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScriptedStream {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    shards: BTreeMap<ShardId, Scripted>,
    /// Reads made, over all shards.
    reads: u64,
    failing_lists: Option<Kind>,
}

#[derive(Debug)]
struct Scripted {
    listed: Shard,
    records: Vec<(u64, Bytes)>,
}

impl ScriptedStream {
    /// Equal shares of the hash keys over `shards` shards.
    pub(crate) fn with_shards(shards: u64) -> Self {
        let stream = Self::default();
        let width = u128::MAX / u128::from(shards);
        for n in 0..shards {
            let start = width * u128::from(n);
            let end = if n + 1 == shards {
                u128::MAX
            } else {
                start + width - 1
            };
            stream.add(
                n,
                None,
                HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap(),
            );
        }
        stream
    }

    fn add(&self, number: u64, parent: Option<u64>, hash_range: HashKeyRange) {
        let id = ShardId::from_number(number);
        let listed = Shard {
            id: id.clone(),
            parent: parent.map(ShardId::from_number),
            adjacent_parent: None,
            hash_range,
            starting_sequence_number: None,
            closed: false,
        };
        self.state.lock().unwrap().shards.insert(
            id,
            Scripted {
                listed,
                records: Vec::new(),
            },
        );
    }

    /// Appends a record: sequence numbers are what the test says, and must grow.
    pub(crate) fn put(&self, shard: u64, number: u64, data: &str) {
        let mut state = self.state.lock().unwrap();
        let shard = state.shards.get_mut(&ShardId::from_number(shard)).unwrap();
        assert!(!shard.listed.closed, "nobody puts into a closed shard");
        shard
            .records
            .push((number, Bytes::copy_from_slice(data.as_bytes())));
    }

    /// Closes a shard and opens two, half of its keys each.
    pub(crate) fn split(&self, parent: u64, children: [u64; 2]) {
        let range = {
            let mut state = self.state.lock().unwrap();
            let shard = state.shards.get_mut(&ShardId::from_number(parent)).unwrap();
            shard.listed.closed = true;
            shard.listed.hash_range
        };
        let middle = range.start().get() + (range.end().get() - range.start().get()) / 2;
        let [low, high] = children;
        self.add(
            low,
            Some(parent),
            HashKeyRange::new(range.start(), HashKey::new(middle)).unwrap(),
        );
        self.add(
            high,
            Some(parent),
            HashKeyRange::new(HashKey::new(middle + 1), range.end()).unwrap(),
        );
    }

    pub(crate) fn reads(&self) -> u64 {
        self.state.lock().unwrap().reads
    }

    pub(crate) fn fail_lists(&self, kind: Option<Kind>) {
        self.state.lock().unwrap().failing_lists = kind;
    }
}

impl Source for ScriptedStream {
    type Reader = ScriptedReader;

    async fn describe(&self, target: &StreamTarget) -> Result<Described, Failure> {
        Err(Failure {
            operation: "DescribeStreamSummary",
            kind: Kind::AccessDenied,
            code: "Scripted".to_owned(),
            source: format!("nobody may ask what `{target}` is").into(),
        })
    }

    fn region(&self) -> Option<String> {
        None
    }

    fn doubts(&self) -> Arc<Notify> {
        Arc::default()
    }

    async fn list_shards(&self, _: &Stream) -> Result<Vec<Shard>, Failure> {
        let state = self.state.lock().unwrap();
        if let Some(kind) = state.failing_lists {
            let (code, source) = ("Scripted".to_owned(), "as told".into());
            return Err(Failure {
                operation: "ListShards",
                kind,
                code,
                source,
            });
        }
        Ok(state.shards.values().map(|shard| shard.listed.clone()).collect())
    }

    async fn last_before(
        &self,
        _: &Stream,
        shard: &ShardId,
        until: Option<SystemTime>,
    ) -> Result<Option<Position>, Failure> {
        assert_eq!(until, None, "scripted records have no time");
        let state = self.state.lock().unwrap();
        let last = state.shards[shard].records.last();
        let number = |n: &u64| SequenceNumber::parse(&n.to_string()).unwrap();
        Ok(last.map(|(last, _)| Position::new(number(last), 0)))
    }

    fn open(
        &self,
        _: &Stream,
        shard: ShardId,
        range: HashKeyRange,
        start: StartAt,
        _: Meter,
    ) -> ScriptedReader {
        let from = match start {
            StartAt::TrimHorizon => 0,
            StartAt::AtSequence(number) => number.as_str().parse().unwrap(),
            other => panic!("no test starts at {other:?}"),
        };
        ScriptedReader {
            stream: self.clone(),
            shard,
            range,
            from,
            first: true,
        }
    }
}

/// Reads five records at a time.
#[derive(Debug)]
pub(crate) struct ScriptedReader {
    stream: ScriptedStream,
    shard: ShardId,
    range: HashKeyRange,
    from: u64,
    first: bool,
}

impl Reader for ScriptedReader {
    async fn due(&mut self) {
        if !std::mem::take(&mut self.first) {
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn read(&mut self) -> Batch {
        let mut state = self.stream.state.lock().unwrap();
        state.reads += 1;
        let shard = &state.shards[&self.shard];
        let ahead: Vec<_> = shard
            .records
            .iter()
            .filter(|(number, _)| *number >= self.from)
            .collect();
        let page: Vec<RawRecord> = ahead
            .iter()
            .take(PAGE)
            .map(|(number, data)| RawRecord {
                sequence_number: SequenceNumber::parse(&number.to_string()).unwrap(),
                partition_key: Some(Text::from("key")),
                data: data.clone(),
                arrived: None,
            })
            .collect();
        if let Some((last, _)) = ahead.iter().take(PAGE).next_back() {
            self.from = last + 1;
        }
        let end = (shard.listed.closed && ahead.len() <= PAGE).then(ShardEnd::default);
        let unpacked = unpack(&self.shard, &self.range, OutOfRange::DropAggregate, page);
        let records = RecordBatch::new(unpacked.records, None).with_dropped(unpacked.dropped);
        Batch {
            records,
            bytes: unpacked.bytes,
            end,
            heard: Heard::Answer,
            ..Batch::default()
        }
    }
}

const PAGE: usize = 5;
