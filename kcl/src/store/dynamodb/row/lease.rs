//! A lease's row: attribute names, types, and both directions between a row and a [`Lease`].
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `leaseKey` | S | partition key: shard id, or `account:stream:epoch:shardId` in a multi-stream application |
//! | `leaseOwner` | S | worker id; absent when unassigned; the next owner while a hand-over is pending |
//! | `checkpointOwner` | S | only while a hand-over is pending: the worker that still processes |
//! | `leaseCounter` | N | optimistic lock and heartbeat |
//! | `ownerSwitchesSinceCheckpoint` | N | |
//! | `checkpoint`, `checkpointSubSequenceNumber` | S, N | sentinel or sequence number; index in the aggregate |
//! | `pendingCheckpoint`, `pendingCheckpointSubSequenceNumber`, `pendingCheckpointState` | S, N, B | a prepared checkpoint |
//! | `parentShardId`, `childShardIds` | SS, SS | shard ids; absent when empty |
//! | `startingHashKey`, `endingHashKey` | S, S | decimal; both or none; never written when equal |
//! | `throughputKBps` | N | six decimals; written with heartbeats when known |
//! | `streamName`, `shardId` | S, S | multi-stream only: the stream's whole identity despite the name; the shard id |
//! | `entityType` | S | `LEASE`, written at creation; a row where it is another is not a lease |
//! | `kinesisKitOwner` | S | ours: the worker of this crate that took the lease last |
//!
//! Anything else in a row is left as it is. Source: the lease serializer of KCL 2.7 and 3.5.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::value::{
    Fault, Item, bytes, decimal, number, optional_number, optional_text, required, shard_ids, text,
    with_causes,
};
use super::{ENTITY_TYPE, LEASE_KEY};
use crate::lease::{Lease, LeaseKey, PendingCheckpoint, StreamId, WorkerId};
use crate::position::Checkpoint;
use crate::store::SkippedRow;

pub(in crate::store::dynamodb) const LEASE_OWNER: &str = "leaseOwner";
pub(in crate::store::dynamodb) const CHECKPOINT_OWNER: &str = "checkpointOwner";
pub(in crate::store::dynamodb) const LEASE_COUNTER: &str = "leaseCounter";
pub(in crate::store::dynamodb) const OWNER_SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
pub(in crate::store::dynamodb) const CHECKPOINT: &str = "checkpoint";
pub(in crate::store::dynamodb) const CHECKPOINT_SUB: &str = "checkpointSubSequenceNumber";
pub(in crate::store::dynamodb) const PENDING: &str = "pendingCheckpoint";
pub(in crate::store::dynamodb) const PENDING_SUB: &str = "pendingCheckpointSubSequenceNumber";
pub(in crate::store::dynamodb) const PENDING_STATE: &str = "pendingCheckpointState";
pub(in crate::store::dynamodb) const CHILDREN: &str = "childShardIds";
pub(in crate::store::dynamodb) const STARTING_HASH_KEY: &str = "startingHashKey";
pub(in crate::store::dynamodb) const ENDING_HASH_KEY: &str = "endingHashKey";
pub(in crate::store::dynamodb) const THROUGHPUT: &str = "throughputKBps";
pub(in crate::store::dynamodb) const KIT_OWNER: &str = "kinesisKitOwner";
const PARENTS: &str = "parentShardId";
const STREAM: &str = "streamName";
const SHARD: &str = "shardId";
pub(super) const ENTITY: &str = "LEASE";

/// Reads a row. `None`: a row of another kind.
pub(in crate::store::dynamodb) fn decode(item: &Item) -> Result<Option<Lease>, SkippedRow> {
    if let Some(kind) = item.get(ENTITY_TYPE)
        && kind.as_s().map(String::as_str) != Ok(ENTITY)
    {
        return Ok(None);
    }
    let key = item
        .get(LEASE_KEY)
        .and_then(|value| value.as_s().ok())
        .map(|text| LeaseKey::new(text));
    lease(item)
        .map(Some)
        .map_err(|Fault { attribute, reason }| SkippedRow {
            key,
            attribute,
            reason,
        })
}

