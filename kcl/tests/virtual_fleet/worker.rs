//! One worker: keeps leases, obeys hand-overs, leads if it has the lock. Decides nothing by itself.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use kcl::assign::Patience as RoundPatience;
use kcl::assign::central::Settings;
use kcl::assign::central::rounds::{RoundSettings, Rounds, Step};
use kcl::fleet::LeaderRow;
use kcl::handover::holder::{HandOver, Patience, Stage, Task as HandOverTask};
use kcl::leader::lock::{Lock, Pace as LockPace, Task as LockTask};
use kcl::leader::tenure::Terms;
use kcl::lease::renewal::{HeldLease, Pace, Task};
use kcl::lease::{LeaseKey, WorkerId};

use crate::table::Table;

pub(crate) const FAILOVER: Duration = Duration::from_secs(10);
const ROUND: Duration = Duration::from_secs(1);
const REPORT: Duration = Duration::from_secs(30);
const LOCK: LockPace = LockPace {
    duration: Duration::from_secs(15),
    heartbeat: Duration::from_secs(4),
    watch: Duration::from_secs(2),
};

pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) held: HashMap<usize, Held>,
    /// A killed leader's: everything it remembers dies with it.
    lock: Lock,
    rounds: Option<Rounds>,
    planned_at: Option<Instant>,
    looked_at: Option<Instant>,
    reported_at: Option<Instant>,
    versions: u64,
    pub(crate) slowness: Duration,
    pub(crate) rounds_done: u64,
}

pub(crate) struct Held {
    pub(crate) lease: HeldLease,
    hand_over: HandOver,
    drained_at: Option<Instant>,
    drained: bool,
}

/// Who processes which lease, and until when at the latest.
pub(crate) type Processing = Vec<Option<(WorkerId, Instant)>>;

impl Worker {
    pub(crate) fn new(name: &str, slowness: Duration, first_look: Instant) -> Self {
        let id = WorkerId::new(name);
        Self {
            lock: Lock::new(id.clone(), LOCK, Terms::new(ROUND)),
            id,
            held: HashMap::new(),
            rounds: None,
            planned_at: None,
            looked_at: Some(first_look),
            reported_at: None,
            versions: 0,
            slowness,
            rounds_done: 0,
        }
    }

    pub(crate) fn leads(&self, now: Instant) -> bool {
        self.lock.leads(now)
    }

    pub(crate) fn tick(&mut self, table: &mut Table, processing: &mut Processing, now: Instant, wall: u64) {
        if is_due(self.reported_at, REPORT, now) {
            table.report(&self.id, wall);
            self.reported_at = Some(now);
        }
        self.keep_leases(table, processing, now);
        self.mind_the_lock(table, now);
        if self.leads(now) && is_due(self.planned_at, ROUND, now) {
            self.planned_at = Some(now);
            self.plan(table, now, wall);
        }
        if is_due(self.looked_at, ROUND, now) {
            self.looked_at = Some(now);
            self.discover(table, processing, now);
        }
    }

    fn keep_leases(&mut self, table: &mut Table, processing: &mut Processing, now: Instant) {
        let (slowness, me) = (self.slowness, self.id.clone());
        self.held.retain(|n, held| {
            match held.lease.next(now) {
                Task::Stop => {
                    processing[*n].take_if(|(by, _)| *by == me);
                    return false;
                }
                Task::Renew => held.look(*n, table, now, slowness),
                Task::WaitUntil(_) => {}
            }
            if !held.lease.is_held(now) {
                processing[*n].take_if(|(by, _)| *by == me);
                return false;
            }
            if let Some((_, until)) = processing[*n].as_mut().filter(|(by, _)| *by == me) {
                *until = held.lease.lost_at();
            }
            !held.hands_over(*n, table, processing, now, &me)
        });
    }

    fn mind_the_lock(&mut self, table: &mut Table, now: Instant) {
        // Bounded: each answer leads to a wait, an acquisition or a release.
        for _ in 0..4 {
            let fresh = format!("{}-{}", self.id, self.versions);
            let row = |version: String| LeaderRow {
                owner: self.id.clone(),
                version,
                lease_duration: LOCK.duration,
                released: false,
            };
            match self.lock.next(now) {
                LockTask::Read => {
                    let found = table.read_lock();
                    self.lock.on_row(found.as_ref(), now);
                }
                LockTask::Acquire(over) => match table.acquire_lock(&over, row(fresh.clone())) {
                    true => {
                        self.lock.on_acquired(fresh, now);
                        self.rounds = Some(rounds());
                        self.planned_at = None;
                    }
                    false => self.lock.on_refused(now),
                },
                LockTask::Heartbeat { version } => {
                    match table.change_lock(&self.id, &version, Some(row(fresh.clone()))) {
                        true => self.lock.on_heartbeat(fresh, now),
                        false => self.lock.on_refused(now),
                    }
                }
                LockTask::Release { version } => {
                    table.change_lock(&self.id, &version, None);
                    self.lock.on_released(now);
                }
                _ => return,
            }
            self.versions += 1;
        }
    }

