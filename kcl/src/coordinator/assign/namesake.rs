//! Signs that another worker has this worker's id.

use std::collections::HashSet;

use rand::Rng as _;
use tokio::time::Instant;
use tracing::error;

use super::Assigner;
use crate::coordinator::shards::Shards;
use crate::events::ConsumerEvent;
use crate::fleet::twin::{Verdict, patience};
use crate::lease::LeaseKey;
use crate::lease::renewal::Pace;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;
use crate::store::Listing;

impl<S: Source, F: RecordProcessorFactory> Assigner<S, F> {
    /// A lease was lost to another worker of our own id.
    pub(in crate::coordinator) fn on_same_id(&mut self, lease_key: &LeaseKey) {
        let failover = self.shop.config.leasing.failover;
        let lot = self.rng.random_range(0.0..1.0);
        let patience = patience(failover, Pace::new(failover).period(), self.came_second, lot);
        if self.twin.on_sign(lease_key, patience, Instant::now().into_std()) {
            error!(lease_key = %lease_key, worker_id = %self.shop.config.worker_id(), "another live worker has this worker's id");
            self.shop.bell.ring(ConsumerEvent::WorkerIdContested {
                lease_key: lease_key.clone(),
            });
        }
    }

    /// A lease was given up in our name: if it was another worker of our id, it has left.
    pub(in crate::coordinator) fn on_vacated(&mut self) {
        self.twin.on_departure();
    }

    /// Whether rows of leases held here show that somebody else has our id.
    pub(super) fn mind_own(&mut self, listing: &Listing, held: &HashSet<LeaseKey>, shards: &Shards<S, F>) {
        let me = self.shop.config.worker_id().clone();
        for lease in &listing.leases {
            let ours = lease.owner.as_ref() == Some(&me) && !lease.hand_over_pending();
            if ours && shards.is_foreign(&lease.key, lease.counter) {
                self.on_same_id(&lease.key);
            }
            if lease.owner.is_none() && held.contains(&lease.key) {
                self.on_vacated();
            }
        }
    }

    pub(super) fn watch_twin(
        &mut self,
        listing: &Listing,
        held: &HashSet<LeaseKey>,
        now: std::time::Instant,
    ) -> Verdict {
        let me = self.shop.config.worker_id();
        let named = listing
            .leases
            .iter()
            .filter(|lease| lease.actual_owner() == Some(me) && !held.contains(&lease.key))
            .map(|lease| (lease.key.clone(), lease.counter));
        let period = Pace::new(self.shop.config.leasing.failover).silence();
        self.twin.on_scan(named, period, now)
    }
}
