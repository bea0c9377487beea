//! Why an attempt failed, in our words: what the service or the way to it answered.

use std::fmt;
use std::sync::Arc;

/// One failed attempt: its class, the code by which its origin calls it, and the message that came along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    kind: FailureKind,
    code: Arc<str>,
    message: Arc<str>,
}

impl Failure {
    /// A failure of `kind`.
    pub(crate) fn new(kind: FailureKind, code: impl Into<Arc<str>>, message: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
        }
    }

    /// What the service's error code means.
    pub(crate) fn of_code(code: &str, message: impl Into<Arc<str>>) -> Self {
        Self::new(FailureKind::of_code(code), code, message)
    }

    /// The class, on which decisions rest.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The service's error code, or a word of ours where no service answered.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message that came along; may be empty.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the same attempt may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            f.write_str(&self.code)
        } else {
            write!(f, "{}: {}", self.code, self.message)
        }
    }
}

impl std::error::Error for Failure {}

/// Classes of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// A quota was used up: the shard's, the stream's, the key's.
    Throttled,
    /// The service failed inside, or the stream is being created. A write may have happened.
    Unavailable,
    /// No answer in time. A write may have happened.
    Timeout,
    /// No connection: refused, reset, name not found. A write may have happened.
    Connection,
    /// There is no such stream.
    StreamNotFound,
    /// The credentials do not permit it.
    AccessDenied,
    /// There are no credentials, or the service does not know or trust them.
    Credentials,
    /// The request is invalid: a setting or a record that the service will never take.
    Invalid,
    /// The stream's encryption key is disabled, missing or forbidden.
    Encryption,
    /// An aggregate landed on a shard which does not cover all of its members.
    WrongShard,
    /// The answer itself makes no sense: wrong entry count, shards that leave holes.
    BadAnswer,
    /// A code which this version does not know.
    Other,
}

impl FailureKind {
    /// Whether the same attempt may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        !matches!(
            self,
            Self::StreamNotFound | Self::AccessDenied | Self::Credentials | Self::Invalid | Self::Encryption
        )
    }

    /// Whether the attempt may have stored the record although it failed: trying again may store it twice.
    #[must_use]
    pub fn may_have_been_stored(self) -> bool {
        matches!(
            self,
            Self::Unavailable
                | Self::Timeout
                | Self::Connection
                | Self::WrongShard
                | Self::BadAnswer
                | Self::Other
        )
    }

    /// The class of a code of the Kinesis API. Source: AWS API reference, PutRecords, ListShards, common errors.
    fn of_code(code: &str) -> Self {
        match code {
            "ProvisionedThroughputExceededException"
            | "LimitExceededException"
            | "KMSThrottlingException"
            | "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "SlowDown" => Self::Throttled,
            "InternalFailure"
            | "InternalFailureException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "ResourceInUseException"
            | "ExpiredNextTokenException" => Self::Unavailable,
            "RequestTimeout" | "RequestTimeoutException" => Self::Timeout,
            "ResourceNotFoundException" => Self::StreamNotFound,
            "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "OptInRequired" => {
                Self::AccessDenied
            }
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException" => Self::Credentials,
            "ValidationException"
            | "ValidationError"
            | "InvalidArgumentException"
            | "InvalidAction"
            | "UnknownOperationException"
            | "SerializationException" => Self::Invalid,
            "KMSAccessDeniedException"
            | "KMSDisabledException"
            | "KMSInvalidStateException"
            | "KMSNotFoundException"
            | "KMSOptInRequired" => Self::Encryption,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_classes() {
        use FailureKind as K;
        let cases = [
            (
                "ProvisionedThroughputExceededException",
                K::Throttled,
                true,
                false,
            ),
            ("KMSThrottlingException", K::Throttled, true, false),
            ("LimitExceededException", K::Throttled, true, false),
            ("InternalFailure", K::Unavailable, true, true),
            ("ResourceInUseException", K::Unavailable, true, true),
            ("RequestTimeout", K::Timeout, true, true),
            ("ResourceNotFoundException", K::StreamNotFound, false, false),
            ("AccessDeniedException", K::AccessDenied, false, false),
            ("InvalidSignatureException", K::Credentials, false, false),
            ("UnrecognizedClientException", K::Credentials, false, false),
            ("ValidationException", K::Invalid, false, false),
            ("InvalidArgumentException", K::Invalid, false, false),
            ("KMSDisabledException", K::Encryption, false, false),
            ("ExpiredTokenException", K::Other, true, true),
            ("", K::Other, true, true),
        ];
        for (code, kind, retryable, perhaps_stored) in cases {
            let failure = Failure::of_code(code, "why");
            assert_eq!(failure.kind(), kind, "{code}");
            assert_eq!(failure.is_retryable(), retryable, "{code}");
            assert_eq!(failure.kind().may_have_been_stored(), perhaps_stored, "{code}");
        }
    }

    #[test]
    fn text_is_code_and_message() {
        assert_eq!(Failure::of_code("Slow", "down").to_string(), "Slow: down");
        assert_eq!(Failure::of_code("Slow", "").to_string(), "Slow");
    }
}
