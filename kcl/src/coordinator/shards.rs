//! The leases held, each with its two tasks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, error};

use super::supervise::Supervised;
use crate::consumer::{RunEnd, RunSummary};
use crate::events::{ConsumerEvent, LossReason};
use crate::handover::holder::Patience;
use crate::health::{ConsumerState, Entry, LeasePhase, LeaseState};
use crate::lease::renewal::HeldLease;
use crate::lease::{LeaseKey, WorkerId};
use crate::metrics::Metric;
use crate::process::driver::Job;
use crate::process::hands::Workshop;
use crate::process::keeper::{Keeper, Life, Nudge, Outlet, Parting};
use crate::process::pulse::Pulse;
use crate::process::rooms::Rooms;
use crate::processor::RecordProcessorFactory;
use crate::shard::cadence::Cadence;
use crate::shard::machine::End;
use crate::source::Source;
use crate::stream::ShardContext;

/// The shards this worker reads.
#[derive(Debug)]
pub(super) struct Shards<S: Source, F> {
    shop: Arc<Workshop<S, F>>,
    rooms: Rooms,
    outlet: Outlet,
    board: Weak<watch::Sender<ConsumerState>>,
    tasks: JoinSet<Exit>,
    running: BTreeMap<LeaseKey, Nudge>,
    /// Asks one of them to stop.
    stops: BTreeMap<LeaseKey, CancellationToken>,
    /// Leases whose parents are not done: kept, and begun with when told.
    waiting: BTreeMap<LeaseKey, oneshot::Sender<()>>,
    /// Leases whose processor panicked, or whose reading stood still: not taken again before this.
    cooling: BTreeMap<LeaseKey, Instant>,
    /// Asks all of them to stop.
    stop: CancellationToken,
    /// Cuts all of them off.
    cut: CancellationToken,
    summary: RunSummary,
    /// Of the worker: a shard outlives the round in which it was taken.
    span: Span,
}

/// When a lease is begun with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    Now,
    /// Until then it is only kept: no driver, no requests but heartbeats.
    WhenTold,
}

/// A shard that runs no more.
#[derive(Debug)]
pub(super) struct Exit {
    pub(super) key: LeaseKey,
    /// `None`: cut off, or a defect of ours.
    pub(super) end: Option<End>,
    /// `None`: a defect of ours, or no time to say goodbye.
    pub(super) parting: Option<Parting>,
}

/// What follows on the end of a shard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// There may be new leases to take.
    Look,
    /// Another worker has our id, and took this lease.
    SameId(LeaseKey),
    /// Somebody gave a lease up in our place.
    Vacated,
}

impl<S: Source, F: RecordProcessorFactory> Shards<S, F> {
    /// `news` is told when keepers see that the table changed.
    pub(super) fn new(
        shop: Arc<Workshop<S, F>>,
        rooms: Rooms,
        board: Weak<watch::Sender<ConsumerState>>,
        news: Arc<Notify>,
    ) -> Self {
        let outlet = Outlet {
            life: None,
            bell: shop.bell.clone(),
            news,
            counters: shop.counters.clone(),
            cadence: Cadence::from(Instant::now().into_std()),
            measure: Arc::default(),
        };
        Self {
            shop,
            rooms,
            outlet,
            board,
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            stops: BTreeMap::new(),
            waiting: BTreeMap::new(),
            cooling: BTreeMap::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            summary: RunSummary::default(),
            span: Span::current(),
        }
    }

    /// From now on leases live by these signs, and not each by itself.
    pub(super) fn live_by(&mut self, life: watch::Receiver<Option<Life>>) {
        self.outlet.life = Some(life);
    }

    /// How this worker lives, where its leases live by that.
    pub(super) fn life(&self) -> Option<Option<Life>> {
        self.outlet.life.as_ref().map(|life| *life.borrow())
    }

