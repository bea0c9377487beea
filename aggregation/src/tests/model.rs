//! What the tests put in and compare with: plain records, and the naive way to write and read them.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use crate::hash_key::md5_of;
use crate::proto::message::{AggregatedRecord, Record};
use crate::{AggregateBuilder, Full, HashKey, MAGIC, SubRecord};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) partition_key: String,
    pub(super) explicit_hash_key: Option<HashKey>,
    pub(super) data: Vec<u8>,
}

impl Plain {
    pub(super) fn new(partition_key: &str, explicit_hash_key: Option<u128>, data: &[u8]) -> Self {
        Self {
            partition_key: partition_key.to_owned(),
            explicit_hash_key: explicit_hash_key.map(HashKey::new),
            data: data.to_vec(),
        }
    }

    pub(super) fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| HashKey::of_partition_key(&self.partition_key))
    }

    pub(super) fn push_to(&self, builder: &mut AggregateBuilder) -> Result<(), Full> {
        builder.try_push(
            &self.partition_key,
            self.explicit_hash_key,
            self.hash_key(),
            &self.data,
        )
    }
}

/// The plain form of what came out, with the numbering checked.
pub(super) fn plain(records: &[SubRecord]) -> Vec<Plain> {
    let numbers: Vec<u64> = records.iter().map(SubRecord::sub_sequence_number).collect();
    assert_eq!(numbers, (0..records.len() as u64).collect::<Vec<_>>());
    records
        .iter()
        .map(|record| Plain {
            partition_key: record.partition_key().to_owned(),
            explicit_hash_key: record.explicit_hash_key(),
            data: record.data().to_vec(),
        })
        .collect()
}

/// Tables by linear search, bytes by prost.
pub(super) fn message_of(records: &[Plain]) -> AggregatedRecord {
    let mut message = AggregatedRecord::default();
    for record in records {
        let partition_key_index = place_of(&record.partition_key, &mut message.partition_key_table);
        let explicit_hash_key_index = record
            .explicit_hash_key
            .map(|key| place_of(&key.to_string(), &mut message.explicit_hash_key_table));
        message.records.push(Record {
            partition_key_index: Some(partition_key_index),
            explicit_hash_key_index,
            data: Some(record.data.clone()),
            tags: Vec::new(),
        });
    }
    message
}

fn place_of(text: &str, table: &mut Vec<String>) -> u64 {
    let place = table.iter().position(|entry| entry == text).unwrap_or_else(|| {
        table.push(text.to_owned());
        table.len() - 1
    });
    place as u64
}

/// What prost reads from a body, by the rules of the format; `None` if it breaks one.
pub(super) fn read_body(body: &[u8]) -> Result<Option<Vec<Plain>>, prost::DecodeError> {
    let message = AggregatedRecord::decode(body)?;
    let at = |table: &[String], index: u64| table.get(usize::try_from(index).ok()?).cloned();
    let read = |record: &Record| {
        if record.tags.iter().any(|tag| tag.key.is_none()) {
            return None;
        }
        let explicit_hash_key = match record.explicit_hash_key_index {
            Some(index) => Some(at(&message.explicit_hash_key_table, index)?.parse().ok()?),
            None => None,
        };
        Some(Plain {
            partition_key: at(&message.partition_key_table, record.partition_key_index?)?,
            explicit_hash_key,
            data: record.data.clone()?,
        })
    };
    Ok(message.records.iter().map(read).collect())
}

/// Magic in front and the right digest behind, whatever the body.
pub(super) fn enveloped(body: &[u8]) -> Bytes {
    [&MAGIC, body, &md5_of(body)].concat().into()
}

pub(super) fn enveloped_message(message: &AggregatedRecord) -> Bytes {
    enveloped(&message.encode_to_vec())
}

/// Few keys, so that they repeat, and all sorts of keys, up to the longest the service takes.
fn any_partition_key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "till-7", "é", "\u{1F600}"]).prop_map(str::to_owned),
        3 => "\\PC{1,20}",
        1 => vec(any::<char>(), 256).prop_map(String::from_iter),
    ]
}

fn any_hash_key() -> impl Strategy<Value = HashKey> {
    prop_oneof![
        2 => prop::sample::select(vec![0, 1, 9, 10, 123, u128::MAX]),
        1 => any::<u128>(),
    ]
    .prop_map(HashKey::new)
}

pub(super) fn any_plain() -> impl Strategy<Value = Plain> {
    let data = prop_oneof![
        4 => vec(any::<u8>(), 0..40),
        1 => vec(any::<u8>(), 100..300),
        1 => Just(enveloped(b"\x0a\x01a").to_vec()),
    ];
    (any_partition_key(), prop::option::of(any_hash_key()), data).prop_map(
        |(partition_key, explicit_hash_key, data)| Plain {
            partition_key,
            explicit_hash_key,
            data,
        },
    )
}

pub(super) fn any_plains(count: core::ops::Range<usize>) -> impl Strategy<Value = Vec<Plain>> {
    vec(any_plain(), count)
}
