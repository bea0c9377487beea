//! Shards and leases compared, now and then: what fell through is caught here, what is done is removed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::membership::Membership;
use crate::config::ChildShards;
use crate::error::StoreError;
use crate::events::ConsumerEvent;
use crate::fleet::Assignment;
use crate::lease::crowd::Crowd;
use crate::lease::{Lease, LeaseKey, StreamId};
use crate::metrics::Metric;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::shard_sync::Shard;
use crate::shard_sync::audit::{Audit, STREAMS_AT_ONCE};
use crate::shard_sync::graph::ShardGraph;
use crate::shard_sync::plan::{children_at_once, missing_leases};
use crate::shard_sync::view::{rows_of, table_key, table_lease};
use crate::source::Source;
use crate::store::Listing;
use crate::stream::Stream;

/// Compares shards and leases for one worker. All its writes are conditional or remove what is done, so all workers may.
#[derive(Debug)]
pub(super) struct Auditor<S: Source, F> {
    shop: Arc<Workshop<S, F>>,
    wake: Arc<Notify>,
    /// What was seen of each stream.
    audits: BTreeMap<Option<StreamId>, Audit>,
    /// Streams with a hole that could not be closed.
    partial: BTreeSet<Option<StreamId>>,
    /// Streams that lacked leases when they were last looked at.
    lacking: BTreeSet<Option<StreamId>>,
    rng: SmallRng,
}

impl<S: Source, F: RecordProcessorFactory> Auditor<S, F> {
    /// `wake` is told when there are new leases to take.
    pub(super) fn new(shop: Arc<Workshop<S, F>>, wake: Arc<Notify>) -> Self {
        Self {
            rng: shop.config.rng("audit"),
            shop,
            wake,
            audits: BTreeMap::new(),
            partial: BTreeSet::new(),
            lacking: BTreeSet::new(),
        }
    }

    /// Audits for ever; where the fleet has a leader, only while this worker is it.
    pub(super) async fn run(mut self, membership: Arc<Membership>, leads: watch::Receiver<bool>) {
        loop {
            let streams = self.shop.streams.borrow().streams();
            self.forget_all_but(&streams);
            let groups: Vec<&[Stream]> = streams.chunks(STREAMS_AT_ONCE).collect();
            // Workers that started together need not audit together, and neither need many streams.
            let interval = self.shop.config.coordination.shard_sync_interval;
            let pause = interval.mul_f64(self.rng.random_range(0.9..1.1) / groups.len().max(1) as f64);
            if groups.is_empty() {
                sleep(pause).await;
            }
            for group in groups {
                sleep(pause).await;
                let is_mine = match membership.borrow().assignment() {
                    Assignment::Each => true,
                    Assignment::Leader => *leads.borrow(),
                };
                if is_mine {
                    self.round(group).await;
                }
            }
        }
    }

    fn forget_all_but(&mut self, streams: &[Stream]) {
        let is_read = |id: &Option<StreamId>| streams.iter().any(|stream| stream.id() == id.as_ref());
        self.audits.retain(|id, _| is_read(id));
        self.partial.retain(is_read);
        self.lacking.retain(is_read);
    }

    #[tracing::instrument(name = "kcl.shard_sync", skip_all)]
    async fn round(&mut self, streams: &[Stream]) {
        let began = Instant::now();
        let compared = self.look_and_compare(streams).await;
        self.shop.counters.tried(Metric::ShardSyncSuccess, compared);
        self.shop.counters.took(Metric::ShardSyncTime, began);
    }

    /// Whether all of these streams could be compared.
    async fn look_and_compare(&mut self, streams: &[Stream]) -> bool {
        let mut listed = Vec::new();
        let directory = self.shop.streams.borrow().clone();
        for stream in streams.iter().filter(|stream| directory.has(stream)) {
            match self.shop.source.list_shards(stream).await {
                Ok(shards) => listed.push((stream, ShardGraph::new(shards))),
                Err(failure) => {
                    warn!(stream = %stream, error = %chain(&failure), "shards cannot be listed");
                }
            }
        }
        if listed.is_empty() {
            return false;
        }
        let mut compared = listed.len() == streams.len();
        // After the shards: a lease that is not there then was not made with its shard.
        let table = match self.shop.store.list().await {
            Ok(table) => table,
            Err(error) => {
                warn!(error = %chain(&error), "leases cannot be compared with shards");
                return false;
            }
        };
        for (stream, shards) in listed {
            if let Err(error) = self.compare(stream, &shards, &table).await {
                warn!(stream = %stream, error = %chain(&error), "leases cannot be compared with shards");
                compared = false;
            }
        }
        compared
    }

