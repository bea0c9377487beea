//! Carries out the steps of one shard: calls the user's code, the source, the keeper. Decides nothing.

use std::any::Any;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::FutureExt as _;
use kinesis_aggregation::HashKeyRange;
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tracing::{Span, debug, error, field, info, warn};

use super::Checkpointer;
use super::beside::{beside, work_on};
use super::call::{Broken, watched};
use super::children::{ChildrenError, record_children, unfinished_parent};
use super::failing::{Failing, Left};
use super::keeper::{Command, KeeperHandle, chain, tell};
use super::opening::{Opening, open};
use super::pulse::Pulse;
use super::rooms::Rooms;
use super::standstill::stuck;
use super::strays::Strays;
use super::unasked::{NotCheckpointed, Unasked};
use crate::config::{Backoff, CheckpointPolicy, ChildShards, OnStray};
use crate::dead_letter::panic_message;
use crate::events::{ConsumerEvent, StallRemedy};
use crate::initialization::{Choice, FencingToken, Initialization};
use crate::lease::Lease;
use crate::metrics::Metric;
use crate::position::{Checkpoint, SequenceNumber};
use crate::processor::{RecordBatch, RecordProcessor, RecordProcessorFactory, WorkUntil};
use crate::record::DroppedRecords;
use crate::shard::machine::{Event, Step};
use crate::shard::progress::Watch;
use crate::source::ahead::{HeldBatch, ReadAhead};
use crate::source::{ShardEnd, Source};
use crate::stream::{ShardContext, Stream};

pub(crate) use super::workshop::{Tally, Workshop};

/// Everything that the steps of one shard touch.
pub(super) struct Hands<S: Source, F: RecordProcessorFactory> {
    shop: Arc<Workshop<S, F>>,
    rooms: Rooms,
    stream: Stream,
    shard: ShardContext,
    /// As it was taken.
    lease: Lease,
    keeper: KeeperHandle,
    checkpointer: Checkpointer,
    processor: Option<F::Processor>,
    pulse: Pulse,
    watch: Watch,
    reading: Option<ReadAhead>,
    /// The last Kinesis record that was taken from the reader.
    taken: Option<SequenceNumber>,
    /// When reading began, by the wall clock.
    opened: Option<SystemTime>,
    in_hand: Option<HeldBatch>,
    end: ShardEnd,
    opening: Opening,
    unasked: Unasked,
    strays: Strays,
    pauses: Option<ExponentialBackoff>,
    rng: SmallRng,
    /// In a row, of the step that is repeated.
    failures: u32,
    failing: Failing,
}

impl<S: Source, F: RecordProcessorFactory> Hands<S, F> {
    pub(super) fn new(
        shop: Arc<Workshop<S, F>>,
        rooms: Rooms,
        stream: Stream,
        shard: ShardContext,
        lease: Lease,
        keeper: KeeperHandle,
        pulse: Pulse,
    ) -> Self {
        let (watching, reads) = (&shop.config.watching, &shop.config.retrieval);
        let watch = Watch::new(watching.stall, reads.idle, reads.request_timeout);
        let rng = shop.config.rng(&format!("process/{}", shard.lease_key()));
        let policy = match F::Processor::BY_RECORD {
            // Such a processor checkpoints what is acknowledged, and sees to the policy itself.
            true => CheckpointPolicy::Manual,
            false => shop.config.checkpointing.policy,
        };
        let stream_position = stream.position();
        Self {
            shop,
            rooms,
            stream,
            shard,
            opening: Opening::of(&lease, stream_position),
            unasked: Unasked::new(policy, Checkpointer::new(keeper.clone())),
            strays: Strays::default(),
            lease,
            checkpointer: Checkpointer::new(keeper.clone()),
            keeper,
            processor: None,
            pulse,
            watch,
            reading: None,
            taken: None,
            opened: None,
            in_hand: None,
            end: ShardEnd::default(),
            pauses: None,
            rng,
            failures: 0,
            failing: Failing::default(),
        }
    }

