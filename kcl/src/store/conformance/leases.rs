//! What a lease keeps, and what moves its counter and checkpoint.

use std::collections::BTreeSet;

use bytes::Bytes;
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::{alice, at, bob, created, held, ids, lease, ok, row, taken, to};
use crate::lease::{Lease, LeaseKey, PendingCheckpoint, StreamId};
use crate::position::Checkpoint;
use crate::store::{CheckpointUpdate, LeaseStore, Renewal};

pub(super) async fn run<S, F>(store: &impl Fn() -> F)
where
    S: LeaseStore,
    F: Future<Output = S>,
{
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
    adds_children(&store().await).await;
    deletes(&store().await).await;
    lists_many(&store().await).await;
    keeps_the_stream(&store().await).await;
    tells_its_throughput(&store().await).await;
    fills_in_a_hash_range(&store().await).await;
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
    assert!(!ok(store.delete(&lease.key).await), "it is gone");
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

async fn keeps_the_stream(store: &dyn LeaseStore) {
    let stream: StreamId = "123456789012:orders:1700000000"
        .parse()
        .expect("invariant: a valid literal");
    let lease = Lease::of_stream(stream.clone(), &ShardId::from_number(3), Checkpoint::Latest);
    let lease = created(store, lease).await;
    let mine = taken(store, &lease, &alice()).await;
    let moved = held(ok(store.checkpoint(&mine, &to(at("5", 0))).await));
    let stored = row(store, &lease.key).await;
    assert_eq!(stored, moved);
    assert_eq!(
        (stored.stream, stored.key.shard()),
        (Some(stream), Some(ShardId::from_number(3)))
    );
}

async fn tells_its_throughput(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    let measured = Lease {
        throughput_kbps: Some(812.417_969),
        ..mine
    };
    let renewed = held(ok(store.renew(&measured).await));
    assert_eq!(row(store, &renewed.key).await.throughput_kbps, Some(812.417_969));
    let slower = Lease {
        throughput_kbps: Some(406.25),
        ..renewed
    };
    let moved = held(ok(store.checkpoint(&slower, &to(at("77", 3))).await));
    let stored = row(store, &moved.key).await.throughput_kbps;
    assert_eq!(stored, Some(406.25), "a checkpoint tells it too");
    let silent = Lease {
        throughput_kbps: None,
        ..moved
    };
    let silent = Lease {
        throughput_kbps: None,
        ..held(ok(store.renew(&silent).await))
    };
    held(ok(store.checkpoint(&silent, &to(at("78", 0))).await));
    let stored = row(store, &silent.key).await.throughput_kbps;
    assert_eq!(stored, Some(406.25), "a holder that measures nothing leaves it");
}

async fn fills_in_a_hash_range(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    let range = |start, end| {
        HashKeyRange::new(HashKey::new(start), HashKey::new(end)).expect("invariant: start <= end")
    };
    ok(store.set_hash_range(&mine.key, &range(7, 7)).await);
    assert_eq!(
        row(store, &mine.key).await,
        mine,
        "KCL could not read a range of one key"
    );
    ok(store.set_hash_range(&mine.key, &range(7, 9)).await);
    let filled = Lease {
        hash_range: Some(range(7, 9)),
        ..mine
    };
    assert_eq!(row(store, &filled.key).await, filled, "nothing else moves");
    let absent = lease(2).key;
    ok(store.set_hash_range(&absent, &range(7, 9)).await);
    assert_eq!(ok(store.get(&absent).await), None, "a range makes no row");
}
