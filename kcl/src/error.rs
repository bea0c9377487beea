//! What can go wrong, one enum per surface.

use crate::lease::LeaseKey;

/// A lease store could not answer. Lost conditions are not errors; see `store`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The table does not exist and may not or could not be created.
    #[error("lease table `{table}` does not exist")]
    TableMissing {
        /// The table's name.
        table: String,
    },
    /// The table's key is not `leaseKey` (S).
    #[error("table `{table}` is not a lease table: {reason}")]
    TableShape {
        /// The table's name.
        table: String,
        /// What differs.
        reason: String,
    },
    /// A right is missing.
    #[error("no permission for {operation} on table `{table}`")]
    AccessDenied {
        /// The DynamoDB operation.
        operation: &'static str,
        /// The table's name.
        table: String,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// The store asks for fewer requests.
    #[error("{operation} on table `{table}` was throttled")]
    Throttled {
        /// The DynamoDB operation.
        operation: &'static str,
        /// The table's name.
        table: String,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// No answer: connection, timeout, or a failure inside the service. The write may have happened.
    #[error("{operation} on table `{table}` got no answer")]
    Unavailable {
        /// The DynamoDB operation.
        operation: &'static str,
        /// The table's name.
        table: String,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The service refused the request for another reason.
    #[error("{operation} on table `{table}` was refused: {code}")]
    Refused {
        /// The DynamoDB operation.
        operation: &'static str,
        /// The table's name.
        table: String,
        /// The service's error code.
        code: String,
        /// The service's answer.
        #[source]
        source: BoxError,
    },
    /// One row cannot be read.
    #[error("lease row `{key}` has an unusable attribute `{attribute}`: {reason}")]
    Row {
        /// The row's key.
        key: LeaseKey,
        /// The attribute at fault.
        attribute: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing something.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unavailable { .. })
    }
}

/// A cause of any kind.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
