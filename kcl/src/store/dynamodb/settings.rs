//! How tables are made that are missing.

use aws_sdk_dynamodb::types::{BillingMode, ProvisionedThroughput, Tag};

use crate::error::ConfigError;

/// Settings of the tables at their creation; a table that exists is used as it is (KCL: `LeaseManagementConfig` and
/// `DdbTableConfig`).
///
/// ```
/// use kcl::store::dynamodb::{Billing, TableSettings};
///
/// let settings = TableSettings::builder()
///     .billing(Billing::OnDemand)
///     .point_in_time_recovery(true)
///     .deletion_protection(true)
///     .tag("team", "payments")
///     .build()?;
/// # Ok::<(), kcl::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSettings {
    pub(super) create: bool,
    pub(super) billing: Billing,
    pub(super) point_in_time_recovery: bool,
    pub(super) deletion_protection: bool,
    pub(super) tags: Vec<(String, String)>,
}

/// How a table is paid for (KCL: `billingMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Billing {
    /// By the request. The default, as in KCL.
    #[default]
    OnDemand,
    /// By capacity, in units; 1 to 40,000 each. The index of owners gets the same (KCL: `initialLeaseTableReadCapacity` and
    /// `initialLeaseTableWriteCapacity`, there 10).
    Provisioned {
        /// Read units: 4 kB a second, read consistently.
        read: u32,
        /// Write units: 1 kB a second.
        write: u32,
    },
}

impl Default for TableSettings {
    /// Made on demand if missing, unprotected, without tags.
    fn default() -> Self {
        Self {
            create: true,
            billing: Billing::default(),
            point_in_time_recovery: false,
            deletion_protection: false,
            tags: Vec::new(),
        }
    }
}

impl TableSettings {
    /// Starts from the defaults.
    #[must_use]
    pub fn builder() -> TableSettingsBuilder {
        TableSettingsBuilder(Self::default())
    }

    pub(super) fn billing_mode(&self) -> BillingMode {
        match self.billing {
            Billing::OnDemand => BillingMode::PayPerRequest,
            Billing::Provisioned { .. } => BillingMode::Provisioned,
        }
    }

    pub(super) fn throughput(&self) -> Option<ProvisionedThroughput> {
        match self.billing {
            Billing::OnDemand => None,
            Billing::Provisioned { read, write } => ProvisionedThroughput::builder()
                .read_capacity_units(read.into())
                .write_capacity_units(write.into())
                .build()
                .ok(),
        }
    }

    pub(super) fn tags(&self) -> Option<Vec<Tag>> {
        let tag = |(key, value): &(String, String)| Tag::builder().key(key).value(value).build().ok();
        Some(self.tags.iter().filter_map(tag).collect()).filter(|tags: &Vec<_>| !tags.is_empty())
    }
}

/// Makes [`TableSettings`].
#[derive(Debug, Clone)]
pub struct TableSettingsBuilder(TableSettings);

impl TableSettingsBuilder {
    /// Whether a missing table is made. If not, it is [`StoreError::TableMissing`](crate::StoreError::TableMissing).
    /// Default: yes.
    #[must_use]
    pub fn create_if_missing(mut self, create: bool) -> Self {
        self.0.create = create;
        self
    }

    /// How it is paid for. Default: on demand.
    #[must_use]
    pub fn billing(mut self, billing: Billing) -> Self {
        self.0.billing = billing;
        self
    }

    /// Whether the table can be set back to any second of the last 35 days (KCL: `leaseTablePitrEnabled`). Costs by size, and
    /// needs the right to UpdateContinuousBackups. Default: no.
    #[must_use]
    pub fn point_in_time_recovery(mut self, enabled: bool) -> Self {
        self.0.point_in_time_recovery = enabled;
        self
    }

    /// Whether the table refuses to be deleted (KCL: `leaseTableDeletionProtectionEnabled`). Default: no.
    #[must_use]
    pub fn deletion_protection(mut self, enabled: bool) -> Self {
        self.0.deletion_protection = enabled;
        self
    }

    /// One more tag (KCL: `tags`); 50 at most, keys of 1 to 128 characters, values of 256 at most. Needs the right to
    /// TagResource.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.tags.push((key.into(), value.into()));
        self
    }

    /// Checks all of it.
    ///
    /// # Errors
    /// When a capacity or a tag is out of its range.
    pub fn build(self) -> Result<TableSettings, ConfigError> {
        if let Billing::Provisioned { read, write } = self.0.billing {
            ConfigError::check_range("read capacity", read, 1, MAX_CAPACITY)?;
            ConfigError::check_range("write capacity", write, 1, MAX_CAPACITY)?;
        }
        ConfigError::check_range("number of tags", self.0.tags.len(), 0, MAX_TAGS)?;
        for (key, value) in &self.0.tags {
            ConfigError::check_range("length of a tag's key", key.chars().count(), 1, MAX_TAG_KEY)?;
            ConfigError::check_range("length of a tag's value", value.chars().count(), 0, MAX_TAG_VALUE)?;
        }
        Ok(self.0)
    }
}

/// Source: Amazon DynamoDB quotas, units for one table by default.
const MAX_CAPACITY: u32 = 40_000;
/// Source: Amazon DynamoDB, tagging restrictions.
const MAX_TAGS: usize = 50;
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused() {
        let provisioned =
            |read, write| TableSettings::builder().billing(Billing::Provisioned { read, write });
        let many = (0..51).fold(TableSettings::builder(), |made, n| made.tag(n.to_string(), ""));
        let cases = [
            (provisioned(0, 1), "read capacity"),
            (provisioned(1, 0), "write capacity"),
            (provisioned(1, 40_001), "write capacity"),
            (TableSettings::builder().tag("", "x"), "length of a tag's key"),
            (
                TableSettings::builder().tag("k".repeat(129), "x"),
                "length of a tag's key",
            ),
            (
                TableSettings::builder().tag("k", "x".repeat(257)),
                "length of a tag's value",
            ),
            (many, "number of tags"),
        ];
        for (builder, setting) in cases {
            let error = builder.build().unwrap_err();
            assert!(error.to_string().starts_with(setting), "{error}");
        }
        assert!(provisioned(1, 40_000).build().is_ok());
        assert_eq!(
            TableSettings::builder().build().unwrap(),
            TableSettings::default()
        );
    }
}
