//! The fleet's own rows in memory.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{MemoryLeaseStore, Tables};
use crate::error::StoreError;
use crate::fleet::{
    Beat, FleetRows, Heartbeat, Home, IndexState, LeaderRow, SeparateTables, StateKind, StateRow, WorkerStats,
};
use crate::leader::lock::Over;
use crate::lease::{StreamId, WorkerId};
use crate::store::{Contents, FleetStore, Listing, RetireIf};

/// Rows that are no leases, by key.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside {
    leader: Option<LeaderRow>,
    states: BTreeMap<StateKind, StateRow>,
    workers: BTreeMap<WorkerId, WorkerStats>,
    streams: Vec<StreamId>,
    heartbeats: BTreeMap<WorkerId, Heartbeat>,
    /// On those that have a row.
    calls: BTreeMap<WorkerId, u64>,
}

impl Beside {
    fn rows(&self) -> FleetRows {
        FleetRows {
            workers: self.workers.values().cloned().collect(),
            leader: self.leader.clone(),
            client_version: self.states.get(&StateKind::ClientVersion).cloned(),
            table_migration: self.states.get(&StateKind::TableMigration).cloned(),
            streams: self.streams.clone(),
            heartbeats: self.heartbeats.values().cloned().collect(),
            ..FleetRows::default()
        }
    }

    fn is_led_by(&self, held: &LeaderRow) -> bool {
        self.leader.as_ref().is_some_and(|row| row.is_same_version(held))
    }
}

impl MemoryLeaseStore {
    /// A step on the rows of one place.
    fn beside<'a, T: Send + 'a>(
        &'a self,
        home: Home,
        step: impl FnOnce(&mut Beside) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        async move {
            let mut tables = self.tables();
            match (home, &mut tables.separate) {
                (Home::LeaseTable, _) => Ok(step(&mut tables.beside)),
                (Home::SeparateTables, Some(separate)) => Ok(step(separate)),
                (Home::SeparateTables, None) => Err(StoreError::TableMissing {
                    table: "separate tables".to_owned(),
                }),
            }
        }
        .boxed()
    }

    fn all<'a, T: Send + 'a>(
        &'a self,
        step: impl FnOnce(&mut Tables) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        async move { Ok(step(&mut self.tables())) }.boxed()
    }
}

impl FleetStore for MemoryLeaseStore {
    fn scan(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        self.all(move |tables| Contents {
            listing: Listing {
                leases: tables.leases.values().cloned().collect(),
                skipped: Vec::new(),
            },
            beside: tables.beside.rows(),
        })
    }

