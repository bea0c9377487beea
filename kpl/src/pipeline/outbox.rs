//! What is to be told: outcomes and flushes. Here each record gets its one outcome.

use std::collections::VecDeque;

use super::action::{Action, Outcome};
use super::buffered::Buffered;
use super::flushes::Flushes;
use crate::error::DeliveryErrorKind;
use crate::metrics::counting::Meter;
use crate::stream::StreamName;

/// What the pipeline has to tell its owner, and what it counts of it.
#[derive(Debug)]
pub(super) struct Outbox<T> {
    /// In the order in which they are told.
    pub(super) actions: VecDeque<Action<T>>,
    pub(super) flushes: Flushes,
    pub(super) meter: Meter,
}

impl<T> Outbox<T> {
    pub(super) fn new() -> Self {
        Self {
            actions: VecDeque::new(),
            flushes: Flushes::default(),
            meter: Meter::default(),
        }
    }

    /// The one place where a record gets its outcome.
    pub(super) fn complete(&mut self, number: u64, token: T, outcome: Outcome) {
        self.flushes.on_outcome(number);
        self.actions.push_back(Action::Complete(token, outcome));
        self.tell_flushes();
    }

    pub(super) fn give_up(&mut self, record: Buffered<T>, stream: &StreamName, kind: DeliveryErrorKind) {
        let (number, hash_key, bytes) = (record.number, record.hash_key, record.record.size());
        let (token, error) = record.give_up(stream, kind);
        self.measure_failure(hash_key, bytes, &error);
        self.complete(number, token, Err(error));
    }

    pub(super) fn expire(&mut self, record: Buffered<T>, stream: &StreamName) {
        let (number, hash_key, bytes) = (record.number, record.hash_key, record.record.size());
        let (token, error) = record.expire(stream);
        self.measure_failure(hash_key, bytes, &error);
        self.complete(number, token, Err(error));
    }

    pub(super) fn tell_flushes(&mut self) {
        while let Some(id) = self.flushes.pop_done() {
            self.actions.push_back(Action::Flushed(id));
        }
    }
}
