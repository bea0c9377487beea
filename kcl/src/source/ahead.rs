//! Reading ahead of the processor, within a budget that all shards share.
//!
//! ```text
//!  reader ──> room on the shelf? ──> due ──> memory? ──> read ──> shelf ──> next: small batches joined ──> processor
//!                    └─ not for long: the reader rests ─┘
//! ```
//!
//! Events of a subscription come by themselves: those of a shard that is far behind gather for a moment before they are taken.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::budget::{ReadBudget, Reservation};
use super::{Batch, Reader};
use crate::process::pulse::Pulse;
use crate::shard::prefetch::{Depth, Expectation, Waiting, patience, while_parsed};
use crate::shard::progress::RetrievalMode;

/// A part of the budget, held until the last clone is dropped: whoever still has records of a batch keeps one.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    _memory: Arc<Reservation>,
}

/// A batch, and the memory it holds: until it is dropped, and every clone of its [`RecordBatch`](crate::RecordBatch).
#[derive(Debug)]
pub(crate) struct HeldBatch {
    pub(crate) batch: Batch,
    _memory: Hold,
}

/// A batch on the shelf.
#[derive(Debug)]
struct Shelved {
    batch: Batch,
    memory: Reservation,
}

/// Batches of one shard, read ahead. Dropping it ends the reading.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    shelf: Arc<Shelf>,
    max_records: usize,
    /// Since when batches are left to gather.
    gathering: Option<Instant>,
    /// Owns the reading task: aborted on drop.
    _reading: JoinSet<()>,
}

/// What is read and not taken.
#[derive(Debug)]
struct Shelf {
    depth: Depth,
    stock: Mutex<Stock>,
    filled: Notify,
    taken: Notify,
}

#[derive(Debug, Default)]
struct Stock {
    batches: VecDeque<Shelved>,
    bytes: usize,
    /// The last batch was an event of a subscription, and the reader waits for the next one.
    grows: bool,
    /// The reader is gone: nothing comes any more.
    closed: bool,
}

impl ReadAhead {
    /// Starts reading. `next` joins batches up to `max_records` user records.
    pub(crate) fn start(reader: impl Reader, budget: ReadBudget, pulse: Pulse, max_records: usize) -> Self {
        Self::start_with(reader, budget, pulse, max_records, false)
    }

    /// The same; `empties`: a read that found nothing is a batch too, if it says how far the shard is behind.
    pub(crate) fn start_with(
        reader: impl Reader,
        budget: ReadBudget,
        pulse: Pulse,
        max_records: usize,
        empties: bool,
    ) -> Self {
        let shelf = Arc::new(Shelf {
            depth: Depth::of_budget(budget.bytes()),
            stock: Mutex::default(),
            filled: Notify::new(),
            taken: Notify::new(),
        });
        let mut reading = JoinSet::new();
        let closing = Closing(Arc::clone(&shelf));
        reading.spawn(read(reader, budget, pulse, closing, empties));
        Self {
            shelf,
            max_records,
            gathering: None,
            _reading: reading,
        }
    }

    /// The next batch: what has gathered meanwhile comes as one. `None`: the end was given before.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn next(&mut self) -> Option<HeldBatch> {
        loop {
            let filled = self.shelf.filled.notified();
            let patience = self.shelf.patience(self.max_records);
            let gathers_until =
                patience.map(|patience| *self.gathering.get_or_insert_with(Instant::now) + patience);
            if let Some(until) = gathers_until.filter(|until| *until > Instant::now()) {
                // Grown or not, it is looked at again.
                let _ = timeout_at(until, filled).await;
                continue;
            }
            if let Some(batch) = self.shelf.take(self.max_records) {
                self.gathering = None;
                return Some(batch.hold());
            }
            if self.shelf.stock().closed {
                return None;
            }
            filled.await;
        }
    }
}

