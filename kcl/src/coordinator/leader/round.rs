//! One round of a leader: rows are read, [`Rounds`](crate::assign::central::rounds::Rounds) plans, its steps are written.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use rand::Rng as _;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Leader, now};
use crate::assign::Patience;
use crate::assign::central::Settings;
use crate::assign::central::liveness::WorkerReport;
use crate::assign::central::rounds::{RoundSettings, Step, Unless};
use crate::config::ChildShards;
use crate::error::StoreError;
use crate::fleet::{Home, SeparateTables, epoch_seconds, newest_workers};
use crate::lease::scan_pace::leaders_next;
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::metrics::Metric;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::store::{LeaseStore, RetireIf};

impl<S: Send + Sync + 'static, F: Send + Sync + 'static> Leader<S, F> {
    #[tracing::instrument(name = "kcl.lead", skip_all)]
    pub(super) async fn round(&mut self) {
        let failover = self.shop.config.leasing.failover;
        let began = Instant::now();
        let planned = self.plan_and_write().await;
        self.shop
            .counters
            .tried(Metric::AssignmentSuccess, planned.is_ok());
        self.shop.counters.took(Metric::AssignmentTime, began);
        self.next_round = match planned {
            Ok(rows) => {
                self.lock.on_round(now());
                leaders_next(failover, rows, self.rounds.next_expiry(now()), now()).into()
            }
            Err(error) => {
                warn!(error = %chain(&error), "round of assignment failed");
                self.lock.on_round_failed();
                Instant::now() + failover / 2
            }
        };
    }

    /// One round. How many rows there are.
    async fn plan_and_write(&mut self) -> Result<u32, StoreError> {
        let store = Arc::clone(&self.shop.store);
        let mut contents = store.scan().await?;
        {
            // Rows of streams that are not read here are assigned by nobody.
            let streams = self.shop.streams.borrow();
            let leases = &mut contents.listing.leases;
            leases.retain(|lease| streams.of_key(&lease.key).is_some());
        }
        let elsewhere = match self.home {
            Home::SeparateTables => Some(store.separate().await?),
            Home::LeaseTable => None,
        };
        let separate = elsewhere.as_ref().and_then(SeparateTables::rows);
        let stats = newest_workers(&contents.beside, separate);
        let reports: Vec<WorkerReport> = stats.iter().map(|row| WorkerReport::of_row(row)).collect();
        let wall = epoch_seconds(self.shop.config.wall_clock.now());
        let listing = &contents.listing;
        let unfettered = match self.shop.config.children {
            ChildShards::AtOnce => Some(listing.without_parents()),
            ChildShards::AfterParents => None,
        };
        let planned = unfettered.as_ref().unwrap_or(listing);
        let round = self
            .rounds
            .round(planned, &reports, now(), wall, self.rng.random());
        if !round.steps.is_empty() || round.undecided {
            debug!(
                steps = round.steps.len(),
                spillover = round.spillover,
                workers = round.active,
                undecided = round.undecided,
                "assigned"
            );
        }
        let counters = &self.shop.counters;
        counters.add(Metric::Reassignments, round.steps.len());
        counters.set(Metric::UnplacedLeases, round.spillover);
        counters.set(Metric::ActiveWorkers, round.active);
        let rows: HashMap<&LeaseKey, &Lease> = listing.leases.iter().map(|row| (&row.key, row)).collect();
        let revoked = carry_out(&*store, &round.steps, &rows).await?;
        for key in &revoked {
            self.rounds.on_revoked(key, now());
        }
        for (worker, written_at) in round.dead_reports {
            info!(worker_id = %worker, "worker is dead, its report is removed");
            self.retire(&worker, written_at).await;
        }
        for report in reports {
            if self.rounds.is_abandoned(&report, now(), wall) {
                self.retire(&report.worker, report.updated_at).await;
            }
        }
        Ok(u32::try_from(listing.leases.len()).unwrap_or(u32::MAX))
    }

    /// Removes a report that nobody writes any more. One that stays makes no round fail.
    async fn retire(&self, worker: &WorkerId, written_at: u64) {
        let home = self.membership.borrow().home();
        let only_if = RetireIf::UpdatedAt(written_at);
        if let Err(error) = self.shop.store.retire_worker(home, worker, only_if).await {
            debug!(worker_id = %worker, error = %chain(&error), "report cannot be removed");
        }
    }
}

/// Writes a round's steps. The leases that were taken from their holders.
async fn carry_out(
    store: &dyn LeaseStore,
    steps: &[Step],
    rows: &HashMap<&LeaseKey, &Lease>,
) -> Result<Vec<LeaseKey>, StoreError> {
    let mut writes = FuturesUnordered::new();
    let mut revoked = Vec::new();
    for step in steps {
        let Some(row) = rows.get(step.key()) else { continue };
        if writes.len() >= WRITES_AT_ONCE
            && let Some(written) = writes.next().await
        {
            revoked.extend(written?);
        }
        writes.push(carry_out_one(store, step, row));
    }
    while let Some(written) = writes.next().await {
        revoked.extend(written?);
    }
    Ok(revoked)
}

/// A lost condition is an answer too: the next round looks again.
async fn carry_out_one(
    store: &dyn LeaseStore,
    step: &Step,
    row: &Lease,
) -> Result<Option<LeaseKey>, StoreError> {
    match step {
        Step::Assign {
            key,
            to,
            unless: Unless::Renewed,
        } => {
            // Its holder may have renewed in the last moment.
            let stands_still = store
                .get(key)
                .await?
                .is_some_and(|now| now.counter == row.counter);
            let assigned = stands_still && store.assign(row, to).await?;
            debug!(lease_key = %key, worker_id = %to, assigned, "expired lease assigned");
        }
        Step::Assign { key, to, .. } => {
            let assigned = store.assign(row, to).await?;
            debug!(lease_key = %key, worker_id = %to, assigned, "lease assigned");
        }
        Step::HandOver { key, from, to } => {
            let asked = store.request_hand_over(row, to).await?;
            debug!(lease_key = %key, %from, worker_id = %to, asked, "hand-over begun");
        }
        Step::Revoke { key } => {
            if store.release(row).await? {
                warn!(lease_key = %key, "lease taken from a holder that did not hand it over in time");
                return Ok(Some(key.clone()));
            }
        }
    }
    Ok(None)
}

pub(super) fn round_settings<S, F>(shop: &Workshop<S, F>) -> RoundSettings {
    let (leasing, membership) = (&shop.config.leasing, &shop.config.membership);
    let settings = Settings {
        strategy: membership.strategy,
        max_leases_per_worker: leasing.max_leases.get(),
        max_moves: leasing.max_steals.get(),
    };
    let patience = Patience {
        failover: leasing.failover,
        hand_over: leasing.hand_over_timeout,
        neglect: leasing.failover,
    };
    RoundSettings {
        report_validity: membership.report_interval * 2,
        ..RoundSettings::new(settings, patience)
    }
}

/// Ours: enough to assign hundreds of leases in a second, and no storm on the table.
const WRITES_AT_ONCE: usize = 16;
