//! The suite that every [`LeaseStore`] must pass.
//!
//! Behind the feature `conformance`, for stores of your own:
//!
//! ```ignore
//! #[tokio::test]
//! async fn conforms() {
//!     kcl::store::conformance::run(|| async { MyStore::empty().await }).await;
//! }
//! ```

use std::collections::BTreeSet;

use bytes::Bytes;
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::{CheckpointUpdate, LeaseStore, Renewal};
use crate::lease::{Lease, LeaseKey, PendingCheckpoint, WorkerId};
use crate::position::{Checkpoint, Position, SequenceNumber};

/// Runs every case, each on a store of its own. `fresh` makes an empty store, which the suite then prepares.
///
/// # Panics
/// When the store breaks a promise of [`LeaseStore`]; the message names it.
pub async fn run<S, F>(fresh: impl Fn() -> F)
where
    S: LeaseStore,
    F: Future<Output = S>,
{
    let store = || async {
        let store = fresh().await;
        store.prepare().await.expect("an empty store can be prepared");
        store.prepare().await.expect("preparing again changes nothing");
        store
    };
    creates_once(&store().await).await;
    keeps_every_field(&store().await).await;
    takes_by_counter(&store().await).await;
    counts_switches_of_owners(&store().await).await;
    renews_by_counter(&store().await).await;
    recovers_a_lost_renewal(&store().await).await;
    checkpoints_by_counter(&store().await).await;
    prepares_and_commits(&store().await).await;
    recovers_a_lost_checkpoint(&store().await).await;
    checkpoints_over_a_lost_renewal(&store().await).await;
    hands_over_gracefully(&store().await).await;
    asks_once(&store().await).await;
    takes_an_overdue_hand_over(&store().await).await;
    learns_of_a_hand_over_by_a_checkpoint(&store().await).await;
    releases(&store().await).await;
    releases_into_a_hand_over(&store().await).await;
    adds_children(&store().await).await;
    deletes(&store().await).await;
    lists_many(&store().await).await;
}

async fn creates_once(store: &dyn LeaseStore) {
    let lease = lease(1);
    assert_eq!(
        ok(store.get(&lease.key).await),
        None,
        "an empty store has no lease"
    );
    assert!(ok(store.create(&lease).await), "a new key is written");
    let second = Lease {
        checkpoint: Checkpoint::Latest,
        ..lease.clone()
    };
    assert!(
        !ok(store.create(&second).await),
        "a key that is there is not written"
    );
    assert_eq!(
        ok(store.get(&lease.key).await),
        Some(lease),
        "the first row stays"
    );
}

async fn keeps_every_field(store: &dyn LeaseStore) {
    let full = Lease {
        owner: Some(alice()),
        counter: u64::MAX / 2,
        checkpoint: at("49590338271490256608559692538361571095921575989136588898", 7),
        owner_switches: 3,
        parents: ids(&[1, 2]),
        children: ids(&[8, 9]),
        hash_range: HashKeyRange::new(HashKey::new(1), HashKey::MAX).ok(),
        ..lease(5)
    };
    assert!(ok(store.create(&full).await));
    assert_eq!(
        ok(store.get(&full.key).await).as_ref(),
        Some(&full),
        "every field is kept"
    );
    assert_eq!(ok(store.list().await).leases, [full], "and listed alike");
}

async fn takes_by_counter(store: &dyn LeaseStore) {
    let free = created(store, lease(1)).await;
    let taken = ok(store.take(&free, &alice()).await).expect("a free lease can be taken");
    assert_eq!(taken.owner, Some(alice()));
    assert_eq!(taken.counter, free.counter + 1, "a take moves the counter");
    assert_eq!(
        ok(store.take(&free, &bob()).await),
        None,
        "the counter is not what bob saw"
    );
    assert_eq!(row(store, &free.key).await, taken);

    let absent = lease(2);
    assert_eq!(
        ok(store.take(&absent, &alice()).await),
        None,
        "a lease that is not there cannot be taken"
    );
    assert_eq!(
        ok(store.get(&absent.key).await),
        None,
        "and does not come to be by it"
    );
    let again = ok(store.take(&free, &alice()).await);
    assert_eq!(again, Some(taken), "a take whose reply was lost is recovered");
}

