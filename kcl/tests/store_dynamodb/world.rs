//! A table of its own for each test, and short words for rows.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use kcl::fleet::IndexState;
use kcl::lease::{Lease, LeaseKey, WorkerId};
use kcl::position::{Checkpoint, Position, SequenceNumber};
use kcl::store::dynamodb::DynamoDbLeaseStore;
use kcl::store::{FleetStore, LeaseStore, Renewal};
use kcl::{ShardId, StoreError};
use kinesis_local::Local;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) const TABLE: &str = "app";
pub(crate) const SHARD: &str = "shardId-000000000003";
pub(crate) const NUMBER: &str = "49590338271490256608559692538361571095921575989136588898";

/// The row as it should be, changed step by step.
pub(crate) struct Expected(pub(crate) Item);

impl Expected {
    pub(crate) fn after(&mut self, changes: &[(&str, Option<AttributeValue>)]) -> Item {
        for (name, value) in changes {
            match value {
                Some(value) => self.0.insert((*name).to_owned(), value.clone()),
                None => self.0.remove(*name),
            };
        }
        self.0.clone()
    }
}

/// A row as KCL 3.5 writes it, and attributes that nobody knows yet.
pub(crate) fn java_row() -> Item {
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

pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) store: DynamoDbLeaseStore,
    // Ends the endpoint when the test ends.
    pub(crate) local: Local,
}

impl World {
    pub(crate) async fn start() -> Self {
        let local = Local::start().await.unwrap();
        let client = local.dynamodb_client();
        let store = DynamoDbLeaseStore::from_sdk_config(&local.dynamodb_config(), TABLE);
        store.prepare().await.unwrap();
        Self { client, store, local }
    }

    /// With the tables of KCL 3.0 to 3.4.
    pub(crate) async fn with_separate_tables() -> Self {
        let world = Self::start().await;
        world.store.prepare_separate().await.unwrap();
        world
    }

    pub(crate) async fn wait_for_index(&self) {
        while self.store.create_index().await.unwrap() != IndexState::Active {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.store.index().await.unwrap(), IndexState::Active);
    }

    pub(crate) async fn put_into(&self, table: &str, item: Item) {
        let request = self.client.put_item().table_name(table);
        request.set_item(Some(item)).send().await.unwrap();
    }

    /// A row of any table, as it is stored.
    pub(crate) async fn row(&self, table: &str, key_name: &str, key: &str) -> Option<Item> {
        let request = self.client.get_item().table_name(table).key(key_name, s(key));
        request.consistent_read(true).send().await.unwrap().item
    }

    pub(crate) async fn put(&self, item: Item) {
        self.client
            .put_item()
            .table_name(TABLE)
            .set_item(Some(item))
            .send()
            .await
            .unwrap();
    }

    /// The row of a lease that nobody has held yet.
    pub(crate) async fn new_row(&self) -> Expected {
        let lease = Lease::new(LeaseKey::new(SHARD), Checkpoint::TrimHorizon);
        assert!(self.store.create(&lease).await.unwrap());
        Expected(self.item().await)
    }

    /// The row as it is stored, sets sorted.
    pub(crate) async fn item(&self) -> Item {
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

pub(crate) fn expect_held(answer: Result<Renewal, StoreError>) -> Lease {
    match answer.unwrap() {
        Renewal::Held(lease) => lease,
        other => panic!("still held, but the store says {other:?}"),
    }
}

pub(crate) fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub(crate) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

pub(crate) fn ss(texts: &[&str]) -> AttributeValue {
    AttributeValue::Ss(texts.iter().map(|text| (*text).to_owned()).collect())
}

pub(crate) fn shard(number: u64) -> ShardId {
    ShardId::from_number(number)
}

pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name)
}

pub(crate) fn at(number: &str, sub: u64) -> Checkpoint {
    Checkpoint::At(Position::new(SequenceNumber::parse(number).unwrap(), sub))
}
