//! What the shards of a consumer share that handles records one by one.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::answers::{Answers, IntoOutcome, IntoOutcomes};
use super::counts::{Counted, Counting};
use super::saves::Saves;
use super::{ReceivedRecord, RecordId, RecordLanes};
use crate::config::{ConsumerConfig, OnDeadline, RecordOptions};
use crate::dead_letter::Sink;
use crate::error::BoxError;
use crate::events::{Bell, ConsumerEvent, RecordEvent};
use crate::lanes::rules::Rules;
use crate::metrics::Counters;
use crate::process::halt::Halt;
use crate::process::hands::Tally;
use crate::processor::RecordProcessorFactory;
use crate::stream::ShardContext;
use crate::trace::RecordSpans;

/// The factory behind [`for_each_record`](crate::ConsumerBuilder::for_each_record),
/// [`for_each_batch`](crate::ConsumerBuilder::for_each_batch) and [`stream`](crate::ConsumerBuilder::stream).
#[derive(Debug, Clone)]
pub struct ByRecord(Arc<Shared>);

/// What all shards share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: RecordOptions,
    pub(super) rules: Rules,
    pub(super) handler: Handler,
    pub(super) dead_letters: Option<Sink>,
    pub(super) counting: Counting,
    pub(super) counters: Counters,
    pub(super) spans: Option<RecordSpans>,
    pub(super) tally: Arc<Tally>,
    pub(super) bell: Bell,
    pub(super) halt: Halt,
    pub(super) saves: Saves,
    config: Arc<ConsumerConfig>,
}

/// What a consumer gives to each way of handling records.
#[derive(Debug)]
pub(crate) struct Fittings {
    pub(crate) options: RecordOptions,
    pub(crate) dead_letters: Option<Sink>,
    pub(crate) counting: Counting,
    pub(crate) counters: Counters,
    pub(crate) spans: Option<RecordSpans>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) bell: Bell,
    pub(crate) halt: Halt,
    pub(crate) config: Arc<ConsumerConfig>,
}

impl ByRecord {
    pub(crate) fn new(handler: Handler, rules: Rules, fittings: Fittings) -> Self {
        let Fittings {
            options,
            dead_letters,
            counting,
            counters,
            spans,
            tally,
            bell,
            halt,
            config,
        } = fittings;
        Self(Arc::new(Shared {
            saves: Saves::of(config.checkpointing.policy, &options),
            options,
            rules,
            handler,
            dead_letters,
            counting,
            counters,
            spans,
            tally,
            bell,
            halt,
            config,
        }))
    }
}

impl RecordProcessorFactory for ByRecord {
    type Processor = RecordLanes;

    fn create(&self, shard: &ShardContext) -> RecordLanes {
        let rng = self.0.config.rng(&format!("lanes/{}", shard.lease_key()));
        RecordLanes::new(Arc::clone(&self.0), shard, rng)
    }
}

impl Shared {
    pub(super) fn on_overdue(&self, record: RecordId, partition_key: Option<String>) {
        self.counting.one(Counted::Overdue);
        let cancelled = self.options.on_deadline == OnDeadline::Cancel;
        let deadline = self.options.deadline.unwrap_or_default();
        tracing::warn!(%record, elapsed_ms = deadline.as_millis(), cancelled, "handler has not returned by its deadline");
        self.bell.ring(ConsumerEvent::Record(RecordEvent::Overdue {
            record,
            partition_key,
            deadline,
            cancelled,
        }));
    }
}

type Call = BoxFuture<'static, Result<Answers, BoxError>>;

/// The user's code.
#[derive(Clone)]
pub(crate) struct Handler(Arc<dyn Fn(Vec<ReceivedRecord>) -> Call + Send + Sync>);

impl Handler {
    pub(crate) fn of_records<H, Fut>(handler: H) -> Self
    where
        H: Fn(ReceivedRecord) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self(Arc::new(move |records| {
            let handler = Arc::clone(&handler);
            // Called inside, so that a panic of the call itself is a failure of this record too.
            Box::pin(async move {
                match records.into_iter().next() {
                    Some(record) => handler(record).await.into_outcome().map(Answers::Whole),
                    None => Ok(Answers::Each(Vec::new())),
                }
            })
        }))
    }

    pub(crate) fn of_batches<H, Fut>(handler: H) -> Self
    where
        H: Fn(Vec<ReceivedRecord>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcomes> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self(Arc::new(move |records| {
            let handler = Arc::clone(&handler);
            Box::pin(async move { handler(records).await.into_answers() })
        }))
    }

    /// Of a call that does its first part at once, in the order of the shard.
    pub(super) fn of_calls(call: impl Fn(Vec<ReceivedRecord>) -> Call + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    pub(super) fn call(&self, records: Vec<ReceivedRecord>) -> Call {
        (self.0)(records)
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}
