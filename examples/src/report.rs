//! What the programs say: failures in one line, numbers, tables.
//!
//! Output may be a closed pipe. Saying something never panics; whether it arrived is the caller's to decide.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

/// Why a program gave up, as its user reads it: `error: <thing>: <cause>; <way out>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    thing: String,
    cause: String,
    way_out: String,
}

impl Failure {
    /// `thing` failed because of `cause`; `way_out` is what its user can do.
    pub fn new(thing: impl fmt::Display, cause: impl fmt::Display, way_out: impl fmt::Display) -> Self {
        Self {
            thing: one_line(&thing),
            cause: one_line(&cause),
            way_out: one_line(&way_out),
        }
    }

    /// Says it on stderr; the exit code is 1.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        self.exit_with(1)
    }

    /// Says it on stderr; the exit code is this one.
    #[must_use]
    pub fn exit_with(&self, code: u8) -> ExitCode {
        say_aside(&self.to_string());
        ExitCode::from(code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}: {}; {}", self.thing, self.cause, self.way_out)
    }
}

/// An error with all its causes on one line. A cause that its error has told already is not told again.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut told = one_line(&error);
    let mut next = error.source();
    while let Some(cause) = next {
        let text = one_line(&cause);
        if !text.is_empty() && !told.contains(&text) {
            let _ = write!(told, ": {text}");
        }
        next = cause.source();
    }
    told
}

fn one_line(text: &dyn fmt::Display) -> String {
    let text = text.to_string();
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}

/// A line on stderr, or nothing if nobody listens.
pub fn say_aside(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A line on stdout.
///
/// # Errors
/// When stdout is closed.
pub fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Events per second, rounded; 0 for no time at all.
#[must_use]
pub fn per_second(count: u64, elapsed: Duration) -> u64 {
    let nanos = elapsed.as_nanos();
    if nanos == 0 {
        return 0;
    }
    u64::try_from((u128::from(count) * 1_000_000_000 + nanos / 2) / nanos).unwrap_or(u64::MAX)
}

/// Seconds to the millisecond, for JSON.
#[must_use]
pub fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}

/// A table with a heading; the first column to the left, the others to the right.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(headings: Vec<String>) -> Self {
        Self { rows: vec![headings] }
    }

    /// Adds a row; missing cells stay empty.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], column: usize| row.get(column).map_or("", |cell| cell).to_owned();
        let widths: Vec<_> = (0..columns)
            .map(|column| {
                self.rows
                    .iter()
                    .map(|row| cell(row, column).chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let ruler = "─".repeat(widths.iter().sum::<usize>() + GAP.len() * columns.saturating_sub(1));
        for (index, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, &width) in widths.iter().enumerate() {
                let text = cell(row, column);
                let _ = match column {
                    0 => write!(line, "{text:<width$}"),
                    _ => write!(line, "{GAP}{text:>width$}"),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
            if index == 0 {
                writeln!(f, "{ruler}")?;
            }
        }
        Ok(())
    }
}

/// Between two columns.
const GAP: &str = "   ";

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Nested {
        #[error("cannot read")]
        Outer(#[source] Box<Self>),
        #[error("told: disk on fire")]
        Telling(#[source] Box<Self>),
        #[error("disk on\n  fire")]
        Inner,
    }

    #[test]
    fn a_failure_is_one_line_of_three_parts() {
        let failure = Failure::new("line 3", "not\nutf-8", "use --binary");
        assert_eq!(failure.to_string(), "error: line 3: not utf-8; use --binary");
    }

    #[test]
    fn causes_are_told_once() {
        assert_eq!(
            causes(&Nested::Outer(Box::new(Nested::Inner))),
            "cannot read: disk on fire"
        );
        assert_eq!(
            causes(&Nested::Telling(Box::new(Nested::Inner))),
            "told: disk on fire"
        );
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (336_776, "336,776"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn rates_are_rounded_and_never_divide_by_nothing() {
        assert_eq!(per_second(10, Duration::ZERO), 0);
        assert_eq!(per_second(10, Duration::from_secs(4)), 3);
        assert_eq!(per_second(336_776, Duration::from_millis(5000)), 67_355);
        assert!((seconds(Duration::from_micros(1_234_567)) - 1.235).abs() < 1e-9);
    }

    #[test]
    fn a_table_lines_up() {
        let row = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>();
        let mut table = Table::new(row(&["", "stock", "fraud"]));
        table.row(row(&["put", "100,000", "1"]));
        table.row(row(&["größe", "2"]));
        let expected =
            "          stock   fraud\n─────────────────────────\nput     100,000       1\ngröße         2\n";
        let expected = expected.replace("─────────────────────────", &"─".repeat(5 + 3 + 7 + 3 + 5));
        assert_eq!(table.to_string(), expected);
    }
}
