//! Tables as fleets leave them.

use std::time::{Duration, SystemTime};

use super::*;
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::position::Checkpoint;

pub(super) fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(super) fn me() -> WorkerId {
    WorkerId::new("me")
}

pub(super) fn follow() -> Intent {
    Intent::follow(me())
}

pub(super) fn with(version: VersionSetting) -> Intent {
    Intent { version, ..follow() }
}

pub(super) fn lease(number: usize, owner: &str) -> Lease {
    Lease {
        owner: Some(WorkerId::new(owner)),
        ..Lease::new(
            LeaseKey::new(&format!("shardId-{number:012}")),
            Checkpoint::TrimHorizon,
        )
    }
}

/// A lease that a worker of this crate took.
pub(super) fn of_ours(number: usize, owner: &str) -> Lease {
    Lease {
        kit_owner: Some(WorkerId::new(owner)),
        ..lease(number, owner)
    }
}

pub(super) fn state(value: &str) -> StateRow {
    StateRow::first(value, &WorkerId::new("java"), wall())
}

pub(super) fn stored(version: ClientVersion) -> Option<StateRow> {
    version.stored().map(state)
}

/// Metrics of KCL 3.0 to 3.4, which say nothing of support.
pub(super) fn metrics(worker: &str) -> WorkerStats {
    WorkerStats {
        support: None,
        support_at_s: None,
        ..supporting(worker)
    }
}

/// Metrics of KCL 3.5.
pub(super) fn supporting(worker: &str) -> WorkerStats {
    WorkerStats::new(WorkerId::new(worker), wall())
}

pub(super) fn single_table(version: ClientVersion, workers: &[&str]) -> Survey {
    Survey {
        leases: workers
            .iter()
            .enumerate()
            .map(|(number, worker)| lease(number, worker))
            .collect(),
        beside: FleetRows {
            client_version: stored(version),
            workers: workers.iter().map(|worker| supporting(worker)).collect(),
            ..FleetRows::default()
        },
        index: IndexState::Active,
        ..Survey::default()
    }
}

pub(super) fn three_tables(
    version: ClientVersion,
    workers: &[&str],
    migration: Option<TableMigration>,
) -> Survey {
    let rows = FleetRows {
        client_version: stored(version),
        table_migration: migration.map(|migration| state(migration.stored())),
        workers: workers.iter().map(|worker| metrics(worker)).collect(),
        ..FleetRows::default()
    };
    Survey {
        beside: FleetRows::default(),
        separate: SeparateTables::Present(rows),
        ..single_table(version, workers)
    }
}
