//! Reads the body of an aggregate.
//!
//! Three passes, each over the framing only: count, collect the tables, read the records. What is allocated
//! follows from the counts, so no number in the input can ask for memory.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::deaggregate::{MalformedReason, SubRecord};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::proto::{body, record, tag};
use crate::wire::{InvalidWire, Reader, WireType};

/// A whole body, checked.
pub(crate) struct Decoded {
    pub(crate) records: Vec<SubRecord>,
    /// Place and hash key of the first record outside the range.
    pub(crate) first_outside: Option<(usize, HashKey)>,
}

/// Fields may stand in any order, so the tables are collected before the records are read.
pub(crate) fn decode(
    data: &Bytes,
    body: &[u8],
    checked: Option<&HashKeyRange>,
) -> Result<Decoded, MalformedReason> {
    let counts = Counts::of(body)?;
    let mut tables = Tables::read(body, &counts)?;
    let range = checked.filter(|range| !range.is_full());
    let mut records = Vec::with_capacity(counts.records);
    let mut first_outside = None;

    let mut reader = Reader::new(body);
    while let Some((number, wire_type)) = reader.key()? {
        if (number, wire_type) != (body::RECORDS, WireType::LengthDelimited) {
            reader.skip(number, wire_type)?;
            continue;
        }
        let fields = RecordFields::read(reader.length_delimited()?)?;
        let place = records.len();
        let explicit_hash_key = fields
            .explicit_hash_key
            .map(|index| tables.explicit_hash_key(index))
            .transpose()?;
        let key = tables.partition_key(fields.partition_key)?;
        let in_range = match range {
            Some(range) => {
                let hash_key = explicit_hash_key.unwrap_or_else(|| key.hash_key());
                let inside = range.contains(hash_key);
                if !inside && first_outside.is_none() {
                    first_outside = Some((place, hash_key));
                }
                Some(inside)
            }
            // Nothing lies outside the full range.
            None => checked.map(|_| true),
        };
        records.push(SubRecord {
            partition_key: Arc::clone(&key.text),
            explicit_hash_key,
            data: data.slice_ref(fields.data),
            sub_sequence_number: place as u64,
            in_range,
        });
    }
    Ok(Decoded {
        records,
        first_outside,
    })
}

/// How many entries each field has: what is allocated follows from it, and never from a number in the
/// input.
#[derive(Default)]
struct Counts {
    partition_keys: usize,
    explicit_hash_keys: usize,
    records: usize,
}

impl Counts {
    fn of(body: &[u8]) -> Result<Self, MalformedReason> {
        let mut counts = Self::default();
        let mut reader = Reader::new(body);
        while let Some(key) = reader.key()? {
            match key {
                (body::PARTITION_KEY_TABLE, WireType::LengthDelimited) => {
                    reader.length_delimited()?;
                    counts.partition_keys += 1;
                }
                (body::EXPLICIT_HASH_KEY_TABLE, WireType::LengthDelimited) => {
                    reader.length_delimited()?;
                    counts.explicit_hash_keys += 1;
                }
                (body::RECORDS, WireType::LengthDelimited) => {
                    if reader.length_delimited()?.len() < MIN_RECORD_LEN {
                        return Err(MalformedReason::MissingField);
                    }
                    counts.records += 1;
                }
                (number, wire_type) => reader.skip(number, wire_type)?,
            }
        }
        Ok(counts)
    }
}

/// The key tables.
struct Tables<'a> {
    partition_keys: Vec<&'a str>,
    /// `None` where the text is not a hash key, which matters only if a record names it.
    explicit_hash_keys: Vec<Option<HashKey>>,
    /// For each partition key its place in `used` plus one, or 0.
    use_of: Vec<u32>,
    used: Vec<UsedKey>,
}

/// A partition key that a record names.
struct UsedKey {
    text: Arc<str>,
    hash_key: Option<HashKey>,
}

