//! Settings of checkpoints: when they are written without being asked for.

use std::num::NonZeroU64;
use std::time::Duration;

use super::ConsumerConfigBuilder;
use crate::error::ConfigError;

/// When the consumer checkpoints by itself what a [`RecordProcessor`](crate::RecordProcessor) has finished.
///
/// Whatever it says, a checkpoint never covers a record that was not processed, and a processor may checkpoint as often as it
/// likes beside it. With any of them but [`Manual`](Self::Manual) and [`Never`](Self::Never) a last checkpoint is written when
/// the worker stops or hands the shard over, and with any but `Manual` the end of a shard is recorded for a processor that did
/// not do it itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CheckpointPolicy {
    /// Only when the processor says so. The default, as in the KCL.
    #[default]
    Manual,
    /// After each batch: the fewest repetitions after a crash, one write to the lease table for each batch.
    EachBatch,
    /// After the batch that makes it so many records since the last one.
    EveryRecords(NonZeroU64),
    /// This long after the first record that is not checkpointed. 10 ms to 1 h.
    Every(Duration),
    /// As records are acknowledged, as many of them in one write as there are by then. For a processor that acknowledges by
    /// batches, which is what returning from `process_records` does, as [`EachBatch`](Self::EachBatch).
    OnAck,
    /// Not at all, but for the end of a shard: positions are kept elsewhere, see
    /// [`Initialization::start_after`](crate::Initialization::start_after), or not kept.
    Never,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Checkpointing {
    pub(crate) policy: CheckpointPolicy,
}

impl Checkpointing {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.policy {
            CheckpointPolicy::Every(interval) => {
                ConfigError::check_range("checkpoint interval", interval, MIN_INTERVAL, MAX_INTERVAL)
            }
            _ => Ok(()),
        }
    }
}

impl ConsumerConfigBuilder {
    /// When to checkpoint without being asked. Seldom: fewer writes to the lease table, and more records that come again after a
    /// crash. Default [`CheckpointPolicy::Manual`].
    pub fn checkpoint_policy(mut self, policy: CheckpointPolicy) -> Self {
        self.checkpointing.policy = policy;
        self
    }
}

/// Ours: about the time that a write to the table takes.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// Ours: what is to be repeated after a crash should not be longer.
const MAX_INTERVAL: Duration = Duration::from_secs(3600);
