//! A quantity over time, in a bounded number of points. Pure.

use std::fmt;
use std::time::Duration;

/// Peaks over equal spans of time. When there are too many points, spans are joined in pairs.
#[derive(Debug, Clone)]
pub struct Series {
    span: Duration,
    peaks: Vec<u64>,
}

impl Series {
    /// Points of `span` each to begin with.
    #[must_use]
    pub fn new(span: Duration) -> Self {
        Self {
            span,
            peaks: Vec::with_capacity(MOST_POINTS),
        }
    }

    /// The quantity is this much, so long after the start.
    pub fn note(&mut self, at: Duration, quantity: u64) {
        while self.point_of(at) >= MOST_POINTS {
            self.span *= 2;
            self.peaks = self
                .peaks
                .chunks(2)
                .map(|pair| pair.iter().copied().max().unwrap_or_default())
                .collect();
        }
        let point = self.point_of(at);
        if self.peaks.len() <= point {
            // What was not looked at has not been seen to change.
            let last = self.peaks.last().copied().unwrap_or_default();
            self.peaks.resize(point, last);
            self.peaks.push(quantity);
        } else {
            let peak = &mut self.peaks[point];
            *peak = quantity.max(*peak);
        }
    }

    /// The highest of all.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peaks.iter().copied().max().unwrap_or_default()
    }

    /// The same, of a quantity in milliseconds.
    #[must_use]
    pub fn in_seconds(&self) -> impl fmt::Display + '_ {
        Seconds(self)
    }

    fn point_of(&self, at: Duration) -> usize {
        usize::try_from(at.as_nanos() / self.span.as_nanos().max(1)).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Series {
    /// In KiB below 10 MiB, else in MiB; one number for each span.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, bytes) = match self.peak() {
            peak if peak < 10 << 20 => ("KiB", 1 << 10),
            _ => ("MiB", 1 << 20),
        };
        write!(f, "{unit} each {:?}:", self.span)?;
        self.peaks
            .iter()
            .try_for_each(|peak| write!(f, " {}", peak.div_ceil(bytes)))
    }
}

struct Seconds<'a>(&'a Series);

impl fmt::Display for Seconds<'_> {
    /// One number for each span.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s each {:?}:", self.0.span)?;
        let mut peaks = self.0.peaks.iter();
        peaks.try_for_each(|peak| write!(f, " {}.{}", peak / 1_000, peak % 1_000 / 100))
    }
}

const MOST_POINTS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_joined_and_peaks_stay() {
        let mut series = Series::new(Duration::from_secs(1));
        for second in 0..1_000 {
            series.note(
                Duration::from_secs(second),
                if second == 333 { 9_000 } else { second },
            );
        }
        assert_eq!(series.span, Duration::from_secs(64));
        assert_eq!(series.peaks.len(), 16);
        assert_eq!((series.peak(), series.peaks[5]), (9_000, 9_000));
        assert_eq!(series.peaks[15], 999);
    }

    #[test]
    fn gaps_repeat_what_was_last_seen() {
        let mut series = Series::new(Duration::from_secs(1));
        series.note(Duration::ZERO, 2_048);
        series.note(Duration::from_secs(3), 1_024);
        assert_eq!(series.to_string(), "KiB each 1s: 2 2 2 1");
        assert_eq!(series.in_seconds().to_string(), "s each 1s: 2.0 2.0 2.0 1.0");
    }
}
