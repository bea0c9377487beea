//! Dead letters for another task of the application.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;

use super::{DeadLetter, DeadLetters};

/// A channel for dead letters that holds `capacity` of them, at least one.
///
/// While it is full, letters wait, and count as in flight. When the receiver is dropped, they are lost.
#[must_use]
pub fn dead_letter_channel(capacity: usize) -> (DeadLetterSender, DeadLetterReceiver) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (DeadLetterSender(sender), DeadLetterReceiver(receiver))
}

/// The producer's end of a [channel](dead_letter_channel).
#[derive(Debug, Clone)]
pub struct DeadLetterSender(mpsc::Sender<DeadLetter>);

/// The application's end of a [channel](dead_letter_channel).
#[derive(Debug)]
pub struct DeadLetterReceiver(mpsc::Receiver<DeadLetter>);

/// Nobody receives dead letters any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the receiver of dead letters is gone")]
pub struct ReceiverGone;

impl DeadLetters for DeadLetterSender {
    type Error = ReceiverGone;

    async fn take(&self, letters: Vec<DeadLetter>) -> Result<(), ReceiverGone> {
        for letter in letters {
            self.0.send(letter).await.map_err(|_| ReceiverGone)?;
        }
        Ok(())
    }
}

impl DeadLetterReceiver {
    /// The next letter; `None` when the producer has ended and all are received.
    ///
    /// # Cancel safety
    /// Dropping the future loses no letter.
    pub async fn recv(&mut self) -> Option<DeadLetter> {
        self.0.recv().await
    }
}

impl Stream for DeadLetterReceiver {
    type Item = DeadLetter;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<DeadLetter>> {
        self.0.poll_recv(cx)
    }
}
