//! A private fleet on an endpoint in this process and in virtual time: one heartbeat for each worker, none for its leases.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kinesis::primitives::Blob;
use kcl::events::ConsumerEvent;
use kcl::fleet::{FleetError, NotPrivate};
use kcl::{ConfigError, ConsumerConfig, ConsumerConfigBuilder, RunError};
use kinesis_local::Fault;
use tokio::time::{Instant, sleep};

use crate::one_stream::World;
use crate::running::{SECOND, within};

const FAILOVER: Duration = Duration::from_secs(10);

fn config(worker: &str) -> ConsumerConfigBuilder {
    let config = ConsumerConfig::builder("app", "sales");
    config.worker_id(worker).seed(7).private_fleet(true)
}

impl World {
    async fn put_one(&self, data: &str) {
        let put = self.local.kinesis_client().put_record().stream_name("sales");
        put.partition_key(data)
            .data(Blob::new(data))
            .send()
            .await
            .unwrap();
    }

    fn has(&self, data: &str) -> bool {
        self.seen.count(data) > 0
    }

    /// Keys of the rows that are no leases.
    async fn beside(&self) -> Vec<String> {
        let keys = self.rows().await.into_keys();
        keys.filter(|key| !key.starts_with("shardId-")).collect()
    }

    /// What another library does to a lease.
    async fn renew_as(&self, owner: &str, shard: u32) {
        let update = self.local.dynamodb_client().update_item().table_name("app");
        let key = AttributeValue::S(format!("shardId-{shard:012}"));
        update
            .key("leaseKey", key)
            .update_expression("SET leaseOwner = :o ADD leaseCounter :one")
            .expression_attribute_values(":o", AttributeValue::S(owner.to_owned()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn eight_idle_shards_cost_less_than_half_a_request_a_second() {
    let world = World::with_shards(8).await;
    let worker = world.start(config("w1"));
    within(5 * SECOND, "all is held", async || worker.held() == 8).await;
    sleep(30 * SECOND).await;
    world.local.clear_history();
    let minutes = 10;
    sleep(minutes * 60 * SECOND).await;
    let mut requests: BTreeMap<String, u32> = BTreeMap::new();
    for entry in world.local.history().entries() {
        if [
            "Scan",
            "UpdateItem",
            "PutItem",
            "GetItem",
            "DeleteItem",
            "Query",
            "DescribeTable",
        ]
        .contains(&entry.operation())
        {
            *requests.entry(entry.operation().to_owned()).or_default() += 1;
        }
    }
    let a_second = f64::from(requests.values().sum::<u32>()) / f64::from(minutes * 60);
    println!("{a_second:.2} requests a second: {requests:?}");
    assert!(
        (0.3..0.5).contains(&a_second),
        "{a_second} a second: {requests:?}"
    );
    assert_eq!(worker.held(), 8, "and nothing was lost meanwhile");
    worker.stop().await;

    let forecast = world.consumer(config("w1")).cost_forecast(8, 1).total().requests;
    assert!(
        (forecast - a_second).abs() < 0.1,
        "{forecast} was said, {a_second} it is"
    );
}

#[tokio::test(start_paused = true)]
async fn workers_share_hand_over_and_leave_nothing_behind() {
    let world = World::with_shards(4).await;
    let one = world.start(config("w1"));
    within(3 * SECOND, "all is held", async || one.held() == 4).await;
    let two = world.start(config("w2"));
    within(3 * SECOND, "shared", async || (one.held(), two.held()) == (2, 2)).await;
    assert_eq!(world.beside().await, ["heartbeat:w1", "heartbeat:w2"]);
    // Long after the failover time everything is where it was.
    sleep(6 * FAILOVER).await;
    assert_eq!((one.held(), two.held()), (2, 2));
    let began = Instant::now();
    one.stop().await;
    let took = within(2 * SECOND, "handed over", async || two.held() == 4).await;
    assert!(
        began.elapsed() <= SECOND + Duration::from_millis(100),
        "{:?}, {took:?}",
        began.elapsed()
    );
    assert_eq!(world.beside().await, ["heartbeat:w2"]);
    let summary = two.stop().await;
    assert_eq!(summary.leases_lost(), 0);
    assert!(world.beside().await.is_empty());
}

/// Whoever joins one that was alone, at any moment of its waiting for the next heartbeat.
#[tokio::test(start_paused = true)]
async fn who_joins_has_its_share_within_three_seconds() {
    let mut slowest = Duration::ZERO;
    for phase in 0..7 {
        let world = World::with_shards(8).await;
        let one = world.start(config("w1"));
        within(5 * SECOND, "all is held", async || one.held() == 8).await;
        // Between two of its looks at the table.
        sleep(41 * SECOND + phase * SECOND * 2 / 5).await;
        let two = world.start(config("w2"));
        let took = within(3 * SECOND, "shared", async || (one.held(), two.held()) == (4, 4)).await;
        slowest = slowest.max(took);
        one.stop().await;
        two.stop().await;
    }
    println!("{slowest:?} at most");
}

#[tokio::test(start_paused = true)]
async fn two_that_join_at_once_have_their_shares_soon() {
    let world = World::with_shards(9).await;
    let one = world.start(config("w1"));
    within(5 * SECOND, "all is held", async || one.held() == 9).await;
    sleep(41 * SECOND).await;
    let (two, three) = (world.start(config("w2")), world.start(config("w3")));
    within(6 * SECOND, "shared", async || {
        (one.held(), two.held(), three.held()) == (3, 3, 3)
    })
    .await;
    for worker in [one, two, three] {
        assert_eq!(worker.stop().await.leases_lost(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_workers_shards_run_again_after_the_failover_time() {
    let world = World::with_shards(4).await;
    let one = world.start(config("w1"));
    let two = world.start(config("w2"));
    within(15 * SECOND, "shared", async || (one.held(), two.held()) == (2, 2)).await;
    one.kill().await;
    let took = within(FAILOVER + 2 * SECOND, "recovered", async || two.held() == 4).await;
    assert!(took >= FAILOVER / 2, "{took:?}: not before it could be dead");
    world.put_one("after").await;
    within(2 * SECOND, "read", async || world.has("after")).await;
    assert_eq!(world.beside().await, ["heartbeat:w2"]);
    // One that comes back under its name before anybody noticed waits until it would have been.
    two.kill().await;
    let again = world.start(config("w2"));
    let took = within(FAILOVER + 3 * SECOND, "lives again", async || again.held() == 4).await;
    assert!(took >= FAILOVER, "{took:?}");
    again.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_beat_stops_before_another_one_begins() {
    let world = World::with_shards(2).await;
    let mut one = world.start(config("w1"));
    within(3 * SECOND, "all is held", async || one.held() == 2).await;
    let cut = Fault::error("InternalServerError", 500).operation("UpdateItem");
    let cut = world.local.faults().add(cut).unwrap();
    within(FAILOVER + SECOND, "given up by its own clock", async || {
        one.held() == 0
    })
    .await;
    world.local.faults().remove(cut);
    within(2 * FAILOVER, "it lives again", async || one.held() == 2).await;
    let lost = one
        .told()
        .into_iter()
        .filter(|event| matches!(event, ConsumerEvent::LeaseLost { .. }));
    assert_eq!(lost.count(), 2);
    one.stop().await;
}

/// Why a worker may not run beside what it finds in the table.
fn forbidden(ended: RunError) -> FleetError {
    match ended {
        RunError::Fleet { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_workers_of_one_name_the_second_does_not_start() {
    let world = World::with_shards(2).await;
    let one = world.start(config("w1"));
    within(3 * SECOND, "all is held", async || one.held() == 2).await;
    let refused = forbidden(world.start(config("w1")).end().await.unwrap_err());
    assert!(
        matches!(
            &refused,
            FleetError::NotPrivate {
                source: NotPrivate::SameName { .. }
            }
        ),
        "{refused:?}"
    );
    assert_eq!(one.held(), 2);
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_not_of_the_fleet_is_refused_either_way() {
    let world = World::with_shards(2).await;
    let shared = ConsumerConfig::builder("app", "sales")
        .worker_id("shared")
        .seed(7);
    // A worker of another library holds a lease.
    let before = world.start(shared.clone());
    within(3 * SECOND, "all is held", async || before.held() == 2).await;
    before.kill().await;
    world.renew_as("java", 0).await;
    let refused = forbidden(world.start(config("w1")).end().await.unwrap_err());
    assert!(
        matches!(
            &refused,
            FleetError::NotPrivate {
                source: NotPrivate::ForeignOwner { .. }
            }
        ),
        "{refused:?}"
    );
    // It comes later.
    let table = world.local.dynamodb_client().delete_table().table_name("app");
    table.send().await.unwrap();
    let mut one = world.start(config("w1"));
    within(3 * SECOND, "all is held", async || one.held() == 2).await;
    let refused = forbidden(world.start(shared).end().await.unwrap_err());
    assert!(matches!(&refused, FleetError::PrivateFleet { .. }), "{refused:?}");
    let began = Instant::now();
    while !one.handle.has_ended() {
        assert!(began.elapsed() < 90 * SECOND, "it never noticed");
        world.renew_as("java", 0).await;
        sleep(3 * SECOND).await;
    }
    let told = one.told();
    assert!(
        told.iter().any(|event| matches!(
            event,
            ConsumerEvent::NoLongerPrivate {
                reason: NotPrivate::ForeignRenewal { .. }
            }
        )),
        "{told:?}"
    );
    let ended = forbidden(one.end().await.unwrap_err());
    assert!(matches!(&ended, FleetError::NotPrivate { .. }), "{ended:?}");
    assert!(world.beside().await.is_empty(), "its heartbeat goes with it");
}

#[test]
fn settings_for_company_are_refused() {
    let refused = config("w1").migrate_all_entities(true).build();
    assert!(matches!(
        refused,
        Err(ConfigError::NotInPrivateFleet {
            setting: "migrate_all_entities"
        })
    ));
}
