//! The lock row, as the lock client of KCL writes it: when to read, take, renew and release it.
//!
//! No clock of another host counts. A candidate takes the row over when it has seen *one* version of it for longer than
//! the duration stored in it; a leader stops leading that long after it *sent* its last heartbeat, which is earlier.

use std::time::{Duration, Instant};

use super::tenure::{Tenure, Terms};
use crate::fleet::LeaderRow;
use crate::lease::WorkerId;

/// How a lock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long others wait for a silent leader (KCL: `dynamoDbLockBasedLeaderLeaseDurationInMillis`, 120 s). It is
    /// stored in the row, so fleets may mix durations. Should be three heartbeats or more.
    pub duration: Duration,
    /// How often the leader renews (KCL: `dynamoDbLockBasedLeaderHeartbeatPeriodInMillis`, 30 s).
    pub heartbeat: Duration,
    /// How often the others read the row. KCL: 30 s, so that a lock that was given up stays unused for as long.
    /// Default 5 s, a sixth of a heartbeat: one consistent read.
    pub watch: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(120),
            heartbeat: Duration::from_secs(30),
            watch: Duration::from_secs(5),
        }
    }
}

/// What to do about the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Read the row, consistently; then [`Lock::on_row`].
    Read,
    /// Write the whole row with a fresh version, on this condition; then [`Lock::on_acquired`] or [`Lock::on_refused`].
    Acquire(Over),
    /// Write a fresh version and the duration, if the row still has this version and our name.
    Heartbeat {
        /// The version it must have.
        version: String,
    },
    /// Delete the row, if it still has this version and our name; then [`Lock::on_released`].
    Release {
        /// The version it must have.
        version: String,
    },
    /// Nothing before this instant.
    WaitUntil(Instant),
}

/// What an acquisition overwrites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// There must be no row.
    Nothing,
    /// The row must still be marked as released.
    Released,
    /// The row must still have this version: of an owner that is dead, or of our own life before a restart.
    Version(String),
}

impl Over {
    /// Whether an acquisition may overwrite this row: what a store checks and writes in one step.
    #[must_use]
    pub fn allows(&self, row: Option<&LeaderRow>) -> bool {
        match (self, row) {
            (Self::Nothing, None) => true,
            (Self::Released, Some(row)) => row.released,
            (Self::Version(version), Some(row)) => row.version == *version,
            (Self::Nothing, Some(_)) | (Self::Released | Self::Version(_), None) => false,
        }
    }
}

/// One worker's dealings with the lock.
#[derive(Debug)]
pub struct Lock {
    me: WorkerId,
    pace: Pace,
    terms: Terms,
    state: State,
}

#[derive(Debug)]
enum State {
    Watching {
        next_read: Option<Instant>,
        seen: Option<(String, Instant)>,
        acquire: Option<Over>,
        /// Gave leadership up for want of work: lets the others go first.
        abstains_until: Option<Instant>,
    },
    Leading {
        version: String,
        sent_at: Instant,
        due_at: Instant,
        tenure: Tenure,
        leaving: bool,
    },
}

impl Lock {
    /// A worker that does not lead. `terms`: what it owes as a leader.
    #[must_use]
    pub fn new(me: WorkerId, pace: Pace, terms: Terms) -> Self {
        Self {
            me,
            pace,
            terms,
            state: State::watching(None, None),
        }
    }

    /// Whether this worker leads at `now`, by its own clock.
    #[must_use]
    pub fn leads(&self, now: Instant) -> bool {
        match &self.state {
            State::Leading { sent_at, leaving, .. } => !leaving && now <= *sent_at + self.pace.duration,
            State::Watching { .. } => false,
        }
    }

