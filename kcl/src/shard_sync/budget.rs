//! How often a process may list shards: one bucket for all its streams and all who ask.

use std::time::{Duration, Instant};

/// A token bucket for `ListShards`, whose owner is one task.
#[derive(Debug, Clone)]
pub struct ListingBudget {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled_at: Instant,
    closed_until: Option<Instant>,
}

/// Whether a listing may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Now; the token is spent.
    Now,
    /// Not before this instant; ask again then.
    At(Instant),
}

impl ListingBudget {
    /// So many calls each second, so many at once. At least one call fits, and one comes every hour.
    #[must_use]
    pub fn new(per_second: f64, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self {
            rate: per_second.max(1.0 / 3600.0),
            burst,
            tokens: burst,
            filled_at: now,
            closed_until: None,
        }
    }

    /// Ten calls a second, fifty at once: a hundredth of what the service allows one stream, so that a hundred workers
    /// of a fleet stay below it. Source: AWS API reference, `ListShards`: 1000 transactions per second per stream.
    #[must_use]
    pub fn of_one_process(now: Instant) -> Self {
        Self::new(10.0, 50, now)
    }

    /// Asks for one call (one page) at `now`.
    pub fn ask(&mut self, now: Instant) -> Permit {
        if let Some(until) = self.closed_until.filter(|until| now < *until) {
            return Permit::At(until);
        }
        self.closed_until = None;
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
        self.filled_at = self.filled_at.max(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Permit::Now;
        }
        let missing = (1.0 - self.tokens) / self.rate;
        Permit::At(now + Duration::from_secs_f64(missing) + GRAIN)
    }

    /// The service refused a call for its limit: nobody asks again for a while, and then one by one (KCL:
    /// `listShardsBackoffTimeInMillis`, 1500 ms).
    pub fn on_throttled(&mut self, now: Instant) {
        let until = now + PAUSE;
        self.closed_until = Some(self.closed_until.map_or(until, |before| before.max(until)));
        self.tokens = self.tokens.min(1.0);
    }
}

/// Source: KCL, `listShardsBackoffTimeInMillis`.
const PAUSE: Duration = Duration::from_millis(1500);
/// So that a token is really there at the instant named, whatever rounding did.
const GRAIN: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = origin();
        let mut budget = ListingBudget::new(2.0, 3, start);
        for _ in 0..3 {
            assert_eq!(budget.ask(start), Permit::Now);
        }
        let Permit::At(then) = budget.ask(start) else {
            panic!("the burst is spent");
        };
        assert!((then - start).abs_diff(Duration::from_millis(500)) < Duration::from_millis(1));
        assert_eq!(budget.ask(then), Permit::Now);
    }

    #[test]
    fn a_refusal_closes_it_for_all() {
        let start = origin();
        let mut budget = ListingBudget::of_one_process(start);
        budget.on_throttled(start);
        let then = start + Duration::from_millis(1500);
        assert_eq!(budget.ask(start), Permit::At(then));
        assert_eq!(budget.ask(then), Permit::Now);
    }

    proptest! {
        #[test]
        fn it_never_spends_more_than_it_has(
            rate in 0.1_f64..50.0, burst in 1_u32..20, waits in prop::collection::vec(0_u64..400, 1..200),
        ) {
            let start = origin();
            let mut budget = ListingBudget::new(rate, burst, start);
            let (mut now, mut spent) = (start, 0_u32);
            for wait in waits {
                now += Duration::from_millis(wait);
                match budget.ask(now) {
                    Permit::Now => spent += 1,
                    Permit::At(then) => {
                        prop_assert!(then > now);
                        prop_assert_eq!(budget.clone().ask(then), Permit::Now, "as promised");
                    }
                }
                let most = f64::from(burst) + (now - start).as_secs_f64() * rate;
                prop_assert!(f64::from(spent) <= most + 1e-6);
            }
        }
    }
}
