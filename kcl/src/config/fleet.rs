//! Settings of a worker's part in its fleet: which KCL's ways it keeps to, and how it leads.

use std::time::Duration;

use super::ConsumerConfigBuilder;
use crate::assign::central::Strategy;
use crate::error::ConfigError;
use crate::fleet::{Bake, NewFleet, VersionSetting};
use crate::leader::lock::Pace;

#[derive(Debug, Clone)]
pub(crate) struct Membership {
    pub(crate) version: VersionSetting,
    pub(crate) new_fleet: NewFleet,
    pub(crate) migrate_all: bool,
    pub(crate) strategy: Strategy,
    pub(crate) report_interval: Duration,
    pub(crate) lock: Pace,
    pub(crate) bake: Bake,
    pub(crate) private: bool,
    pub(crate) index_of_owners: bool,
}

impl Default for Membership {
    fn default() -> Self {
        Self {
            version: VersionSetting::default(),
            new_fleet: NewFleet::TwoX,
            migrate_all: false,
            strategy: crate::assign::central::Settings::default().strategy,
            report_interval: Duration::from_secs(30),
            lock: Pace::default(),
            bake: Bake::default(),
            private: false,
            index_of_owners: false,
        }
    }
}

impl Membership {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let of_others = [
            ("client_version", self.version != VersionSetting::default()),
            ("new_fleet", self.new_fleet != NewFleet::TwoX),
            ("migrate_all_entities", self.migrate_all),
        ];
        if let Some((setting, _)) = of_others.iter().find(|(_, set)| self.private && *set) {
            return Err(ConfigError::NotInPrivateFleet { setting });
        }
        let hour = Duration::from_secs(3600);
        let least = Duration::from_millis(100);
        ConfigError::check_range("worker_report_interval", self.report_interval, least, hour)?;
        // Three heartbeats must fit, or a short fault costs the leadership.
        ConfigError::check_range(
            "leader_heartbeat",
            self.lock.heartbeat,
            Duration::from_millis(50),
            self.lock.duration / 3,
        )?;
        ConfigError::check_range("leader_lease_duration", self.lock.duration, least, hour)
    }
}

impl ConsumerConfigBuilder {
    /// Which behaviour this worker is told to show (KCL: `clientVersionConfig`). What the fleet has agreed on comes first.
    /// Default: [`VersionSetting::Follow`], whatever the fleet is in.
    pub fn client_version(mut self, version: VersionSetting) -> Self {
        self.membership.version = version;
        self
    }

    /// What a new application becomes, while `client_version` is to follow. Default: [`NewFleet::TwoX`]: each worker takes
    /// leases for itself, the table holds nothing but leases, and every KCL from 2.0 may join. With
    /// [`NewFleet::ThreeX`] a leader assigns by load, as in KCL 3.5.
    pub fn new_fleet(mut self, new_fleet: NewFleet) -> Self {
        self.membership.new_fleet = new_fleet;
        self
    }

    /// Whether this worker is ready to keep everything in the lease table (KCL: `migrateAllEntitiesToLeaseTable`): the second
    /// step of leaving the two tables of KCL 3.0 to 3.4. Default: no.
    pub fn migrate_all_entities(mut self, migrate: bool) -> Self {
        self.membership.migrate_all = migrate;
        self
    }

    /// Whether the lease table is for workers of this crate alone, all with this setting: each then writes one heartbeat for itself
    /// instead of one for each lease, in a row of a kind of its own. Eight idle shards cost less than half a request a second,
    /// and a hundred no more. Default: no.
    ///
    /// A worker refuses to start where a table, a row or a lease speaks of another library or of a worker without this setting
    /// ([`RunError::Fleet`](crate::RunError::Fleet)), and ends when one comes later
    /// ([`ConsumerEvent::NoLongerPrivate`](crate::events::ConsumerEvent::NoLongerPrivate)). To change it, stop all workers first.
    ///
    /// A worker that is alone and holds everything looks at the table each 30 s only (`scan_interval` sets that); one that joins calls
    /// on it through its heartbeat, 26 % of `failover` apart. One that is killed and comes back under the same name waits until its old heartbeat has
    /// stood still for `failover`.
    pub fn private_fleet(mut self, private: bool) -> Self {
        self.membership.private = private;
        self
    }

    /// Whether this worker has the index of owners built (KCL: `LeaseOwnerToLeaseKeyIndex`) in a table that needs none: where each
    /// worker takes leases for itself. A table of more than 250 leases is read the less often the larger it is, each ten seconds
    /// with ten thousand; by the index a worker finds within a second what others gave to it, when they stop or when it has
    /// asked. Any KCL may use a table that has it. Needs the right to `dynamodb:UpdateTable`; asking it, where it is there, needs
    /// `dynamodb:Query`. Under a leader it is always built. Default: no;
    /// a worker that would gain by it says so once in its log.
    pub fn index_of_owners(mut self, build: bool) -> Self {
        self.membership.index_of_owners = build;
        self
    }

    /// How this worker spreads leases when it leads (KCL: `leaseAssignmentStrategy`, `workerUtilizationAwareAssignmentConfig`).
    /// Default: by utilisation, with KCL's numbers.
    pub fn assignment_strategy(mut self, strategy: Strategy) -> Self {
        self.membership.strategy = strategy;
        self
    }

    /// How often this worker writes its metrics row where there is a leader (KCL: `workerMetricsReporterFreqInMillis`). A worker
    /// counts as gone after two of these. Default 30 s, as the KCL; 100 ms to 1 h.
    pub fn worker_report_interval(mut self, interval: Duration) -> Self {
        self.membership.report_interval = interval;
        self
    }

    /// How long a worker that leads waits before each step of a fleet on its way to 3.x, or to a single table (KCL:
    /// `tableMigrationCompleteBakeTimeSeconds`, for the last of them). Default: as the KCL, 10 min, 1 h and 1 day.
    pub fn migration_bake(mut self, bake: Bake) -> Self {
        self.membership.bake = bake;
        self
    }

    /// How long others wait for a leader that has fallen silent (KCL: `dynamoDbLockBasedLeaderLeaseDurationInMillis`), and how
    /// often it shows itself (KCL: `dynamoDbLockBasedLeaderHeartbeatPeriodInMillis`). Others look for it six times as often.
    /// Default 120 s and 30 s, as the KCL; 100 ms to 1 h, at least three heartbeats.
    pub fn leader_lock(mut self, duration: Duration, heartbeat: Duration) -> Self {
        self.membership.lock = Pace {
            duration,
            heartbeat,
            watch: heartbeat / 6,
        };
        self
    }
}
