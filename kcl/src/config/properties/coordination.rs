//! Settings of leases and of their spreading.

use std::time::Duration;

use kinesis_properties::{NoteKind, Value, ValueError};

use super::settings::{HOUR_MS, MAX, Reading, Taken};
use crate::assign::central::Strategy;
use crate::fleet::{Bake, VersionSetting};

impl Reading {
    pub(super) fn strategy(&self) -> Strategy {
        match self.by_count {
            true => Strategy::LeaseCount,
            false => Strategy::Utilization(self.utilization),
        }
    }

    /// Leases, workers and fleets.
    pub(super) fn leases(&mut self, value: &Value<'_>) -> Taken {
        let mut note = None;
        match value.setting() {
            "failoverTimeMillis" => {
                let failover = value.ms(100, HOUR_MS)?;
                self.build(|b| b.failover(failover));
            }
            "leaseAssignmentIntervalMillis" => {
                self.scan_interval = Some(value.ms(20, MAX)?);
                note = Some(NoteKind::Adjusted(
                    "the table is also read when a lease is about to expire or to come; at least once a failover time",
                ));
            }
            "leaseAssignmentStrategy" => {
                let strategies = ["WORKER_UTILIZATION_AWARE", "LEASE_COUNT_BASED"];
                let expected = "WORKER_UTILIZATION_AWARE or LEASE_COUNT_BASED";
                self.by_count = value.one_of(&strategies, expected)? == 1;
            }
            "maxLeasesForWorker" => {
                let leases = value.size(usize::MAX)?;
                self.build(|b| b.max_leases_per_worker(leases));
            }
            "maxLeasesToStealAtOneTime" => {
                let leases = value.size(usize::MAX)?;
                self.build(|b| b.max_leases_to_steal_at_once(leases));
            }
            "isGracefulLeaseHandoffEnabled" => {
                if !value.flag()? {
                    note = Some(NoteKind::Refused(
                        "leases are always handed over where the other side can",
                    ));
                }
            }
            "gracefulLeaseHandoffTimeoutMillis" => {
                let timeout = value.ms(100, HOUR_MS)?;
                self.build(|b| b.hand_over_timeout(timeout));
            }
            "cleanupLeasesUponShardCompletion" => {
                if !value.flag()? {
                    note = Some(NoteKind::Refused(
                        "leases that nobody needs any more are always removed",
                    ));
                }
            }
            "workerMetricsReporterFreqInMillis" => {
                let interval = value.ms(100, HOUR_MS)?;
                self.build(|b| b.worker_report_interval(interval));
            }
            "maxThroughputPerHostKBps" => self.utilization.max_throughput_per_worker = value.decimal()?,
            "dampeningPercentage" => self.utilization.dampening_percent = value.decimal()?,
            "reBalanceThresholdPercentage" => self.utilization.threshold_percent = value.decimal()?,
            "allowThroughputOvershoot" => self.utilization.allow_overshoot = value.flag()?,
            "parentShardPollIntervalMillis" => {
                value.ms(0, MAX)?;
                note = Some(NoteKind::Moot(
                    "leases whose parents are not finished are not taken; one that is held is looked at each 2 s",
                ));
            }
            "skipShardSyncAtWorkerInitializationIfLeasesExist" => {
                if value.flag()? {
                    note = Some(NoteKind::Moot(
                        "a start lists the shards once, and aggregates are judged by the hash range in the lease",
                    ));
                }
            }
            "schedulerInitializationBackoffTimeMillis" => {
                value.ms(0, MAX)?;
                note = Some(NoteKind::Moot(
                    "a start is repeated for start_timeout, with growing pauses",
                ));
            }
            "callProcessRecordsEvenForEmptyRecordList" => {
                let call = value.flag()?;
                self.build(|b| b.call_with_empty_batches(call));
            }
            _ => return self.fleet(value),
        }
        Ok(Some(note))
    }

    fn fleet(&mut self, value: &Value<'_>) -> Taken {
        match value.setting() {
            "clientVersionConfig" => {
                let version = version(value)?;
                self.build(|b| b.client_version(version));
            }
            "migrateAllEntitiesToLeaseTable" => {
                let migrate = value.flag()?;
                self.build(|b| b.migrate_all_entities(migrate));
            }
            "tableMigrationCompleteBakeTimeSeconds" => {
                let complete = Duration::from_secs(value.number(0, MAX / 1_000)?);
                self.build(|b| {
                    b.migration_bake(Bake {
                        complete,
                        ..Bake::default()
                    })
                });
            }
            _ => return Ok(None),
        }
        Ok(Some(None))
    }
}

fn version(value: &Value<'_>) -> Result<VersionSetting, ValueError> {
    let (all, versions) = (
        [
            "CLIENT_VERSION_CONFIG_3X",
            "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X",
            "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X_PHASE1",
        ],
        [
            VersionSetting::ThreeX,
            VersionSetting::CompatibleWith2x,
            VersionSetting::CompatibleWith2xPhase1,
        ],
    );
    let expected = "CLIENT_VERSION_CONFIG_3X, CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X or its _PHASE1";
    value.one_of(&all, expected).map(|place| versions[place])
}
