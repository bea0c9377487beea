//! How many attempts may be repetitions: what keeps an outage from multiplying the load.

use std::time::Instant;

use super::token_bucket::TokenBucket;
use crate::config::RetryBudget;

/// The budget of one stream, in Kinesis records.
#[derive(Debug)]
pub(super) struct Repetitions(Option<Budget>);

#[derive(Debug)]
struct Budget {
    per_second: f64,
    share: f64,
    /// Counts from the first Kinesis record on.
    tokens: Option<TokenBucket>,
}

impl Repetitions {
    pub(super) fn new(budget: RetryBudget) -> Self {
        Self(match budget {
            RetryBudget::Unlimited => None,
            RetryBudget::Share { percent, per_second } => Some(Budget {
                per_second: f64::from(per_second),
                share: f64::from(percent) / 100.0,
                tokens: None,
            }),
        })
    }

    /// When the next repetition may go.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        let tokens = self.0.as_ref().and_then(|budget| budget.tokens.as_ref());
        tokens.map_or(now, |tokens| tokens.ready_at(1.0, now))
    }

    /// The same, if that is later than anything so far; `None` when none has been sent.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let tokens = self.0.as_ref().and_then(|budget| budget.tokens.as_ref());
        tokens.map(|tokens| tokens.reaches(1.0))
    }

    /// A Kinesis record goes out: for the first time, or again.
    pub(super) fn on_sent(&mut self, is_repetition: bool, now: Instant) {
        if let Some(budget) = &mut self.0 {
            let share = budget.share;
            let tokens = budget.tokens(now);
            if is_repetition {
                tokens.take(1.0, now);
            } else {
                tokens.add(share, now);
            }
        }
    }

    /// A repetition was stored: it has proved worth its token, and that more of them will be.
    pub(super) fn on_worthwhile(&mut self, now: Instant) {
        if let Some(budget) = &mut self.0 {
            budget.tokens(now).add(2.0, now);
        }
    }
}

impl Budget {
    fn tokens(&mut self, now: Instant) -> &mut TokenBucket {
        let per_second = self.per_second;
        self.tokens
            .get_or_insert_with(|| TokenBucket::new(per_second * SAVED_SECONDS, per_second, now))
    }
}

/// Of the repetitions per second, what may be saved up.
const SAVED_SECONDS: f64 = 10.0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pipeline::tests::start;

    /// Repetitions that get through in `seconds`, if each is sent as soon as it may be.
    fn repeated(budget: &mut Repetitions, start: Instant, seconds: u64, stored: bool) -> u32 {
        let (mut now, mut count) = (start, 0);
        loop {
            // A round trip.
            now = budget.ready_at(now) + Duration::from_millis(1);
            if now > start + Duration::from_secs(seconds) {
                return count;
            }
            budget.on_sent(true, now);
            if stored {
                budget.on_worthwhile(now);
            }
            count += 1;
        }
    }

    fn spent(percent: u32, per_second: u32, now: Instant) -> Repetitions {
        let mut budget = Repetitions::new(RetryBudget::Share { percent, per_second });
        for _ in 0..per_second * 10 {
            budget.on_sent(true, now);
        }
        budget
    }

    #[test]
    fn an_outage_gets_the_floor_and_no_more() {
        let start = start();
        let mut budget = spent(20, 50, start);
        let count = repeated(&mut budget, start, 20, false);
        assert!((950..=1_000).contains(&count), "{count}");
    }

    #[test]
    fn first_attempts_pay_their_share() {
        let start = start();
        let mut budget = spent(20, 1, start);
        for _ in 0..40 {
            budget.on_sent(false, start);
        }
        let at_once = (0..20).filter(|_| {
            let ready = budget.ready_at(start) == start;
            if ready {
                budget.on_sent(true, start);
            }
            ready
        });
        assert_eq!(at_once.count(), 8);
    }

    #[test]
    fn what_succeeds_is_not_held() {
        let start = start();
        let mut budget = spent(0, 10, start);
        let count = repeated(&mut budget, start, 2, true);
        assert!(count > 1_500, "{count}");
    }

    #[test]
    fn unlimited_never_waits() {
        let start = start();
        let mut budget = Repetitions::new(RetryBudget::Unlimited);
        for _ in 0..10_000 {
            budget.on_sent(true, start);
        }
        assert_eq!(budget.ready_at(start), start);
    }
}
