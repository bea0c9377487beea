//! The task of one stream: waits for one thing at a time, feeds it to the pipeline, does what the pipeline says.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kinesis_aggregation::HashKey;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::transport::Transport;
use crate::config::ProducerConfig;
use crate::failure::Failure;
use crate::pipeline::{Action, BatchId, EntryReply, FlushId, ListedShard, Pipeline};
use crate::producer::permits::Permit;
use crate::producer::ticket::Token;
use crate::record::Record;
use crate::stream::StreamName;

/// What handles ask of a stream's task; in this order it is done.
#[derive(Debug)]
pub(crate) enum Command {
    /// Deliver a record.
    Put {
        record: Record,
        hash_key: HashKey,
        token: Token,
    },
    /// Tell when all records put before have their outcome.
    Flush(oneshot::Sender<()>),
}

/// The task of one stream.
#[derive(Debug)]
pub(crate) struct StreamTask {
    stream: StreamName,
    pipeline: Pipeline<Token>,
    transport: Arc<dyn Transport>,
    commands: mpsc::Receiver<Command>,
    received: Vec<Command>,
    closing: CancellationToken,
    phase: Phase,
    calls: JoinSet<Reply>,
    flushes: HashMap<FlushId, oneshot::Sender<()>>,
    /// Raised when the task ends out of order.
    failed: Arc<AtomicBool>,
}

/// How far the task's life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Takes commands.
    Open,
    /// Takes those commands that were sent before the close.
    Closing,
    /// Takes nothing more, and ends when the pipeline is idle.
    Draining,
    /// Ends now.
    Ended,
}

/// The end of a call.
#[derive(Debug)]
enum Reply {
    Sent(BatchId, Result<Vec<EntryReply>, Failure>),
    Shards(Result<Vec<ListedShard>, Failure>),
}

impl StreamTask {
    pub(crate) fn new(
        stream: StreamName,
        config: &ProducerConfig,
        transport: Arc<dyn Transport>,
        commands: mpsc::Receiver<Command>,
        closing: CancellationToken,
        failed: Arc<AtomicBool>,
        seed: u64,
    ) -> Self {
        Self {
            pipeline: Pipeline::new(stream.clone(), config.stream(&stream), seed),
            stream,
            transport,
            commands,
            received: Vec::with_capacity(COMMANDS_AT_ONCE),
            closing,
            phase: Phase::Open,
            calls: JoinSet::new(),
            flushes: HashMap::new(),
            failed,
        }
    }

    /// Runs until the producer is closed and all is delivered, or until its last handle is dropped.
    pub(crate) async fn run(mut self) {
        while self.phase != Phase::Ended {
            self.act();
            if self.phase == Phase::Draining && self.pipeline.is_idle() {
                break;
            }
            let timer = self.timer();
            // In a fixed order, so that the same events have the same course; what is rare goes first and cannot keep
            // from its turn what may always be ready.
            tokio::select! {
                biased;
                () = self.closing.cancelled(), if self.phase == Phase::Open => self.on_closing(),
                Some(reply) = self.calls.join_next() => self.on_reply(reply),
                () = tokio::time::sleep_until(timer) => self.pipeline.handle_timeout(now()),
                _ = self.commands.recv_many(&mut self.received, COMMANDS_AT_ONCE), if self.takes_commands() => {
                    self.on_commands();
                }
            }
        }
        tracing::debug!(stream = %self.stream, "stream task ended");
    }

    fn takes_commands(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Closing)
    }

    fn on_commands(&mut self) {
        if self.received.is_empty() {
            self.on_last_command();
            return;
        }
        let now = now();
        for command in self.received.drain(..) {
            match command {
                Command::Put {
                    record,
                    hash_key,
                    token,
                } => self.pipeline.put(record, hash_key, token, now),
                Command::Flush(done) => {
                    let id = self.pipeline.flush(now);
                    self.flushes.insert(id, done);
                }
            }
        }
    }

    /// The queue has ended: it was closed and is drained, or nobody is left who could send.
    fn on_last_command(&mut self) {
        if self.closing.is_cancelled() {
            self.phase = Phase::Draining;
            self.pipeline.flush(now());
            return;
        }
        self.phase = Phase::Ended;
        let records = self.pipeline.outstanding();
        if records > 0 {
            tracing::warn!(stream = %self.stream, records, "producer dropped without close; records given up");
        }
    }

    fn on_closing(&mut self) {
        self.phase = Phase::Closing;
        self.commands.close();
    }

    fn on_reply(&mut self, reply: Result<Reply, JoinError>) {
        match reply {
            Ok(Reply::Sent(id, reply)) => {
                if let Err(error) = &reply {
                    tracing::debug!(stream = %self.stream, %error, "request failed");
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
            // A call that panicked will not say what became of its records: the task must not pretend to know.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => self.phase = Phase::Ended,
            },
        }
    }

    /// Does all that there is to do now.
    fn act(&mut self) {
        let now = now();
        // Room is given back in one go, once for all records that are done.
        let mut room: Option<Permit> = None;
        while let Some(action) = self.pipeline.poll_action(now) {
            match action {
                Action::Send(batch) => {
                    let span = tracing::debug_span!("kpl.put_records", entries = batch.entries.len());
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
                Action::Complete(token, outcome) => {
                    let permit = token.resolve(outcome);
                    match &mut room {
                        Some(room) => room.absorb(permit),
                        None => room = Some(permit),
                    }
                }
                Action::Flushed(id) => {
                    if let Some(done) = self.flushes.remove(&id) {
                        // Whoever waited may have gone.
                        let _ = done.send(());
                    }
                }
            }
        }
    }

    fn timer(&self) -> tokio::time::Instant {
        let next = self.pipeline.poll_timeout().map(tokio::time::Instant::from_std);
        next.unwrap_or_else(|| tokio::time::Instant::now() + FAR)
    }
}

impl Drop for StreamTask {
    /// The order matters where the task unwinds: first the reason is there to be read, then nothing more gets in, and
    /// only then do the records inside fail. Whoever sees a failed ticket or a closed queue finds the reason.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.failed.store(true, Ordering::Release);
        }
        self.commands.close();
    }
}

/// Tokio's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Enough to make a wake-up cheap per record, few enough that replies do not wait.
const COMMANDS_AT_ONCE: usize = 512;
/// A timer that means nothing.
const FAR: Duration = Duration::from_secs(86_400);
