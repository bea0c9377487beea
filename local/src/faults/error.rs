//! Why a fault or a script of faults cannot be.

/// Why a [`Fault`](crate::Fault) is not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// A chance is not a probability.
    #[error("the chance {chance} is not from 0 to 1")]
    Chance {
        /// What was given.
        chance: f64,
    },
    /// An error must have the status of an error.
    #[error("the status {status} of error {code} is not from 400 to 599")]
    Status {
        /// The error's code.
        code: String,
        /// What was given.
        status: u16,
    },
    /// An error code that no client could read.
    #[error("the error code {code:?} is not letters and digits")]
    Code {
        /// What was given.
        code: String,
    },
    /// Neither half has this operation, or not the half that was named.
    #[error("{operation} is no operation of {service}")]
    Operation {
        /// What was given.
        operation: String,
        /// `Kinesis`, `DynamoDB` or `either half`.
        service: &'static str,
    },
    /// The action has nothing to act on in the operations or the half that were named.
    #[error("{action} does not concern {operation}")]
    Action {
        /// The action's name, as the control endpoint has it.
        action: &'static str,
        /// The operation or half.
        operation: String,
    },
    /// A shard that is not written as one.
    #[error("{shard:?} is not a shard id such as shardId-000000000000")]
    Shard {
        /// What was given.
        shard: String,
    },
    /// Which shard a write goes to is known only entry by entry, so that only entries can be refused for it.
    #[error("{action} cannot be narrowed to one shard for {operation}; errors and throttling can")]
    ShardOfWrite {
        /// The action's name.
        action: &'static str,
        /// `PutRecord` or `PutRecords`.
        operation: String,
    },
    /// A reshard with a number of shards that cannot be.
    #[error("{target} shards cannot be; ask for 1 to 10000")]
    Target {
        /// What was given.
        target: u32,
    },
}
