//! Leads, if it falls to this worker: keeps the lock row, and while it has it, assigns leases round by round.

mod round;

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::round::round_settings;
use super::membership::Membership;
use crate::assign::central::rounds::Rounds;
use crate::error::StoreError;
use crate::events::ConsumerEvent;
use crate::fleet::{Fleet, Home, LeaderRow, record_version};
use crate::leader::lock::{Lock, Over, Task};
use crate::leader::tenure::Terms;
use crate::lease::WorkerId;
use crate::metrics::Metric;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;

/// A worker that leads, or would if it fell to it.
#[derive(Debug)]
pub(super) struct Leader<S, F> {
    shop: Arc<Workshop<S, F>>,
    membership: Arc<Membership>,
    /// Whether this worker leads, for its other tasks.
    leads: watch::Sender<bool>,
    lock: Lock,
    rounds: Rounds,
    rng: SmallRng,
    /// Where the leader's row counts.
    home: Home,
    known: Option<WorkerId>,
    next_round: Instant,
}

impl<S: Send + Sync + 'static, F: Send + Sync + 'static> Leader<S, F> {
    pub(super) fn new(
        shop: Arc<Workshop<S, F>>,
        membership: Arc<Membership>,
        leads: watch::Sender<bool>,
    ) -> Self {
        let config = &shop.config;
        let terms = Terms::new(config.leasing.failover * 2);
        let lock = Lock::new(config.worker_id().clone(), config.membership.lock, terms);
        let rng = config.rng("lead");
        let home = membership.borrow().leader_home();
        Self {
            rounds: Rounds::new(round_settings(&shop)),
            home,
            shop,
            membership,
            leads,
            lock,
            rng,
            known: None,
            next_round: Instant::now(),
        }
    }

    /// Leads whenever the fleet has leaders and it falls to this worker, until told to stop; then gives the lock up.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut fleet = self.membership.subscribe();
        while !stop.is_cancelled() {
            // An error would say that the fleet is gone: we hold its sender.
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = fleet.wait_for(Fleet::may_lead) => {}
            }
            self.home = self.membership.borrow().leader_home();
            let home = self.home;
            let moved = |fleet: &Fleet| !fleet.may_lead() || fleet.leader_home() != home;
            while !stop.is_cancelled() && !moved(&self.membership.borrow()) {
                self.tell();
                let until = match self.lock.next(now()) {
                    Task::WaitUntil(until) => until,
                    task => {
                        // To its end: of a write whose answer nobody heard, a leader would be left that is none.
                        self.deal(task).await;
                        continue;
                    }
                };
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    _ = fleet.wait_for(moved) => break,
                    () = self.rest(until.into()) => {}
                }
            }
            self.lock.leave();
            if let Task::Release { version } = self.lock.next(now()) {
                self.release(version).await;
            }
        }
    }

    /// One dealing with the lock.
    async fn deal(&mut self, task: Task) {
        match task {
            Task::Read => self.read().await,
            Task::Acquire(over) => self.acquire(&over).await,
            Task::Heartbeat { version } => self.beat(version).await,
            Task::Release { version } => self.release(version).await,
            Task::WaitUntil(_) => {}
        }
    }

    /// Nothing until then, or a leader's round when it is due before. A round may be dropped: each of its writes has a
    /// condition, and the next round looks again.
    async fn rest(&mut self, until: Instant) {
        if !self.lock.leads(now()) || self.next_round > until {
            sleep_until(until).await;
        } else {
            sleep_until(self.next_round).await;
            self.round().await;
        }
    }

    async fn read(&mut self) {
        match self.shop.store.leader(self.home).await {
            Ok(row) => {
                self.lock.on_row(row.as_ref(), now());
                self.notice(
                    row.as_ref()
                        .filter(|row| !row.released)
                        .map(|row| row.owner.clone()),
                );
            }
            Err(error) => self.on_failure(&error),
        }
    }

    async fn acquire(&mut self, over: &Over) {
        let mine = self.row();
        let sent_at = now();
        let acquired = self.shop.store.acquire_leader(self.home, over, &mine).await;
        match acquired {
            Ok(true) => {
                info!(worker_id = %mine.owner, "leads the fleet now");
                self.lock.on_acquired(mine.version, sent_at);
                self.rounds = Rounds::new(round_settings(&self.shop));
                self.next_round = Instant::now();
                self.notice(Some(mine.owner));
            }
            Ok(false) => self.lock.on_refused(now()),
            Err(error) => self.on_failure(&error),
        }
    }

    async fn beat(&mut self, version: String) {
        let (held, next) = (
            LeaderRow {
                version,
                ..self.row()
            },
            self.row(),
        );
        let sent_at = now();
        match self.shop.store.beat_leader(self.home, &held, &next).await {
            Ok(true) => self.lock.on_heartbeat(next.version, sent_at),
            Ok(false) => {
                warn!("another worker leads the fleet");
                self.lock.on_refused(now());
            }
            Err(error) => self.on_failure(&error),
        }
    }

    async fn release(&mut self, version: String) {
        let held = LeaderRow {
            version,
            ..self.row()
        };
        match self.shop.store.release_leader(self.home, &held).await {
            Ok(true) => {
                info!("leads the fleet no more");
                self.notice(None);
            }
            Ok(false) => info!("leads the fleet no more, another worker does"),
            // Others see it stand still.
            Err(error) => warn!(error = %chain(&error), "leadership cannot be given up"),
        }
        self.lock.on_released(now());
        self.leads.send_replace(false);
        self.shop.counters.set(Metric::IsLeader, 0);
    }

    /// Our row with a fresh version.
    fn row(&mut self) -> LeaderRow {
        let duration = self.shop.config.membership.lock.duration;
        LeaderRow::new(
            self.shop.config.worker_id().clone(),
            duration,
            record_version(self.rng.random()),
        )
    }

    fn on_failure(&mut self, error: &StoreError) {
        warn!(error = %chain(error), "leader's row cannot be reached");
        self.lock.on_failure(now() + RETRY);
    }

    fn notice(&mut self, leader: Option<WorkerId>) {
        if self.known != leader {
            self.known.clone_from(&leader);
            self.shop.bell.ring(ConsumerEvent::LeaderChanged { leader });
        }
    }

    fn tell(&self) {
        let leads = self.lock.leads(now());
        self.shop.counters.set(Metric::IsLeader, usize::from(leads));
        self.leads
            .send_if_modified(|told| std::mem::replace(told, leads) != leads);
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Ours: soon, and not at once.
const RETRY: Duration = Duration::from_secs(1);
