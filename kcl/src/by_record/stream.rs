//! Records as a stream, each answered by whoever has it.

use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::answers::Answers;
use super::attend::DroppedUnanswered;
use super::handed_out::HandedOut;
use super::shared::Handler;
use super::{ByRecord, ReceivedRecord};
use crate::consumer::{Consumer, ConsumerBuilder, ConsumerHandle, RunSummary};
use crate::error::{ConfigError, RunError};
use crate::lanes::outcome::Outcome;

impl ConsumerBuilder {
    /// The records of all shards that this worker gets, as a stream; each is answered when whoever took it is done with it.
    ///
    /// # Errors
    /// As [`for_each_record`](Self::for_each_record).
    pub fn stream(self) -> Result<RecordStream, ConfigError> {
        let rules = self.records.rules_of_stream();
        let records = HandedOut::default();
        let out = records.clone();
        let handler = Handler::of_calls(move |records| {
            let (token, answer) = oneshot::channel();
            // At once, in the order of the shard. Where the stream is gone the token goes with it.
            if let Some(record) = records.into_iter().next() {
                out.push(AckRecord::new(record, token));
            }
            Box::pin(async move {
                match answer.await {
                    Ok(outcome) => Ok(Answers::Whole(outcome)),
                    Err(_) => Err(DroppedUnanswered.into()),
                }
            })
        });
        let consumer = self.by_record(handler, rules)?;
        Ok(RecordStream {
            records,
            handle: consumer.handle(),
            consumer: Some(Box::new(consumer)),
            running: JoinSet::new(),
            summary: None,
        })
    }
}

/// A stream of records with leases; from [`ConsumerBuilder::stream`].
///
/// The consumer runs in a task of its own from the first poll on, which must happen in a runtime; it ends when the stream is
/// dropped, as in a crash, or [closed](Self::close). Records come in the order of their shard, and, without
/// [`RecordOptionsBuilder::order`](crate::RecordOptionsBuilder::order), without waiting for those before them. A record that
/// is not acknowledged holds the checkpoint of its shard, and in the end its
/// [window](crate::RecordOptionsBuilder::window).
///
/// ```no_run
/// use futures::StreamExt as _;
/// use kcl::{BoxError, Consumer, ConsumerConfig};
///
/// # async fn example(sdk_config: aws_types::SdkConfig) -> Result<(), BoxError> {
/// let config = ConsumerConfig::builder("stock", "sales").build()?;
/// let mut records = Consumer::builder(config).sdk_config(&sdk_config).stream()?;
/// while let Some(record) = records.next().await {
///     let record = record?;
///     println!("{}", record.record().id());
///     record.ack();
/// }
/// # Ok(())
/// # }
/// ```
///
/// An item is an error only as the last one: what [`Consumer::run`] would have returned.
#[must_use = "a stream does nothing until it is polled"]
pub struct RecordStream {
    records: HandedOut,
    handle: ConsumerHandle,
    consumer: Option<Box<Consumer<ByRecord>>>,
    running: JoinSet<Result<RunSummary, RunError>>,
    summary: Option<RunSummary>,
}

impl RecordStream {
    /// A handle to stop the consumer and to look at it from elsewhere.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        self.handle.clone()
    }

    /// Stops in good order: records that were not taken out come again elsewhere, those that were may be answered within the
    /// [drain time](crate::RecordOptionsBuilder::drain). Then the leases are given up. What the consumer did; `None` if it
    /// was never polled or had ended with an error before.
    ///
    /// # Errors
    /// As [`Consumer::run`].
    ///
    /// # Cancel safety
    /// A dropped call ends the consumer as a crash would.
    pub async fn close(mut self) -> Result<Option<RunSummary>, RunError> {
        self.handle.request_shutdown();
        self.consumer = None;
        self.records.close();
        match self.running.join_next().await {
            Some(Ok(ended)) => ended.map(Some),
            Some(Err(defect)) if defect.is_panic() => resume_unwind(defect.into_panic()),
            Some(Err(_)) | None => Ok(self.summary),
        }
    }
}

impl Stream for RecordStream {
    type Item = Result<AckRecord, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(consumer) = this.consumer.take() {
            this.running.spawn(consumer.run());
        }
        if let Poll::Ready(record) = this.records.poll(cx) {
            return Poll::Ready(Some(Ok(record)));
        }
        match this.running.poll_join_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(Ok(summary)))) => {
                this.summary = Some(summary);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(Err(error)))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Some(Err(defect))) if defect.is_panic() => resume_unwind(defect.into_panic()),
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for RecordStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordStream").finish_non_exhaustive()
    }
}

/// A record of a [`RecordStream`], to be answered. Dropped without an answer it has failed: it comes again.
#[derive(Debug)]
#[must_use = "a record dropped without an answer comes again"]
pub struct AckRecord {
    record: ReceivedRecord,
    token: AckToken,
}

impl AckRecord {
    pub(super) fn new(record: ReceivedRecord, answer: oneshot::Sender<Outcome>) -> Self {
        let token = AckToken(answer);
        Self { record, token }
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &ReceivedRecord {
        &self.record
    }

    /// It is done.
    pub fn ack(self) {
        self.token.answer(Outcome::Ack);
    }

    /// Any outcome.
    pub fn answer(self, outcome: Outcome) {
        self.token.answer(outcome);
    }

    /// Whether the answer still counts: the shard's lease is held.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.token.is_held()
    }

    /// The record, and what answers it.
    pub fn into_parts(self) -> (ReceivedRecord, AckToken) {
        (self.record, self.token)
    }
}

/// Answers one record. Dropped without an answer, the record comes again.
#[derive(Debug)]
#[must_use = "a record whose token is dropped comes again"]
pub struct AckToken(oneshot::Sender<Outcome>);

impl AckToken {
    /// It is done.
    pub fn ack(self) {
        self.answer(Outcome::Ack);
    }

    /// Any outcome. Goes nowhere once the lease is lost: the record comes again to whoever has it.
    pub fn answer(self, outcome: Outcome) {
        let _ = self.0.send(outcome);
    }

    /// Whether the answer still counts: the shard's lease is held.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.0.is_closed()
    }
}
