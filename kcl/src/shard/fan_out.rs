//! The course of a shard read by enhanced fan-out: when to subscribe, when to subscribe again, when to poll instead.
//!
//! ```text
//!            subscribed                    refused, or failing for long
//!  Closed ───────────────> Open    Closed ──────────────────────────────> Polling
//!    ↑  └ not yet: wait, or   │       ↑                                       │
//!    │    poll meanwhile      │       └─ subscribed once more, after a pause ─┘
//!    └── end, silence, failure, rest
//! ```

use std::time::{Duration, Instant};

/// One shard's course.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    state: State,
    /// Nobody is to be registered, and a consumer that is not there is no incident.
    auto: bool,
    /// When the service last accepted a subscription.
    opened_at: Option<Instant>,
    failing_since: Option<Instant>,
    failures: u32,
    /// How often in a row fan-out did not work out.
    fall_backs: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        /// `None`: at once.
        not_before: Option<Instant>,
        /// Whether to poll until then.
        bridge: bool,
    },
    Open,
    Polling {
        /// `None`: for good.
        back_at: Option<Instant>,
    },
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Wait(Instant),
    Subscribe,
    Receive,
    /// Poll, and ask again at this instant at the latest.
    Poll {
        until: Option<Instant>,
    },
}

/// What is in the way of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The consumer is being looked up or made.
    Preparing,
    /// Another subscription of the same consumer stands, or stood a moment ago.
    InUse,
    Throttled,
    /// It may pass by itself.
    Passing,
    /// There is no such consumer.
    NoConsumer,
    /// It will not pass by itself: rights, a quota, a place that is not accepted.
    Refused,
}

/// Whether people should hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Quiet,
    FellBack,
    CameBack,
}

impl Course {
    pub(crate) fn of_polling() -> Self {
        Self::new(State::Polling { back_at: None }, false)
    }

    /// `auto`: only where the consumer is there already.
    pub(crate) fn of_fan_out(auto: bool) -> Self {
        let at_once = State::Closed {
            not_before: None,
            bridge: false,
        };
        Self::new(at_once, auto)
    }

    fn new(state: State, auto: bool) -> Self {
        Self {
            state,
            auto,
            opened_at: None,
            failing_since: None,
            failures: 0,
            fall_backs: 0,
        }
    }

    pub(crate) fn next(&self, now: Instant) -> Step {
        match self.state {
            State::Open => Step::Receive,
            State::Closed {
                not_before: Some(at),
                bridge,
            } if now < at => match bridge && at - now > WORTH_BRIDGING {
                true => Step::Poll { until: Some(at) },
                false => Step::Wait(at),
            },
            State::Closed { .. } => Step::Subscribe,
            State::Polling { back_at: Some(at) } if now >= at => Step::Subscribe,
            State::Polling { back_at } => Step::Poll { until: back_at },
        }
    }

    pub(crate) fn on_subscribed(&mut self, now: Instant) -> Turn {
        let before = std::mem::replace(&mut self.state, State::Open);
        self.opened_at = Some(now);
        match before {
            State::Polling { .. } if self.fall_backs > 0 => Turn::CameBack,
            _ => Turn::Quiet,
        }
    }

    /// An event came: the subscription works.
    pub(crate) fn on_event(&mut self) {
        self.failing_since = None;
        self.failures = 0;
        self.fall_backs = 0;
    }

    /// It ended as it should, after five minutes.
    pub(crate) fn on_end(&mut self, now: Instant) {
        self.close(now, Duration::ZERO, false);
    }

    /// There is no room for records: it was let go on purpose.
    pub(crate) fn on_rest(&mut self, now: Instant) {
        if self.state == State::Open {
            self.close(now, Duration::ZERO, false);
        }
    }

    /// No event came for too long, though the connection stands.
    pub(crate) fn on_silence(&mut self, now: Instant, chance: f64) -> Turn {
        let since = *self.failing_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= FALL_BACK_AFTER {
            return self.fall_back(now, chance);
        }
        self.close(now, Duration::ZERO, true);
        Turn::Quiet
    }

