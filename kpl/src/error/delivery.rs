//! What is to be said of a record that was taken and not delivered.

use super::because;
use crate::failure::{Failure, FailureKind};
use crate::outcome::{Attempt, History};
use crate::record::Record;
use crate::stream::StreamName;

/// Why a record which had been taken was not delivered.
///
/// Tells the stream, the attempts, and hands the record back. A record that failed may still have been stored: see
/// [`may_have_been_stored`](Self::may_have_been_stored).
#[derive(Debug, Clone, thiserror::Error)]
#[error("record for stream {} was not delivered: {}", inner.stream, inner.kind)]
pub struct DeliveryError {
    inner: Box<Inner>,
}

#[derive(Debug, Clone)]
struct Inner {
    stream: StreamName,
    kind: DeliveryErrorKind,
    history: History,
    record: Option<Record>,
}

impl DeliveryError {
    pub(crate) fn new(
        stream: StreamName,
        kind: DeliveryErrorKind,
        history: History,
        record: Option<Record>,
    ) -> Self {
        Self {
            inner: Box::new(Inner {
                stream,
                kind,
                history,
                record,
            }),
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &DeliveryErrorKind {
        &self.inner.kind
    }

    /// The stream the record was put to.
    #[must_use]
    pub fn stream(&self) -> &StreamName {
        &self.inner.stream
    }

    /// The last failure of the service or of the way to it, when there was one.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.inner.kind.failure()
    }

    /// How many attempts failed.
    #[must_use]
    pub fn attempt_count(&self) -> u32 {
        self.inner.history.count()
    }

    /// The failed attempts, oldest first; of more than [`MAX_KEPT_ATTEMPTS`](crate::MAX_KEPT_ATTEMPTS) the latest.
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.inner.history.iter()
    }

    /// Whether putting the record again may succeed without anybody changing something first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match &self.inner.kind {
            DeliveryErrorKind::Expired { failure } => failure.as_ref().is_none_or(Failure::is_retryable),
            DeliveryErrorKind::AttemptsExhausted { failure }
            | DeliveryErrorKind::Credentials { failure }
            | DeliveryErrorKind::NotRetried { failure } => failure.is_retryable(),
            DeliveryErrorKind::Unreachable { .. }
            | DeliveryErrorKind::Throttled { .. }
            | DeliveryErrorKind::Unfinished { .. } => true,
            _ => false,
        }
    }

    /// Whether the record may be in the stream although it failed: putting it again may store it twice.
    #[must_use]
    pub fn may_have_been_stored(&self) -> bool {
        matches!(
            self.inner.kind,
            DeliveryErrorKind::ProducerGone | DeliveryErrorKind::Unfinished { in_flight: true }
        ) || self.inner.history.may_have_stored()
    }

    /// The record, unless it was lost with the producer's task.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        self.inner.record.as_ref()
    }

    /// The record, unless it was lost with the producer's task.
    #[must_use]
    pub fn into_record(self) -> Option<Record> {
        self.inner.record
    }
}

/// Kinds of [`DeliveryError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryErrorKind {
    /// The record's time to live ran out.
    #[error("its time to live ran out{}", because(failure))]
    Expired {
        /// The last failure that held it up; `None` when it only waited for its turn.
        failure: Option<Failure>,
    },
    /// It was tried as often as its [`RetryPolicy`](crate::RetryPolicy) allows.
    #[error("no attempt is left ({failure})")]
    AttemptsExhausted {
        /// Why the last one failed.
        failure: Failure,
    },
    /// The service had no room, and the [`RetryPolicy`](crate::RetryPolicy) does not wait for any.
    #[error("the service throttled it ({failure})")]
    Throttled {
        /// The service's words.
        failure: Failure,
    },
    /// It failed in a way that might heal, and the [`RetryPolicy`](crate::RetryPolicy) does not try again, or no longer.
    #[error("it failed and is not tried again ({failure})")]
    NotRetried {
        /// What went wrong.
        failure: Failure,
    },
    /// The stream has never answered within the time for first contact.
    #[error("the stream cannot be reached ({failure}); check the endpoint, the Region and the network")]
    Unreachable {
        /// What stood in the way.
        failure: Failure,
    },
    /// There is no such stream.
    #[error("there is no such stream ({failure}); check its name, the Region and the account")]
    StreamNotFound {
        /// The service's words.
        failure: Failure,
    },
    /// The credentials do not permit it.
    #[error("access is denied ({failure})")]
    AccessDenied {
        /// The service's words.
        failure: Failure,
    },
    /// There are no credentials, or the service does not accept them.
    #[error("the credentials do not work ({failure})")]
    Credentials {
        /// The provider's or the service's words.
        failure: Failure,
    },
    /// The service will never take the record.
    #[error("the service refused it ({failure})")]
    Rejected {
        /// The service's words.
        failure: Failure,
    },
    /// The stream's encryption key does not work: it is disabled, missing or forbidden.
    #[error("the stream's encryption key does not work ({failure})")]
    EncryptionKey {
        /// The service's words.
        failure: Failure,
    },
    /// The producer was dropped, or its task for the stream failed, before the record had its outcome.
    #[error("the producer ended before the record had its outcome")]
    ProducerGone,
    /// The producer was closed, and the time for it was over before the record had its outcome.
    #[error("the producer was closed before the record had its outcome{}", under_way(*in_flight))]
    Unfinished {
        /// Whether the record was on its way at that moment: then it may yet be stored.
        in_flight: bool,
    },
}

