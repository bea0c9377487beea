//! The promises of [`FleetStore`], each kept elsewhere.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{DynamoDbLeaseStore, table};
use crate::error::StoreError;
use crate::fleet::{
    Beat, Heartbeat, Home, IndexState, LeaderRow, SeparateTables, StateKind, StateRow, WorkerStats,
};
use crate::leader::lock::Over;
use crate::lease::{StreamId, WorkerId};
use crate::store::{Contents, FleetStore, RetireIf};

impl FleetStore for DynamoDbLeaseStore {
    fn scan(&self) -> BoxFuture<'_, Result<Contents, StoreError>> {
        self.scan_all().boxed()
    }

    fn separate(&self) -> BoxFuture<'_, Result<SeparateTables, StoreError>> {
        self.scan_separate().boxed()
    }

    fn index(&self) -> BoxFuture<'_, Result<IndexState, StoreError>> {
        self.look_at_index().boxed()
    }

    fn create_index(&self) -> BoxFuture<'_, Result<IndexState, StoreError>> {
        self.build_index().boxed()
    }

    fn prepare_separate(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        table::prepare_separate(self).boxed()
    }

    fn leader(&self, home: Home) -> BoxFuture<'_, Result<Option<LeaderRow>, StoreError>> {
        self.read_leader(home).boxed()
    }

    fn acquire_leader<'a>(
        &'a self,
        home: Home,
        over: &'a Over,
        mine: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.put_leader(home, over, mine).boxed()
    }

    fn beat_leader<'a>(
        &'a self,
        home: Home,
        held: &'a LeaderRow,
        next: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.beat_as_leader(home, held, next).boxed()
    }

    fn release_leader<'a>(
        &'a self,
        home: Home,
        held: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.delete_leader(home, held).boxed()
    }

    fn state(&self, home: Home, kind: StateKind) -> BoxFuture<'_, Result<Option<StateRow>, StoreError>> {
        self.read_state(home, kind).boxed()
    }

    fn create_state<'a>(
        &'a self,
        home: Home,
        kind: StateKind,
        row: &'a StateRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.put_state(home, kind, row).boxed()
    }

    fn advance_state<'a>(
        &'a self,
        home: Home,
        kind: StateKind,
        read: &'a StateRow,
        next: &'a StateRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.move_state(home, kind, read, next).boxed()
    }

    fn move_coordination<'a>(
        &'a self,
        leader: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<Option<usize>, StoreError>> {
        self.copy_coordination(leader).boxed()
    }

    fn complete_migration<'a>(
        &'a self,
        read: &'a StateRow,
        next: &'a StateRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.finish_migration(read, next).boxed()
    }

    fn report_worker<'a>(
        &'a self,
        home: Home,
        stats: &'a WorkerStats,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write_worker(home, stats).boxed()
    }

    fn retire_worker<'a>(
        &'a self,
        home: Home,
        worker: &'a WorkerId,
        only_if: RetireIf,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.remove_worker(home, worker, only_if).boxed()
    }

    fn note_stream<'a>(
        &'a self,
        home: Home,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.put_stream(home, stream).boxed()
    }

    fn start_heartbeat<'a>(
        &'a self,
        watched: Option<&'a Heartbeat>,
        first: &'a Heartbeat,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.put_heartbeat(watched, first).boxed()
    }

    fn beat<'a>(&'a self, held: &'a Heartbeat) -> BoxFuture<'a, Result<Beat, StoreError>> {
        self.next_beat(held).boxed()
    }

    fn call_on<'a>(&'a self, worker: &'a Heartbeat) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.count_call(worker).boxed()
    }

    fn end_heartbeat<'a>(&'a self, watched: &'a Heartbeat) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.delete_heartbeat(watched).boxed()
    }
}
