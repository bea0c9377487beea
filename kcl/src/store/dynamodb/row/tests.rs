use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;

use super::value::{number, text};
use super::*;
use crate::fleet::{Heartbeat, LeaderRow, StateRow, WorkerStats};
use crate::lease::{StreamId, WorkerId};

fn sorted(item: &Item) -> Contents {
    let mut contents = Contents::default();
    sort_in(item, &mut contents);
    contents
}

fn row<const N: usize>(key: &str, attributes: [(&str, AttributeValue); N]) -> Item {
    let mut item = Item::from([(LEASE_KEY.to_owned(), text(key))]);
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
    item
}

fn moment() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)
}

#[test]
fn every_kind_comes_back_from_its_row() {
    let worker = WorkerId::new("w1");
    let leader = LeaderRow::new(worker.clone(), Duration::from_secs(120), "v1".to_owned());
    let state = StateRow::first("A", &worker, moment()).next("B", &worker, moment());
    let stream: StreamId = "1:orders:17".parse().unwrap();
    let heartbeat = Heartbeat::first(worker, "i1".to_owned(), Duration::from_secs(10)).next();
    let mut contents = Contents::default();
    for item in [
        leader::encode(&leader, LEASE_KEY),
        state::encode(StateKind::ClientVersion, &state, LEASE_KEY),
        state::encode(StateKind::TableMigration, &state, LEASE_KEY),
        stream::encode(&stream, LEASE_KEY),
        heartbeat::encode(&heartbeat),
    ] {
        sort_in(&item, &mut contents);
    }
    let expected = FleetRows {
        leader: Some(leader),
        client_version: Some(state.clone()),
        table_migration: Some(state),
        streams: vec![stream],
        heartbeats: vec![heartbeat],
        ..FleetRows::default()
    };
    assert_eq!(contents.beside, expected);
    assert_eq!(contents.listing, crate::store::Listing::default());
}

#[test]
fn the_fleets_own_keys_are_never_leases() {
    // KCL 3.0 to 3.4 wrote no kind.
    let leader = row(
        "Leader",
        [
            ("ownerName", text("w1")),
            ("leaseDuration", text("120000")),
            ("recordVersionNumber", text("v")),
        ],
    );
    assert_eq!(
        sorted(&leader).beside.leader.unwrap().lease_duration,
        Duration::from_secs(120)
    );
    let broken = [
        (row("Leader", [("ownerName", text("w1"))]), "leaseDuration"),
        (
            row("Leader", [("leaseDuration", number(120_000))]),
            "leaseDuration",
        ),
        (row("Leader", [("leaseDuration", text("soon"))]), "leaseDuration"),
        (row("Migration3.0", []), "cv"),
        (row("Migration3.0", [("cv", number(3))]), "cv"),
        (
            row("Migration3.0", [("cv", text("A")), ("mts", text("now"))]),
            "mts",
        ),
        (row("TableMigration3.5", [("cv", text("A"))]), "tm"),
    ];
    for (item, attribute) in broken {
        let contents = sorted(&item);
        let [skipped] = &contents.listing.skipped[..] else {
            panic!("{item:?}")
        };
        assert_eq!(skipped.attribute, attribute);
        assert_eq!(
            skipped.key.as_ref().unwrap().as_str(),
            item[LEASE_KEY].as_s().unwrap()
        );
        assert!(contents.listing.leases.is_empty() && contents.beside.is_empty());
    }
}

