//! The consumer, by polling and by enhanced fan-out.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use kcl::{
    Checkpointer, Consumer, ConsumerConfig, InitialPosition, ReadBudget, RecordBatch, RecordProcessor,
    Retrieval, ShardContext,
};

use crate::BoxError;
use crate::case::Case;
use crate::meter::Figures;
use crate::producer::client;
use crate::shapes::Recorder;

/// What the processors of all shards saw.
#[derive(Debug, Default)]
struct Seen {
    records: AtomicU64,
    bytes: AtomicU64,
    enough: tokio::sync::Notify,
}

/// Counts and checkpoints each batch.
#[derive(Debug)]
struct Counter {
    seen: Arc<Seen>,
    wanted: u64,
}

impl RecordProcessor for Counter {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        let bytes: usize = batch.records().iter().map(|record| record.data().len()).sum();
        self.seen.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let count = batch.records().len() as u64;
        if self.seen.records.fetch_add(count, Ordering::Relaxed) + count >= self.wanted {
            self.seen.enough.notify_one();
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

/// Reads the stream through kcl, one worker, until every record was seen.
pub(crate) async fn ours(case: &Case, retrieval: Retrieval) -> Result<Figures, BoxError> {
    let recorder = Recorder::default();
    let workload = case.workload();
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
            .endpoint_url(&case.dynamodb)
            .build(),
    );
    let config = ConsumerConfig::builder(&case.application, &case.stream)
        .initial_position(InitialPosition::TrimHorizon)
        .retrieval(retrieval)
        .build()?;
    let seen = Arc::new(Seen::default());
    let wanted = workload.records as u64;
    let factory = {
        let seen = Arc::clone(&seen);
        move |_: &ShardContext| Counter {
            seen: Arc::clone(&seen),
            wanted,
        }
    };
    let consumer = Consumer::builder(config)
        .kinesis_client(client(&case.kinesis, Some(&recorder)))
        .dynamodb_client(dynamodb)
        // The endpoint has no limits; what a limiter waits for is not what this measures.
        .read_budget(ReadBudget::of_bytes(BUDGET).without_byte_rate())
        .build(factory)?;

    let started = Instant::now();
    let done = {
        let seen = Arc::clone(&seen);
        async move { seen.enough.notified().await }
    };
    tokio::time::timeout(LIMIT, consumer.run_until(done)).await??;

    let mut figures = Figures::of_this_process(started.elapsed())?;
    figures.records = seen.records.load(Ordering::Relaxed);
    figures.bytes = seen.bytes.load(Ordering::Relaxed);
    figures.requests = recorder.shapes().gets;
    Ok(figures)
}

/// A run that takes longer is a failure.
const LIMIT: Duration = Duration::from_secs(120);

/// The default of a consumer.
pub(crate) const BUDGET: NonZeroUsize = NonZeroUsize::new(64 << 20).expect("not zero");