    fn separate(&self) -> BoxFuture<'_, Result<SeparateTables, StoreError>> {
        self.all(move |tables| match &tables.separate {
            Some(separate) => SeparateTables::Present(separate.rows()),
            None => SeparateTables::Absent,
        })
    }

    fn index(&self) -> BoxFuture<'_, Result<IndexState, StoreError>> {
        self.all(move |tables| match tables.indexed {
            true => IndexState::Active,
            false => IndexState::Absent,
        })
    }

    fn create_index(&self) -> BoxFuture<'_, Result<IndexState, StoreError>> {
        self.all(move |tables| {
            tables.indexed = true;
            IndexState::Active
        })
    }

    fn prepare_separate(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.all(move |tables| {
            tables.separate.get_or_insert_default();
        })
    }

    fn leader(&self, home: Home) -> BoxFuture<'_, Result<Option<LeaderRow>, StoreError>> {
        self.beside(home, move |rows| rows.leader.clone())
    }

    fn acquire_leader<'a>(
        &'a self,
        home: Home,
        over: &'a Over,
        mine: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beside(home, move |rows| {
            if over.allows(rows.leader.as_ref()) {
                rows.leader = Some(mine.clone());
            }
            rows.is_led_by(mine)
        })
    }

    fn beat_leader<'a>(
        &'a self,
        home: Home,
        held: &'a LeaderRow,
        next: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beside(home, move |rows| {
            if rows.is_led_by(held)
                && let Some(row) = &mut rows.leader
            {
                row.version.clone_from(&next.version);
                row.lease_duration = next.lease_duration;
            }
            rows.is_led_by(next)
        })
    }

    fn release_leader<'a>(
        &'a self,
        home: Home,
        held: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beside(home, move |rows| {
            if rows.is_led_by(held) {
                rows.leader = None;
            }
            rows.leader.is_none()
        })
    }

    fn state(&self, home: Home, kind: StateKind) -> BoxFuture<'_, Result<Option<StateRow>, StoreError>> {
        self.beside(home, move |rows| rows.states.get(&kind).cloned())
    }

    fn create_state<'a>(
        &'a self,
        home: Home,
        kind: StateKind,
        row: &'a StateRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beside(home, move |rows| {
            rows.states.entry(kind).or_insert_with(|| row.clone()) == row
        })
    }

    fn advance_state<'a>(
        &'a self,
        home: Home,
        kind: StateKind,
        read: &'a StateRow,
        next: &'a StateRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beside(home, move |rows| match rows.states.get_mut(&kind) {
            Some(row) if row.value == read.value => {
                row.clone_from(next);
                true
            }
            row => row.is_some_and(|row| row == next),
        })
    }

    fn move_coordination<'a>(
        &'a self,
        leader: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<Option<usize>, StoreError>> {
        self.all(move |tables| {
            let separate = tables.separate.as_ref().filter(|rows| rows.is_led_by(leader))?;
            let beside = &mut tables.beside;
            let mut moved = 0;
            if let Some(row) = separate.states.get(&StateKind::ClientVersion) {
                beside.states.insert(StateKind::ClientVersion, row.clone());
                moved += 1;
            }
            for stream in &separate.streams {
                if !beside.streams.contains(stream) {
                    beside.streams.push(stream.clone());
                }
                moved += 1;
            }
            Some(moved)
        })
    }

    fn complete_migration<'a>(
        &'a self,
        read: &'a StateRow,
        next: &'a StateRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.all(move |tables| {
            let separate = tables.separate.as_mut();
            match separate.and_then(|rows| rows.states.get_mut(&StateKind::TableMigration)) {
                Some(row) if row.value == read.value => {
                    row.clone_from(next);
                    tables
                        .beside
                        .states
                        .insert(StateKind::TableMigration, next.clone());
                    true
                }
                row => row.is_some_and(|row| row == next),
            }
        })
    }

    fn report_worker<'a>(
        &'a self,
        home: Home,
        stats: &'a WorkerStats,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.beside(home, move |rows| {
            let before = rows.workers.remove(&stats.worker);
            let kept = |old: fn(&WorkerStats) -> Option<u64>| before.as_ref().and_then(old);
            let row = WorkerStats {
                support: stats.support.or_else(|| kept(|row| row.support)),
                support_at_s: stats.support_at_s.or_else(|| kept(|row| row.support_at_s)),
                ..stats.clone()
            };
            rows.workers.insert(stats.worker.clone(), row);
        })
    }

    fn retire_worker<'a>(
        &'a self,
        home: Home,
        worker: &'a WorkerId,
        only_if: RetireIf,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beside(home, move |rows| {
            let written_at = rows.workers.get(worker).map(|row| row.updated_at_s);
            let removed = match only_if {
                RetireIf::Mine => true,
                RetireIf::UpdatedAt(seconds) => written_at.is_none_or(|at| at == seconds),
            };
            if removed {
                rows.workers.remove(worker);
            }
            removed
        })
    }

    fn note_stream<'a>(
        &'a self,
        home: Home,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beside(home, move |rows| {
            let new = !rows.streams.contains(stream);
            if new {
                rows.streams.push(stream.clone());
            }
            new
        })
    }

    fn start_heartbeat<'a>(
        &'a self,
        watched: Option<&'a Heartbeat>,
        first: &'a Heartbeat,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beside(Home::LeaseTable, move |rows| {
            if rows.heartbeats.get(&first.worker) == watched {
                rows.heartbeats.insert(first.worker.clone(), first.clone());
                rows.calls.remove(&first.worker);
            }
            rows.heartbeats.get(&first.worker) == Some(first)
        })
    }

    fn beat<'a>(&'a self, held: &'a Heartbeat) -> BoxFuture<'a, Result<Beat, StoreError>> {
        self.beside(Home::LeaseTable, move |rows| {
            let next = held.next();
            match rows.heartbeats.get_mut(&held.worker) {
                Some(row) if row == held || *row == next => {
                    row.clone_from(&next);
                    let calls = rows.calls.get(&held.worker).copied().unwrap_or_default();
                    Beat::Alive { row: next, calls }
                }
                row => Beat::Gone(row.cloned()),
            }
        })
    }

    fn call_on<'a>(&'a self, worker: &'a Heartbeat) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beside(Home::LeaseTable, move |rows| {
            let row = rows.heartbeats.get(&worker.worker);
            let there = row.is_some_and(|row| row.incarnation == worker.incarnation);
            if there {
                *rows.calls.entry(worker.worker.clone()).or_default() += 1;
            }
            there
        })
    }

    fn end_heartbeat<'a>(&'a self, watched: &'a Heartbeat) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beside(Home::LeaseTable, move |rows| {
            if rows.heartbeats.get(&watched.worker) == Some(watched) {
                rows.heartbeats.remove(&watched.worker);
                rows.calls.remove(&watched.worker);
            }
            !rows.heartbeats.contains_key(&watched.worker)
        })
    }
}
