//! How a refusal looks on the wire.

use bytes::Bytes;

use super::Format;
use super::writer::Writer;
use crate::engine::error::ServiceError;

/// HTTP status, body and the value of `x-amzn-errortype`.
pub(crate) fn encode_error(error: &ServiceError, format: Format) -> (u16, Bytes, &str) {
    let mut writer = Writer::with_capacity(format, ERROR_BYTES);
    writer.text("__type", error.code());
    // The service spells the member both ways, and clients have to read both.
    let name = match error.code() {
        SERIALIZATION => "Message",
        _ => "message",
    };
    writer.optional_text(name, error.message());
    (error.status(), writer.finish(), error.code())
}

pub(super) const SERIALIZATION: &str = "SerializationException";

/// What most errors take.
const ERROR_BYTES: usize = 256;
