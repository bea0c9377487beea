//! How long to wait after a failed attempt: decorrelated jitter.

use std::time::Duration;

use rand::Rng;

/// The state of one shard: each wait is drawn between [`MIN_WAIT`] and three times the last one.
///
/// Many producers that failed together so come back apart, and a shard that keeps failing is asked less and less.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The next wait.
    pub(super) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let most = self
            .last
            .map_or(MIN_WAIT * 2, |last| (last * 3).max(MIN_WAIT * 2));
        let wait = rng.random_range(MIN_WAIT..=most).min(MAX_WAIT);
        self.last = Some(wait);
        wait
    }

    /// An attempt succeeded: start over.
    pub(super) fn reset(&mut self) {
        self.last = None;
    }
}

/// Half of the default linger: what the KPL waits before each retry.
pub(super) const MIN_WAIT: Duration = Duration::from_millis(50);
/// A shard's buckets refill within a second, so waiting much longer gains nothing.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    proptest! {
        #[test]
        fn waits_stay_in_bounds_and_grow_from_the_last(seed: u64) {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            let mut last = MIN_WAIT;
            for _ in 0..50 {
                let wait = backoff.next(&mut rng);
                prop_assert!((MIN_WAIT..=MAX_WAIT).contains(&wait));
                prop_assert!(wait <= (last * 3).max(MIN_WAIT * 2));
                last = wait;
            }
            backoff.reset();
            prop_assert!(backoff.next(&mut rng) <= MIN_WAIT * 2);
        }
    }

    #[test]
    fn seeds_differ_and_repeat() {
        let waits = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            (0..10).map(|_| backoff.next(&mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
