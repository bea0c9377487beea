//! Everything the tables of an application say about its fleet.

use super::heartbeat::Heartbeat;
use super::leader::LeaderRow;
use super::state::{StateKind, StateRow};
use super::worker::WorkerStats;
use crate::lease::{Lease, StreamId};
use crate::store::SkippedRow;

/// Where a row of the fleet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {
    /// In the lease table, beside the leases (KCL 3.5: single table).
    LeaseTable,
    /// In one of the two tables beside it, `…-CoordinatorState` or `…-WorkerMetricStats` (KCL 3.0 to 3.4).
    SeparateTables,
}

/// Rows that are no leases, of one table or two.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FleetRows {
    /// Workers' metrics.
    pub workers: Vec<WorkerStats>,
    /// Who leads.
    pub leader: Option<LeaderRow>,
    /// The row `Migration3.0`.
    pub client_version: Option<StateRow>,
    /// The row `TableMigration3.5`.
    pub table_migration: Option<StateRow>,
    /// Streams that were written down.
    pub streams: Vec<StreamId>,
    /// Heartbeats of a private fleet.
    pub heartbeats: Vec<Heartbeat>,
    /// Rows of kinds that nobody here knows, and that are left alone.
    pub unknown: usize,
    /// Rows of the separate tables that cannot be read. (Those of the lease table are in its listing.)
    pub skipped: Vec<SkippedRow>,
}

impl FleetRows {
    /// Whether there is no row at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The row of one of the state machines.
    #[must_use]
    pub fn state(&self, kind: StateKind) -> Option<&StateRow> {
        match kind {
            StateKind::ClientVersion => self.client_version.as_ref(),
            StateKind::TableMigration => self.table_migration.as_ref(),
        }
    }
}

/// Whether the two tables of KCL 3.0 to 3.4 are there, and what they hold.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of these in a survey, and nobody keeps many"
)]
#[derive(Debug, Clone, Default, PartialEq)]
pub enum SeparateTables {
    /// There is no coordinator state table.
    #[default]
    Absent,
    /// This worker has no right to look.
    Hidden {
        /// The table's name.
        table: String,
    },
    /// They are there. (The metrics table may be missing all the same; then it has no rows.)
    Present(FleetRows),
}

/// The index of lease owners on the lease table (KCL: `LeaseOwnerToLeaseKeyIndex`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexState {
    /// There is none, or nobody can tell.
    #[default]
    Absent,
    /// It is being built; nobody may ask it yet.
    Coming,
    /// It can be asked.
    Active,
}

/// All tables of an application, at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// The leases.
    pub leases: Vec<Lease>,
    /// Rows beside the leases in the lease table.
    pub beside: FleetRows,
    /// The separate tables.
    pub separate: SeparateTables,
    /// The index of owners.
    pub index: IndexState,
    /// Rows of the lease table that cannot be read.
    pub skipped: Vec<SkippedRow>,
}

impl SeparateTables {
    /// Their rows, when they are there.
    #[must_use]
    pub fn rows(&self) -> Option<&FleetRows> {
        match self {
            Self::Present(rows) => Some(rows),
            Self::Absent | Self::Hidden { .. } => None,
        }
    }
}

/// The metrics rows of both places; of a worker that has two, the newer one (KCL reads so until a migration is complete).
#[must_use]
pub fn newest_workers<'a>(beside: &'a FleetRows, separate: Option<&'a FleetRows>) -> Vec<&'a WorkerStats> {
    let separate = separate.map_or(&[][..], |rows| &rows.workers);
    let mut newest = std::collections::BTreeMap::new();
    for row in separate.iter().chain(&beside.workers) {
        let kept = newest.entry(&row.worker).or_insert(row);
        if row.updated_at_s >= kept.updated_at_s {
            *kept = row;
        }
    }
    newest.into_values().collect()
}

impl Survey {
    /// Rows that cannot be read, of all tables.
    pub fn unreadable(&self) -> impl Iterator<Item = &SkippedRow> {
        let separate = self.separate_rows().map_or(&[][..], |rows| &rows.skipped);
        self.skipped.iter().chain(separate)
    }

    /// The rows of the separate tables, when they are there.
    #[must_use]
    pub fn separate_rows(&self) -> Option<&FleetRows> {
        self.separate.rows()
    }

    /// The row of one of the state machines, wherever it lies.
    #[must_use]
    pub fn state(&self, kind: StateKind) -> Option<&StateRow> {
        let separate = || self.separate_rows().and_then(|rows| rows.state(kind));
        self.beside.state(kind).or_else(separate)
    }

    /// See [`newest_workers`].
    #[must_use]
    pub fn workers(&self) -> Vec<&WorkerStats> {
        newest_workers(&self.beside, self.separate_rows())
    }
}