impl<'a> Tables<'a> {
    fn read(body: &'a [u8], counts: &Counts) -> Result<Self, MalformedReason> {
        let mut partition_keys = Vec::with_capacity(counts.partition_keys);
        let mut explicit_hash_keys = Vec::with_capacity(counts.explicit_hash_keys);
        let mut reader = Reader::new(body);
        // In the usual order the tables come first, and the records are not walked over.
        while partition_keys.len() < counts.partition_keys
            || explicit_hash_keys.len() < counts.explicit_hash_keys
        {
            match reader.key()? {
                Some((body::PARTITION_KEY_TABLE, WireType::LengthDelimited)) => {
                    partition_keys.push(text(reader.length_delimited()?)?);
                }
                Some((body::EXPLICIT_HASH_KEY_TABLE, WireType::LengthDelimited)) => {
                    explicit_hash_keys.push(HashKey::parse_decimal(text(reader.length_delimited()?)?).ok());
                }
                Some((number, wire_type)) => reader.skip(number, wire_type)?,
                None => break,
            }
        }
        let use_of = alloc::vec![0; partition_keys.len()];
        Ok(Self {
            partition_keys,
            explicit_hash_keys,
            use_of,
            used: Vec::with_capacity(counts.partition_keys.min(counts.records)),
        })
    }

    fn partition_key(&mut self, index: usize) -> Result<&mut UsedKey, MalformedReason> {
        let text = *self
            .partition_keys
            .get(index)
            .ok_or(MalformedReason::PartitionKeyIndex)?;
        let place = match self.use_of[index] {
            0 => {
                self.used.push(UsedKey {
                    text: Arc::from(text),
                    hash_key: None,
                });
                // Beyond four thousand million keys they would merely not be shared.
                self.use_of[index] = u32::try_from(self.used.len()).unwrap_or(0);
                self.used.len() - 1
            }
            place_plus_one => place_plus_one as usize - 1,
        };
        Ok(&mut self.used[place])
    }

    fn explicit_hash_key(&self, index: usize) -> Result<HashKey, MalformedReason> {
        let entry = self
            .explicit_hash_keys
            .get(index)
            .ok_or(MalformedReason::ExplicitHashKeyIndex)?;
        entry.ok_or(MalformedReason::ExplicitHashKey)
    }
}

impl UsedKey {
    fn hash_key(&mut self) -> HashKey {
        *self
            .hash_key
            .get_or_insert_with(|| HashKey::of_partition_key(&self.text))
    }
}

/// The fields of one record, still as places in the tables.
struct RecordFields<'a> {
    partition_key: usize,
    explicit_hash_key: Option<usize>,
    data: &'a [u8],
}

impl<'a> RecordFields<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, MalformedReason> {
        let mut partition_key = None;
        let mut explicit_hash_key = None;
        let mut data = None;
        let mut reader = Reader::new(bytes);
        while let Some(key) = reader.key()? {
            match key {
                (record::PARTITION_KEY_INDEX, WireType::Varint) => partition_key = Some(reader.varint()?),
                (record::EXPLICIT_HASH_KEY_INDEX, WireType::Varint) => {
                    explicit_hash_key = Some(reader.varint()?);
                }
                (record::DATA, WireType::LengthDelimited) => data = Some(reader.length_delimited()?),
                (record::TAGS, WireType::LengthDelimited) => check_tag(reader.length_delimited()?)?,
                (number, wire_type) => reader.skip(number, wire_type)?,
            }
        }
        Ok(Self {
            partition_key: partition_key.ok_or(MalformedReason::MissingField)?,
            explicit_hash_key,
            data: data.ok_or(MalformedReason::MissingField)?,
        })
    }
}

fn check_tag(bytes: &[u8]) -> Result<(), MalformedReason> {
    let mut has_key = false;
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key()? {
        match key {
            (tag::KEY, WireType::LengthDelimited) => {
                text(reader.length_delimited()?)?;
                has_key = true;
            }
            (tag::VALUE, WireType::LengthDelimited) => {
                text(reader.length_delimited()?)?;
            }
            (number, wire_type) => reader.skip(number, wire_type)?,
        }
    }
    if has_key {
        Ok(())
    } else {
        Err(MalformedReason::MissingField)
    }
}

fn text(bytes: &[u8]) -> Result<&str, MalformedReason> {
    core::str::from_utf8(bytes).map_err(|_| MalformedReason::InvalidUtf8)
}

/// Bytes of the shortest record: index 0 and empty data, both present.
const MIN_RECORD_LEN: usize = 4;

impl From<InvalidWire> for MalformedReason {
    fn from(InvalidWire: InvalidWire) -> Self {
        Self::InvalidWire
    }
}