#[test]
fn rows_of_workers_are_read_or_reported() {
    let n = |digits: &str| AttributeValue::N(digits.to_owned());
    let list = |numbers: &[&str]| AttributeValue::L(numbers.iter().map(|digits| n(digits)).collect());
    let map = |name: &str, value| AttributeValue::M(Item::from([(name.to_owned(), value)]));
    let kind = || (ENTITY_TYPE, text("WORKER_METRIC_STATS"));
    let full = row(
        "w1",
        [
            kind(),
            ("lut", n("1700000000")),
            ("sts", map("C", list(&["12.5", "-1"]))),
            ("opr", map("C", list(&["100"]))),
            ("properties", map("x", n("1"))),
            ("sup", n("1")),
            ("slu", n("1700000001")),
        ],
    );
    let contents = sorted(&full);
    let expected = WorkerStats {
        updated_at_s: 1_700_000_000,
        support_at_s: Some(1_700_000_001),
        ..WorkerStats::new(WorkerId::new("w1"), moment()).with_metric("C", &[12.5, -1.0], 100.0)
    };
    assert_eq!(contents.beside.workers, [expected]);
    let bare = sorted(&row("w1", [kind(), ("lut", n("7"))]));
    assert_eq!(bare.beside.workers[0].support, None);
    let broken = [
        (row("w1", [kind()]), "lut"),
        (row("w1", [kind(), ("lut", text("now"))]), "lut"),
        (row("w1", [kind(), ("lut", n("7")), ("sts", n("1"))]), "sts"),
        (
            row("w1", [kind(), ("lut", n("7")), ("sts", map("C", n("1")))]),
            "sts",
        ),
        (
            row(
                "w1",
                [
                    kind(),
                    ("lut", n("7")),
                    ("opr", map("C", AttributeValue::L(vec![text("x")]))),
                ],
            ),
            "opr",
        ),
    ];
    for (item, attribute) in broken {
        let contents = sorted(&item);
        assert_eq!(contents.listing.skipped[0].attribute, attribute, "{item:?}");
        assert!(contents.beside.workers.is_empty());
    }
}

#[test]
fn kinds_of_the_future_are_counted_and_garbage_is_reported() {
    let mut contents = Contents::default();
    for item in [
        row("x", [(ENTITY_TYPE, text("NEWS"))]),
        row("y", [(ENTITY_TYPE, number(1))]),
        Item::from([(ENTITY_TYPE.to_owned(), text("NEWS"))]),
    ] {
        sort_in(&item, &mut contents);
    }
    assert_eq!(contents.beside.unknown, 3);
    for item in [
        Item::new(),
        Item::from([(LEASE_KEY.to_owned(), number(1))]),
        row("w1", [("lut", number(7))]),
        row("heartbeat:w1", [(ENTITY_TYPE, text("KINESIS_KIT_HEARTBEAT"))]),
        row("s", [(ENTITY_TYPE, text("STREAM"))]),
    ] {
        sort_in(&item, &mut contents);
    }
    assert_eq!(contents.listing.skipped.len(), 5);
    assert!(contents.listing.leases.is_empty());
}

#[test]
fn separate_tables_have_their_own_keys() {
    let (mut rows, mut bad) = (FleetRows::default(), Vec::new());
    let worker = WorkerId::new("w1");
    let leader = LeaderRow::new(worker.clone(), Duration::from_secs(1), "v".to_owned());
    let stream: StreamId = "1:orders:17".parse().unwrap();
    sort_coordinator_in(&leader::encode(&leader, COORDINATOR_KEY), &mut rows, &mut bad);
    sort_coordinator_in(&stream::encode(&stream, COORDINATOR_KEY), &mut rows, &mut bad);
    sort_coordinator_in(
        &Item::from([("key".to_owned(), text("else"))]),
        &mut rows,
        &mut bad,
    );
    let metrics = Item::from([("wid".to_owned(), text("w1")), ("lut".to_owned(), number(7))]);
    sort_worker_in(&metrics, &mut rows, &mut bad);
    assert!(bad.is_empty());
    assert_eq!(
        (rows.leader, rows.streams, rows.unknown),
        (Some(leader), vec![stream], 1)
    );
    assert_eq!(rows.workers[0].worker, worker);
    let mut rows = FleetRows::default();
    sort_coordinator_in(&Item::new(), &mut rows, &mut bad);
    sort_worker_in(&row("w1", [("lut", number(7))]), &mut rows, &mut bad);
    let attributes: Vec<_> = bad.iter().map(|row| row.attribute).collect();
    assert_eq!(attributes, ["key", "wid"]);
    assert!(rows.is_empty());
}

