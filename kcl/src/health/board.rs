//! The board on which a running consumer shows how it is.

use std::collections::BTreeMap;
use std::sync::Weak;

use tokio::sync::watch;

use super::{LeasePhase, Stage, StreamPhase};
use crate::lease::LeaseKey;
use crate::process::pulse::Pulse;
use crate::streams::listed::StreamTarget;

/// What a running consumer shows of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConsumerState {
    pub(crate) stage: Stage,
    pub(crate) leases: BTreeMap<LeaseKey, LeaseState>,
    pub(crate) streams: BTreeMap<StreamTarget, StreamPhase>,
}

/// One lease on the board.
#[derive(Debug, Clone)]
pub(crate) struct LeaseState {
    pub(crate) phase: LeasePhase,
    /// How its reading goes: looked at when somebody asks.
    pub(crate) pulse: Option<Pulse>,
}

/// The place on the board of one lease. Keeps the board from nobody who waits for its end.
#[derive(Debug)]
pub(crate) struct Entry {
    board: Weak<watch::Sender<ConsumerState>>,
    lease_key: LeaseKey,
    shown: Option<LeasePhase>,
}

impl Entry {
    pub(crate) fn new(board: Weak<watch::Sender<ConsumerState>>, lease_key: LeaseKey) -> Self {
        Self {
            board,
            lease_key,
            shown: None,
        }
    }

    /// Shows a phase, if the lease is still on the board. Costs nothing while the phase stays the same.
    pub(crate) fn show(&mut self, phase: LeasePhase) {
        if self.shown == Some(phase) {
            return;
        }
        self.shown = Some(phase);
        let Some(board) = self.board.upgrade() else { return };
        board.send_if_modified(|state| match state.leases.get_mut(&self.lease_key) {
            Some(shown) => std::mem::replace(&mut shown.phase, phase) != phase,
            None => false,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_lease_that_left_the_board_is_not_put_back_by_a_late_word() {
        let key = LeaseKey::new("shardId-000000000000");
        let (phase, pulse) = (LeasePhase::Initializing, None);
        let mut state = ConsumerState::default();
        state.leases.insert(key.clone(), LeaseState { phase, pulse });
        let board = Arc::new(watch::Sender::new(state));
        let mut entry = Entry::new(Arc::downgrade(&board), key.clone());
        entry.show(LeasePhase::Running);
        assert_eq!(board.borrow().leases[&key].phase, LeasePhase::Running);
        board.send_modify(|state| state.leases.clear());
        entry.show(LeasePhase::Leaving);
        assert!(board.borrow().leases.is_empty());
        drop(board);
        entry.show(LeasePhase::Running);
    }
}
