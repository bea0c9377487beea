//! The rate of one shard that gives way to others who write to it: found out from what is throttled and what is not.
//!
//! The service keeps a bucket for each shard, which holds one second's worth and which all producers drain. So a rate
//! above what the others leave is not refused at once: it empties the bucket first. And between two moments at which the
//! bucket was empty, what we stored is what there was for us. Both make for a slow saw, whose teeth the bucket smooths:
//!
//! ```text
//! rate    /|      /|        after a refusal: a little below what was stored per second since the one before, so that
//! left --/-|--/--/-|--/--   the bucket gains; then steadily up, so that it loses what it gained, and is empty again
//!       /  | /  /  | /      about twelve seconds later. One refusal a tooth; the mean is what is left.
//! ```
//!
//! When the next refusal is long overdue, somebody has left: the rate climbs by a tenth each second. Above the shard's
//! documented quota it climbs slowly. Only time in which the rate was what held us back counts.

use std::time::Instant;

/// The rate, as a share of the shard's documented quota.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    most: f64,
    rate: f64,
    /// Where the present tooth began.
    base: f64,
    /// Seconds of it in which the rate was used up.
    used: f64,
    began_at: Instant,
    /// What was stored in it, in seconds of the whole quota.
    stored: f64,
    /// When the rate was lowered last; before that it is only known that it was not too much.
    lowered_at: Option<Instant>,
}

impl Pace {
    /// Never above `most`.
    pub(super) fn new(most: f64, now: Instant) -> Self {
        let rate = most.min(1.0);
        Self {
            most,
            rate,
            base: rate,
            used: 0.0,
            began_at: now,
            stored: 0.0,
            lowered_at: None,
        }
    }

    /// The rate now.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// What takes `cost` seconds of the whole quota was sent, and the rate holds back what is left.
    pub(super) fn on_used(&mut self, cost: f64) {
        let seconds = cost / self.rate;
        self.used += seconds;
        let steady = 2.0 * (1.0 / BELOW - 1.0) * self.base / TOOTH_SECONDS;
        let wanted = if self.is_overdue() {
            steady.max(self.rate * CLIMB)
        } else {
            steady
        };
        let slope = if self.rate >= 1.0 {
            wanted.min(CLIMB_ABOVE_QUOTA)
        } else {
            wanted
        };
        self.rate = (self.rate + slope * seconds).min(self.most);
    }

    /// What takes `cost` seconds of the whole quota was stored.
    pub(super) fn on_stored(&mut self, cost: f64) {
        self.stored += cost;
    }

    /// Something that was sent at `sent_at` was refused. Tells whether the rate has changed.
    pub(super) fn on_throttled(&mut self, sent_at: Instant, now: Instant) -> bool {
        if self.lowered_at.is_some_and(|at| sent_at <= at) {
            return false;
        }
        let is_first = self.lowered_at.is_none();
        self.lowered_at = Some(now);
        if self.stored == 0.0 && !is_first {
            // Nothing gets through at all: that is for the waits after failures to bear, and says nothing of a rate.
            return false;
        }
        let seconds = now.saturating_duration_since(self.began_at).as_secs_f64();
        self.base = (self.left(is_first, seconds) * BELOW).max(LEAST).min(self.most);
        self.rate = self.base;
        self.used = 0.0;
        self.stored = 0.0;
        self.began_at = now;
        true
    }

    /// What others leave, as far as it can be told from the last `seconds`, at the end of which the bucket is empty.
    fn left(&self, is_first: bool, seconds: f64) -> f64 {
        let (stored, rate) = (self.stored, self.rate);
        if is_first {
            // The bucket was full, perhaps, and that is gone.
            let least = rate * LEAST_KEPT_AT_FIRST;
            return if seconds < LONG_ENOUGH {
                rate * 0.8
            } else {
                ((stored - 1.0) / seconds).clamp(least, rate * UNKNOWN)
            };
        }
        let is_partly_used = seconds >= LONG && self.used < seconds * USED;
        if self.is_overdue() || is_partly_used || seconds < LONG_ENOUGH {
            return rate * UNKNOWN;
        }
        let least = if seconds < LONG { rate * LEAST_KEPT } else { 0.0 };
        (stored / seconds).clamp(least, rate)
    }

    fn is_overdue(&self) -> bool {
        self.used > TOOTH_SECONDS * OVERDUE
    }
}

/// Where a tooth begins, of what is left. Lower gains more room for others' bursts; much lower fills the service's bucket,
/// and what flows over is lost.
const BELOW: f64 = 0.88;
/// From one refusal to the next. Longer wastes fewer attempts and finds later what others leave.
const TOOTH_SECONDS: f64 = 12.0;
/// After so many of these it is certain that there is more than there was.
const OVERDUE: f64 = 1.3;
/// How fast the rate climbs then, of itself in a second.
const CLIMB: f64 = 0.1;
/// How fast it climbs where the documented quota says that there is nothing, of the quota in a second.
const CLIMB_ABOVE_QUOTA: f64 = 0.02;
/// What the rate may have been too high by, when nothing is known.
const UNKNOWN: f64 = 0.93;
/// How much of a tooth the rate must have been used for, to tell what is left.
const USED: f64 = 0.7;
/// Seconds that tell what is left with certainty, and those that tell it roughly.
const LONG: f64 = 2.0;
const LONG_ENOUGH: f64 = 0.4;
/// What is kept of the rate at least when it is told roughly, and at first.
const LEAST_KEPT: f64 = 0.7;
const LEAST_KEPT_AT_FIRST: f64 = 0.5;
/// Of the quota. So much is always tried, lest a shard be given up; and refusals that do not depend on the rate, which no
/// lower rate would end, take no more from a load than this.
const LEAST: f64 = 0.1;
