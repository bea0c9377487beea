//! A fleet under a leader, in virtual time: workers start, die, join and are deployed one after the other.
//!
//! All decisions are the library's own: the leader's rounds, the lock, heartbeats, hand-overs, farewells. The table is a
//! vector with the conditions of the real one, and answers at once. A killed worker is taken for one that goes on
//! processing for as long as it may by its own clock: the worst that a pause or a cut network can do.
//!
//! `cargo test --release -p kinesis-kcl --test virtual_fleet -- --ignored --nocapture` runs 100 workers on 10,000 leases
//! and prints times, moves and requests.

mod table;
mod worker;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kcl::assign::central::Settings;
use kcl::assign::{Snapshot, Standing};
use kcl::handover::farewell::{farewells, strays};
use kcl::lease::{LeaseKey, WorkerId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::table::{Requests, Table};
use self::worker::{FAILOVER, Processing, Worker};

const TICK: Duration = Duration::from_millis(100);
const WALL: u64 = 1_800_000_000;

struct Fleet {
    table: Table,
    workers: Vec<Worker>,
    processing: Processing,
    start: Instant,
    now: Instant,
    rng: StdRng,
    born: usize,
    /// Owners as of the last event, to count moves.
    owners: Vec<Option<WorkerId>>,
}

/// What an event cost.
#[derive(Debug)]
struct Outcome {
    /// Until every lease was processed by a living worker.
    covered: Duration,
    /// Until also nothing was on its way, and everybody had a fair share.
    steady: Duration,
    moves: usize,
    requests_per_second: f64,
}

impl Fleet {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary origin; time goes on by hand"
    )]
    fn new(leases: usize, workers: usize, seed: u64) -> Self {
        let start = Instant::now();
        let mut fleet = Self {
            table: Table::new(leases),
            workers: Vec::new(),
            processing: vec![None; leases],
            start,
            now: start,
            rng: StdRng::seed_from_u64(seed),
            born: 0,
            owners: vec![None; leases],
        };
        (0..workers).for_each(|_| fleet.join());
        fleet
    }

    fn join(&mut self) {
        let slowness = Duration::from_millis(self.rng.random_range(0..400));
        let offset = Duration::from_millis(self.rng.random_range(0..1000));
        let name = format!("w{:04}", self.born);
        self.born += 1;
        self.workers.push(Worker::new(&name, slowness, self.now - offset));
    }

    /// Its processing goes on in `processing` until its leases expire by its own clock.
    fn kill(&mut self) {
        let pick = self.rng.random_range(0..self.workers.len());
        self.workers.swap_remove(pick);
    }

    /// Clean stops at the same moment, of the oldest ones. Then each looks once more for what it has left to somebody who left.
    fn stop(&mut self, count: usize) {
        let gone: Vec<_> = (0..count).map(|_| self.stop_oldest()).collect();
        for (me, given) in gone {
            let leases = self.table.scan().leases;
            let there = |id: &WorkerId, _: &LeaseKey| self.workers.iter().any(|worker| worker.id == *id);
            for (stray, to) in strays(&leases, &me, &given, there, |_| true) {
                self.table.give_stray(stray, to.as_ref());
            }
        }
    }

    fn stop_oldest(&mut self) -> (WorkerId, Vec<(LeaseKey, WorkerId)>) {
        let gone = self.workers.remove(0);
        let standings = self.table.scan().leases.into_iter().map(|lease| {
            let standing = match (lease.owner, lease.checkpoint_owner) {
                (Some(to), Some(from)) => Standing::HandingOver { from, to },
                (Some(owner), None) => Standing::Held(owner),
                (None, _) => Standing::Free { neglected: false },
            };
            (lease.key, standing)
        });
        let snapshot = Snapshot::from_standings(gone.id.clone(), standings);
        let reports = &self.table.reports;
        let next = farewells(&snapshot, |id| reports.contains_key(id), &Settings::default(), 1);
        let to: BTreeMap<String, Option<WorkerId>> = next
            .into_iter()
            .map(|farewell| (farewell.key.as_str().to_owned(), farewell.to))
            .collect();
        let me = gone.id.clone();
        let given = gone.stop(&mut self.table, &mut self.processing, self.now, &to);
        (me, given)
    }

    fn tick(&mut self) {
        self.now += TICK;
        let wall = WALL + (self.now - self.start).as_secs();
        for worker in &mut self.workers {
            worker.tick(&mut self.table, &mut self.processing, self.now, wall);
        }
        let leaders = self
            .workers
            .iter()
            .filter(|worker| worker.leads(self.now))
            .count();
        assert!(leaders <= 1, "{leaders} leaders");
    }

    fn covered(&self) -> bool {
        let held: usize = self.workers.iter().map(|worker| worker.held.len()).sum();
        held >= self.table.rows.len() && self.table.rows.iter().all(|row| row.owner.is_some())
    }

    fn steady(&self) -> bool {
        let pending = self.table.rows.iter().any(|row| row.checkpoint_owner.is_some());
        let fair = self.table.rows.len() / self.workers.len();
        let enough = |worker: &Worker| worker.held.len() * 2 >= fair;
        self.covered() && !pending && self.workers.iter().all(enough)
    }

    fn settle(&mut self, since: Instant, before: Requests) -> Outcome {
        let mut covered = None;
        while !self.steady() {
            if covered.is_none() && self.covered() {
                covered = Some(self.now);
            }
            self.tick();
            assert!(self.now - since < Duration::from_secs(600), "no rest");
        }
        let moves = self.count_moves();
        let seconds = (self.now - since).as_secs_f64().max(0.1);
        Outcome {
            covered: covered.unwrap_or(self.now) - since,
            steady: self.now - since,
            moves,
            requests_per_second: (self.table.requests.all() - before.all()) as f64 / seconds,
        }
    }

    fn count_moves(&mut self) -> usize {
        let now: Vec<Option<WorkerId>> = self.table.rows.iter().map(|row| row.owner.clone()).collect();
        let moves = now.iter().zip(&self.owners).filter(|(a, b)| a != b).count();
        self.owners = now;
        moves
    }

    fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while self.now < until {
            self.tick();
        }
    }

    fn spread(&self) -> (usize, usize) {
        let counts = self.workers.iter().map(|worker| worker.held.len());
        (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0))
    }
}

