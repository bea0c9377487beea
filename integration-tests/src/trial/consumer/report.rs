//! What a trial found: a short table, and the promises that were broken.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Display;
use std::time::Duration;

use kcl::RunSummary;
use kcl::events::{ConsumerEvent, LossReason};

use super::super::latencies::Latencies;
use super::super::process::Usage;
use super::super::report::{mib, write_table};
use super::super::series::Series;
use super::books::{Balance, Waits};
use super::diary::Diary;
use super::scenario::Scenario;

/// What a trial found. Its `Display` is the table.
#[derive(Debug, Clone)]
pub struct Report {
    pub(super) scenario: Scenario,
    pub(super) balance: Balance,
    pub(super) waits: Waits,
    pub(super) diary: Diary,
    /// Of those who stopped.
    pub(super) summaries: BTreeMap<&'static str, RunSummary>,
    /// Leases held by those who were killed or held, at that moment.
    pub(super) struck: Vec<(&'static str, usize)>,
    /// Until the last record was done.
    pub(super) took: Duration,
    pub(super) seen: Samples,
    /// How often each operation that reads was called.
    pub(super) calls: BTreeMap<&'static str, u64>,
    pub(super) usage: Usage,
    /// The resident set before the first worker.
    pub(super) idle_memory: u64,
    /// Whether the endpoint was in another process: only then does memory say something.
    pub(super) is_alone: bool,
}

/// Quantities over time.
#[derive(Debug, Clone)]
pub(super) struct Samples {
    /// How long the oldest record had been waiting, in milliseconds.
    pub(super) lag: Series,
    /// Bytes read and not processed, of the worker with the most.
    pub(super) held: Series,
    pub(super) resident: Series,
}

impl Default for Samples {
    fn default() -> Self {
        let series = Series::new(Duration::from_secs(1));
        Self {
            lag: series.clone(),
            held: series.clone(),
            resident: series,
        }
    }
}

impl Report {
    /// The closed books.
    #[must_use]
    pub fn balance(&self) -> &Balance {
        &self.balance
    }

    /// What the workers told.
    #[must_use]
    pub fn diary(&self) -> &Diary {
        &self.diary
    }

    /// The promises that were broken, each in a line.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let (promises, balance) = (&self.scenario.promises, &self.balance);
        let zeros = [
            ("records were never done", balance.lost()),
            ("records came again without a reason", balance.unexplained),
            ("records were handed over out of order", balance.order_breaks),
            (
                "records went to a worker whose shard was another's",
                balance.strays,
            ),
            (
                "records were passed by a checkpoint before they were done",
                balance.passed_over,
            ),
            ("checkpoints went back", balance.went_back),
            (
                "records are behind no checkpoint after the end",
                balance.not_checkpointed,
            ),
            ("records were handed over that nobody put", balance.strangers),
        ];
        let zeros = zeros.into_iter().filter(|(_, count)| *count > 0);
        let mut broken: Vec<_> = zeros.map(|(what, count)| format!("{count} {what}")).collect();
        if balance.repeats() > 0 && !promises.repeats {
            broken.push(format!("{} records came again", balance.repeats()));
        }
        if let Some(most) = promises.lag
            && let lag = self.longest_wait()
            && lag > most
        {
            broken.push(format!("a record waited for {lag:?}, not {most:?}"));
        }
        if let Some(most) = promises.calm
            && let wait = self.waits.calm.percentile(100).unwrap_or_default()
            && wait > most
        {
            broken.push(format!(
                "a record of a key without failures waited for {wait:?}, not {most:?}"
            ));
        }
        if balance.dead != promises.dead || balance.wrong_letters > 0 {
            let (dead, wrong) = (balance.dead, balance.wrong_letters);
            broken.push(format!(
                "{dead} dead letters, {wrong} of them wrong, and not {}",
                promises.dead
            ));
        }
        for (worker, leases) in &self.struck {
            if *leases == 0 {
                broken.push(format!(
                    "{worker} held no lease when it was struck: this shows nothing"
                ));
            }
        }
        broken.extend(self.broken_reading());
        let lost = self.losses_by_themselves();
        if promises.keeps_leases && lost > 0 {
            broken.push(format!("{lost} leases were lost"));
        }
        broken.extend(self.broken_memory());
        broken
    }

