//! The frames of SubscribeToShard: `application/vnd.amazon.eventstream`.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;

use super::writer::Writer;
use super::{Format, get};
use crate::engine::api::SubscriptionEvent;
use crate::engine::error::{INTERNAL_FAILURE, ServiceError};

/// The value of `Content-Type` of the answer that carries the frames.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The first frame, which says that the subscription stands.
pub(crate) fn initial_response(format: Format) -> Bytes {
    let payload = Writer::with_capacity(format, 8).finish_structure();
    frame(format, "event", ":event-type", "initial-response", payload)
}

/// One `SubscribeToShardEvent`.
pub(crate) fn event(event: &SubscriptionEvent, format: Format) -> Bytes {
    let mut writer = Writer::with_capacity(format, get::expected_bytes(&event.records, format));
    get::subscription_event(event, &mut writer);
    frame(
        format,
        "event",
        ":event-type",
        "SubscribeToShardEvent",
        writer.finish(),
    )
}

/// The frame that ends a subscription which failed.
pub(crate) fn exception(error: &ServiceError, format: Format) -> Bytes {
    let mut writer = Writer::with_capacity(format, 256);
    writer.optional_text("message", error.message());
    // In events the service's model knows this one under its longer name only.
    let code = match error.code() {
        INTERNAL_FAILURE => "InternalFailureException",
        code => code,
    };
    frame(
        format,
        "exception",
        ":exception-type",
        code,
        writer.finish_structure(),
    )
}

fn frame(format: Format, message: &'static str, kind: &'static str, name: &str, payload: Bytes) -> Bytes {
    let payload_bytes = payload.len();
    let message = Message::new(payload)
        .add_header(text(":message-type", message))
        .add_header(text(kind, name.to_owned()))
        .add_header(text(":content-type", format.content_type()));
    let mut frame = Vec::with_capacity(payload_bytes + HEAD_BYTES);
    match write_message_to(&message, &mut frame) {
        Ok(()) => Bytes::from(frame),
        // Only a payload of gigabytes or an error code of kilobytes does not fit. The stream then just ends.
        Err(_) => Bytes::new(),
    }
}

fn text(name: &'static str, value: impl Into<aws_smithy_types::str_bytes::StrBytes>) -> Header {
    Header::new(name, HeaderValue::String(value.into()))
}

/// Prelude, headers and checksums of a frame, at most.
const HEAD_BYTES: usize = 256;
