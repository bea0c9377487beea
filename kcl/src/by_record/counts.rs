//! How many records came to which end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of records handled one by one, and of those of batches that failed, over all shards of a consumer since its
/// start; from
/// [`ConsumerHandle::record_counts`](crate::ConsumerHandle::record_counts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RecordCounts {
    /// Acknowledged.
    pub acked: u64,
    /// Passed undone.
    pub skipped: u64,
    /// Passed, with a dead letter.
    pub dead_lettered: u64,
    /// Attempts that failed, for each of the records they were made of.
    pub retried: u64,
    /// Calls that took longer than their deadline.
    pub overdue: u64,
    /// Dead letters that could not be written, each attempt.
    pub dead_letters_failed: u64,
}

#[derive(Debug, Default)]
struct Counters {
    acked: AtomicU64,
    skipped: AtomicU64,
    dead_lettered: AtomicU64,
    retried: AtomicU64,
    overdue: AtomicU64,
    dead_letters_failed: AtomicU64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Acked,
    Skipped,
    DeadLettered,
    Retried,
    Overdue,
    DeadLetterFailed,
}

/// Counts, shared by all shards of a consumer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counting(Arc<Counters>);

impl Counting {
    pub(crate) fn one(&self, what: Counted) {
        self.many(what, 1);
    }

    pub(crate) fn many(&self, what: Counted, how_many: usize) {
        let counter = match what {
            Counted::Acked => &self.0.acked,
            Counted::Skipped => &self.0.skipped,
            Counted::DeadLettered => &self.0.dead_lettered,
            Counted::Retried => &self.0.retried,
            Counted::Overdue => &self.0.overdue,
            Counted::DeadLetterFailed => &self.0.dead_letters_failed,
        };
        counter.fetch_add(how_many as u64, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> RecordCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RecordCounts {
            acked: of(&self.0.acked),
            skipped: of(&self.0.skipped),
            dead_lettered: of(&self.0.dead_lettered),
            retried: of(&self.0.retried),
            overdue: of(&self.0.overdue),
            dead_letters_failed: of(&self.0.dead_letters_failed),
        }
    }
}
