//! The row format: attribute names, types, and both directions between a row and a [`Lease`].
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `leaseKey` | S | partition key: the shard id in a single-stream application |
//! | `leaseOwner` | S | worker id; absent when unassigned; the next owner while a hand-over is pending |
//! | `checkpointOwner` | S | only while a hand-over is pending: the worker that still processes |
//! | `leaseCounter` | N | optimistic lock and heartbeat |
//! | `ownerSwitchesSinceCheckpoint` | N | |
//! | `checkpoint`, `checkpointSubSequenceNumber` | S, N | sentinel or sequence number; index in the aggregate |
//! | `pendingCheckpoint`, `pendingCheckpointSubSequenceNumber`, `pendingCheckpointState` | S, N, B | a prepared checkpoint |
//! | `parentShardId`, `childShardIds` | SS, SS | shard ids; absent when empty |
//! | `startingHashKey`, `endingHashKey` | S, S | decimal; both or none; never written when equal |
//! | `throughputKBps` | N | read only |
//! | `entityType` | S | read only; a row where it is there and not `LEASE` is not a lease |
//!
//! Anything else in a row is left as it is. Source: the lease serializer of KCL 2.7 and 3.5.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use crate::lease::{Lease, LeaseKey, PendingCheckpoint, WorkerId};
use crate::position::Checkpoint;
use crate::store::SkippedRow;

pub(super) const LEASE_KEY: &str = "leaseKey";
pub(super) const LEASE_OWNER: &str = "leaseOwner";
pub(super) const CHECKPOINT_OWNER: &str = "checkpointOwner";
pub(super) const LEASE_COUNTER: &str = "leaseCounter";
pub(super) const OWNER_SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const CHECKPOINT_SUB: &str = "checkpointSubSequenceNumber";
pub(super) const PENDING: &str = "pendingCheckpoint";
pub(super) const PENDING_SUB: &str = "pendingCheckpointSubSequenceNumber";
pub(super) const PENDING_STATE: &str = "pendingCheckpointState";
pub(super) const PARENTS: &str = "parentShardId";
pub(super) const CHILDREN: &str = "childShardIds";
const STARTING_HASH_KEY: &str = "startingHashKey";
const ENDING_HASH_KEY: &str = "endingHashKey";
const THROUGHPUT: &str = "throughputKBps";
const ENTITY_TYPE: &str = "entityType";
const ENTITY_LEASE: &str = "LEASE";

/// One row as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Reads a row. `None`: a row of another kind.
pub(super) fn decode(item: &Item) -> Result<Option<Lease>, SkippedRow> {
    if let Some(kind) = item.get(ENTITY_TYPE)
        && kind.as_s().map(String::as_str) != Ok(ENTITY_LEASE)
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
pub(super) fn encode(lease: &Lease) -> Item {
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
    item
}

pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn bytes(value: &Bytes) -> AttributeValue {
    AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(value.to_vec()))
}

pub(super) fn shard_ids<'a>(ids: impl IntoIterator<Item = &'a ShardId>) -> AttributeValue {
    AttributeValue::Ss(ids.into_iter().map(|id| id.as_str().to_owned()).collect())
}

struct Fault {
    attribute: &'static str,
    reason: String,
}

impl Fault {
    fn new(attribute: &'static str, reason: impl ToString) -> Self {
        Self {
            attribute,
            reason: reason.to_string(),
        }
    }
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
    Ok(lease)
}

fn required<T>(attribute: &'static str, value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::new(attribute, "missing"))
}

/// Empty text counts as absent: no writer of this table writes it.
fn optional_text<'a>(item: &'a Item, name: &'static str) -> Result<Option<&'a str>, Fault> {
    let Some(value) = item.get(name) else {
        return Ok(None);
    };
    let text = value.as_s().map_err(|_| Fault::new(name, "not of type S"))?;
    Ok(Some(text.as_str()).filter(|text| !text.is_empty()))
}

fn optional_number(item: &Item, name: &'static str) -> Result<Option<u64>, Fault> {
    let Some(value) = item.get(name) else {
        return Ok(None);
    };
    let digits = value.as_n().map_err(|_| Fault::new(name, "not of type N"))?;
    digits
        .parse()
        .map(Some)
        .map_err(|error| Fault::new(name, format!("`{digits}`: {error}")))
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

fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests;
