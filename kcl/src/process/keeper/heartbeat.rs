//! The keeper's heartbeat, and what every answer of the table means for the lease.

use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::time::timeout_at;
use tracing::{info, warn};

use super::{Keeper, chain, now};
use crate::error::StoreError;
use crate::events::{ConsumerEvent, LossReason};
use crate::lease::renewal::Change;
use crate::lease::{Lease, WorkerId};
use crate::metrics::Metric;
use crate::store::Renewal;
use crate::worker_load::throughput::Throughput;

impl Keeper {
    #[tracing::instrument(name = "kcl.renew", skip_all, fields(lease_key = %self.held.lease().key))]
    pub(super) async fn renew(&mut self) {
        let began = now();
        // A little before it is sent, so that the next one is due together with those of other leases.
        let sent_at = self.outlet.cadence.before(began);
        let deadline = self.held.lost_at();
        self.measure(|throughput| throughput.at_heartbeat(began));
        self.reach_for(1);
        let answer = timeout_at(deadline.into(), self.store.renew(self.held.lease())).await;
        let counters = &self.outlet.counters;
        counters.took(Metric::RenewTime, began.into());
        match &answer {
            Ok(Ok(Renewal::Held(_) | Renewal::Recovered(_))) => counters.tried(Metric::RenewedLeases, true),
            // An answer, and not the table's failure.
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => counters.tried(Metric::RenewedLeases, false),
        }
        match answer {
            Ok(Ok(renewal)) => self.take_in(renewal, sent_at),
            Ok(Err(error)) => self.on_store_failure(&error),
            Err(_) => self.lose(LossReason::Expired, None),
        }
    }

    /// Puts what the shard delivers into the next write, if anybody wants to know.
    pub(super) fn measure(&mut self, at_write: impl FnOnce(&mut Throughput) -> Option<f64>) {
        self.throughput
            .on_bytes(self.delivered.swap(0, Ordering::Relaxed));
        if self.outlet.measure.load(Ordering::Relaxed) {
            self.held.set_throughput(at_write(&mut self.throughput));
        }
    }

    pub(super) fn take_in(&mut self, renewal: Renewal, sent_at: Instant) {
        let lost = match &renewal {
            Renewal::Lost(row) => self.who_has(row.as_ref()),
            _ => (LossReason::Expired, None),
        };
        match &renewal {
            Renewal::Recovered(_) => self.recovered.fetch_add(1, Ordering::Relaxed),
            _ => self.recovered.swap(0, Ordering::Relaxed),
        };
        match self.held.on_answer(renewal, sent_at, now()) {
            Change::None => self.show(),
            Change::HandOverRequested { next } => {
                let key = &self.held.lease().key;
                let name = next.as_ref().map_or("", |worker| worker.as_str());
                info!(lease_key = %key, worker_id = name, "asked to hand the shard over");
                self.outlet.bell.ring(ConsumerEvent::HandOverRequested {
                    lease_key: key.clone(),
                    by: next,
                });
                // Whoever asks for one lease often asks for more.
                self.outlet.news.notify_one();
                self.hand_over.on_asked(self.held.lease().owner.clone(), now());
                self.show();
            }
            Change::Lost => self.lose(lost.0, lost.1),
        }
    }

    /// What the row of a lost lease says of its loss.
    fn who_has(&self, row: Option<&Lease>) -> (LossReason, Option<WorkerId>) {
        let Some(row) = row else {
            return (LossReason::Deleted, None);
        };
        let owner = row.actual_owner().cloned();
        let reason = match owner.is_some() && owner.as_ref() == self.held.lease().actual_owner() {
            // Ours by name, and somebody else writes.
            true => LossReason::SameId,
            false => LossReason::Taken,
        };
        (reason, owner)
    }

    pub(super) fn on_store_failure(&mut self, error: &StoreError) {
        warn!(lease_key = %self.held.lease().key, error = %chain(error), "lease table did not answer");
        if self.held.on_failure(now()) == Change::Lost {
            self.lose(LossReason::Expired, None);
        }
    }
}
