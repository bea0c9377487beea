//! One record as one line of JSON. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kcl::Position;
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    shard_id: &'a str,
    sequence_number: &'a str,
    sub_sequence_number: u64,
    partition_key: Option<&'a str>,
    data: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    base64: bool,
}

/// What a line is made of.
pub(super) struct Written<'a> {
    /// Where there are several.
    pub(super) stream: Option<&'a str>,
    pub(super) shard_id: &'a str,
    pub(super) position: &'a Position,
    pub(super) partition_key: Option<&'a str>,
    pub(super) data: &'a [u8],
}

/// Appends the line of `record`, line end included, to `lines`.
pub(super) fn append(lines: &mut Vec<u8>, record: &Written<'_>) {
    let encoded;
    let (data, base64) = match std::str::from_utf8(record.data) {
        Ok(text) => (text, false),
        Err(_) => {
            encoded = STANDARD.encode(record.data);
            (encoded.as_str(), true)
        }
    };
    let line = Line {
        stream: record.stream,
        shard_id: record.shard_id,
        sequence_number: record.position.sequence_number().as_str(),
        sub_sequence_number: record.position.sub_sequence_number(),
        partition_key: record.partition_key,
        data,
        base64,
    };
    serde_json::to_writer(&mut *lines, &line)
        .expect("invariant: text and numbers are JSON, and memory takes all");
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kcl::{ClientRecord, SequenceNumber};

    use super::*;

    fn line(key: Option<&str>, data: &'static [u8]) -> String {
        let number = SequenceNumber::parse("4967").expect("a number");
        let record = ClientRecord::plain(number, key, Bytes::from_static(data), None);
        let mut lines = Vec::new();
        let written = Written {
            stream: None,
            shard_id: "shardId-000000000001",
            position: record.position(),
            partition_key: record.partition_key(),
            data: record.data(),
        };
        append(&mut lines, &written);
        String::from_utf8(lines).expect("JSON is UTF-8")
    }

    #[test]
    fn text_stays_text_and_bytes_become_base64() {
        let start = r#"{"shard_id":"shardId-000000000001","sequence_number":"4967","sub_sequence_number":0"#;
        let cases: [(Option<&str>, &[u8], &str); 4] = [
            (Some("k"), b"a,\"b\"", r#""partition_key":"k","data":"a,\"b\"""#),
            (
                Some("größe"),
                "é\n".as_bytes(),
                r#""partition_key":"größe","data":"é\n""#,
            ),
            (
                Some("k"),
                b"\xff\x00",
                r#""partition_key":"k","data":"/wA=","base64":true"#,
            ),
            (None, b"", r#""partition_key":null,"data":"""#),
        ];
        for (key, data, rest) in cases {
            assert_eq!(line(key, data), format!("{start},{rest}}}\n"));
        }
    }
}
