//! The user's code of a trial: takes its time, fails where it is told to, and writes into the books.

use std::time::Duration;

use kcl::{BoxError, Checkpointer, ClientRecord, Initialization, RecordBatch, RecordProcessor, ShardContext};
use tokio::time::sleep;

use super::super::events::number_of;
use super::books::{Leaving, TenureId};
use super::gate::Gate;
use super::ledger::Ledger;

/// What the user's code does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    /// What a record takes, on average.
    pub(super) per_record: Duration,
    /// After how many batches it checkpoints.
    pub(super) checkpoint_every: u32,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            per_record: Duration::ZERO,
            checkpoint_every: 1,
        }
    }
}

/// A processor of batches.
#[derive(Debug)]
pub(super) struct Scribe {
    worker: &'static str,
    work: Work,
    ledger: Ledger,
    gate: Gate,
    tenure: Option<TenureId>,
    /// Batches since the last checkpoint.
    batches: u32,
}

impl Scribe {
    pub(super) fn new(worker: &'static str, work: Work, ledger: &Ledger, gate: &Gate) -> Self {
        Self {
            worker,
            work,
            ledger: ledger.clone(),
            gate: gate.clone(),
            tenure: None,
            batches: 0,
        }
    }

    /// One after the other: at most one of a key is in hand.
    fn process(&self, tenure: TenureId, records: &[ClientRecord]) -> Result<(), BoxError> {
        let mut books = self.ledger.books();
        for record in records {
            let number = number_of(record.data()).ok_or("a record without number")?;
            books.handed(tenure, number, record.position());
            books.done(number);
        }
        drop(books);
        self.ledger.tell();
        Ok(())
    }

    fn leave(&mut self, how: Leaving) {
        if let Some(tenure) = self.tenure.take() {
            self.ledger.books().leave(tenure, how);
        }
    }
}

impl RecordProcessor for Scribe {
    async fn initialize(&mut self, at: Initialization<'_>) -> Result<(), BoxError> {
        self.gate.pass().await;
        let lease = at.shard().lease_key();
        self.tenure = Some(self.ledger.books().begin(self.worker, lease));
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        let tenure = self.tenure.ok_or("records before initialize")?;
        for records in batch.records().chunks(CHUNK) {
            self.gate.pass().await;
            self.process(tenure, records)?;
            sleep(self.work.per_record * u32::try_from(records.len())?).await;
        }
        self.gate.pass().await;
        self.batches += 1;
        if self.batches >= self.work.checkpoint_every {
            let checkpointed = checkpointer.checkpoint().await;
            let mut books = self.ledger.books();
            match &checkpointed {
                Ok(()) => books.settled(tenure),
                Err(_) => books.batch_failed(tenure),
            }
            drop(books);
            checkpointed?;
            self.batches = 0;
        }
        Ok(())
    }

    async fn lease_lost(&mut self) {
        self.leave(Leaving::Bad);
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        self.gate.pass().await;
        checkpointer.checkpoint().await?;
        self.leave(Leaving::InOrder);
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        self.gate.pass().await;
        checkpointer.checkpoint().await?;
        self.leave(Leaving::InOrder);
        Ok(())
    }
}

/// One that is dropped without a word has died.
impl Drop for Scribe {
    fn drop(&mut self) {
        self.leave(Leaving::Bad);
    }
}

/// A processor for one shard.
pub(super) fn scribe(
    worker: &'static str,
    work: Work,
    ledger: &Ledger,
    gate: &Gate,
) -> impl Fn(&ShardContext) -> Scribe + Send + Sync + use<> {
    let (ledger, gate) = (ledger.clone(), gate.clone());
    move |_| Scribe::new(worker, work, &ledger, &gate)
}

/// Records between which a batch may be given up.
const CHUNK: usize = 64;
