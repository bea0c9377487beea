//! The rows: one file a kind, both directions each, and here what kind a row is.
//!
//! | kind | key | `entityType` | also in |
//! |---|---|---|---|
//! | [`lease`] | shard id, or `account:stream:epoch:shardId` | `LEASE` or none | |
//! | [`worker`] | worker id | `WORKER_METRIC_STATS` | `…-WorkerMetricStats`, key `wid` |
//! | [`leader`] | `Leader` | `LEADER` or none | `…-CoordinatorState`, key `key` |
//! | [`state`] | `Migration3.0` | `CLIENT_VERSION_MIGRATION` | `…-CoordinatorState` |
//! | [`state`] | `TableMigration3.5` | `TABLE_MIGRATION` | `…-CoordinatorState` |
//! | [`stream`] | `account:stream:epoch` | `STREAM` | `…-CoordinatorState` |
//! | [`heartbeat`] | `heartbeat:` and worker id | `KINESIS_KIT_HEARTBEAT` | ours: private fleets only |
//!
//! A row of any other kind is counted and left alone. Source: KCL 3.5, `DynamoDBLeaseSerializer`, `CoordinatorState`,
//! `WorkerMetricStats`, and the DynamoDB lock client 1.4.

pub(super) mod heartbeat;
pub(super) mod leader;
pub(super) mod lease;
pub(super) mod state;
pub(super) mod stream;
pub(super) mod value;
pub(super) mod worker;

use self::value::{Fault, Item, optional_text};
use crate::fleet::{FleetRows, StateKind};
use crate::lease::{CLIENT_VERSION_KEY, LEADER_KEY, LeaseKey, TABLE_MIGRATION_KEY};
use crate::store::{Contents, SkippedRow};

/// Partition key of the lease table.
pub(super) const LEASE_KEY: &str = "leaseKey";
/// Partition key of the coordinator state table.
pub(super) const COORDINATOR_KEY: &str = "key";
/// Partition key of the metrics table.
pub(super) const WORKER_KEY: &str = "wid";
pub(super) const ENTITY_TYPE: &str = "entityType";

/// Puts a row of the lease table where it belongs.
pub(super) fn sort_in(item: &Item, into: &mut Contents) {
    let key = item.get(LEASE_KEY).and_then(|value| value.as_s().ok());
    let kind = item
        .get(ENTITY_TYPE)
        .map(|value| value.as_s().map(String::as_str));
    let sorted = match (key.map(String::as_str), kind) {
        (Some(key), _) if is_state_key(key) => coordinator_row(item, LEASE_KEY, &mut into.beside),
        (_, None | Some(Ok(lease::ENTITY))) => match lease::decode(item) {
            Ok(Some(lease)) => {
                into.listing.leases.push(lease);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(skipped) => {
                into.listing.skipped.push(skipped);
                return;
            }
        },
        (_, Some(Ok(worker::ENTITY))) => worker_row(item, LEASE_KEY, &mut into.beside),
        (_, Some(Ok(heartbeat::ENTITY))) => {
            heartbeat::decode(item).map(|heartbeat| into.beside.heartbeats.push(heartbeat))
        }
        (_, Some(Ok(stream::ENTITY))) => {
            stream::decode(item, LEASE_KEY).map(|id| into.beside.streams.push(id))
        }
        (_, Some(_)) => {
            into.beside.unknown += 1;
            Ok(())
        }
    };
    if let Err(fault) = sorted {
        into.listing.skipped.push(skipped(item, LEASE_KEY, fault));
    }
}

/// Puts a row of the coordinator state table where it belongs.
pub(super) fn sort_coordinator_in(item: &Item, rows: &mut FleetRows, bad: &mut Vec<SkippedRow>) {
    if let Err(fault) = coordinator_row(item, COORDINATOR_KEY, rows) {
        bad.push(skipped(item, COORDINATOR_KEY, fault));
    }
}

/// Puts a row of the metrics table where it belongs.
pub(super) fn sort_worker_in(item: &Item, rows: &mut FleetRows, bad: &mut Vec<SkippedRow>) {
    if let Err(fault) = worker_row(item, WORKER_KEY, rows) {
        bad.push(skipped(item, WORKER_KEY, fault));
    }
}

fn coordinator_row(item: &Item, key_name: &'static str, rows: &mut FleetRows) -> Result<(), Fault> {
    match optional_text(item, key_name)? {
        Some(LEADER_KEY) => rows.leader = Some(leader::decode(item)?),
        Some(CLIENT_VERSION_KEY) => {
            rows.client_version = Some(state::decode(StateKind::ClientVersion, item)?);
        }
        Some(TABLE_MIGRATION_KEY) => {
            rows.table_migration = Some(state::decode(StateKind::TableMigration, item)?);
        }
        Some(_) if item.contains_key(stream::STREAM_ID) => rows.streams.push(stream::decode(item, key_name)?),
        Some(_) => rows.unknown += 1,
        None => return Err(Fault::new(key_name, "missing")),
    }
    Ok(())
}

fn worker_row(item: &Item, key_name: &'static str, rows: &mut FleetRows) -> Result<(), Fault> {
    rows.workers.push(worker::decode(item, key_name)?);
    Ok(())
}

fn is_state_key(key: &str) -> bool {
    [LEADER_KEY, CLIENT_VERSION_KEY, TABLE_MIGRATION_KEY].contains(&key)
}

fn skipped(item: &Item, key_name: &str, fault: Fault) -> SkippedRow {
    let key = item.get(key_name).and_then(|value| value.as_s().ok());
    SkippedRow {
        key: key.map(|text| LeaseKey::new(text)),
        attribute: fault.attribute,
        reason: fault.reason,
    }
}

#[cfg(test)]
mod tests;
