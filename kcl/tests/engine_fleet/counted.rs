//! A lease table that counts what it is asked.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use kcl::fleet::{
    Beat, Heartbeat, Home, IndexState, LeaderRow, SeparateTables, StateKind, StateRow, WorkerStats,
};
use kcl::leader::lock::Over;
use kcl::lease::{Lease, StreamId};
use kcl::store::{CheckpointUpdate, Contents, FleetStore, Listing, Renewal, RetireIf};
use kcl::{HashKeyRange, LeaseKey, LeaseStore, MemoryLeaseStore, ShardId, StoreError, WorkerId};
use tokio::time::sleep;

use crate::every_method::every_method;

/// The table of a fleet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    inner: MemoryLeaseStore,
    requests: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl Counted {
    /// Requests to DynamoDB that this would have been: reading the table is one for each MiB, at 600 bytes a lease, and each row
    /// that the index names is read.
    pub(crate) fn requests(&self) -> u64 {
        self.by_method().values().sum()
    }

    /// The same, by what the table was asked.
    pub(crate) fn by_method(&self) -> BTreeMap<&'static str, u64> {
        self.requests.lock().expect("no test panics with it").clone()
    }

    /// How the leases stand: with nobody, on their way, with a worker that does not read them; `reader` tells who reads a shard.
    pub(crate) async fn unread(&self, reads: impl Fn(&str, &str) -> bool) -> String {
        let (mut vacant, mut moving, mut owners) = (0, 0, BTreeMap::new());
        for lease in self
            .inner
            .list()
            .await
            .map(|listing| listing.leases)
            .unwrap_or_default()
        {
            match (lease.actual_owner(), lease.hand_over_pending()) {
                (None, _) => vacant += 1,
                (Some(_), true) => moving += 1,
                (Some(owner), false) if !reads(lease.key.as_str(), owner.as_str()) => {
                    *owners.entry(owner.clone()).or_insert(0) += 1;
                }
                _ => {}
            }
        }
        let (away, with) = (owners.values().sum::<usize>(), owners.len());
        format!("{vacant} nobody's, {moving} on their way, {away} not read by their {with} owners")
    }

    fn add(&self, method: &'static str, count: u64) {
        let mut requests = self.requests.lock().expect("no test panics with it");
        *requests.entry(method).or_default() += count;
    }
}

/// Of an ordinary day: one item, and a full page of a scan.
const ROUND_TRIP: Duration = Duration::from_millis(5);
const PAGE: Duration = Duration::from_millis(40);

/// How many requests an answer takes.
trait Pages {
    fn pages(&self) -> u64 {
        1
    }

    /// How long those after the first take.
    fn lasts(&self) -> Duration {
        PAGE * u32::try_from(self.pages() - 1).unwrap_or(u32::MAX)
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

impl Pages for Option<Vec<Lease>> {
    fn pages(&self) -> u64 {
        self.as_ref().map_or(0, |named| 1 + named.len() as u64)
    }

    /// Rows are read side by side.
    fn lasts(&self) -> Duration {
        ROUND_TRIP
    }
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
                    sleep(ROUND_TRIP).await;
                    let answer = self.inner.$name($($arg),*).await;
                    self.add(stringify!($name), answer.as_ref().map_or(1, Pages::pages));
                    sleep(answer.as_ref().map_or(Duration::ZERO, Pages::lasts)).await;
                    answer
                })
            })*
        }
    };
}

every_method!(counted);