/// Writes a whole new row.
pub(in crate::store::dynamodb) fn encode(lease: &Lease) -> Item {
    let mut item = Item::new();
    let mut put = |name: &str, value: AttributeValue| item.insert(name.to_owned(), value);
    put(LEASE_KEY, text(lease.key.as_str()));
    put(LEASE_COUNTER, number(lease.counter));
    put(OWNER_SWITCHES, number(lease.owner_switches));
    put(CHECKPOINT, text(lease.checkpoint.as_str()));
    put(CHECKPOINT_SUB, number(lease.checkpoint.sub_sequence_number()));
    if let Some(owner) = &lease.owner {
        put(LEASE_OWNER, text(owner.as_str()));
    }
    if let Some(owner) = &lease.checkpoint_owner {
        put(CHECKPOINT_OWNER, text(owner.as_str()));
    }
    if let Some(pending) = &lease.pending {
        put(PENDING, text(pending.checkpoint.as_str()));
        put(PENDING_SUB, number(pending.checkpoint.sub_sequence_number()));
        if let Some(state) = &pending.state {
            put(PENDING_STATE, bytes(state));
        }
    }
    // The service refuses empty sets.
    if !lease.parents.is_empty() {
        put(PARENTS, shard_ids(&lease.parents));
    }
    if !lease.children.is_empty() {
        put(CHILDREN, shard_ids(&lease.children));
    }
    // KCL's reader fails on a row whose range holds a single key; without the range it reads the row.
    if let Some(range) = lease.hash_range.filter(|range| range.start() < range.end()) {
        put(STARTING_HASH_KEY, AttributeValue::S(range.start().to_string()));
        put(ENDING_HASH_KEY, AttributeValue::S(range.end().to_string()));
    }
    if let Some(measured) = lease.throughput_kbps.and_then(decimal) {
        put(THROUGHPUT, measured);
    }
    if let Some(stream) = &lease.stream {
        put(STREAM, text(stream.as_str()));
        if let Some(shard) = lease.key.shard() {
            put(SHARD, text(shard.as_str()));
        }
    }
    if let Some(owner) = &lease.kit_owner {
        put(KIT_OWNER, text(owner.as_str()));
    }
    put(ENTITY_TYPE, text(ENTITY));
    item
}

fn lease(item: &Item) -> Result<Lease, Fault> {
    let key = required(LEASE_KEY, optional_text(item, LEASE_KEY)?)?;
    let checkpoint = required(CHECKPOINT, checkpoint(item, CHECKPOINT, CHECKPOINT_SUB)?)?;
    let counter = required(LEASE_COUNTER, optional_number(item, LEASE_COUNTER)?)?;
    let mut lease = Lease::new(LeaseKey::new(key), checkpoint);
    lease.counter = counter;
    lease.owner = optional_text(item, LEASE_OWNER)?.map(WorkerId::new);
    lease.checkpoint_owner = optional_text(item, CHECKPOINT_OWNER)?.map(WorkerId::new);
    lease.owner_switches = optional_number(item, OWNER_SWITCHES)?.unwrap_or(0);
    lease.pending = checkpoint_pending(item)?;
    lease.parents = shard_id_set(item, PARENTS)?;
    lease.children = shard_id_set(item, CHILDREN)?;
    lease.hash_range = hash_range(item)?;
    // Information for planners only: no reason to give up a lease.
    lease.throughput_kbps = item
        .get(THROUGHPUT)
        .and_then(|v| v.as_n().ok())
        .and_then(|n| n.parse().ok());
    lease.stream = optional_text(item, STREAM)?
        .map(StreamId::parse)
        .transpose()
        .map_err(|error| Fault::new(STREAM, error))?;
    // Ours and for information too.
    lease.kit_owner = optional_text(item, KIT_OWNER).ok().flatten().map(WorkerId::new);
    Ok(lease)
}

fn checkpoint(item: &Item, name: &'static str, sub: &'static str) -> Result<Option<Checkpoint>, Fault> {
    let Some(text) = optional_text(item, name)? else {
        return Ok(None);
    };
    let sub_sequence_number = optional_number(item, sub)?.unwrap_or(0);
    let checkpoint = Checkpoint::parse(text, sub_sequence_number);
    checkpoint
        .map(Some)
        .map_err(|error| Fault::new(name, with_causes(&error)))
}

fn checkpoint_pending(item: &Item) -> Result<Option<PendingCheckpoint>, Fault> {
    let Some(checkpoint) = checkpoint(item, PENDING, PENDING_SUB)? else {
        return Ok(None);
    };
    // KCL's row creation can put a number here, which means nothing.
    let state = item.get(PENDING_STATE).and_then(|value| value.as_b().ok());
    Ok(Some(PendingCheckpoint {
        checkpoint,
        state: state.map(|blob| Bytes::copy_from_slice(blob.as_ref())),
    }))
}

fn shard_id_set(item: &Item, name: &'static str) -> Result<BTreeSet<ShardId>, Fault> {
    let Some(value) = item.get(name) else {
        return Ok(BTreeSet::new());
    };
    let ids = value.as_ss().map_err(|_| Fault::new(name, "not of type SS"))?;
    ids.iter()
        .map(|id| ShardId::new(id).map_err(|error| Fault::new(name, error)))
        .collect()
}

fn hash_range(item: &Item) -> Result<Option<HashKeyRange>, Fault> {
    let start = hash_key(item, STARTING_HASH_KEY)?;
    let end = hash_key(item, ENDING_HASH_KEY)?;
    let (Some(start), Some(end)) = (start, end) else {
        return Ok(None);
    };
    HashKeyRange::new(start, end)
        .map(Some)
        .map_err(|error| Fault::new(STARTING_HASH_KEY, error))
}

fn hash_key(item: &Item, name: &'static str) -> Result<Option<HashKey>, Fault> {
    let Some(text) = optional_text(item, name)? else {
        return Ok(None);
    };
    HashKey::parse_decimal(text)
        .map(Some)
        .map_err(|error| Fault::new(name, error))
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
