//! What a trial found: a short table, and the promises that were broken.

use std::fmt;
use std::time::Duration;

use super::books::Balance;
use super::latencies::Latencies;
use super::observer::Wire;
use super::process::Usage;
use super::reader::Read;
use super::scenario::{Failures, SHARD_BYTES_PER_SECOND, Scenario};
use super::series::Series;

/// What a trial found. Its `Display` is the table.
#[derive(Debug, Clone)]
pub struct Report {
    pub(super) scenario: Scenario,
    pub(super) balance: Balance,
    pub(super) wire: Wire,
    pub(super) read: Read,
    /// From the first put to the last outcome.
    pub(super) took: Duration,
    pub(super) latencies: Latencies,
    pub(super) in_flight: Series,
    pub(super) resident: Series,
    pub(super) usage: Usage,
    /// The resident set before the first put.
    pub(super) idle_memory: u64,
    /// The producer's budget of bytes in flight.
    pub(super) budget: u64,
    pub(super) poison_attempts: u32,
    /// Whether the endpoint was in another process: only then does memory say something.
    pub(super) is_alone: bool,
}

impl Report {
    /// The closed books.
    #[must_use]
    pub fn balance(&self) -> &Balance {
        &self.balance
    }

    /// What the reader saw beside the copies.
    #[must_use]
    pub fn read(&self) -> &Read {
        &self.read
    }

    /// Entries refused as over the rate, of all that were sent.
    #[must_use]
    pub fn throttled(&self) -> f64 {
        share(self.wire.throttled, self.wire.entries)
    }

    /// Bytes of records that consumers see for the first time, keys included, of what the shards' rate lets in while
    /// it took, less what a competitor put. `None` without limits or with changing shards.
    #[must_use]
    pub fn goodput(&self) -> Option<f64> {
        if !self.scenario.limits || self.scenario.resharding.is_some() {
            return None;
        }
        let per_second = SHARD_BYTES_PER_SECOND as f64 * f64::from(self.scenario.shards);
        let room = per_second * self.took.as_secs_f64() - self.read.competitor_bytes as f64;
        let useful = self.read.bytes - self.read.repeated_bytes;
        Some(useful as f64 / room)
    }

    fn rate(&self) -> String {
        let seconds = self.took.as_secs_f64().max(1e-3);
        let records = self.balance.acknowledged as f64 / seconds;
        let bytes = mib(self.read.bytes - self.read.repeated_bytes) / seconds;
        format!("{records:.0} records/s, {bytes:.2} MiB/s")
    }

    /// The promises that were broken, each in a line.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let promises = &self.scenario.promises;
        let balance = &self.balance;
        let mut broken = Vec::new();
        let zeros = [
            ("records have no outcome", balance.unanswered),
            ("records are acknowledged and not stored", balance.lost),
            ("records are not where they were said to be", balance.elsewhere),
            (
                "records are stored and neither acknowledged nor reported as perhaps stored",
                balance.unexplained,
            ),
            (
                "copies are not reported as possible",
                balance.unreported_duplicates,
            ),
            ("copies are of records never put", balance.strangers),
        ];
        let zeros = zeros.into_iter().filter(|(_, count)| *count > 0);
        broken.extend(zeros.map(|(what, count)| format!("{count} {what}")));
        if balance.order_breaks > 0 && !promises.disorder {
            broken.push(format!(
                "{} records are behind later ones of their key",
                balance.order_breaks
            ));
        }
        broken.extend(self.broken_failures());
        if let Some(least) = promises.goodput {
            let goodput = self.goodput().unwrap_or_default();
            if goodput < least {
                broken.push(format!(
                    "goodput is {:.1} %, not {:.1} %",
                    goodput * 1e2,
                    least * 1e2
                ));
            }
        }
        if let Some(most) = promises.throttled
            && self.throttled() > most
        {
            let throttled = self.throttled() * 1e2;
            broken.push(format!(
                "{throttled:.1} % of entries are throttled, not {:.1} %",
                most * 1e2
            ));
        }
        if let Some(most) = promises.p50
            && self.latencies.percentile(50).is_some_and(|p50| p50 > most)
        {
            broken.push(format!("p50 is above {most:?}"));
        }
        // Reckoned from the number of records, hence the percent.
        if self.in_flight.peak() > self.budget + self.budget / 100 {
            broken.push("more bytes are in flight than the budget has".to_owned());
        }
        if promises.misplaced && self.read.misplaced == 0 {
            broken.push("no aggregate landed on the wrong shard: this shows nothing".to_owned());
        }
        broken.extend(self.broken_memory());
        broken
    }

    fn broken_failures(&self) -> Option<String> {
        let failed = &self.balance.failed;
        let failures = self.balance.failures();
        match self.scenario.promises.failures {
            Failures::None => (failures > 0).then(|| format!("{failures} records failed")),
            Failures::Expired => {
                let expired = failed.get("expired").copied().unwrap_or_default();
                let is_kept = expired > 0 && expired == failures;
                (!is_kept).then(|| format!("{failures} records failed, {expired} for their time to live"))
            }
            Failures::ThePoison => {
                let most = self.most_poisoned_requests();
                if failed.get("rejected") != Some(&1) || failures != 1 {
                    Some(format!("{failures} records failed, not the poison alone"))
                } else if self.wire.poisoned == 0 {
                    Some("the poison was never refused: this shows nothing".to_owned())
                } else if self.wire.poisoned > most || u64::from(self.poison_attempts) > most {
                    Some(format!(
                        "the poison took {} requests, not {most}",
                        self.wire.poisoned
                    ))
                } else {
                    None
                }
            }
        }
    }

    /// Its request, the same again, and a bisection of that.
    fn most_poisoned_requests(&self) -> u64 {
        let records = self.wire.first_poisoned_records.max(1);
        2 + u64::from(records.next_power_of_two().ilog2())
    }

    fn broken_memory(&self) -> Option<String> {
        let most = self.scenario.promises.memory?;
        let used = self.usage.peak.saturating_sub(self.idle_memory);
        (self.is_alone && used > self.budget + most).then(|| {
            format!(
                "{:.1} MiB of memory are used, the budget is {:.1} MiB and {:.1} MiB",
                mib(used),
                mib(self.budget),
                mib(most)
            )
        })
    }
}

