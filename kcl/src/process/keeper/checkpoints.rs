//! The keeper's part that moves the checkpoint: wishes are collected, written once, and each is answered.

use std::time::Instant;

use tokio::time::timeout_at;
use tracing::debug;

use super::handle::Reply;
use super::{Keeper, now};
use crate::error::CheckpointError;
use crate::events::LossReason;
use crate::lease::renewal::Task;
use crate::metrics::Metric;
use crate::position::{Checkpoint, Position};
use crate::shard::checkpoint::{Asked, Deed, Refusal};
use crate::store::{CheckpointUpdate, Renewal};

impl Keeper {
    /// Answers at once what needs no write.
    pub(super) fn on_wish(&mut self, asked: Asked, deed: Deed, reply: Reply) {
        // A caller that was dropped waits no more; what it asked for stands all the same.
        match self.rules.ask(&asked, deed) {
            Ok(place) if self.rules.due().is_some() => self.waiting.push((place, reply)),
            Ok(place) => drop(reply.send(Ok(place))),
            Err(why) => drop(reply.send(Err(self.refused(asked, why)))),
        }
    }

    pub(super) fn is_write_due(&self) -> bool {
        self.rules.due().is_some()
    }

    /// Writes what is due, if anything is, and tells everybody who waits for it.
    pub(super) async fn write_due(&mut self) {
        let Some(update) = self.rules.due().cloned() else {
            return;
        };
        match self.write(&update).await {
            Ok(()) => {
                debug!(lease_key = %self.held.lease().key, position = %update.checkpoint, "checkpointed");
                self.rules.on_written();
                for (place, reply) in self.waiting.drain(..) {
                    let _ = reply.send(Ok(place));
                }
            }
            Err(error) => {
                self.rules.on_not_written();
                for (_, reply) in self.waiting.drain(..) {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    #[tracing::instrument(
        name = "kcl.checkpoint",
        skip_all,
        fields(lease_key = %self.held.lease().key, position = %update.checkpoint)
    )]
    async fn write(&mut self, update: &CheckpointUpdate) -> Result<(), CheckpointError> {
        // Once more only if a hand-over was noticed in between.
        for _ in 0..2 {
            if self.held.next(now()) == Task::Stop {
                self.lose(LossReason::Expired, None);
                break;
            }
            let sent_at = now();
            let deadline = self.held.lost_at();
            let period = self.held.pace().period();
            self.measure(|throughput| throughput.at_checkpoint(sent_at, period));
            // Twice, where the first write finds that a heartbeat's reply was lost.
            self.reach_for(2);
            let answer = timeout_at(deadline.into(), self.store.checkpoint(self.held.lease(), update)).await;
            let written = matches!(answer, Ok(Ok(Renewal::Held(_) | Renewal::Recovered(_))));
            self.count(&update.checkpoint, written, sent_at);
            match answer {
                Ok(Ok(renewal)) => {
                    self.take_in(renewal, sent_at);
                    if written {
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
                        source: source.into(),
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

    fn count(&self, checkpoint: &Checkpoint, written: bool, sent_at: Instant) {
        let (success, time) = match checkpoint {
            Checkpoint::ShardEnd => (Metric::FinalCheckpointSuccess, Metric::FinalCheckpointTime),
            _ => (Metric::CheckpointSuccess, Metric::CheckpointTime),
        };
        self.meter.tried(success, written);
        self.meter.took(time, sent_at.into());
    }

    fn refused(&self, asked: Asked, why: Refusal) -> CheckpointError {
        CheckpointError::OutOfRange {
            lease_key: self.held.lease().key.clone(),
            position: match asked {
                Asked::At(position) => Checkpoint::At(position),
                Asked::Whole(number) => Checkpoint::At(Position::after_all_of(number)),
                Asked::Prepared(place) | Asked::Start(place) => place,
                // The rules refuse named places only.
                Asked::All => self.rules.written().clone(),
            },
            reason: match why {
                Refusal::Backwards => "it is before the last checkpoint",
                Refusal::Undelivered => "no such record was delivered yet",
            },
        }
    }
}
