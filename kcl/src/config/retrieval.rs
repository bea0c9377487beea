//! Settings of reading: how much, how often, how much memory.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::ConsumerConfigBuilder;
use crate::error::ConfigError;

#[derive(Debug, Clone)]
pub(crate) struct Reads {
    pub(crate) max_records: u32,
    pub(crate) idle: Duration,
    pub(crate) prefetch_bytes: NonZeroUsize,
    pub(crate) request_timeout: Duration,
}

impl Default for Reads {
    fn default() -> Self {
        Self {
            max_records: MAX_RECORDS,
            idle: Duration::from_secs(1),
            prefetch_bytes: DEFAULT_PREFETCH,
            request_timeout: Duration::from_secs(30),
        }
    }
}

impl Reads {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::check_range("max_records", self.max_records, 1, MAX_RECORDS)?;
        ConfigError::check_range("idle_between_reads", self.idle, MIN_IDLE, Duration::from_secs(60))?;
        ConfigError::check_range("prefetch_bytes", self.prefetch_bytes, MIN_PREFETCH, MAX_PREFETCH)?;
        ConfigError::check_range(
            "request_timeout",
            self.request_timeout,
            Duration::from_millis(100),
            Duration::from_secs(300),
        )
    }
}

impl ConsumerConfigBuilder {
    /// The most Kinesis records of one read (KCL: `maxRecords`). Fewer make smaller batches and more requests, of which a
    /// shard allows five a second. Default 10,000, as the KCL; 1 to 10,000.
    pub fn max_records(mut self, records: u32) -> Self {
        self.retrieval.max_records = records;
        self
    }

    /// The pause between two reads at the tip of a shard (KCL: `idleTimeBetweenReadsInMillis`). Half of it is the mean
    /// latency of polling; five reads a second are shared by all applications of the stream. While behind the tip a shard is
    /// read every 200 ms whatever this says. Default 1 s (KCL: 1.5 s); 200 ms to 60 s.
    pub fn idle_between_reads(mut self, idle: Duration) -> Self {
        self.retrieval.idle = idle;
        self
    }

    /// Memory for records read and not yet processed, over all shards of this consumer; consumers that share a
    /// [`ReadBudget`](crate::ReadBudget) share that one's and leave this aside. A shard reads ahead up to an eighth of it and
    /// 4 MiB at most, or one batch, whatever its size, and nothing while all of it is held. A page that is still being parsed counts twice. One read
    /// may pass the bound by what was not expected of it, 10 MiB at most; others then wait until it is made up for.
    /// Default 64 MiB; 1 MiB to 64 GiB.
    pub fn prefetch_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.retrieval.prefetch_bytes = bytes;
        self
    }

    /// How long one request to Kinesis may take before it is repeated (KCL: `kinesisRequestTimeout`). Default 30 s, as the
    /// KCL; 100 ms to 300 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.retrieval.request_timeout = timeout;
        self
    }
}

/// Source: AWS API reference, GetRecords, `Limit`.
const MAX_RECORDS: u32 = 10_000;
/// Source: AWS API reference, GetRecords: five calls a second for each shard.
const MIN_IDLE: Duration = Duration::from_millis(200);
const DEFAULT_PREFETCH: NonZeroUsize = NonZeroUsize::new(64 << 20).expect("not zero");
const MIN_PREFETCH: NonZeroUsize = NonZeroUsize::new(1 << 20).expect("not zero");
/// Ours: the budget is counted in KiB in 32 bits, with room to spare.
const MAX_PREFETCH: NonZeroUsize = NonZeroUsize::new(64 << 30).expect("not zero");