async fn counts_switches_of_owners(store: &dyn LeaseStore) {
    let free = created(store, lease(1)).await;
    let first = taken(store, &free, &alice()).await;
    assert_eq!(first.owner_switches, 0, "the first owner is no switch");
    let second = taken(store, &first, &bob()).await;
    assert_eq!(second.owner_switches, 1);
    let same = taken(store, &second, &bob()).await;
    assert_eq!(same.owner_switches, 1, "the same owner is no switch");
    let done = held(ok(store.checkpoint(&same, &to(at("5", 0))).await));
    assert_eq!(
        row(store, &done.key).await.owner_switches,
        0,
        "a checkpoint starts the count again"
    );
}

async fn renews_by_counter(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    let renewed = held(ok(store.renew(&mine).await));
    assert_eq!(renewed.counter, mine.counter + 1);
    let renewed = held(ok(store.renew(&renewed).await));
    assert_eq!(
        row(store, &mine.key).await,
        renewed,
        "what the holder knows is what is there"
    );

    let theirs = taken(store, &renewed, &bob()).await;
    assert_eq!(
        ok(store.renew(&renewed).await),
        Renewal::Lost(Some(theirs.clone())),
        "taken by bob"
    );
    assert_eq!(
        row(store, &mine.key).await,
        theirs,
        "a lost renewal writes nothing"
    );
    ok(store.delete(&mine.key).await);
    assert_eq!(ok(store.renew(&renewed).await), Renewal::Lost(None), "deleted");
    assert_eq!(
        ok(store.get(&mine.key).await),
        None,
        "a renewal does not bring a row back"
    );
}

async fn recovers_a_lost_renewal(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    let renewed = held(ok(store.renew(&mine).await));
    let again = held(ok(store.renew(&mine).await));
    assert_eq!(
        again.counter, renewed.counter,
        "the same renewal again finds its own write"
    );
    held(ok(store.renew(&again).await));
    let old = ok(store.renew(&mine).await);
    assert!(
        matches!(old, Renewal::Lost(Some(_))),
        "two writes ahead is somebody else: {old:?}"
    );
}

async fn checkpoints_by_counter(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    let moved = held(ok(store.checkpoint(&mine, &to(at("77", 3))).await));
    assert_eq!(
        (moved.counter, &moved.checkpoint),
        (mine.counter + 1, &at("77", 3))
    );
    assert_eq!(row(store, &mine.key).await, moved);
    let ended = held(ok(store.checkpoint(&moved, &to(Checkpoint::ShardEnd)).await));
    assert!(row(store, &mine.key).await.is_finished());

    let theirs = taken(store, &ended, &bob()).await;
    let late = ok(store.checkpoint(&ended, &to(at("78", 0))).await);
    assert_eq!(late, Renewal::Lost(Some(theirs.clone())), "taken by bob");
    assert_eq!(
        row(store, &mine.key).await,
        theirs,
        "a lost checkpoint writes nothing"
    );
    ok(store.delete(&mine.key).await);
    assert_eq!(
        ok(store.checkpoint(&ended, &to(at("78", 0))).await),
        Renewal::Lost(None),
        "deleted"
    );
    assert_eq!(
        ok(store.get(&mine.key).await),
        None,
        "a checkpoint does not bring a row back"
    );
}

async fn prepares_and_commits(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    let states = [Some(Bytes::from_static(b"\0state")), None];
    let mut now = mine;
    for state in states {
        let pending = Some(PendingCheckpoint {
            checkpoint: at("90", 1),
            state,
        });
        let prepared = CheckpointUpdate {
            checkpoint: now.checkpoint.clone(),
            pending: pending.clone(),
        };
        now = held(ok(store.checkpoint(&now, &prepared).await));
        assert_eq!(
            row(store, &now.key).await.pending,
            pending,
            "a prepared checkpoint replaces the one before"
        );
        assert_eq!(
            row(store, &now.key).await.checkpoint,
            Checkpoint::TrimHorizon,
            "and moves nothing"
        );
    }
    now = held(ok(store.checkpoint(&now, &to(at("90", 1))).await));
    let stored = row(store, &now.key).await;
    assert_eq!(
        (stored.pending, stored.checkpoint),
        (None, at("90", 1)),
        "a checkpoint removes the prepared one"
    );
}

async fn recovers_a_lost_checkpoint(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    let moved = held(ok(store.checkpoint(&mine, &to(at("77", 3))).await));
    let again = held(ok(store.checkpoint(&mine, &to(at("77", 3))).await));
    assert_eq!(again, moved, "the same checkpoint again finds its own write");
    let renewed = held(ok(store.renew(&mine).await));
    assert_eq!(renewed, moved, "so does the next heartbeat");
}

