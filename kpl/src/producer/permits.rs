//! The budget of records in flight, in bytes of memory and in records. Callers wait here, and nowhere else.
//!
//! While nobody waits, taking room is one atomic exchange. Once somebody does, all free room lies behind the lock and
//! is given out first come, first served, so that nobody overtakes the line.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::config::ProducerConfig;

/// What a record counts in the budget beyond its data and key: its places in queues, which grow by doubling, its ticket,
/// the counters of its shared buffers. On a 64-bit machine, rounded up.
///
/// Beyond its budget a process takes what does not depend on it: requests on their way with their encoded copies,
/// connections, what the allocator keeps. Measured with the endpoint gone for a minute, 4 shards, the default budget used
/// up by records of 1 B, 100 B and 1 KiB: at most 9.3 MiB more than was counted. The bar of that measurement,
/// `cargo run --release -p bench -- memory`, is 16 MiB.
pub const RECORD_OVERHEAD: usize = 256;

/// Room: bytes of memory and a number of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) bytes: u32,
    pub(crate) records: u32,
}

/// The whole budget of one producer.
#[derive(Debug)]
pub(crate) struct Room {
    /// What is free while nobody waits, packed; nothing while somebody does.
    free: AtomicU64,
    line: Mutex<Line>,
    whole: Amount,
}

/// Who waits, and what came back meanwhile.
#[derive(Debug, Default)]
struct Line {
    saved: Amount,
    waiting: VecDeque<Waiter>,
    is_closed: bool,
}

#[derive(Debug)]
struct Waiter {
    amount: Amount,
    grant: oneshot::Sender<Permit>,
}

/// The producer takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

impl Room {
    pub(crate) fn new(config: &ProducerConfig) -> Self {
        let most = |size| u32::try_from(size).unwrap_or(u32::MAX);
        let whole = Amount {
            bytes: most(config.max_in_flight_bytes()),
            records: most(config.max_in_flight_records()),
        };
        Self {
            free: AtomicU64::new(whole.pack()),
            line: Mutex::default(),
            whole,
        }
    }

    /// The budget as it was set.
    pub(crate) fn whole(&self) -> Amount {
        self.whole
    }

    /// Takes room if there is some now: `Ok(false)` when there is none, or when others wait for it.
    pub(crate) fn try_take(&self, amount: Amount) -> Result<bool, Closed> {
        if self.take_free(amount) {
            return Ok(true);
        }
        let line = self.line();
        if line.is_closed {
            return Err(Closed);
        }
        // What came back came under the lock: now it can be seen.
        Ok(line.waiting.is_empty() && self.take_free(amount))
    }

    /// Stands in line for room. Without a line, and with room, the wait is over at once.
    pub(crate) fn wait_for(self: &Arc<Self>, amount: Amount) -> Waiting {
        let (grant, granted) = oneshot::channel();
        let mut line = self.line();
        if !line.is_closed {
            line.saved.add(self.take_all_free());
            line.waiting.push_back(Waiter { amount, grant });
        }
        self.serve(line);
        Waiting {
            room: Arc::clone(self),
            granted,
            is_over: false,
        }
    }

    /// Gives room back, and lets those in who waited for it.
    pub(crate) fn give_back(self: &Arc<Self>, amount: Amount) {
        if amount == Amount::default() {
            return;
        }
        let mut line = self.line();
        line.saved.add(amount);
        self.serve(line);
    }

    /// Lets nobody in any more: who waits, and who comes, learns that the producer is closed.
    pub(crate) fn close(&self) {
        let mut line = self.line();
        line.is_closed = true;
        line.saved.add(self.take_all_free());
        let waiting = std::mem::take(&mut line.waiting);
        drop(line);
        // Wakes each.
        drop(waiting);
    }

