//! Writes that happen although their reply is lost: the client's own retry, or the caller's next call, must find
//! them instead of believing that somebody else was there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::{Client, Config};
use kcl::StoreError;
use kcl::lease::{Lease, LeaseKey, WorkerId};
use kcl::position::{Checkpoint, Position, SequenceNumber};
use kcl::store::dynamodb::DynamoDbLeaseStore;
use kcl::store::{CheckpointUpdate, LeaseStore, Renewal, conformance};
use kinesis_local::Local;

/// Turns the reply to a write into a failure of the service, after the service has done it.
#[derive(Debug, Default)]
struct LoseReplies {
    which: Which,
    seen: AtomicU32,
    lost: AtomicU32,
}

#[derive(Debug, Default, Clone, Copy)]
enum Which {
    /// Every other one, so that each call succeeds at its second attempt.
    #[default]
    EveryOther,
    /// The first this many.
    First(u32),
}

impl Intercept for LoseReplies {
    fn name(&self) -> &'static str {
        "LoseReplies"
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
        let (_, operation) = target.rsplit_once('.').unwrap_or_default();
        bag.interceptor_state()
            .store_put(IsWrite(WRITES.contains(&operation)));
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !bag.load::<IsWrite>().is_some_and(|is| is.0) {
            return Ok(());
        }
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        let lose = match self.which {
            Which::EveryOther => number.is_multiple_of(2),
            Which::First(count) => number < count,
        };
        if lose {
            self.lost.fetch_add(1, Ordering::Relaxed);
            *context.response_mut() = HttpResponse::new(500.try_into()?, "{}".into());
        }
        Ok(())
    }
}

#[derive(Debug)]
struct IsWrite(bool);

impl aws_smithy_types::config_bag::Storable for IsWrite {
    type Storer = aws_smithy_types::config_bag::StoreReplace<Self>;
}

fn client(local: &Local, faults: &Arc<LoseReplies>, attempts: u32) -> Client {
    let config = Config::from(&local.dynamodb_config())
        .to_builder()
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(attempts)
                .with_initial_backoff(BACKOFF),
        )
        // The budget for retries is a partition's, and a write that is recovered from a refusal gives nothing back to it.
        .retry_partition(RetryPartition::new(format!(
            "client {}",
            faults.seen.load(Ordering::Relaxed)
        )))
        .interceptor(Shared(Arc::clone(faults)))
        .build();
    Client::from_conf(config)
}

/// Not `PutItem`: of a row that is there nobody can tell who created it, and for what follows it does not matter.
const WRITES: [&str; 3] = ["UpdateItem", "DeleteItem", "TransactWriteItems"];

const BACKOFF: std::time::Duration = std::time::Duration::from_millis(1);

#[tokio::test]
async fn the_suite_holds_when_the_first_reply_to_each_write_is_lost() {
    let local = Local::start().await.unwrap();
    let tables = AtomicU32::new(0);
    let faults: Arc<LoseReplies> = Arc::default();
    conformance::run(|| async {
        let number = tables.fetch_add(1, Ordering::Relaxed);
        // A client of its own has a retry budget of its own.
        DynamoDbLeaseStore::new(client(&local, &faults, 2), format!("app-{number}"))
    })
    .await;
    let lost = faults.lost.load(Ordering::Relaxed);
    assert!(lost > 100, "only {lost} replies were lost");
    local.stop().await;
}

/// A lease held by `me`, and a store whose next reply to an update is lost, without retries.
async fn held(local: &Local) -> (DynamoDbLeaseStore, Lease) {
    let sound = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
    sound.prepare().await.unwrap();
    let lease = Lease::new(LeaseKey::new("shardId-000000000001"), Checkpoint::TrimHorizon);
    assert!(sound.create(&lease).await.unwrap());
    let lease = sound.take(&lease, &me()).await.unwrap().unwrap();
    let faults = Arc::new(LoseReplies {
        which: Which::First(1),
        ..LoseReplies::default()
    });
    (DynamoDbLeaseStore::new(client(local, &faults, 1), "app"), lease)
}

