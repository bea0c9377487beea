//! Packs user records into one blob, and knows at each moment how long that blob is.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use bytes::{Bytes, BytesMut};

use crate::envelope::{DIGEST_LEN, ENVELOPE_LEN, MAGIC, OUTER_PARTITION_KEY, looks_like_aggregate};
use crate::hash_key::{HashKey, md5_of};
use crate::key_index::{KeyIndex, hash_of_number, hash_of_text};
use crate::limits::AggregateLimits;
use crate::md5_lanes::md5_of_all;
use crate::proto::{body, record};
use crate::wire::{KEY_LEN, delimited_len, put_delimiter, put_varint_field, varint_len};

/// Collects user records until a limit is met, then seals them into the data of one Kinesis record.
///
/// The length of the result is known exactly after each record, at constant cost; nothing is packed twice
/// or taken out again. The bytes are those which the KPL writes for the same records in the same order.
///
/// Records which consumers must find inside one shard belong in one builder: the KCL drops a whole
/// aggregate if one of its records lies outside the shard it was read from.
#[derive(Debug)]
pub struct AggregateBuilder {
    limits: AggregateLimits,
    partition_keys: TextTable,
    explicit_hash_keys: NumberTable,
    /// The record fields, encoded.
    records: Vec<u8>,
    count: usize,
    first: First,
}

impl AggregateBuilder {
    /// An empty builder.
    pub fn new(limits: AggregateLimits) -> Self {
        Self {
            limits,
            partition_keys: TextTable::default(),
            explicit_hash_keys: NumberTable::default(),
            records: Vec::new(),
            count: 0,
            first: First::default(),
        }
    }

    /// Adds a record, if it fits.
    ///
    /// `hash_key` is the record's effective hash key: the explicit one, or that of the partition key. The
    /// caller needs it to choose the shard, so it is taken here instead of being computed again. The first
    /// record is always accepted, whatever its size: a giant travels alone.
    ///
    /// # Errors
    ///
    /// [`Full`] if the aggregate would exceed a limit; nothing has changed then. Seal, and push again.
    pub fn try_push(
        &mut self,
        partition_key: &str,
        explicit_hash_key: Option<HashKey>,
        hash_key: HashKey,
        data: &[u8],
    ) -> Result<(), Full> {
        let key = self.partition_keys.locate(partition_key);
        let explicit = explicit_hash_key.map(|key| self.explicit_hash_keys.locate(key));

        let content = KEY_LEN
            + varint_len(key.place)
            + explicit.map_or(0, |explicit| KEY_LEN + varint_len(explicit.place))
            + delimited_len(data.len());
        let added =
            key.added_len + explicit.map_or(0, |explicit| explicit.added_len) + delimited_len(content);
        let is_first = self.count == 0;
        let fits =
            self.count < self.limits.max_records() && self.aggregate_len() + added <= self.limits.max_bytes();
        if !is_first && !fits {
            return Err(Full);
        }

        self.partition_keys.add(partition_key, key);
        put_delimiter(body::RECORDS, content, &mut self.records);
        put_varint_field(record::PARTITION_KEY_INDEX, key.place, &mut self.records);
        if let (Some(number), Some(explicit)) = (explicit_hash_key, explicit) {
            self.explicit_hash_keys.add(number, explicit);
            put_varint_field(record::EXPLICIT_HASH_KEY_INDEX, explicit.place, &mut self.records);
        }
        put_delimiter(record::DATA, data.len(), &mut self.records);
        self.records.extend_from_slice(data);
        self.count += 1;
        if is_first {
            self.first = First {
                hash_key,
                data_len: data.len(),
                looks_like_aggregate: looks_like_aggregate(data),
            };
        }
        Ok(())
    }

    /// Records inside.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no record is inside.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The limits it keeps.
    pub fn limits(&self) -> AggregateLimits {
        self.limits
    }

    /// Exact bytes of what [`seal`](Self::seal) would give now; 0 if nothing is inside.
    pub fn encoded_len(&self) -> usize {
        match self.count {
            0 => 0,
            _ if self.is_aggregate() => self.aggregate_len(),
            _ => self.first.data_len,
        }
    }

