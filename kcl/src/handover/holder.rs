//! One lease that is asked for, or given up, seen by its holder.
//!
//! ```text
//!            asked, stopping              drained, cut off, late
//!  Processing ──────────────> Draining ────────────────────────> Writing ──> Done(Transferred | Released)
//!      │                          │                                 │
//!      └──────── lost by clock or by condition, in every state ─────┴──────> Done(Lost)
//! ```
//!
//! The one owner of this machine is the task that keeps the lease. It asks [`next`](HandOver::next) after every event
//! and at every instant it was told to wait for.

use std::time::{Duration, Instant};

use crate::lease::WorkerId;

/// How a lease is given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long the processor may take (KCL: `gracefulLeaseHandoffTimeoutMillis`, 30 s). Then it is cut off.
    pub drain: Duration,
    /// How often the final write is tried. Then the lease is left to expire, unrenewed.
    pub attempts: u32,
    /// The pause between two tries.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(30),
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
    /// Make this worker the owner and end the hand-over (KCL: assign).
    Transfer(WorkerId),
    /// Make nobody the owner (KCL: evict).
    Release,
    /// Stop renewing and forget the lease.
    Finish(End),
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

    /// Whether the lease is on its way to another owner.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.state != State::Processing
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        match self.state {
            State::Done(end) => Some(end),
            _ => None,
        }
    }

    /// The row asks for the lease on behalf of `next`. May come again, with another name: the last one counts.
    pub fn on_asked(&mut self, next: WorkerId, now: Instant) {
        self.next_owner = Some(next);
        self.begin(Cause::Asked, now);
    }

    /// This worker stops. `next`: who would be the best owner, if anybody. A request in the row goes before it.
    pub fn on_stopping(&mut self, next: Option<WorkerId>, now: Instant) {
        if self.next_owner.is_none() {
            self.next_owner = next;
        }
        self.begin(Cause::Stopping, now);
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

    /// The final write was refused, and the row names another next owner, or none any more.
    pub fn on_row_changed(&mut self, next: Option<WorkerId>, now: Instant) {
        self.next_owner = next;
        self.on_failure(now);
    }

    /// No answer to the final write.
    pub fn on_failure(&mut self, now: Instant) {
        if let State::Writing { tried, .. } = self.state {
            let tried = tried + 1;
            self.state = match tried < self.patience.attempts {
                true => State::Writing {
                    tried,
                    not_before: now + self.patience.pause,
                },
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
            // Cutting off is dropping a future: whoever does it says at once that processing is over.
            State::Cutting => Task::CutOff,
            State::Writing { not_before, .. } if now < *not_before => Task::WaitUntil(*not_before),
            State::Writing { .. } => match &self.next_owner {
                Some(next) => Task::Transfer(next.clone()),
                None => Task::Release,
            },
            State::Done(end) => Task::Finish(*end),
        }
    }

    fn begin(&mut self, cause: Cause, now: Instant) {
        if self.state != State::Processing {
            return;
        }
        match self.processing {
            Processing::Over => self.write(now),
            Processing::Runs => {
                self.state = State::Draining {
                    cause,
                    told: false,
                    until: now + self.patience.drain,
                }
            }
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
