//! When the checkpoint follows the watermark.

use std::time::Duration;

use crate::config::{CheckpointPolicy, RecordOptions};

/// When the checkpoint follows what is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saves {
    Never,
    Every(Duration),
    EveryRecords(u64),
}

impl Saves {
    /// A policy that was chosen goes before the interval.
    pub(super) fn of(policy: CheckpointPolicy, options: &RecordOptions) -> Self {
        match policy {
            CheckpointPolicy::Never => Self::Never,
            CheckpointPolicy::EachBatch | CheckpointPolicy::OnAck => Self::Every(Duration::ZERO),
            CheckpointPolicy::Every(interval) => Self::Every(interval),
            CheckpointPolicy::EveryRecords(records) => Self::EveryRecords(records.get()),
            CheckpointPolicy::Manual => Self::Every(options.checkpoint_interval),
        }
    }

    /// Whether so many records passed since the last time are worth a checkpoint.
    pub(super) fn is_due(self, passed: u64) -> bool {
        match self {
            Self::Never => false,
            Self::Every(_) => true,
            Self::EveryRecords(records) => passed >= records,
        }
    }

    /// The least time between two.
    pub(super) fn pause(self) -> Duration {
        match self {
            Self::Every(interval) => interval,
            Self::Never | Self::EveryRecords(_) => Duration::ZERO,
        }
    }
}
