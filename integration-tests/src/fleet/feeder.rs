//! Puts numbered records into every shard of a stream, evenly, until it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use kinesis_local::Local;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::error::FleetError;

/// Feeds one stream: record `n` of each shard holds `shard-n`.
#[derive(Debug)]
pub(super) struct Feeder {
    client: Client,
    stream: String,
    shards: u32,
    state: Arc<State>,
    _feeding: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Records put into each shard so far.
    put: AtomicU64,
    pausing: AtomicBool,
}

impl Feeder {
    /// Puts one record into each shard now, and another each `every`.
    pub(super) async fn start(
        local: &Local,
        stream: &str,
        shards: u32,
        every: Duration,
    ) -> Result<Self, FleetError> {
        let (client, state) = (local.kinesis_client(), Arc::new(State::default()));
        put(&client, stream, shards, 0).await?;
        state.put.store(1, Ordering::Release);
        let mut feeding = JoinSet::new();
        feeding.spawn(feed(
            client.clone(),
            stream.to_owned(),
            shards,
            every,
            Arc::clone(&state),
        ));
        Ok(Self {
            client,
            stream: stream.to_owned(),
            shards,
            state,
            _feeding: feeding,
        })
    }

    /// How many records are in each shard: 0 to this less one.
    pub(super) fn put(&self) -> u64 {
        self.state.put.load(Ordering::Acquire)
    }

    /// Puts nothing for a while, or goes on.
    pub(super) fn pause(&self, pausing: bool) {
        self.state.pausing.store(pausing, Ordering::Release);
    }

    /// Stops, puts a last record into each shard, and says how many each has then.
    pub(super) async fn finish(mut self) -> Result<u64, FleetError> {
        self._feeding.shutdown().await;
        // One that was on its way may be there or not; the numbers after it are new in any case.
        let last = self.put() + 1;
        put(&self.client, &self.stream, self.shards, last).await?;
        Ok(last)
    }
}

async fn feed(client: Client, stream: String, shards: u32, every: Duration, state: Arc<State>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if state.pausing.load(Ordering::Acquire) {
            continue;
        }
        let number = state.put.load(Ordering::Acquire);
        // What could not be put is not counted, and put again: the check looks at what is counted.
        if put(&client, &stream, shards, number).await.is_ok() {
            state.put.store(number + 1, Ordering::Release);
        }
    }
}

async fn put(client: &Client, stream: &str, shards: u32, number: u64) -> Result<(), FleetError> {
    let failed = |error: aws_sdk_kinesis::error::BoxError| FleetError::Put(error);
    let width = u128::MAX / u128::from(shards);
    let mut entries = Vec::new();
    for shard in 0..shards {
        let entry = PutRecordsRequestEntry::builder()
            .partition_key("fleet")
            .explicit_hash_key((width * u128::from(shard) + width / 2).to_string())
            .data(Blob::new(format!("{shard}-{number}")))
            .build();
        entries.push(entry.map_err(|error| failed(error.into()))?);
    }
    let answer = client
        .put_records()
        .stream_name(stream)
        .set_records(Some(entries))
        .send()
        .await
        .map_err(|error| failed(error.into()))?;
    match answer.failed_record_count() {
        None | Some(0) => Ok(()),
        Some(count) => Err(failed(format!("{count} entries were refused").into())),
    }
}
