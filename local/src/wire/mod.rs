//! The service's wire formats: bytes to requests, replies to bytes. Nothing here waits, listens or reads a clock.
//!
//! ```text
//!  X-Amz-Target ─┐
//!  Content-Type ─┼─> decode ──> Request ──dispatch──> Engine ──> Reply ──encode──> body
//!  body ─────────┘     │                                 │
//!                      └─> Refusal ──encode──> answer    └─> ServiceError ──encode_error──> answer
//!
//!  Reader  one pull reader over two scanners, json and cbor    ┐ each request and reply names
//!  Writer  one writer with two spellings                       ┘ its members once, for both
//! ```
//!
//! Members that are not known are skipped, `null` is the same as absent, and of a member given twice the last
//! counts. A body is read once, from front to back, and what that costs is bounded by its length: nesting is cut
//! at [`DEEPEST`](reader::DEEPEST) levels, a list keeps its first [`MOST_ELEMENTS`](reader::MOST_ELEMENTS), which is
//! more than the engine takes, and no announced length is believed before the bytes are there.

mod cbor;
mod consumers;
mod error;
pub(crate) mod event_stream;
mod facts;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod get;
mod json;
mod monitoring;
mod operations;
mod put;
mod reader;
mod refusal;
mod resources;
mod shards;
mod streams;
mod writer;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub(crate) use self::error::encode_error;
pub(crate) use self::facts::facts;
pub(crate) use self::operations::{Reply, Request, dispatch};
pub(crate) use self::refusal::Refusal;
pub(crate) use crate::engine::Operation;

use self::reader::{Malformed, Reader};
use self::refusal::Envelope;
use self::writer::Writer;

/// What a body is written in. The answer is written in the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// `application/x-amz-json-1.1`: what most SDKs speak.
    Json,
    /// `application/x-amz-cbor-1.1`: what the SDKs for Java speak.
    Cbor,
}

impl Format {
    /// The value of `Content-Type`.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }
}

/// Reads a request: `X-Amz-Target`, `Content-Type` and the body.
///
/// # Errors
/// What the service answers to a request that names no operation or whose body is not one of that operation.
pub(crate) fn decode(
    target: Option<&str>,
    content_type: Option<&str>,
    body: &Bytes,
) -> Result<(Operation, Format, Request), Refusal> {
    let operation = target.and_then(operation);
    let format = match Envelope::of(content_type) {
        Envelope::Service(format) => format,
        // The body is looked at before the operation, as the service does.
        Envelope::PlainJson if well_formed(Format::Json, body) => return Err(Refusal::plain_json_unknown()),
        Envelope::PlainJson => return Err(Refusal::plain_json_malformed()),
        Envelope::Unknown if target.is_some_and(is_complete) => return Err(Refusal::xml_unknown()),
        Envelope::Unknown => return Err(Refusal::xml_unnamed()),
    };
    let Some(operation) = operation else {
        let malformed = !body.is_empty() && !well_formed(format, body);
        return Err(match malformed {
            true => Refusal::malformed(None, format, Malformed::Syntax),
            false => Refusal::unknown_operation(format),
        });
    };
    match Request::read(operation, Reader::new(format, body)) {
        Ok(mut request) => {
            put::unpin(&mut request, body.len());
            Ok((operation, format, request))
        }
        Err(malformed) => Err(Refusal::malformed(Some(operation), format, malformed)),
    }
}

/// The body of an answer. One without members has no bytes at all.
pub(crate) fn encode(reply: &Reply, format: Format) -> Bytes {
    let mut writer = Writer::with_capacity(format, reply.expected_bytes(format));
    reply.write(&mut writer);
    writer.finish()
}

/// The operation that a target names.
fn operation(target: &str) -> Option<Operation> {
    Operation::from_name(target.strip_prefix(TARGET_PREFIX)?)
}

/// Whether a target has a service and an operation, be they known or not.
fn is_complete(target: &str) -> bool {
    target
        .split_once('.')
        .is_some_and(|(service, operation)| !service.is_empty() && !operation.is_empty())
}

fn well_formed(format: Format, body: &Bytes) -> bool {
    Reader::new(format, body).document::<Nothing>().is_ok()
}

/// A request without members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Nothing;

impl reader::Members for Nothing {
    fn member(&mut self, _name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        value.skip()
    }
}

const TARGET_PREFIX: &str = "Kinesis_20131202.";
