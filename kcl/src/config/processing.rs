//! Settings of processing: what follows on a batch that fails.

use std::num::NonZeroU32;

use super::ConsumerConfigBuilder;
use crate::lanes::outcome::WhenExhausted;

#[derive(Debug, Clone, Default)]
pub(crate) struct Processing {
    pub(crate) on_failure: ProcessingFailure,
    /// Whether a processor is called with batches of no records too.
    pub(crate) empty_batches: bool,
}

/// What follows when `process_records` of a [`RecordProcessor`](crate::RecordProcessor) fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ProcessingFailure {
    /// The same records come again, after growing pauses, for as long as the lease is held. The default: nothing is ever left
    /// out. (KCL: the batch is skipped.)
    #[default]
    Retry,
    /// The same, up to so many attempts in a row. Then the consumer stops with
    /// [`RunError::StoppedAtRecord`](crate::RunError::StoppedAtRecord), or passes what is left of the batch: all of its
    /// records that are not checkpointed, because nothing tells which of them failed.
    After {
        /// Failed attempts in a row.
        attempts: NonZeroU32,
        /// What is done then.
        then: WhenExhausted,
    },
}

impl Processing {
    /// Whether batches may need a place for dead letters.
    pub(crate) fn needs_dead_letters(&self) -> bool {
        let then = WhenExhausted::DeadLetter;
        matches!(self.on_failure, ProcessingFailure::After { then: what, .. } if what == then)
    }
}

impl ConsumerConfigBuilder {
    /// What follows when `process_records` fails; also by its time, where calls are
    /// [cancelled](Self::cancel_calls_after). Each failure is counted and told by an event. A processor that panics is not
    /// asked again: its lease is given up. Default: [`ProcessingFailure::Retry`].
    pub fn on_processing_failure(mut self, what: ProcessingFailure) -> Self {
        self.processing.on_failure = what;
        self
    }

    /// Whether a processor is also called when a read found nothing, with a batch of no records that says how far the shard is
    /// behind (KCL: `callProcessRecordsEvenForEmptyRecordList`): about each
    /// [`idle_between_reads`](Self::idle_between_reads) at the tip, or as often as a subscription says that there is nothing.
    /// Records [handled one by one](crate::by_record) have no use for it. Default: no.
    pub fn call_with_empty_batches(mut self, call: bool) -> Self {
        self.processing.empty_batches = call;
        self
    }
}
