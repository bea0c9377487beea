//! Where handles hand records to a stream's task: a queue behind a short lock, taken out whole.
//!
//! A put that finds the task awake, or asleep with a timer that comes in time, wakes nobody. The task is woken by
//!
//! - the record that would be due before the task's timer, which the first one after a rest is,
//! - the record that makes enough for a full aggregate or a good batch,
//! - a flush, a question, or an end.
//!
//! So at full speed some hundred records share a wake-up, and a lone record waits for none.

mod gate;
mod prepare;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::StreamConfig;
use crate::error::PutError;
use crate::limits::RecordLimits;
use crate::producer::permits::{Amount, Permit, Room};
use crate::producer::ticket::{DeliveryTicket, Tickets, Token};
use crate::record::Record;
use crate::stream::StreamName;
use gate::{ENOUGH_RECORDS, Gate, Queue, Task};

pub(crate) use prepare::{Prepared, Unprepared};

/// What handles ask of a stream's task; in this order it is done.
#[derive(Debug)]
pub(crate) enum Command {
    /// Deliver a record.
    Put {
        record: Record,
        arrival: Instant,
        token: Token,
    },
    /// Ask the stream how large a record may be.
    AskLimit,
    /// Tell when all records put before have their outcome.
    Flush(oneshot::Sender<()>),
    /// Tell when the oldest record without an outcome was put.
    Oldest(oneshot::Sender<Option<Instant>>),
}

/// How far the stream's life has come. It only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Takes commands.
    Open,
    /// Takes nothing more; what was taken is delivered.
    Closing,
    /// Time is over: what has no outcome is handed back.
    Stopping,
    /// The last handle is gone: what has no outcome is lost.
    Abandoned,
    /// The task has ended.
    Ended,
    /// The task has failed.
    Failed,
}

/// One stream's queue, between its handles and its task.
#[derive(Debug)]
pub(crate) struct Intake {
    stream: StreamName,
    room: Arc<Room>,
    linger: Duration,
    limits: RecordLimits,
    gate: Mutex<Gate>,
    bell: Notify,
    /// Records with an outcome.
    done: AtomicU64,
    /// Cancelled when the task is gone.
    gone: CancellationToken,
}

/// What the task is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// There is something to take.
    Not,
    /// Sleep until then, or until the bell rings.
    Until(Instant),
}

impl Intake {
    pub(crate) fn new(stream: StreamName, config: &StreamConfig, room: Arc<Room>) -> Self {
        Self {
            gate: Mutex::new(Gate {
                phase: Phase::Open,
                queue: Queue::default(),
                task: Task::Awake,
                tickets: Tickets::new(stream.clone()),
                taken: 0,
                last_arrival: now(),
                held: Amount::default(),
            }),
            linger: config.linger(),
            limits: RecordLimits::new(config),
            bell: Notify::new(),
            done: AtomicU64::new(0),
            gone: CancellationToken::new(),
            room,
            stream,
        }
    }

    pub(crate) fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Queues a record. The room for it is the caller's before, and the queue's after.
    pub(crate) fn push(&self, prepared: Prepared) -> Result<DeliveryTicket, (Record, PutError)> {
        let mut gate = self.gate();
        if gate.phase > Phase::Open {
            return Err((prepared.record, self.refusal_in(gate.phase)));
        }
        let arrival = gate.arrival();
        let ticket = gate.push(prepared, arrival);
        let is_due = gate.is_due(self.linger);
        self.ring(gate, is_due);
        Ok(ticket)
    }

    /// Queues all of `prepared` under one lock, or, when nothing is taken any more, leaves it as it is and says why.
    pub(crate) fn push_all(
        &self,
        prepared: &mut Vec<Prepared>,
        issued: impl FnMut(DeliveryTicket),
    ) -> Result<(), PutError> {
        let mut gate = self.gate();
        if gate.phase > Phase::Open {
            return Err(self.refusal_in(gate.phase));
        }
        let arrival = gate.arrival();
        prepared
            .drain(..)
            .map(|prepared| gate.push(prepared, arrival))
            .for_each(issued);
        let is_due = gate.is_due(self.linger);
        self.ring(gate, is_due);
        Ok(())
    }

