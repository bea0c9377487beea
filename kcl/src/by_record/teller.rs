//! What becomes of the records of a shard, told: counted, logged, and rung to who listens.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{debug, warn};

use super::RecordId;
use super::counts::Counted;
use super::shared::Shared;
use crate::error::{BoxError, RunError};
use crate::events::{ConsumerEvent, RecordEvent};
use crate::lanes::Fate;
use crate::metrics::{Meter, Metric};
use crate::position::Position;
use crate::process::keeper::chain;
use crate::stream::ShardContext;

/// Tells of one shard's records.
pub(super) struct Teller {
    shared: Arc<Shared>,
    shard: Arc<ShardContext>,
    meter: Meter,
}

impl Teller {
    pub(super) fn new(shared: Arc<Shared>, shard: Arc<ShardContext>) -> Self {
        Self {
            meter: shared.counters.of_lease(shard.lease_key()),
            shared,
            shard,
        }
    }

    /// A record was answered for, or its letter was written or not, for which `error` is the reason.
    pub(super) fn tell(&self, position: &Position, attempt: u32, fate: Fate, error: Option<BoxError>) {
        let shared = &self.shared;
        let id = || RecordId::new(Arc::clone(&self.shard), position.clone());
        let counted = match &fate {
            Fate::Acked => Some(Counted::Acked),
            Fate::Skipped(_) => Some(Counted::Skipped),
            Fate::DeadLettered(_) => Some(Counted::DeadLettered),
            Fate::Again { .. } => Some(Counted::Retried),
            Fate::LetterFailed { .. } => Some(Counted::DeadLetterFailed),
            Fate::LetterDue | Fate::Stop(_) => None,
        };
        if let Some(counted) = counted {
            shared.counting.one(counted);
        }
        let shard_id = self.shard.shard_id();
        let event = match fate {
            Fate::Acked => {
                shared.tally.records.fetch_add(1, Ordering::Relaxed);
                self.meter.add(Metric::RecordsProcessed, 1);
                return;
            }
            Fate::LetterDue => return,
            Fate::Again { reason, after } => {
                debug!(%shard_id, %position, attempt, error = %reason, elapsed_ms = after.as_millis(), "record comes again");
                RecordEvent::Failed {
                    record: id(),
                    attempt,
                    reason,
                    retry_after: after,
                }
            }
            Fate::Skipped(reason) => {
                let why = reason
                    .as_ref()
                    .map_or_else(|| "asked to".to_owned(), ToString::to_string);
                warn!(%shard_id, %position, attempt, error = why, "record skipped");
                RecordEvent::Skipped { record: id(), reason }
            }
            Fate::DeadLettered(reason) => {
                warn!(%shard_id, %position, attempt, error = %reason, "record passed with a dead letter");
                RecordEvent::DeadLettered { record: id(), reason }
            }
            Fate::LetterFailed { attempts, .. } => {
                let error = error.map_or_else(String::new, |error| chain(&*error));
                warn!(%shard_id, %position, attempt = attempts, error, "dead letter cannot be written, trying again");
                RecordEvent::DeadLetterFailed {
                    record: id(),
                    attempts,
                    error,
                }
            }
            Fate::Stop(reason) => {
                shared.halt.ask(RunError::StoppedAtRecord {
                    record: id(),
                    reason: reason.clone(),
                });
                RecordEvent::Stopped { record: id(), reason }
            }
        };
        shared.bell.ring(ConsumerEvent::Record(event));
    }

    /// Handlers did not end before the drain's time was over.
    pub(super) fn drain_timed_out(&self, cut_off: usize) {
        warn!(shard_id = %self.shard.shard_id(), records = cut_off, "handlers did not end in time, their records come again");
        self.shared
            .bell
            .ring(ConsumerEvent::Record(RecordEvent::DrainTimedOut {
                lease_key: self.shard.lease_key().clone(),
                cut_off,
            }));
    }
}
