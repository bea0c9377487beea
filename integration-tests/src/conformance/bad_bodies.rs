//! Bodies that are none: the service answers each with an error of its own and goes on.

use super::raw::{CBOR, Raw, refused, send};
use super::subject::{FIRST, Subject};
use super::violation::{INVALID, holds, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case("malformed JSON is SerializationException", |s| Box::pin(json(s))),
    case("malformed CBOR is SerializationException", |s| Box::pin(cbor(s))),
    case("members of the wrong type are SerializationException", |s| {
        Box::pin(types(s))
    }),
    case("data that is not base64 is SerializationException", |s| {
        Box::pin(base64(s))
    }),
    case(
        "an operation that is not there is UnknownOperationException",
        |s| Box::pin(unknown(s)),
    ),
    case("a CBOR request is done and answered in CBOR", |s| {
        Box::pin(cbor_answered(s))
    }),
    case("a CBOR request is refused in CBOR", |s| Box::pin(cbor_refused(s))),
    case("deep nesting is refused, and the endpoint goes on", |s| {
        Box::pin(deep(s))
    }),
    case("a body of 40 MB is refused, and the endpoint goes on", |s| {
        Box::pin(oversized(s))
    }),
];

const fn case(name: &'static str, check: super::Check) -> Case {
    Case::new(
        "Bad bodies",
        name,
        "AWS JSON 1.1 protocol, in JSON or CBOR; codes: observed",
        check,
    )
}

const SERIALIZATION: &[&str] = &["SerializationException"];

async fn json(s: Subject) -> Result<(), Violation> {
    for body in [
        "{",
        "[]",
        "null",
        "{\"StreamName\":\"a\"",
        "{\"StreamName\":\"a\"}}",
        "\u{fffd}",
    ] {
        for operation in ["PutRecords", "GetRecords", "CreateStream"] {
            let raw = Raw::json(operation, body);
            refused(&s, "malformed JSON", raw, MALFORMED).await?;
        }
    }
    goes_on(&s).await
}

/// `null` and `[]` are JSON, but no structure: a service may also miss its members.
const MALFORMED: &[&str] = &[
    "SerializationException",
    "ValidationException",
    "InvalidArgumentException",
];

async fn cbor(s: Subject) -> Result<(), Violation> {
    // An open map, a text longer than the body, a reserved byte, a list where a map must be.
    for body in [
        &[0xbf][..],
        &[0xa1, 0x7a, 0xff, 0xff, 0xff, 0xff],
        &[0xfc],
        &[0x9f, 0x01],
    ] {
        refused(&s, "malformed CBOR", Raw::cbor("PutRecords", body), SERIALIZATION).await?;
    }
    goes_on(&s).await
}

async fn types(s: Subject) -> Result<(), Violation> {
    for (operation, body) in [
        ("PutRecords", r#"{"StreamName":7,"Records":[]}"#),
        ("PutRecords", r#"{"StreamName":"a","Records":"none"}"#),
        ("CreateStream", r#"{"StreamName":"a","ShardCount":"two"}"#),
        ("GetRecords", r#"{"ShardIterator":{}}"#),
    ] {
        refused(
            &s,
            "a member of the wrong type",
            Raw::json(operation, body),
            SERIALIZATION,
        )
        .await?;
    }
    Ok(())
}

async fn base64(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let body = format!(
        r#"{{"StreamName":"{}","PartitionKey":"k","Data":"&&&&"}}"#,
        s.stream
    );
    refused(
        &s,
        "data that is not base64",
        Raw::json("PutRecord", body),
        SERIALIZATION,
    )
    .await?;
    same("records stored", s.all_of(FIRST).await?.len(), 0)
}

async fn unknown(s: Subject) -> Result<(), Violation> {
    let raw = Raw::json("PutPigeons", "{}");
    refused(&s, "an unknown operation", raw, &["UnknownOperationException"]).await?;
    Ok(())
}

async fn cbor_answered(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    // {"StreamName": ..., "PartitionKey": "k", "Data": h'00ff'}
    let mut body = vec![0xa3];
    for (name, value) in [("StreamName", s.stream.as_str()), ("PartitionKey", "k")] {
        text(&mut body, name);
        text(&mut body, value);
    }
    text(&mut body, "Data");
    body.extend([0x42, b'a', b'b']);
    // The answer is no answer to the call that was replaced, and may be unreadable for it: the record says what was done.
    if let Some(answer) = send(&s, Raw::cbor("PutRecord", body)).await? {
        same("status", answer.status, 200)?;
        same("Content-Type", answer.content_type.as_str(), CBOR)?;
        let has_shard = answer
            .body
            .windows(FIRST.len())
            .any(|part| part == FIRST.as_bytes());
        holds("ShardId in the answer", has_shard, &answer.body, FIRST)?;
    }
    same("records", s.all_of(FIRST).await?, ["ab"])
}

fn text(body: &mut Vec<u8>, text: &str) {
    // Up to 255 bytes, which names here are.
    body.extend([0x78, u8::try_from(text.len()).unwrap_or(u8::MAX)]);
    body.extend(text.as_bytes());
}

async fn cbor_refused(s: Subject) -> Result<(), Violation> {
    let mut body = vec![0xa1];
    text(&mut body, "StreamName");
    text(&mut body, "missing");
    let raw = Raw::cbor("DescribeStreamSummary", body);
    let codes = &["ResourceNotFoundException"];
    let answer = refused(&s, "a stream that is not there", raw, codes).await?;
    same("Content-Type", answer.content_type.as_str(), CBOR)
}

async fn deep(s: Subject) -> Result<(), Violation> {
    let nested = format!("{{\"Tags\":{}", "[".repeat(100_000));
    refused(
        &s,
        "100,000 nested lists",
        Raw::json("CreateStream", nested),
        MALFORMED,
    )
    .await?;
    let nested = [vec![0xa1, 0x61, b'a'], vec![0x81; 100_000]].concat();
    refused(
        &s,
        "100,000 nested lists",
        Raw::cbor("CreateStream", nested),
        SERIALIZATION,
    )
    .await?;
    goes_on(&s).await
}

async fn oversized(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let body = format!(
        r#"{{"StreamName":"{}","PartitionKey":"k","Data":"{}"}}"#,
        s.stream,
        "A".repeat(40_000_000)
    );
    match send(&s, Raw::json("PutRecord", body)).await {
        Ok(None) => return Err(Violation::Allowed("a body of 40 MB")),
        Ok(Some(answer)) => {
            let refused = (400..500).contains(&answer.status);
            holds("status", refused, answer.status, "4xx")?;
        }
        // The connection may be cut before all is sent.
        Err(_) => {}
    }
    same("records stored", s.all_of(FIRST).await?.len(), 0)
}

/// Whether a proper request is still answered.
async fn goes_on(s: &Subject) -> Result<(), Violation> {
    let refusal = s.client.list_shards().stream_name("missing").send().await;
    super::violation::refused(
        "a missing stream",
        refusal,
        &[INVALID, &["ResourceNotFoundException"]].concat(),
    )
}
