//! The fleet's own rows, attribute by attribute, in both places.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use kcl::fleet::{Heartbeat, Home, LeaderRow, StateKind, StateRow, WorkerStats};
use kcl::leader::lock::Over;
use kcl::lease::StreamId;
use kcl::store::{FleetStore, RetireIf};

use crate::world::{Item, World, item, n, s, worker};

/// Where rows stand: the table of states, and that of metrics.
const PLACES: [(Home, &str, &str); 2] = [
    (Home::LeaseTable, "app", "app"),
    (
        Home::SeparateTables,
        "app-CoordinatorState",
        "app-WorkerMetricStats",
    ),
];

fn coordinator_key(home: Home) -> &'static str {
    match home {
        Home::LeaseTable => "leaseKey",
        Home::SeparateTables => "key",
    }
}

fn worker_key(home: Home) -> &'static str {
    match home {
        Home::LeaseTable => "leaseKey",
        Home::SeparateTables => "wid",
    }
}

fn moment(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}

fn list(values: Vec<AttributeValue>) -> AttributeValue {
    AttributeValue::L(values)
}

fn map<const N: usize>(values: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(item(values))
}

fn changed(row: &Item, changes: &[(&str, AttributeValue)]) -> Item {
    let mut row = row.clone();
    row.extend(
        changes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    row
}

#[tokio::test]
async fn the_leaders_row_is_the_lock_clients() {
    let world = World::with_separate_tables().await;
    for (home, table, _) in PLACES {
        let key = coordinator_key(home);
        let mine = LeaderRow::new(
            worker("w1"),
            Duration::from_secs(120),
            "11111111-1111-4111-8111-111111111111".to_owned(),
        );
        assert!(
            world
                .store
                .acquire_leader(home, &Over::Nothing, &mine)
                .await
                .unwrap()
        );
        let expected = item([
            (key, s("Leader")),
            ("ownerName", s("w1")),
            ("leaseDuration", s("120000")),
            ("recordVersionNumber", s("11111111-1111-4111-8111-111111111111")),
            ("entityType", s("LEADER")),
        ]);
        assert_eq!(world.row(table, key, "Leader").await, Some(expected.clone()));

        let next = LeaderRow::new(worker("w1"), Duration::from_millis(90_500), "2".to_owned());
        assert!(world.store.beat_leader(home, &mine, &next).await.unwrap());
        let beaten = changed(
            &expected,
            &[("leaseDuration", s("90500")), ("recordVersionNumber", s("2"))],
        );
        assert_eq!(world.row(table, key, "Leader").await, Some(beaten));

        assert!(world.store.release_leader(home, &next).await.unwrap());
        assert_eq!(
            world.row(table, key, "Leader").await,
            None,
            "deleted, as KCL does"
        );
    }
}

#[tokio::test]
async fn a_java_leaders_row_is_watched_and_replaced() {
    let world = World::with_separate_tables().await;
    for (home, table, _) in PLACES {
        let key = coordinator_key(home);
        // As 3.0 to 3.4 write it: no kind.
        let java = item([
            (key, s("Leader")),
            ("ownerName", s("java-1")),
            ("leaseDuration", s("30000")),
            ("recordVersionNumber", s("r1")),
            ("data", AttributeValue::B(Blob::new(b"x".to_vec()))),
        ]);
        world.put_into(table, java.clone()).await;
        let watched = world.store.leader(home).await.unwrap().unwrap();
        assert_eq!(
            (watched.owner.as_str(), watched.lease_duration),
            ("java-1", Duration::from_secs(30))
        );
        assert!(!watched.released);
        let mine = LeaderRow::new(worker("w1"), Duration::from_secs(120), "r2".to_owned());
        assert!(
            world
                .store
                .acquire_leader(home, &Over::Version(watched.version), &mine)
                .await
                .unwrap()
        );
        assert_eq!(world.store.leader(home).await.unwrap(), Some(mine.clone()));

        world
            .put_into(table, changed(&java, &[("isReleased", s("1"))]))
            .await;
        let released = world.store.leader(home).await.unwrap().unwrap();
        assert!(released.released);
        assert!(
            world
                .store
                .acquire_leader(home, &Over::Released, &mine)
                .await
                .unwrap()
        );
        let row = world.row(table, key, "Leader").await.unwrap();
        assert!(
            !row.contains_key("isReleased") && !row.contains_key("data"),
            "the row is replaced as a whole"
        );
    }
}

#[tokio::test]
async fn states_in_bytes() {
    let world = World::with_separate_tables().await;
    let machines = [
        (
            StateKind::ClientVersion,
            "Migration3.0",
            "cv",
            "CLIENT_VERSION_MIGRATION",
        ),
        (
            StateKind::TableMigration,
            "TableMigration3.5",
            "tm",
            "TABLE_MIGRATION",
        ),
    ];
    for (home, table, _) in PLACES {
        for (kind, row_key, value, entity) in machines {
            let key = coordinator_key(home);
            let first = StateRow::first("A", &worker("w1"), moment(1_700_000_000_123));
            assert!(world.store.create_state(home, kind, &first).await.unwrap());
            let expected = item([
                (key, s(row_key)),
                (value, s("A")),
                ("mb", s("w1")),
                ("mts", n("1700000000123")),
                ("h", list(Vec::new())),
                ("entityType", s(entity)),
            ]);
            assert_eq!(world.row(table, key, row_key).await, Some(expected.clone()));

            let odd = changed(&expected, &[("fromTheFuture", n("1"))]);
            world.put_into(table, odd.clone()).await;
            let second = first.next("B", &worker("w2"), moment(1_700_000_000_456));
            assert!(
                world
                    .store
                    .advance_state(home, kind, &first, &second)
                    .await
                    .unwrap()
            );
            let past = map([(value, s("A")), ("mb", s("w1")), ("mts", n("1700000000123"))]);
            let moved = changed(
                &odd,
                &[
                    (value, s("B")),
                    ("mb", s("w2")),
                    ("mts", n("1700000000456")),
                    ("h", list(vec![past])),
                ],
            );
            assert_eq!(
                world.row(table, key, row_key).await,
                Some(moved),
                "and what we do not know stays"
            );
        }
    }
}

#[tokio::test]
async fn metrics_in_bytes() {
    let world = World::with_separate_tables().await;
    for (home, _, table) in PLACES {
        let key = worker_key(home);
        let bare = WorkerStats::new(worker("w1"), moment(1_700_000_000_999));
        world.store.report_worker(home, &bare).await.unwrap();
        let expected = item([
            (key, s("w1")),
            ("lut", n("1700000000")),
            ("sts", map([])),
            ("opr", map([])),
            ("sup", n("1")),
            ("slu", n("1700000000")),
            ("entityType", s("WORKER_METRIC_STATS")),
        ]);
        assert_eq!(world.row(table, key, "w1").await, Some(expected.clone()));

        let java = changed(
            &expected,
            &[("properties", map([("p", s("q"))])), ("fromTheFuture", n("1"))],
        );
        world.put_into(table, java.clone()).await;
        let measured = WorkerStats::new(worker("w1"), moment(1_700_000_030_000)).with_metric(
            "C",
            &[-1.0, 12.345_678_9],
            100.0,
        );
        world.store.report_worker(home, &measured).await.unwrap();
        let after = changed(
            &java,
            &[
                ("lut", n("1700000030")),
                ("slu", n("1700000030")),
                ("sts", map([("C", list(vec![n("-1"), n("12.345679")]))])),
                ("opr", map([("C", list(vec![n("100")]))])),
            ],
        );
        assert_eq!(
            world.row(table, key, "w1").await,
            Some(after),
            "and what we do not know stays"
        );
        assert!(
            world
                .store
                .retire_worker(home, &worker("w1"), RetireIf::Mine)
                .await
                .unwrap()
        );
        assert_eq!(world.row(table, key, "w1").await, None);
    }
}

#[tokio::test]
async fn streams_and_heartbeats_in_bytes() {
    let world = World::with_separate_tables().await;
    let stream: StreamId = "123456789012:orders:1700000000".parse().unwrap();
    for (home, table, _) in PLACES {
        let key = coordinator_key(home);
        assert!(world.store.note_stream(home, &stream).await.unwrap());
        let expected = item([
            (key, s(stream.as_str())),
            ("streamId", s(stream.as_str())),
            ("entityType", s("STREAM")),
        ]);
        assert_eq!(world.row(table, key, stream.as_str()).await, Some(expected));
    }
    let first = Heartbeat::first(worker("w1"), "i1".to_owned(), Duration::from_secs(10));
    assert!(world.store.start_heartbeat(None, &first).await.unwrap());
    world.store.beat(&first).await.unwrap();
    let expected = item([
        ("leaseKey", s("heartbeat:w1")),
        ("worker", s("w1")),
        ("incarnation", s("i1")),
        ("beat", n("1")),
        ("lifetimeMillis", n("10000")),
        ("entityType", s("KINESIS_KIT_HEARTBEAT")),
    ]);
    assert_eq!(world.row("app", "leaseKey", "heartbeat:w1").await, Some(expected));
}

#[tokio::test]
async fn rows_of_the_coordinator_table_move_as_they_are() {
    let world = World::with_separate_tables().await;
    let mine = LeaderRow::new(worker("w1"), Duration::from_secs(120), "v".to_owned());
    assert!(
        world
            .store
            .acquire_leader(Home::SeparateTables, &Over::Nothing, &mine)
            .await
            .unwrap()
    );
    // As 3.4 wrote it, without a kind, and with what nobody knows yet.
    let old = item([
        ("key", s("Migration3.0")),
        ("cv", s("CLIENT_VERSION_3X")),
        ("mb", s("java-1")),
        ("mts", n("1700000000123")),
        ("fromTheFuture", map([("a", n("1"))])),
    ]);
    world.put_into("app-CoordinatorState", old.clone()).await;
    // Of no kind that we could name in the lease table, where it would be taken for a lease.
    world
        .put_into("app-CoordinatorState", item([("key", s("news")), ("x", n("1"))]))
        .await;
    assert_eq!(world.store.move_coordination(&mine).await.unwrap(), Some(1));
    let mut expected = changed(
        &old,
        &[
            ("leaseKey", s("Migration3.0")),
            ("entityType", s("CLIENT_VERSION_MIGRATION")),
        ],
    );
    expected.remove("key");
    assert_eq!(world.row("app", "leaseKey", "Migration3.0").await, Some(expected));
    assert_eq!(world.row("app", "leaseKey", "news").await, None);
    assert_eq!(world.row("app", "leaseKey", "Leader").await, None);
}