impl Report {
    /// What became of the records.
    fn outcome_rows(&self) -> Vec<(&'static str, String)> {
        let balance = &self.balance;
        let kinds = balance
            .failed
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        vec![
            (
                "put, acknowledged",
                format!("{}, {}", balance.put, balance.acknowledged),
            ),
            ("failed", if kinds.is_empty() { "0".to_owned() } else { kinds }),
            ("stored", balance.stored.to_string()),
            ("acknowledged, missing", balance.lost.to_string()),
            ("stored, unexplained", balance.unexplained.to_string()),
            (
                "duplicates",
                format!(
                    "{}, unreported {}",
                    balance.duplicates, balance.unreported_duplicates
                ),
            ),
            ("order breaks per key", balance.order_breaks.to_string()),
        ]
    }

    /// What it took.
    fn cost_rows(&self) -> Vec<(&'static str, String)> {
        let wire = &self.wire;
        let throttled = format!("{} ({:.2} %)", wire.throttled, self.throttled() * 1e2);
        let percentile = |percent| {
            let told = self.latencies.percentile(percent).unwrap_or_default();
            format!("{:.0} ms", told.as_secs_f64() * 1e3)
        };
        let mut rows = vec![
            (
                "requests, entries",
                format!("{}, {}; throttled {throttled}", wire.requests, wire.entries),
            ),
            (
                "shards, misplaced",
                format!("{}, {}", self.read.shards, self.read.misplaced),
            ),
            (
                "p50, p99, took",
                format!(
                    "{}, {}, {:.1} s",
                    percentile(50),
                    percentile(99),
                    self.took.as_secs_f64()
                ),
            ),
            ("rate", self.rate()),
            ("in flight", self.in_flight.to_string()),
        ];
        if let Some(goodput) = self.goodput() {
            let of = match self.scenario.competitor {
                Some(_) => {
                    let taken = mib(self.read.competitor_bytes) / self.took.as_secs_f64().max(1e-3);
                    format!("what the competitor left, who put {taken:.2} MiB/s")
                }
                None => "the limit".to_owned(),
            };
            rows.push(("goodput", format!("{:.2} % of {of}", goodput * 1e2)));
        }
        if wire.poisoned > 0 {
            let most = self.most_poisoned_requests();
            let first = wire.first_poisoned_records;
            let text = format!(
                "{} of at most {most}; the first had {first} records",
                wire.poisoned
            );
            rows.push(("poisoned requests", text));
        }
        if self.is_alone {
            let (peak, cpu) = (mib(self.usage.peak), self.usage.cpu_seconds);
            rows.push(("resident", self.resident.to_string()));
            rows.push(("peak, CPU", format!("{peak:.1} MiB, {cpu:.2} s")));
        }
        rows
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = self.outcome_rows();
        rows.extend(self.cost_rows());
        write_table(f, self.scenario.name, self.scenario.about, rows, self.broken())
    }
}

/// The table of a trial: what it is, what it found, what it broke.
pub(super) fn write_table(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    about: &str,
    mut rows: Vec<(&'static str, String)>,
    broken: Vec<String>,
) -> fmt::Result {
    writeln!(f, "{name}: {about}")?;
    if broken.is_empty() {
        rows.push(("promises", "kept".to_owned()));
    }
    rows.extend(broken.into_iter().map(|promise| ("BROKEN", promise)));
    rows.into_iter()
        .try_for_each(|(name, text)| writeln!(f, "  {name:<22} {text}"))
}

fn share(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64
}

pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
