//! Settings of the worker's background tasks, of its start and of its end.

use std::time::Duration;

use super::{ConsumerConfigBuilder, Leasing};
use crate::error::ConfigError;

#[derive(Debug, Clone)]
pub(crate) struct Coordination {
    pub(crate) scan_interval: Option<Duration>,
    pub(crate) shard_sync_interval: Duration,
    pub(crate) parent_poll: Duration,
    pub(crate) start_timeout: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) retry_backoff: Backoff,
}

/// Pauses between attempts: doubled each time from `min` to `max`, with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

impl Default for Coordination {
    fn default() -> Self {
        Self {
            scan_interval: None,
            shard_sync_interval: Duration::from_secs(120),
            parent_poll: Duration::from_secs(2),
            start_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(30),
            retry_backoff: Backoff {
                min: Duration::from_millis(500),
                max: Duration::from_secs(30),
            },
        }
    }
}

impl Coordination {
    pub(super) fn check(&self, leasing: &Leasing) -> Result<(), ConfigError> {
        let hour = Duration::from_secs(3600);
        if let Some(interval) = self.scan_interval {
            // A scan that comes later than the lease lives sees every lease die.
            ConfigError::check_range(
                "scan_interval",
                interval,
                Duration::from_millis(20),
                leasing.failover,
            )?;
        }
        ConfigError::check_range(
            "shard_sync_interval",
            self.shard_sync_interval,
            Duration::from_millis(100),
            hour,
        )?;
        ConfigError::check_range(
            "start_timeout",
            self.start_timeout,
            Duration::from_millis(100),
            hour,
        )?;
        ConfigError::check_range("shutdown_timeout", self.shutdown_timeout, Duration::ZERO, hour)?;
        let Backoff { min, max } = self.retry_backoff;
        ConfigError::check_range("retry_backoff", min, Duration::from_millis(1), max.min(hour))?;
        ConfigError::check_range("retry_backoff", max, min, hour)
    }
}

impl ConsumerConfigBuilder {
    /// How often the worker reads the lease table to find leases without owner, leases handed to it, and workers that have too
    /// many (KCL: `leaseAssignmentIntervalMillis`). It bounds how long a shard waits for its next worker; each scan reads the
    /// whole table. 20 ms to `failover`.
    ///
    /// Default: 0.8 s while other workers are seen, 2.6 s while there are none; with `failover` below 10 s in proportion, in
    /// large tables 4 ms a row if that is more. Whatever is set here, the table is also read when a lease is about to expire,
    /// and four times a second while a lease is on its way to this worker.
    pub fn scan_interval(mut self, interval: Duration) -> Self {
        self.coordination.scan_interval = Some(interval);
        self
    }

    /// How often shards and leases are compared, to find shards without lease and leases that are done (KCL:
    /// `leasesRecoveryAuditorExecutionFrequencyMillis`). Resharding does not wait for it: whoever finishes a shard makes
    /// the leases that follow. Default 120 s, as the KCL; 100 ms to 1 h.
    pub fn shard_sync_interval(mut self, interval: Duration) -> Self {
        self.coordination.shard_sync_interval = interval;
        self
    }

    /// How long the start may fail for want of an answer before [`run`](crate::Consumer::run) gives up. Making a new lease
    /// table is not counted. Default 10 s; 100 ms to 1 h.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.coordination.start_timeout = timeout;
        self
    }

    /// How long a clean stop waits for processors. What has not ended by then is dropped, its lease given up without a last
    /// checkpoint. Default 30 s; 0 to 1 h.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.coordination.shutdown_timeout = timeout;
        self
    }

    /// The pauses after a failed call of a processor (KCL: `taskBackoffTimeMillis`, always 500 ms): the first lasts `min`,
    /// then they double up to `max`, each with up to as much again for jitter. Default 500 ms and 30 s; 1 ms to 1 h, `min` not above `max`.
    pub fn retry_backoff(mut self, min: Duration, max: Duration) -> Self {
        self.coordination.retry_backoff = Backoff { min, max };
        self
    }
}
