//! A record as a handler gets it: what it holds and how often it came, and where it came from only for who asks.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::position::Position;
use crate::record::ClientRecord;
use crate::stream::ShardContext;

/// A record, handed to a handler. A clone copies no data.
#[derive(Debug, Clone)]
pub struct ReceivedRecord {
    record: ClientRecord,
    shard: Arc<ShardContext>,
    attempt: u32,
}

impl ReceivedRecord {
    pub(crate) fn of_shard(record: ClientRecord, shard: Arc<ShardContext>, attempt: u32) -> Self {
        Self {
            record,
            shard,
            attempt,
        }
    }

    /// A record for testing a handler without a consumer.
    #[must_use]
    pub fn for_test(record: ClientRecord, shard: ShardContext) -> Self {
        Self::of_shard(record, Arc::new(shard), 1)
    }

    /// The user's data.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        self.record.data()
    }

    /// The user's data, taken out.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        self.record.into_data()
    }

    /// The partition key. `None` only for records put without one.
    #[must_use]
    pub fn partition_key(&self) -> Option<&str> {
        self.record.partition_key()
    }

    /// When the service took the record, to the millisecond, by its own clock.
    #[must_use]
    pub fn approximate_arrival(&self) -> Option<SystemTime> {
        self.record.approximate_arrival()
    }

    /// Which attempt this is, from 1, as far as this worker knows: whoever takes the shard over counts anew.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The record's name: the same whenever and to whomever it comes, and no other record's. For log lines, and for telling
    /// whether a record was seen before.
    #[must_use]
    pub fn id(&self) -> RecordId {
        RecordId {
            shard: Arc::clone(&self.shard),
            position: self.record.position().clone(),
        }
    }

    /// The shard it was read from, where it comes from one.
    #[must_use]
    pub fn shard(&self) -> Option<&ShardContext> {
        Some(&self.shard)
    }

    /// Its place in the shard, where it comes from one.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        Some(self.record.position())
    }
}

/// Names one record among all: opaque, printable, comparable. From [`ReceivedRecord::id`].
#[derive(Clone)]
pub struct RecordId {
    shard: Arc<ShardContext>,
    position: Position,
}

impl RecordId {
    pub(crate) fn new(shard: Arc<ShardContext>, position: Position) -> Self {
        Self { shard, position }
    }

    fn parts(&self) -> (&str, &str, &Position) {
        let lease = self.shard.lease_key().as_str();
        (self.shard.stream().as_str(), lease, &self.position)
    }

    /// The shard it was read from, where it comes from one.
    #[must_use]
    pub fn shard(&self) -> Option<&ShardContext> {
        Some(&self.shard)
    }

    /// Its place in the shard, where it comes from one.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        Some(&self.position)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shard, position } = self;
        write!(f, "{}/{}/{position}", shard.stream(), shard.shard_id())
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordId({self})")
    }
}

impl PartialEq for RecordId {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for RecordId {}

impl std::hash::Hash for RecordId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}
