//! The reading side of the events.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::ReusableBoxFuture;

use super::{ConsumerEvent, Notice};

/// What happens to a consumer, from the moment at which this was made: an endless [`Stream`] that ends with the consumer.
///
/// The last 1,024 events are kept for a reader that is behind; of older ones it is told how many it missed, in their place.
///
/// ```no_run
/// use futures::StreamExt as _;
/// use kcl::events::{ConsumerEvent, Notice};
///
/// # async fn example(handle: kcl::ConsumerHandle) {
/// let mut events = handle.events();
/// while let Some(notice) = events.next().await {
///     match notice {
///         Notice::Event(ConsumerEvent::LeaseLost { lease_key, reason, .. }) => println!("{lease_key}: {reason:?}"),
///         Notice::Missed(events) => println!("{events} events missed"),
///         _ => {}
///     }
/// }
/// # }
/// ```
pub struct Events {
    next: Option<ReusableBoxFuture<'static, Received>>,
}

type Received = (
    Result<ConsumerEvent, RecvError>,
    broadcast::Receiver<ConsumerEvent>,
);

impl Events {
    pub(super) fn new(receiver: Option<broadcast::Receiver<ConsumerEvent>>) -> Self {
        Self {
            next: receiver.map(|receiver| ReusableBoxFuture::new(receive(receiver))),
        }
    }
}

async fn receive(mut receiver: broadcast::Receiver<ConsumerEvent>) -> Received {
    let received = receiver.recv().await;
    (received, receiver)
}

impl Stream for Events {
    type Item = Notice;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let (received, receiver) = std::task::ready!(next.poll(cx));
        let notice = match received {
            Ok(event) => Notice::Event(event),
            Err(RecvError::Lagged(missed)) => Notice::Missed(missed),
            Err(RecvError::Closed) => {
                self.next = None;
                return Poll::Ready(None);
            }
        };
        next.set(receive(receiver));
        Poll::Ready(Some(notice))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("ended", &self.next.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::super::{BUFFER, Bell};
    use super::*;

    fn event(number: usize) -> ConsumerEvent {
        ConsumerEvent::Started {
            leases_created: number,
        }
    }

    #[tokio::test]
    async fn a_reader_hears_what_happens_from_now_on_and_the_end() {
        let bell = Bell::new();
        bell.ring(event(0));
        let mut events = bell.ear().listen();
        bell.ring(event(1));
        bell.ring(event(2));
        let ear = bell.ear();
        drop(bell);
        let heard: Vec<_> = events.by_ref().collect().await;
        assert_eq!(heard, [Notice::Event(event(1)), Notice::Event(event(2))]);
        assert_eq!(events.next().await, None, "an end stays one");
        assert_eq!(ear.listen().next().await, None, "too late");
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_how_many_it_missed() {
        let bell = Bell::new();
        let mut events = bell.ear().listen();
        for number in 0..BUFFER + 7 {
            bell.ring(event(number));
        }
        assert_eq!(events.next().await, Some(Notice::Missed(7)));
        assert_eq!(events.next().await, Some(Notice::Event(event(7))));
        drop(bell);
        assert_eq!(events.count().await, BUFFER - 1, "and nothing of the rest");
    }
}
