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
    /// A quota was used up: the shard's, the stream's, the account's.
    Throttled,
    /// The quota of the stream's encryption key was used up (KMS). Nothing was written.
    KeyThrottled,
    /// The service failed inside. A write may have happened.
    Internal,
    /// The service cannot answer at present, or the stream is being created. A write may have happened.
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
    /// The credentials have expired, or whoever provides them cannot at present: both mostly heal by themselves.
    CredentialsLapsed,
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
    /// All classes.
    pub(crate) const ALL: [Self; 15] = [
        Self::Throttled,
        Self::KeyThrottled,
        Self::Internal,
        Self::Unavailable,
        Self::Timeout,
        Self::Connection,
        Self::StreamNotFound,
        Self::AccessDenied,
        Self::Credentials,
        Self::CredentialsLapsed,
        Self::Invalid,
        Self::Encryption,
        Self::WrongShard,
        Self::BadAnswer,
        Self::Other,
    ];

    /// Whether the same attempt may succeed later without anybody changing something first.
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
            Self::Internal
                | Self::Unavailable
                | Self::Timeout
                | Self::Connection
                | Self::WrongShard
                | Self::BadAnswer
                | Self::Other
        )
    }

    /// Whether the request was refused before any shard saw it: it took nothing from a shard's quota.
    pub(crate) fn spares_the_shard(self) -> bool {
        matches!(
            self,
            Self::KeyThrottled
                | Self::StreamNotFound
                | Self::AccessDenied
                | Self::Credentials
                | Self::CredentialsLapsed
                | Self::Invalid
                | Self::Encryption
        )
    }

    /// The class of a code of the Kinesis API. Source: AWS API reference, PutRecords, ListShards, common errors.
    fn of_code(code: &str) -> Self {
        match code {
            "ProvisionedThroughputExceededException"
            | "LimitExceededException"
            | "ThrottlingException"
            | "ThrottledException"
            | "Throttling"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "PriorRequestNotComplete"
            | "SlowDown" => Self::Throttled,
            "KMSThrottlingException" => Self::KeyThrottled,
            "InternalFailure" | "InternalFailureException" | "InternalServerError" => Self::Internal,
            "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "ResourceInUseException"
            | "ExpiredNextTokenException" => Self::Unavailable,
            "RequestTimeout" | "RequestTimeoutException" => Self::Timeout,
            "ResourceNotFoundException" => Self::StreamNotFound,
            "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "OptInRequired" => {
                Self::AccessDenied
            }
            "ExpiredTokenException"
            | "ExpiredToken"
            | "RequestExpired"
            | "RequestInTheFuture"
            | "RequestTimeTooSkewed" => Self::CredentialsLapsed,
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

/// The causes of an error on one line, each once.
pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text.replace(['\n', '\r'], " ")
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
            ("KMSThrottlingException", K::KeyThrottled, true, false),
            ("LimitExceededException", K::Throttled, true, false),
            ("InternalFailure", K::Internal, true, true),
            ("ServiceUnavailable", K::Unavailable, true, true),
            ("ResourceInUseException", K::Unavailable, true, true),
            ("RequestTimeout", K::Timeout, true, true),
            ("ResourceNotFoundException", K::StreamNotFound, false, false),
            ("AccessDeniedException", K::AccessDenied, false, false),
            ("InvalidSignatureException", K::Credentials, false, false),
            ("UnrecognizedClientException", K::Credentials, false, false),
            ("ValidationException", K::Invalid, false, false),
            ("InvalidArgumentException", K::Invalid, false, false),
            ("KMSDisabledException", K::Encryption, false, false),
            ("ExpiredTokenException", K::CredentialsLapsed, true, false),
            ("SomethingNew", K::Other, true, true),
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
    fn what_took_nothing_from_a_shard_was_not_stored_either() {
        for kind in FailureKind::ALL {
            assert!(
                !(kind.spares_the_shard() && kind.may_have_been_stored()),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn text_is_code_and_message() {
        assert_eq!(Failure::of_code("Slow", "down").to_string(), "Slow: down");
        assert_eq!(Failure::of_code("Slow", "").to_string(), "Slow");
    }
}
