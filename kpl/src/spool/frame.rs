//! The bytes of a segment: records in frames, each with its length and its checksum.
//!
//! ```text
//! segment   "kplspool" 1    frame frame frame ...
//! frame     length u32   checksum u32   payload               little-endian; CRC-32 of the payload
//! payload   flags u8, then, each with its length as u16: stream, [stream id], key, [hash key], reason; then the data
//! ```
//!
//! Whatever the bytes are, reading them ends, and tells what was not readable.

use bytes::Bytes;
use kinesis_aggregation::HashKey;

use crate::error::DeliveryError;
use crate::record::Record;
use crate::stream::StreamName;

/// A record as it is kept in a spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpooledRecord {
    stream: StreamName,
    record: Record,
    reason: String,
}

impl SpooledRecord {
    pub(super) fn new(record: &Record, error: &DeliveryError) -> Self {
        let mut reason = error.kind().to_string();
        let end = (0..=MAX_REASON.min(reason.len()))
            .rev()
            .find(|end| reason.is_char_boundary(*end));
        reason.truncate(end.unwrap_or(0));
        Self {
            stream: error.stream().clone(),
            record: record.clone(),
            reason,
        }
    }

    /// The stream it was put to.
    #[must_use]
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Why it was not delivered.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) records: Vec<SpooledRecord>,
    /// Frames whose bytes are all there and do not make sense.
    pub(super) damaged: usize,
    /// Bytes at the end that are no whole frame: a write that was cut short.
    pub(super) torn_bytes: usize,
}

/// What each segment begins with.
pub(super) const HEADER: &[u8; 9] = b"kplspool\x01";

