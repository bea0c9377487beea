//! The fleet's own rows: who leads, what was agreed on, how workers are.

use std::time::{Duration, SystemTime};

use super::{alice, bob, created, lease, ok};
use crate::fleet::{FleetRows, Home, LeaderRow, SeparateTables, StateKind, StateRow, WorkerStats};
use crate::leader::lock::Over;
use crate::lease::{StreamId, WorkerId};
use crate::store::{LeaseStore, RetireIf};

const HOMES: [Home; 2] = [Home::LeaseTable, Home::SeparateTables];
const KINDS: [StateKind; 2] = [StateKind::ClientVersion, StateKind::TableMigration];

pub(super) async fn run<S, F>(store: &impl Fn() -> F)
where
    S: LeaseStore,
    F: Future<Output = S>,
{
    has_no_separate_tables(&store().await).await;
    leads_one_at_a_time(&store().await).await;
    replaces_what_was_watched(&store().await).await;
    moves_states(&store().await).await;
    reports_workers(&store().await).await;
    retires_workers(&store().await).await;
    notes_streams(&store().await).await;
    surveys_everything(&store().await).await;
    moves_to_one_table(&store().await).await;
}

async fn has_no_separate_tables(store: &dyn LeaseStore) {
    assert_eq!(ok(store.separate().await), SeparateTables::Absent);
    assert!(
        ok(store.survey().await).beside.is_empty(),
        "preparing writes no row"
    );
    ok(store.prepare_separate().await);
    ok(store.prepare_separate().await);
    assert_eq!(
        ok(store.separate().await),
        SeparateTables::Present(FleetRows::default())
    );
}

async fn leads_one_at_a_time(store: &dyn LeaseStore) {
    ok(store.prepare_separate().await);
    for home in HOMES {
        assert_eq!(ok(store.leader(home).await), None);
        let (first, other) = (leader(&alice(), "a1"), leader(&bob(), "b1"));
        assert!(ok(store.acquire_leader(home, &Over::Nothing, &first).await));
        assert!(
            ok(store.acquire_leader(home, &Over::Nothing, &first).await),
            "a lost reply is recovered"
        );
        assert!(
            !ok(store.acquire_leader(home, &Over::Nothing, &other).await),
            "alice was first"
        );
        assert_eq!(ok(store.leader(home).await).as_ref(), Some(&first));

        let next = LeaderRow {
            lease_duration: Duration::from_millis(7001),
            ..leader(&alice(), "a2")
        };
        assert!(ok(store.beat_leader(home, &first, &next).await));
        assert!(
            ok(store.beat_leader(home, &first, &next).await),
            "a lost reply is recovered"
        );
        assert_eq!(ok(store.leader(home).await).as_ref(), Some(&next));
        assert!(
            !ok(store.beat_leader(home, &first, &leader(&alice(), "a3")).await),
            "not that version"
        );
        assert!(
            !ok(store.beat_leader(home, &leader(&bob(), "a2"), &other).await),
            "not that owner"
        );

        assert!(!ok(store.release_leader(home, &first).await), "not that version");
        assert!(ok(store.release_leader(home, &next).await));
        assert!(
            ok(store.release_leader(home, &next).await),
            "a lost reply is recovered"
        );
        assert_eq!(ok(store.leader(home).await), None);
        assert!(
            !ok(store.beat_leader(home, &next, &leader(&alice(), "a4")).await),
            "a beat makes no row"
        );
        assert_eq!(ok(store.leader(home).await), None);
    }
}

fn version_of(row: &LeaderRow) -> Over {
    Over::Version(row.version.clone())
}

