//! From the rows to what the fleet is, and to what this worker may write and do.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::error::FleetError;
use super::format::{Fleet, FleetKind, StateWrite};
use super::migration::TableMigration;
use super::private;
use super::rows::{FleetRows, Home, SeparateTables, Survey};
use super::state::StateKind;
use super::version::{ClientVersion, VersionSetting};
use crate::lease::{CLIENT_VERSION_KEY, LEADER_KEY, Lease, TABLE_MIGRATION_KEY, WorkerId};

/// What this worker is told, and how it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// This worker.
    pub worker: WorkerId,
    /// Which behaviour is wanted. A wish: the fleet comes first.
    pub version: VersionSetting,
    /// What a new application becomes, whose tables tell of nobody, when `version` is
    /// [`Follow`](VersionSetting::Follow). Default: 3.x, as KCL.
    pub new_fleet: NewFleet,
    /// Whether to move everything into the lease table (KCL: `migrateAllEntitiesToLeaseTable`). Default: no.
    pub migrate_all: bool,
    /// Whether the table is for workers of this crate alone, with one heartbeat for each worker and none for its
    /// leases. Default: no.
    pub private: bool,
}

/// What a new application becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NewFleet {
    /// Leases only, each worker takes for itself: any KCL from 2.0 may join.
    TwoX,
    /// A leader assigns, by metrics; everything in one table: KCL from 3.5 may join.
    #[default]
    ThreeX,
}

impl Intent {
    /// A worker that does as the fleet does.
    #[must_use]
    pub fn follow(worker: WorkerId) -> Self {
        Self {
            worker,
            version: VersionSetting::default(),
            new_fleet: NewFleet::default(),
            migrate_all: false,
            private: false,
        }
    }
}

/// What the fleet is, and what `intent.worker` may write and do in it. `now` is compared with times that other hosts wrote.
///
/// # Errors
/// When what stands in the tables is not understood, or forbids this worker to join.
pub fn identify(survey: &Survey, intent: &Intent, now: SystemTime) -> Result<Fleet, FleetError> {
    refuse_unreadable(survey)?;
    if intent.worker.reads_like_a_row_key() {
        let worker = intent.worker.clone();
        return Err(FleetError::WorkerId { worker });
    }
    if intent.private {
        private::check(survey, &intent.worker)?;
        return Ok(Fleet::private());
    }
    if let Some(heartbeat) = survey.beside.heartbeats.first() {
        let worker = heartbeat.worker.clone();
        return Err(FleetError::PrivateFleet { worker });
    }
    let migration = migration(survey, intent)?;
    let stored = stored_version(survey, migration)?;
    let older = older_peers(survey, intent, now);
    let wanted = wanted_version(survey, intent, stored);
    // What the fleet has agreed on is right for everybody in it. What nobody has agreed on yet may be begun only where
    // everybody who can be seen understands it.
    let (version, held_back) = match stored {
        None if wanted != ClientVersion::Init && !older.is_empty() => (ClientVersion::Init, older.clone()),
        _ => (wanted, BTreeSet::new()),
    };
    let write = match (stored, version.stored()) {
        (None, Some(value)) => Some(StateWrite::Create {
            kind: StateKind::ClientVersion,
            value,
        }),
        (Some(stored), Some(value)) if stored != version => Some(StateWrite::Advance {
            kind: StateKind::ClientVersion,
            value,
        }),
        _ => None,
    };
    Ok(Fleet {
        kind: kind(survey, stored, intent),
        version,
        migration,
        write,
        held_back,
        single_crate: older.is_empty(),
        private: false,
    })
}

fn refuse_unreadable(survey: &Survey) -> Result<(), FleetError> {
    let vital = [LEADER_KEY, CLIENT_VERSION_KEY, TABLE_MIGRATION_KEY];
    for row in survey.unreadable() {
        if let Some(key) = row.key.as_ref().filter(|key| vital.contains(&key.as_str())) {
            return Err(FleetError::Unreadable {
                row: key.clone(),
                attribute: row.attribute,
                reason: row.reason.clone(),
            });
        }
    }
    Ok(())
}

