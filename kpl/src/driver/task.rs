//! The task of one stream: waits for one thing at a time, feeds it to the pipeline, does what the pipeline says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use super::hashing::hash_keys;
use super::intake::{Command, Intake, Phase, Rest, now};
use super::transport::Transport;
use super::voice::Voice;
use crate::config::ProducerConfig;
use crate::error::{DeliveryError, DeliveryErrorKind};
use crate::failure::Failure;
use crate::outcome::Delivery;
use crate::pipeline::{
    Action, BatchId, Entry, EntryReply, FlushId, ListedShard, Notice, Pipeline, StreamSummary,
};
use crate::producer::attachments::Outlets;
use crate::producer::permits::Amount;
use crate::producer::ticket::Token;
use crate::stream::StreamName;

/// The task of one stream.
#[derive(Debug)]
pub(crate) struct StreamTask {
    stream: StreamName,
    pipeline: Pipeline<Token>,
    outlets: Outlets,
    voice: Voice,
    transport: Arc<dyn Transport>,
    received: Vec<Command>,
    calls: JoinSet<Reply>,
    flushes: HashMap<FlushId, oneshot::Sender<()>>,
    /// Who waits for outcomes, until all else is in order.
    woken: Vec<Waker>,
    /// Where records go that a close hands back.
    leftover: Arc<Mutex<Vec<DeliveryError>>>,
    phase: Phase,
    // Last, so that the records are gone when it gives back their room.
    door: Door,
}

/// The task's end of the intake.
#[derive(Debug)]
struct Door(Arc<Intake>);

/// The end of a call.
#[derive(Debug)]
enum Reply {
    Sent(BatchId, Result<Vec<EntryReply>, Failure>),
    Shards(Result<Vec<ListedShard>, Failure>),
    Described(Result<StreamSummary, Failure>),
}

impl StreamTask {
    pub(crate) fn new(
        config: &ProducerConfig,
        transport: Arc<dyn Transport>,
        intake: Arc<Intake>,
        leftover: Arc<Mutex<Vec<DeliveryError>>>,
        outlets: Outlets,
        seed: u64,
    ) -> Self {
        let stream = intake.stream().clone();
        Self {
            pipeline: Pipeline::new(stream.clone(), config.stream(&stream), seed),
            voice: Voice::new(stream.clone(), now()),
            stream,
            outlets,
            transport,
            received: Vec::new(),
            calls: JoinSet::new(),
            flushes: HashMap::new(),
            woken: Vec::new(),
            leftover,
            phase: Phase::Open,
            door: Door(intake),
        }
    }

    /// Runs until the producer is closed and all is delivered, or until its last handle is dropped.
    pub(crate) async fn run(mut self) {
        while self.phase < Phase::Ended {
            self.take_commands();
            self.act();
            if self.phase == Phase::Closing && self.pipeline.is_idle() {
                break;
            }
            let Rest::Until(timer) = self.door.0.rest(self.timer(), self.phase) else {
                continue;
            };
            // In a fixed order, so that the same events have the same course; what is rare goes first and cannot keep
            // from its turn what may always be ready.
            tokio::select! {
                biased;
                Some(reply) = self.calls.join_next() => self.on_reply(reply),
                () = tokio::time::sleep_until(timer.into()) => self.pipeline.handle_timeout(now()),
                () = self.door.0.rung() => {}
            }
        }
        self.outlets.metrics.finish(&mut self.pipeline, now());
        tracing::debug!(stream = %self.stream, "stream task ended");
    }

    fn take_commands(&mut self) {
        let phase = self.door.0.take(&mut self.received);
        let now = now();
        let mut hash_keys = hash_keys(&self.received).into_iter();
        for command in self.received.drain(..) {
            match command {
                Command::Put {
                    record,
                    arrival,
                    token,
                } => {
                    let hash_key = hash_keys.next().expect("invariant: there is one for each put");
                    self.pipeline.put_since(record, hash_key, token, arrival, now);
                }
                Command::AskLimit => self.pipeline.want_record_limit(now),
                Command::Flush(done) => {
                    let id = self.pipeline.flush(now);
                    self.flushes.insert(id, done);
                }
                Command::Oldest(tell) => {
                    // Whoever asked may have gone.
                    let _ = tell.send(self.pipeline.oldest());
                }
            }
        }
        if phase != self.phase {
            self.phase = phase;
            self.on_phase(now);
        }
    }

    fn on_phase(&mut self, now: Instant) {
        let records = self.pipeline.outstanding();
        match self.phase {
            Phase::Closing => {
                self.pipeline.flush(now);
            }
            Phase::Stopping => {
                if records > 0 {
                    tracing::warn!(stream = %self.stream, records, "close ran out of time; records handed back");
                }
                self.give_up(|in_flight| DeliveryErrorKind::Unfinished { in_flight });
            }
            Phase::Abandoned => {
                if records > 0 {
                    tracing::warn!(stream = %self.stream, records, "producer dropped without close; records given up");
                }
                self.give_up(|_| DeliveryErrorKind::ProducerGone);
            }
            Phase::Open | Phase::Ended | Phase::Failed => {}
        }
    }

    /// Ends with an outcome for each record, and without waiting for any.
    fn give_up(&mut self, kind: impl Fn(bool) -> DeliveryErrorKind) {
        self.calls.abort_all();
        self.pipeline.abandon(kind, now());
        self.act();
        self.phase = Phase::Ended;
    }