    /// Whether leases are measured, for whoever knows if anybody wants to know.
    pub(super) fn measure(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.outlet.measure)
    }

    /// Starts on a lease that was just taken.
    pub(super) fn start(&mut self, held: HeldLease, begin: Begin) {
        let key = held.lease().key.clone();
        let config = &self.shop.config;
        let stream = self.shop.streams.borrow().of_key(&key).cloned();
        let store = Arc::clone(&self.shop.store);
        let patience = Patience {
            hand_over: config.leasing.hand_over_timeout,
            stop: config.coordination.shutdown_timeout,
            ..Patience::default()
        };
        let (keeper, handle) = Keeper::new(store, held.clone(), patience, self.outlet.clone());
        let (Some(stream), Some(shard_id)) = (stream, key.shard()) else {
            // Its stream was left while it was taken. A keeper without a handle gives its lease up.
            self.tasks.spawn(async move {
                let parting = Some(keeper.run().await);
                let end = Some(End::Stopped);
                Exit { key, end, parting }
            });
            return;
        };
        let shard = ShardContext::in_stream(&stream, shard_id, config.worker_id().clone());
        self.running.insert(key.clone(), handle.nudge());
        let pulse = Pulse::new(key.clone(), self.shop.bell.clone(), self.shop.counters.clone());
        let stop = self.stop.child_token();
        self.stops.insert(key.clone(), stop.clone());
        self.show(|state| {
            let shown = LeaseState {
                phase: LeasePhase::WaitingForParents,
                pulse: Some(pulse.clone()),
            };
            state.leases.insert(key.clone(), shown);
        });
        let gate = (begin == Begin::WhenTold).then(|| {
            let (open, gate) = oneshot::channel();
            self.waiting.insert(key.clone(), open);
            gate
        });
        let job = Job {
            shop: Arc::clone(&self.shop),
            rooms: self.rooms.clone(),
            stream,
            shard,
            lease: held.lease().clone(),
            keeper: handle.clone(),
            pulse,
            entry: Entry::new(Weak::clone(&self.board), key),
            stop,
        };
        let supervised = Supervised {
            job,
            gate,
            keeper,
            handle,
            cut: self.cut.clone(),
        };
        self.tasks.spawn(supervised.run().instrument(self.span.clone()));
        self.summary.leases_taken += 1;
        self.shop.counters.add(Metric::TakenLeases, 1);
        self.shop.counters.set(Metric::CurrentLeases, self.running.len());
    }

    /// Whether a held lease waits for its parents.
    pub(super) fn waits(&self, key: &LeaseKey) -> bool {
        self.waiting.contains_key(key)
    }

    /// Begins with a lease that waited.
    pub(super) fn begin(&mut self, key: &LeaseKey) {
        if let Some(open) = self.waiting.remove(key) {
            // Nobody listens any more where it is given up already.
            let _ = open.send(());
        }
    }

    /// Asks the shards to end whose streams are not read any more.
    pub(super) fn leave_streams(&self) {
        let streams = self.shop.streams.borrow();
        for (key, stop) in &self.stops {
            if streams.of_key(key).is_none() {
                stop.cancel();
            }
        }
    }

    /// Has a lease's keeper look at its row, if the lease is held.
    pub(super) fn look(&self, key: &LeaseKey) {
        if let Some(nudge) = self.running.get(key) {
            nudge.look();
        }
    }

    pub(super) fn held(&self) -> usize {
        self.running.len()
    }

    /// Whether somebody else writes to a held lease in our name: its counter cannot come from its keeper's own writes, or its
    /// keeper finds again and again that its heartbeat has been sent already.
    pub(super) fn is_foreign(&self, key: &LeaseKey, counter: u64) -> bool {
        let is_foreign = |nudge: &Nudge| counter > nudge.reach() || nudge.recovered() >= LOST_REPLIES;
        self.running.get(key).is_some_and(is_foreign)
    }

    fn show(&self, change: impl FnOnce(&mut ConsumerState)) {
        if let Some(board) = self.board.upgrade() {
            board.send_modify(change);
        }
    }

    pub(super) fn holds(&self, key: &LeaseKey) -> bool {
        self.running.contains_key(key)
    }

    pub(super) fn keys(&self) -> HashSet<LeaseKey> {
        self.running.keys().cloned().collect()
    }

    pub(super) fn is_cooling(&self, key: &LeaseKey) -> bool {
        self.cooling.get(key).is_some_and(|until| Instant::now() < *until)
    }

    /// The next shard that ended; waits for ever where none runs.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn next_exit(&mut self) -> Exit {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(exit)) => return exit,
                // Supervision itself was aborted, or has a defect: its lease expires.
                Some(Err(defect)) => error!(error = %defect, "supervision of a shard ended"),
                None => std::future::pending().await,
            }
        }
    }

    /// Takes in an end.
    pub(super) fn on_exit(&mut self, exit: Exit) -> Then {
        let Exit { key, end, parting } = exit;
        self.running.remove(&key);
        self.stops.remove(&key);
        self.waiting.remove(&key);
        self.shop.counters.set(Metric::CurrentLeases, self.running.len());
        self.shop
            .counters
            .add(Metric::LostLeases, usize::from(end == Some(End::Lost)));
        self.show(|state| {
            state.leases.remove(&key);
        });
        let bell = &self.shop.bell;
        match end {
            Some(End::Finished) => {
                self.summary.shards_finished += 1;
                bell.ring(ConsumerEvent::ShardFinished {
                    lease_key: key.clone(),
                });
            }
            Some(End::Lost) => self.summary.leases_lost += 1,
            Some(End::Stopped) => {}
            Some(End::Panicked | End::Stalled) | None => {
                self.cooling
                    .insert(key.clone(), Instant::now() + self.shop.config.leasing.failover);
            }
        }
        if end == Some(End::Panicked) {
            self.summary.panics += 1;
            bell.ring(ConsumerEvent::ProcessorPanicked {
                lease_key: key.clone(),
            });
        }
        match parting {
            // A finished lease is nobody's.
            Some(Parting::GivenUp { to }) if end != Some(End::Finished) => {
                bell.ring(ConsumerEvent::LeaseHandedOver { lease_key: key, to });
            }
            Some(Parting::Lost { reason, to }) => {
                let (lease_key, to_nobody) = (key.clone(), to.is_none());
                bell.ring(ConsumerEvent::LeaseLost {
                    lease_key,
                    reason,
                    to,
                });
                match (reason, to_nobody) {
                    (LossReason::SameId, _) => return Then::SameId(key),
                    (LossReason::Taken, true) => return Then::Vacated,
                    _ => {}
                }
            }
            Some(Parting::Left) => bell.ring(ConsumerEvent::LeaseLost {
                lease_key: key,
                reason: LossReason::Expired,
                to: None,
            }),
            Some(Parting::GivenUp { .. }) | None => {}
        }
        match end {
            Some(End::Finished) => Then::Look,
            _ => Then::Nothing,
        }
    }

    /// Asks every shard to end. `successors`: who gets which lease then.
    pub(super) fn stop_all(&self, successors: &[(LeaseKey, WorkerId)]) {
        let next: HashMap<&LeaseKey, &WorkerId> = successors.iter().map(|(key, next)| (key, next)).collect();
        for (lease_key, nudge) in &self.running {
            nudge.stop(next.get(lease_key).map(|next| (*next).clone()));
        }
        self.stop.cancel();
    }

    /// Ends every shard where it stands and gives its lease up.
    pub(super) fn cut_all(&self) {
        self.cut.cancel();
    }

    pub(super) fn summary(&self, end: RunEnd) -> RunSummary {
        RunSummary {
            end,
            records: self.shop.tally.records.load(Ordering::Relaxed),
            batches: self.shop.tally.batches.load(Ordering::Relaxed),
            ..self.summary.clone()
        }
    }
}

/// Ours: one lost reply is bad luck, and so may be two.
const LOST_REPLIES: u64 = 3;
