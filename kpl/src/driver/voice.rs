//! What one stream's task says of itself: each request at `debug`, what an operator should see at `warn`, and seldom.

use std::time::{Duration, Instant};

use crate::failure::{Failure, FailureKind};
use crate::pipeline::Pipeline;
use crate::stream::StreamName;

/// Remembers when it last said what.
#[derive(Debug)]
pub(super) struct Voice {
    stream: StreamName,
    next_report: Instant,
    failures: Seldom,
    throttles: Seldom,
}

/// Something that is said once a while, with how often it happened meanwhile.
#[derive(Debug, Default)]
struct Seldom {
    next: Option<Instant>,
    untold: u64,
}

impl Voice {
    pub(super) fn new(stream: StreamName, now: Instant) -> Self {
        Self {
            stream,
            next_report: now + REPORT,
            failures: Seldom::default(),
            throttles: Seldom::default(),
        }
    }

    /// A request failed as a whole.
    pub(super) fn request_failed(&mut self, error: &Failure, now: Instant) {
        tracing::debug!(stream = %self.stream, %error, "request failed");
        let (seldom, what) = match error.kind() {
            FailureKind::Throttled | FailureKind::KeyThrottled => {
                (&mut self.throttles, "requests are throttled")
            }
            _ => (&mut self.failures, "requests fail"),
        };
        if let Some(requests) = seldom.happened(now) {
            tracing::warn!(stream = %self.stream, requests, %error, "{what}");
        }
    }

    /// Tells each quarter of a minute how records travelled, if anybody listens and any did.
    pub(super) fn on_turn<T>(&mut self, pipeline: &mut Pipeline<T>, now: Instant) {
        if now < self.next_report {
            return;
        }
        self.next_report = now + REPORT;
        let departures = pipeline.take_departures();
        if departures.records == 0 {
            return;
        }
        tracing::debug!(
            stream = %self.stream,
            records = departures.records,
            entries = departures.entries,
            reasons = %departures,
            pending = pipeline.outstanding(),
            requests = pipeline.requests_under_way(),
            "what was sent and why"
        );
    }
}

impl Seldom {
    /// How often it happened since it was last said, if it is time to say so.
    fn happened(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now + QUIET);
        Some(std::mem::take(&mut self.untold))
    }
}

/// Source: KPL, which logs its flush reasons every 15 s.
const REPORT: Duration = Duration::from_secs(15);
/// Between two warnings about the same.
const QUIET: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time has to start somewhere")]
    fn what_floods_is_said_once_a_while_with_its_number() {
        let start = Instant::now();
        let mut seldom = Seldom::default();
        assert_eq!(seldom.happened(start), Some(1), "at once");
        for second in 1..30 {
            assert_eq!(seldom.happened(start + Duration::from_secs(second)), None);
        }
        assert_eq!(seldom.happened(start + QUIET), Some(30));
    }
}
