//! Rows in terms of the model: what the leader may do with each lease, and with each worker.

use std::collections::HashMap;
use std::time::Instant;

use super::{Rounds, Step};
use crate::assign::central::liveness::{Reading, WorkerReport};
use crate::assign::central::model::{LeaseLoad, Presence, Problem, Stands, Worker};
use crate::assign::parents::Unfinished;
use crate::lease::{Lease, WorkerId};
use crate::store::Listing;

/// One round's problem, and what must be written whatever its solution.
pub(super) struct View {
    pub(super) problem: Problem,
    pub(super) workers: Vec<WorkerId>,
    pub(super) revocations: Vec<Step>,
}

impl View {
    pub(super) fn of(rounds: &Rounds, listing: &Listing, reports: &[WorkerReport], now: Instant) -> Self {
        let mut workers: Vec<&WorkerId> = rounds.liveness.workers().collect();
        workers.sort();
        let ordinals: HashMap<&WorkerId, usize> =
            workers.iter().enumerate().map(|(n, id)| (*id, n)).collect();
        let readings: HashMap<&WorkerId, Reading> = reports
            .iter()
            .map(|report| (&report.worker, report.reading(rounds.how.gauge_alpha)))
            .collect();
        let model = |id: &&WorkerId| rounds.worker(id, readings.get(id), now);
        let mut view = Self {
            problem: Problem {
                workers: workers.iter().map(model).collect(),
                leases: Vec::with_capacity(listing.leases.len()),
            },
            workers: workers.iter().map(|id| (*id).clone()).collect(),
            revocations: Vec::new(),
        };
        let unfinished = Unfinished::of(listing);
        for lease in &listing.leases {
            let holder = lease.actual_owner().and_then(|id| ordinals.get(id).copied());
            let next = lease.owner.as_ref().and_then(|id| ordinals.get(id).copied());
            let stands = if lease.is_finished() || unfinished.blocks(lease) {
                Stands::Idle { by: holder }
            } else {
                match rounds.judge(lease, now) {
                    // A next owner that nobody knows (no report, no lease) is none that could start.
                    Judgement::Moving => match (holder, next) {
                        (Some(from), Some(to)) => Stands::Moving { from, to },
                        _ => Stands::Idle { by: holder },
                    },
                    Judgement::Overdue => {
                        view.revocations.push(Step::Revoke {
                            key: lease.key.clone(),
                        });
                        Stands::Idle { by: None }
                    }
                    Judgement::Awaited => match holder {
                        Some(by) => Stands::Awaited { by },
                        None => Stands::Idle { by: None },
                    },
                    Judgement::Cooling => Stands::Idle { by: None },
                    Judgement::Vacant => Stands::Vacant { avoid: holder },
                    Judgement::Held { measured } => match holder {
                        Some(by) => Stands::Held { by, measured },
                        None => Stands::Vacant { avoid: None },
                    },
                }
            };
            view.problem.leases.push(LeaseLoad {
                throughput: lease.throughput_kbps,
                stands,
            });
        }
        view
    }

    pub(super) fn count_active(&self) -> usize {
        let workers = self.problem.workers.iter();
        workers
            .filter(|worker| worker.presence == Presence::Active)
            .count()
    }
}

enum Judgement {
    Vacant,
    Held {
        measured: bool,
    },
    /// Its owner has not been seen to renew it: it may not have noticed that it has it. Asked to hand it over, it never would.
    Awaited,
    Moving,
    /// Its holder lives and lets the deadline of the hand-over pass.
    Overdue,
    /// Revoked, and its holder may not have noticed.
    Cooling,
}

impl Rounds {
    fn worker(&self, id: &WorkerId, reading: Option<&Reading>, now: Instant) -> Worker {
        let presence = self.liveness.presence(id, reading, self.how.trust(), now);
        Worker {
            presence,
            gauges: match reading {
                Some(Reading::Gauges(gauges)) if presence == Presence::Active => gauges.clone(),
                _ => Vec::new(),
            },
            settling: self.relieved.contains_key(id),
            newcomer: false,
        }
    }

    fn judge(&self, lease: &Lease, now: Instant) -> Judgement {
        let patience = self.how.patience;
        if lease.actual_owner().is_none() {
            return match self.revoked.contains_key(&lease.key) {
                true => Judgement::Cooling,
                false => Judgement::Vacant,
            };
        }
        if self.observed.expired(&lease.key, patience.failover, now) {
            return Judgement::Vacant;
        }
        if lease.hand_over_pending() {
            let age = self.observed.hand_over_age(&lease.key, now).unwrap_or_default();
            return match age > patience.hand_over + patience.failover {
                true => Judgement::Overdue,
                false => Judgement::Moving,
            };
        }
        let arrived = self.arrivals.get(&lease.key);
        let arrived = arrived.filter(|arrival| Some(&arrival.to) == lease.owner.as_ref());
        let noticed = arrived
            .and_then(|arrival| arrival.assigned)
            .is_some_and(|counter| lease.counter > counter);
        if !noticed && !self.observed.is_kept(&lease.key) {
            return Judgement::Awaited;
        }
        Judgement::Held {
            measured: arrived.is_none(),
        }
    }
}
