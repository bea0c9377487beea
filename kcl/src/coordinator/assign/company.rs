//! A private fleet's look at the table: who beats, whose heartbeat stands still, who should not be there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant as StdInstant;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::Assigner;
use crate::assign::Plan;
use crate::error::{RunError, StoreError};
use crate::events::ConsumerEvent;
use crate::fleet::{FleetError, Heartbeat, NotPrivate, PrivateWatch, Vigil, foreign_rows};
use crate::lease::{Lease, WorkerId};
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;
use crate::store::Listing;

/// What a worker of a private fleet knows of the others.
#[derive(Debug, Default)]
pub(super) struct Company {
    vigil: Vigil,
    watch: PrivateWatch,
    beating: BTreeSet<WorkerId>,
    /// When this worker first looked.
    began: Option<StdInstant>,
    /// Who was called on, by incarnation.
    called: BTreeMap<WorkerId, String>,
    foreign: Option<NotPrivate>,
}

impl Company {
    /// Whether anybody else beats.
    pub(super) fn has_others(&self, me: &WorkerId) -> bool {
        self.beating.iter().any(|worker| worker != me)
    }

    pub(super) fn next_expiry(&self, me: &WorkerId, now: StdInstant) -> Option<StdInstant> {
        self.vigil.next_expiry(me, now)
    }
}

impl<S: Source, F: RecordProcessorFactory> Assigner<S, F> {
    /// Every lease; in a private fleet also the heartbeats, of which those that stand still are removed: from then on the leases
    /// of their workers are free.
    pub(super) async fn look(&mut self) -> Result<Listing, StoreError> {
        let Some(company) = &mut self.company else {
            return self.shop.store.list().await;
        };
        let contents = self.shop.store.scan().await?;
        let (leases, heartbeats) = (&contents.listing.leases, &contents.beside.heartbeats);
        let now = Instant::now().into_std();
        let (me, lifetime) = (self.shop.config.worker_id(), self.shop.config.leasing.failover);
        let watched = company.watch.on_listing(leases, heartbeats, lifetime, now);
        company.foreign = foreign_rows(&contents.beside).or_else(|| watched.err());
        let still = company.vigil.on_rows(heartbeats, now);
        for row in still.iter().filter(|row| row.worker != *me) {
            match self.shop.store.end_heartbeat(row).await {
                Ok(true) => {
                    info!(worker_id = %row.worker, "heartbeat stood still, its worker's leases are free");
                    company.vigil.on_removed(&row.worker);
                }
                Ok(false) => debug!(worker_id = %row.worker, "heartbeat moved in the last moment"),
                Err(error) => {
                    warn!(worker_id = %row.worker, error = %chain(&error), "heartbeat cannot be removed");
                }
            }
        }
        company.beating = company.vigil.beating();
        let Company { beating, called, .. } = company;
        called.retain(|worker, _| beating.contains(worker));
        company.began.get_or_insert(now);
        Ok(contents.listing)
    }

    /// Calls on workers of whom leases are wanted, by this plan or by rows that say so already, once on each. One that believes that
    /// it is alone would look at the table much later. All others know each other after a while.
    pub(super) async fn call(&mut self, plan: &Plan, listing: &Listing, now: StdInstant) {
        let Some(company) = &mut self.company else { return };
        let unnoticed = |began: StdInstant| now.saturating_duration_since(began) <= self.pace.unnoticed();
        if !company.began.is_some_and(unnoticed) {
            return;
        }
        let me = self.shop.config.worker_id();
        let wanted = |lease: &&Lease| lease.hand_over_pending() && lease.owner.as_ref() == Some(me);
        let asked = listing
            .leases
            .iter()
            .filter(wanted)
            .filter_map(Lease::actual_owner);
        let of: BTreeSet<&WorkerId> = plan
            .hand_over
            .iter()
            .map(|wish| &wish.from)
            .chain(asked)
            .collect();
        let rows = of.into_iter().filter_map(|worker| company.vigil.row(worker));
        let uncalled = |row: &&Heartbeat| company.called.get(&row.worker) != Some(&row.incarnation);
        let rows: Vec<Heartbeat> = rows.filter(uncalled).cloned().collect();
        let store = &self.shop.store;
        let mut calls: FuturesUnordered<_> = rows
            .into_iter()
            .map(|row| async move { (store.call_on(&row).await, row) })
            .collect();
        while let Some((called, row)) = calls.next().await {
            match called {
                Ok(there) => {
                    debug!(worker_id = %row.worker, there, "called on a worker");
                    company.called.insert(row.worker, row.incarnation);
                }
                Err(error) => {
                    warn!(worker_id = %row.worker, error = %chain(&error), "worker cannot be called on");
                }
            }
        }
    }

    /// Ends this worker when somebody uses the table who is not of its private fleet.
    pub(super) fn refuse_strangers(&self) -> Result<(), RunError> {
        let Some(reason) = self.company.as_ref().and_then(|company| company.foreign.clone()) else {
            return Ok(());
        };
        error!(error = %reason, "the table is no longer a private fleet's");
        self.shop.bell.ring(ConsumerEvent::NoLongerPrivate {
            reason: reason.clone(),
        });
        let table = self.shop.config.lease_table_name().to_owned();
        let source = FleetError::from(reason);
        Err(RunError::Fleet { table, source })
    }

    /// Remembers what the leases look like.
    pub(super) fn observe(&mut self, leases: &[Lease], now: StdInstant) {
        match &self.company {
            Some(company) => self.observed.observe_beating(leases, &company.beating, now),
            None => self.observed.observe(leases, now),
        }
    }
}
