//! Requests that no SDK would send: a real call, its body and head replaced before it is signed.

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::body::SdkBody;

use super::violation::holds;
use super::{Subject, Violation};

pub(super) const JSON: &str = "application/x-amz-json-1.1";
pub(super) const CBOR: &str = "application/x-amz-cbor-1.1";

/// What is sent instead.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) operation: &'static str,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) error_type: String,
    pub(super) body: Vec<u8>,
}

impl Raw {
    pub(super) fn json(operation: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            operation,
            content_type: JSON,
            body: body.into(),
        }
    }

    pub(super) fn cbor(operation: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            content_type: CBOR,
            ..Self::json(operation, body)
        }
    }
}

/// Sends it. Only what was refused, or cannot be read as the answer to `DescribeLimits`, has an answer to look at.
pub(super) async fn send(s: &Subject, raw: Raw) -> Result<Option<Answer>, Violation> {
    let call = s
        .client
        .describe_limits()
        .customize()
        .mutate_request(move |request| {
            let headers = request.headers_mut();
            headers.insert("x-amz-target", format!("Kinesis_20131202.{}", raw.operation));
            headers.insert("content-type", raw.content_type);
            headers.insert("content-length", raw.body.len().to_string());
            *request.body_mut() = SdkBody::from(raw.body.clone());
        });
    let Err(error) = call.send().await else {
        return Ok(None);
    };
    let Some(response) = error.raw_response() else {
        return Err(unanswered(&error));
    };
    let header = |name| response.headers().get(name).unwrap_or_default().to_owned();
    Ok(Some(Answer {
        status: response.status().as_u16(),
        content_type: header("content-type"),
        error_type: header("x-amzn-errortype"),
        body: response.body().bytes().unwrap_or_default().to_vec(),
    }))
}

fn unanswered<E: ProvideErrorMetadata, R: std::fmt::Debug>(error: &SdkError<E, R>) -> Violation {
    Violation::Refused {
        code: super::violation::code_of(error),
        message: "no answer at all".to_owned(),
    }
}

/// It must be refused with status 400 and one of these codes, in the head or in the body.
pub(super) async fn refused(
    s: &Subject,
    what: &'static str,
    raw: Raw,
    codes: &[&str],
) -> Result<Answer, Violation> {
    let answer = send(s, raw).await?.ok_or(Violation::Allowed(what))?;
    let body = String::from_utf8_lossy(&answer.body);
    let named = |code: &&&str| answer.error_type.contains(**code) || body.contains(**code);
    let found = format!("{} {} {body}", answer.status, answer.error_type);
    let expected = format!("400 {}", codes.join(" or "));
    let as_expected = answer.status == 400 && codes.iter().find(named).is_some();
    holds(what, as_expected, found, &expected)?;
    Ok(answer)
}
