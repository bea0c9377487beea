//! One user record, with its place in the shard.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use kinesis_aggregation::{HashKey, ShardId, SubRecord};

use crate::position::{Position, SequenceNumber};
use crate::text::Text;

/// A user record as its producer put it (KCL: `KinesisClientRecord`).
///
/// Records of one aggregate share its memory: keeping one of them keeps the whole Kinesis record. A clone
/// copies no data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    position: Position,
    partition_key: Option<Text>,
    explicit_hash_key: Option<PackedHashKey>,
    data: Bytes,
    arrived: Option<SystemTime>,
    aggregated: bool,
}

/// A hash key whose 16 bytes fit between the other fields: there are as many records as memory allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PackedHashKey([u8; 16]);

impl ClientRecord {
    /// Where the record is: what a checkpoint names.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The Kinesis record's number, shared by all records of one aggregate.
    #[must_use]
    pub fn sequence_number(&self) -> &SequenceNumber {
        self.position.sequence_number()
    }

    /// The place inside the aggregate, from 0; 0 where there is none.
    #[must_use]
    pub fn sub_sequence_number(&self) -> u64 {
        self.position.sub_sequence_number()
    }

    /// The partition key. `None` only for records put without one, which a stream allows while the service
    /// distributes its records.
    #[must_use]
    pub fn partition_key(&self) -> Option<&str> {
        self.partition_key.as_ref().map(Text::as_str)
    }

    /// The partition key, shared.
    pub(crate) fn shared_key(&self) -> Option<Arc<str>> {
        self.partition_key.as_ref().map(Text::to_shared)
    }

    /// The explicit hash key. Known for records of an aggregate alone: the service keeps it to itself.
    #[must_use]
    pub fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
            .map(|PackedHashKey(bytes)| HashKey::new(u128::from_ne_bytes(bytes)))
    }

    /// The user's data.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The user's data, taken out.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        self.data
    }

    /// When the service took the record, to the millisecond, by its own clock; neither exact nor monotonic.
    #[must_use]
    pub fn approximate_arrival(&self) -> Option<SystemTime> {
        self.arrived
    }

    /// Whether the record came inside an aggregate.
    #[must_use]
    pub fn is_aggregated(&self) -> bool {
        self.aggregated
    }

    /// A record that was not aggregated; also the way to make one for testing a processor.
    #[must_use]
    pub fn plain(
        sequence_number: SequenceNumber,
        partition_key: Option<&str>,
        data: Bytes,
        arrived: Option<SystemTime>,
    ) -> Self {
        let partition_key = partition_key.map(Text::from);
        Self::whole(sequence_number, partition_key, data, arrived)
    }

    /// A record that was not aggregated, with its texts as they came.
    pub(crate) fn received(
        sequence_number: SequenceNumber,
        partition_key: Option<Text>,
        data: Bytes,
        arrived: Option<SystemTime>,
    ) -> Self {
        Self::whole(sequence_number, partition_key, data, arrived)
    }

    fn whole(
        sequence_number: SequenceNumber,
        partition_key: Option<Text>,
        data: Bytes,
        arrived: Option<SystemTime>,
    ) -> Self {
        Self {
            position: Position::new(sequence_number, 0),
            partition_key,
            explicit_hash_key: None,
            data,
            arrived,
            aggregated: false,
        }
    }

    /// A record out of the aggregate at `sequence_number`.
    pub(crate) fn from_aggregate(
        sequence_number: &SequenceNumber,
        sub: SubRecord,
        arrived: Option<SystemTime>,
    ) -> Self {
        let sub = sub.into_parts();
        Self {
            position: Position::new(sequence_number.clone(), sub.sub_sequence_number),
            partition_key: Some(Text::Shared(sub.partition_key)),
            explicit_hash_key: sub
                .explicit_hash_key
                .map(|key| PackedHashKey(u128::from(key).to_ne_bytes())),
            data: sub.data,
            arrived,
            aggregated: true,
        }
    }
}

/// An aggregate that was not delivered, because one of its records lies outside the shard's hash range: the
/// copy left over where a producer had packed for a shard that was closed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedRecords {
    pub(crate) shard_id: ShardId,
    pub(crate) sequence_number: SequenceNumber,
    pub(crate) records: usize,
}

impl DroppedRecords {
    /// The shard it was read from.
    #[must_use]
    pub fn shard_id(&self) -> &ShardId {
        &self.shard_id
    }

    /// The Kinesis record.
    #[must_use]
    pub fn sequence_number(&self) -> &SequenceNumber {
        &self.sequence_number
    }

    /// How many user records it held.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records
    }
}

/// An aggregate with a record outside the shard's hash range, diverted: see [`OnStray`](crate::OnStray).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayAggregate {
    pub(crate) shard_id: ShardId,
    pub(crate) sequence_number: SequenceNumber,
    pub(crate) records: Vec<ClientRecord>,
}

impl StrayAggregate {
    /// The shard it was read from.
    #[must_use]
    pub fn shard_id(&self) -> &ShardId {
        &self.shard_id
    }

    /// The Kinesis record.
    #[must_use]
    pub fn sequence_number(&self) -> &SequenceNumber {
        &self.sequence_number
    }

    /// All its user records, those inside the range too.
    #[must_use]
    pub fn records(&self) -> &[ClientRecord] {
        &self.records
    }

    /// All its user records, taken out.
    #[must_use]
    pub fn into_records(self) -> Vec<ClientRecord> {
        self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Texts;

    #[test]
    fn a_record_stays_as_small_as_it_is() {
        // There are a million of them in the memory of a consumer; what they take is counted by this size.
        assert!(size_of::<ClientRecord>() <= 128, "{}", size_of::<ClientRecord>());
    }

    #[test]
    fn a_record_as_it_came_is_the_same_as_one_made_by_hand() {
        let number = || SequenceNumber::parse("42").unwrap();
        let data = Bytes::from_static(b"data");
        let mut texts = Texts::of(["42", "key"].into_iter());
        let came = ClientRecord::received(
            SequenceNumber::received(texts.take(2)).unwrap(),
            Some(texts.take(3)),
            data.clone(),
            None,
        );
        let made = ClientRecord::plain(number(), Some("key"), data, None);
        assert_eq!(came, made);
        assert_eq!(came.clone(), came);
        assert_eq!(came.shared_key().as_deref(), Some("key"));
        assert!(SequenceNumber::received(Text::from("007")).is_err());
    }
}
