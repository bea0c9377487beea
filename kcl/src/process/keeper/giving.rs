//! The keeper's last write: the lease goes to its next owner, or to nobody.

use tokio::time::timeout_at;
use tracing::info;

use super::handle::{Parting, Standing};
use super::{Keeper, now};
use crate::error::StoreError;
use crate::lease::WorkerId;

impl Keeper {
    /// Tries to give the lease to `next`, or to nobody.
    pub(super) async fn give(&mut self, next: Option<WorkerId>) {
        let deadline = self.held.lost_at();
        match timeout_at(deadline.into(), self.part_from(next.as_ref())).await {
            Ok(Ok(true)) => {
                let name = next.as_ref().map_or("", |worker| worker.as_str());
                info!(lease_key = %self.held.lease().key, worker_id = name, "lease given up");
                self.hand_over.on_written();
                self.parting = Some(Parting::GivenUp { to: next });
                self.standing.send_replace(Standing::Lost);
            }
            // The owners are not as we know them: somebody asked for the lease, or has it.
            Ok(Ok(false)) => {
                self.renew().await;
                let lease = self.held.lease();
                let next = match lease.hand_over_pending() {
                    true => lease.owner.clone(),
                    false => next,
                };
                self.hand_over.on_row_changed(next, now());
            }
            Ok(Err(error)) => {
                self.on_store_failure(&error);
                self.hand_over.on_failure(now());
            }
            Err(_) => self.leave(),
        }
    }

    /// Leaves the lease as it is, to expire: the table did not take what we had to say.
    pub(super) fn leave(&mut self) {
        self.hand_over.on_lost();
        self.parting.get_or_insert(Parting::Left);
        self.standing.send_replace(Standing::Lost);
    }

    async fn part_from(&self, next: Option<&WorkerId>) -> Result<bool, StoreError> {
        let lease = self.held.lease();
        self.reach_for(1);
        match next {
            Some(next) if !lease.hand_over_pending() => self.store.assign(lease, next).await,
            // To whoever the row names.
            _ => self.store.release(lease).await,
        }
    }
}
