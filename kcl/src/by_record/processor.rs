//! Carries out what the lanes of one shard decide: calls the handler, writes dead letters, moves the checkpoint.
//!
//! All of it happens inside the processor's own futures, in the shard's task: the lease's fence holds for each handler, and
//! when the lease is lost they are dropped where they wait.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::time::{sleep_until, timeout};
use tracing::{Instrument as _, Span, warn};

use super::ReceivedRecord;
use super::answers::Answers;
use super::attend::attend;
use super::saves::Saves;
use super::shared::Shared;
use super::teller::Teller;
use super::verdicts::{NoDeadLetters, verdicts};
use crate::dead_letter::DeadLetter;
use crate::error::{BoxError, CheckpointError};
use crate::lanes::outcome::Reason;
use crate::lanes::{Job, Lanes};
use crate::position::Position;
use crate::process::Checkpointer;
use crate::process::keeper::chain;
use crate::processor::{RecordBatch, RecordProcessor, WorkUntil};
use crate::record::ClientRecord;
use crate::source::ahead::Hold;
use crate::stream::ShardContext;

/// The processor behind [`for_each_record`](crate::ConsumerBuilder::for_each_record).
pub struct RecordLanes {
    shared: Arc<Shared>,
    shard: Arc<ShardContext>,
    teller: Teller,
    lanes: Lanes<Kept>,
    /// Bounded by the lanes: so many calls, so many letters.
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    saving: Option<BoxFuture<'static, (Position, Result<(), CheckpointError>)>>,
    saved: Option<Position>,
    next_save: Instant,
    /// How many records were passed when the last save began.
    passed_at_save: u64,
    rng: SmallRng,
}

/// What is kept of a record until it is passed: with it, its part of the memory budget.
#[derive(Debug)]
struct Kept {
    record: ClientRecord,
    _hold: Option<Hold>,
}

/// A piece of work that has ended.
enum Done {
    Call {
        tickets: Vec<u64>,
        answers: Result<Answers, Reason>,
    },
    Letter {
        ticket: u64,
        written: Result<(), BoxError>,
    },
}

impl RecordLanes {
    pub(super) fn new(shared: Arc<Shared>, shard: &ShardContext, rng: SmallRng) -> Self {
        let shard = Arc::new(shard.clone());
        Self {
            teller: Teller::new(Arc::clone(&shared), Arc::clone(&shard)),
            lanes: Lanes::new(shared.rules.clone()),
            shared,
            shard,
            work: FuturesUnordered::new(),
            saving: None,
            saved: None,
            next_save: now(),
            passed_at_save: 0,
            rng,
        }
    }