async fn checkpoints_over_a_lost_renewal(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    held(ok(store.renew(&mine).await));
    // The holder never saw the reply.
    let moved = held(ok(store.checkpoint(&mine, &to(at("77", 0))).await));
    assert_eq!(
        (moved.counter, &moved.checkpoint),
        (mine.counter + 2, &at("77", 0))
    );
    assert_eq!(row(store, &mine.key).await, moved);
}

async fn hands_over_gracefully(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    assert!(ok(store.request_hand_over(&mine, &bob()).await));
    let asked = row(store, &mine.key).await;
    assert_eq!(
        (&asked.owner, &asked.checkpoint_owner),
        (&Some(bob()), &Some(alice()))
    );
    assert_eq!(asked.counter, mine.counter, "a request leaves the counter alone");
    assert_eq!(asked.actual_owner(), Some(&alice()));

    let learned = match ok(store.renew(&mine).await) {
        Renewal::HandOverRequested(lease) => lease,
        other => panic!("the holder learns of the request: {other:?}"),
    };
    assert_eq!(learned, asked, "the refused heartbeat wrote nothing");
    let renewed = held(ok(store.renew(&learned).await));
    let moved = held(ok(store.checkpoint(&renewed, &to(at("9", 0))).await));
    assert_eq!(
        row(store, &mine.key).await,
        moved,
        "the holder goes on until it is done"
    );

    assert!(ok(store.complete_hand_over(&moved).await));
    let given = row(store, &mine.key).await;
    assert_eq!((&given.owner, &given.checkpoint_owner), (&Some(bob()), &None));
    assert_eq!(given.counter, moved.counter + 1);
    assert!(
        ok(store.complete_hand_over(&moved).await),
        "a completion whose reply was lost is recovered"
    );
    assert_eq!(row(store, &mine.key).await, given);
    assert!(
        matches!(ok(store.renew(&moved).await), Renewal::Lost(Some(_))),
        "alice has it no more"
    );
    assert!(
        !ok(store.complete_hand_over(&given).await),
        "there is nothing left to complete"
    );
}

async fn asks_once(store: &dyn LeaseStore) {
    let free = created(store, lease(1)).await;
    assert!(!ok(store.request_hand_over(&free, &bob()).await), "nobody to ask");
    let mine = taken(store, &free, &alice()).await;
    assert!(ok(store.request_hand_over(&mine, &bob()).await));
    assert!(
        !ok(store.request_hand_over(&mine, &carol()).await),
        "bob was first"
    );
    assert!(
        ok(store.request_hand_over(&mine, &bob()).await),
        "a request whose reply was lost is recovered"
    );
    assert_eq!(row(store, &mine.key).await.owner, Some(bob()));
    let absent = Lease {
        owner: Some(alice()),
        ..lease(2)
    };
    assert!(!ok(store.request_hand_over(&absent, &bob()).await));
    assert_eq!(ok(store.get(&absent.key).await), None, "a request makes no row");
    assert!(!ok(store.complete_hand_over(&absent).await));
}

async fn takes_an_overdue_hand_over(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    assert!(ok(store.request_hand_over(&mine, &bob()).await));
    let asked = row(store, &mine.key).await;
    let theirs = taken(store, &asked, &bob()).await;
    assert_eq!(
        (&theirs.owner, &theirs.checkpoint_owner),
        (&Some(bob()), &None),
        "a take clears the hand-over"
    );
    assert!(matches!(ok(store.renew(&mine).await), Renewal::Lost(Some(_))));
}

async fn learns_of_a_hand_over_by_a_checkpoint(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    assert!(ok(store.request_hand_over(&mine, &bob()).await));
    let moved = held(ok(store.checkpoint(&mine, &to(at("9", 0))).await));
    assert!(
        moved.hand_over_pending(),
        "the answer to a checkpoint tells of the request"
    );
    assert_eq!(moved, row(store, &mine.key).await);
    // A heartbeat that was applied before the request, its reply lost.
    let fresh = taken(store, &moved, &alice()).await;
    held(ok(store.renew(&fresh).await));
    assert!(ok(store.request_hand_over(&fresh, &bob()).await));
    let renewed = held(ok(store.renew(&fresh).await));
    assert!(
        renewed.hand_over_pending() && renewed.counter == fresh.counter + 1,
        "{renewed:?}"
    );
}

