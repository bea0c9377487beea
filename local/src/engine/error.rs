//! The service's refusals: code, HTTP status and message as a client sees them.

use std::borrow::Cow;
use std::fmt;

/// One refusal of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceError {
    code: Cow<'static, str>,
    status: u16,
    message: Option<String>,
}

impl ServiceError {
    /// Any code at all, for faults that a test scripts.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, status: u16, message: Option<String>) -> Self {
        Self {
            code: code.into(),
            status,
            message,
        }
    }

    /// The code, as in `__type` and in `ErrorCode` of a PutRecords entry.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The message, if the service gives one.
    pub(crate) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    fn client(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, 400, Some(message.into()))
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::client(INVALID_ARGUMENT, message)
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::client(VALIDATION, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::client(RESOURCE_NOT_FOUND, message)
    }

    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self::client(RESOURCE_IN_USE, message)
    }

    pub(crate) fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::client(LIMIT_EXCEEDED, message)
    }

    pub(crate) fn throughput_exceeded(message: impl Into<String>) -> Self {
        Self::client(THROUGHPUT_EXCEEDED, message)
    }

    pub(crate) fn expired_iterator(message: impl Into<String>) -> Self {
        Self::client(EXPIRED_ITERATOR, message)
    }

    pub(crate) fn expired_next_token(message: impl Into<String>) -> Self {
        Self::client(EXPIRED_NEXT_TOKEN, message)
    }

    /// What a call with `DryRun` is answered with once every check has passed.
    pub(crate) fn dry_run() -> Self {
        Self::client(
            DRY_RUN_OPERATION,
            "Request would have succeeded, but the DryRun parameter was set.",
        )
    }

    /// 500 `InternalFailure`: the write may have happened.
    pub(crate) fn internal_failure() -> Self {
        Self::new(INTERNAL_FAILURE, 500, Some("Internal Service Failure".to_owned()))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ServiceError {}

pub(crate) const DRY_RUN_OPERATION: &str = "DryRunOperationException";
pub(crate) const EXPIRED_ITERATOR: &str = "ExpiredIteratorException";
pub(crate) const EXPIRED_NEXT_TOKEN: &str = "ExpiredNextTokenException";
pub(crate) const INTERNAL_FAILURE: &str = "InternalFailure";
pub(crate) const INVALID_ARGUMENT: &str = "InvalidArgumentException";
pub(crate) const LIMIT_EXCEEDED: &str = "LimitExceededException";
pub(crate) const RESOURCE_IN_USE: &str = "ResourceInUseException";
pub(crate) const RESOURCE_NOT_FOUND: &str = "ResourceNotFoundException";
pub(crate) const THROUGHPUT_EXCEEDED: &str = "ProvisionedThroughputExceededException";
pub(crate) const VALIDATION: &str = "ValidationException";
