//! Why a call to Kinesis failed, in our words. The only place that reads the service's error codes.

use std::error::Error as StdError;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

use crate::error::BoxError;
use crate::shard::progress::{Nature, Trouble};

/// One failed call.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {code}")]
pub(crate) struct Failure {
    pub(crate) operation: &'static str,
    pub(crate) kind: Kind,
    /// The service's error code, or a word of ours where no service answered.
    pub(crate) code: String,
    #[source]
    pub(crate) source: BoxError,
}

/// Classes of failures, by what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Too many calls, or too many bytes.
    Throttled,
    /// No answer, or a failure inside the service.
    Unavailable,
    /// No such stream or shard.
    NotFound,
    /// It is being made or changed, or somebody else has it.
    InUse,
    /// The iterator is older than five minutes.
    IteratorExpired,
    /// The listing has to begin again.
    TokenExpired,
    /// There is another stream of that name now.
    Recreated,
    /// A place that the service does not know, or another mistake of ours.
    InvalidArgument,
    AccessDenied,
    Credentials,
    /// Anything else: a key that cannot be used, a mode that does not fit.
    Refused,
}

impl Kind {
    /// Whether waiting may help.
    pub(crate) fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::Unavailable | Self::InUse | Self::TokenExpired | Self::IteratorExpired
        )
    }

    /// Whether it takes somebody to change a right, a credential or a setting.
    pub(crate) fn is_denied(self) -> bool {
        matches!(self, Self::AccessDenied | Self::Credentials | Self::Refused)
    }

    /// Source: AWS API reference, errors of GetRecords, GetShardIterator, SubscribeToShard and ListShards, and common errors.
    fn of_code(code: &str, status: u16) -> Self {
        match code {
            "ProvisionedThroughputExceededException"
            | "LimitExceededException"
            | "KMSThrottlingException"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "SlowDown" => Self::Throttled,
            "ExpiredIteratorException" => Self::IteratorExpired,
            "ExpiredNextTokenException" => Self::TokenExpired,
            "ResourceNotFoundException" => Self::NotFound,
            "InvalidArgumentException" | "ValidationException" => Self::InvalidArgument,
            "ResourceInUseException" => Self::InUse,
            "InternalFailure"
            | "InternalFailureException"
            | "InternalServerError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "RequestTimeout"
            | "RequestTimeoutException" => Self::Unavailable,
            "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "OptInRequired" => {
                Self::AccessDenied
            }
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "MissingAuthenticationTokenException"
            | "MissingAuthenticationToken"
            | "IncompleteSignature"
            | "ExpiredTokenException"
            | "ExpiredToken" => Self::Credentials,
            _ => match status {
                429 => Self::Throttled,
                401 | 403 => Self::AccessDenied,
                500..=599 => Self::Unavailable,
                _ => Self::Refused,
            },
        }
    }
}

impl Failure {
    /// What it says of the reading of a shard.
    pub(crate) fn trouble(&self) -> Trouble {
        Trouble {
            operation: self.operation,
            code: self.code.clone(),
            nature: match self.kind {
                Kind::Throttled => Nature::Throttled,
                kind if kind.is_denied() => Nature::Denied,
                _ => Nature::Passing,
            },
        }
    }

    pub(crate) fn of_sdk<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let (kind, code) = match &error {
            SdkError::ServiceError(context) => {
                let status = context.raw().status().as_u16();
                let code = context.err().code().unwrap_or_default();
                let word = if code.is_empty() {
                    format!("Http{status}")
                } else {
                    code.to_owned()
                };
                (Kind::of_code(code, status), word)
            }
            SdkError::ResponseError(context) => {
                let status = context.raw().status().as_u16();
                (
                    Kind::of_code("", status).if_refused(Kind::Unavailable),
                    format!("Http{status}"),
                )
            }
            SdkError::TimeoutError(_) => (Kind::Unavailable, "Timeout".to_owned()),
            SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => {
                (Kind::Unavailable, "Timeout".to_owned())
            }
            SdkError::DispatchFailure(dispatch) if dispatch.is_io() => {
                (Kind::Unavailable, "Connection".to_owned())
            }
            // Before anything is sent the SDK resolves credentials and endpoint. Both fail in ways that it does not type.
            other => {
                let text = crate::process::keeper::chain(other).to_lowercase();
                if text.contains("credential") || text.contains("identity") {
                    (Kind::Credentials, "Credentials".to_owned())
                } else if matches!(other, SdkError::DispatchFailure(_)) {
                    (Kind::Unavailable, "Connection".to_owned())
                } else {
                    (Kind::Refused, "Request".to_owned())
                }
            }
        };
        Self {
            operation,
            kind,
            code,
            source: Box::new(error),
        }
    }

    /// A subscription that broke.
    pub(crate) fn of_event<E, R>(operation: &'static str, error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let (kind, code) = match &error {
            SdkError::ServiceError(context) => match context.err().code() {
                Some(code) => (Kind::of_code(code, EVENT_STATUS), code.to_owned()),
                None => (Kind::Unavailable, "Event".to_owned()),
            },
            SdkError::TimeoutError(_) => (Kind::Unavailable, "Timeout".to_owned()),
            _ => (Kind::Unavailable, "Connection".to_owned()),
        };
        Self {
            operation,
            kind,
            code,
            source: Box::new(error),
        }
    }

    /// An answer that cannot be used.
    pub(crate) fn bad_answer(operation: &'static str, source: impl Into<BoxError>) -> Self {
        Self {
            operation,
            kind: Kind::Unavailable,
            code: "BadAnswer".to_owned(),
            source: source.into(),
        }
    }
}

impl Kind {
    fn if_refused(self, instead: Self) -> Self {
        if self == Self::Refused { instead } else { self }
    }
}

/// Exceptions in an event stream have no status of their own; those of the service's model are the client's.
const EVENT_STATUS: u16 = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classified_before_the_status() {
        let cases = [
            ("ProvisionedThroughputExceededException", 400, Kind::Throttled),
            ("KMSThrottlingException", 400, Kind::Throttled),
            ("ExpiredIteratorException", 400, Kind::IteratorExpired),
            ("ExpiredNextTokenException", 400, Kind::TokenExpired),
            ("ResourceNotFoundException", 400, Kind::NotFound),
            ("InvalidArgumentException", 400, Kind::InvalidArgument),
            ("AccessDeniedException", 400, Kind::AccessDenied),
            ("UnrecognizedClientException", 400, Kind::Credentials),
            ("KMSDisabledException", 400, Kind::Refused),
            ("SomethingNew", 500, Kind::Unavailable),
            ("", 503, Kind::Unavailable),
            ("", 429, Kind::Throttled),
            ("", 403, Kind::AccessDenied),
            ("", 404, Kind::Refused),
        ];
        for (code, status, kind) in cases {
            assert_eq!(Kind::of_code(code, status), kind, "{code} {status}");
        }
    }
}
