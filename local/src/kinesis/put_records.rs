//! PutRecords on the engine's store: whole requests of up to 10 MiB, parsed without a copy.
//!
//! Takes only requests without a fault. The engine sees the others and words the refusal.

use std::borrow::Cow;

use ferrokinesis::error::KinesisErrorResponse;
use ferrokinesis::sequence::partition_key_to_hash_key;
use ferrokinesis::store::Store;
use ferrokinesis::types::StoredRecordRef;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A request in which every record may be stored.
pub(super) struct Batch<'a> {
    request: Request<'a>,
    hash_keys: Vec<u128>,
}

impl<'a> Batch<'a> {
    /// The batch in a JSON body, or `None` if anything about it is not regular.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let request: Request<'a> = serde_json::from_slice(body).ok()?;
        if !(1..=MAX_RECORDS).contains(&request.records.len()) {
            return None;
        }
        let mut bytes = 0;
        let mut hash_keys = Vec::with_capacity(request.records.len());
        for entry in &request.records {
            bytes += entry.bytes()?;
            hash_keys.push(entry.hash_key()?);
        }
        (bytes <= MAX_REQUEST_DATA_BYTES).then_some(Self { request, hash_keys })
    }

    /// Gives every record its shard and sequence number and stores it. The caller holds the gate.
    pub(super) async fn store(&self, store: &Store) -> Result<Answer, KinesisErrorResponse> {
        let stream = store.resolve_stream_name(&json!({
            "StreamName": self.request.stream_name,
            "StreamARN": self.request.stream_arn,
        }))?;
        let places = store.allocate_sequences_batch(&stream, &self.hash_keys).await?;
        let mut records = Vec::with_capacity(places.len());
        let mut stored = Vec::with_capacity(places.len());
        for (entry, place) in self.request.records.iter().zip(places) {
            let record = StoredRecordRef {
                partition_key: &entry.partition_key,
                data: &entry.data,
                approximate_arrival_timestamp: seconds(place.now),
            };
            stored.push((place.stream_key, record));
            records.push(Placed {
                sequence_number: place.seq_num,
                shard_id: place.shard_id,
            });
        }
        store.put_records_batch(&stream, &stored).await?;
        Ok(Answer {
            failed_record_count: 0,
            records,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    #[serde(borrow)]
    stream_name: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    records: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    partition_key: Cow<'a, str>,
    #[serde(borrow)]
    explicit_hash_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

impl Entry<'_> {
    /// The bytes that count, data before base64 and key, if both are within their limits.
    fn bytes(&self) -> Option<usize> {
        let characters = self.partition_key.chars().count();
        let data = decoded_len(&self.data)?;
        ((1..=MAX_KEY_CHARACTERS).contains(&characters) && data <= MAX_RECORD_BYTES)
            .then_some(data + self.partition_key.len())
    }

    fn hash_key(&self) -> Option<u128> {
        match self.explicit_hash_key.as_deref() {
            None => Some(partition_key_to_hash_key(&self.partition_key)),
            // `parse` takes a sign and leading zeros, the service takes neither.
            Some(key) => {
                let hash_key: u128 = key.parse().ok()?;
                let regular = key == "0" || key.starts_with(|first: char| ('1'..='9').contains(&first));
                regular.then_some(hash_key)
            }
        }
    }
}

/// What the client gets.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    failed_record_count: u32,
    records: Vec<Placed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Placed {
    sequence_number: String,
    shard_id: String,
}

/// The length of the data in padded base64, or `None` if it is not base64.
fn decoded_len(base64: &str) -> Option<usize> {
    let bytes = base64.as_bytes();
    let unpadded = match bytes {
        [head @ .., b'=', b'='] | [head @ .., b'='] => head,
        whole => whole,
    };
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    (bytes.len().is_multiple_of(4) && unpadded.iter().all(alphabet)).then_some(unpadded.len() * 3 / 4)
}

/// The engine keeps arrival times in whole seconds, and compares them with its retention limit in the same.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
fn seconds(millis: u64) -> f64 {
    (millis / 1000) as f64
}

/// Source: AWS API reference, PutRecords.
const MAX_RECORDS: usize = 500;

/// Data and partition keys of one request. Source: AWS API reference, PutRecords.
const MAX_REQUEST_DATA_BYTES: usize = 10 * 1024 * 1024;

/// Data of one record, while the stream does not take large records. Source: AWS API reference, PutRecords.
const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// Unicode characters. Source: AWS API reference, PutRecordsRequestEntry.
const MAX_KEY_CHARACTERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn body(records: &str) -> String {
        format!(r#"{{"StreamName":"s","Records":[{records}]}}"#)
    }

    #[test]
    fn regular_records_are_taken_and_all_others_left_to_the_engine() {
        let key =
            |characters: usize| format!(r#"{{"PartitionKey":"{}","Data":"YQ=="}}"#, "й".repeat(characters));
        let hashed = |hash_key: &str| {
            format!(r#"{{"PartitionKey":"k","ExplicitHashKey":"{hash_key}","Data":"YQ=="}}"#)
        };
        let data = |data: &str| format!(r#"{{"PartitionKey":"k","Data":"{data}"}}"#);
        let cases = [
            ("one", key(1), true),
            ("longest key", key(256), true),
            ("empty key", key(0), false),
            ("key too long", key(257), false),
            ("lowest hash key", hashed("0"), true),
            (
                "highest hash key",
                hashed("340282366920938463463374607431768211455"),
                true,
            ),
            (
                "hash key too high",
                hashed("340282366920938463463374607431768211456"),
                false,
            ),
            ("leading zero", hashed("01"), false),
            ("sign", hashed("+1"), false),
            ("empty hash key", hashed(""), false),
            ("no data", data(""), true),
            ("escaped slash", data(r"\/\/\/\/"), true),
            ("not padded", data("YQ"), false),
            ("padding only", data("===="), false),
            ("not base64", data("YQ-="), false),
            ("nothing", String::new(), false),
            ("no key", r#"{"Data":"YQ=="}"#.to_owned(), false),
            ("500", vec![key(1); 500].join(","), true),
            ("501", vec![key(1); 501].join(","), false),
            ("1 MiB", data(&"AAAA".repeat(1024 * 1024 / 3)), true),
            ("over 1 MiB", data(&"AAAA".repeat(1024 * 1024 / 3 + 1)), false),
            ("10 MiB", vec![data(&"AAAA".repeat(7_000)); 499].join(","), true),
            (
                "over 10 MiB",
                vec![data(&"AAAA".repeat(7_000)); 500].join(","),
                false,
            ),
        ];
        for (name, records, taken) in cases {
            assert_eq!(Batch::parse(body(&records).as_bytes()).is_some(), taken, "{name}");
        }
    }

    #[test]
    fn what_is_not_such_a_request_is_left_to_the_engine() {
        for body in [
            "",
            "[]",
            "{",
            r#"{"Records":null}"#,
            r#"{"StreamName":1,"Records":[]}"#,
        ] {
            assert!(Batch::parse(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn lengths_are_those_before_base64() {
        let cases = [
            ("", Some(0)),
            ("YQ==", Some(1)),
            ("YWI=", Some(2)),
            ("YWJj", Some(3)),
            ("a", None),
        ];
        for (base64, length) in cases {
            assert_eq!(decoded_len(base64), length, "{base64}");
        }
    }
}
