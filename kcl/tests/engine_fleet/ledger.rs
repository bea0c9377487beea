//! Who reads which shard, told by the processors themselves, and whether two ever do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kcl::{BoxError, Checkpointer, Initialization, RecordBatch, RecordProcessor, ShardContext};
use tokio::time::Instant;

/// A worker may go on with a killed worker's shard when its lease has run out: the last heartbeat was sent two fifths of a
/// failover time before the end, or later.
pub(crate) const FAILOVER: Duration = Duration::from_secs(10);
const EARLIEST: Duration = Duration::from_secs(6);

#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
pub(crate) struct Pages {
    readers: HashMap<String, usize>,
    /// Shards of killed workers, and when nobody might have begun with them yet.
    held_until: HashMap<String, Instant>,
    pub(crate) begun: usize,
    /// Since when nobody reads a shard that was read.
    left: HashMap<String, Instant>,
    worst_unread: Duration,
    /// How often each record was processed.
    pub(crate) records: HashMap<u64, u32>,
    pub(crate) violations: Vec<String>,
}

impl Ledger {
    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().expect("no test panics with it")
    }

    pub(crate) fn processor(&self, shard: &ShardContext, worker: usize) -> Reader {
        Reader {
            shard: shard.shard_id().as_str().to_owned(),
            worker,
            ledger: self.clone(),
        }
    }
}

impl Pages {
    /// How many shards are read.
    pub(crate) fn covered(&self) -> usize {
        self.readers.len()
    }

    /// Who reads each shard.
    pub(crate) fn readers(&self) -> HashMap<String, usize> {
        self.readers.clone()
    }

    /// How many shards each worker reads.
    pub(crate) fn counts(&self) -> HashMap<usize, usize> {
        let mut counts = HashMap::new();
        for worker in self.readers.values() {
            *counts.entry(*worker).or_default() += 1;
        }
        counts
    }

    /// A worker is about to be killed: what it reads is its own until its leases run out.
    pub(crate) fn kill(&mut self, worker: usize) {
        let until = Instant::now() + EARLIEST;
        let mine = self.readers.iter().filter(|(_, reader)| **reader == worker);
        self.held_until
            .extend(mine.map(|(shard, _)| (shard.clone(), until)));
    }

    /// For how long nobody read a shard, at the worst, since this was asked last.
    pub(crate) fn take_worst_unread(&mut self) -> Duration {
        std::mem::take(&mut self.worst_unread)
    }

    fn begin(&mut self, shard: &str, worker: usize) {
        self.begun += 1;
        if let Some(left) = self.left.remove(shard) {
            self.worst_unread = self.worst_unread.max(left.elapsed());
        }
        if let Some(other) = self.readers.insert(shard.to_owned(), worker) {
            self.violations
                .push(format!("{shard}: {worker} begins, and {other} has not ended"));
        }
        if let Some(until) = self.held_until.remove(shard)
            && Instant::now() < until
        {
            self.violations.push(format!(
                "{shard}: {worker} begins, and its killed reader might go on"
            ));
        }
    }

    fn end(&mut self, shard: &str, worker: usize) {
        if self.readers.get(shard) == Some(&worker) {
            self.readers.remove(shard);
            self.left.insert(shard.to_owned(), Instant::now());
        }
    }
}

/// A processor that says when it begins and ends.
#[derive(Debug)]
pub(crate) struct Reader {
    shard: String,
    worker: usize,
    ledger: Ledger,
}

impl RecordProcessor for Reader {
    async fn initialize(&mut self, _: Initialization<'_>) -> Result<(), BoxError> {
        self.ledger.pages().begin(&self.shard, self.worker);
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        {
            let mut pages = self.ledger.pages();
            if pages.readers.get(&self.shard) != Some(&self.worker) {
                let late = format!("{}: {} processes, and does not read it", self.shard, self.worker);
                pages.violations.push(late);
            }
            for record in batch.records() {
                let number = std::str::from_utf8(record.data())?.parse()?;
                *pages.records.entry(number).or_default() += 1;
            }
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }

    async fn lease_lost(&mut self) {
        self.ledger.pages().end(&self.shard, self.worker);
    }

    async fn shutdown_requested(&mut self, _: &Checkpointer) -> Result<(), BoxError> {
        self.ledger.pages().end(&self.shard, self.worker);
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.ledger.pages().end(&self.shard, self.worker);
    }
}