    /// Gives the saved room to those who wait, in their order, as far as it goes.
    fn serve<'a>(self: &'a Arc<Self>, mut line: MutexGuard<'a, Line>) {
        loop {
            let mut served = Vec::new();
            while let Some(first) = line.waiting.front() {
                let amount = first.amount;
                if first.grant.is_closed() {
                    line.waiting.pop_front();
                } else if line.saved.covers(amount) {
                    line.saved.subtract(amount);
                    served.extend(line.waiting.pop_front());
                } else {
                    break;
                }
            }
            if line.waiting.is_empty() && !line.is_closed {
                let saved = std::mem::take(&mut line.saved);
                self.free.fetch_add(saved.pack(), Ordering::Release);
            }
            drop(line);
            let mut refused = Amount::default();
            for Waiter { amount, grant } in served {
                let permit = Permit {
                    room: Arc::clone(self),
                    amount,
                };
                if let Err(permit) = grant.send(permit) {
                    // Gone in this very moment: its room is for the next.
                    refused.add(permit.keep());
                }
            }
            if refused == Amount::default() {
                return;
            }
            line = self.line();
            line.saved.add(refused);
        }
    }

    fn take_free(&self, amount: Amount) -> bool {
        let take = |free| {
            let free = Amount::unpack(free);
            free.covers(amount).then(|| free.pack() - amount.pack())
        };
        self.free
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, take)
            .is_ok()
    }

    /// Only under the lock.
    fn take_all_free(&self) -> Amount {
        Amount::unpack(self.free.swap(0, Ordering::Acquire))
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is free, whoever may take it.
    #[cfg(test)]
    pub(crate) fn free(&self) -> (usize, usize) {
        let line = self.line();
        let mut free = line.saved;
        free.add(Amount::unpack(self.free.load(Ordering::Acquire)));
        (free.bytes as usize, free.records as usize)
    }
}

impl Amount {
    /// Sums stay within the budget, which fits.
    pub(crate) fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.records += other.records;
    }

    pub(crate) fn subtract(&mut self, other: Self) {
        self.bytes -= other.bytes;
        self.records -= other.records;
    }

    pub(crate) fn covers(self, other: Self) -> bool {
        self.bytes >= other.bytes && self.records >= other.records
    }

    fn pack(self) -> u64 {
        u64::from(self.bytes) << 32 | u64::from(self.records)
    }

    fn unpack(packed: u64) -> Self {
        let [b0, b1, b2, b3, r0, r1, r2, r3] = packed.to_be_bytes();
        Self {
            bytes: u32::from_be_bytes([b0, b1, b2, b3]),
            records: u32::from_be_bytes([r0, r1, r2, r3]),
        }
    }
}

/// Room that somebody holds. Dropping it gives the room back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit {
    room: Arc<Room>,
    amount: Amount,
}

impl Permit {
    /// Room that was [taken](Room::try_take), to be given back.
    pub(crate) fn of(room: &Arc<Room>, amount: Amount) -> Self {
        Self {
            room: Arc::clone(room),
            amount,
        }
    }

    pub(crate) fn amount(&self) -> Amount {
        self.amount
    }

    /// Takes a part out, if it is there: the caller gives it back.
    pub(crate) fn split(&mut self, part: Amount) -> bool {
        let fits = self.amount.covers(part);
        if fits {
            self.amount.subtract(part);
        }
        fits
    }

    /// Puts back what was [split](Self::split) off.
    pub(crate) fn join(&mut self, part: Amount) {
        self.amount.add(part);
    }

    /// Takes all out: the caller gives it back.
    pub(crate) fn keep(mut self) -> Amount {
        std::mem::take(&mut self.amount)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.room.give_back(self.amount);
    }
}

/// A place in line. Dropping it gives up the place, and the room if it came in the same moment.
#[derive(Debug)]
pub(crate) struct Waiting {
    room: Arc<Room>,
    granted: oneshot::Receiver<Permit>,
    is_over: bool,
}

impl Future for Waiting {
    type Output = Result<Permit, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let granted = Pin::new(&mut self.granted).poll(cx);
        self.is_over = granted.is_ready();
        granted.map(|granted| granted.map_err(|_| Closed))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_over {
            self.granted.close();
            // Whoever stood behind may be served now.
            self.room.serve(self.room.line());
        }
    }
}

#[cfg(test)]
#[path = "permits_tests.rs"]
mod tests;