fn me() -> WorkerId {
    WorkerId::new("me")
}

fn assert_lost<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let error = answer.expect_err("the reply is lost");
    assert!(
        matches!(
            error,
            StoreError::Unavailable {
                operation: "UpdateItem",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.is_retryable());
}

fn update() -> CheckpointUpdate {
    let number = SequenceNumber::parse("49590338271490256608559692538361571095921575989136588898").unwrap();
    CheckpointUpdate {
        checkpoint: Checkpoint::At(Position::new(number, 2)),
        pending: None,
    }
}

#[tokio::test]
async fn the_next_heartbeat_finds_a_lost_heartbeat() {
    let local = Local::start().await.unwrap();
    let (store, lease) = held(&local).await;
    assert_lost(store.renew(&lease).await);
    let (Renewal::Held(renewed) | Renewal::Recovered(renewed)) = store.renew(&lease).await.unwrap() else {
        panic!("still ours")
    };
    assert_eq!(renewed.counter, lease.counter + 1);
    assert!(matches!(store.renew(&renewed).await.unwrap(), Renewal::Held(_)));
    local.stop().await;
}

#[tokio::test]
async fn the_next_checkpoint_finds_a_lost_checkpoint() {
    let local = Local::start().await.unwrap();
    let (store, lease) = held(&local).await;
    assert_lost(store.checkpoint(&lease, &update()).await);
    let (Renewal::Held(moved) | Renewal::Recovered(moved)) =
        store.checkpoint(&lease, &update()).await.unwrap()
    else {
        panic!("still ours")
    };
    assert_eq!(
        (moved.counter, &moved.checkpoint),
        (lease.counter + 1, &update().checkpoint)
    );
    local.stop().await;
}

#[tokio::test]
async fn a_checkpoint_goes_on_top_of_a_lost_heartbeat() {
    let local = Local::start().await.unwrap();
    let (store, lease) = held(&local).await;
    assert_lost(store.renew(&lease).await);
    let (Renewal::Held(moved) | Renewal::Recovered(moved)) =
        store.checkpoint(&lease, &update()).await.unwrap()
    else {
        panic!("still ours")
    };
    assert_eq!(
        (moved.counter, &moved.checkpoint),
        (lease.counter + 2, &update().checkpoint)
    );
    local.stop().await;
}

#[tokio::test]
async fn a_heartbeat_after_a_lost_checkpoint_tells_where_it_stands() {
    let local = Local::start().await.unwrap();
    let (store, lease) = held(&local).await;
    assert_lost(store.checkpoint(&lease, &update()).await);
    let (Renewal::Held(renewed) | Renewal::Recovered(renewed)) = store.renew(&lease).await.unwrap() else {
        panic!("still ours")
    };
    assert_eq!(renewed.checkpoint, update().checkpoint);
    local.stop().await;
}

#[tokio::test]
async fn a_lease_taken_meanwhile_is_lost_all_the_same() {
    let local = Local::start().await.unwrap();
    let (store, lease) = held(&local).await;
    assert_lost(store.renew(&lease).await);
    let now = store.get(&lease.key).await.unwrap().unwrap();
    let theirs = store.take(&now, &WorkerId::new("other")).await.unwrap().unwrap();
    assert_eq!(
        store.renew(&lease).await.unwrap(),
        Renewal::Lost(Some(theirs.clone()))
    );
    assert_eq!(
        store.checkpoint(&lease, &update()).await.unwrap(),
        Renewal::Lost(Some(theirs))
    );
    local.stop().await;
}

/// The configuration wants an interceptor of its own, the test keeps its counters.
#[derive(Debug)]
struct Shared(Arc<LoseReplies>);

impl Intercept for Shared {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.read_before_transmit(context, components, bag)
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.modify_before_deserialization(context, components, bag)
    }
}
