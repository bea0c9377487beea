//! Checkpoints that the policy asks for and nobody else.

use std::future::pending;

use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::Checkpointer;
use super::keeper::chain;
use crate::config::CheckpointPolicy;
use crate::error::CheckpointError;
use crate::shard::policy::Rhythm;

/// Writes one shard's checkpoints when they are due.
#[derive(Debug)]
pub(super) struct Unasked {
    rhythm: Rhythm,
    checkpointer: Checkpointer,
}

impl Unasked {
    pub(super) fn new(policy: CheckpointPolicy, checkpointer: Checkpointer) -> Self {
        Self {
            rhythm: Rhythm::new(policy),
            checkpointer,
        }
    }

    /// So many more records are finished.
    pub(super) async fn on_done(&mut self, records: u64) {
        self.rhythm.on_done(records, now());
        if self.rhythm.is_due(now()) {
            self.write().await;
        }
    }

    /// Waits for the next checkpoint that is due, and writes it.
    ///
    /// # Cancel safety
    /// What was due stays due.
    pub(super) async fn next(&mut self) {
        match self.rhythm.due_at() {
            Some(due) => sleep_until(due.into()).await,
            None => pending().await,
        }
        self.write().await;
    }

    /// Before the shard is left.
    pub(super) async fn at_leave(&mut self) {
        if self.rhythm.is_due_at_leave() {
            self.write().await;
        }
    }

    /// After the processor heard of the end and did not record it.
    pub(super) async fn at_end(&mut self) {
        if self.rhythm.records_end() {
            self.write().await;
        }
    }

    /// What fails is tried again later.
    async fn write(&mut self) {
        match self.checkpointer.checkpoint().await {
            Ok(()) => self.rhythm.on_written(),
            // The driver hears of it.
            Err(CheckpointError::LeaseLost { .. }) => pending().await,
            Err(error) => {
                warn!(lease_key = %self.checkpointer.lease_key(), error = %chain(&error), "checkpoint failed, it is tried again");
                self.rhythm.on_failed(now());
            }
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// `shard_ended` returned without an error and without a checkpoint.
#[derive(Debug, thiserror::Error)]
#[error("the end of the shard must be checkpointed")]
pub(super) struct NotCheckpointed;
