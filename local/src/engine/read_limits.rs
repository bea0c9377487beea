//! What one shard gives out to polling readers together, and to one subscription.

use super::bucket::{Bucket, CallWindow};

/// The read limits of one shard.
#[derive(Debug, Clone)]
pub(crate) struct ReadLimits {
    calls: CallWindow,
    iterators: CallWindow,
    bytes: Bucket,
    paused_until_ms: u64,
}

impl ReadLimits {
    /// Of a shard that opens at this moment: everything full.
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            calls: CallWindow::default(),
            iterators: CallWindow::default(),
            bytes: Bucket::full(BYTES_PER_SECOND, now_ms),
            paused_until_ms: 0,
        }
    }

    /// Lets a GetRecords call in, or not. A call let in must be told of with [`served`](Self::served).
    pub(crate) fn admit_read(&mut self, now_ms: u64) -> bool {
        self.bytes.refill(BYTES_PER_SECOND, BYTES_PER_SECOND, now_ms);
        now_ms >= self.paused_until_ms
            && !self.bytes.is_in_debt()
            && self.calls.admit(READS_PER_SECOND, now_ms)
    }

    /// A call gave out so many bytes. A page may give more than the rate allows: the shard is then silent until
    /// the rate has caught up, and for 5 seconds after a page cut by its size.
    pub(crate) fn served(&mut self, bytes: u64, page_was_full: bool, now_ms: u64) {
        self.bytes.take(bytes);
        if page_was_full {
            self.paused_until_ms = now_ms.saturating_add(PAUSE_MS);
        }
    }

    /// Lets a GetShardIterator call in, or not.
    pub(crate) fn admit_iterator(&mut self, now_ms: u64) -> bool {
        self.iterators.admit(ITERATORS_PER_SECOND, now_ms)
    }
}

/// The rate of one subscription: 2 MiB per second of one consumer and shard.
#[derive(Debug, Clone)]
pub(crate) struct FanOutLimit(Bucket);

impl FanOutLimit {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self(Bucket::full(BYTES_PER_SECOND, now_ms))
    }

    /// 0 if an event may be sent now, else how long to wait.
    pub(crate) fn wait_ms(&mut self, now_ms: u64) -> u64 {
        self.0.refill(BYTES_PER_SECOND, BYTES_PER_SECOND, now_ms);
        self.0.debt_ms(BYTES_PER_SECOND)
    }

    pub(crate) fn sent(&mut self, bytes: u64) {
        self.0.take(bytes);
    }
}

/// Source: AWS API reference, GetRecords. Applies to: one shard, all polling readers together.
const READS_PER_SECOND: usize = 5;
/// Source: AWS API reference, GetShardIterator. Applies to: one shard.
const ITERATORS_PER_SECOND: usize = 5;
/// Source: AWS API reference, GetRecords and RegisterStreamConsumer, both "2 MiB per second".
const BYTES_PER_SECOND: u64 = 2 << 20;
/// Source: AWS API reference, GetRecords, after a call that returned 10 MiB.
const PAUSE_MS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn five_calls_a_second() {
        let mut limits = ReadLimits::new(0);
        assert_eq!((0..9).filter(|_| limits.admit_read(0)).count(), 5);
        assert!(!limits.admit_read(999));
        assert!(limits.admit_read(1_000));
        assert_eq!((0..9).filter(|_| limits.admit_iterator(0)).count(), 5);
        assert!(limits.admit_iterator(1_000));
    }

    #[test]
    fn a_full_page_silences_the_shard_for_five_seconds() {
        let mut limits = ReadLimits::new(0);
        assert!(limits.admit_read(0));
        limits.served(10 * MIB, true, 0);
        assert!(!limits.admit_read(4_999));
        assert!(limits.admit_read(5_000));
    }

    #[test]
    fn bytes_beyond_the_rate_are_waited_for() {
        let mut limits = ReadLimits::new(0);
        assert!(limits.admit_read(0));
        limits.served(4 * MIB, false, 0);
        assert!(!limits.admit_read(999));
        assert!(limits.admit_read(1_000));
    }

    #[test]
    fn a_subscription_waits_for_its_rate() {
        let mut limit = FanOutLimit::new(0);
        limit.sent(3 * MIB);
        assert_eq!(limit.wait_ms(0), 500);
        assert_eq!(limit.wait_ms(200), 300);
        assert_eq!(limit.wait_ms(500), 0);
    }

    proptest! {
        #[test]
        fn never_overspends(steps in prop::collection::vec((0_u64..900, 1_u64..=10), 1..100)) {
            let mut limits = ReadLimits::new(0);
            let (mut now, mut served) = (0, Vec::new());
            for (wait, mib) in steps {
                now += wait;
                if limits.admit_read(now) {
                    limits.served(mib * MIB, mib == 10, now);
                    served.push((now, mib * MIB));
                }
            }
            for (first, &(start, _)) in served.iter().enumerate() {
                let mut sum = 0;
                // The last page may run into debt; all before it are paid for.
                for &(at, bytes) in &served[first..] {
                    prop_assert!(sum * 1000 <= (2 * MIB) * 1000 + (at - start) * 2 * MIB);
                    sum += bytes;
                }
            }
        }
    }
}
