//! Writes members of either format.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

use bytes::Bytes;

use super::{Format, cbor};

/// Writes one structure, member after member, into one buffer.
pub(super) struct Writer {
    out: Vec<u8>,
    format: Format,
    /// No comma is due.
    first: bool,
    /// A member has been written.
    any: bool,
    scratch: String,
}

impl Writer {
    /// A writer whose buffer has room for so many bytes.
    pub(super) fn with_capacity(format: Format, bytes: usize) -> Self {
        let mut writer = Self {
            out: Vec::with_capacity(bytes),
            format,
            first: true,
            any: false,
            scratch: String::new(),
        };
        writer.open(b'{', cbor::OPEN_MAP);
        writer
    }

    /// The document, or nothing if it has no members: so the service answers where it has nothing to say.
    pub(super) fn finish(self) -> Bytes {
        match self.any {
            true => self.finish_structure(),
            false => Bytes::new(),
        }
    }

    /// The document, be it empty.
    pub(super) fn finish_structure(mut self) -> Bytes {
        self.close(b'}');
        Bytes::from(self.out)
    }

    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        self.push_text(value);
    }

    pub(super) fn optional_text(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A number or an identifier, as text.
    pub(super) fn shown(&mut self, name: &'static str, value: impl Display) {
        self.name(name);
        self.push_shown(value);
    }

    pub(super) fn texts(&mut self, name: &'static str, values: impl IntoIterator<Item = impl Display>) {
        self.elements(name, values, Self::push_shown);
    }

    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        match self.format {
            Format::Json => self.push_digits(value),
            Format::Cbor => cbor::push_head(&mut self.out, cbor::UNSIGNED, value),
        }
    }

    /// A count of things that fit into memory.
    pub(super) fn count(&mut self, name: &'static str, value: usize) {
        self.number(name, u64::try_from(value).unwrap_or(u64::MAX));
    }

    pub(super) fn flag(&mut self, name: &'static str, value: bool) {
        self.name(name);
        match (self.format, value) {
            (Format::Json, true) => self.out.extend_from_slice(b"true"),
            (Format::Json, false) => self.out.extend_from_slice(b"false"),
            (Format::Cbor, true) => self.out.push(cbor::TRUE),
            (Format::Cbor, false) => self.out.push(cbor::FALSE),
        }
    }

    /// A time in milliseconds since the Unix epoch: seconds with a fraction in JSON, milliseconds in CBOR.
    pub(super) fn time(&mut self, name: &'static str, millis: u64) {
        self.name(name);
        match self.format {
            Format::Json => {
                self.push_digits(millis / 1000);
                let fraction = millis % 1000;
                if fraction > 0 {
                    let digit = |place: u64| b'0' + u8::try_from(fraction / place % 10).unwrap_or(0);
                    self.out
                        .extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
                }
            }
            Format::Cbor => {
                cbor::push_head(&mut self.out, cbor::TAG, cbor::TIME);
                cbor::push_head(&mut self.out, cbor::UNSIGNED, millis);
            }
        }
    }

    pub(super) fn optional_time(&mut self, name: &'static str, millis: Option<u64>) {
        if let Some(millis) = millis {
            self.time(name, millis);
        }
    }

    pub(super) fn blob(&mut self, name: &'static str, value: &[u8]) {
        self.name(name);
        match self.format {
            Format::Json => {
                self.out.reserve(value.len().div_ceil(3) * 4 + 2);
                self.out.push(b'"');
                base64_simd::STANDARD.encode_append(value, &mut self.out);
                self.out.push(b'"');
            }
            Format::Cbor => {
                cbor::push_head(&mut self.out, cbor::BYTES, value.len() as u64);
                self.out.extend_from_slice(value);
            }
        }
    }

    pub(super) fn structure(&mut self, name: &'static str, members: impl FnOnce(&mut Self)) {
        self.name(name);
        self.push_structure(members);
    }

    pub(super) fn structures<T>(
        &mut self,
        name: &'static str,
        values: impl IntoIterator<Item = T>,
        mut members: impl FnMut(&mut Self, T),
    ) {
        self.elements(name, values, |writer, value| {
            writer.push_structure(|writer| members(writer, value));
        });
    }

    fn elements<T>(
        &mut self,
        name: &'static str,
        values: impl IntoIterator<Item = T>,
        mut push: impl FnMut(&mut Self, T),
    ) {
        self.name(name);
        self.open(b'[', cbor::OPEN_LIST);
        for value in values {
            self.comma();
            push(self, value);
        }
        self.close(b']');
    }

    fn push_structure(&mut self, members: impl FnOnce(&mut Self)) {
        self.open(b'{', cbor::OPEN_MAP);
        members(self);
        self.close(b'}');
    }

    /// A member's name. Names need no escapes.
    fn name(&mut self, name: &'static str) {
        self.any = true;
        self.comma();
        match self.format {
            Format::Json => {
                self.out.push(b'"');
                self.out.extend_from_slice(name.as_bytes());
                self.out.extend_from_slice(b"\":");
            }
            Format::Cbor => self.push_text(name),
        }
    }

    fn comma(&mut self) {
        if self.format == Format::Json && !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    fn open(&mut self, json: u8, cbor: u8) {
        self.first = true;
        self.out.push(match self.format {
            Format::Json => json,
            Format::Cbor => cbor,
        });
    }

    fn close(&mut self, json: u8) {
        self.first = false;
        self.out.push(match self.format {
            Format::Json => json,
            Format::Cbor => cbor::BREAK,
        });
    }

    fn push_shown(&mut self, value: impl Display) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        // A String takes everything.
        let _ = write!(scratch, "{value}");
        self.push_text(&scratch);
        self.scratch = scratch;
    }

    fn push_digits(&mut self, value: u64) {
        // A Vec takes everything.
        let _ = write!(self.out, "{value}");
    }

    fn push_text(&mut self, text: &str) {
        match self.format {
            Format::Json => push_json(&mut self.out, text),
            Format::Cbor => {
                cbor::push_head(&mut self.out, cbor::TEXT, text.len() as u64);
                self.out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

fn push_json(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if text.bytes().any(needs_escape) {
        for byte in text.bytes() {
            push_escaped(out, byte);
        }
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ if needs_escape(byte) => {
            let _ = write!(out, "\\u{byte:04x}");
            return;
        }
        _ => return out.push(byte),
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn needs_escape(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}
