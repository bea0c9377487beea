//! The leader's rounds: rows and reports in, writes out. Remembers from round to round what rows do not tell.

mod step;
mod view;

use std::collections::HashMap;
use std::time::{Duration, Instant};

pub use self::step::{Step, Unless};
use self::view::View;
use super::arrived::Arrived;
use super::liveness::{Liveness, Trust, WorkerReport};
use super::model::Solution;
use super::settings::{Reach, Settings, Strategy};
use super::solve;
use crate::assign::model::Patience;
use crate::lease::observed::Observed;
use crate::lease::{LeaseKey, WorkerId};
use crate::store::Listing;

/// How a leader plans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundSettings {
    /// What each plan keeps to.
    pub settings: Settings,
    /// How long owners may be silent, and hand-overs may last.
    pub patience: Patience,
    /// How long a worker's report counts (KCL: twice `workerMetricsReporterFreqInMillis`). Default 60 s. As long after a
    /// lease moved, the gauges of the workers concerned are not believed.
    pub report_validity: Duration,
    /// How often workers that have too much are relieved (KCL: `varianceBalancingFrequency` rounds, 3 x 20 s). Default
    /// 60 s. Vacant leases and newcomers wait for no such moment, and neither does the plan by lease count.
    pub balance_interval: Duration,
    /// How much the newest value of a gauge counts (KCL: `workerMetricsEMAAlpha`). Default 0.5; 0 to 1.
    pub gauge_alpha: f64,
    /// Whether live leases change hands gracefully (KCL: `isGracefulLeaseHandoffEnabled`). Default yes. Without it
    /// their holders are cut off, and may go on for up to a heartbeat beside the new owner.
    pub graceful: bool,
}

impl RoundSettings {
    /// KCL's numbers. Source: KCL, `LeaseManagementConfig` and `WorkerUtilizationAwareAssignmentConfig`.
    #[must_use]
    pub fn new(settings: Settings, patience: Patience) -> Self {
        Self {
            settings,
            patience,
            report_validity: Duration::from_secs(60),
            balance_interval: Duration::from_secs(60),
            gauge_alpha: 0.5,
            graceful: true,
        }
    }

    fn trust(&self) -> Trust {
        Trust {
            failover: self.patience.failover,
            report: self.report_validity,
        }
    }
}

/// What one round found and wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Round {
    /// The writes, in any order; each is lost when its condition is, and the next round looks again.
    pub steps: Vec<Step>,
    /// Vacant leases that nobody has room for (KCL metric: `LeaseSpillover`).
    pub spillover: usize,
    /// Workers that may be given leases (KCL metric: `NumWorkers`).
    pub active: usize,
    /// Reports of dead workers, with the time they name: to be removed, unless they were written anew. Each is told once.
    pub dead_reports: Vec<(WorkerId, u64)>,
    /// Vacant leases wait for the next round, because living and dead workers cannot be told apart yet: a leader that
    /// is new to a running fleet has seen nobody renew. Look again soon.
    pub undecided: bool,
}

#[derive(Debug)]
struct Arrival {
    to: WorkerId,
    at: Instant,
    /// The counter of a lease that was assigned, unless its owner has noticed. `None`: it comes from another holder.
    assigned: Option<u64>,
}

/// The leader's memory. A new leader starts with a new one.
#[derive(Debug)]
pub struct Rounds {
    how: RoundSettings,
    observed: Observed,
    liveness: Liveness,
    started_at: Option<Instant>,
    balanced_at: Option<Instant>,
    /// Who got which lease when: until its gauges show it.
    arrivals: HashMap<LeaseKey, Arrival>,
    relieved: HashMap<WorkerId, Instant>,
    arrived: Arrived,
    revoked: HashMap<LeaseKey, Instant>,
    buried: HashMap<WorkerId, u64>,
}

impl Rounds {
    /// A leader that has seen nothing yet.
    #[must_use]
    pub fn new(how: RoundSettings) -> Self {
        Self {
            how,
            observed: Observed::new(),
            liveness: Liveness::new(),
            started_at: None,
            balanced_at: None,
            arrivals: HashMap::new(),
            relieved: HashMap::new(),
            arrived: Arrived::default(),
            revoked: HashMap::new(),
            buried: HashMap::new(),
        }
    }

    /// Plans one round from complete listings that had arrived at `now`. `wall` is the wall clock in seconds since 1970,
    /// for the age of reports that this leader sees for the first time; `seed` breaks ties.
    pub fn round(
        &mut self,
        listing: &Listing,
        reports: &[WorkerReport],
        now: Instant,
        wall: u64,
        seed: u64,
    ) -> Round {
        let trust = self.how.trust();
        self.observed.observe(&listing.leases, now);
        self.liveness
            .observe(&listing.leases, reports, &self.observed, trust, now, wall);
        let started_at = *self.started_at.get_or_insert(now);
        self.forget(listing, now);
        let dead_reports = self.bury();

        let mut view = View::of(self, listing, reports, now);
        let active = view.count_active();
        let tells_soon = now.saturating_duration_since(started_at) <= trust.silence();
        if tells_soon && self.liveness.is_undecided(trust, now) {
            return Round {
                steps: view.revocations,
                active,
                dead_reports,
                undecided: true,
                ..Round::default()
            };
        }
        self.arrived
            .greet(&view.workers, &mut view.problem, self.how.balance_interval, now);
        let reach = self.reach(now);
        let solution = solve(&view.problem, &self.how.settings, reach, seed);
        self.arrived.on_solution(&view.workers, &view.problem, &solution);
        let mut steps = std::mem::take(&mut view.revocations);
        self.steps_of(&solution, &view, listing, now, &mut steps);
        Round {
            steps,
            spillover: solution.spillover,
            active,
            dead_reports,
            undecided: false,
        }
    }

