//! The way in for the fuzz target, which is a crate of its own.

use bytes::Bytes;

use super::{Format, Operation, decode, encode_error, facts};
use crate::engine::error::ServiceError;

/// Decodes a body as every operation, in both formats.
pub fn decode_everything(body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    for operation in Operation::ALL {
        let target = format!("Kinesis_20131202.{}", operation.as_str());
        for format in [Format::Json, Format::Cbor] {
            match decode(Some(&target), Some(format.content_type()), &body) {
                Ok((_, _, request)) => drop(request),
                Err(refusal) => drop(refusal.encode()),
            }
        }
    }
}

/// Decodes whatever the head says.
pub fn decode_headed(target: Option<&str>, content_type: Option<&str>, body: &[u8]) {
    match decode(target, content_type, &Bytes::copy_from_slice(body)) {
        Ok((_, format, request)) => {
            let message = facts(&request).stream.map(str::to_owned);
            drop(encode_error(&ServiceError::new("Any", 400, message), format));
        }
        Err(refusal) => drop(refusal.encode()),
    }
}
