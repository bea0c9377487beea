//! One consumer at a time on the endpoint inside this process, and what its processors saw.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use bytes::Bytes;
use kcl::{
    BoxError, Checkpoint, Checkpointer, Consumer, ConsumerConfig, ConsumerConfigBuilder, DynamoDbLeaseStore,
    FencingToken, Initialization, LeaseKey, LeaseStore, Position, RecordBatch, RecordProcessor,
    SequenceNumber, ShardContext, ShardId,
};
use kinesis_local::InProcess;
use tokio::time::{sleep, timeout};

use crate::running::Running;

/// What processors saw and were told, and what they are to do.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) seen: Mutex<Vec<(String, Position)>>,
    pub(crate) begun: Mutex<Vec<(Checkpoint, FencingToken, Option<Bytes>)>>,
    pub(crate) start_after: Mutex<Option<Position>>,
    /// Prepare with these bytes instead of checkpointing nothing.
    pub(crate) prepare: Mutex<Option<Bytes>>,
    /// The record that no batch is processed with.
    pub(crate) poison: Mutex<Option<String>>,
    /// The record that takes so long.
    pub(crate) pace: Mutex<Option<(&'static str, Duration)>>,
}

impl World {
    pub(crate) fn data(&self) -> Vec<String> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|(data, _)| data.clone())
            .collect()
    }

    pub(crate) fn clear(&self) {
        self.seen.lock().unwrap().clear();
    }

    pub(crate) fn last_begun(&self) -> (Checkpoint, FencingToken, Option<Bytes>) {
        self.begun.lock().unwrap().last().unwrap().clone()
    }
}

pub(crate) struct Witness(pub(crate) Arc<World>);

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
            if self.0.poison.lock().unwrap().as_ref() == Some(&data) {
                return Err("as told".into());
            }
            let pace = *self.0.pace.lock().unwrap();
            if let Some((_, pause)) = pace.filter(|(slow, _)| *slow == data) {
                sleep(pause).await;
            }
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

pub(crate) async fn local(shards: u32) -> InProcess {
    let local = InProcess::start().unwrap();
    local.create_stream("sales", shards).await.unwrap();
    local
}

pub(crate) fn config(worker: &str) -> ConsumerConfigBuilder {
    ConsumerConfig::builder("app", "sales").worker_id(worker).seed(7)
}

pub(crate) fn run(local: &InProcess, config: ConsumerConfigBuilder, world: &Arc<World>) -> Running {
    let world = Arc::clone(world);
    let consumer = Consumer::builder(config.build().unwrap())
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(local.dynamodb_client())
        .build(move |_: &ShardContext| Witness(Arc::clone(&world)))
        .unwrap();
    Running::of(consumer)
}

/// Puts records into the first shard; their numbers.
pub(crate) async fn put(local: &InProcess, data: &[&str]) -> Vec<SequenceNumber> {
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
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = timeout(Duration::from_secs(600), waiting).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(crate) async fn until_seen(world: &World, data: &[&str]) {
    until(&format!("{data:?}"), async || world.data() == data).await;
}

pub(crate) fn key() -> LeaseKey {
    LeaseKey::of_shard(&ShardId::from_number(0))
}

pub(crate) fn store(local: &InProcess) -> DynamoDbLeaseStore {
    DynamoDbLeaseStore::new(local.dynamodb_client(), "app")
}

pub(crate) async fn checkpoint(local: &InProcess) -> Checkpoint {
    store(local).get(&key()).await.unwrap().unwrap().checkpoint
}

pub(crate) fn after(number: &SequenceNumber) -> Checkpoint {
    Checkpoint::At(Position::new(number.clone(), 0))
}
