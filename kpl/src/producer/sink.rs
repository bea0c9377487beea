//! A sink of records, for pipelines built of streams and sinks.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::{FutureExt as _, Sink};

use super::permits::Waiting;
use super::stream::StreamProducer;
use super::ticket::DeliveryTicket;
use crate::driver::intake::{Prepared, Unprepared};
use crate::error::{PutError, UndeliveredError};
use crate::outcome::Delivery;
use crate::record::Record;

/// Takes records one by one; ready when there is room in the budget, flushed when all have their outcomes. From
/// [`StreamProducer::sink`].
///
/// Its error is the first failure since the last error, the record handed back with it; [`failures`](Self::failures)
/// counts all of them. It goes on after an error: what came after the failed record was put all the same. Flushing
/// sends what is buffered without lingering. Closing the sink is flushing it: the producer stays open.
#[must_use = "a sink does nothing by itself"]
pub struct RecordSink {
    stream: StreamProducer,
    /// Taken, and without room yet.
    next: Option<Next>,
    waiting: Option<Waiting>,
    tickets: VecDeque<DeliveryTicket>,
    first_failure: Option<UndeliveredError>,
    failures: u64,
    is_hurried: bool,
}

/// A record on its way in.
enum Next {
    Prepared(Prepared),
    /// The stream is asked whether it takes so large a record.
    Large(BoxFuture<'static, Result<Prepared, (Record, PutError)>>),
}

impl RecordSink {
    pub(super) fn new(stream: StreamProducer) -> Self {
        Self {
            stream,
            next: None,
            waiting: None,
            tickets: VecDeque::new(),
            first_failure: None,
            failures: 0,
            is_hurried: false,
        }
    }

    /// Records that failed so far, those told as errors included.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Hands over the record that has been taken, once there is room.
    fn poll_next_in(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UndeliveredError>> {
        if let Some(Next::Large(asking)) = &mut self.next {
            let prepared = ready!(asking.poll_unpin(cx));
            self.next = None;
            match prepared {
                Ok(prepared) => self.next = Some(Next::Prepared(prepared)),
                Err((record, source)) => return Poll::Ready(Err(self.refused(record, source))),
            }
        }
        let Some(Next::Prepared(next)) = &self.next else {
            return Poll::Ready(Ok(()));
        };
        let amount = next.amount;
        let room = self.stream.room();
        let waiting = self.waiting.get_or_insert_with(|| room.wait_for(amount));
        let granted = ready!(Pin::new(waiting).poll(cx));
        self.waiting = None;
        let Some(Next::Prepared(next)) = self.next.take() else {
            return Poll::Ready(Ok(()));
        };
        Poll::Ready(match granted {
            Ok(permit) => {
                permit.keep();
                self.queue(next)
            }
            Err(_) => Err(self.refused(next.record, PutError::Closed)),
        })
    }

    fn queue(&mut self, next: Prepared) -> Result<(), UndeliveredError> {
        let amount = next.amount;
        match self.stream.intake().push(next) {
            Ok(ticket) => {
                self.tickets.push_back(ticket);
                self.is_hurried = false;
                Ok(())
            }
            Err((record, source)) => {
                self.stream.room().give_back(amount);
                Err(self.refused(record, source))
            }
        }
    }

    fn refused(&mut self, record: Record, source: PutError) -> UndeliveredError {
        self.failures += 1;
        UndeliveredError::Refused { record, source }
    }

    /// Takes in the outcomes that are there, in order; ready when there are no more to come.
    fn poll_outcomes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(first) = self.tickets.front_mut() {
            let outcome: Result<Delivery, _> = ready!(Pin::new(first).poll(cx));
            self.tickets.pop_front();
            if let Err(error) = outcome {
                self.failures += 1;
                self.first_failure.get_or_insert(UndeliveredError::Failed(error));
            }
        }
        Poll::Ready(())
    }

    fn told(&mut self) -> Result<(), UndeliveredError> {
        self.first_failure.take().map_or(Ok(()), Err)
    }
}

impl Sink<Record> for RecordSink {
    type Error = UndeliveredError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let outcomes = self.poll_outcomes(cx);
        self.told()?;
        ready!(self.poll_next_in(cx))?;
        if outcomes.is_pending() && self.tickets.len() >= READ_AHEAD {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, record: Record) -> Result<(), Self::Error> {
        let prepared = match self.stream.intake().prepare(record) {
            Ok(prepared) => prepared,
            Err(Unprepared::Unknown(record)) => {
                self.next = Some(Next::Large(self.stream.prepare_unknown(record)));
                return Ok(());
            }
            Err(Unprepared::Refused(record, source)) => return Err(self.refused(record, source)),
        };
        match self.stream.room().try_take(prepared.amount) {
            Ok(true) => self.queue(prepared),
            // The next call waits for room.
            Ok(false) => {
                self.next = Some(Next::Prepared(prepared));
                Ok(())
            }
            Err(_) => Err(self.refused(prepared.record, PutError::Closed)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.poll_next_in(cx))?;
        if !self.is_hurried && !self.tickets.is_empty() {
            self.is_hurried = true;
            self.stream.hurry();
        }
        ready!(self.poll_outcomes(cx));
        Poll::Ready(self.told())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_flush(cx)
    }
}

impl fmt::Debug for RecordSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordSink")
            .field("stream", &self.stream)
            .field("outcomes", &self.tickets.len())
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

/// Outcomes that may be missing before the sink is ready no more.
const READ_AHEAD: usize = 16_384;
