//! The lease store on DynamoDB: the suite of every store, and the bytes of the rows, read and written here without
//! the store's own reader.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use bytes::Bytes;
use kcl::lease::{Lease, LeaseKey, PendingCheckpoint, WorkerId};
use kcl::position::{Checkpoint, Position, SequenceNumber};
use kcl::store::dynamodb::{DynamoDbLeaseStore, ScanConsistency};
use kcl::store::{CheckpointUpdate, LeaseStore, Renewal, conformance};
use kcl::{ShardId, StoreError};
use kinesis_aggregation::{HashKey, HashKeyRange};
use kinesis_local::Local;

type Item = HashMap<String, AttributeValue>;

const TABLE: &str = "app";
const SHARD: &str = "shardId-000000000003";
const NUMBER: &str = "49590338271490256608559692538361571095921575989136588898";

#[tokio::test]
async fn keeps_the_promises_of_every_store() {
    let local = Local::start().await.unwrap();
    let tables = std::sync::atomic::AtomicU32::new(0);
    conformance::run(|| async {
        let number = tables.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        DynamoDbLeaseStore::from_sdk_config(&local.dynamodb_config(), format!("app-{number}"))
    })
    .await;
    local.stop().await;
}

#[tokio::test]
async fn a_new_row_has_the_names_and_types_of_kcl() {
    let world = World::start().await;
    let mut lease = Lease::new(LeaseKey::new(SHARD), Checkpoint::TrimHorizon);
    lease.parents = BTreeSet::from([shard(1), shard(2)]);
    lease.hash_range = HashKeyRange::new(HashKey::MIN, HashKey::new(u128::MAX / 2)).ok();
    assert!(world.store.create(&lease).await.unwrap());

    assert_eq!(
        world.item().await,
        item([
            ("leaseKey", s(SHARD)),
            ("leaseCounter", n("0")),
            ("ownerSwitchesSinceCheckpoint", n("0")),
            ("checkpoint", s("TRIM_HORIZON")),
            ("checkpointSubSequenceNumber", n("0")),
            (
                "parentShardId",
                ss(&["shardId-000000000001", "shardId-000000000002"])
            ),
            ("startingHashKey", s("0")),
            ("endingHashKey", s("170141183460469231731687303715884105727")),
        ])
    );
}

#[tokio::test]
async fn what_is_empty_is_not_written() {
    let world = World::start().await;
    let mut lease = Lease::new(LeaseKey::new(SHARD), Checkpoint::Latest);
    // KCL cannot read a range of one key.
    lease.hash_range = HashKeyRange::new(HashKey::MAX, HashKey::MAX).ok();
    assert!(world.store.create(&lease).await.unwrap());
    assert_eq!(
        world.item().await,
        item([
            ("leaseKey", s(SHARD)),
            ("leaseCounter", n("0")),
            ("ownerSwitchesSinceCheckpoint", n("0")),
            ("checkpoint", s("LATEST")),
            ("checkpointSubSequenceNumber", n("0")),
        ])
    );
}

/// The row as it should be, changed step by step.
struct Expected(Item);

impl Expected {
    fn after(&mut self, changes: &[(&str, Option<AttributeValue>)]) -> Item {
        for (name, value) in changes {
            match value {
                Some(value) => self.0.insert((*name).to_owned(), value.clone()),
                None => self.0.remove(*name),
            };
        }
        self.0.clone()
    }
}

