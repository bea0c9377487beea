//! How the reading of one shard goes, and when it counts as stuck.
//!
//! ```text
//!  answers with records, a smaller lag, or none ─> moves ──┐
//!  answers that say "more" and bring nothing, failures ────┴─> Watch ─> wait, read anew, give the lease up
//! ```

use std::time::{Duration, Instant};

/// The way in which a shard is read at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetrievalMode {
    /// By GetRecords.
    Polling,
    /// By SubscribeToShard.
    FanOut,
}

/// What one read heard of the service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing was asked, or nothing that says anything came.
    #[default]
    Nothing,
    /// An answer.
    Answer,
    Failure(Trouble),
}

/// A read that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) operation: &'static str,
    /// The service's error code.
    pub(crate) code: String,
    pub(crate) nature: Nature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Too many calls: the service lives, and others read.
    Throttled,
    /// Waiting may help.
    Passing,
    /// Somebody has to do something: rights, credentials, a key.
    Denied,
    /// No event came for too long.
    Silent,
}

/// Failures in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incident {
    pub(crate) trouble: Trouble,
    pub(crate) failures: u32,
    pub(crate) since: Instant,
}

/// What changed with a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// It is denied, for the first time in a row.
    Denied,
    /// A subscription fell silent.
    Silent,
    /// An incident with a denial is over.
    Recovered,
}

/// The reading of one shard.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    mode: Option<RetrievalMode>,
    lag: Option<Duration>,
    moved_at: Instant,
    /// As above, or the service said that others read too much.
    alive_at: Instant,
    incident: Option<Incident>,
}

impl Progress {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            mode: None,
            lag: None,
            moved_at: now,
            alive_at: now,
            incident: None,
        }
    }

    pub(crate) fn mode(&self) -> Option<RetrievalMode> {
        self.mode
    }

    pub(crate) fn lag(&self) -> Option<Duration> {
        self.lag
    }

    pub(crate) fn moved_at(&self) -> Instant {
        self.moved_at
    }

    pub(crate) fn incident(&self) -> Option<&Incident> {
        self.incident.as_ref()
    }

    /// A read has ended, in this mode; with an answer: whether it had records, and how far behind the tip it was.
    pub(crate) fn on_read(
        &mut self,
        now: Instant,
        mode: RetrievalMode,
        heard: Heard,
        records: bool,
        lag: Option<Duration>,
    ) -> Change {
        self.mode = Some(mode);
        match heard {
            Heard::Nothing => Change::None,
            Heard::Answer => {
                let nearer = match (self.lag, lag) {
                    (_, None) => true,
                    (_, Some(lag)) if lag.is_zero() => true,
                    (Some(before), Some(lag)) => lag < before,
                    (None, Some(_)) => true,
                };
                self.lag = lag.or(self.lag);
                if records || nearer {
                    self.on_moved(now);
                }
                let was_denied = |incident: Incident| incident.trouble.nature == Nature::Denied;
                match self.incident.take().is_some_and(was_denied) {
                    true => Change::Recovered,
                    false => Change::None,
                }
            }
            Heard::Failure(trouble) => self.on_failure(now, trouble),
        }
    }

    fn on_failure(&mut self, now: Instant, trouble: Trouble) -> Change {
        let nature = trouble.nature;
        if nature == Nature::Throttled {
            self.alive_at = now;
        }
        let before = self.incident.take();
        let change = match (nature, &before) {
            (Nature::Denied, Some(before)) if before.trouble.nature == Nature::Denied => Change::None,
            (Nature::Denied, _) => Change::Denied,
            (Nature::Silent, _) => Change::Silent,
            (Nature::Throttled | Nature::Passing, _) => Change::None,
        };
        self.incident = Some(match before {
            // A denial stays what it is until an answer comes.
            Some(mut before) => {
                before.failures = before.failures.saturating_add(1);
                if before.trouble.nature != Nature::Denied || nature == Nature::Denied {
                    before.trouble = trouble;
                }
                before
            }
            None => Incident {
                trouble,
                failures: 1,
                since: now,
            },
        });
        change
    }

    /// A batch was processed.
    pub(crate) fn on_moved(&mut self, now: Instant) {
        self.moved_at = now;
        self.alive_at = now;
    }

    /// Since when nothing has moved that should have, for a processor that waits since `waiting`.
    fn still_since(&self, waiting: Instant) -> Instant {
        self.alive_at.max(waiting)
    }
}

/// Judges a shard whose processor waits for records.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    patience: Duration,
    restarted_at: Option<Instant>,
}

/// What to do about a shard whose processor waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Look again then.
    Wait(Instant),
    /// Read it anew; it has stood still for so long.
    Restart(Duration),
    /// That did not help either: give the lease up.
    GiveUp(Duration),
}

impl Watch {
    /// `stall` as set; a shard that is asked seldom, or answered late, is not stuck for that.
    pub(crate) fn new(stall: Duration, idle: Duration, request_timeout: Duration) -> Self {
        Self {
            patience: stall.max(idle * 2 + request_timeout.min(LONGEST_ANSWER)),
            restarted_at: None,
        }
    }

    /// `waiting`: since when the processor waits, and reading was free to go on.
    pub(crate) fn judge(&mut self, now: Instant, progress: &Progress, waiting: Instant) -> Judgement {
        let alive = progress.alive_at;
        // Whatever moved since makes the restart a thing of the past.
        self.restarted_at = self.restarted_at.filter(|at| *at > alive);
        let since = progress.still_since(waiting);
        let from = self.restarted_at.map_or(since, |at| at.max(since));
        if now < from + self.patience {
            return Judgement::Wait(from + self.patience);
        }
        match self.restarted_at {
            None => {
                self.restarted_at = Some(now);
                Judgement::Restart(now - since)
            }
            Some(_) => Judgement::GiveUp(now - since),
        }
    }
}

/// Ours: an answer that takes longer than this is as bad as none.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
