//! How fast one shard may be written to: records and bytes per second.
//!
//! It delays its own shard and no other. Bytes include partition keys, as the service counts them.

use std::time::Instant;

use super::token_bucket::TokenBucket;
use crate::config::RateLimit;

/// The two buckets of one shard; none when the rate is unlimited.
#[derive(Debug, Clone)]
pub(super) struct Limiter(Option<Buckets>);

#[derive(Debug, Clone)]
struct Buckets {
    records: TokenBucket,
    bytes: TokenBucket,
}

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Allowance {
    pub(super) records: f64,
    pub(super) bytes: f64,
}

impl Limiter {
    pub(super) fn new(limit: RateLimit, now: Instant) -> Self {
        Self(match limit {
            RateLimit::Percent(percent) => {
                let share = f64::from(percent) / 100.0;
                Some(Buckets {
                    records: TokenBucket::new(SHARD_RECORDS, SHARD_RECORDS * share, now),
                    bytes: TokenBucket::new(SHARD_BYTES, SHARD_BYTES * share, now),
                })
            }
            RateLimit::Unlimited => None,
        })
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
        }
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pipeline::tests::start;

    /// Sends records of `bytes` as fast as permitted for ten seconds after the first burst.
    fn rate(limit: RateLimit, bytes: usize) -> usize {
        let start = start();
        let mut limiter = Limiter::new(limit, start);
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
        let mut limiter = Limiter::new(RateLimit::Unlimited, now);
        limiter.spend(1_000_000, usize::MAX >> 12, now);
        assert_eq!(limiter.ready_at(usize::MAX >> 12, now), now);
        assert!(limiter.allowance(now).take(1 << 30));
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
