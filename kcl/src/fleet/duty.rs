//! What a leader owes a fleet on its way: when everybody is ready, it writes the next state.
//!
//! Every step waits until what it needs has held for a while without a break, by this worker's own clock; a new leader
//! begins to wait anew. Reading the rows is the caller's, and so is writing what comes out.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use super::format::Fleet;
use super::identify::SUPPORT_LIFETIME;
use super::migration::TableMigration;
use super::rows::{IndexState, Survey};
use super::version::ClientVersion;
use super::worker::is_fresh;
use crate::lease::WorkerId;

/// The next step of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Duty {
    /// Move `Migration3.0` on; all workers follow within a minute.
    AdvanceVersion(ClientVersion),
    /// Create `TableMigration3.5` in the separate table.
    CreateMigration(TableMigration),
    /// Move `TableMigration3.5` on, or back.
    AdvanceMigration(TableMigration),
    /// Copy the coordinator's rows into the lease table, then move `TableMigration3.5` on to
    /// [`Pending`](TableMigration::Pending).
    MoveCoordination,
    /// Write [`Complete`](TableMigration::Complete) into both tables, then give leadership up: it is contended for in
    /// the lease table from now on.
    CompleteMigration,
}

/// How long each step waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bake {
    /// From 2.x to 3.x behaviour. Default 10 min, as KCL.
    pub version: Duration,
    /// Until every worker counts as deployed. Default 1 h, as KCL.
    pub deployed: Duration,
    /// Until a migration is complete (KCL: `tableMigrationCompleteBakeTimeSeconds`). Default 1 day; taken as 1 h at least and 7
    /// days at most.
    pub complete: Duration,
}

impl Default for Bake {
    fn default() -> Self {
        Self {
            version: Duration::from_secs(10 * 60),
            deployed: Duration::from_secs(3600),
            complete: Duration::from_secs(24 * 3600),
        }
    }
}

/// Watches, as the leader, whether the fleet is ready for its next step.
#[derive(Debug, Default)]
pub struct DutyWatch {
    bake: Bake,
    version_ready: Option<Instant>,
    migration_ready: Option<(Step, Instant)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Deploy,
    Complete,
}

impl DutyWatch {
    /// Waits as long as `bake` says.
    #[must_use]
    pub fn new(bake: Bake) -> Self {
        Self {
            bake,
            ..Self::default()
        }
    }

    /// The next look at the tables; `fleet` is what [`identify`](super::identify()) made of the same survey, `wall` is compared
    /// with times that workers wrote. What comes out may be written; if it is not, it comes again.
    pub fn on_survey(
        &mut self,
        fleet: &Fleet,
        survey: &Survey,
        wall: SystemTime,
        now: Instant,
    ) -> Option<Duty> {
        let flip = self.version_duty(fleet, survey, wall, now);
        let migration = self.migration_duty(fleet, survey, wall, now);
        flip.or(migration)
    }

    fn version_duty(
        &mut self,
        fleet: &Fleet,
        survey: &Survey,
        wall: SystemTime,
        now: Instant,
    ) -> Option<Duty> {
        let ready = fleet.version() == ClientVersion::UpgradeFrom2x && is_ready_for_3x(survey, wall);
        if !ready {
            self.version_ready = None;
            return None;
        }
        let since = *self.version_ready.get_or_insert(now);
        (now.duration_since(since) >= self.bake.version)
            .then_some(Duty::AdvanceVersion(ClientVersion::ThreeXWithRollback))
    }

