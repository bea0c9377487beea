//! Count, sum, extremes, and where the values lie: of any number of values, in bounded memory.

/// What is known of many values.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Statistics {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    /// Only for distributions and levels.
    #[cfg_attr(feature = "serde", serde(skip))]
    histogram: Histogram,
}

/// How many values lie in each of at most [`BUCKETS`] spans, each an eighth of an octave of its lower end wide.
/// Sorted, and only those that hold something.
#[derive(Debug, Clone, Default, PartialEq)]
struct Histogram(Vec<(u16, u64)>);

impl Statistics {
    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The least; `None` when there was none.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest; `None` when there was none.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// Their mean; `None` when there was none.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean of 2^53 values may be off by one of them"
    )]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The value which the share `quantile` (0 to 1) of all values does not exceed, to within 13 %; exact at both ends.
    ///
    /// `None` when there was no value, and for metrics that are [amounts](crate::MetricKind::Amount).
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among 2^53 values may be off by one of them"
    )]
    pub fn percentile(&self, quantile: f64) -> Option<f64> {
        let all: u64 = self.histogram.0.iter().map(|(_, count)| count).sum();
        if all == 0 {
            return None;
        }
        let rank = ((quantile.clamp(0.0, 1.0) * all as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in &self.histogram.0 {
            seen += count;
            if seen >= rank {
                return Some(upper_end(*bucket).clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// Adds `n` times a value whose distribution is of no interest.
    pub(crate) fn add(&mut self, value: f64, n: u64) {
        if n == 0 || !value.is_finite() {
            return;
        }
        self.widen(value, value);
        self.count += n;
        self.sum += times(value, n);
    }

    /// Adds values of which only extremes, sum and number are known.
    pub(crate) fn add_many(&mut self, count: u64, sum: f64, min: f64, max: f64) {
        if count == 0 {
            return;
        }
        self.widen(min, max);
        self.count += count;
        self.sum += sum;
    }

    /// Adds `n` times a value and remembers where it lies.
    pub(crate) fn observe(&mut self, value: f64, n: u64) {
        if n == 0 || !value.is_finite() {
            return;
        }
        self.add(value, n);
        self.histogram.add(bucket(value), n);
    }

    /// Adds all values of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.widen(other.min, other.max);
        self.count += other.count;
        self.sum += other.sum;
        for (bucket, count) in &other.histogram.0 {
            self.histogram.add(*bucket, *count);
        }
    }

    /// The same without the distribution.
    pub(crate) fn summary(&self) -> Self {
        Self {
            histogram: Histogram::default(),
            ..*self
        }
    }

    /// Forgets all values, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        let mut histogram = std::mem::take(&mut self.histogram);
        histogram.0.clear();
        *self = Self {
            histogram,
            ..Self::default()
        };
    }

    /// Where the values lie: the greatest value of each span, and how many there are in it.
    #[cfg(feature = "metrics")]
    pub(crate) fn spans(&self) -> impl Iterator<Item = (f64, u64)> {
        self.histogram
            .0
            .iter()
            .map(|(bucket, count)| (upper_end(*bucket).clamp(self.min, self.max), *count))
    }

    fn widen(&mut self, min: f64, max: f64) {
        if self.count == 0 {
            (self.min, self.max) = (min, max);
        } else {
            self.min = self.min.min(min);
            self.max = self.max.max(max);
        }
    }
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            count: 0,
            sum: 0.0,
            min: 0.0,
            max: 0.0,
            histogram: Histogram::default(),
        }
    }
}

impl Histogram {
    fn add(&mut self, bucket: u16, n: u64) {
        match self.0.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(place) => self.0[place].1 += n,
            Err(place) => self.0.insert(place, (bucket, n)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "sums beyond 2^53 are rounded")]
fn times(value: f64, n: u64) -> f64 {
    value * n as f64
}

/// The span in which a value lies: the exponent and the three highest bits of the mantissa.
#[expect(clippy::cast_possible_truncation, reason = "at most BUCKETS")]
fn bucket(value: f64) -> u16 {
    if value < LEAST {
        return 0;
    }
    let place = (value.to_bits() >> MANTISSA_BITS_LEFT_OUT) - (LEAST.to_bits() >> MANTISSA_BITS_LEFT_OUT);
    place.min(u64::from(BUCKETS) - 2) as u16 + 1
}

/// The end of a span, which belongs to the next one.
fn upper_end(bucket: u16) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let first = LEAST.to_bits() >> MANTISSA_BITS_LEFT_OUT;
    f64::from_bits((first + u64::from(bucket)) << MANTISSA_BITS_LEFT_OUT)
}

const MANTISSA_BITS_LEFT_OUT: u32 = 52 - 3;
/// What is less counts as nothing: a microsecond, where values are milliseconds.
const LEAST: f64 = 1.0 / 1024.0;
/// Fifty octaves: up to a petabyte, or 35,000 years.
const BUCKETS: u16 = 50 * 8 + 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Statistics {
        let mut statistics = Statistics::default();
        for value in values {
            statistics.observe(*value, 1);
        }
        statistics
    }

    #[test]
    fn nothing_has_no_mean() {
        let none = Statistics::default();
        assert_eq!((none.count(), none.sum()), (0, 0.0));
        assert_eq!((none.min(), none.max(), none.mean()), (None, None, None));
        assert_eq!(none.percentile(0.5), None);
    }

    #[test]
    fn amounts_have_no_distribution() {
        let mut amounts = Statistics::default();
        amounts.add(1.0, 3);
        amounts.add(0.0, 1);
        assert_eq!(amounts.mean(), Some(0.75));
        assert_eq!((amounts.min(), amounts.max()), (Some(0.0), Some(1.0)));
        assert_eq!(amounts.percentile(0.5), None);
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let mut statistics = of(&[1.0]);
        statistics.observe(f64::NAN, 1);
        statistics.observe(f64::INFINITY, 1);
        assert_eq!(statistics, of(&[1.0]));
    }

    #[test]
    fn clearing_starts_over() {
        let mut statistics = of(&[1.0, 5.0]);
        statistics.clear();
        assert_eq!(statistics, Statistics::default());
    }

    proptest! {
        #[test]
        fn percentiles_are_within_an_eighth(
            mut values in prop::collection::vec(0.001_f64..1e9, 1..200),
            quantile in 0.0_f64..=1.0,
        ) {
            let statistics = of(&values);
            values.sort_by(f64::total_cmp);
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few")]
            let rank = ((quantile * values.len() as f64).ceil() as usize).max(1);
            let exact = values[rank - 1];
            let told = statistics.percentile(quantile).expect("there are values");
            prop_assert!(told >= exact && told <= exact * 1.13, "{told} for {exact}");
        }

        #[test]
        fn merging_is_adding_all(
            left in prop::collection::vec(0.0_f64..1e6, 0..50),
            right in prop::collection::vec(0.0_f64..1e6, 0..50),
        ) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            let all = of(&[left, right].concat());
            prop_assert_eq!(merged.count(), all.count());
            prop_assert!((merged.sum() - all.sum()).abs() <= 1e-6 * all.sum().max(1.0));
            prop_assert_eq!(merged.min(), all.min());
            prop_assert_eq!(merged.max(), all.max());
            prop_assert_eq!(merged.percentile(0.9), all.percentile(0.9));
        }

        #[test]
        fn memory_is_bounded(values in prop::collection::vec(prop::num::f64::ANY, 0..2_000)) {
            prop_assert!(of(&values).histogram.0.len() <= usize::from(BUCKETS));
        }
    }
}
