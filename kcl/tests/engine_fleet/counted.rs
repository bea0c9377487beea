//! A lease table that counts what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use kcl::fleet::{
    Beat, Heartbeat, Home, IndexState, LeaderRow, SeparateTables, StateKind, StateRow, WorkerStats,
};
use kcl::leader::lock::Over;
use kcl::lease::{Lease, StreamId};
use kcl::store::{CheckpointUpdate, Contents, FleetStore, Listing, Renewal, RetireIf};
use kcl::{HashKeyRange, LeaseKey, LeaseStore, MemoryLeaseStore, ShardId, StoreError, WorkerId};

/// The table of a fleet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    inner: MemoryLeaseStore,
    requests: Arc<AtomicU64>,
}

impl Counted {
    /// Requests to DynamoDB that this would have been: reading the table is one for each MiB, at 600 bytes a lease.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn add(&self, count: u64) {
        self.requests.fetch_add(count, Ordering::Relaxed);
    }
}

/// How many requests an answer takes.
trait Pages {
    fn pages(&self) -> u64 {
        1
    }
}

impl Pages for Listing {
    fn pages(&self) -> u64 {
        (self.leases.len() as u64 * 600).div_ceil(1 << 20).max(1)
    }
}

impl Pages for Contents {
    fn pages(&self) -> u64 {
        self.listing.pages()
    }
}

macro_rules! one_page {
    ($($kind:ty),* $(,)?) => { $(impl Pages for $kind {})* };
}

one_page! {
    (), bool, Renewal, Beat, IndexState, SeparateTables, Vec<Lease>, Option<Lease>, Option<LeaderRow>, Option<StateRow>,
    Option<usize>,
}

macro_rules! counted {
    ($store:ident: $($name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl $store for Counted {
            $(fn $name<'a>(&'a self, $($arg: $kind),*) -> BoxFuture<'a, Result<$answer, StoreError>> {
                Box::pin(async move {
                    let answer = self.inner.$name($($arg),*).await;
                    self.add(answer.as_ref().map_or(1, Pages::pages));
                    answer
                })
            })*
        }
    };
}

counted! {
    LeaseStore:
    prepare() -> ();
    list() -> Listing;
    list_owned(worker: &'a WorkerId) -> Vec<Lease>;
    get(key: &'a LeaseKey) -> Option<Lease>;
    create(lease: &'a Lease) -> bool;
    renew(held: &'a Lease) -> Renewal;
    take(observed: &'a Lease, me: &'a WorkerId) -> Option<Lease>;
    assign(observed: &'a Lease, next: &'a WorkerId) -> bool;
    request_hand_over(observed: &'a Lease, next: &'a WorkerId) -> bool;
    complete_hand_over(held: &'a Lease) -> bool;
    release(held: &'a Lease) -> bool;
    checkpoint(held: &'a Lease, update: &'a CheckpointUpdate) -> Renewal;
    set_children(key: &'a LeaseKey, children: &'a [ShardId]) -> ();
    set_hash_range(key: &'a LeaseKey, range: &'a HashKeyRange) -> ();
    delete(key: &'a LeaseKey) -> ();
}

counted! {
    FleetStore:
    scan() -> Contents;
    separate() -> SeparateTables;
    index() -> IndexState;
    create_index() -> IndexState;
    prepare_separate() -> ();
    leader(home: Home) -> Option<LeaderRow>;
    acquire_leader(home: Home, over: &'a Over, mine: &'a LeaderRow) -> bool;
    beat_leader(home: Home, held: &'a LeaderRow, next: &'a LeaderRow) -> bool;
    release_leader(home: Home, held: &'a LeaderRow) -> bool;
    state(home: Home, kind: StateKind) -> Option<StateRow>;
    create_state(home: Home, kind: StateKind, row: &'a StateRow) -> bool;
    advance_state(home: Home, kind: StateKind, read: &'a StateRow, next: &'a StateRow) -> bool;
    move_coordination(leader: &'a LeaderRow) -> Option<usize>;
    complete_migration(read: &'a StateRow, next: &'a StateRow) -> bool;
    report_worker(home: Home, stats: &'a WorkerStats) -> ();
    retire_worker(home: Home, worker: &'a WorkerId, only_if: RetireIf) -> bool;
    note_stream(home: Home, stream: &'a StreamId) -> bool;
    start_heartbeat(watched: Option<&'a Heartbeat>, first: &'a Heartbeat) -> bool;
    beat(held: &'a Heartbeat) -> Beat;
    end_heartbeat(watched: &'a Heartbeat) -> bool;
}
