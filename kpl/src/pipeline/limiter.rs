//! How fast one shard may be written to: records and bytes per second.
//!
//! It delays its own shard and no other. Bytes include partition keys, as the service counts them.
//!
//! What happens to the tokens of an attempt that fails: of one that never reached the shard they are given back. Of one
//! that was throttled they are not, though the service took nothing for it: what is not sent meanwhile is what fills the
//! bucket that was found empty. Of one whose fate is unknown they count as spent, as they may be.

use std::time::Instant;

use super::pace::Pace;
use super::token_bucket::TokenBucket;
use crate::config::{AdaptiveRate, RateLimit};

/// The two buckets of one shard; none when the rate is unlimited.
#[derive(Debug, Clone)]
pub(super) struct Limiter(Option<Buckets>);

#[derive(Debug, Clone)]
struct Buckets {
    records: TokenBucket,
    bytes: TokenBucket,
    pace: Option<Pace>,
}

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Allowance {
    pub(super) records: f64,
    pub(super) bytes: f64,
}

impl Limiter {
    pub(super) fn new(limit: RateLimit, adaptive: AdaptiveRate, now: Instant) -> Self {
        let RateLimit::Percent(percent) = limit else {
            return Self(None);
        };
        let most = f64::from(percent) / 100.0;
        let pace = match adaptive {
            AdaptiveRate::Enabled => Some(Pace::new(most, now)),
            AdaptiveRate::Disabled => None,
        };
        // Who would share the shard must leave some of its bucket to the others.
        let (rate, burst) = match &pace {
            Some(pace) => (pace.rate(), ADAPTIVE_BURST),
            None => (most, 1.0),
        };
        Self(Some(Buckets {
            records: TokenBucket::new(SHARD_RECORDS * burst, SHARD_RECORDS * rate, now),
            bytes: TokenBucket::new(SHARD_BYTES * burst, SHARD_BYTES * rate, now),
            pace,
        }))
    }

    /// What it allows, as a share of the shard's documented quota; `None` for everything.
    pub(super) fn share(&self) -> Option<f64> {
        self.0
            .as_ref()
            .map(|buckets| buckets.records.rate() / SHARD_RECORDS)
    }

    /// When a record of `bytes` may be sent.
    pub(super) fn ready_at(&self, bytes: usize, now: Instant) -> Instant {
        self.0.as_ref().map_or(now, |buckets| {
            buckets
                .records
                .ready_at(1.0, now)
                .max(buckets.bytes.ready_at(as_tokens(bytes), now))
        })
    }

    /// What may be sent now.
    pub(super) fn allowance(&self, now: Instant) -> Allowance {
        self.0.as_ref().map_or(
            Allowance {
                records: f64::INFINITY,
                bytes: f64::INFINITY,
            },
            |buckets| Allowance {
                records: buckets.records.available(now),
                bytes: buckets.bytes.available(now),
            },
        )
    }

    /// Counts what is sent.
    pub(super) fn spend(&mut self, records: usize, bytes: usize, now: Instant) {
        if let Some(buckets) = &mut self.0 {
            buckets.records.take(as_tokens(records), now);
            buckets.bytes.take(as_tokens(bytes), now);
            buckets.on_spent(records, bytes, now);
        }
    }

    /// An entry of `bytes` was stored.
    pub(super) fn on_stored(&mut self, bytes: usize) {
        if let Some(pace) = self.0.as_mut().and_then(|buckets| buckets.pace.as_mut()) {
            pace.on_stored(cost(1, bytes));
        }
    }

    /// An entry that was sent at `sent_at` was throttled.
    pub(super) fn on_throttled(&mut self, sent_at: Instant, now: Instant) {
        let Some(buckets) = &mut self.0 else { return };
        if buckets
            .pace
            .as_mut()
            .is_some_and(|pace| pace.on_throttled(sent_at, now))
        {
            buckets.follow_pace(now);
        }
    }

    /// An entry of `bytes` did not reach the shard.
    pub(super) fn refund(&mut self, bytes: usize, now: Instant) {
        if let Some(buckets) = &mut self.0 {
            buckets.records.add(1.0, now);
            buckets.bytes.add(as_tokens(bytes), now);
        }
    }
}

impl Buckets {
    /// Whether it is the rate that holds back what comes next shows in the buckets: they are near empty.
    fn on_spent(&mut self, records: usize, bytes: usize, now: Instant) {
        let Some(pace) = &mut self.pace else { return };
        let left = (self.records.available(now) / SHARD_RECORDS).min(self.bytes.available(now) / SHARD_BYTES);
        if left < pace.rate() * NEAR_EMPTY_SECONDS {
            pace.on_used(cost(records, bytes));
            self.follow_pace(now);
        }
    }