async fn replaces_what_was_watched(store: &dyn LeaseStore) {
    let home = Home::LeaseTable;
    let dead = leader(&alice(), "a1");
    let heir = leader(&bob(), "b1");
    assert!(
        !ok(store.acquire_leader(home, &version_of(&dead), &heir).await),
        "nothing to replace"
    );
    assert!(ok(store.acquire_leader(home, &Over::Nothing, &dead).await));
    let alive = leader(&alice(), "a2");
    assert!(ok(store.beat_leader(home, &dead, &alive).await));
    assert!(
        !ok(store.acquire_leader(home, &version_of(&dead), &heir).await),
        "it moved while it was watched"
    );
    assert!(ok(store.acquire_leader(home, &version_of(&alive), &heir).await));
    assert!(
        !ok(store.beat_leader(home, &alive, &leader(&alice(), "a3")).await),
        "alice finds out"
    );
    assert_eq!(ok(store.leader(home).await), Some(heir.clone()));

    let next = leader(&alice(), "a4");
    assert!(
        !ok(store.acquire_leader(home, &Over::Released, &next).await),
        "nobody gave it up"
    );
    assert_eq!(ok(store.leader(home).await), Some(heir));
}

async fn moves_states(store: &dyn LeaseStore) {
    ok(store.prepare_separate().await);
    for home in HOMES {
        for kind in KINDS {
            assert_eq!(ok(store.state(home, kind).await), None);
            let first = StateRow::first("A", &alice(), moment(1));
            assert!(ok(store.create_state(home, kind, &first).await));
            assert!(
                ok(store.create_state(home, kind, &first).await),
                "a lost reply is recovered"
            );
            let late = StateRow::first("B", &bob(), moment(2));
            assert!(
                !ok(store.create_state(home, kind, &late).await),
                "alice was first"
            );
            assert_eq!(ok(store.state(home, kind).await).as_ref(), Some(&first));

            let second = first.next("B", &bob(), moment(3));
            assert!(ok(store.advance_state(home, kind, &first, &second).await));
            assert!(
                ok(store.advance_state(home, kind, &first, &second).await),
                "a lost reply is recovered"
            );
            assert!(!ok(store
                .advance_state(home, kind, &first, &first.next("C", &alice(), moment(4)))
                .await));
            let third = second.next("C", &alice(), moment(5));
            assert!(ok(store.advance_state(home, kind, &second, &third).await));
            assert_eq!(ok(store.state(home, kind).await), Some(third), "with its history");
        }
    }
}

async fn reports_workers(store: &dyn LeaseStore) {
    ok(store.prepare_separate().await);
    for home in HOMES {
        let bare = WorkerStats::new(alice(), moment(1_700_000_000_000));
        ok(store.report_worker(home, &bare).await);
        assert_eq!(workers(store, home).await, std::slice::from_ref(&bare));
        let measured =
            WorkerStats::new(alice(), moment(1_700_000_030_000)).with_metric("C", &[-1.0, 12.5], 100.0);
        ok(store.report_worker(home, &measured).await);
        ok(store.report_worker(home, &measured).await);
        assert_eq!(workers(store, home).await, std::slice::from_ref(&measured));
        let older = WorkerStats {
            updated_at_s: 1_700_000_060,
            support: None,
            support_at_s: None,
            ..bare.clone()
        };
        ok(store.report_worker(home, &older).await);
        let kept = WorkerStats {
            updated_at_s: 1_700_000_060,
            support_at_s: measured.support_at_s,
            ..bare.clone()
        };
        assert_eq!(
            workers(store, home).await,
            [kept],
            "what is not said stays, what was measured does not"
        );
    }
}

async fn retires_workers(store: &dyn LeaseStore) {
    ok(store.prepare_separate().await);
    for home in HOMES {
        let stats = WorkerStats::new(alice(), moment(1_700_000_000_000));
        ok(store.report_worker(home, &stats).await);
        assert!(
            !ok(store.retire_worker(home, &alice(), RetireIf::UpdatedAt(7)).await),
            "it lives"
        );
        assert_eq!(workers(store, home).await.len(), 1);
        let seen = RetireIf::UpdatedAt(stats.updated_at_s);
        assert!(ok(store.retire_worker(home, &alice(), seen).await));
        assert!(
            ok(store.retire_worker(home, &alice(), seen).await),
            "a lost reply is recovered"
        );
        ok(store.report_worker(home, &stats).await);
        assert!(ok(store.retire_worker(home, &alice(), RetireIf::Mine).await));
        assert!(ok(store.retire_worker(home, &alice(), RetireIf::Mine).await));
        assert_eq!(workers(store, home).await, []);
    }
}

