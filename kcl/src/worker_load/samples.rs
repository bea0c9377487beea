//! Samples of one gauge, and what is reported of them.

use std::collections::VecDeque;

/// The samples since the last report, and the averages of the last reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Samples {
    pending: VecDeque<f64>,
    averages: VecDeque<f64>,
}

impl Samples {
    /// Nothing sampled yet.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes in one sample, in percent; `None`: it failed. Of more than 300 the oldest are forgotten.
    pub(crate) fn on_sample(&mut self, percent: Option<f64>) {
        let Some(percent) = percent.filter(|percent| percent.is_finite()) else {
            return;
        };
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(percent.clamp(0.0, 100.0));
    }

    /// What to report now: the last averages, the oldest first, 10 at most, in 6 decimals; -1 for an interval without
    /// a good sample. Sampling begins anew.
    pub(crate) fn report(&mut self) -> Vec<f64> {
        let average = match self.pending.len() {
            0 => FAILED,
            count => {
                let mean = self.pending.iter().sum::<f64>() / count as f64;
                (mean * 1e6).round() / 1e6
            }
        };
        self.pending.clear();
        if self.averages.len() == MAX_AVERAGES {
            self.averages.pop_front();
        }
        self.averages.push_back(average);
        self.averages.iter().copied().collect()
    }
}

/// Source: KCL 3.x, `WorkerMetricStatsManager`: one sample a second, five minutes of them at most.
const MAX_PENDING: usize = 300;
/// Source: KCL 3.x, `noOfPersistedMetricsPerWorkerMetrics`.
const MAX_AVERAGES: usize = 10;
/// Source: KCL 3.x: the value of an interval without a successful sample.
const FAILED: f64 = -1.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_kept_oldest_first_and_failures_marked() {
        let mut samples = Samples::new();
        assert_eq!(samples.report(), [-1.0]);
        for percent in [Some(10.0), None, Some(20.0), Some(f64::NAN)] {
            samples.on_sample(percent);
        }
        assert_eq!(samples.report(), [-1.0, 15.0]);
        assert_eq!(samples.report(), [-1.0, 15.0, -1.0], "begun anew");
        for n in 0..20 {
            samples.on_sample(Some(f64::from(n)));
            let _ = samples.report();
        }
        let last = samples.report();
        assert_eq!(last.len(), 10);
        assert_eq!(last[8..], [19.0, -1.0]);
    }

    #[test]
    fn samples_are_bounded_and_rounded() {
        let mut samples = Samples::new();
        for n in 0..400 {
            samples.on_sample(Some(if n < 100 { 100.0 } else { 1.0 / 3.0 }));
        }
        assert_eq!(samples.report(), [0.333_333], "the first hundred are forgotten");
        samples.on_sample(Some(250.0));
        assert_eq!(samples.report()[1], 100.0);
    }
}
