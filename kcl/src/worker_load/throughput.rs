//! What a lease delivers, smoothed, for `throughputKBps` of its row.

use std::time::{Duration, Instant};

/// Bytes handed to one shard's processor, by interval between two heartbeats, or checkpoints in their place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Throughput {
    smooth: Option<f64>,
    bytes: u64,
    since: Instant,
}

impl Throughput {
    /// A lease acquired at `now`. `stored`: what its row says, from its holder before.
    #[must_use]
    pub(crate) fn new(stored: Option<f64>, now: Instant) -> Self {
        Self {
            smooth: stored.filter(|kib| kib.is_finite() && *kib >= 0.0),
            bytes: 0,
            since: now,
        }
    }

    /// So many bytes were handed to the processor, counted as KCL does: after aggregates were taken apart.
    pub(crate) fn on_bytes(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The value to write with a checkpoint sent at `now`: a new one only when `period`, the time between two heartbeats, has
    /// passed since the last. Checkpoints put heartbeats off, and come too often to measure between each two of them.
    pub(crate) fn at_checkpoint(&mut self, now: Instant, period: Duration) -> Option<f64> {
        match now.saturating_duration_since(self.since) >= period {
            true => self.at_heartbeat(now),
            false => self.smooth,
        }
    }

    /// The value to write with the heartbeat sent at `now`, in KiB/s and 6 decimals. Each interval counts as much as all
    /// before it (KCL: a moving average of weight 0.5).
    pub(crate) fn at_heartbeat(&mut self, now: Instant) -> Option<f64> {
        let passed = now.saturating_duration_since(self.since);
        if passed >= LEAST_INTERVAL {
            let rate = self.bytes as f64 / 1024.0 / passed.as_secs_f64();
            let smooth = self.smooth.map_or(rate, |before| 0.5 * rate + 0.5 * before);
            self.smooth = Some((smooth * 1e6).round() / 1e6);
            self.bytes = 0;
            self.since = now;
        }
        self.smooth
    }
}

/// Ours: a heartbeat right after another one says nothing about a rate.
const LEAST_INTERVAL: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn rates_are_smoothed_and_fade() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut throughput = Throughput::new(None, start);
        assert_eq!(throughput.at_heartbeat(start), None, "no time passed");
        throughput.on_bytes(40 * 1024);
        assert_eq!(throughput.at_heartbeat(at(4)), Some(10.0));
        assert_eq!(throughput.at_heartbeat(at(4)), Some(10.0));
        assert_eq!(throughput.at_heartbeat(at(8)), Some(5.0));
        throughput.on_bytes(20 * 1024);
        assert_eq!(throughput.at_heartbeat(at(10)), Some(7.5));

        let period = Duration::from_secs(4);
        throughput.on_bytes(4 * 1024);
        assert_eq!(throughput.at_checkpoint(at(13), period), Some(7.5), "too soon");
        throughput.on_bytes(6 * 1024);
        assert_eq!(throughput.at_checkpoint(at(14), period), Some(5.0));

        let mut inherited = Throughput::new(Some(100.0), start);
        assert_eq!(inherited.at_heartbeat(at(1)), Some(50.0));
        assert_eq!(Throughput::new(Some(f64::NAN), start).at_heartbeat(start), None);
    }
}
