//! A lease table that counts what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use kcl::fleet::{
    Beat, Heartbeat, Home, IndexState, LeaderRow, SeparateTables, StateKind, StateRow, WorkerStats,
};
use kcl::leader::lock::Over;
use kcl::lease::{Lease, StreamId};
use kcl::store::{CheckpointUpdate, Contents, FleetStore, Listing, Renewal, RetireIf};
use kcl::{HashKeyRange, LeaseKey, LeaseStore, MemoryLeaseStore, ShardId, StoreError, WorkerId};

use crate::every_method::every_method;

/// The table of a fleet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    inner: MemoryLeaseStore,
    requests: Arc<AtomicU64>,
}

impl Counted {
    /// Requests to DynamoDB that this would have been: reading the table is one for each MiB, at 600 bytes a lease.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn add(&self, count: u64) {
        self.requests.fetch_add(count, Ordering::Relaxed);
    }
}

/// How many requests an answer takes.
trait Pages {
    fn pages(&self) -> u64 {
        1
    }
}

impl Pages for Listing {
    fn pages(&self) -> u64 {
        (self.leases.len() as u64 * 600).div_ceil(1 << 20).max(1)
    }
}

impl Pages for Contents {
    fn pages(&self) -> u64 {
        self.listing.pages()
    }
}

macro_rules! one_page {
    ($($kind:ty),* $(,)?) => { $(impl Pages for $kind {})* };
}

one_page! {
    (), bool, Renewal, Beat, IndexState, SeparateTables, Vec<Lease>, Option<Lease>, Option<LeaderRow>, Option<StateRow>,
    Option<usize>,
}

macro_rules! counted {
    ($store:ident: $($name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl $store for Counted {
            $(fn $name<'a>(&'a self, $($arg: $kind),*) -> BoxFuture<'a, Result<$answer, StoreError>> {
                Box::pin(async move {
                    let answer = self.inner.$name($($arg),*).await;
                    self.add(answer.as_ref().map_or(1, Pages::pages));
                    answer
                })
            })*
        }
    };
}

every_method!(counted);
