//! What the lanes must know of the configuration.

use std::time::Duration;

use kinesis_aggregation::AggregateLimits;

use crate::config::{Aggregation, RateLimit, StreamConfig};

/// Limits and times, converted once.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) linger: Duration,
    pub(super) ttl: Duration,
    /// How much earlier than due a lane may leave when a request goes anyway.
    pub(super) company: Duration,
    pub(super) rate_limit: RateLimit,
    pub(super) packing: Packing,
    pub(super) request_entries: usize,
    pub(super) request_bytes: usize,
}

/// What one Kinesis record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// As many user records as the limits allow.
    Aggregates(AggregateLimits),
    /// One user record.
    Singles,
}

impl Terms {
    pub(super) fn new(config: &StreamConfig) -> Self {
        Self {
            linger: config.linger(),
            ttl: config.ttl(),
            company: (config.linger() / 5).min(MAX_COMPANY),
            rate_limit: config.rate_limit(),
            packing: match config.aggregation() {
                Aggregation::Enabled | Aggregation::Always if config.aggregation_max_count() > 1 => {
                    Packing::Aggregates(config.aggregate_limits())
                }
                _ => Packing::Singles,
            },
            request_entries: config.collection_max_count(),
            request_bytes: config.collection_max_size(),
        }
    }

    /// Whether so much waits for one shard that waiting longer would not pack better.
    pub(super) fn is_full(&self, records: usize, weight: usize) -> bool {
        match self.packing {
            Packing::Aggregates(limits) => weight >= limits.max_bytes() || records >= limits.max_records(),
            Packing::Singles => records >= self.request_entries || weight >= SINGLES_BYTES,
        }
    }
}

/// Source: KPL, the collector's extra window: a fifth of RecordMaxBufferedTime, at most 50 ms.
const MAX_COMPANY: Duration = Duration::from_millis(50);
/// Source: KPL, the collector's flush for bytes of one shard: it keeps bursts on a shard short.
const SINGLES_BYTES: usize = 262_144;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProducerConfig;

    #[test]
    fn company_is_a_fifth_of_the_linger_and_bounded() {
        let company = |linger| {
            let config = ProducerConfig::builder().linger(Duration::from_millis(linger));
            Terms::new(config.build().expect("valid").streams()).company
        };
        assert_eq!(company(100), Duration::from_millis(20));
        assert_eq!(company(1_000), Duration::from_millis(50));
        assert_eq!(company(0), Duration::ZERO);
    }

    #[test]
    fn full_is_by_bytes_or_records() {
        let config = ProducerConfig::builder().aggregation_max_count(100);
        let terms = Terms::new(config.clone().build().expect("valid").streams());
        assert!(!terms.is_full(99, 51_199));
        assert!(terms.is_full(100, 1));
        assert!(terms.is_full(1, 51_200));
        let singles = Terms::new(
            config
                .aggregation(Aggregation::Disabled)
                .build()
                .expect("valid")
                .streams(),
        );
        assert!(!singles.is_full(499, 262_143));
        assert!(singles.is_full(500, 1));
        assert!(singles.is_full(1, 262_144));
        let of_one = ProducerConfig::builder()
            .aggregation_max_count(1)
            .build()
            .expect("valid");
        assert_eq!(Terms::new(of_one.streams()).packing, Packing::Singles);
    }
}
