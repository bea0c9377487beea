//! How a consumer of a stream comes to be: looked up, registered where it may be, waited for. Other workers do the same at
//! the same time.

use std::time::{Duration, Instant};

/// The way to a consumer that can read.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    may_register: bool,
    deadline: Instant,
    pauses: u32,
    registered: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Describe the consumer, after this pause.
    Describe(Duration),
    Register,
    /// It can read.
    Done,
    GiveUp(Why),
}

/// Why there is no consumer that can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// There is none, and it is not to be registered.
    Missing,
    /// It took too long.
    TimedOut,
}

/// What the service said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Active,
    /// It is being made, or was registered this moment.
    Creating,
    Deleting,
    Missing,
    /// Somebody else registers it, or the stream is being changed.
    InUse,
    Throttled,
    /// No answer.
    Passing,
}

impl Registration {
    pub(crate) fn new(may_register: bool, now: Instant) -> Self {
        Self {
            may_register,
            deadline: now + PATIENCE,
            pauses: 0,
            registered: false,
        }
    }

    /// What follows on an answer. `chance` is a number from 0 to 1 for jitter.
    pub(crate) fn on(&mut self, now: Instant, answer: Answer, chance: f64) -> Ask {
        match answer {
            Answer::Active => return Ask::Done,
            Answer::Missing if !self.may_register => return Ask::GiveUp(Why::Missing),
            // A description may be behind the times.
            Answer::Missing if !self.registered => {
                self.registered = true;
                return Ask::Register;
            }
            Answer::InUse | Answer::Throttled | Answer::Passing => self.registered = false,
            Answer::Missing | Answer::Creating | Answer::Deleting => {}
        }
        if answer == Answer::Deleting {
            // It has to be registered anew once it is gone.
            self.registered = false;
        }
        if now >= self.deadline {
            return Ask::GiveUp(Why::TimedOut);
        }
        let pause = MIN_PAUSE * 2_u32.saturating_pow(self.pauses.min(4));
        self.pauses += 1;
        Ask::Describe(pause.min(MAX_PAUSE).mul_f64(1.0 + chance / 2.0))
    }
}

/// Ours: a consumer is ACTIVE after some seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Source: KCL, `FanOutConfig.retryBackoffMillis` is 1000.
const MIN_PAUSE: Duration = Duration::from_millis(500);
/// Source: AWS API reference, DescribeStreamConsumer: 20 calls a second for each stream; a hundred workers ask.
const MAX_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an origin for made-up times")]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn it_is_registered_once_and_waited_for() {
        let now = origin();
        let mut way = Registration::new(true, now);
        let mut on = |answer| way.on(now, answer, 0.0);
        assert_eq!(on(Answer::Missing), Ask::Register);
        assert_eq!(on(Answer::Creating), Ask::Describe(MIN_PAUSE));
        assert_eq!(
            on(Answer::Missing),
            Ask::Describe(MIN_PAUSE * 2),
            "a description behind the times"
        );
        assert_eq!(on(Answer::Creating), Ask::Describe(MIN_PAUSE * 4));
        assert_eq!(on(Answer::Active), Ask::Done);
    }

    #[test]
    fn workers_that_register_at_once_meet() {
        let now = origin();
        let mut way = Registration::new(true, now);
        assert_eq!(way.on(now, Answer::Missing, 0.0), Ask::Register);
        assert_eq!(way.on(now, Answer::InUse, 0.0), Ask::Describe(MIN_PAUSE));
        assert_eq!(way.on(now, Answer::Creating, 0.0), Ask::Describe(MIN_PAUSE * 2));
        assert_eq!(way.on(now, Answer::Active, 0.0), Ask::Done);
    }

    #[test]
    fn one_that_is_deleted_is_registered_anew() {
        let now = origin();
        let mut way = Registration::new(true, now);
        assert_eq!(way.on(now, Answer::Deleting, 0.0), Ask::Describe(MIN_PAUSE));
        assert_eq!(way.on(now, Answer::Missing, 0.0), Ask::Register);
    }

    #[test]
    fn nothing_is_registered_that_must_not_be() {
        let now = origin();
        let mut way = Registration::new(false, now);
        assert_eq!(way.on(now, Answer::Missing, 0.0), Ask::GiveUp(Why::Missing));
    }

    proptest! {
        #[test]
        fn it_ends_in_time(answers in proptest::collection::vec((2..7_u8, 0.0..1.0_f64), 200)) {
            let start = origin();
            let (mut now, mut way) = (start, Registration::new(true, start));
            let mut registers = 0;
            for (answer, chance) in answers {
                let answer = match answer {
                    2 => Answer::Creating,
                    3 => Answer::Deleting,
                    4 => Answer::Missing,
                    5 => Answer::InUse,
                    _ => Answer::Throttled,
                };
                match way.on(now, answer, chance) {
                    Ask::Describe(pause) => { prop_assert!(pause >= MIN_PAUSE); now += pause; registers = 0; }
                    Ask::Register => { registers += 1; prop_assert!(registers == 1, "one after the other"); }
                    Ask::GiveUp(_) => break,
                    Ask::Done => prop_assert!(false),
                }
            }
            prop_assert!(now - start <= PATIENCE + MAX_PAUSE * 2);
        }
    }
}
