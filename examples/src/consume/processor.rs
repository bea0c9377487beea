//! One shard's records into lines: written first, checkpointed after.

use std::sync::Arc;

use kcl::{
    BoxError, CheckpointError, Checkpointer, Initialization, RecordBatch, RecordProcessor, ShardContext,
};

use super::error::ConsumeError;
use super::journal::Journal;
use super::line;
use super::output::{Output, Piece};

/// Writes the records of one shard.
#[derive(Debug)]
pub struct LineWriter {
    /// `None`: the only one.
    stream: Option<String>,
    shard_id: String,
    lease_key: String,
    output: Output,
    output_name: Arc<str>,
    journal: Arc<Journal>,
    piece: Piece,
}

impl LineWriter {
    /// A writer for `shard`.
    #[must_use]
    pub fn new(shard: &ShardContext, output: Output, output_name: Arc<str>, journal: Arc<Journal>) -> Self {
        Self {
            stream: shard.stream_id().map(|id| id.name().to_string()),
            shard_id: shard.shard_id().to_string(),
            lease_key: shard.lease_key().to_string(),
            output,
            output_name,
            journal,
            piece: Piece::default(),
        }
    }

    async fn write(&mut self) -> Result<(), BoxError> {
        match self.output.write(std::mem::take(&mut self.piece)).await {
            Ok(piece) => {
                self.piece = piece;
                Ok(())
            }
            Err(source) => {
                let text = source.to_string();
                self.journal.fail(ConsumeError::Output {
                    output: self.output_name.to_string(),
                    source,
                });
                Err(text.into())
            }
        }
    }

    /// A checkpoint that fails is no reason to write the batch again: a later one covers it. Unless none can succeed.
    async fn checkpoint(&self, checkpointer: &Checkpointer) {
        let outcome = checkpointer.checkpoint().await;
        self.journal.checkpointed(outcome.is_ok());
        match outcome {
            Ok(()) | Err(CheckpointError::LeaseLost { .. }) => {}
            Err(error) if error.is_retryable() => {
                tracing::warn!(lease_key = %self.lease_key, %error, "checkpoint failed, the next one covers it");
            }
            Err(error) => self.journal.fail(error.into()),
        }
    }
}

impl RecordProcessor for LineWriter {
    async fn initialize(&mut self, _: Initialization<'_>) -> Result<(), BoxError> {
        self.journal.taken(&self.lease_key);
        Ok(())
    }

    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        if self.journal.has_failed() {
            return Err("the worker is about to end".into());
        }
        // What a cut-off call left behind comes again with this batch.
        self.piece.clear();
        for record in batch.records() {
            line::append(
                &mut self.piece.lines,
                self.stream.as_deref(),
                &self.shard_id,
                record,
            );
            self.piece.records += 1;
            self.piece.bytes += record.data().len() as u64;
            if self.piece.lines.len() >= PIECE {
                self.write().await?;
            }
        }
        self.write().await?;
        self.checkpoint(checkpointer).await;
        Ok(())
    }

    async fn lease_lost(&mut self) {
        self.journal.lost();
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        // Makes up for a checkpoint that failed; does nothing otherwise.
        checkpointer.checkpoint().await.map_err(BoxError::from)
    }
}

/// Lines are written in pieces of about so many bytes: few calls, little memory.
const PIECE: usize = 1024 * 1024;
