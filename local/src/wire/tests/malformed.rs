//! Requests that are none, and what is answered.

use super::super::reader::{DEEPEST, MOST_ELEMENTS};
use super::super::*;
use super::{decode_as, target};

/// Code, and message if there is one.
fn refused(outcome: Result<Request, Refusal>) -> (u16, String, Option<String>) {
    let refusal = outcome.expect_err("a refusal");
    let error = refusal.error();
    (
        error.status(),
        error.code().to_owned(),
        error.message().map(str::to_owned),
    )
}

#[test]
fn a_body_that_is_not_a_document_is_refused_without_words() {
    for body in [
        "",
        " ",
        "null",
        "1",
        "\"text\"",
        "[]",
        "{",
        "}",
        "{]",
        "[}",
        "{}{}",
        "{} x",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,,\"b\":2}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":+1}",
        "{\"a\":--1}",
        "{\"a\":1-1}",
        "{\"a\":nul}",
        "{\"a\":nulll}",
        "{\"a\":True}",
        "{\"a\":NaN}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":\"}",
        "{\"a\":\"\\\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12G4\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\udc00\\udc00\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\u{0}\"}",
        "{\"\\x\":1}",
        "\u{FEFF}{}",
        "{\"StreamName\":\"\\\"}",
        "{\"StreamName\":\"\t\"}",
    ] {
        for operation in [Operation::PutRecords, Operation::DescribeLimits] {
            let refused = refused(decode_as(operation, Format::Json, body));
            assert_eq!(
                refused,
                (400, "SerializationException".to_owned(), None),
                "{body}"
            );
        }
    }
    let not_utf8 = [&b"{\"a\":\""[..], &[0xFF], b"\"}"].concat();
    assert_eq!(
        refused(decode_as(Operation::PutRecord, Format::Json, not_utf8)).2,
        None
    );
}