fn migration(survey: &Survey, intent: &Intent) -> Result<TableMigration, FleetError> {
    let read = |rows: &FleetRows| {
        rows.table_migration
            .as_ref()
            .map(TableMigration::of_row)
            .transpose()
    };
    let here = read(&survey.beside)?;
    match &survey.separate {
        SeparateTables::Absent => Ok(TableMigration::Complete),
        SeparateTables::Hidden { table } => {
            if keeps_state_elsewhere(survey, here) {
                return Err(FleetError::Hidden { table: table.clone() });
            }
            Ok(TableMigration::Complete)
        }
        SeparateTables::Present(rows) => {
            let there = read(rows)?;
            // The last step is written into both at once, so one of them is enough.
            let complete = [here, there].contains(&Some(TableMigration::Complete));
            let stored = if complete {
                Some(TableMigration::Complete)
            } else {
                there
            };
            TableMigration::effective(stored, intent.migrate_all)
        }
    }
}

/// Whether the rows tell of KCL 3.x and yet do not tell what the fleet agreed on: that must stand where we cannot look.
fn keeps_state_elsewhere(survey: &Survey, migration: Option<TableMigration>) -> bool {
    let all_here = migration == Some(TableMigration::Complete) || survey.beside.leader.is_some();
    let of_3x = |lease: &Lease| {
        (lease.throughput_kbps.is_some() || lease.hand_over_pending()) && !lease.owner_is_of_this_crate()
    };
    let traces = survey.index != super::IndexState::Absent
        || !survey.beside.is_empty()
        || survey.leases.iter().any(of_3x);
    traces && !all_here
}

fn stored_version(survey: &Survey, migration: TableMigration) -> Result<Option<ClientVersion>, FleetError> {
    let here = survey.beside.client_version.as_ref();
    let there = survey
        .separate_rows()
        .and_then(|rows| rows.client_version.as_ref());
    // Until a migration is complete both places are read; what is written last counts.
    let row = match migration.home() {
        Home::LeaseTable if migration == TableMigration::Complete => here,
        Home::LeaseTable => here.or(there),
        Home::SeparateTables => there.or(here),
    };
    row.map(ClientVersion::of_row).transpose()
}

fn wanted_version(survey: &Survey, intent: &Intent, stored: Option<ClientVersion>) -> ClientVersion {
    let setting = match (intent.version, intent.new_fleet) {
        (VersionSetting::Follow, NewFleet::ThreeX) if is_new(survey, &intent.worker) => {
            VersionSetting::ThreeX
        }
        (setting, _) => setting,
    };
    ClientVersion::at_start(stored, setting)
}

/// Whether nobody else has been here: no owner but ourselves, and no row of a fleet.
fn is_new(survey: &Survey, me: &WorkerId) -> bool {
    survey.beside.is_empty()
        && survey.separate_rows().is_none_or(FleetRows::is_empty)
        && owners(survey).all(|(_, owner)| owner == me)
}

fn owners(survey: &Survey) -> impl Iterator<Item = (&Lease, &WorkerId)> {
    survey.leases.iter().flat_map(|lease| {
        let both = [&lease.owner, &lease.checkpoint_owner];
        both.into_iter().flatten().map(move |owner| (lease, owner))
    })
}

/// Owners of leases who are not known to pass over rows that are no leases, and to obey hand-overs.
fn older_peers(survey: &Survey, intent: &Intent, now: SystemTime) -> BTreeSet<WorkerId> {
    let supports = |worker: &WorkerId| {
        let mut rows = survey.workers().into_iter();
        rows.any(|row| row.worker == *worker && row.supports_single_table(now, SUPPORT_LIFETIME))
    };
    owners(survey)
        .filter(|(lease, owner)| **owner != intent.worker && lease.kit_owner.as_ref() != Some(*owner))
        .filter(|(_, owner)| !supports(owner))
        .map(|(_, owner)| owner.clone())
        .collect()
}

fn kind(survey: &Survey, stored: Option<ClientVersion>, intent: &Intent) -> FleetKind {
    match stored {
        Some(ClientVersion::ThreeX) => FleetKind::ThreeX,
        Some(ClientVersion::ThreeXWithRollback) => FleetKind::ThreeXWithRollback,
        Some(ClientVersion::UpgradeFrom2x) => FleetKind::Upgrading,
        Some(ClientVersion::TwoX) => FleetKind::RolledBack,
        Some(ClientVersion::Init) | None if is_new(survey, &intent.worker) => FleetKind::New,
        Some(ClientVersion::Init) | None => FleetKind::TwoX,
    }
}

/// Source: KCL 3.5: a support code counts for three reports of 30 s.
pub(super) const SUPPORT_LIFETIME: Duration = Duration::from_secs(90);

#[cfg(test)]
#[path = "identify_property_tests.rs"]
mod properties;
#[cfg(test)]
#[path = "identify_tests.rs"]
mod tests;
