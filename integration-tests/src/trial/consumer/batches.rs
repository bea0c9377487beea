//! The user's code of a trial, batch by batch: takes its time, hangs where it is told to, and writes into the books.

use std::future::pending;
use std::time::Duration;

use kcl::{BoxError, Checkpointer, ClientRecord, Initialization, RecordBatch, RecordProcessor, ShardContext};
use tokio::time::sleep;

use super::super::events::number_of;
use super::books::{Leaving, TenureId};
use super::gate::Gate;
use super::ledger::Ledger;

/// What the user's code does with batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batches {
    /// What a record takes, on average.
    pub(super) per_record: Duration,
    /// What a batch takes beside.
    pub(super) per_batch: Duration,
    /// After how many batches it checkpoints.
    pub(super) checkpoint_every: u32,
    /// With which record it hangs, the first time.
    pub(super) hangs_at: Option<u32>,
}

impl Default for Batches {
    fn default() -> Self {
        Self {
            per_record: Duration::ZERO,
            per_batch: Duration::ZERO,
            checkpoint_every: 1,
            hangs_at: None,
        }
    }
}

/// A processor of batches.
#[derive(Debug)]
pub(super) struct Scribe {
    worker: &'static str,
    work: Batches,
    ledger: Ledger,
    gate: Gate,
    tenure: Option<TenureId>,
    /// Batches since the last checkpoint.
    batches: u32,
    /// Whether a call has begun and not ended: one that was dropped is known by the next.
    in_call: bool,
}

impl Scribe {
    pub(super) fn new(worker: &'static str, work: Batches, ledger: &Ledger, gate: &Gate) -> Self {
        Self {
            worker,
            work,
            ledger: ledger.clone(),
            gate: gate.clone(),
            tenure: None,
            batches: 0,
            in_call: false,
        }
    }

    /// The records of a batch, with all that a call of the processor takes.
    async fn batch(
        &mut self,
        tenure: TenureId,
        batch: &RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for records in batch.records().chunks(CHUNK) {
            self.gate.pass().await;
            if self.process(tenure, records)? {
                let now = self.ledger.now();
                self.ledger.diary().hung(now);
                pending::<()>().await;
            }
            sleep(self.work.per_record * u32::try_from(records.len())?).await;
        }
        sleep(self.work.per_batch).await;
        self.gate.pass().await;
        self.batches += 1;
        if self.batches >= self.work.checkpoint_every {
            checkpointer.checkpoint().await?;
            self.ledger.books().settled(tenure);
            self.batches = 0;
        }
        Ok(())
    }

    /// One after the other: at most one of a key is in hand. Whether it hangs now.
    fn process(&mut self, tenure: TenureId, records: &[ClientRecord]) -> Result<bool, BoxError> {
        let now = self.ledger.now();
        let mut books = self.ledger.books();
        for record in records {
            let number = number_of(record.data()).ok_or("a record without number")?;
            books.handed(tenure, number, record.position());
            if self
                .work
                .hangs_at
                .take_if(|hangs_at| *hangs_at == number)
                .is_some()
            {
                return Ok(true);
            }
            books.done(number, now);
        }
        drop(books);
        self.ledger.tell();
        Ok(false)
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
        if std::mem::replace(&mut self.in_call, true) {
            self.ledger.books().batch_failed(tenure);
        }
        let done = self.batch(tenure, &batch, checkpointer).await;
        self.in_call = false;
        if done.is_err() {
            self.ledger.books().batch_failed(tenure);
        }
        done
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

impl Batches {
    /// Makes the processors of a worker.
    pub(super) fn factory(
        self,
        worker: &'static str,
        ledger: &Ledger,
        gate: &Gate,
    ) -> impl Fn(&ShardContext) -> Scribe + Send + Sync + use<> {
        let (ledger, gate) = (ledger.clone(), gate.clone());
        move |_| Scribe::new(worker, self, &ledger, &gate)
    }
}

/// Records between which a batch may be given up.
const CHUNK: usize = 64;