    fn migration_duty(
        &mut self,
        fleet: &Fleet,
        survey: &Survey,
        wall: SystemTime,
        now: Instant,
    ) -> Option<Duty> {
        let row = survey.separate_rows()?.table_migration.as_ref();
        let stored = row.and_then(|row| TableMigration::of_row(row).ok());
        match (stored, fleet.migration()) {
            (_, TableMigration::Complete) => None,
            (None | Some(TableMigration::Init), _) => {
                let ready = everybody_supports_one_table(survey, wall);
                let baked = self.bake_step(Step::Deploy, ready, self.bake.deployed, now);
                let next = TableMigration::Deployed;
                baked.then_some(match stored {
                    None => Duty::CreateMigration(next),
                    Some(_) => Duty::AdvanceMigration(next),
                })
            }
            // The setting that makes it pending is on this worker; the others show by where their rows stand.
            (Some(TableMigration::Deployed), TableMigration::Pending) => {
                everybody_moved(survey, wall).then_some(Duty::MoveCoordination)
            }
            (Some(TableMigration::Pending), effective) => {
                if somebody_writes_elsewhere(survey, wall) {
                    self.migration_ready = None;
                    return Some(Duty::AdvanceMigration(TableMigration::Deployed));
                }
                let bake = self.bake.complete.clamp(MIN_COMPLETE, MAX_COMPLETE);
                let ready = effective == TableMigration::Pending && everybody_moved(survey, wall);
                let baked = self.bake_step(Step::Complete, ready, bake, now);
                baked.then_some(Duty::CompleteMigration)
            }
            _ => None,
        }
    }

    fn bake_step(&mut self, step: Step, ready: bool, bake: Duration, now: Instant) -> bool {
        if !ready {
            self.migration_ready = None;
            return false;
        }
        match self.migration_ready {
            Some((waiting, since)) if waiting == step => now.duration_since(since) >= bake,
            _ => {
                self.migration_ready = Some((step, now));
                false
            }
        }
    }
}

/// Owners of any lease, finished or not, alive or not. A lease without an owner holds nothing up; for KCL it does, so
/// that one lease which nobody may take stops its fleet for good.
fn owners(survey: &Survey) -> BTreeSet<&WorkerId> {
    survey
        .leases
        .iter()
        .filter_map(|lease| lease.owner.as_ref())
        .collect()
}

fn is_ready_for_3x(survey: &Survey, wall: SystemTime) -> bool {
    let rows = survey.workers();
    let reports = |owner: &&WorkerId| {
        rows.iter()
            .any(|row| row.worker == **owner && is_fresh(row.updated_at_s, wall, METRICS_LIFETIME))
    };
    survey.index == IndexState::Active && owners(survey).iter().all(reports)
}

fn everybody_supports_one_table(survey: &Survey, wall: SystemTime) -> bool {
    let rows = survey.workers();
    let supports = |owner: &&WorkerId| {
        rows.iter()
            .any(|row| row.worker == **owner && row.supports_single_table(wall, SUPPORT_LIFETIME))
    };
    let owners = owners(survey);
    // Nobody at all is nobody who could have said so.
    !owners.is_empty() && owners.iter().all(supports)
}

fn everybody_moved(survey: &Survey, wall: SystemTime) -> bool {
    let moved = |owner: &&WorkerId| {
        let mut rows = survey.beside.workers.iter();
        rows.any(|row| row.worker == **owner && is_fresh(row.updated_at_s, wall, METRICS_LIFETIME))
    };
    !somebody_writes_elsewhere(survey, wall) && owners(survey).iter().all(moved)
}

fn somebody_writes_elsewhere(survey: &Survey, wall: SystemTime) -> bool {
    survey.separate_rows().is_some_and(|rows| {
        rows.workers
            .iter()
            .any(|row| is_fresh(row.updated_at_s, wall, METRICS_LIFETIME))
    })
}

/// Source: KCL 3.x: a metrics row is good for twice the reporter's period of 30 s.
const METRICS_LIFETIME: Duration = Duration::from_secs(60);
/// Source: KCL 3.5, `tableMigrationCompleteBakeTimeSeconds` is clamped to 3600..604800.
const MIN_COMPLETE: Duration = Duration::from_secs(3600);
const MAX_COMPLETE: Duration = Duration::from_secs(604_800);

#[cfg(test)]
#[path = "duty_tests.rs"]
mod tests;
