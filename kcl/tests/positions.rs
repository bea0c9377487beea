//! Places: where a shard starts, what is checkpointed without being asked for, what happens when a place is gone. In virtual time,
//! against a Kinesis and a DynamoDB inside this process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_sdk_kinesis::primitives::Blob;
use bytes::Bytes;
use futures::StreamExt as _;
use kcl::events::{ConsumerEvent, Events, Notice};
use kcl::{
    BoxError, Checkpoint, CheckpointPolicy, Checkpointer, Consumer, ConsumerConfig, ConsumerConfigBuilder,
    ConsumerHandle, DynamoDbLeaseStore, FencingToken, InitialPosition, Initialization, LeaseKey, LeaseStore,
    OnTrimmed, Position, RecordBatch, RecordProcessor, RunError, RunSummary, SequenceNumber, ShardContext,
    ShardId, ShardStart,
};
use kinesis_local::InProcess;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What processors saw and were told, and what they are to do.
#[derive(Debug, Default)]
struct World {
    seen: Mutex<Vec<(String, Position)>>,
    begun: Mutex<Vec<(Checkpoint, FencingToken, Option<Bytes>)>>,
    start_after: Mutex<Option<Position>>,
    /// Prepare with these bytes instead of checkpointing nothing.
    prepare: Mutex<Option<Bytes>>,
}

impl World {
    fn data(&self) -> Vec<String> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|(data, _)| data.clone())
            .collect()
    }

    fn clear(&self) {
        self.seen.lock().unwrap().clear();
    }

    fn last_begun(&self) -> (Checkpoint, FencingToken, Option<Bytes>) {
        self.begun.lock().unwrap().last().unwrap().clone()
    }
}

struct Witness(Arc<World>);

impl RecordProcessor for Witness {
    async fn initialize(&mut self, input: Initialization<'_>) -> Result<(), BoxError> {
        let state = input.pending().and_then(|pending| pending.state.clone());
        let told = (input.checkpoint().clone(), input.fencing_token(), state);
        self.0.begun.lock().unwrap().push(told);
        if let Some(position) = self.0.start_after.lock().unwrap().clone() {
            input.start_after(position);
        }
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for record in batch.records() {
            let data = String::from_utf8(record.data().to_vec())?;
            let seen = (data, record.position().clone());
            self.0.seen.lock().unwrap().push(seen);
        }
        let state = self.0.prepare.lock().unwrap().clone();
        if let Some(state) = state {
            let _left_alone = checkpointer.prepare(Some(state)).await?;
        }
        Ok(())
    }
}

struct Running {
    handle: ConsumerHandle,
    events: Events,
    task: JoinSet<Result<RunSummary, RunError>>,
}

impl Running {
    async fn stop(mut self) {
        self.handle.request_shutdown();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }

    /// As a crash: nothing is told to anybody.
    async fn kill(mut self) {
        self.task.shutdown().await;
    }

    /// How it ended by itself.
    async fn end(mut self) -> Result<RunSummary, RunError> {
        let ended = timeout(Duration::from_secs(600), self.task.join_next()).await;
        ended.expect("it ends").unwrap().unwrap()
    }

    async fn event(&mut self, wanted: impl Fn(&ConsumerEvent) -> bool) -> ConsumerEvent {
        let next = async {
            loop {
                match self.events.next().await {
                    Some(Notice::Event(event)) if wanted(&event) => return event,
                    Some(_) => {}
                    None => panic!("the consumer ended"),
                }
            }
        };
        timeout(Duration::from_secs(600), next).await.expect("the event")
    }
}

async fn local(shards: u32) -> InProcess {
    let local = InProcess::start().unwrap();
    local.create_stream("sales", shards).await.unwrap();
    local
}

fn config(worker: &str) -> ConsumerConfigBuilder {
    ConsumerConfig::builder("app", "sales").worker_id(worker).seed(7)
}

fn run(local: &InProcess, config: ConsumerConfigBuilder, world: &Arc<World>) -> Running {
    let world = Arc::clone(world);
    let consumer = Consumer::builder(config.build().unwrap())
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(local.dynamodb_client())
        .build(move |_: &ShardContext| Witness(Arc::clone(&world)))
        .unwrap();
    let (handle, events) = (consumer.handle(), consumer.handle().events());
    let mut task = JoinSet::new();
    task.spawn(consumer.run());
    Running { handle, events, task }
}

/// Puts records into the first shard; their numbers.
async fn put(local: &InProcess, data: &[&str]) -> Vec<SequenceNumber> {
    let mut numbers = Vec::new();
    for data in data {
        let put = local.kinesis_client().put_record().stream_name("sales");
        let put = put.partition_key("k").explicit_hash_key("1");
        let output = put.data(Blob::new(*data)).send().await.unwrap();
        numbers.push(SequenceNumber::parse(output.sequence_number()).unwrap());
    }
    numbers
}

/// Waits until a condition holds.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = timeout(Duration::from_secs(600), waiting).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn until_seen(world: &World, data: &[&str]) {
    until(&format!("{data:?}"), async || world.data() == data).await;
}

fn key() -> LeaseKey {
    LeaseKey::of_shard(&ShardId::from_number(0))
}

async fn checkpoint(local: &InProcess) -> Checkpoint {
    let store = DynamoDbLeaseStore::new(local.dynamodb_client(), "app");
    store.get(&key()).await.unwrap().unwrap().checkpoint
}

fn after(number: &SequenceNumber) -> Checkpoint {
    Checkpoint::At(Position::new(number.clone(), 0))
}

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