    fn on_reply(&mut self, reply: Result<Reply, JoinError>) {
        match reply {
            Ok(Reply::Sent(id, reply)) => {
                if let Err(error) = &reply {
                    self.voice.request_failed(error, now());
                }
                self.pipeline.on_sent(id, reply, now());
            }
            Ok(Reply::Shards(listed)) => {
                match &listed {
                    Ok(shards) => {
                        tracing::debug!(stream = %self.stream, shards = shards.len(), "shards listed");
                    }
                    Err(error) => tracing::warn!(stream = %self.stream, %error, "listing shards failed"),
                }
                self.pipeline.on_shards(listed, now());
            }
            Ok(Reply::Described(answer)) => self.on_described(answer),
            // A call that panicked will not say what became of its records: the task must not pretend to know.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => self.phase = Phase::Ended,
            },
        }
    }

    fn on_described(&mut self, answer: Result<StreamSummary, Failure>) {
        match &answer {
            Ok(summary) => tracing::debug!(stream = %self.stream, ?summary, "stream described"),
            Err(error) => tracing::debug!(stream = %self.stream, %error, "describing the stream failed"),
        }
        let notice = self.pipeline.on_described(answer, now());
        self.door.0.limits().tell(self.pipeline.record_limit());
        match notice {
            None => {}
            Some(Notice::NotPermitted(error)) => tracing::warn!(
                stream = %self.stream,
                %error,
                "records are not aggregated: without the permission kinesis:DescribeStreamSummary nobody knows whether \
                 the service leaves them on the shards of their keys; grant it, or configure Aggregation::Always"
            ),
            Some(Notice::PackedOnAuto) => tracing::warn!(
                stream = %self.stream,
                "records are aggregated as configured, but the service distributes them by itself: consumers that \
                 check hash keys drop such aggregates"
            ),
            Some(Notice::Auto) => tracing::info!(
                stream = %self.stream,
                "the service distributes records by itself: they are not aggregated, and keys have no order"
            ),
            Some(Notice::ByKey) => tracing::info!(
                stream = %self.stream,
                "hash keys distribute records: they are aggregated, and keys have their order"
            ),
        }
    }

    /// Does all that there is to do now.
    fn act(&mut self) {
        let now = now();
        self.outlets.metrics.on_turn(&mut self.pipeline, now);
        self.voice.on_turn(&mut self.pipeline, now);
        let mut room = Amount::default();
        let mut flushed = Vec::new();
        while let Some(action) = self.pipeline.poll_action(now) {
            match action {
                Action::Send(batch) => {
                    let bytes = || batch.entries.iter().map(Entry::size).sum::<usize>();
                    let span = tracing::debug_span!(
                        "kpl.put_records",
                        records = batch.entries.len(),
                        bytes = bytes()
                    );
                    let call = self.transport.put_records(&self.stream, batch.entries);
                    self.calls
                        .spawn(async move { Reply::Sent(batch.id, call.await) }.instrument(span));
                }
                Action::ListShards => {
                    let call = self.transport.list_shards(&self.stream);
                    let span = tracing::debug_span!("kpl.list_shards");
                    self.calls
                        .spawn(async move { Reply::Shards(call.await) }.instrument(span));
                }
                Action::Describe => {
                    let call = self.transport.describe(&self.stream);
                    let span = tracing::debug_span!("kpl.describe_stream");
                    self.calls
                        .spawn(async move { Reply::Described(call.await) }.instrument(span));
                }
                Action::Complete(token, outcome) => {
                    let error = outcome.as_ref().err().map(tracing::field::display);
                    tracing::trace!(stream = %self.stream, error, "record has its outcome");
                    let amount = token.amount();
                    let letter = self.outlets.letter(&token, &outcome);
                    self.hand_back(&outcome);
                    self.woken.extend(token.resolve(outcome));
                    match letter {
                        None => room.add(amount),
                        Some(letter) => self.outlets.post(letter, self.door.0.settle_holding(amount)),
                    }
                }
                Action::Flushed(id) => flushed.extend(self.flushes.remove(&id)),
            }
        }
        // In one go for all records that are done. Whoever is woken finds room, and counters that know the outcome.
        self.door.0.settle(room);
        self.woken.drain(..).for_each(Waker::wake);
        for done in flushed {
            // Whoever waited may have gone.
            let _ = done.send(());
        }
    }

    /// Keeps what a close that ran out of time has promised to return.
    fn hand_back(&self, outcome: &Result<Delivery, DeliveryError>) {
        let Err(error) = outcome else { return };
        if matches!(error.kind(), DeliveryErrorKind::Unfinished { .. }) {
            let mut leftover = self.leftover.lock().unwrap_or_else(PoisonError::into_inner);
            leftover.push(error.clone());
        }
    }

    fn timer(&self) -> Instant {
        self.pipeline.poll_timeout().unwrap_or_else(|| now() + FAR)
    }
}

impl Drop for Door {
    /// The order matters where the task unwinds: first the reason is there to be read and nothing more gets in; only
    /// then do the records inside fail, and only then is their room free. See the fields of the task.
    fn drop(&mut self) {
        self.0.settle_all();
    }
}

impl Drop for StreamTask {
    fn drop(&mut self) {
        let end = if std::thread::panicking() {
            Phase::Failed
        } else {
            Phase::Ended
        };
        drop(self.door.0.end(end));
        // Where the task unwinds, some outcomes were told already.
        self.woken.drain(..).for_each(Waker::wake);
    }
}

/// A timer that means nothing.
const FAR: Duration = Duration::from_secs(86_400);
