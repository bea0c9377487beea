//! The handle of one stream: puts without naming it each time.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::Shared;
use super::permits::Room;
use super::put_all::PutAll;
use super::reservation::Reservation;
use super::sink::RecordSink;
use super::ticket::{DeliveryTicket, Origin};
use crate::driver::intake::{Command, Intake, Phase, Prepared, Unprepared};
use crate::error::{FlushError, PutError, TryPutError};
use crate::record::Record;
use crate::stream::StreamName;

/// Puts records into one stream. From [`Producer::stream`](crate::Producer::stream).
///
/// A cheap handle of its producer, which lives as long as it does: puts through it cost less, since the stream is not
/// looked up. All handles of one producer share its budget and its tasks.
#[derive(Debug, Clone)]
pub struct StreamProducer {
    shared: Arc<Shared>,
    intake: Arc<Intake>,
}

impl StreamProducer {
    pub(super) fn new(shared: Arc<Shared>, intake: Arc<Intake>) -> Self {
        Self { shared, intake }
    }

    /// The stream.
    #[must_use]
    pub fn name(&self) -> &StreamName {
        self.intake.stream()
    }

    /// Takes a record, after waiting for room in the budget of bytes and records in flight (KPL: `addUserRecord`, which
    /// never waits and has no bound).
    ///
    /// Returns once the record is queued; the ticket tells its outcome. Records of one partition key that one caller
    /// puts one after the other are stored in that order. Who waits for room is served first come, first served. A
    /// record above 1 MiB, which not every stream takes, waits for the stream's own limit before anything else, up to
    /// the [time for first contact](crate::StreamConfig::with_first_contact_timeout).
    ///
    /// # Errors
    /// [`PutError`] when the record is too large or the producer is closed.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready means that the record is not sent: it waits for the stream's limit if it
    /// is large and for room in the budget, and holds none afterwards.
    pub async fn put(&self, record: Record) -> Result<DeliveryTicket, PutError> {
        self.put_from(Origin::Caller, record).await
    }

    pub(crate) async fn put_from(&self, origin: Origin, record: Record) -> Result<DeliveryTicket, PutError> {
        // A caller that never waits must still let the stream's task run, where they share a thread.
        tokio::task::consume_budget().await;
        let mut prepared = match self.intake.prepare(record) {
            Ok(prepared) => prepared,
            Err(Unprepared::Unknown(record)) => {
                self.prepare_unknown(record).await.map_err(|(_, error)| error)?
            }
            Err(Unprepared::Refused(_, error)) => return Err(error),
        };
        prepared.origin = origin;
        let room = self.room();
        let amount = prepared.amount;
        if !room.try_take(amount).map_err(|_| PutError::Closed)? {
            let permit = room.wait_for(amount).await.map_err(|_| PutError::Closed)?;
            permit.keep();
        }
        self.intake.push(prepared).map_err(|(_, error)| {
            room.give_back(amount);
            error
        })
    }

    /// Takes a record if there is room now, and never waits.
    ///
    /// # Errors
    /// [`TryPutError`] hands the record back: because there is no room, or because it cannot be taken at all.
    pub fn try_put(&self, record: Record) -> Result<DeliveryTicket, TryPutError> {
        let refused = |(record, source)| TryPutError::Refused { record, source };
        let prepared = self.prepare_now(record)?;
        let room = self.room();
        let amount = prepared.amount;
        match room.try_take(amount) {
            Ok(true) => {}
            Ok(false) => {
                return Err(TryPutError::Full {
                    record: prepared.record,
                });
            }
            Err(_) => return Err(refused((prepared.record, PutError::Closed))),
        }
        self.intake.push(prepared).map_err(|back| {
            room.give_back(amount);
            refused(back)
        })
    }

