//! What a forecast is made from, and how often the workers of such a fleet do what they do.

use std::time::Duration;

use crate::assign::lookout::LOOKOUTS;
use crate::config::{self, Membership};
use crate::fleet::{PRIVATE_WATCH, WATCH};
use crate::leader::lock;
use crate::lease::scan_pace::{ScanPace, is_large, leaders_interval};

/// What a forecast is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Outlook {
    /// Rows of unfinished shards.
    pub leases: u32,
    /// Workers.
    pub workers: u32,
    /// How workers share leases.
    pub coordination: Coordination,
    /// How long a lease lives without a heartbeat (KCL: `failoverTimeMillis`).
    pub failover: Duration,
    /// How often one shard is checkpointed; `None`: hardly ever.
    pub checkpoint_interval: Option<Duration>,
    /// How often each worker looks at the whole table (KCL: `leaseAssignmentIntervalMillis`); `None`: as often as it does by
    /// itself, by the size of the table and by who else is there.
    pub scan_interval: Option<Duration>,
    /// Whether looks at the table are consistent, which doubles their read units.
    pub consistent_scans: bool,
    /// Whether the table has the index of owners. Under a leader it always has.
    pub index_of_owners: bool,
    /// Size of one row of the lease table, in bytes. Default 600: keys, owner, counters, checkpoint, parents, hash keys.
    pub row_bytes: u32,
    /// How often shards and leases are compared (KCL: `leasesRecoveryAuditorExecutionFrequencyMillis`).
    pub audit_interval: Duration,
    /// Streams that are read.
    pub streams: u32,
    /// How often the application is asked for its streams; `None`: it reads one stream, and always the same.
    pub stream_list_interval: Option<Duration>,
    /// Whether child shards are read beside their parents, for which each worker lists shards.
    pub children_at_once: bool,
    /// How often a worker reports how busy it is (KCL: `workerMetricsReporterFreqInMillis`), under a leader.
    pub report_interval: Duration,
    /// How the leader's lock is kept.
    pub lock: lock::Pace,
}

impl Outlook {
    /// A fleet of workers that each plan for themselves, at default settings.
    #[must_use]
    pub fn new(leases: u32, workers: u32) -> Self {
        let (leasing, coordination) = (config::Leasing::default(), config::Coordination::default());
        let membership = Membership::default();
        Self {
            leases,
            workers,
            coordination: Coordination::EachForItself,
            failover: leasing.failover,
            checkpoint_interval: None,
            scan_interval: coordination.scan_interval,
            consistent_scans: true,
            index_of_owners: membership.index_of_owners,
            row_bytes: 600,
            audit_interval: coordination.shard_sync_interval,
            streams: 1,
            stream_list_interval: None,
            children_at_once: false,
            report_interval: membership.report_interval,
            lock: membership.lock,
        }
    }
}

/// How workers share leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coordination {
    /// Every worker looks at the whole table and plans (KCL 2.x, and workers of this crate among themselves).
    EachForItself,
    /// One worker leads; the others ask the index for what is theirs (KCL 3.x).
    Leader,
    /// Workers of this crate alone: one heartbeat for each worker instead of one for each lease.
    Private,
    /// No table: a fixed assignment.
    NoTable,
}

/// How often the parts of a worker act while the fleet is at rest.
impl Outlook {
    pub(super) fn has_leader(&self) -> bool {
        self.coordination == Coordination::Leader
    }

    /// Where rows of workers lie beside those of leases.
    pub(super) fn has_rows_of_workers(&self) -> bool {
        matches!(self.coordination, Coordination::Leader | Coordination::Private)
    }

    fn in_company(&self) -> bool {
        self.workers > 1
    }

    fn pace(&self) -> ScanPace {
        match self.coordination {
            Coordination::Private => ScanPace::of_private_fleet(self.failover, self.scan_interval),
            _ => ScanPace::new(self.failover, self.scan_interval),
        }
    }

    /// Whether workers ask the index of owners between two looks at the whole table.
    pub(super) fn asks_index(&self) -> bool {
        is_large(self.leases) && (self.has_leader() || self.index_of_owners)
    }

    /// Whether workers look now and then whether there is an index by now.
    pub(super) fn misses_index(&self) -> bool {
        is_large(self.leases) && !self.asks_index()
    }

    /// The workers by how often they look at the whole table while they watch over their leases: those who look for all, and the rest.
    pub(super) fn lookers(&self) -> [(u32, Duration); 2] {
        let pace = self.pace();
        let on_lookout = match self.coordination {
            Coordination::EachForItself if self.asks_index() && self.in_company() => {
                self.workers.min(LOOKOUTS.try_into().unwrap_or(u32::MAX))
            }
            _ => 0,
        };
        [
            (on_lookout, pace.on_lookout(self.leases)),
            (
                self.workers - on_lookout,
                pace.steady(self.leases, self.in_company()),
            ),
        ]
    }

    /// How often the leader looks at the whole table to plan. `None`: there is none.
    pub(super) fn leaders_look(&self) -> Option<Duration> {
        self.has_leader()
            .then(|| leaders_interval(self.failover, self.leases))
    }

    /// How often the index of owners is asked between two looks at the whole table.
    pub(super) fn index_interval(&self) -> Duration {
        self.pace().between(self.has_leader() || self.in_company())
    }

    /// How often each worker looks where the fleet stands. `None`: it has arrived.
    pub(super) fn watch(&self) -> Option<Duration> {
        match self.coordination {
            Coordination::EachForItself => Some(WATCH),
            Coordination::Private => Some(PRIVATE_WATCH),
            Coordination::Leader | Coordination::NoTable => None,
        }
    }

    /// Who compares shards with leases.
    pub(super) fn auditors(&self) -> u32 {
        match self.has_leader() {
            true => self.workers.min(1),
            false => self.workers,
        }
    }
}
