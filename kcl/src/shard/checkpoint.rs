//! What may be checkpointed: never backwards, never past what the processor was given, shard end as a fact of its own.
//!
//! ```text
//!  asked ──> bounds ──> due ──(one write)──> written
//!              │         ▲
//!              │         └── asked meanwhile: the same write says both
//!              └──> refused
//! ```
//!
//! Decides only; the lease's keeper writes. What is asked for while a write is still to come joins it, so many calls make one
//! write. Departs from the KCL in four places: "everything so far" leaves out a batch whose processing failed; at the end of a
//! shard the last position means the end even if it was written before; a sequence number names all records of its aggregate;
//! and preparing where nothing moves still stores the application's state.

use bytes::Bytes;

use crate::lease::PendingCheckpoint;
use crate::position::{Checkpoint, Position, SequenceNumber};
use crate::store::CheckpointUpdate;

/// The state of one lease's checkpoint, for as long as the lease is held.
#[derive(Debug, Clone)]
pub(crate) struct CheckpointRules {
    /// What the table holds.
    written: CheckpointUpdate,
    /// What the next write makes of it.
    due: Option<CheckpointUpdate>,
    /// The last position ever given to the processor, failed batches included.
    delivered: Option<Position>,
    /// The last position of the batches that were processed without error.
    processed: Option<Position>,
    /// The last position of the batch in the processor's hands.
    in_hand: Option<Position>,
    ended: bool,
}

/// Which place is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Everything processed, and the batch in hand.
    All,
    /// Everything up to this record.
    At(Position),
    /// Everything up to this Kinesis record, with all user records of it.
    Whole(SequenceNumber),
    /// A place that was prepared.
    Prepared(Checkpoint),
    /// Where the shard begins, found out before anything was delivered. Counts only where the lease has no place yet.
    Start(Checkpoint),
}

/// What to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Move the checkpoint there; a prepared one is done with.
    Move,
    /// Note the place beside the checkpoint, with the application's own bytes.
    Prepare { state: Option<Bytes> },
}

/// Why a position may not be checkpointed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The table holds a later one.
    Backwards,
    /// No record at or after it was given to the processor.
    Undelivered,
}

impl CheckpointRules {
    /// Of a lease as it was taken.
    pub(crate) fn new(checkpoint: Checkpoint, pending: Option<PendingCheckpoint>) -> Self {
        Self {
            written: CheckpointUpdate { checkpoint, pending },
            due: None,
            delivered: None,
            processed: None,
            in_hand: None,
            ended: false,
        }
    }

    /// What the table holds.
    pub(crate) fn written(&self) -> &Checkpoint {
        &self.written.checkpoint
    }

    /// What is to be written, if anything is.
    pub(crate) fn due(&self) -> Option<&CheckpointUpdate> {
        self.due.as_ref()
    }

    /// A batch that ends at `last` goes to the processor.
    pub(crate) fn on_batch(&mut self, last: Position) {
        self.delivered = self.delivered.take().max(Some(last.clone()));
        self.in_hand = Some(last);
    }

    /// The processor is done with the batch in hand.
    pub(crate) fn on_processed(&mut self) {
        self.processed = self.processed.take().max(self.in_hand.take());
    }

    /// The processor failed with the batch in hand.
    pub(crate) fn on_failed(&mut self) {
        self.in_hand = None;
    }

    /// All records of the closed shard were processed.
    pub(crate) fn on_shard_end(&mut self) {
        self.ended = true;
    }

    /// What was due is in the table.
    pub(crate) fn on_written(&mut self) {
        if let Some(due) = self.due.take() {
            self.written = due;
        }
    }

    /// What was due is not in the table, or nobody knows: whoever asked is told, and may ask again.
    pub(crate) fn on_not_written(&mut self) {
        self.due = None;
    }

    /// Takes in a wish. The place it comes to; from now on [`due`](Self::due) says what is to be written for it.
    pub(crate) fn ask(&mut self, asked: &Asked, deed: Deed) -> Result<Checkpoint, Refusal> {
        let place = self.place_of(asked)?;
        let told = self.told();
        let wanted = match deed {
            // "Everything" where nothing is new leaves a prepared checkpoint alone.
            Deed::Move if place == told.checkpoint && *asked == Asked::All => None,
            Deed::Move if matches!(asked, Asked::Start(_)) => Some(CheckpointUpdate {
                checkpoint: place.clone(),
                pending: told.pending.clone(),
            }),
            Deed::Move => Some(CheckpointUpdate {
                checkpoint: place.clone(),
                pending: None,
            }),
            Deed::Prepare { state: None } if place == told.checkpoint => None,
            Deed::Prepare { state } => Some(CheckpointUpdate {
                checkpoint: told.checkpoint.clone(),
                pending: Some(PendingCheckpoint {
                    checkpoint: place.clone(),
                    state,
                }),
            }),
        };
        if let Some(wanted) = wanted.filter(|wanted| wanted != told) {
            self.due = Some(wanted);
        }
        Ok(place)
    }

    /// What the table holds, or will once what is due is written.
    fn told(&self) -> &CheckpointUpdate {
        self.due.as_ref().unwrap_or(&self.written)
    }

    fn place_of(&self, asked: &Asked) -> Result<Checkpoint, Refusal> {
        let told = &self.told().checkpoint;
        match asked {
            _ if *told == Checkpoint::ShardEnd => Ok(Checkpoint::ShardEnd),
            Asked::Start(place) if told.position().is_none() && self.delivered.is_none() => Ok(place.clone()),
            Asked::Start(_) => Ok(told.clone()),
            Asked::All if self.ended => Ok(Checkpoint::ShardEnd),
            Asked::All => {
                let last = self.in_hand.as_ref().max(self.processed.as_ref());
                let last = last.map(|last| Checkpoint::At(last.clone()));
                Ok(last.filter(|last| last > told).unwrap_or_else(|| told.clone()))
            }
            Asked::At(position) => self.at(position),
            Asked::Whole(number) => self.at(&self.end_of(number)),
            Asked::Prepared(Checkpoint::At(position)) => self.at(position),
            Asked::Prepared(Checkpoint::ShardEnd) if self.ended => Ok(Checkpoint::ShardEnd),
            Asked::Prepared(Checkpoint::ShardEnd) => Err(Refusal::Undelivered),
            Asked::Prepared(sentinel) if sentinel == told => Ok(sentinel.clone()),
            Asked::Prepared(_) => Err(Refusal::Backwards),
        }
    }

    fn at(&self, position: &Position) -> Result<Checkpoint, Refusal> {
        let told = self.told().checkpoint.position();
        let known = self.known();
        if known < Some(position) {
            Err(Refusal::Undelivered)
        } else if self.ended && known == Some(position) {
            Ok(Checkpoint::ShardEnd)
        } else if told.is_some_and(|told| position < told) {
            Err(Refusal::Backwards)
        } else {
            Ok(Checkpoint::At(position.clone()))
        }
    }

    /// The last place known to be there.
    fn known(&self) -> Option<&Position> {
        self.delivered.as_ref().max(self.told().checkpoint.position())
    }

    /// The last user record of a Kinesis record. A batch ends with the end of one, so of the last one it is known; of one before
    /// the last any place behind its end will do.
    fn end_of(&self, number: &SequenceNumber) -> Position {
        match self.known() {
            Some(known) if known.sequence_number() == number => known.clone(),
            _ => Position::after_all_of(number.clone()),
        }
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
