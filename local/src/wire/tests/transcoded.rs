//! CBOR says the same as JSON. The CBOR is made and read by `ciborium`, which shares no code with ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ciborium::Value;
use serde_json::{Map, Value as Json};

use super::super::*;
use super::golden;
use super::{decode_as, target};
use crate::engine::error::ServiceError;

/// Members that are bytes, and members that are times: CBOR spells them otherwise.
const BLOBS: [&str; 1] = ["Data"];
const TIMES: [&str; 8] = [
    "Timestamp",
    "StreamCreationTimestamp",
    "ApproximateArrivalTimestamp",
    "ConsumerCreationTimestamp",
    "StartedAt",
    "EndedAt",
    "EarliestAllowedEndAt",
    "CreatedAt",
];

/// A JSON document in the service's CBOR.
fn to_cbor(name: &str, json: &Json) -> Value {
    match json {
        Json::String(text) if BLOBS.contains(&name) => Value::Bytes(STANDARD.decode(text).unwrap()),
        Json::Number(seconds) if TIMES.contains(&name) => {
            let millis = (seconds.as_f64().unwrap() * 1000.0).round();
            Value::Tag(
                1,
                Box::new(Value::from(format!("{millis}").parse::<u64>().unwrap())),
            )
        }
        Json::Number(number) => Value::from(number.as_i64().unwrap()),
        Json::String(text) => Value::from(text.as_str()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Null => Value::Null,
        Json::Array(list) => Value::Array(list.iter().map(|element| to_cbor(name, element)).collect()),
        Json::Object(map) => {
            let entry = |(name, value): (&String, &Json)| (Value::from(name.as_str()), to_cbor(name, value));
            Value::Map(map.iter().map(entry).collect())
        }
    }
}

fn to_json(cbor: &Value) -> Json {
    match cbor {
        Value::Bytes(bytes) => Json::from(STANDARD.encode(bytes)),
        Value::Tag(1, millis) => {
            let millis = i64::try_from(millis.as_integer().unwrap()).unwrap();
            let text = format!("{}.{:03}", millis / 1000, millis % 1000);
            serde_json::from_str(&text).unwrap()
        }
        Value::Integer(number) => Json::from(i64::try_from(*number).unwrap()),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Bool(flag) => Json::from(*flag),
        Value::Array(list) => list.iter().map(to_json).collect(),
        Value::Map(map) => {
            let entry = |(name, value): &(Value, Value)| (name.as_text().unwrap().to_owned(), to_json(value));
            Json::Object(map.iter().map(entry).collect::<Map<_, _>>())
        }
        other => panic!("{other:?}"),
    }
}

fn cbor_bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The same item with every length left open, which `ciborium` does not write.
fn indefinite(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Map(map) => {
            out.push(0xBF);
            for (name, value) in map {
                indefinite(name, out);
                indefinite(value, out);
            }
            out.push(0xFF);
        }
        Value::Array(list) => {
            out.push(0x9F);
            for element in list {
                indefinite(element, out);
            }
            out.push(0xFF);
        }
        Value::Text(text) => {
            out.push(0x7F);
            for character in text.chars() {
                out.extend(cbor_bytes(&Value::from(character.to_string())));
            }
            out.push(0xFF);
        }
        Value::Bytes(bytes) => {
            out.push(0x5F);
            for chunk in bytes.chunks(3) {
                out.extend(cbor_bytes(&Value::from(chunk)));
            }
            out.push(0xFF);
        }
        Value::Tag(tag, value) => {
            out.push(0xC0 | u8::try_from(*tag).unwrap());
            indefinite(value, out);
        }
        other => out.extend(cbor_bytes(other)),
    }
}

#[test]
fn a_request_means_the_same_in_cbor_of_either_length() {
    for (body, request) in golden::requests() {
        let cbor = to_cbor("", &serde_json::from_str(body).unwrap());
        let decode = |bytes: Vec<u8>| decode_as(request.operation(), Format::Cbor, bytes);
        assert_eq!(decode(cbor_bytes(&cbor)).as_ref(), Ok(&request), "{body}");
        let mut open = Vec::new();
        indefinite(&cbor, &mut open);
        assert_eq!(decode(open), Ok(request), "{body}");
    }
}

