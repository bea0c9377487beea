//! The table: what was measured, beside what others took and what was meant.

use std::fmt;

/// One figure.
#[derive(Debug, Clone)]
pub struct Measure {
    /// What was measured.
    pub what: &'static str,
    /// The figure, with its unit in `what`.
    pub ours: f64,
    /// What is not to be exceeded. `None`: only shown.
    pub bound: Option<f64>,
    /// KCL 2.7, KCL 3.5, a Rust port of 3.5: measured on two cores with a local endpoint, as text.
    pub others: [&'static str; 3],
}

/// All figures of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// In the order in which they were taken.
    pub measures: Vec<Measure>,
    /// Records put, over all parts.
    pub put: u64,
    /// Records put that no worker wrote.
    pub lost: u64,
}

impl Report {
    /// Whether no record was lost and every bound was kept.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.measures.iter().all(Measure::is_good)
    }
}

impl Measure {
    /// Whether the bound was kept.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.bound.is_none_or(|bound| self.ours <= bound)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<66} {:>8} {:>8}  {:>8} {:>12} {:>9}",
            "", "ours", "at most", "KCL 2.7", "KCL 3.5", "port"
        )?;
        for measure in &self.measures {
            let [two, three, port] = measure.others;
            let bound = measure.bound.map_or(String::new(), |bound| format!("{bound}"));
            let mark = if measure.is_good() { ' ' } else { '!' };
            writeln!(
                f,
                "{:<66} {:>8.2}{mark}{bound:>8}  {two:>8} {three:>12} {port:>9}",
                measure.what, measure.ours
            )?;
        }
        write!(f, "{} records put, {} lost", self.put, self.lost)
    }
}
