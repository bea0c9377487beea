//! Many records from one source: read ahead, handed over in batches, outcomes in order.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{Fuse, FusedStream, Stream, StreamExt as _};

use super::permits::Waiting;
use super::stream::StreamProducer;
use super::ticket::DeliveryTicket;
use crate::driver::intake::{Prepared, Unprepared};
use crate::error::{PutError, UndeliveredError};
use crate::outcome::Delivery;
use crate::record::Record;

/// The outcomes of all records of a source, in the order of the source. From [`StreamProducer::put_all`].
///
/// A [`Stream`] for those who look at each outcome; [`finish`](Self::finish) for those who look at failures. When the
/// source ends, what is still buffered leaves without lingering.
///
/// # Cancel safety
/// Dropping it leaves the rest of the source unread. Records that were read and had no room yet are not sent; those
/// that had are delivered, and only their outcomes are not learned.
#[must_use = "nothing is put before it is polled"]
pub struct PutAll<S> {
    stream: StreamProducer,
    source: Fuse<Pin<Box<S>>>,
    /// Read, and not handed over yet.
    batch: VecDeque<Read>,
    /// The place in line of the first of these.
    waiting: Option<Waiting>,
    /// Those for which there is room.
    admitted: Vec<Prepared>,
    /// In the order of the source.
    outcomes: VecDeque<Pending>,
    is_hurried: bool,
}

/// A record out of the source.
enum Read {
    Put(Prepared),
    /// The stream is asked whether it takes so large a record.
    Large(BoxFuture<'static, Result<Prepared, (Record, PutError)>>),
    Refused(UndeliveredError),
}

/// An outcome to come, or one that is clear already.
enum Pending {
    Ticket(DeliveryTicket),
    Refused(UndeliveredError),
}

impl<S: Stream<Item = Record>> PutAll<S> {
    pub(super) fn new(stream: StreamProducer, source: S) -> Self {
        Self {
            stream,
            source: Box::pin(source).fuse(),
            batch: VecDeque::new(),
            waiting: None,
            admitted: Vec::new(),
            outcomes: VecDeque::new(),
            is_hurried: false,
        }
    }

    /// Puts all and waits for all outcomes; gives how many records were delivered. `failed` gets each that was not, with
    /// its error, in the order of the source: what shall become of it is the caller's to say.
    ///
    /// # Cancel safety
    /// As of the whole: see [`PutAll`].
    pub async fn finish(mut self, mut failed: impl FnMut(UndeliveredError)) -> u64 {
        let mut delivered = 0;
        while let Some(outcome) = self.next().await {
            match outcome {
                Ok(_) => delivered += 1,
                Err(error) => failed(error),
            }
        }
        delivered
    }

    /// Reads a batch; whether anything came.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        while self.batch.len() < BATCH {
            match self.source.poll_next_unpin(cx) {
                Poll::Ready(Some(record)) => {
                    self.batch.push_back(match self.stream.intake().prepare(record) {
                        Ok(prepared) => Read::Put(prepared),
                        Err(Unprepared::Unknown(record)) => Read::Large(self.stream.prepare_unknown(record)),
                        Err(Unprepared::Refused(record, source)) => Read::Refused(refused(record, source)),
                    });
                }
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        !self.batch.is_empty()
    }

    /// Hands over what there is room for, in order; the first for which there is none stands in line.
    fn hand_over(&mut self, cx: &mut Context<'_>) {
        while let Some(read) = self.batch.pop_front() {
            match read {
                Read::Put(prepared) => match self.room_for(&prepared, cx) {
                    Poll::Ready(Ok(())) => self.admitted.push(prepared),
                    Poll::Ready(Err(error)) => {
                        self.admit();
                        self.refuse(prepared, error);
                    }
                    Poll::Pending => {
                        self.batch.push_front(Read::Put(prepared));
                        break;
                    }
                },
                Read::Large(mut asking) => {
                    self.batch.push_front(match asking.poll_unpin(cx) {
                        Poll::Ready(Ok(prepared)) => Read::Put(prepared),
                        Poll::Ready(Err((record, source))) => Read::Refused(refused(record, source)),
                        Poll::Pending => {
                            self.batch.push_front(Read::Large(asking));
                            break;
                        }
                    });
                }
                Read::Refused(error) => {
                    self.admit();
                    self.outcomes.push_back(Pending::Refused(error));
                }
            }
        }
        self.admit();
    }

