//! Moving the checkpoints of a running application, so that no worker's old one comes after.
//!
//! ```text
//!  worker A ──heartbeat, checkpoint──> row <──1 take (a new counter: A's next write is refused)── seek
//!                                          <──2 the new checkpoint
//!                                          <──3 release: whoever takes it reads from there
//! ```
//!
//! Three conditional writes that every store has; a seek that dies in between leaves a lease that expires, at its old place or at its
//! new one. Workers of the KCL are refused and start over in the same way.

use std::collections::BTreeSet;
use std::time::SystemTime;

use kinesis_aggregation::ShardId;
use tracing::info;

use crate::error::{BoxError, StoreError};
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::position::{Checkpoint, Position};
use crate::source::Source;
use crate::source::failure::{Failure, Kind};
use crate::store::{CheckpointUpdate, LeaseStore, Renewal};
use crate::streams::directory::Directory;

/// Which shards to move, for [`ConsumerHandle::seek`](crate::ConsumerHandle::seek).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeekShards {
    /// All that have a lease, of all streams that are read.
    All,
    /// One, of an application of one stream.
    Shard(ShardId),
    /// One, by the key of its lease.
    Lease(LeaseKey),
}

/// Where to move shards.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeekTo {
    /// To the oldest record kept.
    TrimHorizon,
    /// To the records that arrive from now on.
    Latest,
    /// To the first record that arrived at or after this time.
    AtTimestamp(SystemTime),
    /// To the record after this one. For one shard only: positions of different shards say nothing about each other.
    After(Position),
}

/// What a seek did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sought {
    /// The leases moved, and where to.
    pub moved: Vec<(LeaseKey, Checkpoint)>,
    /// Leases left alone: their shard is not kept any more, or their stream not read.
    pub left: Vec<LeaseKey>,
}

/// Why a seek did not, or not wholly, happen. Leases that were moved before stay moved; seeking again is safe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeekError {
    /// The lease table did not answer.
    #[error("lease table did not answer")]
    Store(#[from] StoreError),
    /// The place cannot be found out.
    #[error("the place in `{lease_key}` cannot be found out")]
    Place {
        /// Which lease.
        lease_key: LeaseKey,
        /// What Kinesis says.
        #[source]
        source: BoxError,
    },
    /// There is no such lease.
    #[error("there is no lease `{lease_key}`")]
    NoLease {
        /// Its key.
        lease_key: LeaseKey,
    },
    /// A lease changed all the time.
    #[error("lease `{lease_key}` changed at each of {attempts} attempts")]
    Contended {
        /// Which lease.
        lease_key: LeaseKey,
        /// How often it was tried.
        attempts: u32,
    },
    /// A position names a record of one shard.
    #[error("a position can be sought in one shard only")]
    ManyShards,
}

impl SeekError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(source) => source.is_retryable(),
            Self::Place { source, .. } => source
                .downcast_ref::<Failure>()
                .is_some_and(|failure| failure.kind.is_transient()),
            Self::Contended { .. } => true,
            Self::NoLease { .. } | Self::ManyShards => false,
        }
    }
}

/// Moves the leases of an application.
pub(crate) async fn seek<S: Source>(
    store: &dyn LeaseStore,
    source: &S,
    directory: &Directory,
    shards: &SeekShards,
    to: &SeekTo,
) -> Result<Sought, SeekError> {
    let mut leases = store.list().await?.leases;
    let wanted = match shards {
        SeekShards::All if matches!(to, SeekTo::After(_)) => return Err(SeekError::ManyShards),
        SeekShards::All => None,
        SeekShards::Shard(shard) => Some(LeaseKey::of_shard(shard)),
        SeekShards::Lease(key) => Some(key.clone()),
    };
    if let Some(key) = wanted {
        leases.retain(|lease| lease.key == key);
        if leases.is_empty() {
            return Err(SeekError::NoLease { lease_key: key });
        }
    }
    let me = WorkerId::new(&format!("seek-{:016x}", rand::random::<u64>()));
    let mut sought = Sought::default();
    for lease in parents_first(leases) {
        match place(source, directory, &lease, to).await? {
            Some(place) => {
                write(store, &lease.key, &me, &place).await?;
                info!(lease_key = %lease.key, position = %place, "moved");
                sought.moved.push((lease.key, place));
            }
            None => sought.left.push(lease.key),
        }
    }
    Ok(sought)
}