async fn releases(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    assert!(ok(store.release(&mine).await));
    let free = row(store, &mine.key).await;
    assert_eq!((&free.owner, free.counter), (&None, mine.counter + 1));
    assert!(
        ok(store.release(&mine).await),
        "a release whose reply was lost is recovered"
    );
    assert!(matches!(ok(store.renew(&mine).await), Renewal::Lost(Some(_))));
    let theirs = taken(store, &free, &bob()).await;
    assert!(!ok(store.release(&mine).await), "bob has it");
    assert_eq!(row(store, &mine.key).await, theirs);
    ok(store.delete(&mine.key).await);
    assert!(!ok(store.release(&theirs).await), "deleted");
    assert_eq!(
        ok(store.get(&mine.key).await),
        None,
        "a release does not bring a row back"
    );
}

async fn releases_into_a_hand_over(store: &dyn LeaseStore) {
    for known in [true, false] {
        let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
        assert!(ok(store.request_hand_over(&mine, &bob()).await));
        let asked = row(store, &mine.key).await;
        let as_held = if known { &asked } else { &mine };
        assert!(ok(store.release(as_held).await), "known: {known}");
        let given = row(store, &mine.key).await;
        assert_eq!(
            (&given.owner, &given.checkpoint_owner),
            (&Some(bob()), &None),
            "known: {known}"
        );
        assert_eq!(given.counter, mine.counter + 1, "known: {known}");
        ok(store.delete(&mine.key).await);
    }
}

async fn adds_children(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    let [one, two] = [ShardId::from_number(8), ShardId::from_number(9)];
    ok(store.set_children(&mine.key, &[]).await);
    ok(store.set_children(&mine.key, std::slice::from_ref(&one)).await);
    ok(store.set_children(&mine.key, &[one, two]).await);
    let expected = Lease {
        children: ids(&[8, 9]),
        ..mine.clone()
    };
    assert_eq!(
        row(store, &mine.key).await,
        expected,
        "children are added, nothing else moves"
    );
    let absent = lease(2).key;
    ok(store.set_children(&absent, &[ShardId::from_number(3)]).await);
    assert_eq!(ok(store.get(&absent).await), None, "children make no row");
}

async fn deletes(store: &dyn LeaseStore) {
    let lease = created(store, lease(1)).await;
    ok(store.delete(&lease.key).await);
    assert_eq!(ok(store.get(&lease.key).await), None);
    ok(store.delete(&lease.key).await);
}

async fn lists_many(store: &dyn LeaseStore) {
    for number in 0..40 {
        created(store, lease(number)).await;
    }
    let listing = ok(store.list().await);
    let keys: BTreeSet<LeaseKey> = listing.leases.into_iter().map(|lease| lease.key).collect();
    assert_eq!(
        (keys.len(), listing.skipped.len()),
        (40, 0),
        "each lease is listed once"
    );
}

fn lease(shard: u64) -> Lease {
    Lease::new(
        LeaseKey::of_shard(&ShardId::from_number(shard)),
        Checkpoint::TrimHorizon,
    )
}

async fn created(store: &dyn LeaseStore, lease: Lease) -> Lease {
    assert!(ok(store.create(&lease).await), "{} is new", lease.key);
    lease
}

async fn taken(store: &dyn LeaseStore, observed: &Lease, by: &WorkerId) -> Lease {
    ok(store.take(observed, by).await).expect("the lease is as observed")
}

async fn row(store: &dyn LeaseStore, key: &LeaseKey) -> Lease {
    ok(store.get(key).await).expect("the lease is there")
}

fn held(renewal: Renewal) -> Lease {
    match renewal {
        Renewal::Held(lease) => lease,
        other => panic!("still held, but the store says {other:?}"),
    }
}

fn ok<T, E: std::fmt::Debug>(answer: Result<T, E>) -> T {
    answer.expect("the store answers")
}

fn to(checkpoint: Checkpoint) -> CheckpointUpdate {
    CheckpointUpdate {
        checkpoint,
        pending: None,
    }
}

fn at(sequence_number: &str, sub_sequence_number: u64) -> Checkpoint {
    let number = SequenceNumber::parse(sequence_number).expect("invariant: a decimal literal");
    Checkpoint::At(Position::new(number, sub_sequence_number))
}

fn ids(numbers: &[u64]) -> BTreeSet<ShardId> {
    numbers
        .iter()
        .map(|number| ShardId::from_number(*number))
        .collect()
}

fn alice() -> WorkerId {
    WorkerId::new("alice")
}

fn bob() -> WorkerId {
    WorkerId::new("bob")
}

fn carol() -> WorkerId {
    WorkerId::new("carol")
}
