//! A bucket of tokens that refills with time.

use std::time::{Duration, Instant};

/// Starts full. May go below zero once, by one taking: what is larger than the bucket passes when the bucket is full,
/// and is paid back before anything else passes.
#[derive(Debug, Clone)]
pub(super) struct TokenBucket {
    capacity: f64,
    per_second: f64,
    tokens: f64,
    counted_at: Instant,
}

impl TokenBucket {
    pub(super) fn new(capacity: f64, per_second: f64, now: Instant) -> Self {
        Self {
            capacity,
            per_second,
            tokens: capacity,
            counted_at: now,
        }
    }

    /// What it gains in a second.
    pub(super) fn rate(&self) -> f64 {
        self.per_second
    }

    /// What is in the bucket.
    pub(super) fn available(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.counted_at).as_secs_f64();
        (self.tokens + elapsed * self.per_second).min(self.capacity)
    }

    /// When `wanted` tokens, or a full bucket if they are more, will be there.
    pub(super) fn ready_at(&self, wanted: f64, now: Instant) -> Instant {
        let missing = wanted.min(self.capacity) - self.available(now);
        if missing <= ROUNDING {
            return now;
        }
        // A microsecond more than exact, so that arriving then is never too early by a rounding.
        now + Duration::from_secs_f64(missing / self.per_second) + Duration::from_micros(1)
    }

    /// When there will be, or were, so many tokens since they were counted last.
    pub(super) fn reaches(&self, wanted: f64) -> Instant {
        self.ready_at(wanted, self.counted_at)
    }

    /// Adds tokens, up to what it holds.
    pub(super) fn add(&mut self, added: f64, now: Instant) {
        self.tokens = (self.available(now) + added).min(self.capacity);
        self.counted_at = self.counted_at.max(now);
    }

    /// Refills at another rate from now on.
    pub(super) fn set_rate(&mut self, per_second: f64, now: Instant) {
        self.tokens = self.available(now);
        self.counted_at = self.counted_at.max(now);
        self.per_second = per_second;
    }

    /// Takes tokens, whether or not there are as many.
    pub(super) fn take(&mut self, taken: f64, now: Instant) {
        self.tokens = self.available(now) - taken;
        self.counted_at = self.counted_at.max(now);
    }
}

/// Far below one token, far above what adding up fractions loses.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::tests::start;

    #[test]
    fn refills_with_time_up_to_its_capacity() {
        let start = start();
        let mut bucket = TokenBucket::new(10.0, 100.0, start);
        assert_eq!(bucket.ready_at(10.0, start), start, "starts full");
        bucket.take(10.0, start);
        assert_eq!(bucket.ready_at(5.0, start), start + Duration::from_micros(50_001));
        let later = start + Duration::from_secs(60);
        assert!(
            (bucket.available(later) - 10.0).abs() < 1e-9,
            "no more than its capacity"
        );
    }

    #[test]
    fn what_is_added_and_a_new_rate_count_from_now_on() {
        let start = start();
        let mut bucket = TokenBucket::new(10.0, 10.0, start);
        bucket.take(10.0, start);
        let half = start + Duration::from_millis(500);
        bucket.set_rate(2.0, half);
        assert!((bucket.available(half + Duration::from_secs(1)) - 7.0).abs() < 1e-9);
        bucket.add(1.0, half);
        assert!((bucket.available(half) - 6.0).abs() < 1e-9);
        bucket.add(100.0, half);
        assert!((bucket.available(half) - 10.0).abs() < 1e-9, "no more than fits");
    }

    #[test]
    fn what_exceeds_the_bucket_passes_when_it_is_full_and_is_paid_back() {
        let start = start();
        let mut bucket = TokenBucket::new(10.0, 10.0, start);
        assert_eq!(bucket.ready_at(30.0, start), start);
        bucket.take(30.0, start);
        assert_eq!(
            bucket.ready_at(1.0, start),
            start + Duration::from_micros(2_100_001)
        );
    }

    proptest! {
        /// Whatever is taken, and whenever: over any span no more than capacity, growth, and one debt.
        #[test]
        fn never_overspends(steps in prop::collection::vec((0_u64..200, 1_u32..40), 1..200)) {
            let start = start();
            let (capacity, rate) = (20.0, 50.0);
            let mut bucket = TokenBucket::new(capacity, rate, start);
            let mut now = start;
            let mut taken = Vec::new();
            for (wait, wanted) in steps {
                now += Duration::from_millis(wait);
                let wanted = f64::from(wanted);
                let at = bucket.ready_at(wanted, now);
                if at > now {
                    prop_assert!(bucket.ready_at(wanted, at) == at, "the promised time is late enough");
                    continue;
                }
                bucket.take(wanted, now);
                taken.push((now, wanted));
            }
            for first in 0..taken.len() {
                let mut sum = 0.0;
                for (at, amount) in &taken[first..] {
                    sum += amount;
                    let span = at.duration_since(taken[first].0).as_secs_f64();
                    prop_assert!(sum <= capacity + span * rate + 40.0 + 1e-3, "{sum} in {span} s");
                }
            }
        }
    }
}