impl Shelf {
    fn stock(&self) -> MutexGuard<'_, Stock> {
        // Left whole by each holder, so a thread that died with it took nothing along.
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, held: Shelved, mode: RetrievalMode) {
        {
            let mut stock = self.stock();
            stock.bytes += held.batch.bytes;
            stock.grows = mode == RetrievalMode::FanOut && held.batch.end.is_none();
            stock.batches.push_back(held);
        }
        self.filled.notify_one();
    }

    /// The reader has to wait for something else than the next event.
    fn grows_no_more(&self) {
        if std::mem::take(&mut self.stock().grows) {
            self.filled.notify_one();
        }
    }

    /// For how long what is there may be left to grow. `None`: it does not.
    fn patience(&self, max_records: usize) -> Option<Duration> {
        let stock = self.stock();
        let last = stock.batches.back().filter(|_| stock.grows && !stock.closed)?;
        let waiting = Waiting {
            batches: stock.batches.len(),
            records: stock.batches.iter().map(|held| held.batch.records.len()).sum(),
            lag: last.batch.records.behind_latest(),
        };
        Some(patience(waiting, max_records))
    }

    fn take(&self, max_records: usize) -> Option<Shelved> {
        let (mut first, more, records) = {
            let mut stock = self.stock();
            let first = stock.batches.pop_front()?;
            let (mut records, mut joined) = (first.batch.records.len(), 0);
            for next in &stock.batches {
                if records + next.batch.records.len() > max_records {
                    break;
                }
                records += next.batch.records.len();
                joined += 1;
            }
            let more: Vec<_> = stock.batches.drain(..joined).collect();
            stock.bytes -= first.batch.bytes + more.iter().map(|next| next.batch.bytes).sum::<usize>();
            (first, more, records)
        };
        self.taken.notify_one();
        // Not under the lock, under which the reader puts the next one.
        first.batch.records.make_room(records);
        for next in more {
            first.append(next);
        }
        Some(first)
    }

    /// Waits until there is room for a batch of this size, or for `None` until nothing is left.
    async fn room(&self, expected: Option<usize>) {
        loop {
            let taken = self.taken.notified();
            let has_room = {
                let Stock { batches, bytes, .. } = &*self.stock();
                match expected {
                    Some(expected) => self.depth.has_room(batches.len(), *bytes, expected),
                    None => batches.is_empty(),
                }
            };
            if has_room {
                return;
            }
            self.grows_no_more();
            taken.await;
        }
    }
}

impl Shelved {
    fn append(&mut self, next: Self) {
        let Self { batch, memory } = next;
        self.batch.records.append(batch.records);
        self.batch.bytes += batch.bytes;
        self.batch.end = batch.end;
        self.memory.merge(memory);
    }

    /// Its memory goes with its records from now on.
    fn hold(mut self) -> HeldBatch {
        let memory = Hold {
            _memory: Arc::new(self.memory),
        };
        self.batch.records.keep(memory.clone());
        HeldBatch {
            batch: self.batch,
            _memory: memory,
        }
    }
}

/// Says that nothing comes any more, however the reading ended.
struct Closing(Arc<Shelf>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.stock().closed = true;
        self.0.filled.notify_one();
    }
}

async fn read(mut reader: impl Reader, budget: ReadBudget, pulse: Pulse, shelf: Closing, empties: bool) {
    let mut expected = Expectation::default();
    loop {
        let (batch, memory) = read_once(&mut reader, &budget, &pulse, &shelf.0, &mut expected).await;
        let is_told = empties && batch.records.behind_latest().is_some();
        if batch.is_empty() && !is_told {
            continue;
        }
        let ended = batch.end.is_some();
        shelf.0.put(Shelved { batch, memory }, reader.mode());
        if ended {
            break;
        }
    }
}

async fn read_once(
    reader: &mut impl Reader,
    budget: &ReadBudget,
    pulse: &Pulse,
    shelf: &Shelf,
    expected: &mut Expectation,
) -> (Batch, Reservation) {
    let mut memory = loop {
        let subscribed = reader.mode() == RetrievalMode::FanOut;
        let room = shelf.room(Some(expected.bytes()));
        if !subscribed {
            room.await;
        } else if timeout(PATIENCE, room).await.is_err() {
            reader.rest();
            shelf.room(None).await;
        }
        reader.due().await;
        let subscribed = reader.mode() == RetrievalMode::FanOut;
        expected.on_mode(subscribed);
        let _parked = pulse.park();
        let mut reserving = pin!(budget.reserve(while_parsed(expected.bytes()), 1));
        if let Some(memory) = reserving.as_mut().now_or_never() {
            break memory;
        }
        shelf.grows_no_more();
        if !subscribed {
            break reserving.await;
        }
        match timeout(PATIENCE, &mut reserving).await {
            Ok(memory) => break memory,
            Err(_) => {
                reader.rest();
                // There is memory again. Others may have it while this reader finds its way back.
                drop(reserving.await);
            }
        }
    };
    let mut batch = reader.read().await;
    expected.on_page(batch.bytes);
    memory.settle(budget, batch.bytes, batch.records.len());
    if let Some(switch) = batch.switched.take() {
        pulse.on_switch(switch.to, &switch.reason);
    }
    let heard = std::mem::take(&mut batch.heard);
    let lag = batch.records.behind_latest();
    pulse.on_read(reader.mode(), heard, !batch.records.is_empty(), lag);
    (batch, memory)
}

/// Ours: how long a reader may wait for room before it lets go of what costs others something. Unread events of
/// subscriptions fill the window that all subscriptions of a connection share.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
#[path = "ahead_tests.rs"]
mod tests;
