//! A fleet in virtual time: workers that plan, take, renew, hand over, finish shards, die and join, on one table.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use futures::FutureExt;
use kinesis_aggregation::ShardId;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::super::worker;
use crate::assign::parents::Unfinished;
use crate::assign::{Limits, Patience, Plan, Snapshot, plan};
use crate::error::StoreError;
use crate::lease::observed::Observed;
use crate::lease::renewal::{HeldLease, Pace, Task};
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::position::Checkpoint;
use crate::store::memory::MemoryLeaseStore;
use crate::store::{CheckpointUpdate, LeaseStore, Listing};

pub(super) const FAILOVER: Duration = Duration::from_secs(10);

const PATIENCE: Patience = Patience {
    failover: FAILOVER,
    hand_over: Duration::from_secs(30),
    neglect: FAILOVER,
};

pub(super) const TICK: Duration = Duration::from_millis(500);

/// Ticks from one plan of a worker to the next.
pub(super) const ROUND: usize = 4;

/// A dead worker is found out after a failover time; a hand-over to a dead worker takes one more, and a hand-over
/// timeout if its holder is the slow kind. Each is followed by some rounds.
const STEADY_WITHIN: usize = 240;

fn run<T>(step: futures::future::BoxFuture<'_, Result<T, StoreError>>) -> T {
    step.now_or_never()
        .expect("memory does not wait")
        .expect("memory does not fail")
}

struct Worker {
    id: WorkerId,
    observed: Observed,
    held: HashMap<LeaseKey, HeldLease>,
    /// Ticks it takes to end the processing of a shard that is asked for.
    slowness: u32,
    leaving: HashMap<LeaseKey, u32>,
}

pub(super) struct Fleet {
    store: MemoryLeaseStore,
    now: Instant,
    rng: StdRng,
    workers: Vec<Worker>,
    ticks: usize,
    born: usize,
    /// Dead workers' leases, as they believe: processing that has not noticed its death would go on until then.
    ghosts: Vec<(LeaseKey, Instant)>,
    pub(super) finishing: bool,
}

