//! Rates: a bucket that refills with time, and a window that counts calls.

use std::collections::VecDeque;

/// Tokens that refill steadily. Levels are in thousandths of a token, so that a millisecond refills a whole
/// number of them at any whole rate per second, and nothing is lost to rounding.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    level: i64,
    at_ms: u64,
}

impl Bucket {
    /// Full at this moment.
    pub(crate) fn full(capacity: u64, now_ms: u64) -> Self {
        Self {
            level: milli(capacity),
            at_ms: now_ms,
        }
    }

    /// Adds what came in since the last call, and returns what did not fit, in thousandths.
    pub(crate) fn refill(&mut self, per_second: u64, capacity: u64, now_ms: u64) -> i64 {
        let elapsed = now_ms.saturating_sub(self.at_ms);
        self.at_ms = self.at_ms.max(now_ms);
        let gained = i64::try_from(elapsed.saturating_mul(per_second)).unwrap_or(i64::MAX);
        let filled = self.level.saturating_add(gained);
        self.level = filled.min(milli(capacity));
        filled - self.level
    }

    /// Adds thousandths of tokens from elsewhere.
    pub(crate) fn add_milli(&mut self, amount: i64, capacity: u64) {
        self.level = self.level.saturating_add(amount).min(milli(capacity));
    }

    pub(crate) fn has(&self, tokens: u64) -> bool {
        self.level >= milli(tokens)
    }

    /// Whole tokens in it, 0 if it is in debt.
    pub(crate) fn whole(&self) -> u64 {
        u64::try_from(self.level / 1000).unwrap_or(0)
    }

    pub(crate) fn is_in_debt(&self) -> bool {
        self.level < 0
    }

    /// Takes tokens whether they are there or not. What is missing is a debt, which refilling pays first.
    pub(crate) fn take(&mut self, tokens: u64) {
        self.level = self.level.saturating_sub(milli(tokens));
    }

    /// Milliseconds until the debt is paid at this rate.
    pub(crate) fn debt_ms(&self, per_second: u64) -> u64 {
        self.level.min(0).unsigned_abs().div_ceil(per_second.max(1))
    }
}

fn milli(tokens: u64) -> i64 {
    i64::try_from(tokens.saturating_mul(1000)).unwrap_or(i64::MAX)
}

/// At most so many calls in any stretch of one second, however they are spread.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallWindow {
    /// When the latest calls were admitted, as many as the limit at most.
    admitted: VecDeque<u64>,
}

impl CallWindow {
    /// Whether a call may be made now.
    pub(crate) fn has_room(&mut self, per_second: usize, now_ms: u64) -> bool {
        while self
            .admitted
            .front()
            .is_some_and(|&at| at.saturating_add(1000) <= now_ms)
        {
            self.admitted.pop_front();
        }
        self.admitted.len() < per_second
    }

    /// Counts a call. Refused calls are not counted, else an eager caller would never be let in again.
    pub(crate) fn count(&mut self, now_ms: u64) {
        self.admitted.push_back(now_ms);
    }

    pub(crate) fn admit(&mut self, per_second: usize, now_ms: u64) -> bool {
        let room = self.has_room(per_second, now_ms);
        if room {
            self.count(now_ms);
        }
        room
    }

    pub(crate) fn is_idle(&self, now_ms: u64) -> bool {
        self.admitted
            .back()
            .is_none_or(|&at| at.saturating_add(1000) <= now_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bucket_refills_to_its_capacity_and_tells_what_spills() {
        let mut bucket = Bucket::full(10, 0);
        bucket.take(10);
        assert!(!bucket.has(1));
        assert_eq!(bucket.refill(10, 10, 99), 0);
        assert!(!bucket.has(1), "99 ms at 10 per second are 0.99 tokens");
        assert_eq!(bucket.refill(10, 10, 100), 0);
        assert!(bucket.has(1));
        assert_eq!(bucket.refill(10, 10, 2_100), 11_000);
        assert!(bucket.has(10) && !bucket.has(11));
    }

    #[test]
    fn debt_is_paid_before_tokens_are_lent_again() {
        let mut bucket = Bucket::full(10, 0);
        bucket.take(25);
        assert!(bucket.is_in_debt());
        assert_eq!(bucket.debt_ms(10), 1_500);
        bucket.refill(10, 10, 1_499);
        assert!(bucket.is_in_debt());
        bucket.refill(10, 10, 1_500);
        assert!(!bucket.is_in_debt() && bucket.whole() == 0);
    }

    #[test]
    fn time_that_goes_back_refills_nothing() {
        let mut bucket = Bucket::full(1, 1_000);
        bucket.take(1);
        bucket.refill(1, 1, 10);
        bucket.refill(1, 1, 1_000);
        assert!(!bucket.has(1));
    }

    proptest! {
        #[test]
        fn a_bucket_never_lends_more_than_capacity_and_rate(
            steps in prop::collection::vec((0_u64..400, 1_u64..30), 1..200),
        ) {
            let (rate, capacity) = (50, 20);
            let mut bucket = Bucket::full(capacity, 0);
            let (mut now, mut taken) = (0, Vec::new());
            for (wait, wanted) in steps {
                now += wait;
                bucket.refill(rate, capacity, now);
                if bucket.has(wanted) {
                    bucket.take(wanted);
                    taken.push((now, wanted));
                }
            }
            for (first, &(start, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for &(at, amount) in &taken[first..] {
                    sum += amount;
                    prop_assert!(sum * 1000 <= capacity * 1000 + (at - start) * rate);
                }
            }
        }

        #[test]
        fn a_window_admits_no_more_than_its_limit_in_any_second(
            waits in prop::collection::vec(0_u64..300, 1..200),
        ) {
            let mut window = CallWindow::default();
            let (mut now, mut admitted) = (0, Vec::new());
            for wait in waits {
                now += wait;
                if window.admit(5, now) {
                    admitted.push(now);
                }
            }
            for six in admitted.windows(6) {
                prop_assert!(six[5] - six[0] >= 1000);
            }
        }
    }
}
