//! The table of who keeps what.

use std::fmt::Write as _;

use super::{Case, Target, Verdict};

/// Verdicts of several targets on the same cases.
#[derive(Debug, Default)]
pub struct Report {
    cases: Vec<Case>,
    columns: Vec<(Target, Vec<Verdict>)>,
}

/// Why a document cannot take the table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// There must be two markers, one before and one after.
    #[error("the document has {0} markers {MARKER}, not two")]
    Markers(usize),
}

impl Report {
    /// About these cases, of nobody yet.
    #[must_use]
    pub const fn new(cases: Vec<Case>) -> Self {
        Self {
            cases,
            columns: Vec::new(),
        }
    }

    /// The cases.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Adds what [`run`](super::run()) said of a target.
    pub fn add(&mut self, target: Target, verdicts: Vec<Verdict>) {
        self.columns.push((target, verdicts));
    }

    /// How many rules this target keeps, breaks, and has no way to show.
    #[must_use]
    pub fn counts(verdicts: &[Verdict]) -> (usize, usize, usize) {
        let of = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| wanted(verdict)).count();
        (
            of(|verdict| matches!(verdict, Verdict::Kept)),
            of(|verdict| matches!(verdict, Verdict::Broken(_))),
            of(|verdict| matches!(verdict, Verdict::NotOffered)),
        )
    }

    /// Whether ours keeps every rule.
    #[must_use]
    pub fn is_ours_green(&self) -> bool {
        let mut ours = self.columns.iter().filter(|(target, _)| target.is_ours());
        ours.all(|(_, verdicts)| verdicts.iter().all(|verdict| matches!(verdict, Verdict::Kept)))
    }

    /// One line for each broken rule of a target, and its counts.
    #[must_use]
    pub fn lines(&self, target: &Target) -> String {
        let mut text = String::new();
        for (_, verdicts) in self.columns.iter().filter(|(column, _)| column == target) {
            for (case, verdict) in self.cases.iter().zip(verdicts) {
                let (mark, reason) = match verdict {
                    Verdict::Kept => ("pass", String::new()),
                    Verdict::Broken(violation) => ("FAIL", format!(": {violation}")),
                    Verdict::NotOffered => ("  - ", String::new()),
                };
                // Writing to a string does not fail.
                let _ = writeln!(text, "{mark} {case:?}{reason}");
            }
            let (kept, broken, none) = Self::counts(verdicts);
            let name = target.name();
            let _ = writeln!(text, "{name}: {kept} pass, {broken} fail, {none} not offered");
        }
        text
    }

    /// The table as Markdown: a line for each rule, a column for each target, then why rules were found broken.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::from("| rule | source |");
        for (target, _) in &self.columns {
            let _ = write!(text, " {} |", target.name());
        }
        text.push_str("\n| --- | --- |");
        text.push_str(&" --- |".repeat(self.columns.len()));
        let mut family = "";
        for (row, case) in self.cases.iter().enumerate() {
            if case.family() != family {
                family = case.family();
                let _ = write!(text, "\n| **{family}** | |{}", " |".repeat(self.columns.len()));
            }
            let _ = write!(text, "\n| {} | {} |", case.name(), case.source());
            for (_, verdicts) in &self.columns {
                let mark = match verdicts.get(row) {
                    Some(Verdict::Kept) => "yes",
                    Some(Verdict::Broken(_)) => "**no**",
                    Some(Verdict::NotOffered) | None => "–",
                };
                let _ = write!(text, " {mark} |");
            }
        }
        let _ = write!(text, "\n| **kept, of {}** | |", self.cases.len());
        for (_, verdicts) in &self.columns {
            let _ = write!(text, " **{}** |", Self::counts(verdicts).0);
        }
        text.push('\n');
        self.reasons(&mut text);
        text
    }

    fn reasons(&self, text: &mut String) {
        for (target, verdicts) in &self.columns {
            let broken = self.cases.iter().zip(verdicts);
            let broken = broken.filter_map(|(case, verdict)| match verdict {
                Verdict::Broken(violation) => Some((case, violation)),
                _ => None,
            });
            let mut first = true;
            for (case, violation) in broken {
                if std::mem::take(&mut first) {
                    let _ = writeln!(text, "\nWhat {} answered instead:\n", target.name());
                }
                let violation = Self::steady(&violation.to_string());
                let _ = writeln!(text, "- {}: {violation}", case.name());
            }
        }
    }

    /// Without what differs from run to run, so that the same result is the same text: long numbers and line ends. And
    /// cut where a reader has had enough.
    fn steady(text: &str) -> String {
        let mut steady = String::new();
        let mut digits = 0;
        for (at, letter) in text.chars().enumerate() {
            if at == LONGEST_REASON {
                steady.push('…');
                break;
            }
            digits = if letter.is_ascii_digit() { digits + 1 } else { 0 };
            match letter {
                '\n' | '\r' => steady.push(' '),
                '|' => steady.push('/'),
                _ if digits > LONGEST_NUMBER => {
                    if digits == LONGEST_NUMBER + 1 {
                        steady.push('…');
                    }
                }
                _ => steady.push(letter),
            }
        }
        steady
    }

    /// The document with the table between its two markers.
    ///
    /// # Errors
    /// [`ReportError::Markers`] if it has not two of them.
    pub fn put_into(&self, document: &str) -> Result<String, ReportError> {
        let parts: Vec<&str> = document.split(MARKER).collect();
        let [before, _, after] = parts.as_slice() else {
            return Err(ReportError::Markers(parts.len() - 1));
        };
        Ok(format!(
            "{before}{MARKER}\n\n{}\n{MARKER}{after}",
            self.markdown()
        ))
    }
}

