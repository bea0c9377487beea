//! The SDK's errors, into our words.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

use crate::failure::{Failure, FailureKind, in_one_line};

/// A call that ends within `limit`, whatever the HTTP client does.
pub(super) async fn within<O, E, R>(
    limit: Duration,
    call: impl Future<Output = Result<O, SdkError<E, R>>>,
) -> Result<O, Failure>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    R: fmt::Debug + HasStatus + Send + Sync + 'static,
{
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| failure(&error)),
        Err(_) => Err(Failure::new(
            FailureKind::Timeout,
            "Timeout",
            format!("no answer within {limit:?}"),
        )),
    }
}

/// The status of an HTTP response, where a service's error has no code that we know.
pub(super) trait HasStatus {
    fn status(&self) -> u16;
}

impl HasStatus for aws_sdk_kinesis::config::http::HttpResponse {
    fn status(&self) -> u16 {
        self.status().as_u16()
    }
}

fn failure<E, R>(error: &SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + StdError + 'static,
    R: fmt::Debug + HasStatus,
{
    match error {
        SdkError::ServiceError(context) => {
            let answer = context.err();
            let message = answer.message().unwrap_or_default();
            match answer.code() {
                Some(code) => {
                    let known = Failure::of_code(code, message);
                    if known.kind() == FailureKind::Other && context.raw().status() >= 500 {
                        return Failure::new(FailureKind::Unavailable, code, message);
                    }
                    known
                }
                None => of_status(context.raw().status(), message),
            }
        }
        SdkError::ResponseError(context) => of_status(context.raw().status(), &in_one_line(error)),
        SdkError::TimeoutError(_) => Failure::new(FailureKind::Timeout, "Timeout", in_one_line(error)),
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => {
            Failure::new(FailureKind::Timeout, "Timeout", in_one_line(error))
        }
        SdkError::DispatchFailure(dispatch) if dispatch.is_io() => {
            Failure::new(FailureKind::Connection, "Connection", in_one_line(error))
        }
        // Before anything is sent, the SDK resolves credentials and endpoint. Both fail in ways it does not type.
        other => {
            let text = in_one_line(other);
            let lower = text.to_lowercase();
            if lower.contains("timed out") {
                // A provider that was slow this time is no reason to give up records.
                Failure::new(FailureKind::Timeout, "Timeout", text)
            } else if lower.contains("an error occurred while loading credentials") {
                // A provider that is there and failed, as against none.
                Failure::new(FailureKind::CredentialsLapsed, "Credentials", text)
            } else if lower.contains("credential") || lower.contains("identity") {
                Failure::new(FailureKind::Credentials, "Credentials", text)
            } else if matches!(other, SdkError::DispatchFailure(_)) {
                Failure::new(FailureKind::Connection, "Connection", text)
            } else {
                Failure::new(FailureKind::Invalid, "Request", text)
            }
        }
    }
}

/// An answer that is not the service's: a proxy's, or that of something else behind the endpoint.
fn of_status(status: u16, message: &str) -> Failure {
    let kind = match status {
        429 => FailureKind::Throttled,
        401 | 403 => FailureKind::AccessDenied,
        400..=499 => FailureKind::Invalid,
        500..=599 => FailureKind::Unavailable,
        _ => FailureKind::BadAnswer,
    };
    Failure::new(kind, format!("Http{status}"), message)
}

pub(super) fn unbuildable(error: &dyn StdError) -> Failure {
    Failure::new(FailureKind::Invalid, "Request", in_one_line(error))
}

pub(super) fn bad_answer(error: &dyn StdError) -> Failure {
    Failure::new(FailureKind::BadAnswer, "BadAnswer", error.to_string())
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::config::http::HttpResponse;
    use aws_sdk_kinesis::operation::put_records::PutRecordsError;

    use super::*;

    /// What the SDK says before anything is sent, in the words of its credentials error.
    #[test]
    fn a_provider_that_failed_is_not_a_provider_that_is_not_there() {
        let cases = [
            (
                "an error occurred while loading credentials: service unavailable",
                FailureKind::CredentialsLapsed,
            ),
            (
                "the credential provider was not enabled",
                FailureKind::Credentials,
            ),
            ("credentials provider timed out after 5s", FailureKind::Timeout),
        ];
        for (text, kind) in cases {
            let error: SdkError<PutRecordsError, HttpResponse> = SdkError::construction_failure(text);
            assert_eq!(failure(&error).kind(), kind, "{text}");
        }
    }
}
