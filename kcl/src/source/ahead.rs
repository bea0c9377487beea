//! Reading one batch ahead of the processor, within a memory budget that all shards of a consumer share.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::{Batch, Reader};
use crate::shard::prefetch::Expectation;

/// Memory for records that are read and not processed.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    kib: Arc<Semaphore>,
    total: u32,
}

impl Budget {
    pub(crate) fn new(bytes: NonZeroUsize) -> Self {
        let total = kib_of(bytes.get());
        Self {
            kib: Arc::new(Semaphore::new(total as usize)),
            total,
        }
    }

    /// Waits until this much is free; a budget smaller than that is asked for as a whole.
    async fn reserve(&self, bytes: usize) -> OwnedSemaphorePermit {
        let wanted = kib_of(bytes).min(self.total);
        let permit = Arc::clone(&self.kib).acquire_many_owned(wanted).await;
        permit.expect("the semaphore is never closed")
    }

    /// Makes a reservation fit what came. What came beyond it is taken if it is free, and borne if not.
    fn settle(&self, permit: &mut OwnedSemaphorePermit, bytes: usize) {
        let held = u32::try_from(permit.num_permits()).unwrap_or(u32::MAX);
        let wanted = kib_of(bytes).min(self.total);
        if let Some(surplus) = held.checked_sub(wanted) {
            drop(permit.split(surplus as usize));
        } else if let Ok(more) = Arc::clone(&self.kib).try_acquire_many_owned(wanted - held) {
            permit.merge(more);
        }
    }
}

/// A part of the budget, held until the last clone is dropped: whoever still has records of a batch keeps one.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    _memory: Arc<OwnedSemaphorePermit>,
}

impl Hold {
    fn new(memory: OwnedSemaphorePermit) -> Self {
        Self {
            _memory: Arc::new(memory),
        }
    }
}

/// A batch, and the memory it holds: until it is dropped, and every clone of its [`RecordBatch`](crate::RecordBatch).
#[derive(Debug)]
pub(crate) struct HeldBatch {
    pub(crate) batch: Batch,
    _memory: Hold,
}

impl HeldBatch {
    fn new(mut batch: Batch, memory: OwnedSemaphorePermit) -> Self {
        let memory = Hold::new(memory);
        batch.records.keep(memory.clone());
        Self {
            batch,
            _memory: memory,
        }
    }
}

/// Batches of one shard, one read ahead. Dropping it ends the reading.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    batches: mpsc::Receiver<HeldBatch>,
    /// Owns the reading task: aborted on drop.
    _reading: JoinSet<()>,
}

impl ReadAhead {
    pub(crate) fn start(reader: impl Reader, budget: Budget) -> Self {
        // Room for one: the next read begins when the processor takes the one before.
        let (sender, batches) = mpsc::channel(1);
        let mut reading = JoinSet::new();
        reading.spawn(read(reader, budget, sender));
        Self {
            batches,
            _reading: reading,
        }
    }

    /// The next batch. `None`: the end was given before.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn next(&mut self) -> Option<HeldBatch> {
        self.batches.recv().await
    }
}

async fn read(mut reader: impl Reader, budget: Budget, batches: mpsc::Sender<HeldBatch>) {
    let mut expected = Expectation::default();
    while let Ok(slot) = batches.reserve().await {
        let (batch, memory) = loop {
            reader.due().await;
            let mut memory = budget.reserve(expected.bytes()).await;
            let batch = reader.read().await;
            expected.on_page(batch.bytes);
            if !batch.is_empty() {
                budget.settle(&mut memory, batch.bytes);
                break (batch, memory);
            }
        };
        let ended = batch.end.is_some();
        slot.send(HeldBatch::new(batch, memory));
        if ended {
            break;
        }
    }
}

fn kib_of(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
#[path = "ahead_tests.rs"]
mod tests;