    fn plan(&mut self, table: &mut Table, now: Instant, wall: u64) {
        let rounds = self.rounds.as_mut().expect("a leader has them");
        let listing = table.scan();
        let reports: Vec<_> = table.reports.values().cloned().collect();
        let round = rounds.round(&listing, &reports, now, wall, self.versions);
        let ordinals: BTreeMap<_, usize> = match round.steps.is_empty() {
            true => BTreeMap::new(),
            false => listing
                .leases
                .iter()
                .enumerate()
                .map(|(n, l)| (&l.key, n))
                .collect(),
        };
        for step in &round.steps {
            let n = ordinals[step.key()];
            match step {
                Step::Assign { to, unless, .. } => {
                    table.assign(n, &listing.leases[n], to, *unless);
                }
                Step::HandOver { from, to, .. } => {
                    table.ask(n, from, to);
                }
                Step::Revoke { key } if table.give(n, &listing.leases[n], None) => {
                    rounds.on_revoked(key, now);
                }
                _ => {}
            }
        }
        for (dead, written_at) in &round.dead_reports {
            table.bury(dead, *written_at);
        }
        self.rounds_done += 1;
        self.lock.on_round(now);
    }

    fn discover(&mut self, table: &mut Table, processing: &mut Processing, now: Instant) {
        let mine = table.discover(&self.id);
        // What is held and not found under this name any more was asked for: no need to wait for the heartbeat.
        for (n, held) in &mut self.held {
            if held.drained_at.is_none() && mine.binary_search(n).is_err() {
                held.look(*n, table, now, self.slowness);
            }
        }
        for n in mine {
            if self.held.contains_key(&n) {
                continue;
            }
            let counter = table.rows[n].counter;
            let Some(lease) = table.take(n, counter, &self.id) else {
                continue;
            };
            if let Some((by, until)) = &processing[n] {
                assert!(
                    *until < now,
                    "lease {n} goes to {} while {by} may process it",
                    self.id
                );
            }
            let held = Held {
                lease: HeldLease::new(lease, Pace::new(FAILOVER), now),
                hand_over: HandOver::new(Patience::default()),
                drained_at: None,
                drained: false,
            };
            processing[n] = Some((self.id.clone(), held.lease.lost_at()));
            self.held.insert(n, held);
        }
    }

    /// A clean stop: everything goes where `to` says. What was given to whom.
    pub(crate) fn stop(
        mut self,
        table: &mut Table,
        processing: &mut Processing,
        now: Instant,
        to: &BTreeMap<String, Option<WorkerId>>,
    ) -> Vec<(LeaseKey, WorkerId)> {
        table.reports.remove(&self.id);
        table.requests.reports += 1;
        let mut given = Vec::new();
        for (n, mut held) in std::mem::take(&mut self.held) {
            let key = held.lease.lease().key.clone();
            let best = to.get(key.as_str()).cloned().flatten();
            given.extend(best.clone().map(|next| (key, next)));
            held.hand_over.on_stopping(best, now);
            let _ = held.hand_over.next(now);
            held.drained_at = Some(now);
            // Twice where it was asked for in this very moment: the first write finds that out.
            let gone = (0..2).any(|_| held.hands_over(n, table, processing, now, &self.id));
            assert!(gone, "all processors end at once here");
        }
        self.lock.leave();
        self.mind_the_lock(table, now);
        given
    }
}

impl Held {
    fn look(&mut self, n: usize, table: &mut Table, now: Instant, slowness: Duration) {
        let answer = table.renew(n, self.lease.lease());
        self.lease.on_answer(answer, now, now);
        if self.lease.is_handing_over() && self.drained_at.is_none() {
            let next = self.lease.lease().owner.clone().expect("a next owner");
            self.hand_over.on_asked(Some(next), now);
            self.drained_at = Some(now + slowness);
        }
    }

    /// Whether the lease is given away.
    fn hands_over(
        &mut self,
        n: usize,
        table: &mut Table,
        processing: &mut Processing,
        now: Instant,
        me: &WorkerId,
    ) -> bool {
        if self.hand_over.stage() == Stage::Processing {
            return false;
        }
        // Asked, told, drained, written: each at most once here.
        for _ in 0..8 {
            if self.drained_at.is_some_and(|at| now >= at) && !self.drained {
                self.drained = true;
                processing[n].take_if(|(by, _)| by == me);
                self.hand_over.on_processing_over(now);
            }
            let written = match self.hand_over.next(now) {
                HandOverTask::Transfer(to) => table.give(n, self.lease.lease(), Some(&to)),
                HandOverTask::Release => table.give(n, self.lease.lease(), None),
                HandOverTask::Finish(_) => return true,
                HandOverTask::AskProcessor(_) => continue,
                _ => return false,
            };
            match written {
                true => self.hand_over.on_written(),
                // The row changed meanwhile: look at it as the heartbeat would.
                false => {
                    let answer = table.renew(n, self.lease.lease());
                    self.lease.on_answer(answer, now, now);
                    let next = self.lease.lease().owner.clone();
                    self.hand_over.on_row_changed(next, now);
                    return false;
                }
            }
        }
        false
    }
}

fn rounds() -> Rounds {
    let patience = RoundPatience {
        failover: FAILOVER,
        hand_over: Duration::from_secs(30),
        neglect: FAILOVER,
    };
    Rounds::new(RoundSettings::new(Settings::default(), patience))
}

fn is_due(last: Option<Instant>, period: Duration, now: Instant) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) >= period)
}
