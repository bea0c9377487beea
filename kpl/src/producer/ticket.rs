//! The future of one record's outcome.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use crate::error::{DeliveryError, DeliveryErrorKind};
use crate::outcome::{Delivery, History};
use crate::producer::permits::Permit;
use crate::stream::StreamName;

/// Resolves to the record's outcome: each record that was taken has exactly one.
///
/// Dropping the ticket does not take the record back; it only gives up learning what became of it.
#[derive(Debug)]
#[must_use = "the outcome of the record is known only through its ticket"]
pub struct DeliveryTicket {
    outcome: oneshot::Receiver<Result<Delivery, DeliveryError>>,
    stream: StreamName,
}

/// The other end: travels with the record, and holds its room in the budget until the outcome.
#[derive(Debug)]
pub(crate) struct Token {
    ticket: oneshot::Sender<Result<Delivery, DeliveryError>>,
    permit: Permit,
}

/// A ticket and its other end.
pub(crate) fn ticket(stream: StreamName, permit: Permit) -> (Token, DeliveryTicket) {
    let (sender, receiver) = oneshot::channel();
    (
        Token {
            ticket: sender,
            permit,
        },
        DeliveryTicket {
            outcome: receiver,
            stream,
        },
    )
}

impl Token {
    /// Tells the outcome, and hands over the room to be given back.
    pub(crate) fn resolve(self, outcome: Result<Delivery, DeliveryError>) -> Permit {
        // Nobody listens when the ticket was dropped: that is the caller's choice.
        let _ = self.ticket.send(outcome);
        self.permit
    }
}

impl Future for DeliveryTicket {
    type Output = Result<Delivery, DeliveryError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.outcome).poll(cx));
        Poll::Ready(outcome.unwrap_or_else(|_| {
            let gone = DeliveryErrorKind::ProducerGone;
            Err(DeliveryError::new(
                self.stream.clone(),
                gone,
                History::default(),
                None,
            ))
        }))
    }
}
