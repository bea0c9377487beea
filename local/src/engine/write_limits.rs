//! What one shard lets in: 1,000 records and 1 MiB per second, and large records out of a tank of bursts.
//!
//! Records up to 1 MiB come out of a bucket of one second's worth. What flows in while that is full fills the tank
//! of bursts, which together with the bucket lets one record of the stream's largest size in. So a 10 MiB record
//! empties both; small records are let in again at 1 MiB per second, and the next large one only after as long
//! without other traffic as its size takes to flow in.

use super::bucket::Bucket;

/// The write limits of one shard.
#[derive(Debug, Clone)]
pub(crate) struct WriteLimits {
    records: Bucket,
    bytes: Bucket,
    burst: Bucket,
}

impl WriteLimits {
    /// Of a shard that opens at this moment: everything full.
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            records: Bucket::full(RECORDS_PER_SECOND, now_ms),
            bytes: Bucket::full(BYTES_PER_SECOND, now_ms),
            burst: Bucket::full(MAX_BURST, now_ms),
        }
    }

    /// Lets a record in, or not. `largest` is the most bytes a record of the stream may have.
    pub(crate) fn admit(&mut self, size: u64, largest: u64, now_ms: u64) -> bool {
        self.refill(largest, now_ms);
        if !self.records.has(1) {
            return false;
        }
        if self.bytes.has(size) {
            self.bytes.take(size);
        } else if size > BYTES_PER_SECOND && self.bytes.whole() + self.burst.whole() >= size {
            let from_bytes = self.bytes.whole();
            self.bytes.take(from_bytes);
            self.burst.take(size - from_bytes);
        } else {
            return false;
        }
        self.records.take(1);
        true
    }

    fn refill(&mut self, largest: u64, now_ms: u64) {
        self.records
            .refill(RECORDS_PER_SECOND, RECORDS_PER_SECOND, now_ms);
        let spilled = self.bytes.refill(BYTES_PER_SECOND, BYTES_PER_SECOND, now_ms);
        let burst = largest.saturating_sub(BYTES_PER_SECOND).min(MAX_BURST);
        self.burst.add_milli(spilled, burst);
    }
}

/// Source: AWS API reference, PutRecords; Developer Guide, "Quotas and limits". Applies to: one shard.
pub(crate) const RECORDS_PER_SECOND: u64 = 1_000;
/// Source: as above. The partition key counts.
pub(crate) const BYTES_PER_SECOND: u64 = 1 << 20;
/// What a 10 MiB record takes beyond one second's worth.
const MAX_BURST: u64 = 9 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_thousand_records_and_one_mebibyte_a_second() {
        let mut limits = WriteLimits::new(0);
        assert_eq!((0..2_000).filter(|_| limits.admit(10, MIB, 0)).count(), 1_000);
        assert_eq!((0..2_000).filter(|_| limits.admit(10, MIB, 500)).count(), 500);
        let mut limits = WriteLimits::new(0);
        assert!(limits.admit(MIB, MIB, 0));
        assert!(!limits.admit(1, MIB, 0));
        assert!(!limits.admit(MIB / 2 + 1, MIB, 500));
        assert!(limits.admit(MIB / 2, MIB, 500));
    }

    #[test]
    fn a_refused_record_takes_nothing() {
        let mut limits = WriteLimits::new(0);
        assert!(limits.admit(MIB - 10, MIB, 0));
        assert!(!limits.admit(11, MIB, 0));
        assert!(limits.admit(10, MIB, 0), "a later, smaller record still fits");
    }

    #[test]
    fn a_large_record_empties_the_tank_and_small_ones_return_at_the_base_rate() {
        let largest = 10 * MIB;
        let mut limits = WriteLimits::new(0);
        assert!(limits.admit(largest, largest, 0));
        assert!(!limits.admit(1, largest, 0));
        assert!(limits.admit(1_000, largest, 1));
        assert!(!limits.admit(2 * MIB, largest, 1_500));
        assert!(limits.admit(2 * MIB, largest, 2_100));
    }

    #[test]
    fn small_records_do_not_drink_from_the_tank() {
        let largest = 10 * MIB;
        let mut limits = WriteLimits::new(0);
        assert!(limits.admit(MIB, largest, 0));
        assert!(!limits.admit(1_000, largest, 0));
        assert!(limits.admit(9 * MIB, largest, 0), "the tank is still full");
    }

    #[test]
    fn steady_traffic_leaves_no_room_for_large_records() {
        let largest = 10 * MIB;
        let mut limits = WriteLimits::new(0);
        assert!(limits.admit(largest, largest, 0));
        for second in 1..60 {
            assert!(limits.admit(MIB, largest, second * 1000));
            assert!(!limits.admit(2 * MIB, largest, second * 1000));
        }
    }

    proptest! {
        #[test]
        fn never_overspends(steps in prop::collection::vec((0_u64..700, 1_u64..12), 1..200)) {
            let largest = 10 * MIB;
            let mut limits = WriteLimits::new(0);
            let (mut now, mut admitted) = (0, Vec::new());
            for (wait, eighths) in steps {
                now += wait;
                let size = eighths * eighths * MIB / 16;
                if size <= largest && limits.admit(size, largest, now) {
                    admitted.push((now, size));
                }
            }
            for (first, &(start, _)) in admitted.iter().enumerate() {
                let mut sum = 0;
                for &(at, size) in &admitted[first..] {
                    sum += size;
                    prop_assert!(sum * 1000 <= 10 * MIB * 1000 + (at - start) * MIB);
                }
            }
        }
    }
}
