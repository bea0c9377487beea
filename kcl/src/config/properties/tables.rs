//! Settings of the tables: their names, and how they are created. All tables are created alike here; the lease table's
//! settings are what counts.

use kinesis_properties::{NoteKind, Value, ValueError};

use super::settings::Taken;
use crate::config::ConsumerConfig;
use crate::error::ConfigError;
use crate::store::dynamodb::{Billing, TableNames, TableSettings};

#[derive(Debug, Default)]
pub(super) struct Tables {
    worker_metrics: Option<String>,
    coordinator: Option<String>,
    provisioned: Option<bool>,
    read: Option<u32>,
    write: Option<u32>,
    protected: bool,
    recoverable: bool,
    tags: Vec<(String, String)>,
}

impl Tables {
    pub(super) fn set(&mut self, value: &Value<'_>) -> Taken {
        match value.setting() {
            "workerMetricsTableName" => self.worker_metrics = value.filled(),
            "coordinatorStateTableName" => self.coordinator = value.filled(),
            "billingMode" => self.provisioned = Some(is_provisioned(value)?),
            "initialLeaseTableReadCapacity" => self.read = Some(capacity(value)?),
            "initialLeaseTableWriteCapacity" => self.write = Some(capacity(value)?),
            "leaseTableDeletionProtectionEnabled" => self.protected = value.flag()?,
            "leaseTablePitrEnabled" => self.recoverable = value.flag()?,
            "workerMetricsTags" | "coordinatorStateTags" => {
                for (key, tag) in value.pairs()? {
                    self.tags.retain(|(known, _)| *known != key);
                    self.tags.push((key, tag));
                }
                return Ok(Some(Some(NoteKind::Adjusted(
                    "all tables that are created bear the tags",
                ))));
            }
            "leaseTableScanTotalSegments" => {
                value.number(0, 1_000_000)?;
                return Ok(Some(Some(NoteKind::Moot(
                    "the table's size decides; to fix it, use DynamoDbLeaseStore::with_scan_segments",
                ))));
            }
            "workerMetricsBillingMode"
            | "coordinatorStateBillingMode"
            | "workerMetricsReadCapacity"
            | "coordinatorStateReadCapacity"
            | "workerMetricsWriteCapacity"
            | "coordinatorStateWriteCapacity"
            | "workerMetricsPointInTimeRecoveryEnabled"
            | "coordinatorStatePointInTimeRecoveryEnabled"
            | "workerMetricsDeletionProtectionEnabled"
            | "coordinatorStateDeletionProtectionEnabled" => {
                return Ok(Some(Some(NoteKind::Moot(
                    "a table beside the lease table is never made for a new application, and else made as the lease table is",
                ))));
            }
            _ => return Ok(None),
        }
        Ok(Some(None))
    }

    pub(super) fn finish(self, config: &ConsumerConfig) -> Result<(TableNames, TableSettings), ConfigError> {
        let mut names = TableNames::of_application(config.application_name());
        names = names.with_lease_table(config.lease_table_name());
        if let Some(name) = self.worker_metrics {
            names = names.with_worker_metrics_table(name);
        }
        if let Some(name) = self.coordinator {
            names = names.with_coordinator_table(name);
        }
        let capacities = self.read.or(self.write).is_some();
        let mut settings = TableSettings::builder()
            .point_in_time_recovery(self.recoverable)
            .deletion_protection(self.protected);
        // KCL 1.x knew no other mode, so a file of its has capacities only.
        if self.provisioned.unwrap_or(capacities) {
            settings = settings.billing(Billing::Provisioned {
                read: self.read.unwrap_or(KCL_CAPACITY),
                write: self.write.unwrap_or(KCL_CAPACITY),
            });
        }
        for (key, tag) in self.tags {
            settings = settings.tag(key, tag);
        }
        Ok((names, settings.build()?))
    }
}

fn capacity(value: &Value<'_>) -> Result<u32, ValueError> {
    let units = value.number(1, 40_000)?;
    Ok(u32::try_from(units).unwrap_or(u32::MAX))
}

fn is_provisioned(value: &Value<'_>) -> Result<bool, ValueError> {
    let place = value.one_of(
        &["PAY_PER_REQUEST", "PROVISIONED"],
        "PAY_PER_REQUEST or PROVISIONED",
    )?;
    Ok(place == 1)
}

/// Source: KCL, `initialLeaseTableReadCapacity`, `initialLeaseTableWriteCapacity`.
const KCL_CAPACITY: u32 = 10;