    /// Asks something of the task, at once; `false` if it answers no more.
    pub(crate) fn ask(&self, command: Command) -> bool {
        let mut gate = self.gate();
        if gate.phase > Phase::Closing {
            return false;
        }
        gate.queue.commands.push(command);
        gate.queue.is_urgent = true;
        self.ring(gate, true);
        true
    }

    /// Lets the stream's life go on to `phase`, if it is not further already.
    pub(crate) fn go_to(&self, phase: Phase) {
        let mut gate = self.gate();
        gate.phase = gate.phase.max(phase);
        self.ring(gate, true);
    }

    pub(crate) fn phase(&self) -> Phase {
        self.gate().phase
    }

    /// Why nothing is taken.
    pub(crate) fn refusal(&self) -> PutError {
        self.refusal_in(self.phase())
    }

    /// Records without an outcome.
    pub(crate) fn outstanding(&self) -> u64 {
        // In this order: what is done was taken before.
        let done = self.done.load(Ordering::Acquire);
        self.gate().taken.saturating_sub(done)
    }

    /// The task takes all there is into `into`, which is empty, and learns how far life has come.
    pub(crate) fn take(&self, into: &mut Vec<Command>) -> Phase {
        debug_assert!(into.is_empty());
        into.shrink_to(KEPT_COMMANDS);
        let mut gate = self.gate();
        gate.task = Task::Awake;
        std::mem::swap(&mut gate.queue.commands, into);
        gate.queue.bytes = 0;
        gate.queue.oldest = None;
        gate.queue.is_urgent = false;
        gate.phase
    }

    /// The task asks whether it may sleep until `timer`, having seen `phase`.
    pub(crate) fn rest(&self, timer: Instant, phase: Phase) -> Rest {
        let mut gate = self.gate();
        let due = gate.queue.oldest.map(|oldest| oldest + self.linger);
        let until = due.map_or(timer, |due| due.min(timer));
        gate.task = Task::Asleep(until);
        if gate.phase != phase || gate.queue.is_enough() {
            gate.task = Task::Awake;
            return Rest::Not;
        }
        Rest::Until(until)
    }

    /// Waits for somebody to wake the task. Dropping the future loses no wake-up.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Gives back the room of records that have their outcome now.
    pub(crate) fn settle(&self, amount: Amount) {
        if amount.records == 0 {
            return;
        }
        self.gate().held.subtract(amount);
        self.done.fetch_add(u64::from(amount.records), Ordering::Release);
        self.room.give_back(amount);
    }

    /// A record has its outcome now, and its room is held for a while.
    pub(crate) fn settle_holding(&self, amount: Amount) -> Permit {
        self.gate().held.subtract(amount);
        self.done.fetch_add(u64::from(amount.records), Ordering::Release);
        Permit::of(&self.room, amount)
    }

    /// The task ends: nothing more gets in, and what is in the queue is lost.
    pub(crate) fn end(&self, phase: Phase) -> Vec<Command> {
        let mut gate = self.gate();
        gate.phase = gate.phase.max(phase);
        let left = std::mem::take(&mut gate.queue.commands);
        drop(gate);
        self.gone.cancel();
        left
    }

    /// Gives back whatever room is still held. Nothing is in the queue or beyond any more.
    pub(crate) fn settle_all(&self) {
        let held = self.gate().held;
        self.settle(held);
    }

    fn refusal_in(&self, phase: Phase) -> PutError {
        if phase == Phase::Failed {
            PutError::StreamGone {
                stream: self.stream.clone(),
            }
        } else {
            PutError::Closed
        }
    }

    /// Wakes the task if it sleeps and is needed.
    fn ring(&self, mut gate: MutexGuard<'_, Gate>, is_needed: bool) {
        if is_needed && gate.task != Task::Awake {
            gate.task = Task::Awake;
            drop(gate);
            self.bell.notify_one();
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokio's clock, which tests can pause.
pub(in crate::driver) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Room for commands that is kept between bursts.
const KEPT_COMMANDS: usize = 4 * ENOUGH_RECORDS;