#[tokio::test]
async fn a_holders_writes_in_bytes() {
    let world = World::start().await;
    let (store, mut expected) = (&world.store, world.new_row().await);
    let lease = store.get(&LeaseKey::new(SHARD)).await.unwrap().unwrap();

    let held = store.take(&lease, &worker("w1")).await.unwrap().unwrap();
    let row = expected.after(&[("leaseOwner", Some(s("w1"))), ("leaseCounter", Some(n("1")))]);
    assert_eq!(world.item().await, row, "take");

    let held = expect_held(store.renew(&held).await);
    let row = expected.after(&[("leaseCounter", Some(n("2")))]);
    assert_eq!(world.item().await, row, "renew");

    let pending = PendingCheckpoint {
        checkpoint: at(NUMBER, 4),
        state: Some(Bytes::from_static(b"\xffst")),
    };
    let prepare = CheckpointUpdate {
        checkpoint: held.checkpoint.clone(),
        pending: Some(pending),
    };
    let held = expect_held(store.checkpoint(&held, &prepare).await);
    let row = expected.after(&[
        ("leaseCounter", Some(n("3"))),
        ("pendingCheckpoint", Some(s(NUMBER))),
        ("pendingCheckpointSubSequenceNumber", Some(n("4"))),
        (
            "pendingCheckpointState",
            Some(AttributeValue::B(Blob::new(b"\xffst".to_vec()))),
        ),
    ]);
    assert_eq!(world.item().await, row, "prepare");

    let commit = CheckpointUpdate {
        checkpoint: at(NUMBER, 4),
        pending: None,
    };
    let held = expect_held(store.checkpoint(&held, &commit).await);
    let row = expected.after(&[
        ("leaseCounter", Some(n("4"))),
        ("checkpoint", Some(s(NUMBER))),
        ("checkpointSubSequenceNumber", Some(n("4"))),
        ("pendingCheckpoint", None),
        ("pendingCheckpointSubSequenceNumber", None),
        ("pendingCheckpointState", None),
    ]);
    assert_eq!(world.item().await, row, "checkpoint");

    store
        .set_children(&held.key, &[shard(8), shard(9)])
        .await
        .unwrap();
    let children = ss(&["shardId-000000000008", "shardId-000000000009"]);
    let row = expected.after(&[("childShardIds", Some(children))]);
    assert_eq!(world.item().await, row, "children");

    let end = CheckpointUpdate {
        checkpoint: Checkpoint::ShardEnd,
        pending: None,
    };
    expect_held(store.checkpoint(&held, &end).await);
    let row = expected.after(&[
        ("leaseCounter", Some(n("5"))),
        ("checkpoint", Some(s("SHARD_END"))),
        ("checkpointSubSequenceNumber", Some(n("0"))),
    ]);
    assert_eq!(world.item().await, row, "end");
}

#[tokio::test]
async fn changes_of_owner_in_bytes() {
    let world = World::start().await;
    let (store, mut expected) = (&world.store, world.new_row().await);
    let lease = store.get(&LeaseKey::new(SHARD)).await.unwrap().unwrap();
    let held = store.take(&lease, &worker("w1")).await.unwrap().unwrap();

    assert!(store.request_hand_over(&held, &worker("w2")).await.unwrap());
    let row = expected.after(&[
        ("leaseOwner", Some(s("w2"))),
        ("checkpointOwner", Some(s("w1"))),
        ("leaseCounter", Some(n("1"))),
    ]);
    assert_eq!(world.item().await, row, "request");

    let Renewal::HandOverRequested(held) = store.renew(&held).await.unwrap() else {
        panic!("asked for")
    };
    assert!(store.complete_hand_over(&held).await.unwrap());
    let row = expected.after(&[("checkpointOwner", None), ("leaseCounter", Some(n("2")))]);
    assert_eq!(world.item().await, row, "hand over");

    let held = store.get(&held.key).await.unwrap().unwrap();
    assert!(store.release(&held).await.unwrap());
    let row = expected.after(&[("leaseOwner", None), ("leaseCounter", Some(n("3")))]);
    assert_eq!(world.item().await, row, "release");

    let held = store.get(&held.key).await.unwrap().unwrap();
    let held = store.take(&held, &worker("w3")).await.unwrap().unwrap();
    let row = expected.after(&[("leaseOwner", Some(s("w3"))), ("leaseCounter", Some(n("4")))]);
    assert_eq!(world.item().await, row, "no switch of owners from nobody");

    store.take(&held, &worker("w4")).await.unwrap().unwrap();
    let row = expected.after(&[
        ("leaseOwner", Some(s("w4"))),
        ("leaseCounter", Some(n("5"))),
        ("ownerSwitchesSinceCheckpoint", Some(n("1"))),
    ]);
    assert_eq!(world.item().await, row, "a switch of owners");
}

