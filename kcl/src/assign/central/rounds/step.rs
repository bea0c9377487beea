//! What the leader writes.

use crate::lease::{LeaseKey, WorkerId};

/// One write that a round asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Makes `to` the owner and ends a pending hand-over (KCL: assign).
    Assign {
        /// Which lease.
        key: LeaseKey,
        /// Its new owner.
        to: WorkerId,
        /// What must not have changed since the row was read.
        unless: Unless,
    },
    /// Asks the holder to hand the lease over (KCL: start graceful handoff).
    HandOver {
        /// Which lease.
        key: LeaseKey,
        /// Its present holder.
        from: WorkerId,
        /// Its next owner.
        to: WorkerId,
    },
    /// Takes the lease from a holder that renews it and does not hand it over in time (KCL: evict). It is assigned a
    /// failover time later, when its holder must have stopped.
    Revoke {
        /// Which lease.
        key: LeaseKey,
    },
}

impl Step {
    /// The lease concerned.
    #[must_use]
    pub fn key(&self) -> &LeaseKey {
        match self {
            Self::Assign { key, .. } | Self::HandOver { key, .. } | Self::Revoke { key } => key,
        }
    }
}

/// What forbids an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unless {
    /// The owners changed: enough where nobody owns the lease, and all that KCL asks.
    OwnersChanged,
    /// The owners or the counter changed: the lease looked expired, and a holder that renewed in the last moment
    /// keeps it.
    Renewed,
}
