//! How long to wait after a failed attempt: decorrelated jitter.

use std::time::Duration;

use rand::Rng;

use crate::config::Waits;

/// The state of one shard: each wait is drawn between the shortest that the failure's class has and three times the last
/// one.
///
/// Many producers that failed together so come back apart, and a shard that keeps failing is asked less and less.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The next wait, after a failure of a class with these bounds.
    pub(super) fn next(&mut self, waits: Waits, rng: &mut impl Rng) -> Duration {
        let first = waits.min * 2;
        let most = self.last.map_or(first, |last| (last * 3).max(first));
        let wait = rng.random_range(waits.min..=most).min(waits.max);
        self.last = Some(wait);
        wait
    }

    /// An attempt succeeded: start over.
    pub(super) fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn waits(min: u64, max: u64) -> Waits {
        Waits {
            min: Duration::from_millis(min),
            max: Duration::from_millis(max),
        }
    }

    proptest! {
        #[test]
        fn waits_stay_in_bounds_and_grow_from_the_last(
            seed: u64,
            bounds in prop::collection::vec((1_u64..500, 0_u64..3_000), 1..50),
        ) {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            let mut last = Duration::ZERO;
            for (min, more) in bounds {
                let bounds = waits(min, min + more);
                let wait = backoff.next(bounds, &mut rng);
                prop_assert!((bounds.min..=bounds.max).contains(&wait));
                prop_assert!(wait <= (last * 3).max(bounds.min * 2));
                last = wait;
            }
            backoff.reset();
            prop_assert!(backoff.next(waits(50, 2_000), &mut rng) <= Duration::from_millis(100));
        }
    }

    #[test]
    fn seeds_differ_and_repeat() {
        let drawn = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            (0..10)
                .map(|_| backoff.next(waits(50, 2_000), &mut rng))
                .collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}
