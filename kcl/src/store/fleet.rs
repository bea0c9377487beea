//! The rows beside the leases: who leads, what the fleet agreed on, how its workers are.

use std::fmt;

use futures::FutureExt as _;
use futures::future::{BoxFuture, try_join3};

use super::Listing;
use crate::error::StoreError;
use crate::fleet::{
    Beat, FleetRows, Heartbeat, Home, IndexState, LeaderRow, SeparateTables, StateKind, StateRow, Survey,
    WorkerStats,
};
use crate::leader::lock::Over;
use crate::lease::{StreamId, WorkerId};

/// The fleet's own rows, in the lease table or in the separate tables of KCL 3.0 to 3.4 (KCL: `CoordinatorStateDAO`,
/// `WorkerMetricStatsDAO`, and the lock client). Where a row belongs is decided by [`fleet`](crate::fleet) and given with each call.
///
/// # Cancel safety
/// A dropped call may or may not have been applied. Every write is conditional, or repeats what it said, so that
/// repeating it is safe; a write that happened although its reply was lost is recognised.
pub trait FleetStore: fmt::Debug + Send + Sync + 'static {
    /// One pass over the lease table: leases and everything beside them.
    fn scan(&self) -> BoxFuture<'_, Result<Contents, StoreError>>;

    /// The separate tables, if they are there.
    fn separate(&self) -> BoxFuture<'_, Result<SeparateTables, StoreError>>;

    /// How the index of owners stands.
    fn index(&self) -> BoxFuture<'_, Result<IndexState, StoreError>>;

    /// Starts building the index of owners unless it is there, and does not wait for it.
    fn create_index(&self) -> BoxFuture<'_, Result<IndexState, StoreError>>;

    /// Creates the separate tables where they are missing, and waits until they can be used. For fleets of KCL 3.0 to
    /// 3.4 only.
    fn prepare_separate(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Everything at once: what [`identify`](crate::fleet::identify()) wants to see.
    fn survey(&self) -> BoxFuture<'_, Result<Survey, StoreError>> {
        async move {
            let (contents, separate, index) = try_join3(self.scan(), self.separate(), self.index()).await?;
            let Contents { listing, beside } = contents;
            Ok(Survey {
                leases: listing.leases,
                beside,
                separate,
                index,
                skipped: listing.skipped,
            })
        }
        .boxed()
    }

    /// The leader's row, read consistently.
    fn leader(&self, home: Home) -> BoxFuture<'_, Result<Option<LeaderRow>, StoreError>>;

    /// Makes `mine` the leader's row, if `over` allows it: see [`Lock`](crate::leader::lock::Lock), which decides. `true`: we
    /// lead.
    fn acquire_leader<'a>(
        &'a self,
        home: Home,
        over: &'a Over,
        mine: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The leader's heartbeat: the row gets the version and duration of `next`, if it is still `held`. `false`: we do not
    /// lead any more.
    fn beat_leader<'a>(
        &'a self,
        home: Home,
        held: &'a LeaderRow,
        next: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Gives leadership up: removes the row if it is still `held`. `false`: it was no longer ours.
    fn release_leader<'a>(
        &'a self,
        home: Home,
        held: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The row of a state machine, read consistently. One that cannot be read is [`StoreError::Row`].
    fn state(&self, home: Home, kind: StateKind) -> BoxFuture<'_, Result<Option<StateRow>, StoreError>>;

    /// Writes the first value of a state machine, if it has none. `false`: it has one.
    fn create_state<'a>(
        &'a self,
        home: Home,
        kind: StateKind,
        row: &'a StateRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Moves a state machine on, if its value is still that of `read`. `false`: somebody else moved it.
    fn advance_state<'a>(
        &'a self,
        home: Home,
        kind: StateKind,
        read: &'a StateRow,
        next: &'a StateRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Copies the coordinator's rows (all but the leader's and the migration's own) from the separate table into the
    /// lease table, while `leader` still leads there. The number of rows copied; `None`: we do not lead any more.
    fn move_coordination<'a>(
        &'a self,
        leader: &'a LeaderRow,
    ) -> BoxFuture<'a, Result<Option<usize>, StoreError>>;

    /// The last step of a table migration: writes `next` into both tables at once, if the separate table still says what
    /// `read` does. `false`: somebody else moved it.
    fn complete_migration<'a>(
        &'a self,
        read: &'a StateRow,
        next: &'a StateRow,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Writes a worker's metrics over what was there; attributes that we do not know stay.
    fn report_worker<'a>(
        &'a self,
        home: Home,
        stats: &'a WorkerStats,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Removes a worker's metrics: one's own at shutdown, or a stale row, if it was not written since it was read.
    /// `false`: it was.
    fn retire_worker<'a>(
        &'a self,
        home: Home,
        worker: &'a WorkerId,
        only_if: RetireIf,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Writes a stream down (KCL 3.5: `StreamInfo`), if it is not there. `true`: written.
    fn note_stream<'a>(&'a self, home: Home, stream: &'a StreamId)
    -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Begins a private heartbeat, if the row is still as `watched`. `false`: somebody else of that name is there.
    fn start_heartbeat<'a>(
        &'a self,
        watched: Option<&'a Heartbeat>,
        first: &'a Heartbeat,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The next beat of a private heartbeat, if the row is still `held`.
    fn beat<'a>(&'a self, held: &'a Heartbeat) -> BoxFuture<'a, Result<Beat, StoreError>>;

    /// Calls on a worker to look at the table: its next beat tells it ([`Beat::Alive`]). Not a sign of life of it, whatever the row
    /// counts. `false`: no row of this incarnation is there, whose leases are others' now.
    fn call_on<'a>(&'a self, worker: &'a Heartbeat) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Ends a heartbeat, one's own at shutdown or one that stood still, if it is still as `watched`. From then on its
    /// worker's leases are free. `false`: it moved.
    fn end_heartbeat<'a>(&'a self, watched: &'a Heartbeat) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// What one pass over the lease table found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// Leases, and rows that cannot be read.
    pub listing: Listing,
    /// Rows that are no leases.
    pub beside: FleetRows,
}

/// When [`FleetStore::retire_worker`] removes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetireIf {
    /// In any case: the row is one's own.
    Mine,
    /// When it was last written at this time, seconds since 1970.
    UpdatedAt(u64),
}
