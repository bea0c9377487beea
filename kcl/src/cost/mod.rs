//! What a fleet will ask of DynamoDB, before it does: requests and capacity units per second, by purpose. Beside that, how often it
//! will ask Kinesis for shards.
//!
//! # Formulas
//! With
//! - L leases, W workers, f the failover time, p the heartbeat period that follows from it
//!   ([`Pace::period`](crate::lease::renewal::Pace::period)), c the time between two checkpoints of a shard;
//! - P the pages of one look at the whole table (1 MiB each), s the time between two such looks of one worker: 0.8 s in company and
//!   2.6 s alone, in proportion less with f below 10 s, or 4 ms for each lease if that is more, and at most f; or as it is set;
//!   in a private fleet, alone, 3 f;
//! - t the time between two looks of one that looks for all (up to three workers where there is an index and no leader, in company):
//!   0.8 s, or 0.2 ms for each lease if that is more, and at most s; and of a leader: f / 10 or 0.2 ms for each lease, at most f;
//! - N how many look for all: 3 at most in tables of 250 leases and more with the index of owners, otherwise 0; with a leader 1, beside
//!   its looks as a worker;
//! - x the time between two questions to the index: as s in a small table;
//! - a the time between two audits, S streams, l the time between two lists of streams, Q the pages of one listing of shards (1,000
//!   shards each, finished ones too):
//!
//! | purpose | requests per second |
//! | --- | --- |
//! | heartbeats, one for each lease | L (⌈c/p⌉ − 1) / c; without checkpoints L / p. A checkpoint is a heartbeat |
//! | heartbeats, private fleet | W / q, with q the period of a worker's heartbeats ([`Pace::worker_period`](crate::lease::renewal::Pace::worker_period)) |
//! | checkpoints | L / c |
//! | looks at the table, each for itself | P ((W − N) / s + N / t) |
//! | looks at the table, under a leader | P (W / s + 1 / t) |
//! | questions to the index, in tables of 250 leases and more | (⌈s/x⌉ − 1) / s for each worker, for one that looks for all with t in place of s; a private fleet too. Without the index 1 / 30 s, or 1 / s if that is less, to see whether it is there |
//! | survey, where each plans for itself | (P + 2) W / 60 s; in a private fleet / 300 s |
//! | streams, where a list of them is followed | P W (1 / l + 1 / v), with v the longer of a and S seconds |
//! | reports, under a leader | W / r, each 30 s or as it is set |
//! | lock, under a leader | 1 / 30 s + (W − 1) / 5 s, or as it is set |
//! | audit | P ⌈S/25⌉ / a for each that audits: every worker, or the leader |
//! | listings of shards | S Q / a for each that audits; with children beside their parents also W Q · min(S / min(a, 10 s), 5 / s) |
//!
//! A write of up to 1 KiB is one write unit; a read is half a unit for each 4 KiB, eventually consistent, and one where
//! it must be consistent: always of single rows, never of the index. What tells of the table itself takes no units. Changes of ownership are not counted: a fleet at rest has none. Source of units and page
//! size: AWS DynamoDB developer guide, "Read and write operations".

mod outlook;
mod rates;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::outlook::{Coordination, Outlook};
use self::rates::Sum;

/// Requests and units per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// Requests.
    pub requests: f64,
    /// Read capacity units.
    pub read_units: f64,
    /// Write capacity units.
    pub write_units: f64,
}

impl Rate {
    fn and(self, more: Self) -> Self {
        Self {
            requests: self.requests + more.requests,
            read_units: self.read_units + more.read_units,
            write_units: self.write_units + more.write_units,
        }
    }
}

/// What requests are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Purpose {
    /// Keeping leases.
    Heartbeats,
    /// Remembering how far shards were read.
    Checkpoints,
    /// Looking at the whole table.
    Scans,
    /// Looking for own leases in the index of owners, or whether there is one.
    Discovery,
    /// Looking where the fleet stands, which may move on to other ways.
    Survey,
    /// Following a list of streams.
    Streams,
    /// Saying how busy a worker is.
    Reports,
    /// Leading, and watching who leads.
    Lock,
    /// Comparing shards and leases.
    Audit,
}

/// A forecast for a fleet at rest.
#[derive(Debug, Clone, PartialEq)]
pub struct CostForecast {
    outlook: Outlook,
    lines: Vec<(Purpose, Rate)>,
}

impl CostForecast {
    /// Computes it.
    #[must_use]
    pub fn new(outlook: Outlook) -> Self {
        let lines = match outlook.coordination {
            Coordination::NoTable => Vec::new(),
            _ => Sum(outlook).lines(),
        };
        Self { outlook, lines }
    }

    /// By purpose; what costs nothing is left out.
    pub fn lines(&self) -> impl Iterator<Item = (Purpose, Rate)> + '_ {
        self.lines.iter().copied()
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> Rate {
        let rates = self.lines.iter().map(|(_, rate)| *rate);
        rates.fold(Rate::default(), Rate::and)
    }

    /// Requests to Kinesis per second that list shards (`ListShards`), of the whole fleet. They cost nothing, and a process keeps
    /// below ten a second.
    #[must_use]
    pub fn shard_listings(&self) -> f64 {
        match self.outlook.coordination {
            Coordination::NoTable => 0.0,
            _ => Sum(self.outlook).shard_listings(),
        }
    }

    /// Requests per second for each lease.
    #[must_use]
    pub fn requests_per_lease(&self) -> f64 {
        self.total().requests / f64::from(self.outlook.leases.max(1))
    }

    /// What it was made from.
    #[must_use]
    pub fn outlook(&self) -> &Outlook {
        &self.outlook
    }
}

impl fmt::Display for CostForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12} {:>12} {:>12} {:>12}",
            "per second", "requests", "read units", "write units"
        )?;
        let mut line = |name: &str, rate: Rate| {
            let Rate {
                requests,
                read_units,
                write_units,
            } = rate;
            writeln!(
                f,
                "{name:<12} {requests:>12.3} {read_units:>12.3} {write_units:>12.3}"
            )
        };
        for (purpose, rate) in self.lines() {
            line(&format!("{purpose:?}").to_lowercase(), rate)?;
        }
        line("total", self.total())?;
        line(
            "each lease",
            Rate {
                requests: self.requests_per_lease(),
                read_units: self.total().read_units / f64::from(self.outlook.leases.max(1)),
                write_units: self.total().write_units / f64::from(self.outlook.leases.max(1)),
            },
        )?;
        writeln!(
            f,
            "{:<12} {:>12.3} of kinesis",
            "list shards",
            self.shard_listings()
        )
    }
}
