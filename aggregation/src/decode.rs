//! Reads the body of an aggregate.
//!
//! Three passes, each over the framing only: count, collect the tables, read the records. What is allocated
//! follows from the counts, so no number in the input can ask for memory.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::deaggregate::{MalformedReason, SubRecord};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::md5_lanes::LANES;
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
        let partition_key = tables.partition_key(fields.partition_key, &records)?;
        let in_range = match range {
            Some(range) => {
                let hash_key = explicit_hash_key.unwrap_or_else(|| tables.hash_key(fields.partition_key));
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
            partition_key,
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
    /// For each partition key the place of the first record that names it, plus one, or 0: records of one key share its text.
    named_by: Vec<u32>,
    /// The hash keys of the partition keys, by fours, once one of the four is asked for.
    hash_keys: Vec<Option<[HashKey; LANES]>>,
    /// `None` where the text is not a hash key, which matters only if a record names it.
    explicit_hash_keys: Vec<Option<HashKey>>,
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
        Ok(Self {
            named_by: alloc::vec![0; partition_keys.len()],
            hash_keys: alloc::vec![None; partition_keys.len().div_ceil(LANES)],
            partition_keys,
            explicit_hash_keys,
        })
    }

    /// The text of a partition key, for the record that comes after these.
    fn partition_key(&mut self, index: usize, records: &[SubRecord]) -> Result<Arc<str>, MalformedReason> {
        let (Some(named_by), Some(text)) = (self.named_by.get_mut(index), self.partition_keys.get(index))
        else {
            return Err(MalformedReason::PartitionKeyIndex);
        };
        let first = (*named_by as usize)
            .checked_sub(1)
            .and_then(|place| records.get(place));
        if let Some(first) = first {
            return Ok(Arc::clone(&first.partition_key));
        }
        // Beyond four thousand million records they would merely not be shared.
        *named_by = u32::try_from(records.len() + 1).unwrap_or(0);
        Ok(Arc::from(*text))
    }

    /// The hash key of a partition key that is in the table. Writers name keys in the order of the table, so those beside it are
    /// asked for next, and four cost less than two.
    fn hash_key(&mut self, index: usize) -> HashKey {
        let first = index - index % LANES;
        let four = self.hash_keys[index / LANES].get_or_insert_with(|| {
            let key = |place: usize| self.partition_keys.get(first + place).map_or("", |text| *text);
            match self.partition_keys.len() - first {
                1 => [HashKey::of_partition_key(key(0)); LANES],
                _ => HashKey::of_four_partition_keys(core::array::from_fn(|place| key(place).as_bytes())),
            }
        });
        four[index % LANES]
    }

    fn explicit_hash_key(&self, index: usize) -> Result<HashKey, MalformedReason> {
        let entry = self
            .explicit_hash_keys
            .get(index)
            .ok_or(MalformedReason::ExplicitHashKeyIndex)?;
        entry.ok_or(MalformedReason::ExplicitHashKey)
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
