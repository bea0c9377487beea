//! A private fleet's look at the table: who beats, whose heartbeat stands still, who should not be there.

use std::collections::BTreeSet;
use std::time::Instant as StdInstant;

use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::Assigner;
use crate::error::{RunError, StoreError};
use crate::events::ConsumerEvent;
use crate::fleet::{FleetError, NotPrivate, PrivateWatch, Vigil, foreign_rows};
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
        Ok(contents.listing)
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
