//! The tables of one application by name, and a row in one of them.

use super::row::{COORDINATOR_KEY, LEASE_KEY, WORKER_KEY};
use crate::fleet::Home;

/// The three tables. KCL names the two beside the lease table after the application, not after the lease table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableNames {
    lease: String,
    coordinator: String,
    workers: String,
}

impl TableNames {
    /// The names that KCL gives: the lease table is called as the application, the others `…-CoordinatorState` and
    /// `…-WorkerMetricStats`.
    #[must_use]
    pub fn of_application(application: &str) -> Self {
        Self {
            lease: application.to_owned(),
            coordinator: format!("{application}-CoordinatorState"),
            workers: format!("{application}-WorkerMetricStats"),
        }
    }

    /// Another lease table (KCL: `tableName`).
    #[must_use]
    pub fn with_lease_table(mut self, name: impl Into<String>) -> Self {
        self.lease = name.into();
        self
    }

    /// Another coordinator state table (KCL: `coordinatorStateTableConfig.tableName`).
    #[must_use]
    pub fn with_coordinator_table(mut self, name: impl Into<String>) -> Self {
        self.coordinator = name.into();
        self
    }

    /// Another table of workers' metrics (KCL: `workerMetricsTableConfig.tableName`).
    #[must_use]
    pub fn with_worker_metrics_table(mut self, name: impl Into<String>) -> Self {
        self.workers = name.into();
        self
    }

    /// The lease table.
    #[must_use]
    pub fn lease_table(&self) -> &str {
        &self.lease
    }

    /// The coordinator state table of KCL 3.0 to 3.4.
    #[must_use]
    pub fn coordinator_table(&self) -> &str {
        &self.coordinator
    }

    /// The table of workers' metrics of KCL 3.0 to 3.4.
    #[must_use]
    pub fn worker_metrics_table(&self) -> &str {
        &self.workers
    }

    pub(super) fn lease_row<'a>(&'a self, key: &'a str) -> Row<'a> {
        Row {
            table: &self.lease,
            key_name: LEASE_KEY,
            key,
        }
    }

    pub(super) fn coordinator_row<'a>(&'a self, home: Home, key: &'a str) -> Row<'a> {
        match home {
            Home::LeaseTable => self.lease_row(key),
            Home::SeparateTables => Row {
                table: &self.coordinator,
                key_name: COORDINATOR_KEY,
                key,
            },
        }
    }

    pub(super) fn worker_row<'a>(&'a self, home: Home, key: &'a str) -> Row<'a> {
        match home {
            Home::LeaseTable => self.lease_row(key),
            Home::SeparateTables => Row {
                table: &self.workers,
                key_name: WORKER_KEY,
                key,
            },
        }
    }
}

/// A row by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) table: &'a str,
    pub(super) key_name: &'static str,
    pub(super) key: &'a str,
}
