//! Dead letters: a last place for records that could not be delivered.
//!
//! ```text
//!  stream's task ──(record failed)──► ticket            the caller learns it
//!                                └──► Desk ─► one task ─► DeadLetters::take
//!                                      │ holds the record's room in the budget until it is taken
//! ```
//!
//! Whoever collects dead letters delays nobody but who puts: while letters wait to be taken, their records still count
//! as in flight, so the queue has the bound of the budget, and nothing overflows.

mod channel;
mod desk;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;

pub use channel::{DeadLetterReceiver, DeadLetterSender, ReceiverGone, dead_letter_channel};
pub(crate) use desk::{Desk, Post};

use crate::error::DeliveryError;
use crate::record::Record;
use crate::stream::StreamName;

/// A record that could not be delivered, and why.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    error: DeliveryError,
    record: Record,
}

impl DeadLetter {
    /// The letter for a failure; `None` if the record is lost.
    pub(crate) fn new(error: &DeliveryError) -> Option<Self> {
        let record = error.record()?.clone();
        Some(Self {
            error: error.clone(),
            record,
        })
    }

    /// The record. Its bytes are shared with the one in the ticket's error.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The stream it was put to.
    #[must_use]
    pub fn stream(&self) -> &StreamName {
        self.error.stream()
    }

    /// Why it was not delivered.
    #[must_use]
    pub fn error(&self) -> &DeliveryError {
        &self.error
    }

    /// The record and why it was not delivered.
    #[must_use]
    pub fn into_parts(self) -> (Record, DeliveryError) {
        (self.record, self.error)
    }
}

/// Takes records that could not be delivered (no KPL equal): a closure, a [channel](dead_letter_channel), files (under
/// the feature `spool`), or a store of your own.
///
/// Each record that was taken by [`put`](crate::Producer::put) and failed comes here once, whether or not its ticket was
/// kept: expired, refused, unreachable, and, as far as the runtime still runs, given up when the producer ended. The
/// ticket tells the failure as well, at about the same time: let one of the two put the record again, not both.
///
/// One task calls it, with one batch after the other. A call that fails or takes longer than 30 s is given up: its
/// letters are lost, which a warning tells and [`Metric::DeadLettersLost`](crate::Metric::DeadLettersLost) counts. A
/// closed producer has handed over all letters.
pub trait DeadLetters: Send + Sync + 'static {
    /// Why letters were not taken.
    type Error: Error + Send + Sync + 'static;

    /// Takes some letters, at most 256, in the order in which they failed.
    fn take(&self, letters: Vec<DeadLetter>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A closure gets one letter after the other. It runs on a runtime's thread: it must not block.
impl<F> DeadLetters for F
where
    F: Fn(DeadLetter) + Send + Sync + 'static,
{
    type Error = Infallible;

    async fn take(&self, letters: Vec<DeadLetter>) -> Result<(), Infallible> {
        for letter in letters {
            self(letter);
        }
        Ok(())
    }
}
