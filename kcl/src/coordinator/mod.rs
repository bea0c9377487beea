//! One worker's background: starts, finds leases to take, watches over the shards it reads, stops.
//!
//! ```text
//!  start ──> round, round, round … ──> shutdown          audit, every now and then
//!              │ scan the table                            │ shards without lease: create
//!              │ plan (assign)                             │ finished leases: delete
//!              │ take, ask for                             └─ in a task of its own
//!              └─> shards: one keeper and one driver for each lease held
//! ```
//!
//! All of it runs in the office (`process::rooms`), but for the drivers, which call the user's code.

mod assign;
mod audit;
mod early;
mod heart;
mod leader;
mod membership;
mod probe;
mod recreated;
mod reporter;
mod shards;
mod shutdown;
mod start;
mod streams;
mod supervise;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rand::Rng as _;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info};

use self::assign::Assigner;
use self::audit::Auditor;
use self::early::find_children;
use self::heart::Heart;
use self::leader::Leader;
use self::membership::{Membership, follow};
use self::reporter::report;
use self::shards::{Shards, Then};
use self::streams::Desk;
use crate::config::{ChildShards, Streams};
use crate::consumer::{RunEnd, RunSummary};
use crate::error::RunError;
use crate::events::ConsumerEvent;
use crate::fleet::HeartbeatUse;
use crate::health::{ConsumerState, Stage};
use crate::metrics::{Metric, Uploads};
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::process::rooms::{self, Rooms};
use crate::processor::RecordProcessorFactory;
use crate::source::Source;

/// One worker, about to run.
#[derive(Debug)]
pub(crate) struct Worker<S: Source, F> {
    pub(crate) shop: Arc<Workshop<S, F>>,
    pub(crate) stop: CancellationToken,
    pub(crate) board: watch::Sender<ConsumerState>,
    /// Where metrics go, beside whoever asks for them.
    pub(crate) uploads: Option<Uploads>,
}

impl<S: Source, F: RecordProcessorFactory> Worker<S, F> {
    /// Runs until asked to stop, or until it cannot go on. Dropped, it aborts all its tasks.
    pub(crate) async fn run(self) -> Result<RunSummary, RunError> {
        let span = tracing::info_span!(
            "kcl.worker",
            stream = self.shop.config.stream().map(tracing::field::display),
            worker_id = %self.shop.config.worker_id(),
        );
        match rooms::open(move |rooms| self.run_in(rooms))
            .instrument(span)
            .await
        {
            Ok(ended) => ended,
            Err(source) => Err(RunError::Thread { source }),
        }
    }

    async fn run_in(mut self, rooms: Rooms) -> Result<RunSummary, RunError> {
        let uploading = self.uploads.take().map(|uploads| {
            let config = &self.shop.config;
            let namespace = config
                .metrics
                .namespace()
                .unwrap_or_else(|| config.application_name());
            let phase = config.rng("metrics").random_range(0.5..1.0);
            uploads.start(self.shop.counters.clone(), namespace, phase, rooms.floor())
        });
        // A part of the type that callers need not look into.
        let consuming: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(self.consume(rooms));
        let ended = consuming.await;
        if let Some(uploading) = uploading {
            uploading.finish().await;
        }
        ended
    }

    async fn consume(self, rooms: Rooms) -> Result<RunSummary, RunError> {
        let Self {
            shop, stop, board, ..
        } = self;
        let (board, news) = (Arc::new(board), Arc::new(Notify::new()));
        let floor = rooms.floor().clone();
        let mut shards = Shards::new(
            Arc::clone(&shop),
            rooms,
            Arc::downgrade(&board),
            Arc::clone(&news),
        );
        let fleet = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(shards.summary(RunEnd::ShutdownRequested)),
            started = start::start(&shop) => {
                shop.counters.tried(Metric::StartSuccess, started.is_ok());
                started?
            }
        };
        let heart = match fleet.heartbeats() {
            HeartbeatUse::EachLease => None,
            HeartbeatUse::EachWorker => Some(tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(shards.summary(RunEnd::ShutdownRequested)),
                begun = Heart::begin(Arc::clone(&shop)) => begun?,
            }),
        };
        info!("consumer started");

        let membership: Arc<Membership> = Arc::new(Membership::new(fleet));
        let mut offices = Offices::open(&shop, &membership, &news, shards.measure());
        if let Streams::Several(several) = shop.config.streams.clone() {
            let desk = Desk {
                shop: Arc::clone(&shop),
                several,
                membership: Arc::clone(&membership),
                leads: offices.leads.clone(),
                news: Arc::clone(&news),
                board: Arc::downgrade(&board),
                floor: floor.clone(),
            };
            offices.auditing.spawn(desk.run());
        }
        if shop.config.children == ChildShards::AtOnce {
            let finding = find_children(Arc::clone(&shop), Arc::downgrade(&board), Arc::clone(&news));
            offices.auditing.spawn(finding);
        }
        if let Some(heart) = heart {
            shards.live_by(heart.life());
            offices
                .beating
                .spawn(heart.run(Arc::clone(&news), offices.close.clone()));
        }
        let mut assigner = Assigner::new(Arc::clone(&shop), Arc::clone(&membership), stop.clone());
        let ended = tokio::select! {
            biased;
            ended = attend(&mut assigner, &mut shards, &board, &stop, &news) => ended,
            error = follow(Arc::clone(&shop), membership, offices.leads.clone()) => Err(error),
            error = shop.halt.asked() => Err(error),
        };
        if let Err(error) = &ended {
            error!(error = %chain(error), "consumer cannot go on");
        }

        info!("consumer stops");
        shop.bell.ring(ConsumerEvent::Stopping {
            leases_held: shards.held(),
        });
        board.send_modify(|state| state.stage = Stage::Stopping);
        offices.retire().await;
        let successors = match &ended {
            Ok(()) => assigner.successors(&shards.keys()).await,
            Err(_) => Vec::new(),
        };
        shutdown::give_all_up(&mut shards, &shop, successors, assigner.others()).await;
        offices.close().await;
        info!("consumer stopped");
        ended.map(|()| shards.summary(RunEnd::ShutdownRequested))
    }
}

