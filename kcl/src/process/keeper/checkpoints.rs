//! The keeper's writes of positions.

use tokio::time::timeout_at;
use tracing::debug;

use super::{Keeper, now};
use crate::error::CheckpointError;
use crate::events::LossReason;
use crate::lease::renewal::Task;
use crate::shard::checkpoint::{Asked, Refusal, Verdict};
use crate::store::{CheckpointUpdate, Renewal};

impl Keeper {
    #[tracing::instrument(name = "kcl.checkpoint", skip_all, fields(lease_key = %self.held.lease().key))]
    pub(super) async fn checkpoint(&mut self, asked: Asked) -> Result<(), CheckpointError> {
        // Once more only if a hand-over was noticed in between.
        for _ in 0..2 {
            let checkpoint = match self.rules.verdict(&asked) {
                Verdict::Skip => return Ok(()),
                Verdict::Refuse(why) => return Err(self.refused(asked, why)),
                Verdict::Write(checkpoint) => checkpoint,
            };
            if self.held.next(now()) == Task::Stop {
                self.lose(LossReason::Expired, None);
                break;
            }
            let update = CheckpointUpdate {
                checkpoint: checkpoint.clone(),
                pending: None,
            };
            let sent_at = now();
            let deadline = self.held.lost_at();
            // Twice, where the first write finds that a heartbeat's reply was lost.
            self.reach_for(2);
            match timeout_at(deadline.into(), self.store.checkpoint(self.held.lease(), &update)).await {
                Ok(Ok(renewal)) => {
                    let written = matches!(renewal, Renewal::Held(_) | Renewal::Recovered(_));
                    self.take_in(renewal, sent_at);
                    if written {
                        debug!(lease_key = %self.held.lease().key, position = %checkpoint, "checkpointed");
                        self.rules.on_written(checkpoint);
                        return Ok(());
                    }
                    if self.parting.is_some() {
                        break;
                    }
                }
                Ok(Err(source)) => {
                    self.on_store_failure(&source);
                    return Err(CheckpointError::Store {
                        lease_key: self.held.lease().key.clone(),
                        source,
                    });
                }
                Err(_) => {
                    self.lose(LossReason::Expired, None);
                    break;
                }
            }
        }
        Err(CheckpointError::LeaseLost {
            lease_key: self.held.lease().key.clone(),
        })
    }

    fn refused(&self, asked: Asked, why: Refusal) -> CheckpointError {
        let lease_key = self.held.lease().key.clone();
        match asked {
            Asked::At(position) => CheckpointError::OutOfRange {
                lease_key,
                position,
                reason: match why {
                    Refusal::Backwards => "it is before the last checkpoint",
                    Refusal::Undelivered => "no such record was delivered yet",
                },
            },
            // The rules refuse named positions only.
            Asked::All => CheckpointError::LeaseLost { lease_key },
        }
    }
}
