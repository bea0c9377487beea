//! One round: read the table, plan, take what is free, ask for what others have too much of.

mod between;
mod company;
mod leave;
mod namesake;
mod seen;
mod takes;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::company::Company;
use super::membership::Membership;
use super::shards::Shards;
use crate::assign::coming::Coming;
use crate::assign::parents::{Unfinished, given_early, unblocked};
use crate::assign::rescue::rescue;
use crate::assign::{Limits, Plan, plan};
use crate::config::{ChildShards, Leasing};
use crate::error::{RunError, StoreError};
use crate::fleet::Assignment;
use crate::fleet::peers::Peers;
use crate::fleet::twin::{Twin, Verdict};
use crate::lease::observed::Observed;
use crate::lease::scan_pace::{ScanPace, Sight};
use crate::lease::{Lease, LeaseKey, StreamId};
use crate::metrics::Metric;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;
use crate::store::Listing;

/// Takes leases for one worker.
#[derive(Debug)]
pub(super) struct Assigner<S: Source, F> {
    shop: Arc<Workshop<S, F>>,
    membership: Arc<Membership>,
    stop: CancellationToken,
    observed: Observed,
    /// `None`: not in a private fleet.
    company: Option<Company>,
    /// Leases whose children wait for them, at the last look at the whole table.
    unfinished: Unfinished,
    peers: Peers,
    twin: Twin,
    pace: ScanPace,
    sight: Sight,
    /// Leases on their way here.
    coming: Coming,
    rng: SmallRng,
    /// Rows that could not be read in the last round: told again only when the number changes.
    skipped: usize,
    /// Rounds in a row in which the table refused us for good.
    refusals: u32,
    rounds: u64,
    /// When the whole table is to be read again.
    full_look: Option<Instant>,
    /// Since when free leases are left to others.
    unplaced_since: Option<std::time::Instant>,
    /// The index of owners answered when it was asked last.
    indexed: bool,
    /// Others take leases just now, and the last look is worth nothing any more.
    crowded: bool,
    /// When a lease was last taken from a worker that cannot be asked.
    stolen_at: Option<Instant>,
    /// Streams that have rows and are not read.
    strangers: BTreeSet<StreamId>,
    /// This worker found leases of its name when it came: if another one has the id, that one was first.
    came_second: bool,
}

impl<S: Source, F: RecordProcessorFactory> Assigner<S, F> {
    pub(super) fn new(
        shop: Arc<Workshop<S, F>>,
        membership: Arc<Membership>,
        stop: CancellationToken,
    ) -> Self {
        let failover = shop.config.leasing.failover;
        let chosen = shop.config.coordination.scan_interval;
        Self {
            membership,
            pace: match shop.config.membership.private {
                true => ScanPace::of_private_fleet(failover, chosen),
                false => ScanPace::new(failover, chosen),
            },
            company: shop.config.membership.private.then(Company::default),
            rng: shop.config.rng("assign"),
            shop,
            stop,
            observed: Observed::new(),
            unfinished: Unfinished::default(),
            peers: Peers::default(),
            twin: Twin::default(),
            sight: Sight::default(),
            coming: Coming::default(),
            skipped: 0,
            refusals: 0,
            rounds: 0,
            full_look: None,
            unplaced_since: None,
            indexed: false,
            crowded: false,
            stolen_at: None,
            strangers: BTreeSet::new(),
            came_second: false,
        }
    }

