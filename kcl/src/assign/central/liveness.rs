//! Which workers live, as the leader sees them.
//!
//! A report is not enough: it stays fresh for a minute after its writer was killed. So a worker all of whose leases ran
//! out counts as dead, however fresh its report, until it reports anew or renews something. One that does so and loses
//! its leases again waits longer each time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::model::{Gauge, GaugeKind, Presence};
use crate::lease::observed::Observed;
use crate::lease::renewal::Pace;
use crate::lease::{Lease, LeaseKey, WorkerId};

/// What a worker says of itself (KCL: `WorkerMetricStats`).
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerReport {
    /// Who (`wid`).
    pub worker: WorkerId,
    /// When it was written, by its writer's clock, in seconds since 1970 (`lut`).
    pub updated_at: u64,
    /// What it measures. None: it is balanced by the throughput of its leases alone.
    pub gauges: Vec<GaugeHistory>,
}

/// The last values of one gauge.
#[derive(Debug, Clone, PartialEq)]
pub struct GaugeHistory {
    /// What is measured.
    pub kind: GaugeKind,
    /// Averages in percent, the oldest first; -1 where nothing could be measured (`sts`).
    pub values: Vec<f64>,
    /// The operating range in percent (`opr`). Without one, or with 0, the whole report is invalid.
    pub limit: Option<f64>,
}

/// What a report says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reading {
    /// How busy the worker is.
    Gauges(Vec<Gauge>),
    /// A measurement failed just now: the worker gets nothing until one succeeds.
    Failing,
    /// The row contradicts itself.
    Invalid,
}

impl WorkerReport {
    /// Smooths the values: each new one counts `alpha`, all before it the rest (KCL: `workerMetricsEMAAlpha`, 0.5).
    #[must_use]
    pub fn reading(&self, alpha: f64) -> Reading {
        let mut gauges = Vec::with_capacity(self.gauges.len());
        for history in &self.gauges {
            let Some(limit) = history.limit.filter(|limit| *limit > 0.0) else {
                return Reading::Invalid;
            };
            if history.values.last().is_none_or(|value| *value < 0.0) {
                return Reading::Failing;
            }
            let good = history.values.iter().copied().filter(|value| *value >= 0.0);
            let smooth = good.reduce(|before, value| alpha * value + (1.0 - alpha) * before);
            gauges.push(Gauge {
                kind: history.kind,
                value: smooth.unwrap_or(0.0),
                limit,
            });
        }
        Reading::Gauges(gauges)
    }
}

/// How long the leader believes in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    /// How long a lease lives without a heartbeat (KCL: `failoverTimeMillis`).
    pub failover: Duration,
    /// How old a report may be (KCL: twice `workerMetricsReporterFreqInMillis`, 60 s).
    pub report: Duration,
}

impl Trust {
    /// How long a living holder may be silent ([`Pace::silence`]).
    pub(super) fn silence(self) -> Duration {
        Pace::new(self.failover).silence()
    }
}

/// What one leader knows of every worker.
#[derive(Debug, Default)]
pub struct Liveness {
    workers: HashMap<WorkerId, Evidence>,
    counters: HashMap<LeaseKey, (WorkerId, u64)>,
}

#[derive(Debug)]
struct Evidence {
    report: Option<Report>,
    holds: usize,
    expired: usize,
    /// It held leases when it was first seen, so it may have been dead for long.
    held_from_the_start: bool,
    renewed_at: Option<Instant>,
    /// Since when it has held anything, without a break.
    held_since: Option<Instant>,
    conviction: Option<Conviction>,
}

#[derive(Debug)]
struct Report {
    stamp: u64,
    fresh_by_wall: bool,
    seen_since: Instant,
    changed_at: Option<Instant>,
    usable: bool,
}

#[derive(Debug, Clone, Copy)]
struct Conviction {
    at: Instant,
    /// How often so far.
    count: u32,
    acquitted: bool,
}