/// Stands before and after the table.
pub const MARKER: &str = "<!-- conformance -->";

const LONGEST_NUMBER: usize = 4;
const LONGEST_REASON: usize = 240;

#[cfg(test)]
mod tests {
    use super::{MARKER, Report, ReportError};
    use crate::conformance::{Target, Verdict, Violation, cases};

    fn report() -> Report {
        let two: Vec<_> = cases().into_iter().take(2).collect();
        let mut report = Report::new(two);
        report.add(Target::Sockets, vec![Verdict::Kept, Verdict::Kept]);
        let broken = Verdict::Broken(Violation::Missing("NextToken 1795265700123"));
        report.add(Target::Ferrokinesis, vec![broken, Verdict::NotOffered]);
        report
    }

    #[test]
    fn the_table_stands_between_the_markers_and_nothing_else_moves() {
        let document = format!("before\n{MARKER}\nold\n{MARKER}\nafter\n");
        let once = report().put_into(&document).unwrap();
        assert!(once.starts_with("before\n") && once.ends_with("\nafter\n") && !once.contains("old"));
        assert!(
            once.contains("| yes | **no** |") && once.contains("| yes | – |"),
            "{once}"
        );
        assert!(once.contains("NextToken 1795… is missing"), "{once}");
        assert_eq!(report().put_into(&once).unwrap(), once);
        assert!(matches!(
            report().put_into("nothing"),
            Err(ReportError::Markers(0))
        ));
    }

    #[test]
    fn reasons_are_one_short_line_that_cannot_break_the_table() {
        let reason = Report::steady(&format!("a|b\n12345678 {}", "水".repeat(1_000)));
        assert!(reason.starts_with("a/b 1234… 水"), "{reason}");
        assert!(reason.ends_with('…') && reason.chars().count() <= 241, "{reason}");
    }

    #[test]
    fn only_our_own_failures_count() {
        let mut report = report();
        assert!(report.is_ours_green());
        report.add(Target::InProcess, vec![Verdict::Kept, Verdict::NotOffered]);
        assert!(!report.is_ours_green());
    }

    #[test]
    fn every_case_has_a_name_of_its_own_and_a_source() {
        let mut names: Vec<_> = cases().iter().map(|case| case.name()).collect();
        assert!(cases().iter().all(|case| !case.source().is_empty()));
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