#[test]
fn what_cannot_be_read_of_a_history_is_left_out() {
    let entry = |value| {
        let entry = Item::from([
            ("cv".to_owned(), value),
            ("mb".to_owned(), text("w")),
            ("mts".to_owned(), number(1)),
        ]);
        AttributeValue::M(entry)
    };
    let history = vec![entry(text("A")), number(1), entry(number(2)), entry(text("B"))];
    let item = row(
        "Migration3.0",
        [("cv", text("C")), ("h", AttributeValue::L(history))],
    );
    let state = sorted(&item).beside.client_version.unwrap();
    assert_eq!((state.by.as_str(), state.at_ms), ("", 0));
    let values: Vec<_> = state.history.iter().map(|past| past.value.as_str()).collect();
    assert_eq!(values, ["A", "B"]);
}

fn any_value() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        ".{0,10}".prop_map(AttributeValue::S),
        "-?[0-9.]{0,30}".prop_map(AttributeValue::N),
        prop::collection::vec(".{0,5}", 0..3).prop_map(AttributeValue::Ss),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null(true)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(AttributeValue::L),
            prop::collection::hash_map("[a-zA-Z]{1,4}", inner, 0..3).prop_map(AttributeValue::M),
        ]
    })
}

const KEYS: [&str; 6] = [
    "Leader",
    "Migration3.0",
    "TableMigration3.5",
    "w1",
    "1:orders:17",
    "heartbeat:w1",
];
const KINDS: [&str; 6] = [
    "LEASE",
    "LEADER",
    "STREAM",
    "WORKER_METRIC_STATS",
    "KINESIS_KIT_HEARTBEAT",
    "CLIENT_VERSION_MIGRATION",
];
const NAMES: [&str; 16] = [
    "leaseDuration",
    "ownerName",
    "recordVersionNumber",
    "isReleased",
    "cv",
    "tm",
    "mb",
    "mts",
    "h",
    "lut",
    "sts",
    "opr",
    "sup",
    "streamId",
    "incarnation",
    "leaseKey",
];

proptest! {
    #[test]
    fn any_row_ends_in_one_place(
        key in prop::sample::select(KEYS.to_vec()),
        kind in prop::option::of(prop::sample::select(KINDS.to_vec())),
        values in prop::collection::vec((prop::sample::select(NAMES.to_vec()), any_value()), 0..6),
    ) {
        let mut item = row(key, []);
        item.extend(kind.map(|kind| (ENTITY_TYPE.to_owned(), text(kind))));
        item.extend(values.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let Contents { listing, beside } = sorted(&item);
        let places = [
            listing.leases.len(), listing.skipped.len(), beside.workers.len(), beside.streams.len(),
            beside.heartbeats.len(), beside.unknown, usize::from(beside.leader.is_some()),
            usize::from(beside.client_version.is_some()), usize::from(beside.table_migration.is_some()),
        ];
        prop_assert_eq!(places.iter().sum::<usize>(), 1);
    }

    #[test]
    fn metrics_come_back_to_six_decimals(
        values in prop::collection::vec(-1.0_f64..1e9, 0..10),
        names in prop::collection::btree_set("[A-Z]{1,2}", 0..4),
    ) {
        let names: BTreeSet<String> = names;
        let stats = names.iter().fold(
            WorkerStats::new(WorkerId::new("w1"), moment()),
            |stats, name| stats.with_metric(name, &values, 100.0),
        );
        let item = row("w1", [
            ("lut", number(stats.updated_at_s)),
            ("sts", worker::map(&stats.metrics)),
            ("opr", worker::map(&stats.ranges)),
        ]);
        let read = worker::decode(&item, LEASE_KEY).unwrap();
        prop_assert_eq!(&read.ranges, &stats.ranges);
        for (name, list) in &stats.metrics {
            prop_assert_eq!(read.metrics[name].len(), list.len());
            for (a, b) in list.iter().zip(&read.metrics[name]) {
                prop_assert!((a - b).abs() <= 1e-6, "{} {}", a, b);
            }
        }
    }
}
