//! The order of shards: looking for parents before a shard is read, making its children's leases before its end is recorded.

use std::collections::BTreeSet;

use kinesis_aggregation::ShardId;
use tracing::info;

use crate::error::StoreError;
use crate::shard_sync::Shard;
use crate::shard_sync::children::{ChildLeases, ChildShard, child_leases};
use crate::shard_sync::view::table_lease;
use crate::source::failure::Failure;
use crate::source::{ShardEnd, Source};
use crate::store::LeaseStore;
use crate::stream::Stream;

/// Why the children cannot be recorded yet. All of it may pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildrenError {
    #[error("shards cannot be listed")]
    Listing(#[from] Failure),
    #[error("lease table did not answer")]
    Store(#[from] StoreError),
    #[error("the lease of the other parent `{0}` is not there yet")]
    Waiting(ShardId),
    #[error("`{0}` is named as a child and does not name its parent")]
    Stranger(ShardId),
    #[error("the shard is closed, and no child of it is listed yet")]
    NoneListed,
}

/// The first of these parents whose lease is there and not finished.
pub(crate) async fn unfinished_parent(
    store: &dyn LeaseStore,
    stream: &Stream,
    parents: BTreeSet<ShardId>,
) -> Result<Option<ShardId>, StoreError> {
    for parent in parents {
        let lease = store.get(&stream.lease_key(&parent)).await?;
        if lease.is_some_and(|lease| !lease.is_finished()) {
            return Ok(Some(parent));
        }
    }
    Ok(None)
}

/// Creates the leases of a finished shard's children and records their ids in its own row. How many it created.
///
/// The children are those that the service named, else those that the stream lists. `patient`: whether a closed shard without any
/// child may be an answer that is behind the times, to be asked for again.
pub(crate) async fn record_children(
    source: &impl Source,
    store: &dyn LeaseStore,
    stream: &Stream,
    finished: &ShardId,
    end: &ShardEnd,
    patient: bool,
) -> Result<usize, ChildrenError> {
    if end.stream_gone {
        return Ok(0);
    }
    let mut listed: Option<Vec<Shard>> = None;
    let mut children = end.children.clone();
    if children.is_empty() {
        let shards = source.list_shards(stream).await?;
        children = children_in(&shards, finished);
        if children.is_empty() && patient && shards.iter().any(|shard| shard.id == *finished) {
            return Err(ChildrenError::NoneListed);
        }
        listed = Some(shards);
    }

    let mut present = BTreeSet::from([finished.clone()]);
    let parents: BTreeSet<&ShardId> = children.iter().flat_map(|child| &child.parents).collect();
    for parent in parents {
        if parent != finished && store.get(&stream.lease_key(parent)).await?.is_some() {
            present.insert(parent.clone());
        }
    }
    let leases = loop {
        match child_leases(finished, &children, &present) {
            ChildLeases::Create(leases) => break leases,
            ChildLeases::NotMine(stranger) => return Err(ChildrenError::Stranger(stranger)),
            ChildLeases::WaitFor(other) => {
                let shards = match listed.take() {
                    Some(shards) => shards,
                    None => source.list_shards(stream).await?,
                };
                if shards.iter().any(|shard| shard.id == other) {
                    return Err(ChildrenError::Waiting(other));
                }
                // It is past retention, so no lease of it will ever come.
                present.insert(other);
                listed = Some(shards);
            }
        }
    };

    let mut created = 0;
    for lease in leases {
        let lease = table_lease(stream.id(), lease);
        if store.create(&lease).await? {
            created += 1;
            info!(lease_key = %lease.key, shard_id = %finished, "lease created for a child of a finished shard");
        }
    }
    let ids: Vec<ShardId> = children.into_iter().map(|child| child.id).collect();
    if !ids.is_empty() {
        store.set_children(&stream.lease_key(finished), &ids).await?;
    }
    Ok(created)
}

fn children_in(shards: &[Shard], parent: &ShardId) -> Vec<ChildShard> {
    let mine = shards
        .iter()
        .filter(|shard| shard.parents().any(|id| id == parent));
    mine.map(|shard| ChildShard {
        id: shard.id.clone(),
        parents: shard.parents().cloned().collect(),
        hash_range: shard.hash_range,
    })
    .collect()
}
