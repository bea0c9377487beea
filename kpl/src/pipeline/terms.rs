//! What the lanes must know of the configuration.

use std::time::Duration;

use kinesis_aggregation::{AggregateLimits, OUTER_PARTITION_KEY};

use super::action::Distribution;
use super::summary::Manner;
use crate::config::{AdaptiveRate, Aggregation, Ordering, OuterKey, RateLimit, RetryPolicy, StreamConfig};

/// Limits and times, converted once.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) linger: Duration,
    pub(super) ttl: Duration,
    /// How much earlier than due a lane may leave when a request goes anyway.
    pub(super) company: Duration,
    pub(super) rate_limit: RateLimit,
    pub(super) adaptive_rate: AdaptiveRate,
    pub(super) ordering: Ordering,
    pub(super) retry: RetryPolicy,
    pub(super) packing: Packing,
    pub(super) outer_key: OuterKey,
    pub(super) distribution: Distribution,
    /// The aggregates that were asked for, if any.
    aggregates: Option<AggregateLimits>,
    /// Most bytes of a Kinesis record while the stream has not told.
    likely_record_size: usize,
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
        let aggregates = config.aggregation() != Aggregation::Disabled && config.aggregation_max_count() > 1;
        let mut terms = Self {
            linger: config.linger(),
            ttl: config.ttl(),
            company: (config.linger() / 5).min(MAX_COMPANY),
            rate_limit: config.rate_limit(),
            adaptive_rate: config.adaptive_rate(),
            ordering: config.ordering(),
            retry: config.retry().clone(),
            packing: Packing::Singles,
            outer_key: config.outer_key(),
            distribution: Distribution::ByKey,
            aggregates: aggregates.then(|| config.aggregate_limits()),
            likely_record_size: config
                .max_user_record_size()
                .map_or(DEFAULT_RECORD_SIZE, |cap| cap.max(DEFAULT_RECORD_SIZE)),
            request_entries: config.collection_max_count(),
            request_bytes: config.collection_max_size(),
        };
        terms.packing = terms.packing(true, None);
        terms
    }

    /// Follows what the stream says of itself.
    pub(super) fn follow(&mut self, manner: Manner) {
        self.distribution = manner.distribution;
        self.packing = self.packing(manner.may_pack, manner.max_record_size);
    }

    /// Aggregates if they were asked for and may be, no larger than the stream takes with their outer key.
    fn packing(&self, may_pack: bool, max_record_size: Option<usize>) -> Packing {
        let Some(limits) = self.aggregates.filter(|_| may_pack) else {
            return Packing::Singles;
        };
        let outer = match self.outer_key {
            OuterKey::Fixed => OUTER_PARTITION_KEY.len(),
            OuterKey::FirstRecord | OuterKey::PerKey => MAX_KEY_BYTES,
        };
        let most = max_record_size.unwrap_or(self.likely_record_size) - outer.min(self.likely_record_size);
        let bytes = limits.max_bytes().min(most);
        Packing::Aggregates(limits.with_max_bytes(bytes).unwrap_or(limits))
    }

    /// Whether aggregates hold one partition key each.
    pub(super) fn is_by_key(&self) -> bool {
        self.outer_key == OuterKey::PerKey && matches!(self.packing, Packing::Aggregates(_))
    }

    /// Whether so much waits for one shard that waiting longer would not pack better.
    pub(super) fn is_full(&self, records: usize, weight: usize) -> bool {
        match self.packing {
            // Which of many keys has enough is not known here; the more there is, the better each packs.
            Packing::Aggregates(limits) if self.is_by_key() => {
                weight >= limits.max_bytes().max(SINGLES_BYTES)
            }
            Packing::Aggregates(limits) => weight >= limits.max_bytes() || records >= limits.max_records(),
            Packing::Singles => records >= self.request_entries || weight >= SINGLES_BYTES,
        }
    }
}

/// Source: KPL, the collector's extra window: a fifth of RecordMaxBufferedTime, at most 50 ms.
const MAX_COMPANY: Duration = Duration::from_millis(50);
/// Source: KPL, the collector's flush for bytes of one shard: it keeps bursts on a shard short.
const SINGLES_BYTES: usize = 262_144;

/// Source: AWS API reference, UpdateMaxRecordSize. Applies to: records of a stream that was not changed.
const DEFAULT_RECORD_SIZE: usize = 1 << 20;
/// 256 characters of four bytes. Source: AWS API reference, PutRecordsRequestEntry.
const MAX_KEY_BYTES: usize = 1_024;

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
