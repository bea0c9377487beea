//! A pipeline in the hands of a test: puts, time, and replies by hand.

use std::time::{Duration, Instant};

use kinesis_aggregation::{Deaggregated, HashKey, HashKeyRange, OutOfRange, ShardId, deaggregate};

use super::start;
use crate::config::{ProducerConfig, ProducerConfigBuilder};
use crate::error::DeliveryError;
use crate::failure::Failure;
use crate::outcome::Delivery;
use crate::pipeline::action::Batch;
use crate::pipeline::{
    Action, Distribution, Entry, EntryReply, FlushId, ListedShard, Notice, Pipeline, Stored, StreamSummary,
};
use crate::record::Record;
use crate::stream::StreamName;

/// What the pipeline asked for, sorted by kind.
pub(super) struct Rig {
    pub(super) pipeline: Pipeline<u32>,
    pub(super) now: Instant,
    pub(super) sent: Vec<Batch>,
    pub(super) lists: usize,
    pub(super) describes: usize,
    /// What the stream says of itself at once; `None` for a test that answers by hand.
    pub(super) says: Option<StreamSummary>,
    pub(super) notices: Vec<Notice>,
    pub(super) delivered: Vec<(u32, Delivery)>,
    pub(super) failed: Vec<(u32, DeliveryError)>,
    pub(super) flushed: Vec<FlushId>,
}

impl Rig {
    /// A pipeline that knows nothing yet.
    pub(super) fn new(config: ProducerConfigBuilder) -> Self {
        let stream = StreamName::new("orders").expect("valid");
        Self {
            pipeline: Pipeline::new(stream, config.build().expect("valid").streams(), 7),
            now: start(),
            sent: Vec::new(),
            lists: 0,
            describes: 0,
            says: Some(by_key(1 << 20)),
            notices: Vec::new(),
            delivered: Vec::new(),
            failed: Vec::new(),
            flushed: Vec::new(),
        }
    }

    /// A pipeline that knows its shards, numbered from 0 and equally wide.
    pub(super) fn with_shards(config: ProducerConfigBuilder, shards: u64) -> Self {
        let mut rig = Self::new(config);
        rig.list(&equal_shards(0, shards));
        rig
    }

    pub(super) fn put(&mut self, token: u32, record: Record) {
        let hash_key = record.hash_key();
        self.pipeline.put(record, hash_key, token, self.now);
        self.drain();
    }

    /// Puts ten bytes under an explicit hash key.
    pub(super) fn put_at(&mut self, token: u32, hash_key: u128) {
        self.put(token, at(hash_key, 10));
    }

    pub(super) fn flush(&mut self) -> FlushId {
        let id = self.pipeline.flush(self.now);
        self.drain();
        id
    }

    /// Lets time pass, waking the pipeline whenever it wants to be woken.
    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..100_000 {
            match self.pipeline.poll_timeout().filter(|at| *at <= until) {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.pipeline.handle_timeout(self.now);
                    self.drain();
                }
                None => {
                    self.now = until;
                    self.drain();
                    return;
                }
            }
        }
        panic!("the pipeline wants to be woken without end");
    }

    pub(super) fn list(&mut self, shards: &[ListedShard]) {
        self.pipeline.on_shards(Ok(shards.to_vec()), self.now);
        self.drain();
    }

    pub(super) fn list_fails(&mut self, code: &str) {
        self.pipeline
            .on_shards(Err(Failure::of_code(code, "listing")), self.now);
        self.drain();
    }

    pub(super) fn describe(&mut self, answer: Result<StreamSummary, Failure>) {
        self.notices.extend(self.pipeline.on_described(answer, self.now));
        self.drain();
    }

    /// The oldest request that has no reply.
    pub(super) fn take_request(&mut self) -> Batch {
        assert!(!self.sent.is_empty(), "nothing was sent");
        self.sent.remove(0)
    }

    /// All entries of the oldest request are stored on this shard.
    pub(super) fn stored_on(&mut self, shard: u64) {
        let batch = self.take_request();
        let replies = batch.entries.iter().map(|_| stored(shard)).collect();
        self.reply(&batch, Ok(replies));
    }

    pub(super) fn request_fails(&mut self, code: &str) {
        let batch = self.take_request();
        self.reply(&batch, Err(Failure::of_code(code, "request")));
    }

    pub(super) fn reply(&mut self, batch: &Batch, reply: Result<Vec<EntryReply>, Failure>) {
        self.pipeline.on_sent(batch.id, reply, self.now);
        self.drain();
    }

    pub(super) fn delivered_tokens(&self) -> Vec<u32> {
        self.delivered.iter().map(|(token, _)| *token).collect()
    }

    pub(super) fn failed_tokens(&self) -> Vec<u32> {
        self.failed.iter().map(|(token, _)| *token).collect()
    }

    fn drain(&mut self) {
        while let Some(action) = self.pipeline.poll_action(self.now) {
            match action {
                Action::Send(batch) => self.sent.push(batch),
                Action::ListShards => self.lists += 1,
                Action::Describe => {
                    self.describes += 1;
                    if let Some(summary) = self.says {
                        self.describe(Ok(summary));
                    }
                }
                Action::Complete(token, Ok(delivery)) => self.delivered.push((token, delivery)),
                Action::Complete(token, Err(error)) => self.failed.push((token, error)),
                Action::Flushed(id) => self.flushed.push(id),
            }
        }
    }
}

pub(super) fn by_key(max_record_size: usize) -> StreamSummary {
    StreamSummary {
        distribution: Distribution::ByKey,
        max_record_size: Some(max_record_size),
    }
}

pub(super) fn config() -> ProducerConfigBuilder {
    ProducerConfig::builder()
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A record of `size` bytes under an explicit hash key.
pub(super) fn at(hash_key: u128, size: usize) -> Record {
    Record::new("k", vec![b'x'; size])
        .expect("valid")
        .with_explicit_hash_key(HashKey::new(hash_key))
}

pub(super) fn shard(number: u64, start: u128, end: u128) -> ListedShard {
    let range = HashKeyRange::new(HashKey::new(start), HashKey::new(end)).expect("in order");
    ListedShard {
        id: ShardId::from_number(number),
        range,
        is_open: true,
    }
}

/// `count` shards from number `first` on.
pub(super) fn equal_shards(first: u64, count: u64) -> Vec<ListedShard> {
    let width = u128::MAX / u128::from(count);
    (0..count)
        .map(|n| {
            let start = width * u128::from(n);
            shard(
                first + n,
                start,
                if n + 1 == count {
                    u128::MAX
                } else {
                    start + width - 1
                },
            )
        })
        .collect()
}

pub(super) fn stored(shard: u64) -> EntryReply {
    Ok(Stored {
        shard_id: ShardId::from_number(shard),
        sequence_number: "42".into(),
    })
}

pub(super) fn throttled() -> EntryReply {
    Err(Failure::of_code(
        "ProvisionedThroughputExceededException",
        "rate exceeded",
    ))
}

/// User records in an entry.
pub(super) fn members(entry: &Entry) -> usize {
    match deaggregate(entry.data.clone(), &HashKeyRange::FULL, OutOfRange::Deliver) {
        Deaggregated::Aggregate(records) => records.len(),
        _ => 1,
    }
}