    fn room_for(&mut self, prepared: &Prepared, cx: &mut Context<'_>) -> Poll<Result<(), PutError>> {
        let room = self.stream.room();
        if self.waiting.is_none() {
            match room.try_take(prepared.amount) {
                Ok(true) => return Poll::Ready(Ok(())),
                Ok(false) => {}
                Err(_) => return Poll::Ready(Err(PutError::Closed)),
            }
        }
        let waiting = self.waiting.get_or_insert_with(|| room.wait_for(prepared.amount));
        let granted = ready!(Pin::new(waiting).poll(cx));
        self.waiting = None;
        Poll::Ready(match granted {
            Ok(permit) => {
                permit.keep();
                Ok(())
            }
            Err(_) => Err(PutError::Closed),
        })
    }

    /// Queues what was admitted, under one lock.
    fn admit(&mut self) {
        let Self {
            stream,
            admitted,
            outcomes,
            ..
        } = self;
        if admitted.is_empty() {
            return;
        }
        let issued = |ticket| outcomes.push_back(Pending::Ticket(ticket));
        let Err(error) = stream.intake().push_all(admitted, issued) else {
            return;
        };
        for prepared in std::mem::take(admitted) {
            self.stream.room().give_back(prepared.amount);
            self.refuse(prepared, error.clone());
        }
    }

    fn refuse(&mut self, prepared: Prepared, source: PutError) {
        self.outcomes
            .push_back(Pending::Refused(refused(prepared.record, source)));
    }

    /// Reads and hands over as much as is good at once; whether there is more to do at once.
    fn fill(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..BATCHES_AT_ONCE {
            if self.batch.is_empty() && (self.outcomes.len() + BATCH > READ_AHEAD || !self.read(cx)) {
                return false;
            }
            self.hand_over(cx);
            if !self.batch.is_empty() {
                return false;
            }
        }
        true
    }
}

impl<S: Stream<Item = Record>> Stream for PutAll<S> {
    type Item = Result<Delivery, UndeliveredError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let has_more = this.fill(cx);
        let is_read = this.source.is_terminated() && this.batch.is_empty();
        if is_read && !this.is_hurried {
            this.is_hurried = true;
            this.stream.hurry();
        }
        let outcome = match this.outcomes.front_mut() {
            None if is_read => return Poll::Ready(None),
            None => Poll::Pending,
            Some(Pending::Ticket(ticket)) => Pin::new(ticket)
                .poll(cx)
                .map(|outcome| Some(outcome.map_err(UndeliveredError::Failed))),
            Some(Pending::Refused(_)) => match this.outcomes.pop_front() {
                Some(Pending::Refused(error)) => return Poll::Ready(Some(Err(error))),
                _ => unreachable!("invariant: it was seen there"),
            },
        };
        if outcome.is_ready() {
            this.outcomes.pop_front();
        } else if has_more {
            // The first outcome is not there, and the source has more: go on, after others had their turn.
            cx.waker().wake_by_ref();
        }
        outcome
    }
}

impl<S> Unpin for PutAll<S> {}

impl<S> Drop for PutAll<S> {
    /// Nothing stays admitted between polls: what has room was handed over.
    fn drop(&mut self) {
        debug_assert!(self.admitted.is_empty());
    }
}

impl<S> fmt::Debug for PutAll<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutAll")
            .field("stream", &self.stream)
            .field("read", &self.batch.len())
            .field("outcomes", &self.outcomes.len())
            .finish_non_exhaustive()
    }
}

fn refused(record: Record, source: PutError) -> UndeliveredError {
    UndeliveredError::Refused { record, source }
}

/// Records handed over under one lock.
const BATCH: usize = 256;
/// Batches of one poll, so that others have their turn.
const BATCHES_AT_ONCE: usize = 4;
/// Outcomes kept before the first of them is there.
const READ_AHEAD: usize = 16_384;