/// A row as KCL 3.5 writes it, and attributes that nobody knows yet.
fn java_row() -> Item {
    item([
        ("leaseKey", s(SHARD)),
        ("leaseOwner", s("java-1")),
        ("leaseCounter", n("4711")),
        ("ownerSwitchesSinceCheckpoint", n("2")),
        ("checkpoint", s(NUMBER)),
        ("checkpointSubSequenceNumber", n("12")),
        ("parentShardId", ss(&["shardId-000000000001"])),
        ("childShardIds", ss(&["shardId-000000000007"])),
        ("startingHashKey", s("0")),
        ("endingHashKey", s("170141183460469231731687303715884105727")),
        ("throughputKBps", n("812.417969")),
        ("entityType", s("LEASE")),
        (
            "fromTheFuture",
            AttributeValue::M(item([("a", AttributeValue::L(vec![n("1")]))])),
        ),
        ("flag", AttributeValue::Bool(true)),
    ])
}

#[tokio::test]
async fn a_row_of_kcl_is_read() {
    let world = World::start().await;
    world.put(java_row()).await;
    let listing = world.store.list().await.unwrap();
    assert!(listing.skipped.is_empty());
    let [lease] = &listing.leases[..] else {
        panic!("one lease")
    };
    assert_eq!(lease.owner, Some(worker("java-1")));
    assert_eq!((lease.counter, lease.owner_switches), (4711, 2));
    assert_eq!(lease.checkpoint, at(NUMBER, 12));
    assert_eq!(lease.parents, BTreeSet::from([shard(1)]));
    assert_eq!(lease.children, BTreeSet::from([shard(7)]));
    assert_eq!(
        lease.hash_range.map(|range| range.end().get()),
        Some(u128::MAX / 2)
    );
    assert_eq!(lease.throughput_kbps, Some(812.417_969));
}

#[tokio::test]
async fn nothing_else_in_a_row_of_kcl_changes() {
    let world = World::start().await;
    let store = &world.store;
    world.put(java_row()).await;
    let lease = store.get(&LeaseKey::new(SHARD)).await.unwrap().unwrap();
    let lease = store.take(&lease, &worker("w1")).await.unwrap().unwrap();
    let lease = expect_held(store.renew(&lease).await);
    let update = CheckpointUpdate {
        checkpoint: at(NUMBER, 13),
        pending: None,
    };
    let lease = expect_held(store.checkpoint(&lease, &update).await);
    assert!(store.request_hand_over(&lease, &worker("java-1")).await.unwrap());
    let Renewal::HandOverRequested(lease) = store.renew(&lease).await.unwrap() else {
        panic!("asked for")
    };
    assert!(store.release(&lease).await.unwrap());

    let mut expected = java_row();
    expected.insert("leaseCounter".to_owned(), n("4715"));
    expected.insert("checkpointSubSequenceNumber".to_owned(), n("13"));
    expected.insert("ownerSwitchesSinceCheckpoint".to_owned(), n("0"));
    assert_eq!(world.item().await, expected);
}

#[tokio::test]
async fn a_hand_over_begun_by_kcl_is_understood() {
    let world = World::start().await;
    let mut row = java_row();
    row.insert("checkpointOwner".to_owned(), s("w1"));
    world.put(row).await;
    let lease = world.store.get(&LeaseKey::new(SHARD)).await.unwrap().unwrap();
    assert_eq!(lease.actual_owner(), Some(&worker("w1")));
    let mut known_to_w1 = lease.clone();
    known_to_w1.owner = known_to_w1.checkpoint_owner.take();
    assert_eq!(
        world.store.renew(&known_to_w1).await.unwrap(),
        Renewal::HandOverRequested(lease)
    );
}

