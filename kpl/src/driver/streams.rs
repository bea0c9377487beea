//! One task for each stream: started by the first put, ended by close or by dropping the last handle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rand::Rng as _;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::transport::Transport;
use super::{Command, StreamTask};
use crate::config::ProducerConfig;
use crate::error::PutError;
use crate::stream::StreamName;

/// The tasks of one producer.
#[derive(Debug)]
pub(crate) struct Streams {
    transport: Arc<dyn Transport>,
    config: Arc<ProducerConfig>,
    runtime: Handle,
    /// Read by each put and written once for each stream; never held across an await.
    open: RwLock<HashMap<StreamName, StreamHandle>>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// The way to one stream's task.
#[derive(Debug, Clone)]
pub(crate) struct StreamHandle {
    commands: mpsc::Sender<Command>,
    failed: Arc<AtomicBool>,
}

impl Streams {
    pub(crate) fn new(transport: Arc<dyn Transport>, config: Arc<ProducerConfig>, runtime: Handle) -> Self {
        Self {
            transport,
            config,
            runtime,
            open: RwLock::default(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// The stream's command channel; starts its task if there is none. `None` once the producer is closing.
    pub(crate) fn commands(&self, stream: &StreamName) -> Option<mpsc::Sender<Command>> {
        if let Some(handle) = self
            .open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(stream)
        {
            return Some(handle.commands.clone());
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if self.closing.is_cancelled() {
            return None;
        }
        let handle = open
            .entry(stream.clone())
            .or_insert_with(|| self.start(stream.clone()));
        Some(handle.commands.clone())
    }

    /// Why the stream's queue takes nothing.
    pub(crate) fn refusal(&self, stream: &StreamName) -> PutError {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        match open.get(stream) {
            Some(handle) if handle.failed.load(Ordering::Acquire) => PutError::StreamGone {
                stream: stream.clone(),
            },
            _ => PutError::Closed,
        }
    }

    /// All streams that have a task.
    pub(crate) fn all(&self) -> Vec<(StreamName, mpsc::Sender<Command>)> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter()
            .map(|(name, handle)| (name.clone(), handle.commands.clone()))
            .collect()
    }

    /// Tells all tasks to take nothing more, deliver what they hold, and end. May be called again.
    pub(crate) fn begin_close(&self) {
        // Under the lock, so that no task starts afterwards.
        let _open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        self.closing.cancel();
        self.tasks.close();
    }

    /// Waits until all tasks have ended; names a stream whose task failed.
    pub(crate) async fn ended(&self) -> Result<(), StreamName> {
        self.tasks.wait().await;
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        match open
            .iter()
            .find(|(_, handle)| handle.failed.load(Ordering::Acquire))
        {
            Some((name, _)) => Err(name.clone()),
            None => Ok(()),
        }
    }

    fn start(&self, stream: StreamName) -> StreamHandle {
        let (commands, receiver) = mpsc::channel(COMMAND_QUEUE);
        let failed = Arc::new(AtomicBool::new(false));
        let task = StreamTask::new(
            stream.clone(),
            &self.config,
            Arc::clone(&self.transport),
            receiver,
            self.closing.clone(),
            Arc::clone(&failed),
            self.config
                .seed()
                .map_or_else(chance, |seed| of_stream(seed, &stream)),
        );
        let span = tracing::debug_span!("kpl.stream", %stream);
        self.tasks.spawn_on(task.run().instrument(span), &self.runtime);
        StreamHandle { commands, failed }
    }
}

/// Producers that fail together shall not retry together.
#[expect(
    clippy::disallowed_methods,
    reason = "the shell is where randomness enters; the pipeline gets it as a seed"
)]
fn chance() -> u64 {
    rand::rng().random()
}

/// FNV-1a, so that two streams of one seed are two.
fn of_stream(seed: u64, stream: &StreamName) -> u64 {
    stream
        .as_str()
        .bytes()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// Commands on their way to a task; the records among them are bounded by the permits as well.
const COMMAND_QUEUE: usize = 4_096;
