mod fuzzed;
mod golden;
mod malformed;
mod sdk;
mod transcoded;

use bytes::Bytes;

use super::*;

pub(super) use self::golden::request_of;

fn target(operation: Operation) -> String {
    format!("Kinesis_20131202.{}", operation.as_str())
}

fn decode_as(operation: Operation, format: Format, body: impl Into<Bytes>) -> Result<Request, Refusal> {
    let decoded = decode(
        Some(&target(operation)),
        Some(format.content_type()),
        &body.into(),
    );
    let (found, answer_in, request) = decoded?;
    assert_eq!(
        (found, answer_in, request.operation()),
        (operation, format, operation)
    );
    Ok(request)
}
