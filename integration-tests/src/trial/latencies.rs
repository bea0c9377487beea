//! How long records took, in a histogram of bounded size. Pure.

use std::time::Duration;

/// Counts durations in steps of at most 1/32 of their length.
#[derive(Debug, Clone)]
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: vec![0; index_of(u64::MAX) + 1],
            total: 0,
        }
    }
}

impl Latencies {
    /// Counts one.
    pub fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.counts[index_of(micros)] += 1;
        self.total += 1;
    }

    /// The duration that so many percent do not exceed, to 1/32; `None` without any.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let wanted = (self.total * percent).div_ceil(100).max(1);
        let mut below = 0;
        let at = self.counts.iter().position(|count| {
            below += count;
            below >= wanted
        })?;
        Some(Duration::from_micros(lowest_of(at)))
    }
}

/// Each power of two has 32 steps; below 32 each number has its own.
fn index_of(micros: u64) -> usize {
    let shift = (u64::BITS - micros.leading_zeros()).saturating_sub(STEP_BITS + 1);
    // At most 58 * 32 + 63.
    usize::try_from((u64::from(shift) << STEP_BITS) + (micros >> shift)).unwrap_or(usize::MAX)
}

/// The least that is counted there.
fn lowest_of(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index >> STEP_BITS).saturating_sub(1);
    (index - (shift << STEP_BITS)) << shift
}

const STEP_BITS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_fine_and_in_order() {
        let mut last = 0;
        for micros in (0..1_000).chain([5_000, 123_456, 1 << 40, u64::MAX]) {
            let index = index_of(micros);
            assert!(index >= last, "{micros}");
            let lowest = lowest_of(index);
            assert!(
                lowest <= micros && micros - lowest <= micros / 32,
                "{micros}: {lowest}"
            );
            last = index;
        }
    }

    #[test]
    fn percentiles_are_of_what_was_counted() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), None);
        for milli in 1..=100 {
            latencies.add(Duration::from_millis(milli));
        }
        for (percent, milli) in [(1, 1), (50, 50), (99, 99), (100, 100)] {
            let exact = Duration::from_millis(milli);
            let told = latencies.percentile(percent).expect("counted");
            assert!(
                told <= exact && exact - told <= exact / 32,
                "{percent} %: {told:?}"
            );
        }
    }
}