    /// Takes out what is inside, as the data of one Kinesis record; `None` if nothing is. The builder is
    /// empty afterwards and keeps its memory for the next aggregate.
    pub fn seal(&mut self) -> Option<SealedAggregate> {
        self.seal_with(md5_of)
    }

    /// The same with zeros in place of the digest: an aggregate that no consumer takes for one, until
    /// [`write_digests`] has completed it. Several are digested at once for much less than one by one.
    pub fn seal_undigested(&mut self) -> Option<SealedAggregate> {
        self.seal_with(|_| [0; DIGEST_LEN])
    }

    fn seal_with(&mut self, digest: impl FnOnce(&[u8]) -> [u8; DIGEST_LEN]) -> Option<SealedAggregate> {
        if self.count == 0 {
            return None;
        }
        let is_aggregate = self.is_aggregate();
        let data = if is_aggregate {
            self.encode(digest)
        } else {
            self.only_record()
        };
        let sealed = SealedAggregate {
            data,
            partition_key: self.partition_keys.first(),
            hash_key: self.first.hash_key,
            record_count: self.count,
            is_aggregate,
        };
        self.partition_keys.clear();
        self.explicit_hash_keys.clear();
        self.records.clear();
        self.count = 0;
        Some(sealed)
    }

    /// A record alone travels as its own bytes, unless consumers would take those for an aggregate.
    fn is_aggregate(&self) -> bool {
        self.count > 1 || self.first.looks_like_aggregate
    }

    fn aggregate_len(&self) -> usize {
        ENVELOPE_LEN
            + self.partition_keys.encoded.len()
            + self.explicit_hash_keys.encoded.len()
            + self.records.len()
    }

    fn encode(&self, digest: impl FnOnce(&[u8]) -> [u8; DIGEST_LEN]) -> Bytes {
        let mut out = Vec::with_capacity(self.aggregate_len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.partition_keys.encoded);
        out.extend_from_slice(&self.explicit_hash_keys.encoded);
        out.extend_from_slice(&self.records);
        let digest = digest(&out[MAGIC.len()..]);
        out.extend_from_slice(&digest);
        Bytes::from(out)
    }

    fn only_record(&self) -> Bytes {
        // The data is the last field of the record, and there is one record.
        Bytes::copy_from_slice(&self.records[self.records.len() - self.first.data_len..])
    }
}

/// Completes the data of aggregates that were [sealed without digest](AggregateBuilder::seal_undigested): single
/// records must not be among them. Copies nothing, as long as nobody shares the data.
pub fn write_digests<'a>(aggregates: impl IntoIterator<Item = &'a mut Bytes>) {
    let mut aggregates: Vec<&mut Bytes> = aggregates.into_iter().collect();
    let bodies: Vec<&[u8]> = aggregates.iter().map(|data| body_of(data)).collect();
    let digests = md5_of_all(&bodies);
    for (data, digest) in aggregates.iter_mut().zip(digests) {
        let taken = core::mem::take(*data);
        let mut open = taken
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let end = open.len();
        open[end - DIGEST_LEN..].copy_from_slice(&digest);
        **data = open.freeze();
    }
}

fn body_of(aggregate: &[u8]) -> &[u8] {
    &aggregate[MAGIC.len()..aggregate.len() - DIGEST_LEN]
}

/// The record would take the aggregate over a limit. It is still the caller's; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("aggregate is full")]
pub struct Full;

/// The data of one Kinesis record, and how to address it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAggregate {
    data: Bytes,
    partition_key: String,
    hash_key: HashKey,
    record_count: usize,
    is_aggregate: bool,
}

impl SealedAggregate {
    /// The bytes to send.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The bytes to send, taken out.
    pub fn into_data(self) -> Bytes {
        self.data
    }

    /// The partition key of the first record inside.
    pub fn partition_key(&self) -> &str {
        &self.partition_key
    }

    /// The partition key to send: of an aggregate the KPL's constant, of a record alone its own.
    pub fn outer_partition_key(&self) -> &str {
        if self.is_aggregate {
            OUTER_PARTITION_KEY
        } else {
            &self.partition_key
        }
    }

