//! One lease that is asked for, or given up, seen by its holder.
//!
//! ```text
//!            asked, stopping              drained, cut off, late
//!  Processing ──────────────> Draining ────────────────────────> Writing ──> Done(Transferred | Released)
//!      │                          │                                 │
//!      └──────── lost by clock or by condition, in every state ─────┴──────> Done(Lost)
//! ```
//!
//! The one owner of this machine is the task that keeps the lease (`process::keeper`). It asks [`next`](HandOver::next)
//! after every event and at every instant it was told to wait for.

use std::time::{Duration, Instant};

use crate::lease::WorkerId;

/// How a lease is given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long the processor may take where another worker asks (KCL: `gracefulLeaseHandoffTimeoutMillis`, 30 s). Then
    /// it is cut off: the one that asks takes the lease a failover time later, whether it was given or not.
    pub hand_over: Duration,
    /// How long it may take where this worker stops. Then it is cut off.
    pub stop: Duration,
    /// How often the final write is tried. Then the lease is left to expire, unrenewed.
    pub attempts: u32,
    /// The pause between two tries.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            hand_over: Duration::from_secs(30),
            stop: Duration::from_secs(30),
            attempts: 5,
            pause: Duration::from_millis(250),
        }
    }
}

/// Why the lease is given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The row names a next owner.
    Asked,
    /// This worker stops.
    Stopping,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Go on processing and renewing.
    Process,
    /// Ask the processor to finish its batch and checkpoint (KCL: `shutdownRequested`), once; go on renewing.
    AskProcessor(Cause),
    /// Go on renewing; ask again at this instant.
    WaitUntil(Instant),
    /// Drop the processor where it stands, once.
    CutOff,
    /// Go on renewing until that is done.
    Cutting,
    /// Make this worker the owner and end the hand-over (KCL: assign).
    Transfer(WorkerId),
    /// Make nobody the owner (KCL: evict).
    Release,
    /// Stop renewing and forget the lease.
    Finish(End),
}

/// How far a processor may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// On and on.
    Processing,
    /// To the end of its batch, and a checkpoint.
    Asked,
    /// No further.
    CutOff,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Another worker owns it.
    Transferred,
    /// Nobody owns it.
    Released,
    /// It was lost, or could not be given away and expires.
    Lost,
}

/// One held lease and its way to another owner.
#[derive(Debug, Clone)]
pub struct HandOver {
    patience: Patience,
    next_owner: Option<WorkerId>,
    processing: Processing,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Processing {
    /// It runs, or waits for parents: it must be told before the lease may go.
    Runs,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Processing,
    Draining {
        cause: Cause,
        told: bool,
        until: Instant,
    },
    Cutting,
    Writing {
        tried: u32,
        not_before: Instant,
    },
    Done(End),
}

impl HandOver {
    /// A lease that is processed, and nobody asks for.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            next_owner: None,
            processing: Processing::Runs,
            state: State::Processing,
        }
    }

    /// What the processor may do.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.state {
            State::Processing => Stage::Processing,
            State::Draining { .. } | State::Writing { .. } => Stage::Asked,
            State::Cutting | State::Done(_) => Stage::CutOff,
        }
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        match self.state {
            State::Done(end) => Some(end),
            _ => None,
        }
    }

    /// The row asks for the lease on behalf of `next`. May come again, with another name: the last one counts. `None`: it
    /// asks, and names nobody.
    pub fn on_asked(&mut self, next: Option<WorkerId>, now: Instant) {
        self.next_owner = next;
        self.begin(Cause::Asked, now + self.patience.hand_over, now);
    }

    /// This worker stops. `next`: who would be the best owner, if anybody. A request in the row goes before it.
    pub fn on_stopping(&mut self, next: Option<WorkerId>, now: Instant) {
        if self.next_owner.is_none() {
            self.next_owner = next;
        }
        self.begin(Cause::Stopping, now + self.patience.stop, now);
    }

    /// The processor has ended: as asked, by itself at the end of the shard, by a failure or a panic, or it never
    /// began. Nothing touches the shard from here on. Processing that ended without being asked to is given up too:
    /// a lease that is renewed and not processed would be stuck.
    pub fn on_processing_over(&mut self, now: Instant) {
        self.processing = Processing::Over;
        if matches!(
            self.state,
            State::Processing | State::Draining { .. } | State::Cutting
        ) {
            self.write(now);
        }
    }

    /// The final write was applied.
    pub fn on_written(&mut self) {
        if matches!(self.state, State::Writing { .. }) {
            self.state = State::Done(match self.next_owner {
                Some(_) => End::Transferred,
                None => End::Released,
            });
        }
    }

    /// The final write was refused: the row is not as it was known, and names `next` now. It is tried again at once.
    pub fn on_row_changed(&mut self, next: Option<WorkerId>, now: Instant) {
        self.next_owner = next;
        self.retry(now);
    }

    /// No answer to the final write.
    pub fn on_failure(&mut self, now: Instant) {
        self.retry(now + self.patience.pause);
    }

    fn retry(&mut self, not_before: Instant) {
        if let State::Writing { tried, .. } = self.state {
            let tried = tried + 1;
            self.state = match tried < self.patience.attempts {
                true => State::Writing { tried, not_before },
                false => State::Done(End::Lost),
            };
        }
    }

    /// The lease is lost: by a condition, or by our own clock. Cut the processor off if it still runs.
    pub fn on_lost(&mut self) {
        if self.end().is_none() {
            self.state = State::Done(End::Lost);
        }
    }

    /// What to do at `now`.
    pub fn next(&mut self, now: Instant) -> Task {
        match &mut self.state {
            State::Processing => Task::Process,
            State::Draining { cause, told, .. } if !*told => {
                *told = true;
                Task::AskProcessor(*cause)
            }
            State::Draining { until, .. } if now < *until => Task::WaitUntil(*until),
            State::Draining { .. } => {
                self.state = State::Cutting;
                Task::CutOff
            }
            State::Cutting => Task::Cutting,
            State::Writing { not_before, .. } if now < *not_before => Task::WaitUntil(*not_before),
            State::Writing { .. } => match &self.next_owner {
                Some(next) => Task::Transfer(next.clone()),
                None => Task::Release,
            },
            State::Done(end) => Task::Finish(*end),
        }
    }

    fn begin(&mut self, cause: Cause, until: Instant, now: Instant) {
        match (&mut self.state, self.processing) {
            (State::Processing, Processing::Over) => self.write(now),
            (State::Processing, Processing::Runs) => {
                self.state = State::Draining {
                    cause,
                    told: false,
                    until,
                }
            }
            // It has been told already, and no second reason gives it more time.
            (State::Draining { until: before, .. }, _) => *before = until.min(*before),
            _ => {}
        }
    }

    fn write(&mut self, now: Instant) {
        self.state = State::Writing {
            tried: 0,
            not_before: now,
        };
    }
}

#[cfg(test)]
#[path = "holder_tests.rs"]
mod tests;