/// The tasks beside the assigner. Dropped, they are aborted.
struct Offices {
    auditing: JoinSet<()>,
    reporting: JoinSet<()>,
    leading: JoinSet<()>,
    beating: JoinSet<()>,
    /// Whether this worker leads.
    leads: watch::Receiver<bool>,
    retire: CancellationToken,
    close: CancellationToken,
}

impl Offices {
    fn open<S: Source, F: RecordProcessorFactory>(
        shop: &Arc<Workshop<S, F>>,
        membership: &Arc<Membership>,
        news: &Arc<Notify>,
        measure: Arc<AtomicBool>,
    ) -> Self {
        let (retire, close) = (CancellationToken::new(), CancellationToken::new());
        let (leads, leading_now) = watch::channel(false);
        let (mut auditing, mut reporting, mut leading) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        let auditor = Auditor::new(Arc::clone(shop), Arc::clone(news));
        auditing.spawn(auditor.run(Arc::clone(membership), leading_now.clone()));
        auditing.spawn(recreated::watch_over(Arc::clone(shop), Arc::clone(news)));
        reporting.spawn(report(
            Arc::clone(shop),
            Arc::clone(membership),
            measure,
            retire.clone(),
        ));
        let leader = Leader::new(Arc::clone(shop), Arc::clone(membership), leads);
        leading.spawn(leader.run(close.clone()));
        Self {
            auditing,
            reporting,
            leading,
            beating: JoinSet::new(),
            leads: leading_now,
            retire,
            close,
        }
    }

    /// Audits no more, and takes this worker's metrics row away.
    async fn retire(&mut self) {
        self.auditing.shutdown().await;
        self.retire.cancel();
        let _ = timeout(GOODBYE, self.reporting.join_next()).await;
    }

    /// Gives leadership up, and ends the worker's own heartbeat, last of all.
    async fn close(mut self) {
        self.close.cancel();
        let _ = timeout(GOODBYE, self.beating.join_next()).await;
        let _ = timeout(GOODBYE, self.leading.join_next()).await;
    }
}

/// Ours: a few round trips to the table. What is not written by then is seen to stand still.
const GOODBYE: Duration = Duration::from_secs(5);

/// Looks at the table when it is time to, and at what becomes of the shards, until asked to stop.
async fn attend<S: Source, F: RecordProcessorFactory>(
    assigner: &mut Assigner<S, F>,
    shards: &mut Shards<S, F>,
    board: &watch::Sender<ConsumerState>,
    stop: &CancellationToken,
    news: &Notify,
) -> Result<(), RunError> {
    let mut next_look = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            exit = shards.next_exit() => match shards.on_exit(exit) {
                Then::Nothing => next_look = next_look.min(assigner.soon()),
                Then::Look => {
                    assigner.doubt();
                    next_look = Instant::now();
                }
                Then::SameId(lease_key) => assigner.on_same_id(&lease_key),
                Then::Vacated => {
                    assigner.on_vacated();
                    assigner.doubt();
                    next_look = Instant::now();
                }
            },
            () = news.notified() => {
                assigner.doubt();
                next_look = Instant::now();
            }
            () = sleep_until(next_look) => {
                next_look = assigner.round(shards).await?;
                board.send_if_modified(|state| {
                    std::mem::replace(&mut state.stage, Stage::Running) != Stage::Running
                });
            }
        }
    }
}
