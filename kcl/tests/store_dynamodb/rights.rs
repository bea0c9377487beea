//! Rights that are missing, one by one: a named error, or another way.

use std::collections::HashSet;
use std::sync::Arc;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::{Client, Config};
use kcl::StoreError;
use kcl::fleet::{Home, IndexState, LeaderRow, SeparateTables, StateKind, StateRow, WorkerStats};
use kcl::leader::lock::Over;
use kcl::lease::{Lease, LeaseKey};
use kcl::position::Checkpoint;
use kcl::store::dynamodb::DynamoDbLeaseStore;
use kcl::store::{CheckpointUpdate, FleetStore, LeaseStore};

use crate::world::{SHARD, TABLE, World, worker};

/// Answers one operation with a refusal, on one table or on all.
#[derive(Debug)]
struct Deny {
    operation: &'static str,
}

#[derive(Debug)]
struct Denied(bool);

impl aws_smithy_types::config_bag::Storable for Denied {
    type Storer = aws_smithy_types::config_bag::StoreReplace<Self>;
}

impl Intercept for Deny {
    fn name(&self) -> &'static str {
        "Deny"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context
            .request()
            .headers()
            .get("x-amz-target")
            .unwrap_or_default();
        let denied = target.ends_with(&format!(".{}", self.operation));
        bag.interceptor_state().store_put(Denied(denied));
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if bag.load::<Denied>().is_some_and(|denied| denied.0) {
            let body = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#;
            *context.response_mut() = HttpResponse::new(400.try_into()?, body.into());
        }
        Ok(())
    }
}

fn without(world: &World, operation: &'static str) -> DynamoDbLeaseStore {
    let config = Config::from(&world.local.dynamodb_config())
        .to_builder()
        .interceptor(Deny { operation })
        .build();
    DynamoDbLeaseStore::new(Client::from_conf(config), TABLE)
}

fn assert_denied<T: std::fmt::Debug>(expected: &'static str, answer: Result<T, StoreError>) {
    let error = answer.expect_err(expected);
    assert!(!error.is_retryable(), "{error:?}");
    match error {
        StoreError::AccessDenied { operation, .. } => assert_eq!(operation, expected),
        other => panic!("{expected}: {other:?}"),
    }
}

fn lease() -> Lease {
    Lease::new(LeaseKey::new(SHARD), Checkpoint::TrimHorizon)
}

#[tokio::test]
async fn each_missing_right_has_its_name() {
    let world = World::with_separate_tables().await;
    assert!(world.store.create(&lease()).await.unwrap());
    let held = world.store.take(&lease(), &worker("w1")).await.unwrap().unwrap();
    let end = CheckpointUpdate {
        checkpoint: Checkpoint::ShardEnd,
        pending: None,
    };
    let leader = LeaderRow::new(worker("w1"), std::time::Duration::from_secs(1), "v".to_owned());
    let state = StateRow::first("A", &worker("w1"), std::time::SystemTime::UNIX_EPOCH);
    let home = Home::LeaseTable;

    let store = Arc::new(without(&world, "Scan"));
    assert_denied("Scan", store.list().await);
    assert_denied("Scan", store.survey().await);

    let store = without(&world, "GetItem");
    assert_denied("GetItem", store.get(&held.key).await);
    assert_denied("GetItem", store.leader(home).await);
    assert_denied("GetItem", store.state(home, StateKind::ClientVersion).await);

    let store = without(&world, "PutItem");
    assert_denied("PutItem", store.create(&lease()).await);
    assert_denied(
        "PutItem",
        store.acquire_leader(home, &Over::Nothing, &leader).await,
    );
    assert_denied(
        "PutItem",
        store.create_state(home, StateKind::ClientVersion, &state).await,
    );

    let store = without(&world, "UpdateItem");
    assert_denied("UpdateItem", store.renew(&held).await);
    assert_denied("UpdateItem", store.take(&held, &worker("w2")).await);
    assert_denied("UpdateItem", store.assign(&held, &worker("w2")).await);
    assert_denied("UpdateItem", store.request_hand_over(&held, &worker("w2")).await);
    assert_denied("UpdateItem", store.release(&held).await);
    assert_denied("UpdateItem", store.checkpoint(&held, &end).await);
    assert_denied(
        "UpdateItem",
        store
            .set_children(&held.key, &[kcl::ShardId::from_number(9)])
            .await,
    );
    let stats = WorkerStats::new(worker("w1"), std::time::SystemTime::UNIX_EPOCH);
    assert_denied("UpdateItem", store.report_worker(home, &stats).await);

    let store = without(&world, "DeleteItem");
    assert_denied("DeleteItem", store.delete(&held.key).await);
    assert_denied("DeleteItem", store.release_leader(home, &leader).await);

    let store = without(&world, "UpdateTable");
    assert_denied("UpdateTable", store.create_index().await);

    let store = without(&world, "TransactWriteItems");
    assert_denied(
        "TransactWriteItems",
        store.complete_migration(&state, &state).await,
    );
}

#[tokio::test]
async fn a_table_can_be_used_without_the_right_to_describe_it() {
    let world = World::start().await;
    assert!(world.store.create(&lease()).await.unwrap());
    let store = without(&world, "DescribeTable");
    store.prepare().await.unwrap();
    assert_eq!(
        store.index().await.unwrap(),
        IndexState::Absent,
        "nobody can tell"
    );
    store.take(&lease(), &worker("w1")).await.unwrap().unwrap();
    let owned = store.list_owned(&worker("w1"), &HashSet::new()).await;
    assert_eq!(owned.unwrap(), None, "only a scan would tell");
}

#[tokio::test]
async fn without_the_right_to_query_there_is_no_index() {
    let world = World::start().await;
    world.wait_for_index().await;
    assert!(world.store.create(&lease()).await.unwrap());
    let store = without(&world, "Query");
    store.take(&lease(), &worker("w1")).await.unwrap().unwrap();
    for _ in 0..2 {
        let owned = store.list_owned(&worker("w1"), &HashSet::new()).await;
        assert_eq!(owned.unwrap(), None, "only a scan would tell");
    }
}

#[tokio::test]
async fn separate_tables_that_may_not_be_read_are_hidden() {
    let world = World::with_separate_tables().await;
    let store = without(&world, "Scan");
    let hidden = SeparateTables::Hidden {
        table: "app-CoordinatorState".to_owned(),
    };
    assert_eq!(store.separate().await.unwrap(), hidden);
}