impl Liveness {
    /// Nobody seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one round: all leases, all reports. `observed` must have seen these leases already; `wall` is the
    /// wall clock in seconds since 1970.
    pub fn observe(
        &mut self,
        leases: &[Lease],
        reports: &[WorkerReport],
        observed: &Observed,
        trust: Trust,
        now: Instant,
        wall: u64,
    ) {
        for evidence in self.workers.values_mut() {
            (evidence.holds, evidence.expired) = (0, 0);
        }
        self.observe_leases(leases, observed, trust, now);
        self.observe_reports(reports, trust, now, wall);
        self.workers.retain(|_, evidence| evidence.is_worth_keeping(now));
        for evidence in self.workers.values_mut() {
            match evidence.holds {
                0 => evidence.held_since = None,
                _ => drop(evidence.held_since.get_or_insert(now)),
            }
            evidence.judge(trust, now);
        }
    }

    fn observe_leases(&mut self, leases: &[Lease], observed: &Observed, trust: Trust, now: Instant) {
        let mut before = std::mem::take(&mut self.counters);
        for lease in leases {
            let Some(holder) = lease.actual_owner() else {
                continue;
            };
            let evidence = self
                .workers
                .entry(holder.clone())
                .or_insert_with(|| Evidence::new(true));
            evidence.holds += 1;
            evidence.expired += usize::from(observed.expired(&lease.key, trust.failover, now));
            let known = before.remove(&lease.key);
            // A counter that moved together with its owner was moved by whoever assigned it.
            if known.is_some_and(|(by, counter)| by == *holder && counter != lease.counter) {
                evidence.renewed_at = Some(now);
            }
            self.counters
                .insert(lease.key.clone(), (holder.clone(), lease.counter));
        }
    }

    fn observe_reports(&mut self, reports: &[WorkerReport], trust: Trust, now: Instant, wall: u64) {
        for evidence in self.workers.values_mut() {
            if let Some(report) = &mut evidence.report {
                report.usable = false;
            }
        }
        for said in reports {
            let evidence = self
                .workers
                .entry(said.worker.clone())
                .or_insert_with(|| Evidence::new(false));
            let fresh_by_wall = wall.saturating_sub(said.updated_at) <= trust.report.as_secs();
            // Whoever was found dead had its report removed: there is one again, so it lives.
            let returned = evidence.conviction.map(|_| now);
            let report = evidence.report.get_or_insert(Report {
                stamp: said.updated_at,
                fresh_by_wall,
                seen_since: now,
                changed_at: returned,
                usable: true,
            });
            report.usable = true;
            if report.stamp != said.updated_at {
                report.stamp = said.updated_at;
                report.changed_at = Some(now);
            }
            report.fresh_by_wall = fresh_by_wall;
        }
        for evidence in self.workers.values_mut() {
            evidence.report.take_if(|report| !report.usable);
        }
    }

    /// Whether a worker with this reading may be given leases.
    #[must_use]
    pub fn presence(
        &self,
        worker: &WorkerId,
        reading: Option<&Reading>,
        trust: Trust,
        now: Instant,
    ) -> Presence {
        let Some(evidence) = self.workers.get(worker) else {
            return Presence::Gone;
        };
        if evidence.is_convicted() {
            return Presence::Gone;
        }
        let reports = evidence.report.as_ref().is_some_and(|r| r.is_fresh(trust, now));
        let trusted = !evidence.is_doubtful() && !evidence.is_silent(trust, now);
        match reading {
            Some(Reading::Gauges(_)) if reports && trusted => Presence::Active,
            _ if reports || evidence.holds > evidence.expired => Presence::Keeps,
            _ => Presence::Gone,
        }
    }

    /// Whether a worker that reports itself has not yet shown that it lives. A moment longer tells.
    #[must_use]
    pub fn is_undecided(&self, trust: Trust, now: Instant) -> bool {
        self.workers.values().any(|evidence| {
            let reports = evidence.report.as_ref().is_some_and(|r| r.is_fresh(trust, now));
            reports && !evidence.is_convicted() && evidence.is_doubtful()
        })
    }

    /// Reports of workers that are dead, and when they say they were written. They look alive to the next leader, which has
    /// not seen them die: it gave them leases for as long as their reports were fresh.
    pub fn dead_reports(&self) -> impl Iterator<Item = (&WorkerId, u64)> {
        let dead = self
            .workers
            .iter()
            .filter(|(_, evidence)| evidence.is_convicted());
        dead.filter_map(|(worker, evidence)| Some((worker, evidence.report.as_ref()?.stamp)))
    }

