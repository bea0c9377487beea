//! What is tried again, how often, and after how long.

/// What is done about failures, as a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RetryPolicy {}
