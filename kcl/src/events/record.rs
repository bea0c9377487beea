//! What happens to single records, where they are handled one by one.

use std::time::Duration;

use crate::by_record::RecordId;
use crate::lanes::outcome::Reason;
use crate::lease::LeaseKey;

/// One thing that happened to a record. The record's [id](RecordId) names its shard and position.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RecordEvent {
    /// An attempt failed; the record comes again.
    Failed {
        /// Which.
        record: RecordId,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// How.
        reason: Reason,
        /// When it comes again.
        retry_after: Duration,
    },
    /// A handler has taken longer than its deadline.
    Overdue {
        /// Which; of a batch, the first record.
        record: RecordId,
        /// Its partition key.
        partition_key: Option<String>,
        /// The deadline.
        deadline: Duration,
        /// Whether its future was dropped; else it goes on.
        cancelled: bool,
    },
    /// A record was passed undone.
    Skipped {
        /// Which.
        record: RecordId,
        /// The failure of its last attempt; `None`: the handler said so.
        reason: Option<Reason>,
    },
    /// A dead letter was safely written, and the record is passed.
    DeadLettered {
        /// Which.
        record: RecordId,
        /// Why.
        reason: Reason,
    },
    /// A dead letter could not be written. It is tried again; the record holds the checkpoint.
    DeadLetterFailed {
        /// Which.
        record: RecordId,
        /// How often in a row.
        attempts: u32,
        /// The error with its causes, in one line.
        error: String,
    },
    /// The consumer stops at a record, without passing it.
    Stopped {
        /// Which.
        record: RecordId,
        /// Why.
        reason: Reason,
    },
    /// `process_records` failed with a batch.
    BatchFailed {
        /// The shard's lease.
        lease_key: LeaseKey,
        /// How many of its records are not checkpointed.
        records: usize,
        /// How often in a row.
        attempts: u32,
        /// How.
        reason: Reason,
    },
    /// What was left of a batch was passed, because it failed too often.
    BatchPassed {
        /// The first record of it.
        first: RecordId,
        /// The last record of it.
        last: RecordId,
        /// How many records.
        records: usize,
        /// Whether a dead letter of each is written; else they were skipped.
        dead_lettered: bool,
        /// How the last attempt failed.
        reason: Reason,
    },
    /// A shard was given up before all handlers were done; these records come again.
    DrainTimedOut {
        /// Its lease.
        lease_key: LeaseKey,
        /// How many handlers were dropped.
        cut_off: usize,
    },
}
