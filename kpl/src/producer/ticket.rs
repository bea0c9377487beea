//! The future of one record's outcome, and its other end.
//!
//! Tickets share an allocation by eights, in the order of puts. So a ticket costs little, and one that is kept long
//! keeps little.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::{DeliveryError, DeliveryErrorKind};
use crate::outcome::{Delivery, History};
use crate::pipeline::Outcome;
use crate::producer::permits::Amount;
use crate::stream::StreamName;

/// Resolves to the record's outcome: each record that was taken has exactly one.
///
/// Dropping the ticket does not take the record back; it only gives up learning what became of it.
///
/// # Panics
/// When it is polled again after it was ready, as futures may.
#[derive(Debug)]
#[must_use = "the outcome of the record is known only through its ticket"]
pub struct DeliveryTicket {
    block: Arc<Block>,
    place: u8,
    is_done: bool,
}

/// The other end: travels with the record, and knows its cost. Dropping it without an outcome loses the record.
#[derive(Debug)]
pub(crate) struct Token {
    block: Option<Arc<Block>>,
    place: u8,
    origin: Origin,
    cost: u32,
}

/// Who put a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The application.
    Caller,
    /// A spool, which cares for it itself when it fails again.
    #[cfg(feature = "spool")]
    Spool,
}

/// Makes tickets.
#[derive(Debug)]
pub(crate) struct Tickets {
    block: Arc<Block>,
    next: u8,
}

/// Some tickets of one stream.
#[derive(Debug)]
struct Block {
    stream: StreamName,
    places: [Mutex<Place>; BLOCK],
}

/// How one ticket stands.
#[derive(Debug)]
enum Place {
    /// No outcome yet, and who waits for it.
    Open(Option<Waker>),
    /// The outcome, not yet taken.
    Done(Outcome),
    /// The other end went without an outcome.
    Lost,
    /// The outcome was taken, or nobody wants it.
    Left,
}

impl Tickets {
    pub(crate) fn new(stream: StreamName) -> Self {
        Self {
            block: Block::new(stream),
            next: 0,
        }
    }

    /// The next ticket and its other end, for a record that takes `cost` bytes of the budget.
    pub(crate) fn issue(&mut self, cost: u32, origin: Origin) -> (Token, DeliveryTicket) {
        if usize::from(self.next) == BLOCK {
            *self = Self::new(self.block.stream.clone());
        }
        let place = self.next;
        self.next += 1;
        let token = Token {
            block: Some(Arc::clone(&self.block)),
            place,
            origin,
            cost,
        };
        let ticket = DeliveryTicket {
            block: Arc::clone(&self.block),
            place,
            is_done: false,
        };
        (token, ticket)
    }
}

impl Block {
    fn new(stream: StreamName) -> Arc<Self> {
        Arc::new(Self {
            stream,
            places: std::array::from_fn(|_| Mutex::new(Place::Open(None))),
        })
    }

    fn place(&self, place: u8) -> MutexGuard<'_, Place> {
        // Nothing can panic while it is held.
        self.places[usize::from(place)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills a place in. Gives who waits for it, to be woken with no lock held.
    fn fill(&self, place: u8, with: Place) -> Option<Waker> {
        let mut found = self.place(place);
        match &mut *found {
            Place::Open(waker) => {
                let waker = waker.take();
                *found = with;
                waker
            }
            // Nobody listens when the ticket was dropped: that is the caller's choice.
            Place::Left | Place::Done(_) | Place::Lost => {
                drop(found);
                drop(with);
                None
            }
        }
    }
}

impl Token {
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// The room that the record takes.
    pub(crate) fn amount(&self) -> Amount {
        Amount {
            bytes: self.cost,
            records: 1,
        }
    }

