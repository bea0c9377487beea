//! Whatever comes in: never a panic, and the same verdict on JSON, base64 and CBOR as others give.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::super::*;
use super::decode_as;

fn any_operation() -> impl Strategy<Value = Operation> {
    proptest::sample::select(Operation::ALL.to_vec())
}

/// Pieces that JSON is made of, so that chance comes across whole documents and near misses.
fn json_pieces() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"StreamName\"",
        "\"Records\"",
        "\"Data\"",
        "\"YQ==\"",
        "\"\\u00e9\"",
        "\"\\ud83d\"",
        "\\",
        "\"",
        "null",
        "true",
        "0",
        "-1",
        "1.5e3",
        "1.",
        " ",
        "\n",
        "é",
        "\u{1}",
    ]);
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

fn cbor_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<Vec<u8>>().prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let entry = (any::<String>().prop_map(Value::from), inner.clone());
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec(entry, 0..4).prop_map(Value::Map),
            (any::<u64>(), inner).prop_map(|(tag, value)| Value::Tag(tag, Box::new(value))),
        ]
    })
}

fn accepted(format: Format, body: impl Into<Bytes>) -> bool {
    decode_as(Operation::DescribeLimits, format, body).is_ok()
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused(
        operation in any_operation(),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        for format in [Format::Json, Format::Cbor] {
            if let Err(refusal) = decode_as(operation, format, body.clone()) {
                prop_assert_eq!(refusal.error().code(), "SerializationException");
                prop_assert!(!refusal.encode().body.is_empty());
            }
        }
    }

    #[test]
    fn damaged_requests_are_read_or_refused(
        which in 0..40_usize,
        cut in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        truncate in any::<bool>(),
    ) {
        let (body, request) = super::golden::requests().swap_remove(which);
        let mut body = body.as_bytes().to_vec();
        let at = cut.index(body.len());
        body[at] = byte;
        if truncate {
            body.truncate(at);
        }
        let parsed = serde_json::from_slice::<Json>(&body);
        let outcome = decode_as(request.operation(), Format::Json, body);
        // Right JSON may still have wrong types; wrong JSON is never taken.
        prop_assert!(parsed.is_ok() || outcome.is_err());
    }

    #[test]
    fn json_is_json_exactly_if_serde_json_says_so(body in json_pieces()) {
        let body = format!("{{{body}}}");
        // Into a value, because what serde_json skips it does not look at closely.
        let expected = serde_json::from_str::<Json>(&body).is_ok();
        prop_assert_eq!(accepted(Format::Json, body.clone()), expected, "{}", body);
    }

    #[test]
    fn numbers_are_numbers_exactly_if_serde_json_says_so(number in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?[-+.eE]?") {
        let body = format!("{{\"a\":{number}}}");
        let expected = serde_json::from_str::<Json>(&body).is_ok();
        prop_assert_eq!(accepted(Format::Json, body), expected, "{}", number);
    }

    #[test]
    fn whatever_serde_json_writes_is_passed_over(value in json_value()) {
        let body = serde_json::to_vec(&serde_json::json!({ "a": value })).unwrap();
        prop_assert!(accepted(Format::Json, body));
    }

    #[test]
    fn whatever_ciborium_writes_is_passed_over(value in cbor_value(), cut in any::<proptest::sample::Index>()) {
        let mut body = Vec::new();
        ciborium::into_writer(&Value::Map(vec![(Value::from("a"), value)]), &mut body).unwrap();
        prop_assert!(accepted(Format::Cbor, body.clone()));
        body.truncate(cut.index(body.len()));
        prop_assert!(!accepted(Format::Cbor, body));
    }

    #[test]
    fn texts_come_through_both_ways(name in any::<String>()) {
        let body = serde_json::json!({ "StreamName": name }).to_string();
        let Ok(Request::DescribeStreamSummary(request)) =
            decode_as(Operation::DescribeStreamSummary, Format::Json, body)
        else {
            panic!("{name:?}");
        };
        prop_assert_eq!(request.stream.name.as_ref(), Some(&name));
        let reply = Reply::GetResourcePolicy(name.clone());
        let json: Json = serde_json::from_slice(&encode(&reply, Format::Json)).unwrap();
        prop_assert_eq!(json["Policy"].as_str(), Some(&*name));
        let cbor: Value = ciborium::from_reader(&*encode(&reply, Format::Cbor)).unwrap();
        prop_assert_eq!(cbor, Value::Map(vec![(Value::from("Policy"), Value::from(name))]));
    }

    #[test]
    fn base64_is_base64_exactly_if_the_other_decoder_says_so(
        data in proptest::collection::vec(any::<u8>(), 0..80),
        damage in proptest::option::of((any::<proptest::sample::Index>(), "[ -~é]")),
    ) {
        let mut text = STANDARD.encode(data);
        if let Some((at, character)) = damage.filter(|_| !text.is_empty()) {
            let at = at.index(text.len());
            text.replace_range(at..=at, &character);
        }
        let body = serde_json::json!({ "Data": text }).to_string();
        let ours = match decode_as(Operation::PutRecord, Format::Json, body) {
            Ok(Request::PutRecord(request)) => request.entry.data.map(|data| data.to_vec()),
            _ => None,
        };
        prop_assert_eq!(ours, STANDARD.decode(&text).ok(), "{}", text);
    }
}
