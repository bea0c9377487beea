//! Holding a lease: when to renew it, and when it must count as lost although nobody said so. Pure.
//!
//! The holder judges itself by the instant *before* its last successful write was sent. Peers judge by an instant
//! after that write, so the holder always stops first.
//!
//! Renewals and checkpoints of one lease share its counter and must not overlap: keep each [`HeldLease`] in one
//! task, and let every write to the row go through it.

use std::time::{Duration, Instant};

use super::{Lease, WorkerId};
use crate::store::Renewal;

/// How often a lease is renewed and how long it outlives its last renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    failover: Duration,
}

impl Pace {
    /// `failover`: how long a lease lives without a heartbeat (KCL: `failoverTimeMillis`, default 10 s).
    #[must_use]
    pub fn new(failover: Duration) -> Self {
        Self { failover }
    }

    /// How long a lease lives without a heartbeat.
    #[must_use]
    pub fn failover(self) -> Duration {
        self.failover
    }

    /// The time between two heartbeats: two fifths of the failover time. Where one fails, two or three more are tried
    /// before the lease is lost. (KCL: a third less 25 ms; a sixth of its writes are saved.)
    #[must_use]
    pub fn period(self) -> Duration {
        self.failover * 2 / 5
    }

    /// For how long others may see nothing of a living holder: a period and a quarter, half of the failover time. Between two
    /// heartbeats no more than a period passes for whoever looks, however seldom, and one that failed is tried again after a
    /// quarter of it. Who has been silent for longer is doubted, long before its leases are free: of workers that die together
    /// the first lease runs out after three fifths of the failover time, and is not given to another one of them.
    #[must_use]
    pub fn silence(self) -> Duration {
        self.period() * 5 / 4
    }

    /// The time between two heartbeats of a worker of a private fleet, for all its leases: 26 % of the failover time. Its
    /// answer is also what tells a worker that another one wants leases of it.
    #[must_use]
    pub fn worker_period(self) -> Duration {
        self.failover * 26 / 100
    }

    /// The pause after the `failures`-th failed heartbeat in a row: a quarter of the period, doubled each time up
    /// to the period, so that a short fault costs little and a long one is not made worse.
    fn retry_pause(self, failures: u32) -> Duration {
        let quarter = self.period() / 4;
        quarter.saturating_mul(1 << failures.saturating_sub(1).min(2))
    }
}

/// A lease held by this worker, from the take to the loss.
///
/// Methods are of three kinds: getters; [`next`](Self::next), which says what to do; and `on_*`, which take in
/// what happened.
#[derive(Debug, Clone)]
pub struct HeldLease {
    lease: Lease,
    pace: Pace,
    written_at: Instant,
    due_at: Instant,
    failures: u32,
    state: State,
    /// It lives by its worker's heartbeat.
    by_heartbeat: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Held,
    /// Asked to hand over, known since.
    HandingOver(Instant),
    Lost,
}

/// What the holder should do with its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Send a heartbeat now.
    Renew,
    /// Nothing before this instant; a checkpoint in between moves it, so ask again after each write.
    WaitUntil(Instant),
    /// The lease must count as lost: stop processing first, argue later.
    Stop,
}

/// What a write to the row, or its absence, means for the holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing new; go on.
    None,
    /// Somebody asks for the shard, told once: stop gracefully, then complete the hand-over.
    HandOverRequested {
        /// Who will own the lease.
        next: Option<WorkerId>,
    },
    /// The lease is lost.
    Lost,
}

impl HeldLease {
    /// A lease just taken. `lease` is the row as written; `sent_at` is the instant before the take was sent.
    #[must_use]
    pub fn new(lease: Lease, pace: Pace, sent_at: Instant) -> Self {
        Self {
            lease,
            pace,
            written_at: sent_at,
            due_at: sent_at + pace.period(),
            failures: 0,
            state: State::Held,
            by_heartbeat: false,
        }
    }

    /// A lease of a private fleet, just taken: it lives by its worker's heartbeat, the last of which was sent at `beat_at`, and is
    /// not renewed itself.
    #[must_use]
    pub fn by_heartbeat(lease: Lease, pace: Pace, beat_at: Instant) -> Self {
        Self {
            by_heartbeat: true,
            due_at: never_due(pace, beat_at),
            ..Self::new(lease, pace, beat_at)
        }
    }

