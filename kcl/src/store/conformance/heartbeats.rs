//! The heartbeats of a private fleet.

use std::time::Duration;

use super::{alice, bob, ok};
use crate::fleet::{Beat, Heartbeat};
use crate::lease::WorkerId;
use crate::store::LeaseStore;

pub(super) async fn run<S, F>(store: &impl Fn() -> F)
where
    S: LeaseStore,
    F: Future<Output = S>,
{
    beats(&store().await).await;
    is_one_of_its_name(&store().await).await;
    ends_what_stood_still(&store().await).await;
    keeps_heartbeats_apart(&store().await).await;
    calls_reach_the_next_beat(&store().await).await;
    calls_are_no_sign_of_life(&store().await).await;
}

async fn beats(store: &dyn LeaseStore) {
    let first = first(&alice(), "i1");
    assert!(ok(store.start_heartbeat(None, &first).await));
    assert!(
        ok(store.start_heartbeat(None, &first).await),
        "a lost reply is recovered"
    );
    let second = alive(ok(store.beat(&first).await));
    assert_eq!(second, first.next());
    assert_eq!(
        alive(ok(store.beat(&first).await)),
        second,
        "a lost reply is recovered"
    );
    let third = alive(ok(store.beat(&second).await));
    assert_eq!(heartbeats(store).await, std::slice::from_ref(&third));
    assert!(ok(store.end_heartbeat(&third).await));
    assert!(ok(store.end_heartbeat(&third).await), "a lost reply is recovered");
    assert_eq!(
        ok(store.beat(&third).await),
        Beat::Gone(None),
        "a beat makes no row"
    );
    assert_eq!(heartbeats(store).await, []);
}

async fn is_one_of_its_name(store: &dyn LeaseStore) {
    let (old, new) = (first(&alice(), "i1"), first(&alice(), "i2"));
    assert!(ok(store.start_heartbeat(None, &old).await));
    assert!(!ok(store.start_heartbeat(None, &new).await), "alice runs already");
    let moved = alive(ok(store.beat(&old).await));
    assert!(
        !ok(store.start_heartbeat(Some(&old), &new).await),
        "and it moved while it was watched"
    );
    assert!(ok(store.start_heartbeat(Some(&moved), &new).await));
    assert_eq!(
        ok(store.beat(&moved).await),
        Beat::Gone(Some(new.clone())),
        "the old one finds out"
    );
    alive(ok(store.beat(&new).await));
}

async fn ends_what_stood_still(store: &dyn LeaseStore) {
    let watched = first(&alice(), "i1");
    assert!(ok(store.start_heartbeat(None, &watched).await));
    let moved = alive(ok(store.beat(&watched).await));
    assert!(!ok(store.end_heartbeat(&watched).await), "it moved");
    assert!(ok(store.end_heartbeat(&moved).await));
    assert_eq!(
        ok(store.beat(&moved).await),
        Beat::Gone(None),
        "the worker finds out"
    );
}

async fn calls_reach_the_next_beat(store: &dyn LeaseStore) {
    let first = first(&alice(), "i1");
    assert!(!ok(store.call_on(&first).await), "nobody is there");
    assert_eq!(heartbeats(store).await, [], "a call makes no row");
    assert!(ok(store.start_heartbeat(None, &first).await));
    let (second, before) = counted(ok(store.beat(&first).await));
    assert_eq!(before, 0);
    // One that knows only an earlier beat, and another one at the same time.
    assert!(ok(store.call_on(&first).await));
    assert!(ok(store.call_on(&second).await));
    let (third, told) = counted(ok(store.beat(&second).await));
    assert_eq!(third, second.next());
    assert!(told > before, "{told} calls");
    assert_eq!(
        counted(ok(store.beat(&second).await)),
        (third.clone(), told),
        "a lost reply loses no call"
    );
    let (fourth, again) = counted(ok(store.beat(&third).await));
    assert_eq!(again, told, "a beat takes no call away");
    let other = self::first(&alice(), "i2");
    assert!(!ok(store.call_on(&other).await), "that is another one");
    assert_eq!(counted(ok(store.beat(&fourth).await)).1, told);
}

async fn calls_are_no_sign_of_life(store: &dyn LeaseStore) {
    let watched = first(&alice(), "i1");
    assert!(ok(store.start_heartbeat(None, &watched).await));
    assert!(ok(store.call_on(&watched).await));
    assert_eq!(heartbeats(store).await, std::slice::from_ref(&watched));
    assert!(ok(store.end_heartbeat(&watched).await), "it stood still");
    assert!(!ok(store.call_on(&watched).await));
    assert_eq!(heartbeats(store).await, []);
    // Who comes after it has not been called.
    assert!(ok(store.start_heartbeat(None, &watched).await));
    assert!(ok(store.call_on(&watched).await));
    let after = first(&alice(), "i2");
    assert!(ok(store.start_heartbeat(Some(&watched), &after).await));
    assert_eq!(counted(ok(store.beat(&after).await)), (after.next(), 0));
}

async fn keeps_heartbeats_apart(store: &dyn LeaseStore) {
    for worker in [alice(), bob()] {
        assert!(ok(store.start_heartbeat(None, &first(&worker, "i1")).await));
    }
    let mut found = heartbeats(store).await;
    found.sort_by(|a, b| a.worker.cmp(&b.worker));
    assert_eq!(found, [first(&alice(), "i1"), first(&bob(), "i1")]);
    assert_eq!(ok(store.list().await).leases.len(), 0, "a heartbeat is no lease");
}

async fn heartbeats(store: &dyn LeaseStore) -> Vec<Heartbeat> {
    ok(store.scan().await).beside.heartbeats
}

fn alive(beat: Beat) -> Heartbeat {
    counted(beat).0
}

fn counted(beat: Beat) -> (Heartbeat, u64) {
    match beat {
        Beat::Alive { row, calls } => (row, calls),
        Beat::Gone(row) => panic!("still alive, but the store says {row:?}"),
    }
}

fn first(worker: &WorkerId, incarnation: &str) -> Heartbeat {
    Heartbeat::first(
        worker.clone(),
        incarnation.to_owned(),
        Duration::from_millis(7001),
    )
}
