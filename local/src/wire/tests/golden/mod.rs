//! What the SDK sends for each operation, and what it is answered, as bytes and as values.

mod replies;
mod requests;

use std::collections::BTreeSet;

use bytes::Bytes;

pub(super) use self::replies::{children, records, replies};
pub(super) use self::requests::requests;

use self::replies::stored;
use super::super::*;
use super::decode_as;
use crate::engine::api::{EncryptionType, GetRecordsResponse, Record};
use crate::engine::sequence::{SequenceNumber, ShardEpoch};

pub(super) const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
pub(super) const CONSUMER_ARN: &str =
    "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/till:1700000000";

/// The numbers of the replies below.
const FIRST: &str = "49646437577130777162115407028968674069677692735675432978";
const SECOND: &str = "49646437577130777162115407028969882995497307364850139154";

pub(super) fn number(counter: u64) -> SequenceNumber {
    let shard = ShardEpoch {
        number: 1,
        created_s: 1_700_000_000,
    };
    SequenceNumber::new(shard, counter, 1_700_000_001)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A golden text with its placeholders filled in.
pub(super) fn filled(text: &str) -> String {
    text.replace("FIRST", FIRST)
        .replace("SECOND", SECOND)
        .replace("STREAM\"", &format!("{STREAM_ARN}\""))
        .replace("CONSUMER\"", &format!("{CONSUMER_ARN}\""))
}

/// The golden request of an operation.
pub(in crate::wire) fn request_of(operation: Operation) -> Request {
    let all = requests().into_iter().map(|(_, request)| request);
    all.into_iter()
        .find(|request| request.operation() == operation)
        .unwrap()
}

#[test]
fn there_is_a_request_of_each_operation() {
    let covered: BTreeSet<_> = requests()
        .iter()
        .map(|(_, request)| request.operation())
        .collect();
    assert_eq!(covered, BTreeSet::from(Operation::ALL));
}

#[test]
fn json_requests_are_read_as_they_are_meant() {
    for (body, request) in requests() {
        assert_eq!(
            decode_as(request.operation(), Format::Json, body),
            Ok(request),
            "{body}"
        );
    }
}

#[test]
fn replies_are_written_to_the_byte() {
    for (reply, body) in replies() {
        assert_eq!(encode(&reply, Format::Json), filled(body), "{reply:?}");
    }
}

#[test]
fn an_answer_without_members_has_no_bytes() {
    for reply in [Reply::CreateStream(()), Reply::PutResourcePolicy(())] {
        for format in [Format::Json, Format::Cbor] {
            assert_eq!(encode(&reply, format), "");
        }
    }
}

#[test]
fn large_pages_are_written_into_the_room_that_was_reserved() {
    let record = |length: usize| Record {
        data: Bytes::from(vec![7; length]),
        encryption_type: EncryptionType::Kms,
        ..stored(b"", 1, EncryptionType::None)
    };
    for length in [0, 1, 100, 10_000] {
        let page = Reply::GetRecords(GetRecordsResponse {
            records: vec![record(length); 50],
            next_shard_iterator: Some("i".repeat(300)),
            millis_behind_latest: u64::MAX,
            child_shards: children(),
        });
        for format in [Format::Json, Format::Cbor] {
            let bytes = encode(&page, format).len();
            let expected = page.expected_bytes(format);
            assert!(
                bytes <= expected && expected <= bytes * 2 + 1024,
                "{length}: {bytes} of {expected}"
            );
        }
    }
}
