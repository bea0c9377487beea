//! Why this worker must not run on these tables.

use crate::lease::{LeaseKey, WorkerId};

/// What stands in the tables forbids to start, or to go on; from [`identify`](super::identify()) and
/// [`Fleet::follow`](super::Fleet::follow). Nothing gets better by trying again: somebody has to look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// One of the fleet's states has a value that this version does not know; a newer library wrote it.
    #[error("row `{row}` says `{value}`, which this version does not know")]
    UnknownState {
        /// The key of the row.
        row: &'static str,
        /// What it says.
        value: String,
    },
    /// One of the rows that everybody depends on cannot be read.
    #[error("row `{row}` has an unusable attribute `{attribute}`: {reason}")]
    Unreadable {
        /// The key of the row.
        row: LeaseKey,
        /// The attribute at fault.
        attribute: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A fleet does not go back from its last state; the row was changed by hand or removed.
    #[error("the fleet was in state {from} and now is said to be in {to}")]
    WentBack {
        /// The last state, from which there is no way.
        from: &'static str,
        /// What is said now.
        to: &'static str,
    },
    /// The fleet keeps its state in a table that this worker may not read.
    #[error("no permission to read table `{table}`, where this fleet keeps its state")]
    Hidden {
        /// The table.
        table: String,
    },
    /// This worker is told to use one table, and the fleet was never prepared for it (KCL: phase 1 not deployed).
    #[error("the fleet is not ready for a single table: deploy a version that supports it everywhere first")]
    MigrationNotDeployed,
    /// The worker's id reads like the key of a row of another kind.
    #[error("worker id `{worker}` reads like the key of a row of the lease table")]
    WorkerId {
        /// The id.
        worker: WorkerId,
    },
    /// The table belongs to a private fleet, in which leases are not renewed one by one: to a worker that is not of it they
    /// would all look free.
    #[error("the table belongs to a private fleet, of `{worker}` among others")]
    PrivateFleet {
        /// One of its workers.
        worker: WorkerId,
    },
    /// This worker is to run in a private fleet, and others use the table too.
    #[error("the table is not a private fleet's")]
    NotPrivate {
        /// Who else.
        #[from]
        source: NotPrivate,
    },
}

/// Who else uses a table that was to be private.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPrivate {
    /// The separate tables of KCL 3.0 to 3.4 are there, or may be.
    #[error("there are tables of KCL 3.0 to 3.4")]
    SeparateTables,
    /// Rows of KCL 3.5 stand beside the leases.
    #[error("there are rows of KCL 3.5 beside the leases")]
    FleetRows,
    /// A lease has an owner that is not of this crate.
    #[error("lease `{lease}` is held by `{owner}`, which has no heartbeat row")]
    ForeignOwner {
        /// The lease.
        lease: LeaseKey,
        /// Who holds it.
        owner: WorkerId,
    },
    /// A lease is renewed by itself, which no worker of a private fleet does.
    #[error("lease `{lease}` is renewed by `{owner}`, which has no heartbeat row")]
    ForeignRenewal {
        /// The lease.
        lease: LeaseKey,
        /// Who renews it.
        owner: WorkerId,
    },
    /// A heartbeat of this worker's own name moves: another one of that name runs.
    #[error("another worker runs as `{worker}`")]
    SameName {
        /// The name.
        worker: WorkerId,
    },
}
