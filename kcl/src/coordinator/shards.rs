//! The leases held, each with its two tasks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kinesis_aggregation::ShardId;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, error};

use crate::consumer::RunSummary;
use crate::lease::LeaseKey;
use crate::lease::renewal::HeldLease;
use crate::process::driver::drive;
use crate::process::hands::Workshop;
use crate::process::keeper::{Command, Keeper, KeeperHandle, Nudge};
use crate::processor::RecordProcessorFactory;
use crate::shard::machine::End;
use crate::source::Source;
use crate::stream::ShardContext;

/// The shards this worker reads.
#[derive(Debug)]
pub(super) struct Shards<S: Source, F> {
    shop: Arc<Workshop<S, F>>,
    tasks: JoinSet<Exit>,
    running: HashMap<LeaseKey, Nudge>,
    /// Leases whose processor panicked: not taken again before this.
    cooling: HashMap<LeaseKey, Instant>,
    /// Asks all of them to stop.
    stop: CancellationToken,
    /// Cuts all of them off.
    cut: CancellationToken,
    summary: RunSummary,
}

/// A shard that runs no more.
#[derive(Debug)]
pub(super) struct Exit {
    key: LeaseKey,
    /// `None`: cut off, or a defect of ours.
    end: Option<End>,
}

impl<S: Source, F: RecordProcessorFactory> Shards<S, F> {
    pub(super) fn new(shop: Arc<Workshop<S, F>>) -> Self {
        Self {
            shop,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            cooling: HashMap::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            summary: RunSummary::default(),
        }
    }

    /// Starts on a lease that was just taken.
    pub(super) fn start(&mut self, held: HeldLease) {
        let key = held.lease().key.clone();
        let config = &self.shop.config;
        let shard_id = match ShardId::new(key.as_str()) {
            Ok(shard_id) => shard_id,
            Err(why) => {
                // Such a row is not taken in the first place.
                error!(lease_key = %key, error = %why, "lease does not name a shard");
                self.cooling
                    .insert(key, Instant::now() + Duration::from_secs(3600));
                return;
            }
        };
        let shard = ShardContext::new(config.stream().clone(), shard_id, config.worker_id().clone());
        let (keeper, handle) = Keeper::new(Arc::clone(&self.shop.store), held.clone());
        self.running.insert(key, handle.nudge());
        let supervised = Supervised {
            shop: Arc::clone(&self.shop),
            shard,
            held,
            keeper,
            handle,
            stop: self.stop.clone(),
            cut: self.cut.clone(),
        };
        self.tasks.spawn(supervised.run().instrument(Span::current()));
        self.summary.leases_taken += 1;
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

    /// Takes in an end. Whether there may be new leases to take because of it.
    pub(super) fn on_exit(&mut self, exit: Exit) -> bool {
        self.running.remove(&exit.key);
        match exit.end {
            Some(End::Finished) => self.summary.shards_finished += 1,
            Some(End::Lost) => self.summary.leases_lost += 1,
            Some(End::Stopped) => {}
            Some(End::Panicked) | None => {
                self.summary.panics += u64::from(exit.end.is_some());
                self.cooling
                    .insert(exit.key, Instant::now() + self.shop.config.leasing.failover);
            }
        }
        exit.end == Some(End::Finished)
    }

    /// Asks every shard to end.
    pub(super) fn ask_all_to_stop(&self) {
        self.stop.cancel();
    }

    /// Ends every shard where it stands and gives its lease up.
    pub(super) fn cut_all(&self) {
        self.cut.cancel();
    }

    pub(super) fn summary(&self) -> RunSummary {
        RunSummary {
            records: self.shop.tally.records.load(Ordering::Relaxed),
            batches: self.shop.tally.batches.load(Ordering::Relaxed),
            ..self.summary.clone()
        }
    }
}

/// The two tasks of one lease.
struct Supervised<S: Source, F> {
    shop: Arc<Workshop<S, F>>,
    shard: ShardContext,
    held: HeldLease,
    keeper: Keeper,
    handle: KeeperHandle,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl<S: Source, F: RecordProcessorFactory> Supervised<S, F> {
    async fn run(self) -> Exit {
        let Self {
            shop,
            shard,
            held,
            keeper,
            handle,
            stop,
            cut,
        } = self;
        let key = shard.lease_key().clone();
        let mut keeping = JoinSet::new();
        keeping.spawn(keeper.run().instrument(Span::current()));
        let mut driving = JoinSet::new();
        let driver = drive(shop, shard, held.lease().clone(), handle.clone(), stop);
        driving.spawn(driver.instrument(Span::current()));
        let end = tokio::select! {
            biased;
            ended = driving.join_next() => match ended {
                Some(Ok(end)) => Some(end),
                Some(Err(defect)) => {
                    error!(lease_key = %key, error = %defect, "driver of a shard ended");
                    None
                }
                None => None,
            },
            () = cut.cancelled() => {
                driving.abort_all();
                None
            }
        };
        // Whatever the end was: a keeper left alone would keep the lease for ever.
        let (reply, given_up) = oneshot::channel();
        let farewell = async {
            if handle.send(Command::GiveUp { reply }).await {
                let _ = given_up.await;
            }
            keeping.join_next().await
        };
        let _ = timeout(FAREWELL, farewell).await;
        Exit { key, end }
    }
}

/// Ours: a few round trips to the table. What is not given up by then expires.
const FAREWELL: Duration = Duration::from_secs(5);