    /// Goes on until `is_enough`.
    ///
    /// # Cancel safety
    /// Nothing is lost: what runs is in `self`.
    async fn advance(&mut self, checkpointer: &Checkpointer, is_enough: impl Fn(&Lanes<Kept>) -> bool) {
        loop {
            while let Some(job) = self.lanes.next(now()) {
                self.begin(job);
            }
            self.save(checkpointer);
            if is_enough(&self.lanes) {
                self.glance().await;
                return;
            }
            let wake = self.next_wake();
            let timer = async {
                match wake {
                    Some(wake) => sleep_until(wake.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(done) = self.work.next() => self.take_in(done),
                saved = in_progress(&mut self.saving) => self.on_saved(saved),
                () = timer => {}
            }
        }
    }

    /// Lets what runs take a step, without waiting for it: a reader that always has the next batch must not starve it.
    async fn glance(&mut self) {
        poll_fn(|cx| {
            while let Poll::Ready(Some(done)) = self.work.poll_next_unpin(cx) {
                self.take_in(done);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// `None`: only work that ends brings anything new.
    fn next_wake(&self) -> Option<Instant> {
        let idle = self.saving.is_none() && self.lanes.watermark() > self.saved.as_ref();
        let save = (idle && self.next_save > now()).then_some(self.next_save);
        self.lanes.next_wake().into_iter().chain(save).min()
    }

    fn begin(&self, job: Job) {
        let work = match job {
            Job::Handle(tickets) => self.call(tickets),
            Job::Letter(ticket) => self.letter(ticket),
        };
        if let Some(work) = work {
            self.work.push(work);
        }
    }

    fn call(&self, tickets: Vec<u64>) -> Option<BoxFuture<'static, Done>> {
        let records: Vec<_> = tickets
            .iter()
            .filter_map(|&ticket| self.received(ticket))
            .collect();
        let first = records.first()?;
        let (id, key) = (first.id(), first.partition_key().map(str::to_owned));
        let shared = Arc::clone(&self.shared);
        let span = shared
            .spans
            .as_ref()
            .map_or_else(Span::none, |spans| spans.of(first));
        let (deadline, on_deadline) = (shared.options.deadline, shared.options.on_deadline);
        let call = shared.handler.call(records);
        let attended = async move {
            let overdue = || shared.on_overdue(id, key);
            let answers = attend(call, deadline, on_deadline, overdue).await;
            Done::Call { tickets, answers }
        };
        Some(Box::pin(attended.instrument(span)))
    }

    fn letter(&self, ticket: u64) -> Option<BoxFuture<'static, Done>> {
        let reason = self.lanes.letter_reason(ticket)?.clone();
        let letter = DeadLetter::new(self.received(ticket)?, reason);
        let sink = self.shared.dead_letters.clone();
        Some(Box::pin(async move {
            let written = match sink {
                Some(sink) => sink.take(vec![letter]).await,
                // Not by what is checked when a consumer is built.
                None => Err(NoDeadLetters.into()),
            };
            Done::Letter { ticket, written }
        }))
    }

    fn received(&self, ticket: u64) -> Option<ReceivedRecord> {
        let entry = self.lanes.entry(ticket)?;
        let record = entry.item.record.clone();
        Some(ReceivedRecord::of_shard(
            record,
            Arc::clone(&self.shard),
            entry.attempt,
        ))
    }

    fn take_in(&mut self, done: Done) {
        let chance = self.rng.random();
        match done {
            Done::Call { tickets, answers } => {
                let ids = self.ids(&tickets);
                let has_letters = self.shared.dead_letters.is_some();
                let (answers, whole) = verdicts(tickets, answers, has_letters, self.lanes.is_draining());
                let fates = self.lanes.on_answers(answers, whole, now(), chance);
                for (ticket, fate) in fates {
                    if let Some((_, (id, attempt))) = ids.iter().find(|(t, _)| *t == ticket) {
                        self.teller.tell(id, *attempt, fate, None);
                    }
                }
            }
            Done::Letter { ticket, written } => {
                let ids = self.ids(&[ticket]);
                let fate = self.lanes.on_letter(ticket, written.is_ok(), now(), chance);
                if let (Some(fate), Some((_, (id, attempt)))) = (fate, ids.first()) {
                    self.teller.tell(id, *attempt, fate, written.err());
                }
            }
        }
    }

    fn ids(&self, tickets: &[u64]) -> Vec<(u64, (Position, u32))> {
        let id = |&ticket: &u64| {
            let entry = self.lanes.entry(ticket)?;
            Some((ticket, (entry.position.clone(), entry.attempt)))
        };
        tickets.iter().filter_map(id).collect()
    }

    /// Begins to move the checkpoint to the watermark, if it is time to.
    fn save(&mut self, checkpointer: &Checkpointer) {
        let passed = self.lanes.passed() - self.passed_at_save;
        if self.saving.is_some() || self.next_save > now() || !self.shared.saves.is_due(passed) {
            return;
        }
        let Some(position) = self.unsaved() else { return };
        let checkpointer = checkpointer.clone();
        self.passed_at_save = self.lanes.passed();
        self.next_save = now() + self.shared.saves.pause();
        self.saving = Some(Box::pin(async move {
            let saved = checkpointer.checkpoint_at(&position).await;
            (position, saved)
        }));
    }

    fn unsaved(&self) -> Option<Position> {
        self.lanes
            .watermark()
            .filter(|&mark| self.saved.as_ref() < Some(mark))
            .cloned()
    }

    fn on_saved(&mut self, (position, saved): (Position, Result<(), CheckpointError>)) {
        self.saving = None;
        match saved {
            Ok(()) => self.saved = Some(position),
            Err(error) => {
                // Whoever lost the lease hears of it from the driver; the table is asked again at the next turn.
                self.passed_at_save = 0;
                self.next_save = now() + self.shared.saves.pause().max(AFTER_FAILURE);
                warn!(shard_id = %self.shard.shard_id(), error = %chain(&error), "checkpoint of handled records failed");
            }
        }
    }

    /// Drops the handlers where they wait.
    fn cut(&mut self) -> usize {
        let running = self.work.len();
        self.work.clear();
        self.saving = None;
        running
    }
}

impl RecordProcessor for RecordLanes {
    const BY_RECORD: bool = true;

    /// Accepts the records. What became of those before is seen to by [`work_on`](Self::work_on).
    async fn process_records(&mut self, mut batch: RecordBatch, _: &Checkpointer) -> Result<(), BoxError> {
        let hold = batch.take_hold();
        let now = now();
        for record in batch.into_records() {
            let (position, key, bytes) = (
                record.position().clone(),
                record.shared_key(),
                record.data().len(),
            );
            let kept = Kept {
                record,
                _hold: hold.clone(),
            };
            self.lanes.accept(position, key, bytes, kept, now);
        }
        Ok(())
    }

    async fn work_on(&mut self, until: WorkUntil, checkpointer: &Checkpointer) {
        match until {
            WorkUntil::Room => self.advance(checkpointer, Lanes::has_room).await,
            WorkUntil::Interrupted => self.advance(checkpointer, |_| false).await,
            WorkUntil::Finished => self.advance(checkpointer, Lanes::is_finished).await,
        }
    }

    async fn lease_lost(&mut self) {
        self.cut();
        self.lanes = Lanes::new(self.shared.rules.clone());
    }

    async fn shard_ended(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        self.saving = None;
        checkpointer.checkpoint().await?;
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        self.lanes.drain();
        let time = self.shared.options.drain;
        if timeout(time, self.advance(checkpointer, Lanes::is_drained))
            .await
            .is_err()
        {
            let cut_off = self.cut();
            self.teller.drain_timed_out(cut_off);
        }
        self.saving = None;
        match self.unsaved() {
            Some(_) if self.shared.saves == Saves::Never => Ok(()),
            Some(position) => Ok(checkpointer.checkpoint_at(&position).await?),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for RecordLanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RecordLanes");
        debug
            .field("shard_id", self.shard.shard_id())
            .field("lanes", &self.lanes);
        debug.finish_non_exhaustive()
    }
}

async fn in_progress<T>(work: &mut Option<impl Future<Output = T> + Unpin>) -> T {
    match work {
        Some(work) => work.await,
        None => pending().await,
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Ours: a table that does not answer is not asked more often.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
