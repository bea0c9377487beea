//! What the service promises, as cases that run unchanged against everything that claims to be it.
//!
//! ```text
//!  cases ──┐
//!          ├─> run ──> Verdict of each ──> report: a table of who passes what
//!  Target ─┘
//! ```
//!
//! A [`Case`] is one rule, with the document it is from, and one function that holds a [`Subject`] to it through the
//! real SDK client, retries off. It asks for what the document says and for nothing else: where the document leaves
//! the code of a refusal open, any that fits will do. A [`Target`] makes subjects: a fresh endpoint for each case
//! where that is cheap, a fresh stream on a running one otherwise.

mod auto_streams;
mod bad_bodies;
mod bad_values;
mod consumers;
mod fan_out;
mod filters;
mod iterators;
mod large_records;
mod limits;
mod listing;
mod number;
mod raw;
mod reading;
mod report;
mod resharding;
mod run;
mod subject;
mod target;
mod violation;
mod writing;
mod writing_refused;

use futures::future::BoxFuture;

pub use self::report::{MARKER, Report, ReportError};
pub use self::run::{Verdict, run};
pub use self::subject::Subject;
pub use self::target::{Target, TargetError};
pub use self::violation::Violation;

/// One rule of the service and how it is seen to hold.
#[derive(Clone, Copy)]
pub struct Case {
    family: &'static str,
    name: &'static str,
    source: &'static str,
    needs: Need,
    check: Check,
}

/// What a case wants to know.
pub type Check = fn(Subject) -> BoxFuture<'static, Result<(), Violation>>;

/// What an endpoint must offer so that a case can run on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The protocol.
    Nothing,
    /// The service's rates, switched on where they can be. Where they cannot, the case runs all the same.
    Limits,
    /// Time that can be moved on: five minutes are too long to wait for.
    Clock,
}

impl Case {
    const fn new(family: &'static str, name: &'static str, source: &'static str, check: Check) -> Self {
        Self {
            family,
            name,
            source,
            needs: Need::Nothing,
            check,
        }
    }

    const fn with_limits(mut self) -> Self {
        self.needs = Need::Limits;
        self
    }

    const fn with_clock(mut self) -> Self {
        self.needs = Need::Clock;
        self
    }

    /// What it is about.
    #[must_use]
    pub const fn family(&self) -> &'static str {
        self.family
    }

    /// The rule.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The service's document that has the rule.
    #[must_use]
    pub const fn source(&self) -> &'static str {
        self.source
    }

    /// What an endpoint must offer.
    #[must_use]
    pub const fn needs(&self) -> Need {
        self.needs
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.family, self.name)
    }
}

/// All of them, family by family.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        writing::CASES,
        writing_refused::CASES,
        reading::CASES,
        iterators::CASES,
        listing::CASES,
        filters::CASES,
        resharding::CASES,
        limits::CASES,
        consumers::CASES,
        fan_out::CASES,
        large_records::CASES,
        auto_streams::CASES,
        bad_bodies::CASES,
        bad_values::CASES,
    ]
    .concat()
}