#[tokio::test]
async fn foreign_rows_are_passed_over_and_broken_ones_reported() {
    let world = World::start().await;
    world.put(java_row()).await;
    let foreign = [
        ("Leader", "LEADER"),
        ("Migration3.0", "CLIENT_VERSION_MIGRATION"),
        ("w1", "WORKER_METRIC_STATS"),
    ];
    for (key, kind) in foreign {
        world
            .put(item([("leaseKey", s(key)), ("entityType", s(kind))]))
            .await;
    }
    world
        .put(item([
            ("leaseKey", s("broken")),
            ("checkpoint", s("soon")),
            ("leaseCounter", n("1")),
        ]))
        .await;
    world.put(item([("leaseKey", s("bare"))])).await;

    for scan in [ScanConsistency::Strong, ScanConsistency::Eventual] {
        let listing = world
            .store
            .clone()
            .with_scan_consistency(scan)
            .list()
            .await
            .unwrap();
        assert_eq!(listing.leases.len(), 1);
        let mut skipped: Vec<_> = listing
            .skipped
            .iter()
            .map(|row| (row.key.as_ref().map(LeaseKey::as_str), row.attribute))
            .collect();
        skipped.sort_unstable();
        assert_eq!(
            skipped,
            [(Some("bare"), "checkpoint"), (Some("broken"), "checkpoint")]
        );
    }
    let error = world.store.get(&LeaseKey::new("broken")).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Row { key, attribute: "checkpoint", .. } if key.as_str() == "broken")
    );
    assert!(!error.is_retryable());
    assert_eq!(world.store.get(&LeaseKey::new("Leader")).await.unwrap(), None);
}

#[tokio::test]
async fn listings_go_over_all_pages() {
    let world = World::start().await;
    // Rows of about 100 kB: a page of a scan ends at 1 MB.
    for number in 0..25 {
        let key = ShardId::from_number(number);
        let mut row = java_row();
        row.insert("leaseKey".to_owned(), s(key.as_str()));
        row.insert("padding".to_owned(), s(&"x".repeat(100_000)));
        world.put(row).await;
    }
    let listing = world.store.list().await.unwrap();
    let keys: BTreeSet<_> = listing.leases.iter().map(|lease| lease.key.clone()).collect();
    assert_eq!((keys.len(), listing.leases.len()), (25, 25));
}

#[tokio::test]
async fn workers_may_prepare_at_the_same_time() {
    let local = Local::start().await.unwrap();
    let store = || DynamoDbLeaseStore::from_sdk_config(&local.dynamodb_config(), TABLE);
    let stores: Vec<_> = (0..5).map(|_| store()).collect();
    let answers = futures::future::join_all(stores.iter().map(LeaseStore::prepare)).await;
    for answer in answers {
        answer.unwrap();
    }
    assert!(store().list().await.unwrap().leases.is_empty());
    local.stop().await;
}

#[tokio::test]
async fn another_table_of_that_name_is_refused() {
    let local = Local::start().await.unwrap();
    let client = local.dynamodb_client();
    let cases = [
        (
            "orders",
            vec![("id", ScalarAttributeType::S, KeyType::Hash)],
            "its key is `id`, expected `leaseKey` alone",
        ),
        (
            "numbered",
            vec![("leaseKey", ScalarAttributeType::N, KeyType::Hash)],
            "its key is of type N, expected S",
        ),
        (
            "sorted",
            vec![
                ("leaseKey", ScalarAttributeType::S, KeyType::Hash),
                ("at", ScalarAttributeType::N, KeyType::Range),
            ],
            "its key is `leaseKey`, `at`, expected `leaseKey` alone",
        ),
    ];
    for (table, keys, expected) in cases {
        create_table(&client, table, &keys).await;
        let error = DynamoDbLeaseStore::new(client.clone(), table)
            .prepare()
            .await
            .unwrap_err();
        assert!(!error.is_retryable());
        match error {
            StoreError::TableShape { table: named, reason } => {
                assert_eq!((named.as_str(), reason.as_str()), (table, expected));
            }
            other => panic!("{table}: {other:?}"),
        }
    }
    local.stop().await;
}

