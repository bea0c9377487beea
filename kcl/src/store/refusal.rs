//! What a refused condition means, from the row as it was at that moment. Pure, and the same for every store.
//!
//! A write whose reply was lost has happened; the same write sent again is refused by its own result. So a refusal
//! is a loss only when the row shows that somebody else was there.

use super::{CheckpointUpdate, Renewal};
use crate::lease::{Lease, WorkerId};

/// A refused heartbeat.
pub(super) fn of_renewal(held: &Lease, row: Option<Lease>) -> Renewal {
    let Some(row) = row else {
        return Renewal::Lost(None);
    };
    if !still_ours(held, &row) {
        Renewal::Lost(Some(row))
    } else if row.counter == held.counter + 1 {
        // Our own write; only one can be ahead, because a holder's writes are serialised.
        Renewal::Recovered(row)
    } else if row.counter == held.counter && row.hand_over_pending() && !held.hand_over_pending() {
        Renewal::HandOverRequested(row)
    } else {
        Renewal::Lost(Some(row))
    }
}

/// A refused checkpoint.
#[derive(Debug, PartialEq)]
pub(super) enum RefusedCheckpoint {
    /// The answer for the caller.
    Answer(Renewal),
    /// The row is ours and one write ahead without our checkpoint: an earlier heartbeat's reply was lost. Write the
    /// checkpoint again, on top of this row.
    Again(Lease),
}

pub(super) fn of_checkpoint(
    held: &Lease,
    update: &CheckpointUpdate,
    row: Option<Lease>,
) -> RefusedCheckpoint {
    match of_renewal(held, row) {
        Renewal::Recovered(row) if row.checkpoint != update.checkpoint || row.pending != update.pending => {
            RefusedCheckpoint::Again(row)
        }
        // A checkpoint is not refused because of a hand-over, but the row may have changed before we read it.
        Renewal::HandOverRequested(row) => RefusedCheckpoint::Again(row),
        answer => RefusedCheckpoint::Answer(answer),
    }
}

/// A refused take: whether it had happened already.
pub(super) fn of_take(observed: &Lease, me: &WorkerId, row: Option<Lease>) -> Option<Lease> {
    row.filter(|row| {
        row.owner.as_ref() == Some(me) && !row.hand_over_pending() && row.counter == observed.counter + 1
    })
}

/// A refused request for a hand-over: whether it had happened already.
pub(super) fn of_hand_over_request(observed: &Lease, next: &WorkerId, row: Option<&Lease>) -> bool {
    row.is_some_and(|row| row.owner.as_ref() == Some(next) && row.checkpoint_owner == observed.owner)
}

/// A refused completion of a hand-over: whether it had happened already, by us or by anybody in our place.
pub(super) fn of_completion(held: &Lease, row: Option<&Lease>) -> bool {
    held.owner
        .as_ref()
        .is_some_and(|next| of_assignment(held, next, row))
}

/// A refused assignment: whether it had happened already, by us or by anybody in our place.
pub(super) fn of_assignment(observed: &Lease, next: &WorkerId, row: Option<&Lease>) -> bool {
    row.is_some_and(|row| {
        row.owner.as_ref() == Some(next) && !row.hand_over_pending() && row.counter > observed.counter
    })
}

/// A refused release.
#[derive(Debug, PartialEq)]
pub(super) enum RefusedRelease {
    /// The answer for the caller.
    Answer(bool),
    /// Somebody asked for the lease meanwhile: hand it over instead, from this row.
    HandOver(Box<Lease>),
}

pub(super) fn of_release(held: &Lease, row: Option<Lease>) -> RefusedRelease {
    match row {
        Some(row) if held.hand_over_pending() => RefusedRelease::Answer(of_completion(held, Some(&row))),
        Some(row) if row.hand_over_pending() && row.checkpoint_owner == held.owner => {
            RefusedRelease::HandOver(Box::new(row))
        }
        Some(row) => RefusedRelease::Answer(row.owner.is_none() && row.counter == held.counter + 1),
        None => RefusedRelease::Answer(false),
    }
}

/// Whether the row's holder is the one who holds it in memory. Both owners set to one name is a row that no
/// protocol step writes, and counts as lost, as in KCL.
fn still_ours(held: &Lease, row: &Lease) -> bool {
    let sane = row.checkpoint_owner.is_none() || row.checkpoint_owner != row.owner;
    sane && held.actual_owner().is_some() && held.actual_owner() == row.actual_owner()
}

#[cfg(test)]
mod tests;
