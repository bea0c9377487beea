//! What is known of many values.

/// Number, sum, extremes and the last of any number of values (CloudWatch: a statistic set).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Statistics {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) last: f64,
}

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
        self.of(self.min)
    }

    /// The greatest; `None` when there was none.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.of(self.max)
    }

    /// The last; `None` when there was none. Of several shards together, that of one of them.
    #[must_use]
    pub fn last(&self) -> Option<f64> {
        self.of(self.last)
    }

    /// Their mean; `None` when there was none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a mean of 2^53 values may be off by one of them"
        )]
        self.of(self.sum / self.count as f64)
    }

    fn of(&self, value: f64) -> Option<f64> {
        (self.count > 0).then_some(value)
    }

    /// Adds later values.
    pub(super) fn merge(&mut self, later: &Self) {
        if later.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *later;
            return;
        }
        self.count += later.count;
        self.sum += later.sum;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.last = later.last;
    }
}
