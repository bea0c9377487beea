//! The heartbeat of a worker in a private fleet: one row for all its leases.
//!
//! A lease's counter stands still here between checkpoints; its owner lives as long as the owner's heartbeat moves.
//! Who has watched one heartbeat for its lifetime removes the row, on condition that it is still that heartbeat. From
//! then on the worker's own next beat finds its row gone, which tells it that everything it held is lost, and leases
//! whose owner has no row are free. So one conditional write protects all leases of a worker, in both directions.
//!
//! A worker that is alone looks at the table seldom. Who wants a lease of it counts up the row's *calls*, which no beat writes and which
//! are no sign of life; the answer to the next beat tells them.

use std::time::Duration;

use crate::lease::WorkerId;

/// A worker's heartbeat row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The worker.
    pub worker: WorkerId,
    /// Drawn anew at each start, so that two workers of one name are told apart.
    pub incarnation: String,
    /// Counts the beats.
    pub beat: u64,
    /// How long watchers wait for the next beat before they may remove the row.
    pub lifetime: Duration,
}

impl Heartbeat {
    /// The first beat of a worker.
    #[must_use]
    pub fn first(worker: WorkerId, incarnation: String, lifetime: Duration) -> Self {
        Self {
            worker,
            incarnation,
            beat: 0,
            lifetime,
        }
    }

    /// The beat after this.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            beat: self.beat + 1,
            ..self.clone()
        }
    }
}

/// The answer to a beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// Everything that the worker holds is still its own.
    Alive {
        /// Its row as it now is.
        row: Heartbeat,
        /// How often others have called on this incarnation to look at the table. Now and then a call counts twice.
        calls: u64,
    },
    /// The row is gone, or another incarnation's: nothing that this worker held is its own any more.
    Gone(Option<Heartbeat>),
}
