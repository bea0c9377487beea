//! Settings of leases: how long one lives without a heartbeat, how many a worker takes.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::{ConsumerConfigBuilder, MAX_TABLE_NAME, MIN_TABLE_NAME, TABLE_NAME_RULE};
use crate::error::ConfigError;
use crate::stream::is_service_name;

#[derive(Debug, Clone)]
pub(crate) struct Leasing {
    pub(crate) table_name: Option<String>,
    pub(crate) failover: Duration,
    pub(crate) max_leases: NonZeroUsize,
    pub(crate) max_steals: NonZeroUsize,
    pub(crate) hand_over_timeout: Duration,
}

impl Default for Leasing {
    fn default() -> Self {
        Self {
            table_name: None,
            failover: DEFAULT_FAILOVER,
            max_leases: NonZeroUsize::MAX,
            max_steals: NonZeroUsize::MAX,
            hand_over_timeout: DEFAULT_HAND_OVER_TIMEOUT,
        }
    }
}

impl Leasing {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(name) = &self.table_name
            && !is_service_name(name, MIN_TABLE_NAME, MAX_TABLE_NAME)
        {
            return Err(ConfigError::name("lease table name", name, TABLE_NAME_RULE));
        }
        ConfigError::check_range("failover", self.failover, MIN_FAILOVER, MAX_FAILOVER)?;
        ConfigError::check_range(
            "hand_over_timeout",
            self.hand_over_timeout,
            Duration::from_millis(100),
            Duration::from_secs(3600),
        )
    }
}

impl ConsumerConfigBuilder {
    /// How long a lease lives after its last heartbeat (KCL: `failoverTimeMillis`).
    ///
    /// Short: a dead worker's shards move sooner; each held lease costs one write to the table every two fifths of it, unless a
    /// checkpoint came in between. Long: cheaper, and a worker may be cut off for longer without losing its shards. All workers of an application should have the same.
    /// Default 10 s, as the KCL; 100 ms to 1 h.
    pub fn failover(mut self, failover: Duration) -> Self {
        self.leasing.failover = failover;
        self
    }

    /// The lease table's name (KCL: `tableName`). Default: the application's name. 3 to 255 of letters, digits, `_`, `.`, `-`.
    pub fn lease_table_name(mut self, name: &str) -> Self {
        self.leasing.table_name = Some(name.to_owned());
        self
    }

    /// The most shards this worker reads at a time (KCL: `maxLeasesForWorker`). With too low a number on all workers some
    /// shards are not read at all. Default: no limit.
    pub fn max_leases_per_worker(mut self, leases: NonZeroUsize) -> Self {
        self.leasing.max_leases = leases;
        self
    }

    /// The most leases asked of other workers in one round of balancing (KCL: `maxLeasesToStealAtOneTime`). Fewer interrupt
    /// fewer shards at a time; a worker that joins gets its share later. Default: no limit, because a lease is handed over and
    /// not snatched away, so nothing is processed twice. (KCL: 1.)
    pub fn max_leases_to_steal_at_once(mut self, leases: NonZeroUsize) -> Self {
        self.leasing.max_steals = leases;
        self
    }

    /// How long a processor may take to end when another worker asks for its shard (KCL:
    /// `gracefulLeaseHandoffTimeoutMillis`). Then it is cut off, and the shard handed over as it is; the other worker takes it
    /// a failover time later whether it was or not. It should cover one `process_records`. Default 30 s, as the KCL; 100 ms
    /// to 1 h.
    pub fn hand_over_timeout(mut self, timeout: Duration) -> Self {
        self.leasing.hand_over_timeout = timeout;
        self
    }
}

/// Source: KCL, `LeaseManagementConfig.failoverTimeMillis`.
const DEFAULT_FAILOVER: Duration = Duration::from_secs(10);
/// Ours: a heartbeat is a round trip to the table, and three must fit.
const MIN_FAILOVER: Duration = Duration::from_millis(100);
/// Ours: a shard without reader for longer is surely not meant.
const MAX_FAILOVER: Duration = Duration::from_secs(3600);
/// Source: KCL, `GracefulLeaseHandoffConfig.gracefulLeaseHandoffTimeoutMillis`.
const DEFAULT_HAND_OVER_TIMEOUT: Duration = Duration::from_secs(30);
