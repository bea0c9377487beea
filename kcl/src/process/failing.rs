//! Batches that fail again and again: left behind, or the end of the consumer, as the settings say.

use std::sync::Arc;

use tracing::{error, warn};

use super::workshop::Workshop;
use crate::by_record::{Counted, ReceivedRecord, RecordId};
use crate::config::ProcessingFailure;
use crate::dead_letter::{DeadLetter, Sink};
use crate::error::{BoxError, RunError};
use crate::events::{ConsumerEvent, RecordEvent};
use crate::lanes::outcome::{Reason, WhenExhausted};
use crate::process::keeper::chain;
use crate::processor::RecordBatch;
use crate::record::ClientRecord;
use crate::stream::ShardContext;

/// What follows on failures of `process_records`, for one shard.
#[derive(Debug, Default)]
pub(super) struct Failing {
    due: Option<Due>,
}

/// A batch that is not tried again.
#[derive(Debug)]
struct Due {
    what: WhenExhausted,
    reason: Reason,
    attempts: u32,
    /// So many dead letters are written.
    written: usize,
}

/// What became of a batch that is not tried again.
pub(super) enum Left {
    /// It is passed.
    Passed,
    /// Its dead letters could not be written yet.
    NotYet(BoxError),
    /// The consumer stops.
    Stops,
}

impl Failing {
    /// Whether the batch in hand is left behind instead of tried again.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some()
    }

    /// `process_records` failed for the `attempts`th time in a row.
    pub(super) fn on_failure<S, F>(
        &mut self,
        shop: &Workshop<S, F>,
        shard: &ShardContext,
        batch: &RecordBatch,
        attempts: u32,
        failure: String,
    ) {
        let reason = Reason::BatchFailed(failure);
        shop.counting.many(Counted::Retried, batch.len());
        shop.bell.ring(ConsumerEvent::Record(RecordEvent::BatchFailed {
            lease_key: shard.lease_key().clone(),
            records: batch.len(),
            attempts,
            reason: reason.clone(),
        }));
        if let ProcessingFailure::After {
            attempts: most,
            then: what,
        } = shop.config.processing.on_failure
            && attempts >= most.get()
        {
            self.due = Some(Due {
                what,
                reason,
                attempts,
                written: 0,
            });
        }
    }

    /// Leaves a batch behind. Called again after [`Left::NotYet`] it goes on where it was.
    ///
    /// # Cancel safety
    /// A dropped call may have written letters that come again.
    pub(super) async fn leave_behind<S, F>(
        &mut self,
        shop: &Workshop<S, F>,
        shard: &ShardContext,
        batch: &RecordBatch,
    ) -> Left {
        let Some(due) = &mut self.due else {
            return Left::Passed;
        };
        let shard = Arc::new(shard.clone());
        let id = |record: &ClientRecord| RecordId::new(Arc::clone(&shard), record.position().clone());
        let (Some(first), Some(last)) = (batch.records().first(), batch.records().last()) else {
            self.due = None;
            return Left::Passed;
        };
        let counted = match due.what {
            WhenExhausted::Stop => {
                error!(shard_id = %shard.shard_id(), attempt = due.attempts, error = %due.reason, "consumer stops at a batch that fails");
                shop.halt.ask(RunError::StoppedAtRecord {
                    record: id(first),
                    reason: due.reason.clone(),
                });
                return Left::Stops;
            }
            WhenExhausted::Skip => Counted::Skipped,
            WhenExhausted::DeadLetter => {
                let written = match &shop.dead_letters {
                    Some(sink) => due.write_letters(sink, &shard, batch).await,
                    // Not by what is checked when a consumer is built.
                    None => Err("no place for dead letters is configured".into()),
                };
                if let Err(error) = written {
                    due.attempts = due.attempts.saturating_add(1);
                    shop.counting.many(Counted::DeadLetterFailed, 1);
                    shop.bell
                        .ring(ConsumerEvent::Record(RecordEvent::DeadLetterFailed {
                            record: id(first),
                            attempts: due.attempts,
                            error: chain(&*error),
                        }));
                    return Left::NotYet(error);
                }
                Counted::DeadLettered
            }
        };
        warn!(shard_id = %shard.shard_id(), records = batch.len(), error = %due.reason, "batch that fails is passed: {:?}", due.what);
        shop.counting.many(counted, batch.len());
        shop.bell.ring(ConsumerEvent::Record(RecordEvent::BatchPassed {
            first: id(first),
            last: id(last),
            records: batch.len(),
            dead_lettered: due.what == WhenExhausted::DeadLetter,
            reason: due.reason.clone(),
        }));
        self.due = None;
        Left::Passed
    }
}

impl Due {
    async fn write_letters(
        &mut self,
        sink: &Sink,
        shard: &Arc<ShardContext>,
        batch: &RecordBatch,
    ) -> Result<(), BoxError> {
        let letter = |record: &ClientRecord| {
            let record = ReceivedRecord::of_shard(record.clone(), Arc::clone(shard), self.attempts);
            DeadLetter::new(record, self.reason.clone())
        };
        while let Some(rest) = batch
            .records()
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            let some = &rest[..rest.len().min(LETTERS_AT_ONCE)];
            sink.take(some.iter().map(letter).collect()).await?;
            self.written += some.len();
        }
        Ok(())
    }
}

/// Ours: as many as a sink that writes one after the other takes well within its time.
const LETTERS_AT_ONCE: usize = 100;
