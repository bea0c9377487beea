//! A leader keeps the lock for what it does: without completed rounds of assignment, no heartbeat.

use std::time::{Duration, Instant};

/// What a leader owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How often it should complete a round (KCL: `leaseAssignmentIntervalMillis`).
    pub round: Duration,
    /// After how many intervals without a completed round it gives leadership up, and after how many failed rounds in a
    /// row. Default 3, as KCL's count of failures; KCL does not notice rounds that never end.
    pub patience: u32,
}

impl Terms {
    /// Three intervals, or three failures.
    #[must_use]
    pub fn new(round: Duration) -> Self {
        Self { round, patience: 3 }
    }
}

/// One leader's term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenure {
    terms: Terms,
    completed_at: Instant,
    failures: u32,
}

impl Tenure {
    /// A term that begins at `now`, as if a round had just been completed.
    #[must_use]
    pub fn new(terms: Terms, now: Instant) -> Self {
        Self {
            terms,
            completed_at: now,
            failures: 0,
        }
    }

    /// A round was completed.
    pub fn on_round(&mut self, now: Instant) {
        self.completed_at = now;
        self.failures = 0;
    }

    /// A round failed.
    pub fn on_round_failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Whether the leader has done its work up to `now`.
    #[must_use]
    pub fn is_earned(&self, now: Instant) -> bool {
        self.failures < self.terms.patience && now <= self.earned_until()
    }

    /// When patience ends unless a round is completed before.
    #[must_use]
    pub fn earned_until(&self) -> Instant {
        self.completed_at + self.terms.round * self.terms.patience
    }
}
