//! Reading shards without leases: for engines that keep positions and share out shards themselves.
//!
//! ```text
//!  StreamReader ── shards ──> which there are
//!       └── open(shard, start) ──> ShardReader ── batch ── batch ── end: these follow
//! ```
//!
//! ```no_run
//! use futures::StreamExt as _;
//! use kcl::reader::ShardRead;
//! use kcl::{BoxError, Consumer, ConsumerConfig, ShardStart};
//!
//! # async fn example(sdk_config: aws_types::SdkConfig) -> Result<(), BoxError> {
//! let config = ConsumerConfig::builder("engine", "sales").build()?;
//! let stream = Consumer::builder(config).sdk_config(&sdk_config).reader()?;
//! for shard in stream.shards().await? {
//!     let mut reader = stream.open(&shard.id, shard.hash_range, ShardStart::TrimHorizon);
//!     while let Some(read) = reader.next().await {
//!         match read {
//!             ShardRead::Batch(batch) => println!("{} records", batch.len()),
//!             ShardRead::End { children } => println!("followed by {children:?}"),
//!             _ => {}
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Aggregates are taken apart, rates and budgets kept, failures ridden out as a consumer does; nothing is asked of DynamoDB. Each
//! shard's order, and that parents come before their children, is the engine's to keep.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream as FuturesStream};
use kinesis_aggregation::{HashKeyRange, ShardId};

use crate::config::{ConsumerConfig, ShardStart};
use crate::error::BoxError;
use crate::events::Bell;
use crate::metrics::Counters;
use crate::position::Checkpoint;
use crate::process::pulse::Pulse;
use crate::processor::RecordBatch;
use crate::shard::start::StartAt;
use crate::shard_sync::Shard;
use crate::shard_sync::children::ChildShard;
use crate::source::Source as _;
use crate::source::ahead::{HeldBatch, ReadAhead};
use crate::source::budget::ReadBudget;
use crate::source::kinesis::KinesisStream;
use crate::stream::Stream;

/// One stream, to be read shard by shard; from [`ConsumerBuilder::reader`](crate::ConsumerBuilder::reader). Cheap to clone.
#[derive(Debug, Clone)]
pub struct StreamReader {
    source: Arc<KinesisStream>,
    stream: Stream,
    budget: ReadBudget,
    config: Arc<ConsumerConfig>,
    counters: Counters,
}

/// The shards could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("shards of stream `{stream}` cannot be listed")]
pub struct ListError {
    stream: String,
    #[source]
    source: BoxError,
}

impl StreamReader {
    pub(crate) fn new(
        source: KinesisStream,
        stream: Stream,
        budget: ReadBudget,
        config: Arc<ConsumerConfig>,
    ) -> Self {
        Self {
            source: Arc::new(source),
            stream,
            budget,
            counters: Counters::new(config.worker_id().clone(), config.metrics.clone()),
            config,
        }
    }

    /// All shards that the stream lists: open ones, and closed ones whose records are kept.
    ///
    /// # Errors
    /// [`ListError`], after some attempts.
    pub async fn shards(&self) -> Result<Vec<Shard>, ListError> {
        self.source
            .list_shards(&self.stream)
            .await
            .map_err(|failure| ListError {
                stream: self.stream.to_string(),
                source: failure.into(),
            })
    }

    /// Begins to read a shard, in a task that ends when the reader is dropped; call it in a runtime. `hash_range` is the
    /// shard's, from its listing or from its parent's end: aggregates with records of other shards are dropped by it.
    pub fn open(&self, shard: &ShardId, hash_range: HashKeyRange, start: ShardStart) -> ShardReader {
        let (start, done) = match start {
            ShardStart::TrimHorizon => (StartAt::TrimHorizon, Checkpoint::TrimHorizon),
            ShardStart::Latest => (StartAt::Latest, Checkpoint::Latest),
            ShardStart::AtTimestamp(time) => (StartAt::AtTimestamp(time), Checkpoint::AtTimestamp),
            ShardStart::At(number) => (StartAt::AtSequence(number), Checkpoint::TrimHorizon),
            // AT it, because the rest of its aggregate may be to do.
            ShardStart::After(position) => (
                StartAt::AtSequence(position.sequence_number().clone()),
                Checkpoint::At(position),
            ),
        };
        let key = self.stream.lease_key(shard);
        let pulse = Pulse::new(key, Bell::new(), self.counters.clone());
        let meter = pulse.meter().clone();
        let reader = self
            .source
            .open(&self.stream, shard.clone(), hash_range, start, meter);
        let most = self.config.retrieval.max_records as usize;
        ShardReader {
            next: next(ReadAhead::start(reader, self.budget.clone(), pulse, most)),
            done,
            end: None,
            is_over: false,
        }
    }
}

/// What a [`ShardReader`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShardRead {
    /// Records, in their order. A batch counts against the budget until it is dropped.
    Batch(RecordBatch),
    /// The shard is closed, and this was all of it. Given once, last of all.
    End {
        /// The shards that follow, where the service named them; a merged one is named by both its parents. Read them when all
        /// their parents are done.
        children: Vec<ChildShard>,
    },
}

/// The records of one shard from one place on, as a stream.
#[must_use = "a reader does nothing until it is polled"]
pub struct ShardReader {
    next: BoxFuture<'static, (ReadAhead, Option<HeldBatch>)>,
    done: Checkpoint,
    end: Option<Vec<ChildShard>>,
    is_over: bool,
}

fn next(mut reading: ReadAhead) -> BoxFuture<'static, (ReadAhead, Option<HeldBatch>)> {
    async move {
        let held = reading.next().await;
        (reading, held)
    }
    .boxed()
}

impl FuturesStream for ShardReader {
    type Item = ShardRead;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ShardRead>> {
        loop {
            if let Some(children) = self.end.take() {
                self.is_over = true;
                return Poll::Ready(Some(ShardRead::End { children }));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            let (reading, held) = std::task::ready!(self.next.poll_unpin(cx));
            self.next = next(reading);
            let Some(mut held) = held else {
                self.is_over = true;
                continue;
            };
            held.batch.records.skip_done(&self.done);
            self.end = held.batch.end.take().map(|end| end.children);
            let batch = held.batch.records;
            if !batch.is_empty() || !batch.dropped().is_empty() {
                return Poll::Ready(Some(ShardRead::Batch(batch)));
            }
        }
    }
}

impl fmt::Debug for ShardReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardReader")
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