#[test]
fn a_cbor_body_that_is_not_a_document_is_refused_without_words() {
    let bodies: [&[u8]; 27] = [
        b"",
        b"\xF6",
        b"\x01",
        b"\x80",
        b"\xFF",
        b"\xA1",
        b"\xA0\xA0",
        b"\xA1\x61a",
        b"\xA1\x01\x01",                                  // a key that is no text
        b"\xA1\x41a\x01",                                 // nor bytes
        b"\xA2\x61a\x01",                                 // one entry short
        b"\xBF\x61a\x01",                                 // no end
        b"\xBF\x61a\xFF",                                 // ends instead of a value
        b"\xBC",                                          // reserved
        b"\xA1\x61a\x62b",                                // text cut off
        b"\xA1\x61a\x61\xFF",                             // not UTF-8
        b"\xA1\x61a\x5B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", // 2^64 bytes announced
        b"\xA1\x61a\x7B\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        b"\xA1\x61a\x9B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        b"\xA1\x61a\x1C", // reserved
        b"\xA1\x61a\xFC",
        b"\xA1\x61a\x1F",                     // an integer of indefinite length
        b"\xA1\x61a\xDF\x01",                 // a tag likewise
        b"\xA1\x61a\x5F\x61b\xFF",            // text among bytes
        b"\xA1\x61a\x7F\x7F\xFF\xFF",         // indefinite inside indefinite
        b"\xA1\x61a\x7F\x61\xC3\x61\xA9\xFF", // a character cut in two
        b"\xA1\x61a\xC1",                     // a tag of nothing
    ];
    for body in bodies {
        let refused = refused(decode_as(Operation::PutRecords, Format::Cbor, body));
        assert_eq!(
            refused,
            (400, "SerializationException".to_owned(), None),
            "{body:02X?}"
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn a_value_of_another_type_is_refused_in_the_services_words() {
    const NUMBER: &str =
        "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to";
    const LIST: &str = "Start of list found where not expected";
    const MAP: &str = "Start of structure or map found where not expected.";
    let number = |target: &str| format!("{NUMBER} {target}");
    let blob = |text: &str, what: &str| format!("'{text}' can not be converted to a Blob: {what}");
    let cases: [(Operation, &str, String); 27] = [
        (Operation::PutRecord, r#"{"StreamName":1}"#, number("an String")),
        (Operation::PutRecord, r#"{"StreamName":1.5}"#, number("an String")),
        (
            Operation::PutRecord,
            r#"{"StreamName":true}"#,
            "class java.lang.Boolean can not be converted to an String".to_owned(),
        ),
        (Operation::PutRecord, r#"{"StreamName":[]}"#, LIST.to_owned()),
        (Operation::PutRecord, r#"{"StreamName":{}}"#, MAP.to_owned()),
        (Operation::PutRecord, r#"{"DryRun":1}"#, number("an Boolean")),
        (
            Operation::PutRecord,
            r#"{"DryRun":"true"}"#,
            "'TRUE' can not be converted to an Boolean".to_owned(),
        ),
        (Operation::PutRecord, r#"{"DryRun":[]}"#, LIST.to_owned()),
        (
            Operation::GetRecords,
            r#"{"Limit":"1"}"#,
            "class java.lang.String can not be converted to an Integer".to_owned(),
        ),
        (
            Operation::GetRecords,
            r#"{"Limit":false}"#,
            "class java.lang.Boolean can not be converted to an Integer".to_owned(),
        ),
        (Operation::GetRecords, r#"{"Limit":{}}"#, MAP.to_owned()),
        (
            Operation::GetShardIterator,
            r#"{"Timestamp":"2024-01-01T00:00:00Z"}"#,
            "class java.lang.String can not be converted to milliseconds since epoch".to_owned(),
        ),
        (
            Operation::GetShardIterator,
            r#"{"Timestamp":[]}"#,
            LIST.to_owned(),
        ),
        (Operation::PutRecord, r#"{"Data":1}"#, number("a Blob")),
        (
            Operation::PutRecord,
            r#"{"Data":"YQ"}"#,
            blob(
                "YQ",
                "Base64 encoded length is expected a multiple of 4 bytes but found: 2",
            ),
        ),
        (
            Operation::PutRecord,
            r#"{"Data":"Y_=="}"#,
            blob("Y_==", "Invalid Base64 character: '_'"),
        ),
        (
            Operation::PutRecord,
            r#"{"Data":"=aaa"}"#,
            blob("=aaa", "Invalid Base64 character: '='"),
        ),
        (
            Operation::PutRecord,
            r#"{"Data":"YR=="}"#,
            blob("YR==", "Invalid last non-pad Base64 character dectected"),
        ),
        (
            Operation::PutRecords,
            r#"{"Records":1}"#,
            "Expected list or null".to_owned(),
        ),
        (Operation::PutRecords, r#"{"Records":{}}"#, MAP.to_owned()),
        (
            Operation::PutRecords,
            r#"{"Records":[1]}"#,
            "Expected null".to_owned(),
        ),
        (Operation::PutRecords, r#"{"Records":[[]]}"#, LIST.to_owned()),
        (
            Operation::ListShards,
            r#"{"ShardFilter":"a"}"#,
            "Expected null".to_owned(),
        ),
        (
            Operation::AddTagsToStream,
            r#"{"Tags":"a"}"#,
            "Expected map or null".to_owned(),
        ),
        (Operation::AddTagsToStream, r#"{"Tags":[]}"#, LIST.to_owned()),
        (
            Operation::AddTagsToStream,
            r#"{"Tags":{"a":1}}"#,
            number("an String"),
        ),
        (
            Operation::RemoveTagsFromStream,
            r#"{"TagKeys":[1]}"#,
            number("an String"),
        ),
    ];
    for (operation, body, message) in cases {
        let refused = refused(decode_as(operation, Format::Json, body));
        let expected = (400, "SerializationException".to_owned(), Some(message));
        assert_eq!(refused, expected, "{body}");
    }
}

#[test]
fn bytes_and_texts_are_not_taken_for_each_other_in_cbor() {
    for body in [&b"\xA1\x64Data\x64YQ=="[..], b"\xA1\x6AStreamName\x41a"] {
        let (_, code, message) = refused(decode_as(Operation::PutRecord, Format::Cbor, body));
        assert_eq!(code, "SerializationException");
        assert!(message.unwrap().contains("can not be converted to"));
    }
}

#[test]
fn what_is_not_known_or_null_counts_for_nothing() {
    let put = |body: &'static str| decode_as(Operation::PutRecord, Format::Json, body).unwrap();
    let plain = put(r#"{"StreamName":"a"}"#);
    for body in [
        " {\t\"StreamName\" :\r\n\"a\" } ",
        r#"{"StreamName":"a","Data":null,"PartitionKey":null,"DryRun":null,"StreamId":"x"}"#,
        r#"{"x":[{"y":[[],{},"\ud83d\ude00",-0.5e-7,true,false,null]}],"StreamName":"a","streamname":"b"}"#,
        r#"{"StreamName":"b","StreamName":"\u0061"}"#,
        r#"{"Stream\u004eame":"a"}"#,
    ] {
        assert_eq!(put(body), plain, "{body}");
    }
    assert_eq!(put(r#"{"StreamName":"a","StreamName":null}"#), put("{}"));
}

#[test]
fn numbers_are_cut_to_whole_ones_in_range() {
    for (number, limit) in [
        ("7", 7),
        ("-7.9", -7),
        ("1e3", 1000),
        ("9223372036854775807", i64::MAX),
        ("9223372036854775808", i64::MAX),
        ("-1e300", i64::MIN),
        ("1e400", i64::MAX),
    ] {
        let body = format!(r#"{{"Limit":{number}}}"#);
        let Ok(Request::GetRecords(request)) = decode_as(Operation::GetRecords, Format::Json, body) else {
            panic!("{number}");
        };
        assert_eq!(request.limit, Some(limit), "{number}");
    }
}

#[test]
fn nesting_is_cut_and_the_stack_is_not_used_up() {
    let nested = |depth: usize| {
        let json = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let cbor = [&b"\xA1\x61a"[..], &vec![0x81; depth], b"\xF6"].concat();
        [(Format::Json, json.into_bytes()), (Format::Cbor, cbor)]
    };
    for (depth, taken) in [(DEEPEST, true), (DEEPEST + 1, false), (5_000_000, false)] {
        for (format, body) in nested(depth) {
            let outcome = decode_as(Operation::PutRecord, format, body);
            assert_eq!(outcome.is_ok(), taken, "{format:?} {depth}");
        }
    }
    // Tags around tags nest nothing.
    let tags = [&b"\xA1\x61a"[..], &vec![0xC1; 5_000_000], b"\x01"].concat();
    assert!(decode_as(Operation::PutRecord, Format::Cbor, tags).is_ok());
}

#[test]
fn lists_of_nothing_cost_little() {
    let count = 2_000_000;
    let json = format!(r#"{{"Records":[{}{{}}]}}"#, "{},".repeat(count - 1));
    let cbor = [&b"\xA1\x67Records\x9F"[..], &vec![0xA0; count], b"\xFF"].concat();
    for (format, body) in [(Format::Json, json.into_bytes()), (Format::Cbor, cbor)] {
        let Ok(Request::PutRecords(request)) = decode_as(Operation::PutRecords, format, body) else {
            panic!("{format:?}");
        };
        assert_eq!(request.records.unwrap().len(), MOST_ELEMENTS);
    }
    let entries: Vec<_> = (0..3000).map(|tag| format!("\"{tag}\":\"\"")).collect();
    let body = format!(r#"{{"Tags":{{{}}}}}"#, entries.join(","));
    let Ok(Request::AddTagsToStream(request)) = decode_as(Operation::AddTagsToStream, Format::Json, body)
    else {
        panic!("tags");
    };
    assert_eq!(request.tags.unwrap().len(), MOST_ELEMENTS);
}

/// Target, content type, body; status, body of the answer.
type HeadCase<'a> = (Option<&'a str>, Option<&'a str>, &'a str, u16, &'a str);

#[test]
fn heads_that_name_no_operation_are_refused_as_the_service_does() {
    const JSON: Option<&str> = Some("application/x-amz-json-1.1");
    const CBOR: Option<&str> = Some("application/x-amz-cbor-1.1; charset=x");
    const PLAIN: Option<&str> = Some("application/json");
    const XML_UNNAMED: &str = "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n";
    let known = target(Operation::ListShards);
    let known = Some(known.as_str());
    let cases: [HeadCase<'_>; 14] = [
        (None, JSON, "{}", 400, r#"{"__type":"UnknownOperationException"}"#),
        (None, JSON, "", 400, r#"{"__type":"UnknownOperationException"}"#),
        (None, JSON, "{", 400, r#"{"__type":"SerializationException"}"#),
        (
            Some("Kinesis_20131202.Nothing"),
            JSON,
            "{}",
            400,
            r#"{"__type":"UnknownOperationException"}"#,
        ),
        (
            Some("DynamoDB_20120810.ListShards"),
            JSON,
            "{}",
            400,
            r#"{"__type":"UnknownOperationException"}"#,
        ),
        (
            Some("kinesis_20131202.listshards"),
            JSON,
            "{}",
            400,
            r#"{"__type":"UnknownOperationException"}"#,
        ),
        (known, JSON, "", 400, r#"{"__type":"SerializationException"}"#),
        (None, CBOR, "\u{0}", 400, "\u{0}cbor SerializationException"),
        (
            known,
            PLAIN,
            "{}",
            404,
            r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#,
        ),
        (
            known,
            PLAIN,
            "{",
            400,
            r#"{"Output":{"__type":"com.amazon.coral.service#SerializationException"},"Version":"1.0"}"#,
        ),
        (known, None, "{}", 404, "<UnknownOperationException/>\n"),
        (
            known,
            Some("text/plain"),
            "{}",
            404,
            "<UnknownOperationException/>\n",
        ),
        (None, None, "", 403, XML_UNNAMED),
        (
            Some("Kinesis_20131202."),
            Some("application/x-amz-json-1.0"),
            "{}",
            403,
            XML_UNNAMED,
        ),
    ];
    for (target, content_type, body, status, answer) in cases {
        let case = format!("{target:?} {content_type:?} {body:?}");
        let refusal = decode(target, content_type, &Bytes::copy_from_slice(body.as_bytes())).unwrap_err();
        let refused = refusal.encode();
        assert_eq!(refused.status, status, "{case}");
        assert_eq!(refused.error_type, refusal.error().code(), "{case}");
        match answer.strip_prefix("\u{0}cbor ") {
            Some(code) => {
                let body = [&b"\xBF\x66__type\x76"[..], code.as_bytes(), b"\xFF"].concat();
                assert_eq!(refused.body, body, "{case}");
                assert_eq!(refused.content_type, Some("application/x-amz-cbor-1.1"));
            }
            None => assert_eq!(refused.body, answer, "{case}"),
        }
    }
}

#[test]
fn parameters_and_case_of_the_content_type_count_for_nothing() {
    for content_type in [
        "application/x-amz-json-1.1;charset=utf-8",
        " Application/X-Amz-JSON-1.1 ",
    ] {
        let decoded = decode(
            Some(&target(Operation::DescribeLimits)),
            Some(content_type),
            &Bytes::from_static(b"{}"),
        );
        assert_eq!(
            decoded,
            Ok((
                Operation::DescribeLimits,
                Format::Json,
                Request::DescribeLimits(Nothing)
            ))
        );
    }
}
