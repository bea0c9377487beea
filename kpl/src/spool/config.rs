//! The settings of a spool.

use super::error::SpoolError;

/// How much a spool keeps, and how safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolConfig {
    max_bytes: u64,
    segment_bytes: u64,
    sync: SpoolSync,
}

/// When what was written is forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpoolSync {
    /// After each batch of up to 256 records: they outlive a failure of the machine.
    EachBatch,
    /// When the operating system sees fit: they outlive the process, not the machine.
    Never,
}

impl SpoolConfig {
    /// Most bytes on disk. What does not fit is lost, which is warned of and counted.
    ///
    /// More rides out longer outages. Default 1 GiB, 1 MiB to 1 TiB, at least a segment.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Bytes of a file before the next is begun; a record larger than this has a file of its own.
    ///
    /// A file is deleted when all of its records are delivered, so smaller files put less again after a crash. A replay
    /// holds one in memory. Default 8 MiB, 4 KiB to 256 MiB.
    #[must_use]
    pub fn with_segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// When what was written is forced to the disk. Default [`SpoolSync::EachBatch`].
    #[must_use]
    pub fn with_sync(mut self, sync: SpoolSync) -> Self {
        self.sync = sync;
        self
    }

    /// See [`with_max_bytes`](Self::with_max_bytes).
    #[must_use]
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// See [`with_segment_bytes`](Self::with_segment_bytes).
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// See [`with_sync`](Self::with_sync).
    #[must_use]
    pub fn sync(&self) -> SpoolSync {
        self.sync
    }

    pub(super) fn check(&self) -> Result<(), SpoolError> {
        let range = |setting, value, min, max| {
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(SpoolError::Config {
                    setting,
                    value,
                    min,
                    max,
                })
            }
        };
        range("segment_bytes", self.segment_bytes, 4 * KIB, 256 * KIB * KIB)?;
        let least = self.segment_bytes.max(KIB * KIB);
        range("max_bytes", self.max_bytes, least, KIB * KIB * KIB * KIB)
    }
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            max_bytes: KIB * KIB * KIB,
            segment_bytes: 8 * KIB * KIB,
            sync: SpoolSync::EachBatch,
        }
    }
}

const KIB: u64 = 1024;
