//! Every method of a lease store, for tests that put something between a store and its caller.

/// Calls the macro `$with` once for each trait: `$with! { Trait: method(argument: Type) -> Answer; … }`. All methods return
/// `BoxFuture<'a, Result<Answer, StoreError>>`; the types are those of where it is called.
macro_rules! every_method {
    ($with:ident) => {
        $with! {
            LeaseStore:
            prepare() -> ();
            list() -> Listing;
            list_owned(worker: &'a WorkerId, known: &'a HashSet<LeaseKey>) -> Option<Vec<Lease>>;
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
            delete(key: &'a LeaseKey) -> bool;
        }

        $with! {
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
            call_on(worker: &'a Heartbeat) -> bool;
            end_heartbeat(watched: &'a Heartbeat) -> bool;
        }
    };
}

pub(crate) use every_method;
