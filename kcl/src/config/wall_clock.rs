//! What time it is by the wall: for rows that tell other hosts when they were written, and for nothing else.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::ConsumerConfigBuilder;

/// Where wall times come from. What leases depend on is measured by a monotonic clock.
#[derive(Clone)]
pub(crate) struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl WallClock {
    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for WallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "rows of other hosts hold wall times, and ours are for them"
    )]
    fn default() -> Self {
        Self(Arc::new(SystemTime::now))
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

impl ConsumerConfigBuilder {
    /// Takes the time that is written into the fleet's rows (reports of workers, states) from here: for tests in virtual
    /// time, where the system's clock stands still while hours pass. Default: the system's clock.
    pub fn wall_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.wall_clock = WallClock(Arc::new(clock));
        self
    }
}
