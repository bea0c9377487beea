//! Where a shard starts, what is checkpointed without being asked for, what happens when a place is gone.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kcl::events::ConsumerEvent;
use kcl::{
    Checkpoint, CheckpointPolicy, ConsumerConfig, InitialPosition, OnTrimmed, Position, RunError,
    SequenceNumber, ShardId, ShardStart,
};
use kinesis_local::InProcess;
use tokio::time::sleep;

use super::world::{World, after, checkpoint, config, key, local, put, run, until, until_seen};

#[tokio::test(start_paused = true)]
async fn from_now_on_means_the_same_to_whoever_comes_next() {
    let local = local(1).await;
    let numbers = put(&local, &["old-1", "old-2"]).await;
    let world = Arc::default();
    let latest = |worker| config(worker).initial_position(InitialPosition::Latest);
    let first = run(&local, latest("w1"), &world);
    until("the processor begins", async || {
        !world.begun.lock().unwrap().is_empty()
    })
    .await;
    assert_eq!(
        world.last_begun().0,
        after(&numbers[1]),
        "the place is fixed before the first record"
    );
    assert_eq!(checkpoint(&local).await, after(&numbers[1]));
    put(&local, &["new-1"]).await;
    until_seen(&world, &["new-1"]).await;
    first.kill().await;
    put(&local, &["new-2"]).await;
    world.clear();
    let second = run(&local, latest("w2"), &world);
    until_seen(&world, &["new-1", "new-2"]).await;
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_record_may_have_come_long_ago() {
    let local = local(1).await;
    let numbers = put(&local, &["old-1", "old-2"]).await;
    local.advance_clock(Duration::from_secs(5 * 3_600));
    let world = Arc::default();
    let running = run(
        &local,
        config("w1").initial_position(InitialPosition::Latest),
        &world,
    );
    until("the processor begins", async || {
        !world.begun.lock().unwrap().is_empty()
    })
    .await;
    assert_eq!(checkpoint(&local).await, after(&numbers[1]));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn from_now_on_in_an_empty_shard_is_from_its_beginning() {
    let local = local(1).await;
    let world = Arc::default();
    let latest = config("w1").initial_position(InitialPosition::Latest);
    let running = run(&local, latest, &world);
    until("the processor begins", async || {
        !world.begun.lock().unwrap().is_empty()
    })
    .await;
    assert_eq!(checkpoint(&local).await, Checkpoint::TrimHorizon);
    put(&local, &["new"]).await;
    until_seen(&world, &["new"]).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_look_the_tip_is_read_all_the_same_and_it_is_told() {
    use kinesis_local::{Fault, Faults};
    let denied = Fault::error("AccessDeniedException", 400)
        .operation("GetShardIterator")
        .times(1);
    let faults = Faults::builder().fault(denied).build().unwrap();
    let local = InProcess::builder().faults(faults).start().unwrap();
    local.create_stream("sales", 1).await.unwrap();
    put(&local, &["old"]).await;
    let world = Arc::default();
    let mut running = run(
        &local,
        config("w1").initial_position(InitialPosition::Latest),
        &world,
    );
    running
        .event(|event| matches!(event, ConsumerEvent::StartNotFixed { .. }))
        .await;
    assert_eq!(checkpoint(&local).await, Checkpoint::Latest);
    sleep(Duration::from_secs(5)).await;
    put(&local, &["new"]).await;
    until_seen(&world, &["new"]).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_starts_where_the_configuration_says() {
    let local = local(1).await;
    let mut numbers = put(&local, &["1", "2"]).await;
    sleep(Duration::from_secs(60)).await;
    let time = local.now();
    numbers.extend(put(&local, &["3"]).await);
    let shard = ShardId::from_number(0);
    let cases: [(ShardStart, &[&str]); 5] = [
        (ShardStart::TrimHorizon, &["1", "2", "3"]),
        (ShardStart::At(numbers[1].clone()), &["2", "3"]),
        (ShardStart::After(Position::new(numbers[1].clone(), 0)), &["3"]),
        (ShardStart::AtTimestamp(time), &["3"]),
        (ShardStart::Latest, &[]),
    ];
    for (case, (start, expected)) in cases.into_iter().enumerate() {
        let world = Arc::default();
        let config = ConsumerConfig::builder(&format!("app-{case}"), "sales")
            .initial_position(InitialPosition::AtTimestamp(SystemTime::UNIX_EPOCH))
            .start_shard(&shard, start.clone());
        let running = run(&local, config, &world);
        until("the processor begins", async || {
            !world.begun.lock().unwrap().is_empty()
        })
        .await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(world.data(), expected, "{start:?}");
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_of_the_configuration_does_not_undo_a_checkpoint() {
    let local = local(1).await;
    put(&local, &["1", "2"]).await;
    let world = Arc::default();
    let each = || config("w1").checkpoint_policy(CheckpointPolicy::EachBatch);
    let running = run(&local, each(), &world);
    until_seen(&world, &["1", "2"]).await;
    running.stop().await;
    world.clear();
    let running = run(
        &local,
        each().start_shard(&ShardId::from_number(0), ShardStart::TrimHorizon),
        &world,
    );
    put(&local, &["3"]).await;
    until_seen(&world, &["3"]).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_trimmed_checkpoint_is_told_and_read_over_or_ends_the_consumer() {
    let local = local(1).await;
    let world = Arc::default();
    let each = || config("w1").checkpoint_policy(CheckpointPolicy::EachBatch);
    let running = run(&local, each(), &world);
    let old = put(&local, &["read"]).await;
    until_seen(&world, &["read"]).await;
    until("checkpointed", async || {
        checkpoint(&local).await == after(&old[0])
    })
    .await;
    running.stop().await;
    put(&local, &["never read"]).await;
    local.advance_clock(Duration::from_secs(25 * 3_600));
    let kept = put(&local, &["kept"]).await;
    world.clear();

    let error = run(&local, each().on_trimmed(OnTrimmed::Fail), &world)
        .end()
        .await
        .unwrap_err();
    assert!(!error.is_retryable());
    let RunError::PositionTrimmed { position, oldest, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((position.sequence_number(), &oldest), (&old[0], &kept[0]));
    assert_eq!(world.data(), [""; 0], "nothing was given to the processor");

    let mut running = run(&local, each(), &world);
    let event = running
        .event(|event| matches!(event, ConsumerEvent::PositionTrimmed { .. }))
        .await;
    let (lease_key, position) = (key(), Position::new(old[0].clone(), 0));
    let oldest = kept[0].clone();
    assert_eq!(
        event,
        ConsumerEvent::PositionTrimmed {
            lease_key,
            position,
            oldest
        }
    );
    until_seen(&world, &["kept"]).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn checkpoints_are_written_as_the_policy_says() {
    let three = NonZeroU64::new(3).unwrap();
    let interval = Duration::from_secs(60);
    for (case, (policy, after_two, after_three, after_a_minute, after_stop)) in [
        (CheckpointPolicy::Manual, None, None, None, None),
        (CheckpointPolicy::Never, None, None, None, None),
        (CheckpointPolicy::EachBatch, Some(1), Some(2), Some(2), Some(3)),
        (CheckpointPolicy::OnAck, Some(1), Some(2), Some(2), Some(3)),
        (
            CheckpointPolicy::EveryRecords(three),
            None,
            Some(2),
            Some(2),
            Some(3),
        ),
        (CheckpointPolicy::Every(interval), None, None, Some(2), Some(3)),
    ]
    .into_iter()
    .enumerate()
    {
        let local = local(1).await;
        let world: Arc<World> = Arc::default();
        let running = run(&local, config("w1").checkpoint_policy(policy), &world);
        let mut numbers = put(&local, &["1", "2"]).await;
        until_seen(&world, &["1", "2"]).await;
        let expect = async |numbers: &[SequenceNumber], expected: Option<usize>, when: &str| {
            sleep(Duration::from_secs(2)).await;
            let expected = expected.map_or(Checkpoint::TrimHorizon, |last| after(&numbers[last]));
            assert_eq!(checkpoint(&local).await, expected, "{case} {policy:?} {when}");
        };
        expect(&numbers, after_two, "after two").await;
        numbers.extend(put(&local, &["3"]).await);
        until_seen(&world, &["1", "2", "3"]).await;
        expect(&numbers, after_three, "after three").await;
        sleep(interval).await;
        expect(&numbers, after_a_minute, "after a minute").await;
        numbers.extend(put(&local, &["4"]).await);
        until_seen(&world, &["1", "2", "3", "4"]).await;
        running.stop().await;
        expect(&numbers, after_stop, "after the stop").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_prepared_is_shown_to_whoever_comes_after_a_crash() {
    let local = local(1).await;
    let world: Arc<World> = Arc::default();
    *world.prepare.lock().unwrap() = Some(Bytes::from_static(b"halfway"));
    let first = run(&local, config("w1"), &world);
    put(&local, &["1"]).await;
    until_seen(&world, &["1"]).await;
    sleep(Duration::from_secs(1)).await;
    first.kill().await;
    *world.prepare.lock().unwrap() = None;
    world.clear();
    let second = run(&local, config("w2"), &world);
    until_seen(&world, &["1"]).await;
    let (checkpoint, _, state) = world.last_begun();
    assert_eq!(checkpoint, Checkpoint::TrimHorizon);
    assert_eq!(state.as_deref(), Some(&b"halfway"[..]));
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_processor_may_start_where_its_own_books_say_and_its_token_only_grows() {
    let local = local(1).await;
    let numbers = put(&local, &["1", "2", "3"]).await;
    let world: Arc<World> = Arc::default();
    let mut tokens = Vec::new();
    let never = |worker| config(worker).checkpoint_policy(CheckpointPolicy::Never);
    for (worker, start, expected) in [("w1", 1, &["3"][..]), ("w2", 0, &["2", "3"]), ("w1", 1, &["3"])] {
        world.clear();
        *world.start_after.lock().unwrap() = Some(Position::new(numbers[start].clone(), 0));
        let running = run(&local, never(worker), &world);
        until_seen(&world, expected).await;
        running.kill().await;
        tokens.push(world.last_begun().1);
    }
    assert!(
        tokens.is_sorted() && tokens[0] < tokens[1] && tokens[1] < tokens[2],
        "{tokens:?}"
    );
    assert_eq!(
        checkpoint(&local).await,
        Checkpoint::TrimHorizon,
        "none was written"
    );
}
