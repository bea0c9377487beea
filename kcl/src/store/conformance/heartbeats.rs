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
    match beat {
        Beat::Alive(heartbeat) => heartbeat,
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
