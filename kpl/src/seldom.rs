//! What would flood the log is said once a while, with how much of it went untold.

use std::time::{Duration, Instant};

/// Remembers when something was said last, and what has come since.
#[derive(Debug)]
pub(crate) struct Seldom {
    quiet: Duration,
    next: Option<Instant>,
    untold: u64,
}

impl Seldom {
    /// At least `quiet` between two sayings.
    pub(crate) fn new(quiet: Duration) -> Self {
        Self {
            quiet,
            next: None,
            untold: 0,
        }
    }

    /// It happened `times` more. How much has come since it was last said, if it is time to say so.
    pub(crate) fn happened(&mut self, times: u64, now: Instant) -> Option<u64> {
        self.untold += times;
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now + self.quiet);
        Some(std::mem::take(&mut self.untold))
    }

    /// What was not said yet.
    pub(crate) fn untold(&self) -> u64 {
        self.untold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time has to start somewhere")]
    fn what_floods_is_said_once_a_while_with_its_number() {
        let (start, quiet) = (Instant::now(), Duration::from_secs(30));
        let mut seldom = Seldom::new(quiet);
        assert_eq!(seldom.happened(1, start), Some(1), "at once");
        for second in 1..30 {
            assert_eq!(seldom.happened(2, start + Duration::from_secs(second)), None);
        }
        assert_eq!(seldom.untold(), 58);
        assert_eq!(seldom.happened(2, start + quiet), Some(60));
        assert_eq!(seldom.untold(), 0);
    }
}
