//! What a handler returns.

use crate::error::BoxError;
use crate::lanes::outcome::Outcome;

/// What a handler may return for one record: an [`Outcome`], `()` for [`Outcome::Ack`], or a `Result` of one of them, whose
/// error is a failed attempt. Not for others to implement.
pub trait IntoOutcome {
    #[doc(hidden)]
    fn into_outcome(self) -> Result<Outcome, BoxError>;
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Result<Outcome, BoxError> {
        Ok(Outcome::Ack)
    }
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Result<Outcome, BoxError> {
        Ok(self)
    }
}

impl<T: IntoOutcome, E: Into<BoxError>> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Result<Outcome, BoxError> {
        self.map_err(Into::into)?.into_outcome()
    }
}

/// What a handler may return for a batch: one [`Outcome`] or `()` for all of it, a `Vec` with one for each record in their
/// order, or a `Result` of one of them. Not for others to implement.
pub trait IntoOutcomes {
    #[doc(hidden)]
    fn into_answers(self) -> Result<Answers, BoxError>;
}

impl IntoOutcomes for () {
    fn into_answers(self) -> Result<Answers, BoxError> {
        Ok(Answers::Whole(Outcome::Ack))
    }
}

impl IntoOutcomes for Outcome {
    fn into_answers(self) -> Result<Answers, BoxError> {
        Ok(Answers::Whole(self))
    }
}

impl IntoOutcomes for Vec<Outcome> {
    fn into_answers(self) -> Result<Answers, BoxError> {
        Ok(Answers::Each(self))
    }
}

impl<T: IntoOutcomes, E: Into<BoxError>> IntoOutcomes for Result<T, E> {
    fn into_answers(self) -> Result<Answers, BoxError> {
        self.map_err(Into::into)?.into_answers()
    }
}

/// What was answered to a call.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// The same for all records.
    Whole(Outcome),
    /// One for each, in their order.
    Each(Vec<Outcome>),
}
