//! How an endpoint departed from the document.

use std::fmt::Debug;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

/// How an endpoint departed from the document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A call that should have been answered was not.
    #[error("refused with {code}: {message}")]
    Refused {
        /// The error code, or what happened instead of an answer.
        code: String,
        /// The endpoint's words.
        message: String,
    },
    /// A call that should have been refused was done.
    #[error("{0} is not refused")]
    Allowed(&'static str),
    /// A call was refused, but not as documented.
    #[error("{what} is refused with {found}, not {expected}")]
    RefusedOtherwise {
        /// The call.
        what: &'static str,
        /// The documented codes.
        expected: String,
        /// The code that came.
        found: String,
    },
    /// An answer is not what it should be.
    #[error("{what}: {found}, not {expected}")]
    Differs {
        /// What was looked at.
        what: &'static str,
        /// What the document says.
        expected: String,
        /// What came.
        found: String,
    },
    /// An answer lacks something.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Nothing came for as long as a case may take.
    #[error("no end within {0} s")]
    Silent(u64),
}

impl<E: ProvideErrorMetadata, R: Debug> From<SdkError<E, R>> for Violation {
    fn from(error: SdkError<E, R>) -> Self {
        Self::Refused {
            code: code_of(&error),
            message: error.message().unwrap_or_default().to_owned(),
        }
    }
}

impl From<aws_sdk_kinesis::error::BuildError> for Violation {
    fn from(error: aws_sdk_kinesis::error::BuildError) -> Self {
        Self::Refused {
            code: "a request that cannot be built".to_owned(),
            message: error.to_string(),
        }
    }
}

/// The code of a refusal, or what came instead of one.
pub(super) fn code_of<E: ProvideErrorMetadata, R: Debug>(error: &SdkError<E, R>) -> String {
    let other = match error {
        SdkError::ServiceError(_) => "an error without code",
        SdkError::TimeoutError(_) => "a timeout",
        SdkError::DispatchFailure(_) => "a broken connection",
        SdkError::ResponseError(_) => "an answer that cannot be read",
        _ => "a request that cannot be sent",
    };
    error.code().unwrap_or(other).to_owned()
}

/// The call must be refused with one of these codes.
pub(super) fn refused<T, E: ProvideErrorMetadata, R: Debug>(
    what: &'static str,
    answer: Result<T, SdkError<E, R>>,
    codes: &[&str],
) -> Result<(), Violation> {
    let Err(error) = answer else {
        return Err(Violation::Allowed(what));
    };
    let found = code_of(&error);
    if codes.contains(&found.as_str()) {
        return Ok(());
    }
    Err(Violation::RefusedOtherwise {
        what,
        expected: codes.join(" or "),
        found,
    })
}

/// Both must be the same.
pub(super) fn same<A: PartialEq<B> + Debug, B: Debug>(
    what: &'static str,
    found: A,
    expected: B,
) -> Result<(), Violation> {
    if found == expected {
        return Ok(());
    }
    Err(Violation::Differs {
        what,
        expected: short(&expected),
        found: short(&found),
    })
}

/// It must hold; `found` says what there was instead.
pub(super) fn holds(
    what: &'static str,
    condition: bool,
    found: impl Debug,
    expected: &str,
) -> Result<(), Violation> {
    if condition {
        return Ok(());
    }
    Err(Violation::Differs {
        what,
        expected: expected.to_owned(),
        found: short(&found),
    })
}

/// A value's words, cut where a table would burst.
fn short(value: &impl Debug) -> String {
    let mut text = format!("{value:?}");
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

const LONGEST: usize = 160;

/// A malformed or impossible argument: documents name `InvalidArgumentException`, and the common errors of all
/// operations have `ValidationException` for a value against its stated constraint.
pub(super) const INVALID: &[&str] = &["InvalidArgumentException", "ValidationException"];