    /// The worker's heartbeat that was sent at `beat_at` was confirmed by `now`; of a lease that lives by it.
    pub fn on_heartbeat(&mut self, beat_at: Instant, now: Instant) {
        if self.by_heartbeat && self.is_held(now) {
            self.written_at = self.written_at.max(beat_at);
            self.due_at = never_due(self.pace, self.written_at);
        }
    }

    /// The lease as its holder knows it: what every write must present.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// What the next heartbeat or checkpoint says of the shard's throughput, in KiB/s.
    pub fn set_throughput(&mut self, kbps: Option<f64>) {
        self.lease.throughput_kbps = kbps;
    }

    /// How often it is renewed.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Whether processing may go on at `now`.
    #[must_use]
    pub fn is_held(&self, now: Instant) -> bool {
        self.state != State::Lost && now <= self.lost_at()
    }

    /// Whether somebody asked for the shard.
    #[must_use]
    pub fn is_handing_over(&self) -> bool {
        matches!(self.state, State::HandingOver(_))
    }

    /// Since when this holder has known that somebody asks for the shard.
    #[must_use]
    pub fn hand_over_since(&self) -> Option<Instant> {
        match self.state {
            State::HandingOver(since) => Some(since),
            State::Held | State::Lost => None,
        }
    }

    /// The instant after which the lease counts as lost unless it is written before.
    #[must_use]
    pub fn lost_at(&self) -> Instant {
        self.written_at + self.pace.failover
    }

    /// What to do at `now`.
    #[must_use]
    pub fn next(&self, now: Instant) -> Task {
        if !self.is_held(now) {
            Task::Stop
        } else if now >= self.due_at {
            Task::Renew
        } else {
            Task::WaitUntil(self.due_at.min(self.lost_at()))
        }
    }

    /// Takes in the store's answer to a heartbeat or a checkpoint that was sent at `sent_at` and answered at `now`.
    ///
    /// A lease that had to count as lost before the answer came stays lost, whatever the answer: processing has
    /// stopped, and the next acquisition begins anew.
    pub fn on_answer(&mut self, answer: Renewal, sent_at: Instant, now: Instant) -> Change {
        if !self.is_held(now) {
            self.state = State::Lost;
            return Change::Lost;
        }
        match answer {
            // Others look at the worker's heartbeat alone, so a write to the row is no sign of life.
            Renewal::Held(lease) | Renewal::Recovered(lease) | Renewal::HandOverRequested(lease)
                if self.by_heartbeat =>
            {
                self.adopt(lease, now)
            }
            Renewal::Held(lease) | Renewal::Recovered(lease) => {
                self.written_at = sent_at;
                self.due_at = sent_at + self.pace.period();
                self.adopt(lease, now)
            }
            Renewal::HandOverRequested(lease) => {
                // Nothing was written: the clock of loss runs on, and the heartbeat is still due.
                self.due_at = now;
                self.adopt(lease, now)
            }
            Renewal::Lost(_) => {
                self.state = State::Lost;
                Change::Lost
            }
        }
    }

    /// Takes in that the store gave no answer by `now`. The lease stays held until it expires by our own clock.
    pub fn on_failure(&mut self, now: Instant) -> Change {
        if !self.is_held(now) {
            self.state = State::Lost;
            return Change::Lost;
        }
        if self.by_heartbeat {
            return Change::None;
        }
        self.failures = self.failures.saturating_add(1);
        self.due_at = now + self.pace.retry_pause(self.failures);
        Change::None
    }

    fn adopt(&mut self, lease: Lease, now: Instant) -> Change {
        self.failures = 0;
        self.lease = lease;
        if !self.is_held(now) {
            // The answer came so late that we had to stop meanwhile.
            self.state = State::Lost;
            return Change::Lost;
        }
        if self.lease.hand_over_pending() && self.state == State::Held {
            self.state = State::HandingOver(now);
            return Change::HandOverRequested {
                next: self.lease.owner.clone(),
            };
        }
        Change::None
    }
}

/// Past the instant at which the lease counts as lost.
fn never_due(pace: Pace, beat_at: Instant) -> Instant {
    beat_at + pace.failover * 2
}

#[cfg(test)]
mod tests;