    /// Looks at the table and does what is to do. When to come again; what fails is tried again then.
    ///
    /// # Errors
    /// When this worker cannot go on: the table refuses it for good, or another worker has its id.
    #[tracing::instrument(name = "kcl.assign", skip_all)]
    pub(super) async fn round(&mut self, shards: &mut Shards<S, F>) -> Result<Instant, RunError> {
        shards.leave_streams();
        if let Some(next) = self.discover(shards).await {
            return Ok(next);
        }
        let began = Instant::now();
        let stop = self.stop.clone();
        let listed = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Instant::now()),
            listed = self.look() => listed,
        };
        self.shop
            .counters
            .tried(Metric::ListLeasesSuccess, listed.is_ok());
        self.shop.counters.took(Metric::ListLeasesTime, began);
        let listing = match listed {
            Ok(listing) => listing,
            Err(error) => {
                warn!(error = %chain(&error), "lease table cannot be read");
                // What was to be seen by now was not.
                self.sight = self.sight.without_news();
                let fatal = self.on_refusal(error, shards);
                return fatal.map(|()| self.next_look(Instant::now().into_std()));
            }
        };
        self.refuse_strangers()?;
        self.report_skipped(&listing);
        let now = Instant::now().into_std();
        self.observe(&listing.leases, now);
        self.greet(&listing, now);
        let listing = self.of_streams_read(listing);
        let me = self.shop.config.worker_id().clone();
        for lease in &listing.leases {
            if lease.hand_over_pending() || lease.owner.as_ref() != Some(&me) {
                shards.look(&lease.key);
            }
        }
        self.unfinished = match self.shop.config.children {
            ChildShards::AfterParents => Unfinished::of(&listing),
            ChildShards::AtOnce => Unfinished::default(),
        };
        let is_mine = |lease: &Lease| lease.owner.as_ref() == Some(&me) && !lease.hand_over_pending();
        let waits = |key: &LeaseKey| shards.waits(key);
        for key in unblocked(&listing, &self.unfinished, waits, is_mine) {
            shards.begin(key);
        }
        let held = shards.keys();
        self.mind_own(&listing, &held, shards);
        if let Verdict::Stop(lease_key) = self.watch_twin(&listing, &held, now) {
            return Err(RunError::WorkerIdInUse {
                worker_id: me,
                lease_key,
            });
        }
        self.sight.at_rest = self.is_at_rest(&listing, &held);
        let outcome = match self.twin.is_suspected() {
            true => Ok(()),
            false => self.act(&listing, &held, shards, now).await,
        };
        self.rounds += 1;
        self.shop
            .counters
            .tried(Metric::TakeLeasesSuccess, outcome.is_ok());
        self.shop.counters.took(Metric::TakeLeasesTime, began);
        match outcome {
            Ok(()) => self.refusals = 0,
            Err(refused) => self.on_refusal(refused, shards)?,
        }
        Ok(self.next_look(now))
    }

    /// Plans and carries the plan out. Fails with what the table refuses for good.
    async fn act(
        &mut self,
        listing: &Listing,
        held: &HashSet<LeaseKey>,
        shards: &mut Shards<S, F>,
        now: std::time::Instant,
    ) -> Result<(), StoreError> {
        let snapshot = self.snapshot(listing, held, now);
        let (limits, seed) = (limits(&self.shop.config.leasing), self.rng.random());
        let plan = match self.membership.borrow().assignment() {
            Assignment::Each => {
                let plan = plan(&snapshot, &limits, seed);
                self.shop.counters.set(Metric::LeaseSpillover, plan.unplaced);
                self.shop.counters.set(Metric::NumWorkers, self.peers.len() + 1);
                plan
            }
            // What others decide is only carried out; what nobody decides about is not left lying.
            Assignment::Leader => {
                let mut take = given_early(&snapshot, held);
                take.append(&mut rescue(&snapshot, &limits, seed));
                Plan {
                    take,
                    ..Plan::default()
                }
            }
        };
        if !plan.is_empty() {
            debug!(
                take = plan.take.len(),
                ask = plan.hand_over.len(),
                target = plan.target,
                "planned"
            );
        }
        // Those they are left to may have looked before they were there.
        self.unplaced_since = (plan.unplaced > 0).then(|| self.unplaced_since.unwrap_or(now));
        self.sight.expecting_since = self.sight.expecting_since.max(self.unplaced_since);
        let rows: HashMap<&LeaseKey, &Lease> =
            listing.leases.iter().map(|lease| (&lease.key, lease)).collect();
        let taken = self.take(&plan, &rows, shards).await;
        if self.sight.on_lookout {
            self.take_for_others(&plan, &rows).await;
        }
        let stolen = self.steal(&plan, &rows, shards).await;
        let (asked, lost) = self.ask(&plan, &rows).await;
        self.call(&plan, listing, now).await;
        let expects = stolen > 0 || !asked.is_empty();
        asked.into_iter().for_each(|key| self.coming.on_asked(key));
        if expects {
            self.sight.expecting_since.get_or_insert(now);
        }
        self.crowded = taken? || lost;
        Ok(())
    }

    /// When to look again at the latest, where something is left to do.
    pub(super) fn soon(&mut self) -> Instant {
        let soon = Instant::now() + self.pace.unsettled(self.sight.rows);
        self.full_look = self.full_look.map(|look| look.min(soon));
        soon
    }

    fn next_look(&mut self, now: std::time::Instant) -> Instant {
        let mut next = self.pace.next(&self.sight, now);
        if std::mem::take(&mut self.crowded) {
            let soon = self.pace.steady(0, true).mul_f64(self.rng.random_range(0.1..1.0));
            next = next.min(now + soon);
        }
        self.full_look = Some(next.into());
        let next = match self.looks_between() {
            true => next.min(now + self.pace_between()),
            false => next,
        };
        self.twin
            .decide_at()
            .map_or(next, |decide| decide.min(next).max(now))
            .into()
    }

    /// What the table refuses will be refused again. A worker that holds nothing and gets nothing says so and ends, instead
    /// of trying for ever.
    fn on_refusal(&mut self, error: StoreError, shards: &Shards<S, F>) -> Result<(), RunError> {
        if error.is_retryable() || shards.held() > 0 {
            self.refusals = 0;
            return Ok(());
        }
        self.refusals += 1;
        if self.refusals < REFUSALS {
            return Ok(());
        }
        let table = self.shop.config.lease_table_name().to_owned();
        Err(RunError::LeaseTable { table, source: error })
    }
}

fn limits(leasing: &Leasing) -> Limits {
    Limits {
        max_leases_per_worker: leasing.max_leases.get(),
        max_leases_to_steal_at_once: leasing.max_steals,
    }
}

/// Ours: a right that was just given may take some seconds to be seen everywhere.
const REFUSALS: u32 = 3;