    fn follow_pace(&mut self, now: Instant) {
        if let Some(pace) = &self.pace {
            self.records.set_rate(SHARD_RECORDS * pace.rate(), now);
            self.bytes.set_rate(SHARD_BYTES * pace.rate(), now);
        }
    }
}

/// What is sent, in seconds of the whole quota: by records or bytes, whichever is scarcer.
fn cost(records: usize, bytes: usize) -> f64 {
    (as_tokens(records) / SHARD_RECORDS).max(as_tokens(bytes) / SHARD_BYTES)
}

impl Allowance {
    /// Takes one record off, if there is room for it.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        if self.records < 1.0 || self.bytes < as_tokens(bytes) {
            return false;
        }
        self.records -= 1.0;
        self.bytes -= as_tokens(bytes);
        true
    }

    /// Takes more bytes for a record that was taken before, if there is room for them.
    pub(super) fn extend(&mut self, bytes: usize) -> bool {
        let fits = self.bytes >= as_tokens(bytes);
        if fits {
            self.bytes -= as_tokens(bytes);
        }
        fits
    }
}

/// Counts here are bounded by a request's 10 MiB, far below what a double holds exactly.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn as_tokens(count: usize) -> f64 {
    count as f64
}

/// Source: AWS developer guide, quotas and limits. Applies to: writes of one shard in one second; here also the
/// largest burst.
const SHARD_RECORDS: f64 = 1_000.0;
/// As above, with partition keys.
const SHARD_BYTES: f64 = 1_048_576.0;
/// Of a second's worth: the largest burst when the rate adapts.
const ADAPTIVE_BURST: f64 = 0.5;
/// Buckets with less than the rate brings in so long are near empty.
const NEAR_EMPTY_SECONDS: f64 = 0.1;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pipeline::tests::start;

    /// Sends records of `bytes` as fast as permitted for ten seconds after the first burst.
    fn rate(limit: RateLimit, bytes: usize) -> usize {
        let start = start();
        let mut limiter = Limiter::new(limit, AdaptiveRate::Disabled, start);
        limiter.spend(1_000, 1_048_576, start);
        let end = start + Duration::from_secs(10);
        let (mut now, mut sent) = (start, 0);
        loop {
            now = limiter.ready_at(bytes, now);
            if now > end {
                return sent / 10;
            }
            limiter.spend(1, bytes, now);
            sent += 1;
        }
    }

    #[test]
    fn holds_the_shards_quota() {
        let cases = [
            (RateLimit::Percent(100), 10, 980..=1_000),
            (RateLimit::Percent(150), 10, 1_450..=1_500),
            (RateLimit::Percent(100), 102_400, 10..=11),
            (RateLimit::Percent(150), 51_201, 29..=31),
        ];
        for (limit, bytes, expected) in cases {
            let rate = rate(limit, bytes);
            assert!(
                expected.contains(&rate),
                "{limit:?} with {bytes} bytes: {rate} records/s"
            );
        }
    }

    #[test]
    fn unlimited_never_waits() {
        let now = start();
        let mut limiter = Limiter::new(RateLimit::Unlimited, AdaptiveRate::Enabled, now);
        limiter.spend(1_000_000, usize::MAX >> 12, now);
        assert_eq!(limiter.ready_at(usize::MAX >> 12, now), now);
        assert!(limiter.allowance(now).take(1 << 30));
    }

    #[test]
    fn what_never_reached_the_shard_is_given_back_and_what_was_throttled_is_not() {
        let now = start();
        let mut limiter = Limiter::new(RateLimit::percent(100), AdaptiveRate::Disabled, now);
        let full = limiter.allowance(now);
        limiter.spend(1, 1_000, now);
        let spent = limiter.allowance(now);
        assert_ne!(spent, full);
        limiter.on_throttled(now, now);
        limiter.on_stored(1_000);
        assert_eq!(limiter.allowance(now), spent);
        limiter.refund(1_000, now);
        assert_eq!(limiter.allowance(now), full);
    }

    #[test]
    fn an_allowance_runs_out_by_records_or_bytes() {
        let mut allowance = Allowance {
            records: 2.0,
            bytes: 100.0,
        };
        assert!(allowance.take(60));
        assert!(!allowance.take(60), "bytes");
        assert!(allowance.take(10));
        assert!(!allowance.take(10), "records");
    }
}
