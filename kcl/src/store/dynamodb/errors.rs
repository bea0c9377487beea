//! The SDK's errors in our words. The service's codes are matched here and nowhere else.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::error::{BoxError, StoreError};

/// Which call on which table: the context of every error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) table: &'a str,
}

impl Call<'_> {
    /// An error that only asks to try again later.
    pub(super) fn throttled(self, source: impl Into<BoxError>) -> StoreError {
        StoreError::Throttled {
            operation: self.operation,
            table: self.table.to_owned(),
            source: source.into(),
        }
    }

    /// The SDK's error with its whole chain of causes as the source.
    pub(super) fn failed<E>(self, error: SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let Self { operation, table } = self;
        let table = table.to_owned();
        match verdict(&error) {
            Verdict::TableMissing => StoreError::TableMissing { table },
            Verdict::AccessDenied => StoreError::AccessDenied {
                operation,
                table,
                source: error.into(),
            },
            Verdict::Throttled => StoreError::Throttled {
                operation,
                table,
                source: error.into(),
            },
            Verdict::Unavailable => StoreError::Unavailable {
                operation,
                table,
                source: error.into(),
            },
            Verdict::Refused(code) => StoreError::Refused {
                operation,
                table,
                code,
                source: error.into(),
            },
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    TableMissing,
    AccessDenied,
    Throttled,
    Unavailable,
    Refused(String),
}

fn verdict<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Verdict {
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status();
            by_code(answer.err().code(), status.is_server_error())
        }
        // Our own request could not be made: no region, a bad endpoint URL. It will not get better by itself.
        SdkError::ConstructionFailure(_) => Verdict::Refused("RequestNotBuilt".to_owned()),
        // The connector has a kind for everything that happens on the wire. What has none happened before it, and
        // that is the search for credentials.
        SdkError::DispatchFailure(failure) if failure.is_other() && failure.as_other().is_none() => {
            Verdict::Refused("RequestNotSent".to_owned())
        }
        _ => Verdict::Unavailable,
    }
}

fn by_code(code: Option<&str>, server_error: bool) -> Verdict {
    match code {
        Some("ResourceNotFoundException") => Verdict::TableMissing,
        Some(
            "AccessDeniedException"
            | "UnrecognizedClientException"
            | "MissingAuthenticationTokenException"
            | "InvalidSignatureException"
            | "IncompleteSignatureException"
            | "ExpiredTokenException",
        ) => Verdict::AccessDenied,
        Some(
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "Throttling"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            // Too many control-plane operations at once.
            | "LimitExceededException"
            // Two regions of a global table wrote at once; the service asks to try again.
            | "ReplicatedWriteConflictException",
        ) => Verdict::Throttled,
        _ if server_error => Verdict::Unavailable,
        Some(code) => Verdict::Refused(code.to_owned()),
        None => Verdict::Refused("unknown".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_a_caller_can_do() {
        let refused = |code: &str| Verdict::Refused(code.to_owned());
        let cases = [
            (Some("ResourceNotFoundException"), false, Verdict::TableMissing),
            (Some("AccessDeniedException"), false, Verdict::AccessDenied),
            (Some("UnrecognizedClientException"), false, Verdict::AccessDenied),
            (
                Some("ProvisionedThroughputExceededException"),
                false,
                Verdict::Throttled,
            ),
            (Some("ThrottlingException"), false, Verdict::Throttled),
            (Some("RequestLimitExceeded"), false, Verdict::Throttled),
            (Some("InternalServerError"), true, Verdict::Unavailable),
            (None, true, Verdict::Unavailable),
            (Some("ValidationException"), false, refused("ValidationException")),
            (None, false, refused("unknown")),
        ];
        for (code, server_error, expected) in cases {
            assert_eq!(by_code(code, server_error), expected, "{code:?}");
        }
    }
}