/// Parents before children, so that no child is read on before its parent is back where it belongs.
fn parents_first(mut leases: Vec<Lease>) -> Vec<Lease> {
    let mut sorted = Vec::with_capacity(leases.len());
    while !leases.is_empty() {
        let left: BTreeSet<ShardId> = leases.iter().filter_map(|lease| lease.key.shard()).collect();
        let (waiting, ready): (Vec<_>, Vec<_>) = leases
            .into_iter()
            .partition(|lease| lease.parents.iter().any(|parent| left.contains(parent)));
        if ready.is_empty() {
            // Rows that are each other's parents make no sense, and are no reason to stop.
            sorted.extend(waiting);
            break;
        }
        sorted.extend(ready);
        leases = waiting;
    }
    sorted
}

/// Where a lease is to be. `None`: it is to be left alone.
async fn place<S: Source>(
    source: &S,
    directory: &Directory,
    lease: &Lease,
    to: &SeekTo,
) -> Result<Option<Checkpoint>, SeekError> {
    let (Some(stream), Some(shard)) = (directory.of_key(&lease.key), lease.key.shard()) else {
        return Ok(None);
    };
    let until = match to {
        SeekTo::After(position) => return Ok(Some(Checkpoint::At(position.clone()))),
        SeekTo::TrimHorizon if !lease.is_finished() => return Ok(Some(Checkpoint::TrimHorizon)),
        // Of a finished shard it matters whether it is still kept, and from now on nothing comes of it.
        SeekTo::Latest if lease.is_finished() => return Ok(None),
        SeekTo::TrimHorizon => Some(SystemTime::UNIX_EPOCH),
        SeekTo::Latest => None,
        SeekTo::AtTimestamp(time) => Some(*time),
    };
    match source.last_before(stream, &shard, until).await {
        Ok(last) => Ok(Some(last.map_or(Checkpoint::TrimHorizon, Checkpoint::At))),
        Err(failure) if failure.kind == Kind::NotFound => Ok(None),
        Err(failure) => Err(SeekError::Place {
            lease_key: lease.key.clone(),
            source: failure.into(),
        }),
    }
}

async fn write(
    store: &dyn LeaseStore,
    key: &LeaseKey,
    me: &WorkerId,
    place: &Checkpoint,
) -> Result<(), SeekError> {
    let update = CheckpointUpdate {
        checkpoint: place.clone(),
        pending: None,
    };
    for _ in 0..ATTEMPTS {
        let Some(row) = store.get(key).await? else {
            return Err(SeekError::NoLease {
                lease_key: key.clone(),
            });
        };
        let Some(taken) = store.take(&row, me).await? else {
            continue;
        };
        if let Renewal::Held(held) | Renewal::Recovered(held) = store.checkpoint(&taken, &update).await? {
            // If somebody has it by now, it is where it was to be all the same.
            store.release(&held).await?;
            return Ok(());
        }
    }
    Err(SeekError::Contended {
        lease_key: key.clone(),
        attempts: ATTEMPTS,
    })
}

/// Ours: a heartbeat may come between reading a row and writing it, once; more is somebody who seeks too.
const ATTEMPTS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(number: u64, parents: &[u64]) -> Lease {
        let key = LeaseKey::of_shard(&ShardId::from_number(number));
        let mut lease = Lease::new(key, Checkpoint::ShardEnd);
        lease.parents = parents.iter().map(|n| ShardId::from_number(*n)).collect();
        lease
    }

    #[test]
    fn parents_come_first_and_circles_come_too() {
        let order = |leases| -> Vec<String> {
            let sorted = parents_first(leases);
            sorted.iter().map(|lease| lease.key.to_string()).collect()
        };
        let key = |n: u64| ShardId::from_number(n).to_string();
        let family = vec![lease(4, &[2, 3]), lease(2, &[1]), lease(3, &[1]), lease(1, &[0])];
        assert_eq!(order(family), [1, 2, 3, 4].map(key));
        let circle = vec![lease(1, &[2]), lease(2, &[1])];
        assert_eq!(order(circle).len(), 2);
    }
}
