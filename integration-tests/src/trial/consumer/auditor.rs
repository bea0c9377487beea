//! Reads the lease table as anybody may, over and over, and writes into the books how far it says that each shard came.

use std::time::Duration;

use kcl::DynamoDbLeaseStore;
use kcl::store::LeaseStore as _;
use tokio::time::sleep;

use super::gate::Gate;
use super::ledger::Ledger;
use super::stage::{STREAM, Stage};

/// Looks at the table.
#[derive(Debug)]
pub(super) struct Auditor {
    store: DynamoDbLeaseStore,
    ledger: Ledger,
}

impl Auditor {
    pub(super) fn new(stage: &Stage, ledger: &Ledger) -> Self {
        Self {
            store: DynamoDbLeaseStore::new(stage.dynamodb("auditor", &Gate::default()), STREAM),
            ledger: ledger.clone(),
        }
    }

    /// Looks until it is dropped.
    pub(super) async fn watch(&self) {
        loop {
            self.look().await;
            sleep(EVERY).await;
        }
    }

    /// Looks once. A table that does not answer, or is not there yet, says nothing.
    pub(super) async fn look(&self) {
        let Ok(listing) = self.store.list().await else {
            return;
        };
        let mut books = self.ledger.books();
        for lease in &listing.leases {
            books.checkpoint(&lease.key, &lease.checkpoint);
        }
    }
}

/// Far more often than leases change hands.
const EVERY: Duration = Duration::from_millis(500);