async fn notes_streams(store: &dyn LeaseStore) {
    ok(store.prepare_separate().await);
    let stream = stream();
    for home in HOMES {
        assert!(ok(store.note_stream(home, &stream).await));
        assert!(!ok(store.note_stream(home, &stream).await), "it is there");
    }
    assert_eq!(ok(store.survey().await).beside.streams, [stream]);
}

async fn surveys_everything(store: &dyn LeaseStore) {
    let lease = created(store, lease(1)).await;
    let home = Home::LeaseTable;
    let (led, state) = (leader(&alice(), "a1"), StateRow::first("A", &alice(), moment(1)));
    let stats = WorkerStats::new(alice(), moment(1));
    assert!(ok(store.acquire_leader(home, &Over::Nothing, &led).await));
    assert!(ok(store
        .create_state(home, StateKind::ClientVersion, &state)
        .await));
    ok(store.report_worker(home, &stats).await);
    let survey = ok(store.survey().await);
    let expected = FleetRows {
        workers: vec![stats],
        leader: Some(led),
        client_version: Some(state),
        ..FleetRows::default()
    };
    assert_eq!(
        (&survey.leases, &survey.beside),
        (&vec![lease.clone()], &expected)
    );
    assert_eq!(
        (&survey.separate, survey.skipped.len()),
        (&SeparateTables::Absent, 0)
    );
    let listing = ok(store.list().await);
    assert_eq!(
        (listing.leases, listing.skipped.len()),
        (vec![lease], 0),
        "a listing holds leases only"
    );
}

async fn moves_to_one_table(store: &dyn LeaseStore) {
    ok(store.prepare_separate().await);
    let there = Home::SeparateTables;
    let led = leader(&alice(), "a1");
    let version = StateRow::first("A", &alice(), moment(1)).next("B", &bob(), moment(2));
    let pending = StateRow::first("PENDING", &alice(), moment(3));
    assert!(ok(store.acquire_leader(there, &Over::Nothing, &led).await));
    assert!(ok(store
        .create_state(there, StateKind::ClientVersion, &version)
        .await));
    assert!(ok(store
        .create_state(there, StateKind::TableMigration, &pending)
        .await));
    assert!(ok(store.note_stream(there, &stream()).await));

    assert_eq!(
        ok(store.move_coordination(&leader(&bob(), "b1")).await),
        None,
        "bob does not lead"
    );
    assert!(ok(store.survey().await).beside.is_empty());
    assert_eq!(ok(store.move_coordination(&led).await), Some(2));
    assert_eq!(
        ok(store.move_coordination(&led).await),
        Some(2),
        "again, to the same end"
    );
    let moved = FleetRows {
        client_version: Some(version),
        streams: vec![stream()],
        ..FleetRows::default()
    };
    assert_eq!(
        ok(store.survey().await).beside,
        moved,
        "all but the leader and the migration itself"
    );

    let complete = pending.next("COMPLETE", &alice(), moment(4));
    let elsewhere = StateRow::first("DEPLOYED", &bob(), moment(4));
    assert!(
        !ok(store.complete_migration(&elsewhere, &complete).await),
        "it is not there"
    );
    assert_eq!(
        ok(store.state(Home::LeaseTable, StateKind::TableMigration).await),
        None
    );
    assert!(ok(store.complete_migration(&pending, &complete).await));
    assert!(
        ok(store.complete_migration(&pending, &complete).await),
        "a lost reply is recovered"
    );
    for home in HOMES {
        let row = ok(store.state(home, StateKind::TableMigration).await);
        assert_eq!(row.as_ref(), Some(&complete), "{home:?}");
    }
}

async fn workers(store: &dyn LeaseStore, home: Home) -> Vec<WorkerStats> {
    let survey = ok(store.survey().await);
    match home {
        Home::LeaseTable => survey.beside.workers,
        Home::SeparateTables => survey
            .separate_rows()
            .map(|rows| rows.workers.clone())
            .unwrap_or_default(),
    }
}

fn leader(worker: &WorkerId, version: &str) -> LeaderRow {
    LeaderRow::new(worker.clone(), Duration::from_secs(120), version.to_owned())
}

fn stream() -> StreamId {
    "123456789012:orders:1700000000"
        .parse()
        .expect("invariant: a valid literal")
}

fn moment(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}