    /// Whether a worker's report has not changed for longer than reports count, by our own clock.
    #[must_use]
    pub fn stands_still(&self, worker: &WorkerId, trust: Trust, now: Instant) -> bool {
        let report = self
            .workers
            .get(worker)
            .and_then(|evidence| evidence.report.as_ref());
        report.is_some_and(|report| report.unchanged(now) > trust.report)
    }

    /// Everybody who holds a lease or reports himself.
    pub fn workers(&self) -> impl Iterator<Item = &WorkerId> {
        self.workers.keys()
    }
}

impl Evidence {
    fn new(holds_something: bool) -> Self {
        Self {
            report: None,
            holds: 0,
            expired: 0,
            held_from_the_start: holds_something,
            renewed_at: None,
            held_since: None,
            conviction: None,
        }
    }

    fn judge(&mut self, trust: Trust, now: Instant) {
        let since = |at: Option<Instant>, then: Instant| at.is_some_and(|at| at > then);
        let lost_all = self.holds > 0 && self.expired == self.holds;
        let reported_at = self.report.as_ref().and_then(|report| report.changed_at);
        match &mut self.conviction {
            Some(conviction) => {
                let renews = since(self.renewed_at, conviction.at);
                let penalty = conviction.penalty(trust);
                let reports = since(reported_at, conviction.at + penalty);
                if !conviction.acquitted && !lost_all && (renews || reports) {
                    conviction.acquitted = true;
                }
                if conviction.acquitted && lost_all {
                    let served_well = now.saturating_duration_since(conviction.at) > FORGET;
                    *conviction = Conviction {
                        at: now,
                        count: if served_well { 1 } else { conviction.count + 1 },
                        acquitted: false,
                    };
                }
            }
            None if lost_all => {
                self.conviction = Some(Conviction {
                    at: now,
                    count: 1,
                    acquitted: false,
                });
            }
            None => {}
        }
    }

    fn is_convicted(&self) -> bool {
        self.conviction.is_some_and(|conviction| !conviction.acquitted)
    }

    /// It holds leases, and has renewed none of them for longer than a living worker would let pass. Its leases run out one
    /// after the other, and what is free already must not go to it: given one here and one there, it would never have lost
    /// all. Of workers that die together none must get what another one loses.
    fn is_silent(&self, trust: Trust, now: Instant) -> bool {
        let lately = |at| now.saturating_duration_since(at) <= trust.silence();
        let last_sign = self.renewed_at.max(self.held_since);
        self.holds > 0 && last_sign.is_some_and(|at| !lately(at))
    }

    /// A conviction outlives what was found of its worker.
    fn is_worth_keeping(&self, now: Instant) -> bool {
        let remembered = |conviction: Conviction| now.saturating_duration_since(conviction.at) <= FORGET;
        self.holds > 0 || self.report.is_some() || self.conviction.is_some_and(remembered)
    }

    fn is_doubtful(&self) -> bool {
        let reported_anew = self
            .report
            .as_ref()
            .is_some_and(|report| report.changed_at.is_some());
        self.held_from_the_start && self.holds > 0 && self.renewed_at.is_none() && !reported_anew
    }
}

impl Report {
    /// By our own clock as soon as we have looked for long enough; by the writer's until then.
    fn is_fresh(&self, trust: Trust, now: Instant) -> bool {
        let unchanged = self.unchanged(now);
        match self.changed_at {
            Some(_) => unchanged <= trust.report,
            None => self.fresh_by_wall && unchanged <= trust.report,
        }
    }

    fn unchanged(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.changed_at.unwrap_or(self.seen_since))
    }
}

impl Conviction {
    /// How long new reports do not count: not at all the first time, then a failover time, then doubled.
    fn penalty(self, trust: Trust) -> Duration {
        match self.count {
            0 | 1 => Duration::ZERO,
            more => trust.failover.saturating_mul(1 << (more - 2).min(10)).min(FORGET),
        }
    }
}

/// Ours: after so long a failure is no sign of another one.
const FORGET: Duration = Duration::from_secs(600);

#[cfg(test)]
#[path = "tests/liveness.rs"]
mod tests;
