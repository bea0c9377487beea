//! How often one shard may be polled, by all who do it together: so many calls and so many bytes a second.

use std::time::{Duration, Instant};

/// What a shard gives out by GetRecords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimits {
    pub(crate) calls_per_second: u32,
    /// `None`: no limit, as an endpoint for tests may have none.
    pub(crate) bytes_per_second: Option<u32>,
}

impl Default for RateLimits {
    /// Source: AWS API reference, GetRecords: five transactions and 2 MiB a second for each shard.
    fn default() -> Self {
        Self {
            calls_per_second: 5,
            bytes_per_second: Some(2 << 20),
        }
    }
}

/// The rate of one shard. Nothing is saved up: the service counts a second that slides, and a burst is what it refuses.
#[derive(Debug, Clone)]
pub(crate) struct ShardRate {
    limits: RateLimits,
    next_call: Option<Instant>,
    /// When the bytes that were read are paid for.
    paid_at: Option<Instant>,
}

impl ShardRate {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            next_call: None,
            paid_at: None,
        }
    }

    /// `Ok`: the call is counted. `Err`: when to ask again.
    pub(crate) fn ask(&mut self, now: Instant) -> Result<(), Instant> {
        let free_at = self.next_call.max(self.paid_at).filter(|at| *at > now);
        match free_at {
            Some(at) => Err(at),
            None => {
                self.next_call = Some(now + Duration::from_secs(1) / self.limits.calls_per_second.max(1));
                Ok(())
            }
        }
    }

    /// Whether a call at `now` would be as the very first.
    pub(crate) fn is_paid(&self, now: Instant) -> bool {
        self.next_call.max(self.paid_at).is_none_or(|at| at <= now)
    }

    /// A call gave so many bytes of records.
    pub(crate) fn on_page(&mut self, bytes: usize, now: Instant) {
        if let Some(rate) = self.limits.bytes_per_second {
            let from = self.paid_at.map_or(now, |at| at.max(now));
            #[expect(clippy::cast_precision_loss, reason = "a page has some MiB")]
            let takes = bytes as f64 / f64::from(rate.max(1));
            self.paid_at = Some(from + Duration::from_secs_f64(takes));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1 << 20;

    #[expect(clippy::disallowed_methods, reason = "an origin for made-up times")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn five_calls_a_second_whoever_makes_them() {
        let (mut rate, now) = (ShardRate::new(RateLimits::default()), origin());
        assert_eq!(rate.ask(now), Ok(()));
        assert_eq!(rate.ask(now + ms(50)), Err(now + ms(200)));
        assert_eq!(rate.ask(now + ms(200)), Ok(()));
    }

    #[test]
    fn a_full_page_is_paid_for_in_five_seconds() {
        let (mut rate, now) = (ShardRate::new(RateLimits::default()), origin());
        assert_eq!(rate.ask(now), Ok(()));
        rate.on_page(10 * MIB, now);
        assert_eq!(rate.ask(now + ms(1_000)), Err(now + ms(5_000)));
        assert_eq!(rate.ask(now + ms(5_000)), Ok(()));
    }

    #[test]
    fn without_a_limit_bytes_cost_nothing() {
        let limits = RateLimits {
            bytes_per_second: None,
            ..RateLimits::default()
        };
        let (mut rate, now) = (ShardRate::new(limits), origin());
        assert_eq!(rate.ask(now), Ok(()));
        rate.on_page(10 * MIB, now);
        assert_eq!(rate.ask(now + ms(200)), Ok(()));
    }

    proptest! {
        #[test]
        fn never_beyond_either_rate(steps in proptest::collection::vec((0_u64..900, 0_usize..=10), 1..80)) {
            let (mut rate, start) = (ShardRate::new(RateLimits::default()), origin());
            let (mut now, mut calls) = (start, Vec::new());
            for (wait, mib) in steps {
                now += ms(wait);
                if rate.ask(now).is_ok() {
                    rate.on_page(mib * MIB, now);
                    calls.push((now, mib));
                }
            }
            for (first, &(began, _)) in calls.iter().enumerate() {
                let mut read = 0;
                for (count, &(at, mib)) in calls[first..].iter().enumerate() {
                    prop_assert!((at - began).as_millis() >= count as u128 * 200);
                    prop_assert!((at - began).as_secs_f64() >= read as f64 / 2.0 - 1e-6);
                    read += mib;
                }
            }
        }
    }
}
