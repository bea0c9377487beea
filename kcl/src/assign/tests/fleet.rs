//! A fleet in virtual time: workers that plan, take, renew, hand over, finish shards, die and join, on one table.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use futures::FutureExt;
use kinesis_aggregation::ShardId;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::worker;
use crate::assign::parents::Unfinished;
use crate::assign::{Limits, Patience, Plan, Snapshot, plan};
use crate::error::StoreError;
use crate::lease::observed::Observed;
use crate::lease::renewal::{HeldLease, Pace, Task};
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::position::Checkpoint;
use crate::store::memory::MemoryLeaseStore;
use crate::store::{CheckpointUpdate, LeaseStore, Listing};

const FAILOVER: Duration = Duration::from_secs(10);
const PATIENCE: Patience = Patience {
    failover: FAILOVER,
    hand_over: Duration::from_secs(30),
    neglect: FAILOVER,
};
const TICK: Duration = Duration::from_millis(500);
/// Ticks from one plan of a worker to the next.
const ROUND: usize = 4;
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

struct Fleet {
    store: MemoryLeaseStore,
    now: Instant,
    rng: StdRng,
    workers: Vec<Worker>,
    ticks: usize,
    born: usize,
    /// Dead workers' leases, as they believe: processing that has not noticed its death would go on until then.
    ghosts: Vec<(LeaseKey, Instant)>,
    finishing: bool,
}

impl Fleet {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary origin; time goes on by hand"
    )]
    fn new(workers: usize, leases: usize, seed: u64) -> Self {
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

    fn join(&mut self) {
        self.workers.push(Worker {
            id: worker(&format!("w{}", self.born)),
            observed: Observed::new(),
            held: HashMap::new(),
            slowness: self.rng.random_range(0..4),
            leaving: HashMap::new(),
        });
        self.born += 1;
    }

    fn kill(&mut self, pick: usize) {
        if self.workers.len() > 1 {
            let dead = self.workers.remove(pick % self.workers.len());
            self.ghosts
                .extend(dead.held.into_iter().map(|(key, lease)| (key, lease.lost_at())));
        }
    }

    fn stop(&mut self, pick: usize) {
        if self.workers.len() > 1 {
            let gone = self.workers.remove(pick % self.workers.len());
            for lease in gone.held.values() {
                run(self.store.release(lease.lease()));
            }
        }
    }

    fn tick(&mut self) {
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
    fn all_runs(&self) -> bool {
        let listing = run(self.store.list());
        let open = Unfinished::of(&listing);
        let ready = listing
            .leases
            .iter()
            .filter(|lease| !lease.is_finished() && !open.blocks(lease));
        let is_held = |key: &LeaseKey| self.workers.iter().any(|worker| worker.held.contains_key(key));
        ready.map(|lease| &lease.key).all(is_held)
    }

    fn settle(&mut self) -> usize {
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

    fn assert_rests(&mut self) {
        let owners = self.owners();
        for _ in 0..100 {
            self.tick();
        }
        assert_eq!(self.owners(), owners, "a steady fleet moves nothing");
    }
}

#[derive(Debug, Clone)]
enum Event {
    Join,
    Kill(usize),
    Stop(usize),
    Wait(usize),
    Finish(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Join),
        (0_usize..8).prop_map(Event::Kill),
        (0_usize..8).prop_map(Event::Stop),
        (1_usize..40).prop_map(Event::Wait),
        any::<bool>().prop_map(Event::Finish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn comes_to_rest_after_any_history(
        workers in 1_usize..6,
        leases in 0_usize..40,
        seed in any::<u64>(),
        events in prop::collection::vec(event(), 0..15),
    ) {
        let mut fleet = Fleet::new(workers, leases, seed);
        for event in events {
            match event {
                Event::Join => fleet.join(),
                Event::Kill(pick) => fleet.kill(pick),
                Event::Stop(pick) => fleet.stop(pick),
                Event::Wait(ticks) => (0..ticks).for_each(|_| fleet.tick()),
                Event::Finish(on) => fleet.finishing = on,
            }
        }
        fleet.finishing = false;
        fleet.settle();
        fleet.assert_rests();
    }
}

#[test]
fn a_cold_fleet_is_spread_in_the_first_rounds() {
    let mut fleet = Fleet::new(5, 40, 1);
    let ticks = fleet.settle();
    assert!(ticks <= 10 * ROUND, "{ticks} ticks");
}

#[test]
fn a_newcomer_has_its_share_after_one_round_and_one_hand_over() {
    let mut fleet = Fleet::new(1, 32, 2);
    fleet.settle();
    fleet.join();
    let ticks = fleet.settle();
    // A plan, the holder's next heartbeat (7 ticks), its slowness (at most 3), and a plan that finds the rows.
    assert!(ticks <= ROUND + 7 + 3 + ROUND, "{ticks} ticks");
    fleet.assert_rests();
}

#[test]
fn a_dead_workers_leases_are_spread_after_the_failover_time() {
    let mut fleet = Fleet::new(4, 32, 3);
    fleet.settle();
    fleet.kill(0);
    let ticks = fleet.settle();
    let failover = (FAILOVER.as_millis() / TICK.as_millis()) as usize;
    assert!(
        (failover..=failover + 2 * ROUND).contains(&ticks),
        "{ticks} ticks"
    );
}

#[test]
fn who_joins_while_a_worker_is_being_missed_does_not_delay_its_leases() {
    let failover = (FAILOVER.as_millis() / TICK.as_millis()) as usize;
    for later in 0..failover {
        let mut fleet = Fleet::new(3, 24, 6);
        fleet.settle();
        fleet.kill(0);
        for tick in 0.. {
            if tick == later {
                fleet.join();
            }
            fleet.tick();
            if fleet.all_runs() {
                break;
            }
            // One round until the last heartbeat is seen, one until the silence is.
            assert!(tick < failover + 2 * ROUND, "one joined {later} ticks later");
        }
        fleet.settle();
        fleet.assert_rests();
    }
}

#[test]
fn a_stopped_workers_leases_are_spread_in_the_next_round() {
    let mut fleet = Fleet::new(4, 32, 4);
    fleet.settle();
    fleet.stop(0);
    let ticks = fleet.settle();
    assert!(ticks <= ROUND, "{ticks} ticks");
}

#[test]
fn a_rolling_deployment_never_stops_the_fleet() {
    let mut fleet = Fleet::new(4, 32, 5);
    fleet.settle();
    for _ in 0..4 {
        fleet.join();
        fleet.stop(0);
        fleet.settle();
    }
    fleet.assert_rests();
}
