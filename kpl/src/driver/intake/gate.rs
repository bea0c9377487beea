//! What lies behind the intake's lock, and when the task must look.

use std::time::{Duration, Instant};

use super::prepare::Prepared;
use super::{Command, Phase, now};
use crate::producer::permits::Amount;
use crate::producer::ticket::{DeliveryTicket, Tickets, Token};
use crate::record::Record;

#[derive(Debug)]
pub(super) struct Gate {
    pub(super) phase: Phase,
    pub(super) queue: Queue,
    pub(super) task: Task,
    pub(super) tickets: Tickets,
    /// Records ever put.
    pub(super) taken: u64,
    pub(super) last_arrival: Instant,
    /// Room of all records without an outcome, in the queue or beyond.
    pub(super) held: Amount,
}

/// Commands that the task has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) commands: Vec<Command>,
    pub(super) bytes: usize,
    /// When the first record arrived.
    pub(super) oldest: Option<Instant>,
    pub(super) is_urgent: bool,
}

/// What the task does meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// It looks into the queue before it sleeps.
    Awake,
    /// It sleeps until then, or until it is woken.
    Asleep(Instant),
}

impl Gate {
    /// When a record arrives that is put now. Within a moment all have the same time: what is counted by waits later
    /// counts them together.
    pub(super) fn arrival(&mut self) -> Instant {
        // Read under the lock: arrivals are in the order of puts.
        let now = now();
        if now.saturating_duration_since(self.last_arrival) >= MOMENT {
            self.last_arrival = now;
        }
        self.last_arrival
    }

    pub(super) fn push(&mut self, prepared: Prepared, arrival: Instant) -> DeliveryTicket {
        let Prepared {
            record,
            amount,
            origin,
        } = prepared;
        let (token, ticket) = self.tickets.issue(amount.bytes, origin);
        self.held.add(amount);
        self.taken += 1;
        self.queue.push(record, arrival, token);
        ticket
    }

    /// Whether the task must look before its timer.
    pub(super) fn is_due(&self, linger: Duration) -> bool {
        match (self.task, self.queue.oldest) {
            (Task::Asleep(until), Some(oldest)) => self.queue.is_enough() || oldest + linger < until,
            _ => false,
        }
    }
}

impl Queue {
    fn push(&mut self, record: Record, arrival: Instant, token: Token) {
        self.bytes += record.size();
        self.oldest.get_or_insert(arrival);
        self.commands.push(Command::Put {
            record,
            arrival,
            token,
        });
    }

    pub(super) fn is_enough(&self) -> bool {
        self.is_urgent || self.commands.len() >= ENOUGH_RECORDS || self.bytes >= ENOUGH_BYTES
    }
}

/// So many records are worth a wake-up: it costs a few microseconds.
pub(super) const ENOUGH_RECORDS: usize = 256;
/// Bytes that are: an aggregate of the default size.
const ENOUGH_BYTES: usize = 51_200;
/// How exactly arrivals are told: lingers may be shorter by it.
const MOMENT: Duration = Duration::from_micros(500);
