//! Instants that the tasks of one worker have in common. Each shard at rest is read once in a while and each lease renewed:
//! what falls due within a few milliseconds falls due at once, and the processor is woken once for all of it.

use std::time::{Duration, Instant};

/// The cadence of one worker: an instant each 20 ms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cadence {
    origin: Instant,
}

impl Cadence {
    pub(crate) fn from(origin: Instant) -> Self {
        Self { origin }
    }

    /// The last of its instants at `now`, or before. Whoever counts a period from it does not fall behind by the time that waking
    /// up takes, and so stays in step with the others.
    pub(crate) fn before(self, now: Instant) -> Instant {
        let since = now.saturating_duration_since(self.origin);
        let beyond = since.as_nanos() % STEP.as_nanos();
        now - Duration::from_nanos(u64::try_from(beyond).unwrap_or_default())
    }
}

/// Ours: leases that are taken in one round, and shards that are opened in one, are in step with each other, and a thousand of
/// them spread over a second all the same.
const STEP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an origin for made-up times")]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn whoever_wakes_late_stays_in_step() {
        let (start, period) = (origin(), Duration::from_secs(1));
        let cadence = Cadence::from(start);
        let late = |ms| start + Duration::from_millis(ms);
        let mut tasks = [late(3), late(11), late(19)];
        for turn in 1..100 {
            tasks = tasks.map(|acted| cadence.before(acted) + period + Duration::from_micros(1_300));
            assert_eq!(tasks, [start + period * turn + Duration::from_micros(1_300); 3]);
        }
    }

    proptest! {
        #[test]
        fn never_ahead_and_never_a_step_behind(since in 0..u64::MAX / 4, earlier in 0..1_000_000_u64) {
            let start = origin();
            let cadence = Cadence::from(start);
            let now = start + Duration::from_nanos(since);
            let before = cadence.before(now);
            prop_assert!(before <= now && now - before < STEP);
            prop_assert_eq!(cadence.before(before), before);
            let unborn = start.checked_sub(Duration::from_nanos(earlier)).unwrap_or(start);
            prop_assert_eq!(cadence.before(unborn), unborn);
        }
    }
}