    async fn compare(
        &mut self,
        stream: &Stream,
        shards: &ShardGraph,
        table: &Listing,
    ) -> Result<(), StoreError> {
        let store = &self.shop.store;
        let id = stream.id();
        let rows = rows_of(id, table);
        if id.is_some() && rows.leases.is_empty() && rows.skipped.is_empty() {
            // Of several streams, one without any lease is either new, and about to get them, or was just left.
            return Ok(());
        }
        let audit = self
            .audits
            .entry(id.cloned())
            .or_insert_with(|| Audit::new(ROUNDS));
        let findings = audit.on_round(shards, &rows, stream.start());
        if let Some(why) = &findings.distrust {
            warn!(stream = %stream, error = ?why, "listing of shards contradicts itself, the next one counts");
        }
        let mut wanted = findings.create;
        if self.shop.config.children == ChildShards::AtOnce && findings.distrust.is_none() {
            wanted.extend(children_at_once(shards, &rows));
        }
        match wanted.is_empty() {
            true => self.lacking.remove(&id.cloned()),
            false => self.lacking.insert(id.cloned()),
        };
        self.shop.counters.set(Metric::StreamsToSync, self.lacking.len());
        let created = create(&self.shop, stream, wanted).await?;
        match findings.hole.is_some() && created == 0 {
            true => self.partial.insert(id.cloned()),
            false => self.partial.remove(&id.cloned()),
        };
        self.shop.counters.set(Metric::PartialLeases, self.partial.len());
        if let Some(hole) = findings.hole {
            warn!(stream = %stream, leases = created, "hash keys {hole} had no lease");
            self.shop.bell.ring(ConsumerEvent::HoleFound {
                stream: stream.name().clone(),
                hash_keys: hole,
                leases_created: created,
            });
        }
        if created > 0 {
            self.wake.notify_one();
        }
        for (planned, range) in &findings.fill {
            store.set_hash_range(&table_key(id, planned), range).await?;
        }
        for removal in findings.remove {
            let lease_key = table_key(id, &removal.key);
            store.delete(&lease_key).await?;
            info!(lease_key = %lease_key, reason = ?removal.reason, "finished lease removed");
            self.shop.bell.ring(ConsumerEvent::LeaseRemoved { lease_key });
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
    stream: &Stream,
    shards: &[Shard],
    table: &Listing,
) -> Result<usize, StoreError> {
    let listing = rows_of(stream.id(), table);
    let is_listed = |key: &LeaseKey| shards.iter().any(|shard| shard.id.as_str() == key.as_str());
    for row in &listing.skipped {
        if let Some(key) = row.key.as_ref().filter(|key| is_listed(key)) {
            let (attribute, reason) = (row.attribute, row.reason.clone());
            return Err(StoreError::Row {
                key: table_key(stream.id(), key),
                attribute,
                reason,
            });
        }
    }
    let graph = ShardGraph::new(shards.iter().cloned());
    let plan = missing_leases(&graph, &listing, stream.start());
    for odd in &plan.inconsistent {
        warn!(shard_id = %odd.child, parent = %odd.parent, "both a shard and its parent are open, the child is left for later");
    }
    let mut wanted = plan.create;
    if shop.config.children == ChildShards::AtOnce {
        wanted.extend(children_at_once(&graph, &listing));
    }
    create(shop, stream, wanted).await
}

/// How many of these leases were not there before. Where others make the same ones, looks again what is left to make.
pub(super) async fn create<S: Source, F>(
    shop: &Workshop<S, F>,
    stream: &Stream,
    planned: Vec<Lease>,
) -> Result<usize, StoreError> {
    let mut wanted: Vec<Lease> = planned
        .into_iter()
        .map(|lease| table_lease(stream.id(), lease))
        .collect();
    let mut rng = shop.config.rng("create");
    let mut created = 0;
    loop {
        let (made, crowded) = create_until_crowded(shop, &wanted).await?;
        created += made;
        if !crowded {
            shop.counters.succeeded(Metric::CreatedLeases, created);
            return Ok(created);
        }
        sleep(CROWDED.mul_f64(rng.random_range(0.1..1.0))).await;
        let listing = shop.store.list().await?;
        let there: HashSet<&LeaseKey> = listing.leases.iter().map(|lease| &lease.key).collect();
        wanted.retain(|lease| !there.contains(&lease.key));
    }
}

/// How many were not there before, and whether the rest was left to whoever was faster.
async fn create_until_crowded<S: Source, F>(
    shop: &Workshop<S, F>,
    leases: &[Lease],
) -> Result<(usize, bool), StoreError> {
    let (mut created, mut crowd) = (0, Crowd::default());
    let mut on_written = |was_first: bool| {
        created += usize::from(was_first);
        crowd.on_answer(was_first);
        crowd.is_dense()
    };
    // Side by side, and in their order all the same: a parent's row is asked for before its child's.
    let (mut writes, mut crowded) = (FuturesOrdered::new(), false);
    for lease in leases {
        if writes.len() >= CREATES_AT_ONCE
            && let Some(written) = writes.next().await
        {
            crowded = on_written(written?);
        }
        if crowded {
            break;
        }
        writes.push_back(shop.store.create(lease));
    }
    while let Some(written) = writes.next().await {
        on_written(written?);
    }
    Ok((created, crowded))
}

/// Ours: in this time others make hundreds of leases.
const CROWDED: Duration = Duration::from_secs(1);
/// Ours: enough to make hundreds of leases in a second, and no storm on the table.
const CREATES_AT_ONCE: usize = 16;
/// Source: KCL, `leasesRecoveryAuditorInconsistencyConfidenceThreshold`.
const ROUNDS: NonZeroU32 = NonZeroU32::new(3).expect("not zero");