#[tokio::test]
async fn a_missing_table_has_a_name() {
    let local = Local::start().await.unwrap();
    let store = DynamoDbLeaseStore::from_sdk_config(&local.dynamodb_config(), "nowhere");
    let error = store.list().await.unwrap_err();
    assert!(
        matches!(&error, StoreError::TableMissing { table } if table == "nowhere"),
        "{error:?}"
    );
    local.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_unavailable_and_says_why() {
    let local = Local::start().await.unwrap();
    let config = local.dynamodb_config();
    local.stop().await;
    let store = DynamoDbLeaseStore::from_sdk_config(&config, TABLE);
    let error = tokio::time::timeout(Duration::from_secs(12), store.prepare())
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(
            &error,
            StoreError::Unavailable {
                operation: "DescribeTable",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.is_retryable());
    let deepest = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source())
        .last()
        .unwrap();
    assert!(deepest.to_string().contains("refused"), "{deepest}");
}

#[tokio::test]
async fn missing_credentials_are_not_worth_a_retry() {
    let local = Local::start().await.unwrap();
    let config = local
        .dynamodb_config()
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(NoCredentials))
        .build();
    let error = DynamoDbLeaseStore::from_sdk_config(&config, TABLE)
        .prepare()
        .await
        .unwrap_err();
    assert!(matches!(&error, StoreError::Refused { .. }), "{error:?}");
    assert!(!error.is_retryable());
    local.stop().await;
}

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::ready(Err(CredentialsError::not_loaded("there are none")))
    }
}

struct World {
    client: Client,
    store: DynamoDbLeaseStore,
    // Ends the endpoint when the test ends.
    _local: Local,
}

impl World {
    async fn start() -> Self {
        let local = Local::start().await.unwrap();
        let client = local.dynamodb_client();
        let store = DynamoDbLeaseStore::from_sdk_config(&local.dynamodb_config(), TABLE);
        store.prepare().await.unwrap();
        Self {
            client,
            store,
            _local: local,
        }
    }

    async fn put(&self, item: Item) {
        self.client
            .put_item()
            .table_name(TABLE)
            .set_item(Some(item))
            .send()
            .await
            .unwrap();
    }

    /// The row of a lease that nobody has held yet.
    async fn new_row(&self) -> Expected {
        let lease = Lease::new(LeaseKey::new(SHARD), Checkpoint::TrimHorizon);
        assert!(self.store.create(&lease).await.unwrap());
        Expected(self.item().await)
    }

    /// The row as it is stored, sets sorted.
    async fn item(&self) -> Item {
        let answer = self
            .client
            .get_item()
            .table_name(TABLE)
            .key("leaseKey", s(SHARD))
            .consistent_read(true)
            .send()
            .await;
        let mut item = answer.unwrap().item.unwrap();
        for value in item.values_mut() {
            if let AttributeValue::Ss(set) = value {
                set.sort_unstable();
            }
        }
        item
    }
}

async fn create_table(client: &Client, table: &str, keys: &[(&str, ScalarAttributeType, KeyType)]) {
    let mut request = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest);
    for (name, kind, role) in keys {
        let attribute = AttributeDefinition::builder()
            .attribute_name(*name)
            .attribute_type(kind.clone());
        let key = KeySchemaElement::builder()
            .attribute_name(*name)
            .key_type(role.clone());
        request = request
            .attribute_definitions(attribute.build().unwrap())
            .key_schema(key.build().unwrap());
    }
    request.send().await.unwrap();
}

fn expect_held(answer: Result<Renewal, StoreError>) -> Lease {
    match answer.unwrap() {
        Renewal::Held(lease) => lease,
        other => panic!("still held, but the store says {other:?}"),
    }
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

fn ss(texts: &[&str]) -> AttributeValue {
    AttributeValue::Ss(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn shard(number: u64) -> ShardId {
    ShardId::from_number(number)
}

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name)
}

fn at(number: &str, sub: u64) -> Checkpoint {
    Checkpoint::At(Position::new(SequenceNumber::parse(number).unwrap(), sub))
}