    /// Carries a step out. Where the keeper is gone it waits for ever: the driver hears of it and drops the call.
    pub(super) async fn act(&mut self, step: Step) -> Event {
        let event = match step {
            Step::CheckParents => self.check_parents().await,
            Step::WaitForParents => {
                sleep(self.shop.config.coordination.parent_poll).await;
                Event::Paused
            }
            Step::Pause => {
                let pause = sleep(self.next_pause());
                match beside(&mut self.processor, &self.checkpointer, pause).await {
                    Ok(()) => Event::Paused,
                    Err(panic) => self.panicked("work_on", &*panic),
                }
            }
            Step::Initialize => self.initialize().await,
            Step::Read => self.read().await,
            Step::Process => self.process().await,
            Step::Finish { hurry } => self.finish(hurry).await,
            Step::RecordChildren => self.record_children().await,
            Step::EndShard => self.end_shard().await,
            Step::RequestShutdown => self.request_shutdown().await,
            Step::TellLost => self.tell_lost().await,
            Step::GiveUp => self.give_up().await,
            // The driver ends before it comes here.
            Step::Done(_) => pending().await,
        };
        if !matches!(event, Event::Failed | Event::Paused) {
            self.pauses = None;
            self.failures = 0;
        }
        event
    }

    async fn check_parents(&mut self) -> Event {
        if self.shop.config.children == ChildShards::AtOnce {
            return Event::ParentsFinished;
        }
        let (store, stream) = (Arc::clone(&self.shop.store), self.stream.clone());
        let parents = self.lease.parents.clone();
        let look = async move { unfinished_parent(&*store, &stream, parents).await };
        match self.rooms.in_office(look).await {
            Ok(None) => Event::ParentsFinished,
            Ok(Some(parent)) => {
                debug!(%parent, "waiting for the parent shard");
                Event::ParentsUnfinished
            }
            Err(error) => self.failed("parent shard cannot be looked up", &error),
        }
    }

