//! The protobuf wire format, as far as an aggregate needs it: keys, varints, length-delimited fields, and
//! stepping over everything else.

use alloc::vec::Vec;

/// How a field's value is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint,
    Fixed64,
    LengthDelimited,
    StartGroup,
    EndGroup,
    Fixed32,
}

/// The bytes are not protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidWire;

/// Reads fields from the front of a slice; what it returns borrows from that slice.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Number and layout of the next field, or `None` at the end.
    pub(crate) fn key(&mut self) -> Result<Option<(u32, WireType)>, InvalidWire> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = u32::try_from(self.varint()?).map_err(|_| InvalidWire)?;
        let wire_type = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::LengthDelimited,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            _ => return Err(InvalidWire),
        };
        match key >> 3 {
            0 => Err(InvalidWire),
            number => Ok(Some((number, wire_type))),
        }
    }

    /// A number. On targets where it would not fit a `usize` it counts as invalid: all numbers of this
    /// format are lengths and places in tables.
    pub(crate) fn varint(&mut self) -> Result<usize, InvalidWire> {
        prost::decode_length_delimiter(&mut self.rest).map_err(|_| InvalidWire)
    }

    /// A length and as many bytes.
    pub(crate) fn length_delimited(&mut self) -> Result<&'a [u8], InvalidWire> {
        let len = self.varint()?;
        self.take(len)
    }

    /// Steps over the value of the field whose key was just read.
    pub(crate) fn skip(&mut self, number: u32, wire_type: WireType) -> Result<(), InvalidWire> {
        self.skip_within(number, wire_type, MAX_GROUP_DEPTH)
    }

    fn skip_within(&mut self, number: u32, wire_type: WireType, depth: u32) -> Result<(), InvalidWire> {
        match wire_type {
            WireType::Varint => self.skip_varint(),
            WireType::Fixed64 => self.take(8).map(drop),
            WireType::Fixed32 => self.take(4).map(drop),
            WireType::LengthDelimited => self.length_delimited().map(drop),
            WireType::StartGroup => {
                let depth = depth.checked_sub(1).ok_or(InvalidWire)?;
                loop {
                    match self.key()?.ok_or(InvalidWire)? {
                        (end, WireType::EndGroup) if end == number => return Ok(()),
                        (inner, wire_type) => self.skip_within(inner, wire_type, depth)?,
                    }
                }
            }
            WireType::EndGroup => Err(InvalidWire),
        }
    }

    /// Unlike [`varint`](Self::varint) this takes 64 bits on every target.
    fn skip_varint(&mut self) -> Result<(), InvalidWire> {
        let len = self
            .rest
            .iter()
            .take(MAX_VARINT_LEN)
            .position(|byte| *byte < 0x80)
            .ok_or(InvalidWire)?
            + 1;
        self.take(len).map(drop)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], InvalidWire> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(InvalidWire)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Bytes of a key with a number up to 15, which all fields of this format have.
pub(crate) const KEY_LEN: usize = 1;

/// Bytes of a number as varint.
pub(crate) fn varint_len(number: usize) -> usize {
    prost::length_delimiter_len(number)
}

/// Bytes of a length-delimited field, key and length included.
pub(crate) fn delimited_len(content: usize) -> usize {
    KEY_LEN + varint_len(content) + content
}

/// Writes the key and the number.
pub(crate) fn put_varint_field(number: u32, value: usize, out: &mut Vec<u8>) {
    put_varint(number as usize, WIRE_VARINT, out);
    put_raw_varint(value, out);
}

/// Writes the key and the length; the content is the caller's to append.
pub(crate) fn put_delimiter(number: u32, content: usize, out: &mut Vec<u8>) {
    put_varint(number as usize, WIRE_DELIMITED, out);
    put_raw_varint(content, out);
}

fn put_varint(number: usize, wire_type: usize, out: &mut Vec<u8>) {
    put_raw_varint(number << 3 | wire_type, out);
}

/// Nearly all that are written are of one byte or two.
fn put_raw_varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

const WIRE_VARINT: usize = 0;
const WIRE_DELIMITED: usize = 2;
const MAX_VARINT_LEN: usize = 10;

/// As the protobuf runtimes limit it.
const MAX_GROUP_DEPTH: u32 = 100;