fn story(leases: usize, workers: usize, churn: usize, seed: u64) {
    println!(
        "{leases} leases, {workers} workers, failover {} s, seed {seed}",
        FAILOVER.as_secs()
    );
    let mut fleet = Fleet::new(leases, workers, seed);
    let tell = |fleet: &Fleet, what: &str, outcome: &Outcome| {
        let (least, most) = fleet.spread();
        println!(
            "{what:<28} all read {:>6.1} s, steady {:>6.1} s, {:>6} moves, {:>8.1} requests/s, {least}-{most} leases each",
            outcome.covered.as_secs_f64(),
            outcome.steady.as_secs_f64(),
            outcome.moves,
            outcome.requests_per_second,
        );
    };
    let (since, before) = (fleet.now, fleet.table.requests);
    let started = fleet.settle(since, before);
    tell(&fleet, "start", &started);
    assert!(
        started.steady < Duration::from_secs(4),
        "a cold fleet is assigned at once"
    );

    // Rest: nothing moves after the first balancing rounds have had their say.
    fleet.pass(300);
    fleet.count_moves();
    let (since, before) = (fleet.now, fleet.table.requests);
    fleet.pass(120);
    let rest = Outcome {
        covered: Duration::ZERO,
        steady: Duration::ZERO,
        moves: fleet.count_moves(),
        requests_per_second: (fleet.table.requests.all() - before.all()) as f64
            / (fleet.now - since).as_secs_f64(),
    };
    tell(&fleet, "120 s at rest", &rest);
    println!("{:28} {:?}", "", per_second(before, fleet.table.requests, 120.0));
    assert_eq!(rest.moves, 0, "a fleet at rest moves nothing");

    (0..churn).for_each(|_| fleet.kill());
    let (since, before) = (fleet.now, fleet.table.requests);
    let died = fleet.settle(since, before);
    tell(&fleet, &format!("{churn} die"), &died);
    let leaderless = Duration::from_secs(20);
    assert!(died.covered <= FAILOVER + leaderless + Duration::from_secs(10));

    (0..churn).for_each(|_| fleet.join());
    let (since, before) = (fleet.now, fleet.table.requests);
    let joined = fleet.settle(since, before);
    tell(&fleet, &format!("{churn} join"), &joined);

    let (since, before) = (fleet.now, fleet.table.requests);
    let mut moves = 0;
    let mut slowest = Duration::ZERO;
    for _ in 0..workers.div_ceil(churn) {
        (0..churn).for_each(|_| fleet.join());
        fleet.pass(2);
        fleet.stop(churn);
        let (since, before) = (fleet.now, fleet.table.requests);
        let step = fleet.settle(since, before);
        moves += step.moves;
        slowest = slowest.max(step.covered);
    }
    let deployed = Outcome {
        covered: slowest,
        steady: fleet.now - since,
        moves,
        requests_per_second: (fleet.table.requests.all() - before.all()) as f64
            / (fleet.now - since).as_secs_f64(),
    };
    assert!(
        deployed.covered <= Duration::from_secs(5),
        "a shard of a worker that stops is read again before anything expires"
    );
    tell(&fleet, &format!("deploy all, {churn} at a time"), &deployed);
    println!("no lease was processed by two workers at any moment\n");
}

fn per_second(before: Requests, after: Requests, seconds: f64) -> BTreeMap<&'static str, f64> {
    let rate = |a: u64, b: u64| ((b - a) as f64 / seconds * 100.0).round() / 100.0;
    BTreeMap::from([
        ("heartbeats", rate(before.heartbeats, after.heartbeats)),
        ("scans", rate(before.scans, after.scans)),
        ("lock", rate(before.lock, after.lock)),
        ("reports", rate(before.reports, after.reports)),
        ("discovery", rate(before.discovery, after.discovery)),
        ("changes", rate(before.changes, after.changes)),
    ])
}

#[test]
fn a_small_fleet_lives_through_everything() {
    for seed in 0..3 {
        story(120, 8, 2, seed);
    }
}

#[test]
#[ignore = "a large fleet, for a release build: prints its figures"]
fn a_hundred_workers_on_ten_thousand_leases() {
    story(10_000, 100, 10, 1);
}