    /// The longest that a record waited, put until done, to a quarter of a second.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        Duration::from_millis(self.seen.lag.peak())
    }

    /// How long a processor hung before an event named it.
    #[must_use]
    pub fn named_after(&self) -> Option<Duration> {
        self.diary
            .told_after_hanging(|event| matches!(event, ConsumerEvent::ProcessorSlow { .. }))
    }

    fn broken_reading(&self) -> Vec<String> {
        let promises = &self.scenario.promises;
        let mut broken = Vec::new();
        let most = self.scenario.budget.get() as u64 + BEYOND;
        if self.seen.held.peak() > most {
            broken.push(format!(
                "{:.1} MiB were held, not {:.1} MiB",
                mib(self.seen.held.peak()),
                mib(most)
            ));
        }
        if let Some(within) = promises.named {
            match self.named_after() {
                Some(after) if after <= within => {}
                Some(after) => broken.push(format!("what hangs was named after {after:?}, not {within:?}")),
                None => broken.push("what hangs was never named".to_owned()),
            }
        }
        let subscriptions = self.calls.get("SubscribeToShard").copied().unwrap_or_default();
        if promises
            .subscriptions
            .is_some_and(|most| subscriptions > most || subscriptions == 0)
        {
            broken.push(format!("there were {subscriptions} subscriptions"));
        }
        for told in promises.told.iter().filter(|told| self.diary.count(told) == 0) {
            broken.push(format!("{told} was never told: this shows nothing"));
        }
        broken
    }

    /// Leases that expired under their holders.
    fn losses_by_themselves(&self) -> usize {
        let expired = self.diary.entries().iter().filter(|entry| {
            matches!(
                entry.event,
                ConsumerEvent::LeaseLost {
                    reason: LossReason::Expired,
                    ..
                }
            )
        });
        expired.count()
    }

    fn broken_memory(&self) -> Option<String> {
        let most = self.scenario.promises.memory?;
        let budget = self.scenario.budget.get() as u64;
        let used = self.usage.peak.saturating_sub(self.idle_memory);
        (self.is_alone && used > budget + most).then(|| {
            format!(
                "{:.1} MiB of memory are used, the budget is {:.1} MiB and {:.1} MiB",
                mib(used),
                mib(budget),
                mib(most)
            )
        })
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let balance = &self.balance;
        let struck = self
            .struck
            .iter()
            .map(|(worker, leases)| format!("{worker} with {leases} leases"));
        let struck = struck.collect::<Vec<_>>().join(", ");
        let rate = balance.done as f64 / self.took.as_secs_f64().max(1e-3);
        let mut rows = vec![
            (
                "put, done, lost",
                format!("{}, {}, {}", balance.put, balance.done, balance.lost()),
            ),
            (
                "came again",
                format!(
                    "{} after a loss ({}), {} after a failure, {} unexplained",
                    balance.repeats(),
                    counted(&balance.repeated),
                    balance.retried,
                    balance.unexplained
                ),
            ),
            (
                "order breaks, strays",
                format!("{}, {}", balance.order_breaks, balance.strays),
            ),
            (
                "checkpoints",
                format!(
                    "passed over {}, went back {}, missing at the end {}",
                    balance.passed_over, balance.went_back, balance.not_checkpointed
                ),
            ),
            (
                "struck",
                if struck.is_empty() {
                    "nobody".to_owned()
                } else {
                    struck
                },
            ),
            (
                "handed to",
                format!("{}; {} processors", counted(&balance.by_worker), balance.tenures),
            ),
            (
                "took",
                format!("{:.1} s, {rate:.0} records/s", self.took.as_secs_f64()),
            ),
            ("waits", waits(&self.waits.calm)),
            ("oldest waits", self.seen.lag.in_seconds().to_string()),
            ("held, unprocessed", self.seen.held.to_string()),
            ("calls", counted(&self.calls)),
            ("events", counted(&self.diary.counts())),
        ];
        let finished: u64 = self.summaries.values().map(RunSummary::shards_finished).sum();
        if self.waits.failing.percentile(50).is_some() {
            rows.push(("waits after a failure", waits(&self.waits.failing)));
        }
        if balance.dead > 0 {
            let (dead, wrong) = (balance.dead, balance.wrong_letters);
            rows.push(("dead letters", format!("{dead}, wrong {wrong}")));
        }
        if let Some(after) = self.named_after() {
            rows.push(("hanging, named after", format!("{after:?}")));
        }
        if finished > 0 {
            rows.push(("shards ended", finished.to_string()));
        }
        if self.is_alone {
            let (peak, cpu) = (mib(self.usage.peak), self.usage.cpu_seconds);
            rows.push(("resident", self.seen.resident.to_string()));
            rows.push((
                "peak, idle, CPU",
                format!("{peak:.1} MiB, {:.1} MiB, {cpu:.2} s", mib(self.idle_memory)),
            ));
        }
        rows
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_table(
            f,
            self.scenario.name,
            self.scenario.about,
            self.rows(),
            self.broken(),
        )
    }
}

fn waits(latencies: &Latencies) -> String {
    let percentile = |percent| {
        let told = latencies.percentile(percent).unwrap_or_default();
        format!("{:.2} s", told.as_secs_f64())
    };
    format!(
        "p50 {}, p99 {}, most {}",
        percentile(50),
        percentile(99),
        percentile(100)
    )
}

/// `one 12, two 7`, or `none`.
fn counted(counts: &BTreeMap<impl Display + Ord, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let counts = counts.iter().map(|(what, count)| format!("{what} {count}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// One read may pass the budget by what was not expected of it.
const BEYOND: u64 = 10 << 20;