    async fn initialize(&mut self) -> Event {
        if self.lease.is_finished() {
            // The machine begins a finished lease elsewhere.
            return Event::Panicked;
        }
        let (shop, stream, shard_id) = (&self.shop, &self.stream, self.shard.shard_id());
        match open(shop, stream, shard_id, &mut self.lease, &self.checkpointer).await {
            Ok(opening) => self.opening = opening,
            Err(error) => return self.failed("the start cannot be found", &*error),
        }
        if self.processor.is_none() {
            match catch_unwind(AssertUnwindSafe(|| self.shop.factory.create(&self.shard))) {
                Ok(processor) => self.processor = Some(processor),
                Err(panic) => return self.panicked("create", &*panic),
            }
        }
        let Some(processor) = &mut self.processor else {
            return Event::Panicked;
        };
        let choice = Choice::default();
        let input = Initialization {
            shard: &self.shard,
            checkpoint: &self.lease.checkpoint,
            pending: self.lease.pending.as_ref(),
            token: FencingToken::of(&self.lease),
            choice: &choice,
        };
        let (pulse, cancel) = (&self.pulse, self.shop.config.watching.cancel_calls);
        let call = async { processor.initialize(input).await };
        match watched(pulse, cancel, "initialize", call).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return self.failed("initialize failed", &*error),
            Err(broken) => return self.broken("initialize", &broken),
        }
        if let Some(chosen) = choice.take() {
            self.opening = Opening::after(chosen);
        }
        info!(position = %self.opening.done(), "processing starts");
        self.open_reader();
        Event::Initialized
    }

    /// Reads on after what was taken, or from the lease's checkpoint.
    fn open_reader(&mut self) {
        let start = self.opening.start().resume(self.taken.as_ref(), self.opened);
        #[expect(
            clippy::disallowed_methods,
            reason = "the service compares it with its own wall clock"
        )]
        self.opened.get_or_insert_with(SystemTime::now);
        let range = self.lease.hash_range.unwrap_or(HashKeyRange::FULL);
        let shard = self.shard.shard_id().clone();
        let (source, meter) = (&self.shop.source, self.pulse.meter().clone());
        let reader = source.open(&self.stream, shard, range, start, meter);
        let (budget, pulse) = (self.shop.budget.clone(), self.pulse.clone());
        let most = self.shop.config.retrieval.max_records as usize;
        // The old one first: it may hold a subscription.
        self.reading = None;
        self.reading = Some(ReadAhead::start(reader, budget, pulse, most));
    }

    async fn read(&mut self) -> Event {
        if let Err(panic) = work_on(&mut self.processor, WorkUntil::Room, &self.checkpointer).await {
            return self.panicked("work_on", &*panic);
        }
        let waiting = Instant::now();
        let mut held = loop {
            let Self {
                reading: Some(reading),
                processor,
                checkpointer,
                pulse,
                watch,
                unasked,
                ..
            } = self
            else {
                return pending().await;
            };
            let next = async {
                tokio::select! {
                    biased;
                    held = reading.next() => Next::Batch(held),
                    remedy = stuck(watch, pulse, waiting) => Next::Stuck(remedy),
                    () = unasked.next() => Next::Checkpointed,
                }
            };
            match beside(processor, checkpointer, next).await {
                Ok(Next::Batch(Some(held))) => break held,
                Ok(Next::Batch(None)) => {
                    error!("reader ended before the end of the shard");
                    return Event::Panicked;
                }
                Ok(Next::Stuck((remedy, still_for))) => {
                    let lease_key = self.shard.lease_key().clone();
                    warn!(lease_key = %lease_key, elapsed_ms = still_for.as_millis(), "reading stands still: {remedy:?}");
                    self.shop.bell.ring(ConsumerEvent::ShardStalled {
                        lease_key,
                        still_for,
                        remedy,
                    });
                    if remedy == StallRemedy::GivenUp {
                        return Event::Stalled;
                    }
                    self.open_reader();
                }
                Ok(Next::Checkpointed) => {}
                Err(panic) => return self.panicked("work_on", &*panic),
            }
        };
        if !self
            .opening
            .is_kept_by(&held.batch.records, &self.shop, &self.lease.key)
        {
            // The consumer ends.
            return pending().await;
        }
        if let Some(last) = held.batch.records.last_position() {
            self.taken = Some(last.sequence_number().clone());
        }
        // Reading starts AT the checkpoint, because the rest of an aggregate may be to do.
        held.batch.records.skip_done(self.opening.done());
        let ended = held.batch.end.is_some();
        if let Some(end) = held.batch.end.take() {
            self.end = end;
        }
        let dropped = held.batch.records.dropped().iter().map(DroppedRecords::records);
        self.pulse.meter().add(Metric::DroppedRecords, dropped.sum());
        let empty = held.batch.is_empty();
        self.strays
            .take_in(&mut held.batch, &self.shop.bell, &self.lease.key);
        self.in_hand = Some(held);
        Event::Batch { empty, ended }
    }

    #[tracing::instrument(name = "kcl.process", skip_all, fields(attempt, records, bytes, position))]
    async fn process(&mut self) -> Event {
        if let OnStray::Divert(diversion) = &self.shop.config.strays
            && let Err(error) = self
                .strays
                .divert(diversion, &self.shop.bell, &self.lease.key)
                .await
        {
            return self.failed("an aggregate cannot be diverted", &*error);
        }
        let Some(batch) = self.next_attempt().await else {
            return Event::Processed;
        };
        if self.failing.is_due() {
            return self.leave_behind(batch).await;
        }
        let records = batch.len();
        let count = records as u64;
        let turn = Instant::now();
        // By our own clock, in case this process stood still and the keeper has not been heard yet.
        if !self.keeper.is_held(Instant::now().into_std()) {
            return pending().await;
        }
        let bytes: usize = batch.records().iter().map(|record| record.data().len()).sum();
        self.keeper.count(bytes as u64);
        let span = Span::current();
        span.record("attempt", self.failures + 1);
        span.record("records", count).record("bytes", bytes);
        if let Some(last) = batch.last_position() {
            span.record("position", field::display(last));
            tell(&self.keeper, Command::Delivering(last.clone())).await;
        }
        let Some(processor) = &mut self.processor else {
            return Event::Processed;
        };
        let (pulse, cancel) = (&self.pulse, self.shop.config.watching.cancel_calls);
        let call = async { processor.process_records(batch, &self.checkpointer).await };
        let answer = watched(pulse, cancel, "process_records", call).await;
        let succeeded = matches!(answer, Ok(Ok(())));
        pulse.meter().tried(Metric::ProcessSuccess, succeeded);
        match answer {
            Ok(Ok(())) => {
                tell(&self.keeper, Command::Processed).await;
                self.pulse.on_processed();
                self.in_hand = None;
                if !F::Processor::BY_RECORD {
                    self.shop.tally.records.fetch_add(count, Ordering::Relaxed);
                    self.pulse.meter().add(Metric::RecordsProcessed, records);
                }
                self.shop.tally.batches.fetch_add(1, Ordering::Relaxed);
                self.pulse.count(bytes, turn);
                self.unasked.on_done(count).await;
                Event::Processed
            }
            Ok(Err(error)) => {
                tell(&self.keeper, Command::ProcessingFailed).await;
                let event = self.failed("process_records failed, the same records come again", &*error);
                self.after_failure(event, chain(&*error)).await
            }
            Err(broken) => {
                let event = self.broken("process_records", &broken);
                if let Broken::Cancelled(overdue) = &broken {
                    tell(&self.keeper, Command::ProcessingFailed).await;
                    return self.after_failure(event, overdue.to_string()).await;
                }
                event
            }
        }
    }

    /// Sees whether the batch in hand has failed for good.
    async fn after_failure(&mut self, event: Event, error: String) -> Event {
        let attempts = self.failures;
        match self.next_attempt().await {
            Some(batch) => {
                self.failing
                    .on_failure(&self.shop, &self.shard, &batch, attempts, error);
                match self.failing.is_due() {
                    true => self.leave_behind(batch).await,
                    false => event,
                }
            }
            None => event,
        }
    }

    async fn leave_behind(&mut self, batch: RecordBatch) -> Event {
        match self.failing.leave_behind(&self.shop, &self.shard, &batch).await {
            Left::Passed => {
                if let Some(last) = batch.last_position() {
                    tell(&self.keeper, Command::Delivering(last.clone())).await;
                }
                tell(&self.keeper, Command::Processed).await;
                self.in_hand = None;
                self.unasked.on_done(batch.len() as u64).await;
                Event::Processed
            }
            Left::NotYet(error) => self.failed("dead letters cannot be written yet", &*error),
            Left::Stops => Event::Failed,
        }
    }

    /// The batch in hand without what is done of it. `None`: all of it is.
    async fn next_attempt(&mut self) -> Option<RecordBatch> {
        let held = self.in_hand.as_mut()?;
        if self.failures > 0
            && let Some(written) = self.keeper.written().await
            // A checkpoint of an earlier tenure: the processor may have chosen to start before it.
            && written != self.lease.checkpoint
        {
            held.batch.records.skip_done(&written);
        }
        (!held.batch.is_empty()).then(|| held.batch.records.clone())
    }

    /// Waits until the processor has nothing left to do, or sees whether it has.
    async fn finish(&mut self, hurry: bool) -> Event {
        let working = work_on(&mut self.processor, WorkUntil::Finished, &self.checkpointer);
        let finished = match hurry {
            true => working.now_or_never(),
            false => Some(working.await),
        };
        match finished {
            Some(Ok(())) => Event::Finished,
            Some(Err(panic)) => self.panicked("work_on", &*panic),
            None => Event::Unfinished,
        }
    }

    async fn record_children(&mut self) -> Event {
        self.in_hand = None;
        let patient = self.failures < CHILDREN_PATIENCE;
        let (source, store) = (Arc::clone(&self.shop.source), Arc::clone(&self.shop.store));
        let (finished, end) = (self.shard.shard_id().clone(), self.end.clone());
        let stream = self.stream.clone();
        let recording =
            async move { record_children(&*source, &*store, &stream, &finished, &end, patient).await };
        match self.rooms.in_office(recording).await {
            Ok(leases_created) => {
                self.shop
                    .counters
                    .succeeded(Metric::ChildLeasesCreated, leases_created);
                self.shop.bell.ring(ConsumerEvent::ChildrenCreated {
                    parent: self.shard.shard_id().clone(),
                    leases_created,
                });
                if self.end.stream_gone {
                    self.shop.bell.ring(ConsumerEvent::StreamDeleted {
                        stream: self.stream.name().clone(),
                        lease_key: self.lease.key.clone(),
                    });
                }
                tell(&self.keeper, Command::ShardEnded).await;
                Event::ChildrenRecorded
            }
            Err(error) => {
                let waits = matches!(error, ChildrenError::Waiting(_));
                self.shop
                    .counters
                    .add(Metric::MissingMergeParentLease, usize::from(waits));
                self.failed("leases of the next shards cannot be made", &error)
            }
        }
    }

    async fn end_shard(&mut self) -> Event {
        let Some(processor) = &mut self.processor else {
            return Event::EndCheckpointed;
        };
        let (pulse, cancel) = (&self.pulse, self.shop.config.watching.cancel_calls);
        let call = async { processor.shard_ended(&self.checkpointer).await };
        match watched(pulse, cancel, "shard_ended", call).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return self.failed("shard_ended failed, it is called again", &*error),
            Err(broken) => return self.broken("shard_ended", &broken),
        }
        self.unasked.at_end().await;
        match self.keeper.written().await {
            Some(Checkpoint::ShardEnd) => Event::EndCheckpointed,
            Some(_) => self.failed(
                "shard_ended did not checkpoint, it is called again",
                &NotCheckpointed,
            ),
            None => pending().await,
        }
    }

    async fn request_shutdown(&mut self) -> Event {
        self.reading = None;
        self.in_hand = None;
        if let Some(processor) = &mut self.processor {
            let (pulse, cancel) = (&self.pulse, self.shop.config.watching.cancel_calls);
            let call = async { processor.shutdown_requested(&self.checkpointer).await };
            match watched(pulse, cancel, "shutdown_requested", call).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    warn!(error = %chain(&*error), "shutdown_requested failed, the lease is given up");
                }
                Err(broken) => return self.broken("shutdown_requested", &broken),
            }
            self.unasked.at_leave().await;
        }
        Event::ShutdownAnswered
    }

    async fn tell_lost(&mut self) -> Event {
        self.reading = None;
        self.in_hand = None;
        if let Some(processor) = &mut self.processor {
            let (pulse, cancel) = (&self.pulse, self.shop.config.watching.cancel_calls);
            let call = async { processor.lease_lost().await };
            if let Err(broken) = watched(pulse, cancel, "lease_lost", call).await {
                return self.broken("lease_lost", &broken);
            }
        }
        Event::LossAnswered
    }

    async fn give_up(&mut self) -> Event {
        self.reading = None;
        let (reply, answer) = oneshot::channel();
        if self.keeper.send(Command::GiveUp { reply }).await {
            // An error is an answer too: the keeper has ended.
            let _ = answer.await;
        }
        Event::GivenUp
    }

    fn failed(&mut self, what: &'static str, error: &(dyn std::error::Error + 'static)) -> Event {
        self.failures = self.failures.saturating_add(1);
        warn!(shard_id = %self.shard.shard_id(), attempt = self.failures, error = %chain(error), "{what}");
        Event::Failed
    }

    fn broken(&mut self, method: &'static str, broken: &Broken) -> Event {
        match broken {
            Broken::Panicked(panic) => self.panicked(method, &**panic),
            Broken::Cancelled(overdue) => {
                self.shop.bell.ring(ConsumerEvent::ProcessorCancelled {
                    lease_key: self.shard.lease_key().clone(),
                    method,
                    running_for: overdue.after,
                });
                self.failed("call of the processor cancelled", overdue)
            }
        }
    }

    fn panicked(&mut self, method: &'static str, panic: &(dyn Any + Send)) -> Event {
        let message = panic_message(panic);
        error!(shard_id = %self.shard.shard_id(), error = message, "processor panicked in {method}, its lease is given up");
        self.processor = None;
        self.reading = None;
        self.in_hand = None;
        Event::Panicked
    }

    fn next_pause(&mut self) -> Duration {
        let Backoff { min, max } = self.shop.config.coordination.retry_backoff;
        let pauses = self.pauses.get_or_insert_with(|| {
            ExponentialBuilder::new()
                .with_min_delay(min)
                .with_max_delay(max)
                .with_jitter()
                .with_jitter_seed(self.rng.random())
                .without_max_times()
                .build()
        });
        pauses.next().unwrap_or(max)
    }
}

/// What a processor that waits for records gets.
enum Next {
    Batch(Option<HeldBatch>),
    Stuck((StallRemedy, Duration)),
    Checkpointed,
}

/// Ours: how often a closed shard without listed children is taken for a listing behind the times.
const CHILDREN_PATIENCE: u32 = 5;
