//! The service's clock: wall time that follows tokio's, so that it stands still and jumps where tests pause time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Wall time of one endpoint. Cheap to clone; all clones are one clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    origin: Arc<Origin>,
}

#[derive(Debug)]
struct Origin {
    started: Instant,
    /// Unix milliseconds at the start.
    wall_ms: u64,
    /// What tests added.
    advanced_ms: AtomicU64,
}

impl Clock {
    /// A clock that shows `wall` now.
    pub(crate) fn starting_at(wall: SystemTime) -> Self {
        let since_epoch = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            origin: Arc::new(Origin {
                started: Instant::now(),
                wall_ms: millis(since_epoch),
                advanced_ms: AtomicU64::new(0),
            }),
        }
    }

    /// Unix milliseconds. Never goes back.
    pub(crate) fn now_ms(&self) -> u64 {
        self.origin.wall_ms.saturating_add(millis(self.since_start()))
    }

    /// Time since the start, with what was added.
    pub(crate) fn since_start(&self) -> Duration {
        let advanced = Duration::from_millis(self.origin.advanced_ms.load(Ordering::Relaxed));
        self.origin.started.elapsed().saturating_add(advanced)
    }

    /// Wall time.
    pub(crate) fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now_ms())
    }

    /// Unix milliseconds at a time since the start.
    pub(crate) fn at_ms(&self, since_start: Duration) -> u64 {
        self.origin.wall_ms.saturating_add(millis(since_start))
    }

    /// When this clock will show `at_ms`, on the clock that timers run by.
    pub(crate) fn instant_of(&self, at_ms: u64) -> Instant {
        let wait = at_ms.saturating_sub(self.now_ms()).min(FARTHEST_MS);
        Instant::now() + Duration::from_millis(wait)
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, by: Duration) {
        self.origin
            .advanced_ms
            .fetch_add(millis(by).min(FARTHEST_MS), Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Ten years: longer than any retention, and far from where timers overflow.
const FARTHEST_MS: u64 = 10 * 365 * 24 * 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_follows_paused_time_and_moves_when_told() {
        let clock = Clock::starting_at(UNIX_EPOCH + Duration::from_millis(1_000));
        assert_eq!((clock.now_ms(), clock.since_start()), (1_000, Duration::ZERO));
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(clock.now_ms(), 1_250);
        assert_eq!(
            clock.instant_of(1_300) - Instant::now(),
            Duration::from_millis(50)
        );
        assert_eq!(clock.instant_of(7), Instant::now());
        clock.clone().advance(Duration::from_secs(1));
        assert_eq!(clock.now_ms(), 2_250);
        assert_eq!(clock.at_ms(Duration::from_millis(5)), 1_005);
        clock.advance(Duration::MAX);
        assert!(clock.now_ms() > 2_250);
    }
}
