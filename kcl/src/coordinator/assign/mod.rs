//! One round: read the table, plan, take what is free, ask for what others have too much of.

mod between;
mod company;
mod takes;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use self::company::Company;
use super::membership::Membership;
use super::shards::Shards;
use super::shutdown::Others;
use crate::assign::central::Settings;
use crate::assign::coming::Coming;
use crate::assign::parents::{Unfinished, given_early, unblocked};
use crate::assign::rescue::{leaders_time, rescue};
use crate::assign::{Limits, Patience, Plan, Snapshot, plan};
use crate::config::{ChildShards, Leasing};
use crate::error::{RunError, StoreError};
use crate::events::ConsumerEvent;
use crate::fleet::peers::Peers;
use crate::fleet::twin::{Twin, Verdict, patience};
use crate::fleet::{Assignment, HandOvers};
use crate::handover::farewell::farewells;
use crate::lease::observed::Observed;
use crate::lease::renewal::Pace;
use crate::lease::scan_pace::{ScanPace, Sight};
use crate::lease::{Lease, LeaseKey, StreamId, WorkerId};
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
        Self {
            membership,
            pace: match shop.config.membership.private {
                true => ScanPace::of_private_fleet(&shop.config.coordination, &shop.config.leasing),
                false => ScanPace::new(&shop.config.coordination, &shop.config.leasing),
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

    /// Whether rows of leases held here show that somebody else has our id.
    fn mind_own(&mut self, listing: &Listing, held: &HashSet<LeaseKey>, shards: &Shards<S, F>) {
        let me = self.shop.config.worker_id().clone();
        for lease in &listing.leases {
            let ours = lease.owner.as_ref() == Some(&me) && !lease.hand_over_pending();
            if ours && shards.is_foreign(&lease.key, lease.counter) {
                self.on_same_id(&lease.key);
            }
            if lease.owner.is_none() && held.contains(&lease.key) {
                self.on_vacated();
            }
        }
    }

    /// What there is to plan about: rows of streams that are not read are none of this worker's business. The first of a stream
    /// may mean that another worker knows more of it.
    fn of_streams_read(&mut self, mut listing: Listing) -> Listing {
        let mut strangers = BTreeSet::new();
        {
            let streams = self.shop.streams.borrow();
            listing.leases.retain(|lease| {
                let is_read = streams.of_key(&lease.key).is_some();
                if !is_read {
                    strangers.extend(lease.key.stream());
                }
                is_read
            });
        }
        if !strangers.is_subset(&self.strangers) {
            self.shop.source.doubts().notify_one();
        }
        self.strangers = strangers;
        listing
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

    /// Who else is there.
    fn greet(&mut self, listing: &Listing, now: std::time::Instant) {
        let me = self.shop.config.worker_id();
        let failover = self.shop.config.leasing.failover;
        let changes = self
            .peers
            .on_scan(me, &listing.leases, &self.observed, failover, now);
        for worker_id in changes.joined {
            info!(worker_id = %worker_id, "worker joined");
            self.shop.bell.ring(ConsumerEvent::WorkerJoined { worker_id });
        }
        for worker_id in changes.left {
            info!(worker_id = %worker_id, "worker left");
            self.shop.bell.ring(ConsumerEvent::WorkerLeft { worker_id });
        }
        let expired = |lease: &&Lease| {
            lease.actual_owner().is_some() && self.observed.expired(&lease.key, failover, now)
        };
        let counters = &self.shop.counters;
        counters.set(Metric::TotalLeases, listing.leases.len());
        counters.set(
            Metric::ExpiredLeases,
            listing.leases.iter().filter(expired).count(),
        );
        counters.set(Metric::UnreadableLeases, listing.skipped.len());
        self.coming.on_look(&listing.leases, me);
        let named = |lease: &Lease| lease.actual_owner() == Some(me);
        let led = self.membership.borrow().assignment() == Assignment::Leader;
        let expecting = !self.coming.is_empty() || (led && !listing.leases.iter().any(named));
        let rows = u32::try_from(listing.leases.len()).unwrap_or(u32::MAX);
        let lies_until = match led {
            // Before a leader has had its time there is nothing to do here.
            true => failover + leaders_time(failover, rows),
            false => failover,
        };
        self.sight = Sight {
            rows,
            in_company: self.in_company(),
            at_rest: false,
            on_lookout: self.is_on_lookout(led),
            expecting_since: expecting.then(|| self.sight.expecting_since.unwrap_or(now)),
            next_expiry: match &self.company {
                Some(company) => company.next_expiry(me, now),
                None => self.observed.next_expiry(lies_until, now),
            },
        };
        if self.rounds == 0 {
            self.came_second = listing.leases.iter().any(named);
        }
    }

    /// Whether everything that can be read is held here already, and nobody asks for it.
    fn is_at_rest(&self, listing: &Listing, held: &HashSet<LeaseKey>) -> bool {
        let me = self.shop.config.worker_id();
        let is_mine = |lease: &Lease| lease.owner.as_ref() == Some(me) && !lease.hand_over_pending();
        let rests = |lease: &Lease| held.contains(&lease.key) && is_mine(lease);
        let is_idle = |lease: &Lease| lease.is_finished() || self.unfinished.blocks(lease);
        listing.leases.iter().all(|lease| rests(lease) || is_idle(lease))
    }

    /// A lease was lost to another worker of our own id.
    pub(super) fn on_same_id(&mut self, lease_key: &LeaseKey) {
        let failover = self.shop.config.leasing.failover;
        let lot = self.rng.random_range(0.0..1.0);
        let patience = patience(failover, Pace::new(failover).period(), self.came_second, lot);
        if self.twin.on_sign(lease_key, patience, Instant::now().into_std()) {
            error!(lease_key = %lease_key, worker_id = %self.shop.config.worker_id(), "another live worker has this worker's id");
            self.shop.bell.ring(ConsumerEvent::WorkerIdContested {
                lease_key: lease_key.clone(),
            });
        }
    }

    /// A lease was given up in our name: if it was another worker of our id, it has left.
    pub(super) fn on_vacated(&mut self) {
        self.twin.on_departure();
    }

    fn watch_twin(
        &mut self,
        listing: &Listing,
        held: &HashSet<LeaseKey>,
        now: std::time::Instant,
    ) -> Verdict {
        let me = self.shop.config.worker_id();
        let named = listing
            .leases
            .iter()
            .filter(|lease| lease.actual_owner() == Some(me) && !held.contains(&lease.key))
            .map(|lease| (lease.key.clone(), lease.counter));
        let period = Pace::new(self.shop.config.leasing.failover).period() * 5 / 4;
        self.twin.on_scan(named, period, now)
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

    /// Whether other workers were there at the last look.
    fn in_company(&self) -> bool {
        let others = |company: &Company| company.has_others(self.shop.config.worker_id());
        !self.peers.is_empty() || self.company.as_ref().is_some_and(others)
    }

    /// Who gets the leases that this worker gives up, by a last look at the table. Nobody is named while somebody else has our
    /// id, or when the table does not answer at once.
    pub(super) async fn successors(&mut self, held: &HashSet<LeaseKey>) -> Vec<(LeaseKey, WorkerId)> {
        if self.twin.is_suspected() || held.is_empty() {
            return Vec::new();
        }
        let Ok(Ok(listing)) = timeout(LAST_LOOK, self.look()).await else {
            return Vec::new();
        };
        let now = Instant::now().into_std();
        self.observe(&listing.leases, now);
        self.greet(&listing, now);
        let listing = self.of_streams_read(listing);
        let snapshot = self.snapshot(&listing, held, now);
        let seed = self.rng.random();
        farewells(&snapshot, self.takers(), &Settings::default(), seed)
            .into_iter()
            .filter_map(|farewell| Some((farewell.key, farewell.to?)))
            .collect()
    }

    /// What is known of others at the end. `None`: nobody else is there.
    #[expect(clippy::type_complexity, reason = "types of closures have no names")]
    pub(super) fn others(
        &self,
    ) -> Option<Others<impl Fn(&WorkerId, &LeaseKey) -> bool, impl Fn(&WorkerId) -> bool>> {
        self.in_company().then(|| Others {
            had: |worker: &WorkerId, key: &LeaseKey| self.observed.was_of(key, worker),
            takes: self.takers(),
        })
    }

    /// Who is known to take what bears its name.
    fn takers(&self) -> impl Fn(&WorkerId) -> bool {
        let anybody = self.membership.borrow().hand_overs() == HandOvers::OfAll;
        move |worker| anybody || self.peers.notices(worker)
    }

    fn snapshot(&self, listing: &Listing, held: &HashSet<LeaseKey>, now: std::time::Instant) -> Snapshot {
        let leasing = &self.shop.config.leasing;
        let patience = Patience {
            failover: leasing.failover,
            hand_over: leasing.hand_over_timeout,
            neglect: match self.membership.borrow().assignment() {
                Assignment::Each => leasing.failover,
                Assignment::Leader => leaders_time(leasing.failover, self.sight.rows),
            },
        };
        let me = self.shop.config.worker_id().clone();
        let unfettered = match self.shop.config.children {
            ChildShards::AtOnce => Some(listing.without_parents()),
            ChildShards::AfterParents => None,
        };
        let listing = unfettered.as_ref().unwrap_or(listing);
        Snapshot::new(me, listing, held, &self.observed, patience, now)
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
                self.shop.bell.ring(ConsumerEvent::RowUnreadable {
                    lease_key: row.key.clone(),
                    attribute: row.attribute,
                });
            }
            self.skipped = listing.skipped.len();
        }
    }
}

fn limits(leasing: &Leasing) -> Limits {
    Limits {
        max_leases_per_worker: leasing.max_leases.get(),
        max_leases_to_steal_at_once: leasing.max_steals,
    }
}

/// Ours: a stop is not held up for longer.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// Ours: a right that was just given may take some seconds to be seen everywhere.
const REFUSALS: u32 = 3;
