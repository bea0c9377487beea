//! How a lease changes hands.

use std::collections::HashSet;

use super::{alice, at, bob, carol, created, held, lease, ok, row, taken, to};
use crate::lease::{Lease, LeaseKey};
use crate::store::{LeaseStore, Renewal};

pub(super) async fn run<S, F>(store: &impl Fn() -> F)
where
    S: LeaseStore,
    F: Future<Output = S>,
{
    hands_over_gracefully(&store().await).await;
    asks_once(&store().await).await;
    takes_an_overdue_hand_over(&store().await).await;
    learns_of_a_hand_over_by_a_checkpoint(&store().await).await;
    releases(&store().await).await;
    releases_into_a_hand_over(&store().await).await;
    marks_who_took_it(&store().await).await;
    assigns(&store().await).await;
    assigns_over_a_hand_over(&store().await).await;
    finds_what_is_owned(&store().await).await;
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

async fn marks_who_took_it(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    assert!(mine.owner_is_of_this_crate());
    assert!(ok(store.assign(&mine, &bob()).await));
    assert!(
        !row(store, &mine.key).await.owner_is_of_this_crate(),
        "nobody knows what bob is"
    );
}

async fn assigns(store: &dyn LeaseStore) {
    let free = created(store, lease(1)).await;
    assert!(ok(store.assign(&free, &alice()).await));
    let hers = row(store, &free.key).await;
    assert_eq!(
        (&hers.owner, hers.counter, hers.owner_switches),
        (&Some(alice()), free.counter + 1, 0)
    );
    assert!(
        ok(store.assign(&free, &alice()).await),
        "an assignment whose reply was lost is recovered"
    );
    assert_eq!(row(store, &free.key).await, hers);
    assert!(!ok(store.assign(&free, &bob()).await), "it has an owner by now");

    let renewed = held(ok(store.renew(&hers).await));
    assert!(
        ok(store.assign(&hers, &bob()).await),
        "a busy owner does not starve the leader"
    );
    let his = row(store, &free.key).await;
    assert_eq!(
        (&his.owner, his.counter, his.owner_switches),
        (&Some(bob()), renewed.counter + 1, 1)
    );
    assert!(
        matches!(ok(store.renew(&renewed).await), Renewal::Lost(Some(_))),
        "and she finds out"
    );

    let absent = lease(2);
    assert!(!ok(store.assign(&absent, &bob()).await));
    assert_eq!(
        ok(store.get(&absent.key).await),
        None,
        "an assignment makes no row"
    );
}

async fn assigns_over_a_hand_over(store: &dyn LeaseStore) {
    let mine = taken(store, &created(store, lease(1)).await, &alice()).await;
    assert!(ok(store.request_hand_over(&mine, &bob()).await));
    let asked = row(store, &mine.key).await;
    assert!(
        !ok(store.assign(&mine, &carol()).await),
        "the leader has to see the hand-over first"
    );
    assert!(ok(store.assign(&asked, &carol()).await));
    let given = row(store, &mine.key).await;
    assert_eq!((&given.owner, &given.checkpoint_owner), (&Some(carol()), &None));
}

async fn finds_what_is_owned(store: &dyn LeaseStore) {
    let mut keys = Vec::new();
    for number in 0..6 {
        let free = created(store, lease(number)).await;
        let worker = if number % 2 == 0 { alice() } else { bob() };
        keys.push(taken(store, &free, &worker).await);
    }
    created(store, lease(9)).await;
    assert!(ok(store.request_hand_over(&keys[1], &alice()).await));
    let _ = ok(store.create_index().await);
    let known = HashSet::from([lease(2).key]);
    // Without an index nobody is asked to know.
    let Some(mut owned) = ok(store.list_owned(&alice(), &known).await) else {
        return;
    };
    owned.sort_by(|a, b| a.key.cmp(&b.key));
    let owned: Vec<LeaseKey> = owned.into_iter().map(|lease| lease.key).collect();
    let expected: Vec<LeaseKey> = [0, 4].map(|number| lease(number).key).into();
    assert_eq!(owned, expected, "what is on its way to her is not hers yet");
    let asked = row(store, &keys[1].key).await;
    assert!(ok(store.complete_hand_over(&asked).await));
    let owned = ok(store.list_owned(&alice(), &known).await);
    assert_eq!(owned.map(|owned| owned.len()), Some(3));
    assert_eq!(ok(store.list_owned(&carol(), &known).await), Some(Vec::new()));
}