    /// Whether nobody writes this report any more: it is a day old, and this leader has seen it unchanged for longer than reports
    /// count. What the report itself says of its age may be wrong by days.
    #[must_use]
    pub fn is_abandoned(&self, report: &WorkerReport, now: Instant, wall: u64) -> bool {
        let is_old = report.updated_at.saturating_add(ABANDONED.as_secs()) < wall;
        is_old && self.liveness.stands_still(&report.worker, self.how.trust(), now)
    }

    /// When the next lease will have stood still for the failover time, if nothing is seen of it until then.
    #[must_use]
    pub fn next_expiry(&self, now: Instant) -> Option<Instant> {
        self.observed.next_expiry(self.how.patience.failover, now)
    }

    /// What became of a revocation. Without this call the lease would be assigned at once after an applied one.
    pub fn on_revoked(&mut self, key: &LeaseKey, now: Instant) {
        self.revoked.insert(key.clone(), now);
    }

    fn bury(&mut self) -> Vec<(WorkerId, u64)> {
        let before = std::mem::take(&mut self.buried);
        let dead = self.liveness.dead_reports();
        self.buried = dead.map(|(worker, stamp)| (worker.clone(), stamp)).collect();
        let is_news = |(worker, stamp): &(&WorkerId, &u64)| before.get(*worker) != Some(*stamp);
        let news = self.buried.iter().filter(is_news);
        news.map(|(worker, stamp)| (worker.clone(), *stamp)).collect()
    }

    fn reach(&mut self, now: Instant) -> Reach {
        if self.how.settings.strategy == Strategy::LeaseCount {
            return Reach::Balance;
        }
        let last = *self.balanced_at.get_or_insert(now);
        if now.saturating_duration_since(last) < self.how.balance_interval {
            return Reach::Newcomers;
        }
        self.balanced_at = Some(now);
        Reach::Balance
    }

    fn forget(&mut self, listing: &Listing, now: Instant) {
        let recent = |at: Instant, span: Duration| now.saturating_duration_since(at) <= span;
        let validity = self.how.report_validity;
        let failover = self.how.patience.failover;
        self.relieved.retain(|_, at| recent(*at, validity));
        self.arrivals.retain(|_, arrival| recent(arrival.at, validity));
        self.revoked.retain(|_, at| recent(*at, failover));
        // Hand-overs that came to their end since the last round count from now on.
        for lease in &listing.leases {
            if let Some(Arrival { to, at, .. }) = self.arrivals.get_mut(&lease.key)
                && lease.hand_over_pending()
                && lease.owner.as_ref() == Some(to)
            {
                *at = now;
                if let Some(from) = &lease.checkpoint_owner {
                    self.relieved.insert(from.clone(), now);
                }
            }
        }
    }

    fn steps_of(
        &mut self,
        solution: &Solution,
        view: &View,
        listing: &Listing,
        now: Instant,
        steps: &mut Vec<Step>,
    ) {
        for assignment in &solution.assign {
            let lease = &listing.leases[assignment.lease];
            let to = view.workers[assignment.to].clone();
            let arrival = Arrival {
                to: to.clone(),
                at: now,
                assigned: Some(lease.counter + 1),
            };
            self.arrivals.insert(lease.key.clone(), arrival);
            // Its own worker finds the lease by its name, so there is nothing to write.
            if lease.actual_owner() == Some(&to) && !lease.hand_over_pending() {
                continue;
            }
            let unless = match lease.actual_owner() {
                Some(_) => Unless::Renewed,
                None => Unless::OwnersChanged,
            };
            steps.push(Step::Assign {
                key: lease.key.clone(),
                to,
                unless,
            });
        }
        for change in &solution.hand_over {
            let key = listing.leases[change.lease].key.clone();
            let (from, to) = (view.workers[change.from].clone(), view.workers[change.to].clone());
            let arrival = Arrival {
                to: to.clone(),
                at: now,
                assigned: None,
            };
            self.arrivals.insert(key.clone(), arrival);
            self.relieved.insert(from.clone(), now);
            steps.push(if self.how.graceful {
                Step::HandOver { key, from, to }
            } else {
                Step::Assign {
                    key,
                    to,
                    unless: Unless::OwnersChanged,
                }
            });
        }
    }
}

/// Source: KCL, `staleWorkerMetricsEntryCleanupDuration`.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