#[test]
fn a_reply_says_the_same_in_cbor() {
    for (reply, _) in golden::replies() {
        let json: Json = serde_json::from_slice(&encode(&reply, Format::Json)).unwrap();
        let cbor: Value = ciborium::from_reader(&*encode(&reply, Format::Cbor)).unwrap();
        let millis = |json: &Json| cbor_bytes(&to_cbor("", json));
        assert_eq!(millis(&to_json(&cbor)), millis(&json), "{reply:?}");
    }
}

#[test]
fn an_error_says_the_same_in_cbor() {
    for error in [
        ServiceError::not_found("no \"stream\""),
        ServiceError::new("SerializationException", 400, Some("what".to_owned())),
        ServiceError::new("UnknownOperationException", 400, None),
    ] {
        let (status, json, code) = encode_error(&error, Format::Json);
        let (cbor_status, cbor, cbor_code) = encode_error(&error, Format::Cbor);
        assert_eq!((status, code), (cbor_status, cbor_code));
        let json: Json = serde_json::from_slice(&json).unwrap();
        assert_eq!(to_json(&ciborium::from_reader(&*cbor).unwrap()), json);
        assert_eq!(json["__type"], error.code());
    }
}

#[test]
fn times_are_milliseconds_in_cbor_and_seconds_in_json() {
    let at = |format, value: Vec<u8>| {
        let body = match format {
            Format::Json => [&b"{\"ShardId\":null,\"Timestamp\":"[..], &value, b"}"].concat(),
            Format::Cbor => [&b"\xA1\x69Timestamp"[..], &value].concat(),
        };
        match decode_as(Operation::GetShardIterator, format, body) {
            Ok(Request::GetShardIterator(request)) => request.timestamp_ms,
            other => panic!("{other:?}"),
        }
    };
    for (json, millis) in [
        ("1700000000", 1_700_000_000_000),
        ("1700000000.5", 1_700_000_000_500),
        ("1.700000000123E9", 1_700_000_000_123),
        ("1441215410.8679999", 1_441_215_410_868),
        ("0", 0),
        ("-1", 0),
        ("-1.5e3", 0),
        ("99999999999999999999", 9_223_372_036_854_775_807),
        ("1e400", 9_223_372_036_854_775_807),
        ("9223372036854775807", u64::MAX),
    ] {
        assert_eq!(at(Format::Json, json.into()), Some(millis), "{json}");
    }
    let tagged = |value| cbor_bytes(&Value::Tag(1, Box::new(value)));
    for (cbor, millis) in [
        (tagged(Value::from(1_700_000_000_123_u64)), 1_700_000_000_123),
        (tagged(Value::from(1_700_000_000_123.0_f64)), 1_700_000_000_123),
        (tagged(Value::from(1.5_f32)), 2),
        (tagged(Value::from(-1)), 0),
        (cbor_bytes(&Value::from(17)), 17),
        (vec![0xF9, 0x3E, 0x00], 2), // half precision, 1.5
        (vec![0xF9, 0x7E, 0x00], 0), // not a number
        (vec![0x1B; 9], 0x1B1B_1B1B_1B1B_1B1B),
        (vec![0x3B, 255, 255, 255, 255, 255, 255, 255, 255], 0),
    ] {
        assert_eq!(at(Format::Cbor, cbor.clone()), Some(millis), "{cbor:?}");
    }
}

#[test]
fn data_are_cut_from_a_cbor_body_only_if_they_are_most_of_it() {
    let body = |ballast: usize| {
        let entry = Value::Map(vec![(Value::from("Data"), Value::Bytes(vec![7; 1000]))]);
        Bytes::from(cbor_bytes(&Value::Map(vec![
            (Value::from("Records"), Value::Array(vec![entry.clone(), entry])),
            (Value::from("Unknown"), Value::Bytes(vec![0; ballast])),
        ])))
    };
    for (ballast, cut) in [(0, true), (1_000, true), (10_000, false)] {
        let body = body(ballast);
        let decoded = decode(
            Some(&target(Operation::PutRecords)),
            Some(Format::Cbor.content_type()),
            &body,
        );
        let Ok((_, _, Request::PutRecords(request))) = decoded else {
            panic!("{decoded:?}");
        };
        for entry in request.records.unwrap() {
            let data = entry.data.unwrap();
            assert_eq!(*data, [7; 1000]);
            assert_eq!(body.as_ptr_range().contains(&data.as_ptr()), cut, "{ballast}");
        }
    }
}
