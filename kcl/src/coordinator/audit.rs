//! Shards and leases compared, now and then: what fell through is caught here, what is done is removed.

use std::num::NonZeroU32;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::{info, warn};

use super::membership::Membership;
use crate::error::StoreError;
use crate::events::ConsumerEvent;
use crate::fleet::Assignment;
use crate::lease::{Lease, LeaseKey};
use crate::metrics::Metric;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::shard_sync::Shard;
use crate::shard_sync::audit::Audit;
use crate::shard_sync::graph::ShardGraph;
use crate::shard_sync::plan::missing_leases;
use crate::source::Source;
use crate::store::Listing;

/// Compares shards and leases for one worker. All its writes are conditional or remove what is done, so all workers may.
#[derive(Debug)]
pub(super) struct Auditor<S: Source, F> {
    shop: Arc<Workshop<S, F>>,
    wake: Arc<Notify>,
    audit: Audit,
    rng: SmallRng,
}

impl<S: Source, F: RecordProcessorFactory> Auditor<S, F> {
    /// `wake` is told when there are new leases to take.
    pub(super) fn new(shop: Arc<Workshop<S, F>>, wake: Arc<Notify>) -> Self {
        Self {
            rng: shop.config.rng("audit"),
            shop,
            wake,
            audit: Audit::new(ROUNDS),
        }
    }

    /// Audits for ever; where the fleet has a leader, only while this worker is it.
    pub(super) async fn run(mut self, membership: Arc<Membership>, leads: watch::Receiver<bool>) {
        loop {
            // Workers that started together need not audit together.
            let interval = self.shop.config.coordination.shard_sync_interval;
            sleep(interval.mul_f64(self.rng.random_range(0.9..1.1))).await;
            let is_mine = match membership.borrow().assignment() {
                Assignment::Each => true,
                Assignment::Leader => *leads.borrow(),
            };
            if is_mine {
                self.round().await;
            }
        }
    }

    #[tracing::instrument(name = "kcl.shard_sync", skip_all)]
    async fn round(&mut self) {
        let shards = match self.shop.source.list_shards().await {
            Ok(shards) => shards,
            Err(failure) => {
                warn!(error = %chain(&failure), "shards cannot be listed");
                return;
            }
        };
        if let Err(error) = self.compare(shards).await {
            warn!(error = %chain(&error), "leases cannot be compared with shards");
        }
    }

    async fn compare(&mut self, shards: Vec<Shard>) -> Result<(), StoreError> {
        let store = &self.shop.store;
        let listing = store.list().await?;
        let graph = ShardGraph::new(shards);
        let start = self.shop.config.initial_position().start();
        let findings = self.audit.on_round(&graph, &listing, start);
        if let Some(why) = &findings.distrust {
            warn!(error = ?why, "listing of shards contradicts itself, the next one counts");
        }
        let created = create(&self.shop, &findings.create).await?;
        let partial = findings.hole.is_some() && created == 0;
        self.shop
            .counters
            .set(Metric::PartialLeases, usize::from(partial));
        if let Some(hole) = findings.hole {
            warn!(leases = created, "hash keys {hole} had no lease");
            self.shop.bell.ring(ConsumerEvent::HoleFound {
                stream: self.shop.config.stream().clone(),
                hash_keys: hole,
                leases_created: created,
            });
        }
        if created > 0 {
            self.wake.notify_one();
        }
        for (lease_key, range) in &findings.fill {
            store.set_hash_range(lease_key, range).await?;
        }
        for removal in findings.remove {
            store.delete(&removal.key).await?;
            info!(lease_key = %removal.key, reason = ?removal.reason, "finished lease removed");
            self.shop.bell.ring(ConsumerEvent::LeaseRemoved {
                lease_key: removal.key,
            });
        }
        Ok(())
    }
}

/// Creates the leases that these shards lack. How many were created.
///
/// Fails when the row of one of these shards cannot be read: nobody would ever read the shard. That is for a human to
/// mend, and a start is when one watches; later such a row is only warned of.
pub(super) async fn create_missing<S: Source, F>(
    shop: &Workshop<S, F>,
    shards: &[Shard],
) -> Result<usize, StoreError> {
    let listing = shop.store.list().await?;
    let is_listed = |key: &LeaseKey| shards.iter().any(|shard| shard.id.as_str() == key.as_str());
    for row in &listing.skipped {
        if let Some(key) = row.key.as_ref().filter(|key| is_listed(key)) {
            let (key, attribute, reason) = (key.clone(), row.attribute, row.reason.clone());
            return Err(StoreError::Row {
                key,
                attribute,
                reason,
            });
        }
    }
    create_planned(shop, &ShardGraph::new(shards.iter().cloned()), &listing).await
}

async fn create_planned<S: Source, F>(
    shop: &Workshop<S, F>,
    graph: &ShardGraph,
    listing: &Listing,
) -> Result<usize, StoreError> {
    let plan = missing_leases(graph, listing, shop.config.initial_position().start());
    for odd in &plan.inconsistent {
        warn!(shard_id = %odd.child, parent = %odd.parent, "both a shard and its parent are open, the child is left for later");
    }
    create(shop, &plan.create).await
}

/// How many of these leases were not there before.
async fn create<S: Source, F>(shop: &Workshop<S, F>, leases: &[Lease]) -> Result<usize, StoreError> {
    let mut created = 0;
    // Side by side, and in their order all the same: a parent's row is asked for before its child's.
    let mut writes = FuturesOrdered::new();
    for lease in leases {
        if writes.len() >= CREATES_AT_ONCE
            && let Some(written) = writes.next().await
        {
            created += usize::from(written?);
        }
        writes.push_back(shop.store.create(lease));
    }
    while let Some(written) = writes.next().await {
        created += usize::from(written?);
    }
    shop.counters.add(Metric::CreatedLeases, created);
    Ok(created)
}

/// Ours: enough to make hundreds of leases in a second, and no storm on the table.
const CREATES_AT_ONCE: usize = 16;

/// Source: KCL, `leasesRecoveryAuditorInconsistencyConfidenceThreshold`.
const ROUNDS: NonZeroU32 = NonZeroU32::new(3).expect("not zero");
