//! One round: read the table, plan, take what is free, ask for what others have too much of.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use kinesis_aggregation::ShardId;
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::shards::Shards;
use crate::assign::{Limits, Patience, Plan, Snapshot, plan};
use crate::config::Leasing;
use crate::error::StoreError;
use crate::lease::observed::Observed;
use crate::lease::renewal::{HeldLease, Pace};
use crate::lease::{Lease, LeaseKey};
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;
use crate::store::Listing;

/// Takes leases for one worker.
#[derive(Debug)]
pub(super) struct Assigner<S: Source, F> {
    shop: Arc<Workshop<S, F>>,
    stop: CancellationToken,
    observed: Observed,
    rng: SmallRng,
    /// Rows that could not be read in the last round: told again only when the number changes.
    skipped: usize,
}

impl<S: Source, F: RecordProcessorFactory> Assigner<S, F> {
    pub(super) fn new(shop: Arc<Workshop<S, F>>, stop: CancellationToken) -> Self {
        Self {
            rng: shop.config.rng("assign"),
            shop,
            stop,
            observed: Observed::new(),
            skipped: 0,
        }
    }

    /// What fails is tried again in the next round.
    #[tracing::instrument(name = "kcl.assign", skip_all)]
    pub(super) async fn round(&mut self, shards: &mut Shards<S, F>) {
        let listing = match self.shop.store.list().await {
            Ok(listing) => listing,
            Err(error) => {
                warn!(error = %chain(&error), "lease table cannot be read");
                return;
            }
        };
        self.report_skipped(&listing);
        let now = Instant::now().into_std();
        self.observed.observe(&listing.leases, now);
        let me = self.shop.config.worker_id();
        for lease in &listing.leases {
            if lease.hand_over_pending() || lease.owner.as_ref() != Some(me) {
                shards.look(&lease.key);
            }
        }

        let leasing = &self.shop.config.leasing;
        let patience = Patience {
            failover: leasing.failover,
            hand_over: leasing.hand_over_timeout,
        };
        let held = shards.keys();
        let snapshot = Snapshot::new(me.clone(), &listing, &held, &self.observed, patience, now);
        let plan = plan(&snapshot, &limits(leasing), self.rng.random());
        if !plan.is_empty() {
            debug!(
                take = plan.take.len(),
                ask = plan.hand_over.len(),
                target = plan.target,
                "planned"
            );
        }
        let rows = listing
            .leases
            .into_iter()
            .map(|lease| (lease.key.clone(), lease))
            .collect();
        self.take(&plan, &rows, shards).await;
        self.ask(&plan, &rows).await;
    }

    async fn take(&self, plan: &Plan, rows: &HashMap<LeaseKey, Lease>, shards: &mut Shards<S, F>) {
        // Rows of several streams in one table name a stream before the shard, and are not for us.
        let readable = |key: &&LeaseKey| ShardId::new(key.as_str()).is_ok();
        let free = plan
            .take
            .iter()
            .filter(readable)
            .filter(|key| !shards.is_cooling(key));
        let wanted: Vec<Lease> = free.filter_map(|key| rows.get(key)).cloned().collect();
        let mut takes = FuturesUnordered::new();
        for row in wanted {
            if takes.len() >= TAKES_AT_ONCE {
                self.on_take(takes.next().await, shards);
            }
            takes.push(self.take_one(row));
        }
        while !takes.is_empty() {
            self.on_take(takes.next().await, shards);
        }
    }

    async fn take_one(&self, row: Lease) -> Take {
        let sent_at = Instant::now().into_std();
        let answer = match self.stop.is_cancelled() {
            true => Ok(None),
            false => self.shop.store.take(&row, self.shop.config.worker_id()).await,
        };
        Take {
            key: row.key,
            sent_at,
            answer,
        }
    }

    fn on_take(&self, take: Option<Take>, shards: &mut Shards<S, F>) {
        let Some(Take { key, sent_at, answer }) = take else {
            return;
        };
        match answer {
            Ok(Some(lease)) => {
                info!(lease_key = %key, position = %lease.checkpoint, "lease taken");
                let pace = Pace::new(self.shop.config.leasing.failover);
                shards.start(HeldLease::new(lease, pace, sent_at));
            }
            Ok(None) => debug!(lease_key = %key, "another worker was faster"),
            Err(error) => warn!(lease_key = %key, error = %chain(&error), "lease cannot be taken"),
        }
    }

    async fn ask(&self, plan: &Plan, rows: &HashMap<LeaseKey, Lease>) {
        let me = self.shop.config.worker_id();
        for wish in &plan.hand_over {
            let Some(row) = rows.get(&wish.key) else { continue };
            if self.stop.is_cancelled() {
                break;
            }
            match self.shop.store.request_hand_over(row, me).await {
                Ok(true) => info!(lease_key = %wish.key, from = %wish.from, "asked for the lease"),
                Ok(false) => debug!(lease_key = %wish.key, "lease moved meanwhile"),
                Err(error) => {
                    warn!(lease_key = %wish.key, error = %chain(&error), "lease cannot be asked for");
                }
            }
        }
    }

    fn report_skipped(&mut self, listing: &Listing) {
        if listing.skipped.len() != self.skipped {
            for row in &listing.skipped {
                let key = row.key.as_ref().map_or("", LeaseKey::as_str);
                warn!(
                    lease_key = key,
                    attribute = row.attribute,
                    error = row.reason,
                    "lease row cannot be read, nobody will take it"
                );
            }
            self.skipped = listing.skipped.len();
        }
    }
}

/// One attempt to take a lease, and its answer.
struct Take {
    key: LeaseKey,
    sent_at: std::time::Instant,
    answer: Result<Option<Lease>, StoreError>,
}

fn limits(leasing: &Leasing) -> Limits {
    Limits {
        max_leases_per_worker: leasing.max_leases.get(),
        max_leases_to_steal_at_once: leasing.max_steals,
    }
}

/// Ours: enough to take hundreds of leases in a second, and no storm on the table.
const TAKES_AT_ONCE: usize = 16;
