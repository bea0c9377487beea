//! How a consumer is, for whoever asks: an orchestrator's probes, a status page.
//!
//! ```no_run
//! # async fn example(handle: kcl::ConsumerHandle) {
//! let health = handle.health();
//! let (live, ready) = (health.is_live(), health.is_ready());   // e.g. GET /live and GET /ready
//! for lease in health.leases() {
//!     println!("{}: {:?}", lease.lease_key(), lease.phase());
//! }
//! # }
//! ```

use std::collections::BTreeMap;
use std::sync::Weak;

use tokio::sync::watch;

use crate::lease::LeaseKey;

/// A consumer at one moment; from [`ConsumerHandle::health`](crate::ConsumerHandle::health).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    stage: Stage,
    leases: Vec<LeaseHealth>,
}

/// Where a consumer is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Stage {
    /// Not run yet, or still looking for its stream and its table.
    #[default]
    Starting,
    /// It has seen the lease table and takes what falls to it.
    Running,
    /// It gives up its leases.
    Stopping,
    /// It has ended.
    Ended,
}

/// One lease that the consumer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHealth {
    lease_key: LeaseKey,
    phase: LeasePhase,
}

/// What is done with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeasePhase {
    /// A parent shard is not finished.
    WaitingForParents,
    /// `initialize` was called and has not returned.
    Initializing,
    /// Records are waited for, read and processed.
    Running,
    /// A call of the processor failed, and is repeated after a pause.
    Retrying,
    /// All records are processed, the end is being recorded.
    Ending,
    /// The lease is lost or given up.
    Leaving,
}

impl Health {
    /// Where in its life the consumer is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The leases it holds, by key.
    #[must_use]
    pub fn leases(&self) -> &[LeaseHealth] {
        &self.leases
    }

    /// Whether the consumer has not ended. For a liveness probe: when this is false, only a new consumer helps.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.stage != Stage::Ended
    }

    /// Whether the consumer does what it should: it has seen the lease table, and each lease it holds runs, ends, or
    /// waits for its parents. A worker that holds no lease, since there are enough others, is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Running && self.leases.iter().all(|lease| lease.phase.is_at_work())
    }
}

impl LeaseHealth {
    /// Which lease.
    #[must_use]
    pub fn lease_key(&self) -> &LeaseKey {
        &self.lease_key
    }

    /// What is done with it.
    #[must_use]
    pub fn phase(&self) -> LeasePhase {
        self.phase
    }
}

impl LeasePhase {
    fn is_at_work(self) -> bool {
        match self {
            Self::WaitingForParents | Self::Running | Self::Ending | Self::Leaving => true,
            Self::Initializing | Self::Retrying => false,
        }
    }
}

/// What a running consumer shows of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConsumerState {
    pub(crate) stage: Stage,
    pub(crate) leases: BTreeMap<LeaseKey, LeasePhase>,
}

impl ConsumerState {
    pub(crate) fn health(&self) -> Health {
        let lease = |(key, phase): (&LeaseKey, &LeasePhase)| LeaseHealth {
            lease_key: key.clone(),
            phase: *phase,
        };
        Health {
            stage: self.stage,
            leases: self.leases.iter().map(lease).collect(),
        }
    }
}

impl Health {
    pub(crate) fn ended() -> Self {
        Self {
            stage: Stage::Ended,
            leases: Vec::new(),
        }
    }
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
            Some(shown) => std::mem::replace(shown, phase) != phase,
            None => false,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn state(stage: Stage, phases: &[LeasePhase]) -> ConsumerState {
        let key = |number: usize| LeaseKey::new(&format!("shardId-{number:012}"));
        ConsumerState {
            stage,
            leases: phases
                .iter()
                .enumerate()
                .map(|(number, phase)| (key(number), *phase))
                .collect(),
        }
    }

    #[test]
    fn ready_means_that_every_lease_runs() {
        use LeasePhase::*;
        let cases = [
            (Stage::Starting, &[][..], false),
            (Stage::Running, &[], true),
            (Stage::Running, &[Running, WaitingForParents, Ending], true),
            (Stage::Running, &[Running, Initializing], false),
            (Stage::Running, &[Retrying], false),
            (Stage::Stopping, &[Running], false),
        ];
        for (stage, phases, ready) in cases {
            let health = state(stage, phases).health();
            assert_eq!(health.is_ready(), ready, "{stage:?} {phases:?}");
            assert!(health.is_live());
        }
        assert!(!Health::ended().is_live());
    }

    #[test]
    fn a_lease_that_left_the_board_is_not_put_back_by_a_late_word() {
        let board = Arc::new(watch::Sender::new(state(
            Stage::Running,
            &[LeasePhase::Initializing],
        )));
        let key = LeaseKey::new("shardId-000000000000");
        let mut entry = Entry::new(Arc::downgrade(&board), key.clone());
        entry.show(LeasePhase::Running);
        assert_eq!(board.borrow().leases[&key], LeasePhase::Running);
        board.send_modify(|state| state.leases.clear());
        entry.show(LeasePhase::Leaving);
        assert!(board.borrow().leases.is_empty());
        drop(board);
        entry.show(LeasePhase::Running);
    }
}