    /// It could not be opened, or broke. `chance` is a number from 0 to 1 for jitter.
    pub(crate) fn on_obstacle(&mut self, now: Instant, obstacle: Obstacle, chance: f64) -> Turn {
        if obstacle == Obstacle::Preparing {
            match &mut self.state {
                State::Polling { back_at } => *back_at = Some(now + PREPARING),
                State::Closed { .. } | State::Open => self.close(now, PREPARING, true),
            }
            return Turn::Quiet;
        }
        self.failures = self.failures.saturating_add(1);
        let since = *self.failing_since.get_or_insert(now);
        if obstacle == Obstacle::NoConsumer && self.auto {
            let had_one = self.opened_at.take().is_some() && !matches!(self.state, State::Polling { .. });
            let back_at = Some(now + LOOK_AGAIN.mul_f64(1.0 + chance / 4.0));
            self.state = State::Polling { back_at };
            self.fall_backs = u32::from(had_one).max(self.fall_backs);
            return if had_one { Turn::FellBack } else { Turn::Quiet };
        }
        let for_long = now.saturating_duration_since(since) >= FALL_BACK_AFTER;
        let fails_again = matches!(self.state, State::Polling { .. });
        if obstacle == Obstacle::Refused || for_long || fails_again {
            let turn = self.fall_back(now, chance);
            return if fails_again { Turn::Quiet } else { turn };
        }
        let pause = match obstacle {
            // Whoever subscribed did so within the last five seconds.
            Obstacle::InUse => APART.mul_f64(1.0 + chance / 5.0),
            _ => {
                let doubled = MIN_PAUSE * 2_u32.saturating_pow(self.failures.saturating_sub(1).min(8));
                doubled.min(MAX_PAUSE).mul_f64(0.5 + chance / 2.0)
            }
        };
        self.close(now, pause, true);
        Turn::Quiet
    }

    fn fall_back(&mut self, now: Instant, chance: f64) -> Turn {
        let pause = BACK_AFTER * 2_u32.saturating_pow(self.fall_backs.min(8));
        let back_at = now + pause.min(LONGEST_AWAY).mul_f64(1.0 + chance / 4.0);
        self.state = State::Polling {
            back_at: Some(back_at),
        };
        self.fall_backs = self.fall_backs.saturating_add(1);
        // The next attempt is judged by itself.
        self.failing_since = None;
        self.failures = 0;
        Turn::FellBack
    }

    fn close(&mut self, now: Instant, pause: Duration, bridge: bool) {
        let apart = self.opened_at.map_or(now, |at| at + APART);
        self.state = State::Closed {
            not_before: Some(apart.max(now + pause)),
            bridge,
        };
    }
}

/// Source: AWS API reference, SubscribeToShard: a call within 5 seconds of a successful one gets ResourceInUseException.
const APART: Duration = Duration::from_secs(5);
/// Source: AWS API reference, SubscribeToShard: one call a second for each consumer and shard.
const MIN_PAUSE: Duration = Duration::from_secs(2);
/// Ours.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Ours: how soon it is looked whether the consumer is ready.
const PREPARING: Duration = Duration::from_secs(3);
/// Ours: an iterator and a page take longer than a shorter wait.
const WORTH_BRIDGING: Duration = Duration::from_secs(1);
/// Ours: three silences, or half a dozen failures.
const FALL_BACK_AFTER: Duration = Duration::from_secs(30);
/// Ours: the first time; then twice as long each time.
const BACK_AFTER: Duration = Duration::from_secs(60);
/// Ours: rights are granted by people.
const LONGEST_AWAY: Duration = Duration::from_secs(900);
/// Ours: how often `Auto` looks whether the consumer is there now.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

#[cfg(test)]
#[path = "fan_out_tests.rs"]
mod tests;
