//! The rows by which a fleet agrees on its format: one value each, who set it and when, and what was before.

use crate::lease::WorkerId;
use std::time::{Duration, SystemTime};

/// Which of the two state machines (KCL: `MigrationState` and `TableMigrationState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateKind {
    /// `Migration3.0`: 2.x or 3.x behaviour, see [`ClientVersion`](super::ClientVersion).
    ClientVersion,
    /// `TableMigration3.5`: three tables or one, see [`TableMigration`](super::TableMigration).
    TableMigration,
}

/// One of these rows, its value as the text that is stored: what it means is for [`identify`](super::identify()) to say,
/// which refuses what it does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    /// `cv` or `tm`.
    pub value: String,
    /// `mb`: the worker, or the script, that set it.
    pub by: String,
    /// `mts`: when, milliseconds since 1970 by that host's clock.
    pub at_ms: u64,
    /// `h`: what was before, newest first, 10 at most.
    pub history: Vec<PastState>,
}

/// A former value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastState {
    /// What it was.
    pub value: String,
    /// Who had set it.
    pub by: String,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

impl StateRow {
    /// The first value of a machine.
    #[must_use]
    pub fn first(value: impl Into<String>, by: &WorkerId, now: SystemTime) -> Self {
        Self {
            value: value.into(),
            by: by.to_string(),
            at_ms: millis(now),
            history: Vec::new(),
        }
    }

    /// The row with its next value; this one goes into the history.
    #[must_use]
    pub fn next(&self, value: impl Into<String>, by: &WorkerId, now: SystemTime) -> Self {
        let past = PastState {
            value: self.value.clone(),
            by: self.by.clone(),
            at_ms: self.at_ms,
        };
        let history = std::iter::once(past).chain(self.history.iter().cloned());
        Self {
            history: history.take(MAX_HISTORY).collect(),
            ..Self::first(value, by, now)
        }
    }
}

fn millis(now: SystemTime) -> u64 {
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Source: KCL 3.5, `MigrationState`: at most 10 former values are kept.
const MAX_HISTORY: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_newest_first_and_bounded() {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        let worker = WorkerId::new("w1");
        let mut row = StateRow::first("0", &worker, at(1000));
        assert_eq!((row.at_ms, row.by.as_str(), row.history.len()), (1000, "w1", 0));
        for step in 1..=12_u64 {
            row = row.next(step.to_string(), &worker, at(1000 + step));
        }
        assert_eq!((row.value.as_str(), row.at_ms), ("12", 1012));
        let values: Vec<_> = row.history.iter().map(|past| past.value.as_str()).collect();
        assert_eq!(values, ["11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]);
        assert_eq!(row.history[0].at_ms, 1011);
    }
}
