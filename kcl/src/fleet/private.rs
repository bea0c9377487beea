//! Whether a table may be used by a private fleet: not as long as anybody else uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::error::NotPrivate;
use super::heartbeat::Heartbeat;
use super::rows::{FleetRows, SeparateTables, Survey};
use crate::lease::{Lease, LeaseKey, WorkerId};

/// The check at the start, by one look.
///
/// A dead worker's leases keep its name after its heartbeat row is gone, so an owner without a row is accepted when it
/// is known to have been of this crate; [`PrivateWatch`] finds out whether it lives all the same.
pub(super) fn check(survey: &Survey, me: &WorkerId) -> Result<(), NotPrivate> {
    if survey.separate != SeparateTables::Absent && !hidden_and_without_trace(survey) {
        return Err(NotPrivate::SeparateTables);
    }
    if let Some(others) = foreign_rows(&survey.beside) {
        return Err(others);
    }
    let beating: BTreeSet<_> = survey.beside.heartbeats.iter().map(|row| &row.worker).collect();
    for lease in &survey.leases {
        if let Some(owner) = lease.actual_owner()
            && owner != me
            && !beating.contains(owner)
            && !lease.owner_is_of_this_crate()
        {
            return Err(NotPrivate::ForeignOwner {
                lease: lease.key.clone(),
                owner: owner.clone(),
            });
        }
    }
    Ok(())
}

/// Whether rows stand beside the leases that no worker of a private fleet writes.
pub(crate) fn foreign_rows(beside: &FleetRows) -> Option<NotPrivate> {
    let FleetRows {
        workers,
        leader,
        client_version,
        table_migration,
        streams,
        ..
    } = beside;
    let others = !workers.is_empty()
        || leader.is_some()
        || client_version.is_some()
        || table_migration.is_some()
        || !streams.is_empty();
    others.then_some(NotPrivate::FleetRows)
}

/// A right to the tables of other versions that is missing says nothing as long as nothing else speaks for them.
fn hidden_and_without_trace(survey: &Survey) -> bool {
    matches!(survey.separate, SeparateTables::Hidden { .. }) && survey.index == super::IndexState::Absent
}

/// Watches listings of a private fleet for workers that renew leases one by one.
///
/// One of these may be writing for a moment after its heartbeat row was removed, until it notices; so only an owner
/// without a row that moves counters for longer than a lifetime is foreign.
#[derive(Debug, Default)]
pub struct PrivateWatch {
    leases: BTreeMap<LeaseKey, Watched>,
}

#[derive(Debug)]
struct Watched {
    owner: WorkerId,
    counter: u64,
    first_move: Option<Instant>,
}

impl PrivateWatch {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next listing.
    ///
    /// # Errors
    /// [`NotPrivate::ForeignRenewal`] as soon as somebody without a heartbeat row has renewed a lease for `lifetime`.
    pub fn on_listing(
        &mut self,
        leases: &[Lease],
        heartbeats: &[Heartbeat],
        lifetime: Duration,
        now: Instant,
    ) -> Result<(), NotPrivate> {
        let beating: BTreeSet<_> = heartbeats.iter().map(|row| &row.worker).collect();
        let mut before = std::mem::take(&mut self.leases);
        for lease in leases {
            let Some(owner) = lease.actual_owner().filter(|owner| !beating.contains(owner)) else {
                continue;
            };
            let mut watched = before
                .remove(&lease.key)
                .filter(|watched| watched.owner == *owner)
                .unwrap_or_else(|| Watched {
                    owner: owner.clone(),
                    counter: lease.counter,
                    first_move: None,
                });
            if watched.counter != lease.counter {
                let first = *watched.first_move.get_or_insert(now);
                if now.duration_since(first) >= lifetime {
                    return Err(NotPrivate::ForeignRenewal {
                        lease: lease.key.clone(),
                        owner: owner.clone(),
                    });
                }
                watched.counter = lease.counter;
            }
            self.leases.insert(lease.key.clone(), watched);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "private_tests.rs"]
mod tests;