/// Appends a frame.
pub(super) fn write(record: &SpooledRecord, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER]);
    let stream = record.stream.to_string();
    let stream_id = record.stream.stream_id();
    let hash_key = record.record.explicit_hash_key();
    let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
    out.push(flag(stream_id.is_some(), STREAM_ID) | flag(hash_key.is_some(), HASH_KEY));
    field(stream.as_bytes(), out);
    if let Some(stream_id) = stream_id {
        field(stream_id.as_bytes(), out);
    }
    field(record.record.partition_key().as_bytes(), out);
    if let Some(hash_key) = hash_key {
        field(&hash_key.get().to_le_bytes(), out);
    }
    field(record.reason.as_bytes(), out);
    out.extend_from_slice(record.record.data());
    let payload = start + FRAME_HEADER;
    let length = u32::try_from(out.len() - payload).expect("invariant: a record has at most 10 MiB");
    let checksum = crc32(&out[payload..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..payload].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads a segment as far as it makes sense.
pub(super) fn read(segment: &Bytes) -> Content {
    let mut content = Content::default();
    let Some(mut rest) = segment
        .strip_prefix(HEADER.as_slice())
        .map(|rest| segment.slice_ref(rest))
    else {
        content.torn_bytes = segment.len();
        return content;
    };
    while !rest.is_empty() {
        let Some((checksum, payload)) = next_frame(&rest) else {
            content.torn_bytes = rest.len();
            return content;
        };
        rest = rest.slice(FRAME_HEADER + payload.len()..);
        match (crc32(&payload) == checksum).then(|| parse(&payload)).flatten() {
            Some(record) => content.records.push(record),
            // The last frame with its length written and its bytes not yet: cut short as well.
            None if rest.is_empty() => content.torn_bytes = FRAME_HEADER + payload.len(),
            None => content.damaged += 1,
        }
    }
    content
}

fn next_frame(rest: &Bytes) -> Option<(u32, Bytes)> {
    let length = u32::from_le_bytes(*rest.first_chunk()?) as usize;
    let checksum = u32::from_le_bytes(*rest.get(4..)?.first_chunk()?);
    let end = FRAME_HEADER.checked_add(length)?;
    (length > 0 && end <= rest.len()).then(|| (checksum, rest.slice(FRAME_HEADER..end)))
}

fn parse(payload: &Bytes) -> Option<SpooledRecord> {
    let mut rest: &[u8] = payload;
    let flags = *rest.split_off_first()?;
    let stream = text(take(&mut rest)?)?;
    let mut stream = StreamName::parse(stream).ok()?;
    if flags & STREAM_ID != 0 {
        stream = stream.with_stream_id(text(take(&mut rest)?)?).ok()?;
    }
    let key = text(take(&mut rest)?)?;
    let hash_key = if flags & HASH_KEY != 0 {
        Some(u128::from_le_bytes(take(&mut rest)?.try_into().ok()?))
    } else {
        None
    };
    let reason = text(take(&mut rest)?)?.to_owned();
    let mut record = Record::new(key, payload.slice_ref(rest)).ok()?;
    if let Some(hash_key) = hash_key {
        record = record.with_explicit_hash_key(HashKey::new(hash_key));
    }
    Some(SpooledRecord {
        stream,
        record,
        reason,
    })
}

fn field(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u16::try_from(bytes.len()).expect("invariant: names, keys and reasons are short");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_le_bytes(*rest.first_chunk()?) as usize;
    *rest = &rest[2..];
    rest.split_off(..length)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// CRC-32 as in zip and Ethernet: polynomial 0x04C11DB7, reflected.
fn crc32(bytes: &[u8]) -> u32 {
    let update = |crc: u32, byte: &u8| CRC_TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    !bytes.iter().fold(!0, update)
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut n: u32 = 0;
    while n < 256 {
        let mut crc = n;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                0xedb8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[n as usize] = crc;
        n += 1;
    }
    table
};

const FRAME_HEADER: usize = 8;
const STREAM_ID: u8 = 1;
const HASH_KEY: u8 = 2;
/// Bytes of a reason that are kept.
const MAX_REASON: usize = 1_024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    fn record() -> impl Strategy<Value = SpooledRecord> {
        let stream = prop_oneof![
            Just("orders".to_owned()),
            Just("arn:aws:kinesis:eu-west-1:123456789012:stream/orders".to_owned()),
        ];
        let key = "[a-zA-Zé😀]{1,30}";
        let data = prop::collection::vec(any::<u8>(), 0..300);
        let whole = (
            stream,
            any::<Option<()>>(),
            key,
            data,
            any::<Option<u128>>(),
            ".{0,40}",
        );
        whole.prop_map(|(stream, id, key, data, hash_key, reason)| {
            let mut stream = StreamName::parse(&stream).expect("valid");
            if id.is_some() {
                stream = stream.with_stream_id("some-id").expect("valid");
            }
            let mut record = Record::new(key, data).expect("valid");
            if let Some(hash_key) = hash_key {
                record = record.with_explicit_hash_key(HashKey::new(hash_key));
            }
            SpooledRecord {
                stream,
                record,
                reason,
            }
        })
    }

    fn segment(records: &[SpooledRecord]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = HEADER.to_vec();
        let mut ends = vec![bytes.len()];
        for record in records {
            write(record, &mut bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(records in prop::collection::vec(record(), 0..10)) {
            let (bytes, _) = segment(&records);
            let content = read(&bytes.into());
            prop_assert_eq!(content, Content { records, ..Content::default() });
        }

        /// Cut at every byte: whole records are read, and the cut is noticed.
        #[test]
        fn a_cut_loses_the_torn_tail_alone(records in prop::collection::vec(record(), 1..4)) {
            let (bytes, ends) = segment(&records);
            for cut in HEADER.len()..=bytes.len() {
                let content = read(&Bytes::copy_from_slice(&bytes[..cut]));
                let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
                prop_assert_eq!(&content.records, &records[..whole], "cut at {}", cut);
                prop_assert_eq!(content.torn_bytes, cut - ends[whole]);
                prop_assert_eq!(content.damaged, 0);
            }
        }

        #[test]
        fn a_flipped_bit_costs_one_record_at_most_unless_it_is_a_length(
            records in prop::collection::vec(record(), 2..5),
            which in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let (mut bytes, ends) = segment(&records);
            let hit = which.index(records.len());
            let payload = ends[hit] + FRAME_HEADER..ends[hit + 1];
            bytes[payload.start + at.index(payload.len())] ^= 1 << bit;
            let content = read(&bytes.into());
            let mut expected = records;
            expected.remove(hit);
            prop_assert_eq!(content.records, expected);
            prop_assert_eq!(content.damaged + usize::from(content.torn_bytes > 0), 1);
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let all = [HEADER.to_vec(), bytes].concat();
            let content = read(&all.into());
            prop_assert!(content.records.len() <= 50);
        }
    }

    #[test]
    fn a_segment_of_another_kind_is_not_read() {
        let content = read(&Bytes::from_static(b"something else"));
        assert_eq!((content.records.len(), content.torn_bytes), (0, 14));
        assert_eq!(read(&Bytes::new()), Content::default());
    }
}
