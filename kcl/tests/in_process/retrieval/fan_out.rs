//! Subscriptions: all records in order through split and merge, renewals, half-open ones, the fall to polling and back.

use kcl::Retrieval;
use kcl::events::ConsumerEvent;
use kcl::health::RetrievalMode;
use kinesis_local::{Fault, InProcess};
use tokio::time::{Instant, sleep};

use super::stage::{Seen, calls, config, endpoint, put, quick};
use crate::running::{Running, SECOND};

fn modes(worker: &Running) -> Vec<Option<RetrievalMode>> {
    let health = worker.handle.health();
    health.leases().iter().map(|lease| lease.retrieval()).collect()
}

async fn register(local: &InProcess, name: &str) -> String {
    let client = local.kinesis_client();
    let summary = client.describe_stream_summary().stream_name("sales");
    let summary = summary.send().await.unwrap().stream_description_summary.unwrap();
    let register = client
        .register_stream_consumer()
        .stream_arn(summary.stream_arn)
        .consumer_name(name);
    register.send().await.unwrap().consumer.unwrap().consumer_arn
}

#[tokio::test(start_paused = true)]
async fn every_record_comes_once_and_in_order_through_a_split_and_a_merge() {
    let local = endpoint(2).await;
    put(&local, 40, 0..5).await;
    let seen = Seen::default();
    let mut worker = quick(&local, config().retrieval(Retrieval::FanOut), &seen);
    put(&local, 40, 5..10).await;
    let client = local.kinesis_client();
    let split = client
        .split_shard()
        .stream_name("sales")
        .shard_to_split("shardId-000000000000");
    let middle = (u128::MAX / 4).to_string();
    split.new_starting_hash_key(middle).send().await.unwrap();
    sleep(SECOND * 40).await;
    put(&local, 40, 10..15).await;
    let merge = client
        .merge_shards()
        .stream_name("sales")
        .shard_to_merge("shardId-000000000003")
        .adjacent_shard_to_merge("shardId-000000000001");
    merge.send().await.unwrap();
    sleep(SECOND * 40).await;
    put(&local, 40, 15..20).await;
    // Each subscription is renewed at least twice.
    sleep(SECOND * 700).await;
    put(&local, 40, 20..25).await;
    seen.wait_for(40 * 25).await;
    assert_eq!(modes(&worker), [Some(RetrievalMode::FanOut); 2]);
    let told = worker.told();
    let odd: Vec<_> = told
        .iter()
        .filter(|event| {
            matches!(
                event,
                ConsumerEvent::RetrievalChanged { .. }
                    | ConsumerEvent::SubscriptionSilent { .. }
                    | ConsumerEvent::ShardStalled { .. }
                    | ConsumerEvent::ReadDenied { .. }
            )
        })
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    worker.stop().await;
    seen.check(40, 25);
    assert_eq!(calls(&local, "RegisterStreamConsumer", "200"), 1);
    let polled = calls(&local, "GetRecords", "200");
    let subscribed = calls(&local, "SubscribeToShard", "-> 200");
    assert!(polled <= 30, "only while the consumer was made: {polled}");
    assert!((2 * 3 + 3..=20).contains(&subscribed), "{subscribed}");
}

