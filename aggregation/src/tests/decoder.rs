//! What the decoder takes from other writers, and what it leaves alone.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::model::{Plain, enveloped, enveloped_message, message_of, plain};
use crate::proto::message::{AggregatedRecord, Record, Tag};
use crate::{
    Deaggregated, HashKeyRange, MAGIC, MalformedReason, OutOfRange, RawReason, SubRecord, deaggregate,
};

fn open(data: Bytes) -> Deaggregated {
    deaggregate(data, &HashKeyRange::FULL, OutOfRange::DropAggregate)
}

fn records_in(data: Bytes) -> Vec<SubRecord> {
    match open(data) {
        Deaggregated::Aggregate(records) => records,
        other => panic!("not an aggregate: {other:?}"),
    }
}

/// The reason, with the data checked to be untouched.
fn refusal(data: &Bytes) -> RawReason {
    match open(data.clone()) {
        Deaggregated::Raw { data: untouched, why } => {
            assert_eq!(untouched, data);
            assert_eq!(untouched.as_ptr(), data.as_ptr(), "raw data is not copied");
            why
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn record(partition_key: u64, explicit_hash_key: Option<u64>, data: &[u8]) -> Record {
    Record {
        partition_key_index: Some(partition_key),
        explicit_hash_key_index: explicit_hash_key,
        data: Some(data.to_vec()),
        tags: Vec::new(),
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn an_explicit_hash_key_per_record_as_the_java_aggregator_writes_it() {
    let a = crate::HashKey::of_partition_key("a").get();
    let b = crate::HashKey::of_partition_key("b").get();
    let message = message_of(&[
        Plain::new("a", Some(a), b"1"),
        Plain::new("b", Some(b), b"2"),
        Plain::new("a", Some(a), b"3"),
    ]);
    assert_eq!(message.explicit_hash_key_table.len(), 2);
    let records = records_in(enveloped_message(&message));
    assert_eq!(records[2].explicit_hash_key().map(crate::HashKey::get), Some(a));
    assert_eq!(records.len(), 3);
}

#[test]
fn tables_with_repeated_and_unused_entries_in_any_order() {
    let message = AggregatedRecord {
        partition_key_table: texts(&["unused", "b", "a", "b"]),
        explicit_hash_key_table: texts(&["not a number, and not used", "7", "0007"]),
        records: vec![
            record(3, Some(2), b"1"),
            record(2, None, b"2"),
            record(1, Some(1), b"3"),
        ],
    };
    assert_eq!(
        plain(&records_in(enveloped_message(&message))),
        [
            Plain::new("b", Some(7), b"1"),
            Plain::new("a", None, b"2"),
            Plain::new("b", Some(7), b"3")
        ]
    );
}

#[test]
fn fields_in_any_order() {
    let whole = message_of(&[
        Plain::new("a", Some(1), b"1"),
        Plain::new("b", None, b"2"),
        Plain::new("b", None, b"3"),
    ]);
    let only_records = AggregatedRecord {
        records: whole.records.clone(),
        ..AggregatedRecord::default()
    };
    let only_keys = AggregatedRecord {
        partition_key_table: whole.partition_key_table.clone(),
        ..AggregatedRecord::default()
    };
    let only_hash_keys = AggregatedRecord {
        explicit_hash_key_table: whole.explicit_hash_key_table.clone(),
        ..AggregatedRecord::default()
    };
    let expected = records_in(enveloped_message(&whole));
    let parts = [
        only_records.encode_to_vec(),
        only_keys.encode_to_vec(),
        only_hash_keys.encode_to_vec(),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [2, 0, 1], [2, 1, 0]] {
        let body: Vec<u8> = order.iter().flat_map(|part| parts[*part].clone()).collect();
        assert_eq!(records_in(enveloped(&body)), expected, "{order:?}");
    }
    // And inside a record: data, then explicit hash key, then partition key.
    let body = b"\x0a\x01a\x12\x012\x1a\x07\x1a\x01x\x10\x00\x08\x00";
    assert_eq!(
        plain(&records_in(enveloped(body))),
        [Plain::new("a", Some(2), b"x")]
    );
}

#[test]
fn tags_and_unknown_fields_are_stepped_over() {
    let mut message = message_of(&[Plain::new("a", None, b"x")]);
    message.records[0].tags = vec![
        Tag {
            key: Some("k".to_owned()),
            value: Some("v".to_owned()),
        },
        Tag {
            key: Some(String::new()),
            value: None,
        },
    ];
    assert_eq!(
        plain(&records_in(enveloped_message(&message))),
        [Plain::new("a", None, b"x")]
    );

    let known = message.encode_to_vec();
    let unknown: &[(&str, &[u8])] = &[
        ("varint", b"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ("fixed64", b"\x2912345678"),
        ("bytes", b"\x2a\x03abc"),
        ("group", b"\x2b\x2b\x08\x05\x2c\x2a\x01z\x2c"),
        ("fixed32", b"\x2d1234"),
        ("known number, other layout", b"\x08\x05\x10\x06\x18\x07"),
        ("large number", b"\xf8\xff\xff\xff\x0f\x00"),
    ];
    for (what, field) in unknown {
        for body in [
            [field, known.as_slice()].concat(),
            [known.as_slice(), field].concat(),
        ] {
            assert_eq!(records_in(enveloped(&body)).len(), 1, "{what}");
        }
    }
    // Inside a record too, a partition key of another layout among them.
    let body = b"\x0a\x01a\x1a\x0d\x08\x00\x0a\x01z\x1a\x01x\x2d1234";
    assert_eq!(plain(&records_in(enveloped(&body[..]))).len(), 1);
}

#[test]
fn of_a_field_given_twice_the_last_counts() {
    let body = b"\x0a\x01a\x0a\x01b\x1a\x0a\x08\x00\x1a\x01x\x08\x01\x1a\x01y";
    assert_eq!(plain(&records_in(enveloped(body))), [Plain::new("b", None, b"y")]);
}

#[test]
fn an_aggregate_without_records_holds_none() {
    assert_eq!(records_in(enveloped(b"\x0a\x01a")), []);
}

#[test]
fn an_aggregate_of_one_and_an_aggregate_inside_are_opened_once() {
    let inner = enveloped_message(&message_of(&[Plain::new("a", None, b"x")]));
    let outer = enveloped_message(&message_of(&[Plain::new("b", None, &inner)]));
    let records = records_in(outer);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].data(), &inner);
}

#[test]
fn data_and_keys_are_shared_not_copied() {
    let data = enveloped_message(&message_of(&[
        Plain::new("k", None, b"first"),
        Plain::new("l", None, b"second"),
        Plain::new("k", None, b"third"),
    ]));
    let inside = data.as_ptr_range();
    let parts: Vec<_> = records_in(data).into_iter().map(SubRecord::into_parts).collect();
    for part in &parts {
        assert!(inside.contains(&part.data.as_ptr()));
    }
    assert!(Arc::ptr_eq(&parts[0].partition_key, &parts[2].partition_key));
    assert_eq!(parts[2].sub_sequence_number, 2);
    assert!(
        size_of::<SubRecord>() <= 96,
        "the memory promised for a sub-record"
    );
}

#[test]
fn ordinary_data_is_raw() {
    let long = [&MAGIC[..], &[0; 16]].concat();
    for data in [
        &b""[..],
        b"x",
        &MAGIC[..3],
        &MAGIC,
        b"plain text, longer than an envelope",
        &long,
        &long[..19],
    ] {
        assert_eq!(
            refusal(&Bytes::copy_from_slice(data)),
            RawReason::NotAggregate,
            "{data:?}"
        );
    }
    // The digest of nothing, right as it is, belongs to no body.
    assert_eq!(refusal(&enveloped(b"")), RawReason::NotAggregate);
}

#[test]
fn a_wrong_digest_is_raw() {
    let whole = enveloped_message(&message_of(&[Plain::new("a", None, b"x")]));
    for place in MAGIC.len()..whole.len() {
        let mut flipped = whole.to_vec();
        flipped[place] ^= 0x40;
        assert_eq!(
            refusal(&flipped.into()),
            RawReason::DigestMismatch,
            "byte {place}"
        );
    }
    assert_eq!(
        refusal(&[&whole[..], b"!"].concat().into()),
        RawReason::DigestMismatch
    );
}

#[test]
fn a_body_which_is_no_protobuf_is_raw() {
    let bodies: &[(&str, &[u8])] = &[
        ("text", b"hello"),
        ("cut in a key", b"\x80"),
        ("cut in a length", b"\x0a\x80"),
        ("length beyond the end", b"\x0a\x05a"),
        ("enormous length", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        (
            "varint of eleven bytes",
            b"\x28\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        ),
        ("key above 32 bits", b"\x88\x80\x80\x80\x80\x01\x00"),
        ("field number 0", b"\x00\x00"),
        ("layout 6", b"\x0e"),
        ("layout 7", b"\x0f"),
        ("cut in fixed64", b"\x291234567"),
        ("cut in fixed32", b"\x2d123"),
        ("group without end", b"\x2b\x08\x01"),
        ("end without group", b"\x2c"),
        ("group ended by another", b"\x2b\x34"),
        ("cut in a record", b"\x0a\x01a\x1a\x05\x08\x00\x1a\x09x"),
        (
            "cut in a tag",
            b"\x0a\x01a\x1a\x08\x08\x00\x1a\x00\x22\x02\x0a\x05",
        ),
        ("groups in groups in groups", &[0x2b; 5_000]),
    ];
    for (what, body) in bodies {
        let why = RawReason::Malformed(MalformedReason::InvalidWire);
        assert_eq!(refusal(&enveloped(body)), why, "{what}");
    }
}

#[test]
fn a_missing_required_field_is_raw() {
    let valid = message_of(&[
        Plain::new("a", None, b"x"),
        Plain::new("a", None, b"longer than the minimum"),
    ]);
    let why = RawReason::Malformed(MalformedReason::MissingField);
    for place in [0, 1] {
        let mut message = valid.clone();
        message.records[place].partition_key_index = None;
        assert_eq!(refusal(&enveloped_message(&message)), why);

        let mut message = valid.clone();
        message.records[place].data = None;
        message.records[place].explicit_hash_key_index = Some(5);
        assert_eq!(refusal(&enveloped_message(&message)), why);

        let mut message = valid.clone();
        message.records[place].tags = vec![Tag {
            key: None,
            value: Some("v".to_owned()),
        }];
        assert_eq!(refusal(&enveloped_message(&message)), why);
    }
    // The mistake of a proto3 encoder: index 0 and empty data left out.
    assert_eq!(refusal(&enveloped(b"\x0a\x01a\x1a\x00")), why);
}

#[test]
fn an_index_beyond_its_table_is_raw() {
    let valid = message_of(&[Plain::new("a", Some(1), b"x"), Plain::new("b", Some(2), b"y")]);
    for index in [2, 3, u64::from(u32::MAX), u64::MAX] {
        let mut message = valid.clone();
        message.records[1].partition_key_index = Some(index);
        let why = RawReason::Malformed(MalformedReason::PartitionKeyIndex);
        assert_eq!(refusal(&enveloped_message(&message)), why, "{index}");

        let mut message = valid.clone();
        message.records[1].explicit_hash_key_index = Some(index);
        let why = RawReason::Malformed(MalformedReason::ExplicitHashKeyIndex);
        assert_eq!(refusal(&enveloped_message(&message)), why, "{index}");
    }
}

#[test]
fn text_which_is_not_utf8_is_raw() {
    let why = RawReason::Malformed(MalformedReason::InvalidUtf8);
    let bodies: &[(&str, &[u8])] = &[
        ("partition key", b"\x0a\x01\xff\x1a\x04\x08\x00\x1a\x00"),
        (
            "unused partition key",
            b"\x0a\x01a\x0a\x02\xc3\x28\x1a\x04\x08\x00\x1a\x00",
        ),
        (
            "explicit hash key",
            b"\x0a\x01a\x12\x01\x80\x1a\x06\x08\x00\x10\x00\x1a\x00",
        ),
        ("surrogate", b"\x0a\x03\xed\xa0\x80\x1a\x04\x08\x00\x1a\x00"),
        ("tag", b"\x0a\x01a\x1a\x09\x08\x00\x1a\x00\x22\x03\x0a\x01\xff"),
    ];
    for (what, body) in bodies {
        assert_eq!(refusal(&enveloped(body)), why, "{what}");
    }
}

#[test]
fn an_explicit_hash_key_which_is_none_is_raw() {
    let why = RawReason::Malformed(MalformedReason::ExplicitHashKey);
    for text in [
        "",
        " 1",
        "+1",
        "-1",
        "1e3",
        "0x10",
        "12a",
        "340282366920938463463374607431768211456",
    ] {
        let mut message = message_of(&[Plain::new("a", Some(1), b"x")]);
        message.explicit_hash_key_table = texts(&[text]);
        assert_eq!(refusal(&enveloped_message(&message)), why, "{text:?}");
    }
}

#[test]
fn reasons_read_as_sentences_of_a_log() {
    assert_eq!(
        RawReason::Malformed(MalformedReason::PartitionKeyIndex).to_string(),
        "malformed aggregate: partition key index is beyond the table"
    );
}
