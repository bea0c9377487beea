//! What one stream's task says of itself: each request at `debug`, what an operator should see at `warn`, and seldom.

use std::time::{Duration, Instant};

use crate::failure::{Failure, FailureKind};
use crate::pipeline::Pipeline;
use crate::seldom::Seldom;
use crate::stream::StreamName;

/// Remembers when it last said what.
#[derive(Debug)]
pub(super) struct Voice {
    stream: StreamName,
    next_report: Instant,
    failures: Seldom,
    throttles: Seldom,
}

impl Voice {
    pub(super) fn new(stream: StreamName, now: Instant) -> Self {
        Self {
            stream,
            next_report: now + REPORT,
            failures: Seldom::new(QUIET),
            throttles: Seldom::new(QUIET),
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
        if let Some(requests) = seldom.happened(1, now) {
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

/// Source: KPL, which logs its flush reasons every 15 s.
const REPORT: Duration = Duration::from_secs(15);
/// Between two warnings about the same.
const QUIET: Duration = Duration::from_secs(30);