    /// Waits for room for several records, and keeps it for them: puts on the reservation never wait (no KPL equal).
    ///
    /// `bytes` are those of data and partition keys of all `records` together; what each record
    /// [counts beyond them](crate::RECORD_OVERHEAD) is added here. Who asks for much is served in turn like anybody
    /// else, and nobody who comes later is served before.
    ///
    /// # Errors
    /// [`PutError`] when so much exceeds the whole budget, or the producer is closed.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in line, and leaves nothing reserved.
    pub async fn reserve(&self, records: usize, bytes: usize) -> Result<Reservation, PutError> {
        let room = self.room();
        let amount = self.intake.cost_of(records, bytes)?;
        let closed = |_| self.intake.refusal();
        let permit = room.wait_for(amount).await.map_err(closed)?;
        if self.intake.phase() > Phase::Open {
            return Err(self.intake.refusal());
        }
        Ok(Reservation::new(self.clone(), permit))
    }

    /// Puts all records of a stream or an iterator, in batches, and gives their outcomes in the same order.
    ///
    /// It reads ahead as far as the budget lets it, and no further than 16,384 records, so memory is bounded however
    /// long the source is. Nothing happens before it is polled.
    ///
    /// ```no_run
    /// # async fn run(orders: kpl::StreamProducer, records: Vec<kpl::Record>) {
    /// let source = futures::stream::iter(records);
    /// let delivered = orders.put_all(source).finish(|error| eprintln!("{error}")).await;
    /// # }
    /// ```
    pub fn put_all<S>(&self, records: S) -> PutAll<S>
    where
        S: futures::Stream<Item = Record>,
    {
        PutAll::new(self.clone(), records)
    }

    /// A [`Sink`](futures::Sink) of records whose flush waits for their outcomes.
    pub fn sink(&self) -> RecordSink {
        RecordSink::new(self.clone())
    }

    /// Sends what this stream has buffered without lingering, and waits until every record put to it before has its
    /// outcome (KPL: `flush(stream)`, which is no barrier).
    ///
    /// # Errors
    /// [`FlushError`] when the stream's task failed.
    ///
    /// # Cancel safety
    /// Dropping the future gives up waiting; records that were hurried stay hurried.
    pub async fn flush(&self) -> Result<(), FlushError> {
        let flushing = self.shared.begin_flush(&self.intake);
        self.shared.end_flush(&self.intake, flushing).await
    }

    /// Records of this stream that have no outcome yet (KPL: `getOutstandingRecordsCount`).
    ///
    /// A record is counted until its ticket has the outcome, not less.
    #[must_use]
    pub fn outstanding_records(&self) -> u64 {
        self.intake.outstanding()
    }

    /// For how long the oldest record that has no outcome yet has been waiting for it; `None` if there is none (KPL:
    /// `getOldestRecordTimeInMillis`).
    ///
    /// # Cancel safety
    /// It only asks.
    pub async fn oldest_record_age(&self) -> Option<Duration> {
        let (tell, told) = oneshot::channel();
        if !self.intake.ask(Command::Oldest(tell)) {
            return None;
        }
        let arrival = told.await.ok().flatten()?;
        Some(tokio::time::Instant::now().saturating_duration_since(arrival.into()))
    }

    /// A record, ready to be queued without waiting.
    pub(super) fn prepare_now(&self, record: Record) -> Result<Prepared, TryPutError> {
        self.intake
            .prepare(record)
            .map_err(|unprepared| match unprepared {
                Unprepared::Unknown(record) => {
                    // Until the next try it may be known; a stream that has ended refuses then.
                    let _ = self.intake.ask(Command::AskLimit);
                    TryPutError::LimitUnknown { record }
                }
                Unprepared::Refused(record, source) => TryPutError::Refused { record, source },
            })
    }

    /// A record that is larger than every stream takes, ready to be queued once this one has said that it does.
    pub(super) fn prepare_unknown(
        &self,
        record: Record,
    ) -> BoxFuture<'static, Result<Prepared, (Record, PutError)>> {
        Arc::clone(&self.intake).prepare_unknown(record).boxed()
    }

    /// Sends what is buffered without lingering, and waits for nothing.
    pub(super) fn hurry(&self) {
        // A stream that answers no more has nothing to hurry.
        let _ = self.shared.begin_flush(&self.intake);
    }

    pub(super) fn intake(&self) -> &Intake {
        &self.intake
    }

    pub(super) fn room(&self) -> &Arc<Room> {
        self.shared.streams.room()
    }
}