impl DeliveryErrorKind {
    /// The kind for a failure after which no further attempt is made.
    pub(crate) fn fatal(failure: Failure) -> Self {
        match failure.kind() {
            FailureKind::StreamNotFound => Self::StreamNotFound { failure },
            FailureKind::AccessDenied => Self::AccessDenied { failure },
            FailureKind::Credentials | FailureKind::CredentialsLapsed => Self::Credentials { failure },
            FailureKind::Encryption => Self::EncryptionKey { failure },
            FailureKind::Invalid => Self::Rejected { failure },
            FailureKind::Throttled => Self::Throttled { failure },
            _ => Self::NotRetried { failure },
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Expired { failure } => failure.as_ref(),
            Self::AttemptsExhausted { failure }
            | Self::Throttled { failure }
            | Self::NotRetried { failure }
            | Self::EncryptionKey { failure }
            | Self::Unreachable { failure }
            | Self::StreamNotFound { failure }
            | Self::AccessDenied { failure }
            | Self::Credentials { failure }
            | Self::Rejected { failure } => Some(failure),
            Self::ProducerGone | Self::Unfinished { .. } => None,
        }
    }
}

fn under_way(in_flight: bool) -> &'static str {
    if in_flight { "; it was on its way" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: DeliveryErrorKind) -> DeliveryError {
        let record = Record::new("key", "data").expect("valid");
        let stream = StreamName::new("orders").expect("valid");
        DeliveryError::new(stream, kind, History::default(), Some(record))
    }

    #[test]
    fn text_names_the_stream_the_cause_and_the_way_out() {
        let failure = Failure::of_code(
            "ResourceNotFoundException",
            "stream orders under account 1 not found",
        );
        let text = error(DeliveryErrorKind::fatal(failure)).to_string();
        assert_eq!(
            text,
            "record for stream orders was not delivered: there is no such stream (ResourceNotFoundException: stream \
             orders under account 1 not found); check its name, the Region and the account"
        );
        let text = error(DeliveryErrorKind::Expired { failure: None }).to_string();
        assert!(text.ends_with("its time to live ran out"), "{text}");
    }

    #[test]
    fn fatal_failures_have_their_kinds() {
        let kind = |code: &str| DeliveryErrorKind::fatal(Failure::of_code(code, ""));
        assert!(matches!(
            kind("ResourceNotFoundException"),
            DeliveryErrorKind::StreamNotFound { .. }
        ));
        assert!(matches!(
            kind("AccessDeniedException"),
            DeliveryErrorKind::AccessDenied { .. }
        ));
        assert!(matches!(
            kind("UnrecognizedClientException"),
            DeliveryErrorKind::Credentials { .. }
        ));
        assert!(matches!(
            kind("ValidationException"),
            DeliveryErrorKind::Rejected { .. }
        ));
        assert!(matches!(
            kind("KMSDisabledException"),
            DeliveryErrorKind::EncryptionKey { .. }
        ));
        assert!(matches!(
            kind("ProvisionedThroughputExceededException"),
            DeliveryErrorKind::Throttled { .. }
        ));
        assert!(matches!(
            kind("InternalFailure"),
            DeliveryErrorKind::NotRetried { .. }
        ));
    }

    #[test]
    fn retrying_makes_sense_only_for_what_may_heal() {
        let throttled = Failure::of_code("ProvisionedThroughputExceededException", "");
        assert!(
            error(DeliveryErrorKind::Expired {
                failure: Some(throttled.clone())
            })
            .is_retryable()
        );
        assert!(error(DeliveryErrorKind::Expired { failure: None }).is_retryable());
        assert!(
            error(DeliveryErrorKind::Unreachable {
                failure: throttled.clone()
            })
            .is_retryable()
        );
        assert!(error(DeliveryErrorKind::fatal(throttled.clone())).is_retryable());
        assert!(error(DeliveryErrorKind::AttemptsExhausted { failure: throttled }).is_retryable());
        let denied = Failure::of_code("AccessDeniedException", "");
        assert!(
            !error(DeliveryErrorKind::AttemptsExhausted {
                failure: denied.clone()
            })
            .is_retryable()
        );
        assert!(!error(DeliveryErrorKind::fatal(denied)).is_retryable());
        let key = Failure::of_code("KMSDisabledException", "");
        assert!(!error(DeliveryErrorKind::fatal(key)).is_retryable());
        let expired = Failure::of_code("ExpiredTokenException", "");
        assert!(error(DeliveryErrorKind::fatal(expired)).is_retryable());
        let unknown = Failure::of_code("UnrecognizedClientException", "");
        assert!(!error(DeliveryErrorKind::fatal(unknown)).is_retryable());
        assert!(!error(DeliveryErrorKind::ProducerGone).is_retryable());
    }

    #[test]
    fn the_record_comes_back() {
        let record = error(DeliveryErrorKind::Expired { failure: None })
            .into_record()
            .expect("handed back");
        assert_eq!(record.partition_key(), "key");
    }
}
