//! Where a shard begins: from its checkpoint, from the configuration, or from a place fixed now for whoever comes later.

use std::future::pending;

use kinesis_aggregation::ShardId;
use tracing::{info, warn};

use super::Checkpointer;
use super::hands::Workshop;
use super::keeper::chain;
use crate::config::{InitialPosition, OnTrimmed, ShardStart};
use crate::error::{BoxError, CheckpointError, RunError};
use crate::events::ConsumerEvent;
use crate::lease::{Lease, LeaseKey};
use crate::position::{Checkpoint, Position};
use crate::processor::RecordBatch;
use crate::shard::checkpoint::{Asked, Deed};
use crate::shard::start::StartAt;
use crate::source::Source;
use crate::source::failure::Kind;
use crate::stream::Stream;

/// Where reading begins, and what of it is done already.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    start: StartAt,
    done: Checkpoint,
    /// The record that reading begins with; it must be the first to come.
    expected: Option<Position>,
}

impl Opening {
    /// Where a lease says, or the configuration where it says nothing.
    pub(super) fn of(lease: &Lease, initial: InitialPosition) -> Self {
        let start = StartAt::of_checkpoint(&lease.checkpoint, initial);
        Self {
            // Of a finished lease nothing is read.
            start: start.unwrap_or(StartAt::Latest),
            done: lease.checkpoint.clone(),
            expected: lease.checkpoint.position().cloned(),
        }
    }

    /// AT the record and not after it, because the rest of an aggregate may be to do.
    pub(super) fn after(position: Position) -> Self {
        Self {
            start: StartAt::AtSequence(position.sequence_number().clone()),
            done: Checkpoint::At(position.clone()),
            expected: Some(position),
        }
    }

    /// Where nothing is done yet.
    fn new_at(start: StartAt, lease: &Lease) -> Self {
        Self {
            start,
            done: lease.checkpoint.clone(),
            expected: None,
        }
    }

    pub(super) fn start(&self) -> &StartAt {
        &self.start
    }

    /// What is not to be processed again.
    pub(super) fn done(&self) -> &Checkpoint {
        &self.done
    }

    /// Whether the first record that came is the one that reading was to begin with. If it is not, it is gone, and what followed it
    /// maybe too, which is told. `false`: reading is not to go on.
    pub(super) fn is_kept_by<S, F>(
        &mut self,
        batch: &RecordBatch,
        shop: &Workshop<S, F>,
        lease_key: &LeaseKey,
    ) -> bool {
        let Some(oldest) = batch.first_number() else {
            return true;
        };
        let Some(position) = self.expected.take().filter(|p| p.sequence_number() < oldest) else {
            return true;
        };
        let (lease_key, oldest) = (lease_key.clone(), oldest.clone());
        warn!(%lease_key, %position, %oldest, "record of the checkpoint is not kept any more, records may be lost");
        shop.bell.ring(ConsumerEvent::PositionTrimmed {
            lease_key: lease_key.clone(),
            position: position.clone(),
            oldest: oldest.clone(),
        });
        match shop.config.positions.on_trimmed {
            OnTrimmed::ReadOldest => true,
            OnTrimmed::Fail => {
                shop.halt.ask(RunError::PositionTrimmed {
                    lease_key,
                    position: Box::new(position),
                    oldest,
                });
                false
            }
        }
    }
}

/// Decides where a lease begins. "From now on" is looked up and written into the lease, so that it means the same to whoever has the
/// lease next, and `lease` shows it.
pub(super) async fn open<S: Source, F>(
    shop: &Workshop<S, F>,
    stream: &Stream,
    shard: &ShardId,
    lease: &mut Lease,
    checkpointer: &Checkpointer,
) -> Result<Opening, BoxError> {
    let is_new = lease.checkpoint.position().is_none() && !lease.is_finished();
    let explicit = shop.config.positions.starts.get(&lease.key).filter(|_| is_new);
    let start = match explicit {
        None if lease.checkpoint != Checkpoint::Latest => return Ok(Opening::of(lease, stream.position())),
        None | Some(ShardStart::Latest) => match fix(shop, stream, shard, checkpointer).await? {
            Some(fixed) => {
                lease.checkpoint = fixed;
                return Ok(Opening::of(lease, stream.position()));
            }
            None => StartAt::Latest,
        },
        Some(ShardStart::After(position)) => return Ok(Opening::after(position.clone())),
        Some(ShardStart::At(number)) => StartAt::AtSequence(number.clone()),
        Some(ShardStart::AtTimestamp(time)) => StartAt::AtTimestamp(*time),
        Some(ShardStart::TrimHorizon) => StartAt::TrimHorizon,
    };
    Ok(Opening::new_at(start, lease))
}

/// Writes down where "now" is: the last record there is, or the oldest one kept if there is none. `None`: this cannot be found out.
async fn fix<S: Source, F>(
    shop: &Workshop<S, F>,
    stream: &Stream,
    shard: &ShardId,
    checkpointer: &Checkpointer,
) -> Result<Option<Checkpoint>, BoxError> {
    let lease_key = checkpointer.lease_key();
    let last = match shop.source.last_before(stream, shard, None).await {
        Ok(last) => last,
        Err(failure) if failure.kind.is_transient() || failure.kind == Kind::NotFound => {
            return Err(failure.into());
        }
        Err(failure) => {
            warn!(%lease_key, error = %chain(&failure), "the tip cannot be looked up, a shard that moves before its first checkpoint may lose records");
            shop.bell.ring(ConsumerEvent::StartNotFixed {
                lease_key: lease_key.clone(),
            });
            return Ok(None);
        }
    };
    let place = last.map_or(Checkpoint::TrimHorizon, Checkpoint::At);
    match checkpointer.ask(Asked::Start(place), Deed::Move).await {
        Ok(fixed) => {
            info!(%lease_key, position = %fixed, "the start is fixed");
            Ok(Some(fixed))
        }
        // The driver hears of it.
        Err(CheckpointError::LeaseLost { .. }) => pending().await,
        Err(error) => Err(error.into()),
    }
}