    /// Tells the outcome. Gives who waits for it, to be woken once all else is in order.
    pub(crate) fn resolve(mut self, outcome: Outcome) -> Option<Waker> {
        self.block.take()?.fill(self.place, Place::Done(outcome))
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let waker = self
            .block
            .take()
            .and_then(|block| block.fill(self.place, Place::Lost));
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl DeliveryTicket {
    fn take(&mut self, cx: &Context<'_>) -> Poll<Outcome> {
        assert!(!self.is_done, "a ticket was polled after it was ready");
        let mut place = self.block.place(self.place);
        if let Place::Open(waiting) = &mut *place {
            match waiting {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waiting = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        let found = std::mem::replace(&mut *place, Place::Left);
        drop(place);
        self.is_done = true;
        Poll::Ready(match found {
            Place::Done(outcome) => outcome,
            Place::Open(_) | Place::Lost | Place::Left => Err(DeliveryError::new(
                self.block.stream.clone(),
                DeliveryErrorKind::ProducerGone,
                History::default(),
                None,
            )),
        })
    }
}

impl Future for DeliveryTicket {
    type Output = Result<Delivery, DeliveryError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().take(cx)
    }
}

impl Drop for DeliveryTicket {
    fn drop(&mut self) {
        if !self.is_done {
            // An outcome that nobody takes, and the record in it, is not kept for the sake of its neighbours.
            let left = std::mem::replace(&mut *self.block.place(self.place), Place::Left);
            drop(left);
        }
    }
}

/// Tickets of one allocation. A record that takes long keeps the places of its neighbours as well, 32 bytes each.
const BLOCK: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt as _;
    use futures::task::{ArcWake, waker};

    use super::*;
    use crate::record::Record;

    fn orders() -> StreamName {
        StreamName::new("orders").expect("valid")
    }

    fn failure() -> DeliveryError {
        let record = Record::new("k", "data").expect("valid");
        let expired = DeliveryErrorKind::Expired { failure: None };
        DeliveryError::new(orders(), expired, History::default(), Some(record))
    }

    struct Bell(AtomicUsize);

    impl ArcWake for Bell {
        fn wake_by_ref(bell: &Arc<Self>) {
            bell.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn each_ticket_has_its_own_outcome() {
        let mut tickets = Tickets::new(orders());
        let (tokens, issued): (Vec<_>, Vec<_>) =
            (0..20).map(|cost| tickets.issue(cost, Origin::Caller)).unzip();
        for token in tokens {
            let cost = token.amount().bytes;
            if cost % 2 == 0 {
                assert!(token.resolve(Err(failure())).is_none(), "nobody waits");
            }
        }
        for (n, ticket) in issued.into_iter().enumerate() {
            let error = ticket.now_or_never().expect("an outcome").expect_err("failed");
            let lost = error.kind() == &DeliveryErrorKind::ProducerGone;
            assert_eq!(lost, n % 2 == 1, "{n}");
            assert_eq!(error.into_record().is_none(), lost);
        }
    }

    #[test]
    fn who_waits_is_woken_once_and_last() {
        let bell = Arc::new(Bell(AtomicUsize::new(0)));
        let waker = waker(Arc::clone(&bell));
        let mut cx = Context::from_waker(&waker);
        let (token, mut ticket) = Tickets::new(orders()).issue(1, Origin::Caller);
        assert!(ticket.poll_unpin(&mut cx).is_pending());
        assert!(ticket.poll_unpin(&mut cx).is_pending());
        let waiting = token.resolve(Err(failure())).expect("somebody waits");
        assert_eq!(bell.0.load(Ordering::SeqCst), 0, "the caller says when");
        waiting.wake();
        assert_eq!(bell.0.load(Ordering::SeqCst), 1);
        assert!(ticket.poll_unpin(&mut cx).is_ready());

        let (token, mut ticket) = Tickets::new(orders()).issue(1, Origin::Caller);
        assert!(ticket.poll_unpin(&mut cx).is_pending());
        drop(token);
        assert_eq!(bell.0.load(Ordering::SeqCst), 2, "a loss is told as well");
        assert!(ticket.poll_unpin(&mut cx).is_ready());
    }

    #[test]
    fn what_nobody_wants_is_not_kept() {
        let mut tickets = Tickets::new(orders());
        let data = bytes::Bytes::from(vec![0; 10]);
        let error = |data: &bytes::Bytes| {
            let record = Record::new("k", data.clone()).expect("valid");
            DeliveryError::new(
                orders(),
                DeliveryErrorKind::Expired { failure: None },
                History::default(),
                Some(record),
            )
        };
        let (early, dropped) = tickets.issue(1, Origin::Caller);
        drop(dropped);
        early.resolve(Err(error(&data)));
        let (token, late) = tickets.issue(1, Origin::Caller);
        token.resolve(Err(error(&data)));
        drop(late);
        assert!(
            data.is_unique(),
            "both failed records are gone, their block is not"
        );
        drop(tickets);
    }

    #[test]
    fn a_place_is_small() {
        assert_eq!(size_of::<Mutex<Place>>(), 32);
        assert_eq!(size_of::<Token>(), 16);
    }
}