    /// What to do at `now`.
    pub fn next(&mut self, now: Instant) -> Task {
        match &mut self.state {
            State::Watching {
                next_read, acquire, ..
            } => {
                if let Some(over) = acquire.take() {
                    return Task::Acquire(over);
                }
                match *next_read {
                    Some(at) if now < at => Task::WaitUntil(at),
                    _ => Task::Read,
                }
            }
            State::Leading {
                version,
                sent_at,
                due_at,
                tenure,
                leaving,
            } => {
                if now > *sent_at + self.pace.duration {
                    self.state = State::watching(None, None);
                    return Task::Read;
                }
                // A leader that does not assign must not keep others from it.
                if *leaving || !tenure.is_earned(now) {
                    *leaving = true;
                    return Task::Release {
                        version: version.clone(),
                    };
                }
                match now < *due_at {
                    true => Task::WaitUntil((*due_at).min(tenure.earned_until())),
                    false => Task::Heartbeat {
                        version: version.clone(),
                    },
                }
            }
        }
    }

    /// Takes in the row as it was at `now` or before.
    pub fn on_row(&mut self, row: Option<&LeaderRow>, now: Instant) {
        let State::Watching {
            next_read,
            seen,
            acquire,
            abstains_until,
        } = &mut self.state
        else {
            return;
        };
        *next_read = Some(now + self.pace.watch);
        *acquire = None;
        let over = match row {
            None => Some(Over::Nothing),
            Some(row) if row.released => Some(Over::Released),
            Some(row) if row.owner == self.me => Some(Over::Version(row.version.clone())),
            Some(row) => {
                let since = match seen {
                    Some((version, since)) if *version == row.version => *since,
                    _ => now,
                };
                *seen = Some((row.version.clone(), since));
                let dead = now.saturating_duration_since(since) > row.lease_duration;
                dead.then(|| Over::Version(row.version.clone()))
            }
        };
        if abstains_until.is_none_or(|until| now >= until) {
            *acquire = over;
        }
    }

    /// The row is ours, with this version; its write was sent at `sent_at`.
    pub fn on_acquired(&mut self, version: String, sent_at: Instant) {
        self.state = State::Leading {
            version,
            sent_at,
            due_at: sent_at + self.pace.heartbeat,
            tenure: Tenure::new(self.terms, sent_at),
            leaving: false,
        };
    }

    /// A heartbeat was written, with this fresh version.
    pub fn on_heartbeat(&mut self, fresh: String, sent: Instant) {
        if let State::Leading {
            version,
            sent_at,
            due_at,
            ..
        } = &mut self.state
        {
            *version = fresh;
            *sent_at = sent;
            *due_at = sent + self.pace.heartbeat;
        }
    }

    /// A condition failed: whoever wrote the row leads now, and we do not.
    pub fn on_refused(&mut self, now: Instant) {
        self.state = State::watching(Some(now + self.pace.watch), None);
    }

    /// No answer to an acquisition or a heartbeat, which may have been applied or not. A leader leads on until its time
    /// is over; `retry_at` is when to try again.
    pub fn on_failure(&mut self, retry_at: Instant) {
        match &mut self.state {
            State::Watching { next_read, .. } => *next_read = Some(retry_at),
            State::Leading { due_at, .. } => *due_at = retry_at,
        }
    }

    /// The row is gone, or somebody else's. Whoever has just failed to do a leader's work is the last to try again.
    pub fn on_released(&mut self, now: Instant) {
        let idle = matches!(&self.state, State::Leading { tenure, .. } if !tenure.is_earned(now));
        let abstains_until = idle.then(|| now + self.pace.watch * ABSTENTION);
        self.state = State::watching(Some(now + self.pace.watch), abstains_until);
    }

    /// The leader completed a round of assignment: it read what it needed, and its writes were answered.
    pub fn on_round(&mut self, now: Instant) {
        if let State::Leading { tenure, .. } = &mut self.state {
            tenure.on_round(now);
        }
    }

    /// A round failed.
    pub fn on_round_failed(&mut self) {
        if let State::Leading { tenure, .. } = &mut self.state {
            tenure.on_round_failed();
        }
    }

    /// This worker stops: a leader releases the lock next, and leads no more.
    pub fn leave(&mut self) {
        if let State::Leading { leaving, .. } = &mut self.state {
            *leaving = true;
        }
    }
}

impl State {
    fn watching(next_read: Option<Instant>, abstains_until: Option<Instant>) -> Self {
        Self::Watching {
            next_read,
            seen: None,
            acquire: None,
            abstains_until,
        }
    }
}

/// Ours: how many readings of the row everybody else has before us.
const ABSTENTION: u32 = 3;

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