impl Fleet {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary origin; time goes on by hand"
    )]
    pub(super) fn new(workers: usize, leases: usize, seed: u64) -> Self {
        let store = MemoryLeaseStore::new();
        for number in 0..leases as u64 {
            let id = ShardId::from_number(number);
            let mut lease = Lease::new(LeaseKey::of_shard(&id), Checkpoint::TrimHorizon);
            // Every fourth shard descends from the one before it.
            if number % 4 == 3 {
                lease.parents.insert(ShardId::from_number(number - 1));
            }
            assert!(run(store.create(&lease)));
        }
        let mut fleet = Self {
            store,
            now: Instant::now(),
            rng: StdRng::seed_from_u64(seed),
            workers: Vec::new(),
            ticks: 0,
            born: 0,
            ghosts: Vec::new(),
            finishing: false,
        };
        (0..workers).for_each(|_| fleet.join());
        fleet
    }

    pub(super) fn join(&mut self) {
        self.workers.push(Worker {
            id: worker(&format!("w{}", self.born)),
            observed: Observed::new(),
            held: HashMap::new(),
            slowness: self.rng.random_range(0..4),
            leaving: HashMap::new(),
        });
        self.born += 1;
    }

    pub(super) fn kill(&mut self, pick: usize) {
        if self.workers.len() > 1 {
            let dead = self.workers.remove(pick % self.workers.len());
            self.ghosts
                .extend(dead.held.into_iter().map(|(key, lease)| (key, lease.lost_at())));
        }
    }

    pub(super) fn stop(&mut self, pick: usize) {
        if self.workers.len() > 1 {
            let gone = self.workers.remove(pick % self.workers.len());
            for lease in gone.held.values() {
                run(self.store.release(lease.lease()));
            }
        }
    }

    pub(super) fn tick(&mut self) {
        self.now += TICK;
        self.ticks += 1;
        self.renew_and_hand_over();
        self.assert_fenced();
        if self.ticks.is_multiple_of(ROUND) {
            self.plan_and_apply();
            self.assert_fenced();
        }
    }

    fn renew_and_hand_over(&mut self) {
        let (now, store) = (self.now, self.store.clone());
        for worker in &mut self.workers {
            worker.held.retain(|key, lease| {
                if self.finishing && self.rng.random_ratio(1, 20) {
                    let end = CheckpointUpdate {
                        checkpoint: Checkpoint::ShardEnd,
                        pending: None,
                    };
                    lease.on_answer(run(store.checkpoint(lease.lease(), &end)), now, now);
                }
                if lease.next(now) == Task::Renew {
                    lease.on_answer(run(store.renew(lease.lease())), now, now);
                }
                if lease.is_handing_over() && lease.is_held(now) {
                    let left = worker.leaving.entry(key.clone()).or_insert(worker.slowness);
                    if *left == 0 {
                        worker.leaving.remove(key);
                        run(store.complete_hand_over(lease.lease()));
                        return false;
                    }
                    *left -= 1;
                }
                lease.next(now) != Task::Stop
            });
        }
    }

    /// Everybody plans from one listing, and the writes come in any order: the worst case for running after the
    /// same lease.
    fn plan_and_apply(&mut self) {
        let listing = run(self.store.list());
        let mut plans: Vec<(usize, Plan)> = (0..self.workers.len())
            .map(|index| (index, self.plan_of(index, &listing)))
            .collect();
        plans.shuffle(&mut self.rng);
        for (index, plan) in plans {
            self.apply(index, &plan, &listing);
        }
    }

    fn plan_of(&mut self, index: usize, listing: &Listing) -> Plan {
        let worker = &mut self.workers[index];
        worker.observed.observe(&listing.leases, self.now);
        let held: HashSet<LeaseKey> = worker.held.keys().cloned().collect();
        let snapshot = Snapshot::new(
            worker.id.clone(),
            listing,
            &held,
            &worker.observed,
            PATIENCE,
            self.now,
        );
        plan(&snapshot, &Limits::default(), self.rng.random())
    }

    fn apply(&mut self, index: usize, plan: &Plan, listing: &Listing) {
        let row = |key: &LeaseKey| {
            listing
                .leases
                .iter()
                .find(|lease| lease.key == *key)
                .expect("from the listing")
        };
        let me = self.workers[index].id.clone();
        for key in &plan.take {
            if let Some(lease) = run(self.store.take(row(key), &me)) {
                self.assert_parents_done(&lease);
                self.workers[index]
                    .held
                    .insert(key.clone(), HeldLease::new(lease, Pace::new(FAILOVER), self.now));
            }
        }
        for hand_over in &plan.hand_over {
            run(self.store.request_hand_over(row(&hand_over.key), &me));
        }
    }

    /// No two workers, dead ones that do not know it included, process one shard at the same time.
    fn assert_fenced(&mut self) {
        let now = self.now;
        self.ghosts.retain(|(_, until)| *until >= now);
        let mut holders: BTreeMap<&LeaseKey, usize> = BTreeMap::new();
        let alive = self.workers.iter().flat_map(|worker| &worker.held);
        for (key, _) in alive.filter(|(_, lease)| lease.is_held(now)) {
            *holders.entry(key).or_default() += 1;
        }
        for (key, _) in &self.ghosts {
            *holders.entry(key).or_default() += 1;
        }
        for (key, count) in holders {
            assert_eq!(count, 1, "{key} is processed by {count} workers");
        }
    }

    fn assert_parents_done(&self, lease: &Lease) {
        for parent in &lease.parents {
            let parent = run(self.store.get(&LeaseKey::of_shard(parent)));
            assert!(
                parent.is_none_or(|row| row.is_finished()),
                "{} before its parent",
                lease.key
            );
        }
    }

    /// Each lease that can be processed has one live holder, and loads differ by one at most.
    fn is_steady(&self) -> bool {
        let listing = run(self.store.list());
        let finished: HashSet<&str> = listing
            .leases
            .iter()
            .filter(|lease| lease.is_finished())
            .map(|lease| lease.key.as_str())
            .collect();
        let mut loads: BTreeMap<&WorkerId, usize> =
            self.workers.iter().map(|worker| (&worker.id, 0)).collect();
        for lease in listing.leases.iter().filter(|lease| !lease.is_finished()) {
            if !lease
                .parents
                .iter()
                .all(|parent| finished.contains(parent.as_str()))
            {
                continue;
            }
            let holder = self
                .workers
                .iter()
                .find(|worker| worker.held.contains_key(&lease.key));
            match holder {
                Some(holder) if lease.owner.as_ref() == Some(&holder.id) && !lease.hand_over_pending() => {
                    *loads.entry(&holder.id).or_default() += 1;
                }
                _ => return false,
            }
        }
        let most = loads.values().max().copied().unwrap_or(0);
        most - loads.values().min().copied().unwrap_or(0) <= 1
    }

    /// Each lease that may be processed is.
    pub(super) fn all_runs(&self) -> bool {
        let listing = run(self.store.list());
        let open = Unfinished::of(&listing);
        let ready = listing
            .leases
            .iter()
            .filter(|lease| !lease.is_finished() && !open.blocks(lease));
        let is_held = |key: &LeaseKey| self.workers.iter().any(|worker| worker.held.contains_key(key));
        ready.map(|lease| &lease.key).all(is_held)
    }

    pub(super) fn settle(&mut self) -> usize {
        let start = self.ticks;
        while !self.is_steady() {
            self.tick();
            assert!(
                self.ticks - start < STEADY_WITHIN,
                "not steady after {} ticks",
                self.ticks - start
            );
        }
        self.ticks - start
    }

    fn owners(&self) -> Vec<(LeaseKey, Option<WorkerId>)> {
        run(self.store.list())
            .leases
            .into_iter()
            .map(|lease| (lease.key, lease.owner))
            .collect()
    }

    pub(super) fn assert_rests(&mut self) {
        let owners = self.owners();
        for _ in 0..100 {
            self.tick();
        }
        assert_eq!(self.owners(), owners, "a steady fleet moves nothing");
    }
}
