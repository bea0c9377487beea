//! The keeper's last write: the lease goes to its next owner, or to nobody.

use tokio::time::timeout_at;
use tracing::info;

use super::handle::{Parting, Standing};
use super::{Keeper, now};
use crate::error::StoreError;
use crate::lease::WorkerId;
use crate::lease::renewal::Task;

impl Keeper {
    /// Gives the lease up as well as can be done before it would expire anyway.
    pub(super) async fn give_up(&mut self) {
        for _ in 0..GIVE_UP_ATTEMPTS {
            if self.parting.is_some() || self.held.next(now()) == Task::Stop {
                break;
            }
            let deadline = self.held.lost_at();
            let to = self.next_owner();
            match timeout_at(deadline.into(), self.part_from(to.as_ref())).await {
                Ok(Ok(true)) => {
                    let name = to.as_ref().map_or("", |worker| worker.as_str());
                    info!(lease_key = %self.held.lease().key, worker_id = name, "lease given up");
                    self.parting = Some(Parting::GivenUp { to });
                }
                // The owners are not as we know them: somebody asked for the lease, or has it.
                Ok(Ok(false)) => self.renew().await,
                Ok(Err(error)) => self.on_store_failure(&error),
                Err(_) => break,
            }
        }
        self.parting.get_or_insert(Parting::Left);
        self.standing.send_replace(Standing::Lost);
    }

    /// Who gets the lease: whoever asked for it, else the successor that was named.
    fn next_owner(&self) -> Option<WorkerId> {
        let lease = self.held.lease();
        match lease.hand_over_pending() {
            true => lease.owner.clone(),
            false => self.successor.clone(),
        }
    }

    async fn part_from(&self, next: Option<&WorkerId>) -> Result<bool, StoreError> {
        let lease = self.held.lease();
        match next {
            Some(next) if !lease.hand_over_pending() => {
                self.reach_for(1);
                self.store.assign(lease, next).await
            }
            _ => {
                self.reach_for(1);
                self.store.release(lease).await
            }
        }
    }
}

/// Ours: the first may learn of a hand-over, the second completes it, the third is for a fault.
const GIVE_UP_ATTEMPTS: u32 = 3;
