//! Why records leave, counted: what the KPL logs as its flush reasons.

use std::fmt;

/// Why a shard's records leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The oldest has lingered.
    Linger,
    /// An aggregate is full.
    Full,
    /// A flush wants them.
    Flush,
    /// They have failed before.
    Again,
    /// They are nearly due, and a request goes anyway.
    Company,
}

/// How often each reason was one, and what left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Departures {
    linger: u64,
    full: u64,
    flush: u64,
    again: u64,
    company: u64,
    pub(crate) entries: u64,
    pub(crate) records: u64,
}

impl Departures {
    pub(super) fn count(&mut self, reason: Reason, entries: usize, records: usize) {
        *match reason {
            Reason::Linger => &mut self.linger,
            Reason::Full => &mut self.full,
            Reason::Flush => &mut self.flush,
            Reason::Again => &mut self.again,
            Reason::Company => &mut self.company,
        } += 1;
        self.entries += entries as u64;
        self.records += records as u64;
    }
}

/// The reasons, as a log shows them.
impl fmt::Display for Departures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            linger,
            full,
            flush,
            again,
            company,
            ..
        } = self;
        write!(
            f,
            "linger {linger}, full {full}, flush {flush}, again {again}, company {company}"
        )
    }
}
