//! The tables in DynamoDB, in the rows of KCL 2.x and 3.x.
//!
//! `row` knows the rows, `update` the conditional write, `request` the single calls; `leases`, `coordination` and `workers` are the
//! operations, `listing` reads whole tables, `table` and `index` say how they come to be, `policy` prints what they and
//! the rights for them look like, and `errors` turns the SDK's errors into ours, once.
//!
//! Which of the tables a row of the fleet belongs to is decided by [`fleet`](crate::fleet). As long as nobody calls
//! [`FleetStore`], nothing but leases is written, and any KCL may share the table.

mod coordination;
mod errors;
mod fleet;
mod index;
mod leases;
mod listing;
mod names;
mod policy;
mod request;
mod row;
mod settings;
mod table;
mod update;
mod workers;

use std::collections::HashSet;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use futures::FutureExt;
use futures::future::BoxFuture;
use kinesis_aggregation::{HashKeyRange, ShardId};

pub(crate) use self::index::LOOK_AGAIN as INDEX_LOOK;
use self::index::{IndexUse, Learned};
pub use self::names::TableNames;
pub use self::policy::{PolicyScope, iam_policy, table_schema};
pub use self::settings::{Billing, TableSettings, TableSettingsBuilder};
#[cfg(doc)]
use super::FleetStore;
use super::{CheckpointUpdate, LeaseStore, Listing, Renewal};
use crate::error::StoreError;
use crate::lease::{Lease, LeaseKey, WorkerId};

/// An application's tables in DynamoDB. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DynamoDbLeaseStore {
    client: Client,
    names: Arc<TableNames>,
    settings: Arc<TableSettings>,
    scan: ScanConsistency,
    scan_segments: Option<NonZeroU8>,
    creation_timeout: Duration,
    learned: Arc<Learned>,
}

/// How [`list`](LeaseStore::list) reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScanConsistency {
    /// Sees every write that was answered before the scan began. Twice the read units. The default here: a worker
    /// sees at once what its peers have just taken, and so runs after fewer leases in vain.
    #[default]
    Strong,
    /// May lag. Safe too, because every decision is checked by the condition of its write. KCL reads so.
    Eventual,
}

impl DynamoDbLeaseStore {
    /// Uses this client as it is, with its retries and timeouts. The table is made by
    /// [`prepare`](LeaseStore::prepare) if it is missing. The separate tables of KCL 3.0 to 3.4 are looked for under the names
    /// that KCL gives them, with the table's name for the application's; see
    /// [`with_table_names`](Self::with_table_names).
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            names: Arc::new(TableNames::of_application(&table.into())),
            settings: Arc::default(),
            scan: ScanConsistency::default(),
            scan_segments: None,
            creation_timeout: CREATION_TIMEOUT,
            learned: Arc::default(),
        }
    }

    /// Makes a client of its own with timeouts and retries that fit a heartbeat: 2 s to connect, 3 s for an
    /// attempt, 8 s in all, 3 attempts, and a retry budget shared with nobody.
    #[must_use]
    pub fn from_sdk_config(config: &SdkConfig, table: impl Into<String>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(FIRST_BACKOFF)
            .with_max_backoff(LARGEST_BACKOFF);
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            .timeout_config(timeouts)
            .retry_config(retries)
            .retry_partition(RetryPartition::new("kinesis-kcl-leases"))
            .build();
        Self::new(Client::from_conf(config), table)
    }

    /// All three names, where they differ from KCL's.
    #[must_use]
    pub fn with_table_names(mut self, names: TableNames) -> Self {
        self.names = Arc::new(names);
        self
    }

    /// How missing tables are made. Default: [`TableSettings::default`].
    #[must_use]
    pub fn with_table_settings(mut self, settings: TableSettings) -> Self {
        self.settings = Arc::new(settings);
        self
    }

    /// In how many parts the table is read at a time (KCL: `leaseTableScanTotalSegments`). Default: by its size, one
    /// for each 200 MB, 32 at most.
    #[must_use]
    pub fn with_scan_segments(mut self, segments: NonZeroU8) -> Self {
        self.scan_segments = Some(segments);
        self
    }

    /// How listings read. Default: [`ScanConsistency::Strong`].
    #[must_use]
    pub fn with_scan_consistency(mut self, scan: ScanConsistency) -> Self {
        self.scan = scan;
        self
    }

    /// How long [`prepare`](LeaseStore::prepare) waits for a table that is being created. Default: 10 minutes, as
    /// KCL; a new table takes some seconds.
    #[must_use]
    pub fn with_creation_timeout(mut self, timeout: Duration) -> Self {
        self.creation_timeout = timeout;
        self
    }

    /// The lease table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        self.names.lease_table()
    }

    /// The names of all tables.
    #[must_use]
    pub fn table_names(&self) -> &TableNames {
        &self.names
    }
}

impl LeaseStore for DynamoDbLeaseStore {
    fn prepare(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        table::prepare(self).boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Listing, StoreError>> {
        self.scan_all()
            .map(|scanned| scanned.map(|contents| contents.listing))
            .boxed()
    }

    fn get<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<Option<Lease>, StoreError>> {
        self.read(key).boxed()
    }

    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.put_new(lease).boxed()
    }

    fn list_owned<'a>(
        &'a self,
        worker: &'a WorkerId,
        known: &'a HashSet<LeaseKey>,
    ) -> BoxFuture<'a, Result<Option<Vec<Lease>>, StoreError>> {
        self.leases_of(worker, known).boxed()
    }

    fn renew<'a>(&'a self, held: &'a Lease) -> BoxFuture<'a, Result<Renewal, StoreError>> {
        self.beat(held).boxed()
    }

    fn take<'a>(
        &'a self,
        observed: &'a Lease,
        me: &'a WorkerId,
    ) -> BoxFuture<'a, Result<Option<Lease>, StoreError>> {
        self.take_over(observed, me).boxed()
    }

    fn assign<'a>(
        &'a self,
        observed: &'a Lease,
        next: &'a WorkerId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.give_to(observed, next).boxed()
    }

    fn request_hand_over<'a>(
        &'a self,
        observed: &'a Lease,
        next: &'a WorkerId,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.ask_for(observed, next).boxed()
    }

    fn complete_hand_over<'a>(&'a self, held: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.hand_over(held).boxed()
    }

    fn release<'a>(&'a self, held: &'a Lease) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.give_up(held).boxed()
    }

    fn checkpoint<'a>(
        &'a self,
        held: &'a Lease,
        update: &'a CheckpointUpdate,
    ) -> BoxFuture<'a, Result<Renewal, StoreError>> {
        self.move_checkpoint(held, update).boxed()
    }

    fn set_children<'a>(
        &'a self,
        key: &'a LeaseKey,
        children: &'a [ShardId],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.add_children(key, children).boxed()
    }

    fn set_hash_range<'a>(
        &'a self,
        key: &'a LeaseKey,
        range: &'a HashKeyRange,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.fill_in_range(key, range).boxed()
    }

    fn delete<'a>(&'a self, key: &'a LeaseKey) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.remove(key).boxed()
    }
}

/// Source: KCL polls a new table for up to 600 s.
const CREATION_TIMEOUT: Duration = Duration::from_secs(600);

// Chosen so that a heartbeat that meets one dead connection still ends well within the default failover of 10 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);
const ATTEMPTS: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LARGEST_BACKOFF: Duration = Duration::from_secs(1);