    /// The effective hash key of the first record inside. Sent as explicit hash key with every Kinesis
    /// record, as the KPL does.
    pub fn hash_key(&self) -> HashKey {
        self.hash_key
    }

    /// User records inside.
    pub fn record_count(&self) -> usize {
        self.record_count
    }

    /// Whether the data has the aggregate's envelope, rather than being one record's own bytes.
    pub fn is_aggregate(&self) -> bool {
        self.is_aggregate
    }
}

/// What must be known about the first record beyond its encoding.
#[derive(Debug)]
struct First {
    hash_key: HashKey,
    data_len: usize,
    looks_like_aggregate: bool,
}

impl Default for First {
    fn default() -> Self {
        Self {
            hash_key: HashKey::MIN,
            data_len: 0,
            looks_like_aggregate: false,
        }
    }
}

/// Where a key stands, or would stand, in its table.
#[derive(Debug, Clone, Copy)]
struct Located {
    place: usize,
    hash: u32,
    /// What the table grows by; 0 if the key is there already.
    added_len: usize,
}

/// The table of partition keys, encoded as it grows.
#[derive(Debug, Default)]
struct TextTable {
    encoded: Vec<u8>,
    /// Where each text begins and ends in `encoded`.
    spans: Vec<(usize, usize)>,
    index: KeyIndex,
}

impl TextTable {
    fn locate(&self, text: &str) -> Located {
        let hash = hash_of_text(text);
        match self.index.find(hash, |place| self.text(place) == text.as_bytes()) {
            Some(place) => Located {
                place,
                hash,
                added_len: 0,
            },
            None => Located {
                place: self.spans.len(),
                hash,
                added_len: delimited_len(text.len()),
            },
        }
    }

    fn add(&mut self, text: &str, located: Located) {
        if located.added_len == 0 {
            return;
        }
        put_delimiter(body::PARTITION_KEY_TABLE, text.len(), &mut self.encoded);
        let start = self.encoded.len();
        self.encoded.extend_from_slice(text.as_bytes());
        self.spans.push((start, self.encoded.len()));
        self.index.insert(located.hash, located.place);
    }

    fn text(&self, place: usize) -> &[u8] {
        let (start, end) = self.spans[place];
        &self.encoded[start..end]
    }

    fn first(&self) -> String {
        let text = core::str::from_utf8(self.text(0)).expect("invariant: the table holds texts");
        String::from(text)
    }

    fn clear(&mut self) {
        self.encoded.clear();
        self.spans.clear();
        self.index.clear();
    }
}

/// The table of explicit hash keys, encoded as it grows.
#[derive(Debug, Default)]
struct NumberTable {
    encoded: Vec<u8>,
    numbers: Vec<HashKey>,
    index: KeyIndex,
}

impl NumberTable {
    fn locate(&self, number: HashKey) -> Located {
        let hash = hash_of_number(number.get());
        match self.index.find(hash, |place| self.numbers[place] == number) {
            Some(place) => Located {
                place,
                hash,
                added_len: 0,
            },
            None => Located {
                place: self.numbers.len(),
                hash,
                added_len: delimited_len(decimal_len(number)),
            },
        }
    }

    fn add(&mut self, number: HashKey, located: Located) {
        if located.added_len == 0 {
            return;
        }
        put_delimiter(
            body::EXPLICIT_HASH_KEY_TABLE,
            decimal_len(number),
            &mut self.encoded,
        );
        let mut text = String::with_capacity(MAX_DECIMAL_LEN);
        write!(text, "{number}").expect("invariant: a `String` grows as it is written to");
        self.encoded.extend_from_slice(text.as_bytes());
        self.numbers.push(number);
        self.index.insert(located.hash, located.place);
    }

    fn clear(&mut self) {
        self.encoded.clear();
        self.numbers.clear();
        self.index.clear();
    }
}

/// Digits of the canonical form.
fn decimal_len(number: HashKey) -> usize {
    number.get().checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Digits of the highest hash key.
const MAX_DECIMAL_LEN: usize = 39;
