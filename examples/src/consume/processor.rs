//! One shard's records into lines: written first, checkpointed after.

use std::sync::Arc;

use kcl::{
    BoxError, CheckpointError, Checkpointer, ClientRecord, Initialization, RecordBatch, RecordProcessor,
    ShardContext,
};

use super::error::ConsumeError;
use super::format::Format;
use super::journal::Journal;
use super::line::{self, Written};
use super::output::{Output, Piece};

/// Writes the records of one shard.
#[derive(Debug)]
pub struct LineWriter {
    /// `None`: the only one.
    stream: Option<String>,
    shard_id: String,
    lease_key: String,
    desk: Desk,
    piece: Piece,
}

/// What all writers of a program share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk {
    pub(super) output: Output,
    pub(super) output_name: Arc<str>,
    pub(super) journal: Arc<Journal>,
    /// What data must be.
    pub(super) require: Option<Format>,
}

impl Desk {
    /// Writes a piece, and hands its memory back. A failure is what the program ends with.
    pub(super) async fn write(&self, piece: Piece) -> Result<Piece, BoxError> {
        self.output.write(piece).await.map_err(|source| {
            let text = source.to_string();
            self.journal.fail(ConsumeError::Output {
                output: self.output_name.to_string(),
                source,
            });
            text.into()
        })
    }

    /// Nothing more is written by a worker that is about to end.
    pub(super) fn check_goes_on(&self) -> Result<(), BoxError> {
        match self.journal.has_failed() {
            true => Err("the worker is about to end".into()),
            false => Ok(()),
        }
    }
}

impl LineWriter {
    /// A writer for `shard`.
    #[must_use]
    pub fn new(shard: &ShardContext, desk: Desk) -> Self {
        Self {
            stream: shard.stream_id().map(|id| id.name().to_string()),
            shard_id: shard.shard_id().to_string(),
            lease_key: shard.lease_key().to_string(),
            desk,
            piece: Piece::default(),
        }
    }

    async fn write(&mut self) -> Result<(), BoxError> {
        self.piece = self.desk.write(std::mem::take(&mut self.piece)).await?;
        Ok(())
    }

    /// Puts a record's line among those to be written. Fails where its data is not what it must be.
    fn append(&mut self, record: &ClientRecord) -> Result<(), BoxError> {
        if let Some(format) = self.desk.require {
            format.check(record.data())?;
        }
        let written = Written {
            stream: self.stream.as_deref(),
            shard_id: &self.shard_id,
            position: record.position(),
            partition_key: record.partition_key(),
            data: record.data(),
        };
        line::append(&mut self.piece.lines, &written);
        self.piece.records += 1;
        self.piece.bytes += record.data().len() as u64;
        Ok(())
    }

    /// What comes before a record that fails is written and checkpointed, so that it neither fails with it nor comes again.
    async fn keep_until(
        &mut self,
        last: Option<&ClientRecord>,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        self.write().await?;
        if let Some(last) = last {
            checkpointer.checkpoint_at(last.position()).await?;
            self.desk.journal.checkpointed(true);
        }
        Ok(())
    }

    /// A checkpoint that fails is no reason to write the batch again: a later one covers it. Unless none can succeed.
    async fn checkpoint(&self, checkpointer: &Checkpointer) {
        let outcome = checkpointer.checkpoint().await;
        self.desk.journal.checkpointed(outcome.is_ok());
        match outcome {
            Ok(()) | Err(CheckpointError::LeaseLost { .. }) => {}
            Err(error) if error.is_retryable() => {
                tracing::warn!(lease_key = %self.lease_key, %error, "checkpoint failed, the next one covers it");
            }
            Err(error) => self.desk.journal.fail(error.into()),
        }
    }
}

impl RecordProcessor for LineWriter {
    async fn initialize(&mut self, _: Initialization<'_>) -> Result<(), BoxError> {
        self.desk.journal.taken(&self.lease_key);
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        self.desk.check_goes_on()?;
        // What a cut-off call left behind comes again with this batch.
        self.piece.clear();
        let mut last = None;
        for record in batch.records() {
            if let Err(error) = self.append(record) {
                self.keep_until(last, checkpointer).await?;
                return Err(error);
            }
            last = Some(record);
            if self.piece.lines.len() >= PIECE {
                self.write().await?;
            }
        }
        self.write().await?;
        self.checkpoint(checkpointer).await;
        Ok(())
    }

    async fn lease_lost(&mut self) {
        self.desk.journal.lost();
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        // Makes up for a checkpoint that failed; does nothing otherwise.
        checkpointer.checkpoint().await.map_err(BoxError::from)
    }
}

/// Lines are written in pieces of about so many bytes: few calls, little memory.
const PIECE: usize = 1024 * 1024;