#[tokio::test(start_paused = true)]
async fn a_half_open_subscription_is_replaced_within_15_seconds_and_no_lease_is_idle() {
    let local = endpoint(3).await;
    let seen = Seen::default();
    let mut worker = quick(&local, config().retrieval(Retrieval::FanOut), &seen);
    sleep(SECOND * 60).await;
    put(&local, 30, 0..1).await;
    seen.wait_for(30).await;
    for (round, shard) in ["shardId-000000000000", "shardId-000000000001"]
        .into_iter()
        .enumerate()
    {
        let fault = Fault::half_open().shard(shard).times(1);
        local.faults().add(fault).unwrap();
        let began = Instant::now();
        put(&local, 30, round + 1..round + 2).await;
        seen.wait_for(30 * (round + 2)).await;
        let took = began.elapsed();
        assert!(took < SECOND * 15, "{took:?}");
        assert!(took > SECOND * 5, "the fault struck: {took:?}");
        let longest = worker.handle.health();
        let still = longest
            .leases()
            .iter()
            .filter_map(|lease| lease.since_progress())
            .max();
        assert!(still < Some(SECOND * 15), "{still:?}");
        sleep(SECOND * 60).await;
    }
    let silent = worker
        .told()
        .into_iter()
        .filter(|event| matches!(event, ConsumerEvent::SubscriptionSilent { .. }));
    assert_eq!(silent.count(), 2);
    worker.stop().await;
    seen.check(30, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_polled_and_comes_back_when_it_is_allowed() {
    let local = endpoint(1).await;
    let fault = Fault::error("AccessDeniedException", 400)
        .operation("SubscribeToShard")
        .lasting(SECOND * 100);
    local.faults().add(fault).unwrap();
    let seen = Seen::default();
    let mut worker = quick(&local, config().retrieval(Retrieval::FanOut), &seen);
    let changed = |event: &ConsumerEvent| match event {
        ConsumerEvent::RetrievalChanged { mode, reason, .. } => Some((*mode, reason.clone())),
        _ => None,
    };
    let (mode, reason) = worker.wait_for(changed).await;
    assert_eq!(
        (mode, reason.as_str()),
        (RetrievalMode::Polling, "AccessDeniedException")
    );
    put(&local, 10, 0..3).await;
    let began = Instant::now();
    seen.wait_for(30).await;
    assert!(began.elapsed() < SECOND * 3, "{:?}", began.elapsed());
    let (mode, _) = worker.wait_for(changed).await;
    assert_eq!(mode, RetrievalMode::FanOut);
    put(&local, 10, 3..6).await;
    seen.wait_for(60).await;
    assert_eq!(modes(&worker), [Some(RetrievalMode::FanOut)]);
    worker.stop().await;
    seen.check(10, 6);
}

#[tokio::test(start_paused = true)]
async fn broken_and_repeated_events_lose_and_repeat_nothing() {
    let local = endpoint(2).await;
    let seen = Seen::default();
    let worker = quick(&local, config().retrieval(Retrieval::FanOut), &seen);
    sleep(SECOND * 30).await;
    local.faults().add(Fault::subscription_cut().chance(0.2)).unwrap();
    local.faults().add(Fault::duplicate_event().chance(0.3)).unwrap();
    local
        .faults()
        .add(Fault::throttle().operation("SubscribeToShard").chance(0.3))
        .unwrap();
    for number in 0..60 {
        put(&local, 20, number..number + 1).await;
        sleep(SECOND * 3).await;
    }
    seen.wait_for(20 * 60).await;
    worker.stop().await;
    seen.check(20, 60);
}

#[tokio::test(start_paused = true)]
async fn auto_polls_until_somebody_registers_the_consumer() {
    let local = endpoint(1).await;
    let seen = Seen::default();
    let mut worker = quick(&local, config().retrieval(Retrieval::Auto), &seen);
    put(&local, 10, 0..2).await;
    seen.wait_for(20).await;
    assert_eq!(modes(&worker), [Some(RetrievalMode::Polling)]);
    assert_eq!(
        calls(&local, "RegisterStreamConsumer", "200"),
        0,
        "it costs nothing"
    );
    register(&local, "app").await;
    sleep(SECOND * 400).await;
    assert_eq!(modes(&worker), [Some(RetrievalMode::FanOut)]);
    put(&local, 10, 2..4).await;
    seen.wait_for(40).await;
    let client = local.kinesis_client();
    let arn = {
        let summary = client.describe_stream_summary().stream_name("sales");
        summary
            .send()
            .await
            .unwrap()
            .stream_description_summary
            .unwrap()
            .stream_arn
    };
    let gone = client
        .deregister_stream_consumer()
        .stream_arn(arn)
        .consumer_name("app");
    gone.send().await.unwrap();
    sleep(SECOND * 30).await;
    assert_eq!(modes(&worker), [Some(RetrievalMode::Polling)]);
    put(&local, 10, 4..6).await;
    seen.wait_for(60).await;
    let changes = worker
        .told()
        .into_iter()
        .filter(|event| matches!(event, ConsumerEvent::RetrievalChanged { .. }));
    assert_eq!(changes.count(), 1, "only what was taken away is told");
    worker.stop().await;
    seen.check(10, 6);
}

#[tokio::test(start_paused = true)]
async fn an_arn_given_beforehand_needs_no_other_right() {
    let local = endpoint(1).await;
    let arn = register(&local, "somebody").await;
    sleep(SECOND * 30).await;
    for operation in [
        "RegisterStreamConsumer",
        "DescribeStreamConsumer",
        "DescribeStreamSummary",
        "GetRecords",
    ] {
        let denied = Fault::error("AccessDeniedException", 400).operation(operation);
        local.faults().add(denied).unwrap();
    }
    let seen = Seen::default();
    let settings = config().retrieval(Retrieval::FanOut).fan_out_consumer_arn(&arn);
    let worker = quick(&local, settings, &seen);
    put(&local, 10, 0..3).await;
    seen.wait_for(30).await;
    worker.stop().await;
    seen.check(10, 3);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_moves_is_read_on_at_once_though_the_last_subscription_is_still_warm() {
    let local = endpoint(1).await;
    let seen = Seen::default();
    let first = quick(&local, config().retrieval(Retrieval::FanOut), &seen);
    sleep(SECOND * 30).await;
    put(&local, 10, 0..1).await;
    seen.wait_for(10).await;
    // A subscription is opened anew a moment before the worker goes.
    let fault = Fault::subscription_cut().times(1);
    local.faults().add(fault).unwrap();
    put(&local, 10, 1..2).await;
    seen.wait_for(20).await;
    first.stop().await;
    put(&local, 10, 2..3).await;
    let began = Instant::now();
    let second = config().worker_id("w2").retrieval(Retrieval::FanOut);
    let second = quick(&local, second, &seen);
    seen.wait_for(30).await;
    assert!(began.elapsed() < SECOND * 4, "{:?}", began.elapsed());
    sleep(SECOND * 20).await;
    assert_eq!(modes(&second), [Some(RetrievalMode::FanOut)]);
    second.stop().await;
    seen.check(10, 3);
}
