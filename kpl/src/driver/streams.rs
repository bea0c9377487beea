//! One task for each stream: started with the stream's first handle, ended by close or by dropping the last one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use rand::Rng as _;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::StreamTask;
use super::intake::{Intake, Phase};
use super::transport::Transport;
use crate::config::ProducerConfig;
use crate::error::DeliveryError;
use crate::producer::attachments::Attached;
use crate::producer::permits::Room;
use crate::stream::StreamName;

/// The tasks of one producer, and the room they share.
#[derive(Debug)]
pub(crate) struct Streams {
    transport: Arc<dyn Transport>,
    config: Arc<ProducerConfig>,
    attached: Arc<Attached>,
    runtime: Handle,
    room: Arc<Room>,
    /// Read by puts that name their stream and written once for each stream; never held across an await.
    open: RwLock<Open>,
    tasks: TaskTracker,
    leftover: Arc<Mutex<Vec<DeliveryError>>>,
}

#[derive(Debug, Default)]
struct Open {
    intakes: HashMap<StreamName, Arc<Intake>>,
    is_closing: bool,
}

impl Streams {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        config: Arc<ProducerConfig>,
        attached: Arc<Attached>,
        runtime: Handle,
    ) -> Self {
        Self {
            room: Arc::new(Room::new(&config)),
            transport,
            config,
            attached,
            runtime,
            open: RwLock::default(),
            tasks: TaskTracker::new(),
            leftover: Arc::default(),
        }
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// The way into a stream; starts its task if there is none. Once the producer is closing, it takes nothing.
    pub(crate) fn intake(&self, stream: &StreamName) -> Arc<Intake> {
        if let Some(intake) = self.known(stream) {
            return intake;
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(intake) = open.intakes.get(stream) {
            return Arc::clone(intake);
        }
        let config = self.config.stream(stream);
        let intake = Arc::new(Intake::new(stream.clone(), config, Arc::clone(&self.room)));
        if open.is_closing {
            intake.go_to(Phase::Ended);
        } else {
            self.start(Arc::clone(&intake));
            open.intakes.insert(stream.clone(), Arc::clone(&intake));
        }
        intake
    }

    /// The way into a stream that has a task.
    pub(crate) fn known(&self, stream: &StreamName) -> Option<Arc<Intake>> {
        self.open().intakes.get(stream).map(Arc::clone)
    }

    /// All streams that have, or had, a task.
    pub(crate) fn all(&self) -> Vec<Arc<Intake>> {
        self.open().intakes.values().map(Arc::clone).collect()
    }

    /// Tells all tasks to take nothing more, deliver what they hold, and end. May be called again.
    pub(crate) fn begin_close(&self) {
        self.room.close();
        // Under the lock, so that no task starts afterwards.
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.is_closing = true;
        self.tasks.close();
        for intake in open.intakes.values() {
            intake.go_to(Phase::Closing);
        }
    }

    /// Tells all tasks to hand back what they hold, and end.
    pub(crate) fn stop(&self) {
        for intake in self.open().intakes.values() {
            intake.go_to(Phase::Stopping);
        }
    }

    /// Waits until all tasks have ended; after [`begin_close`](Self::begin_close) they do.
    pub(crate) async fn ended(&self) {
        self.tasks.wait().await;
    }

    /// The streams whose tasks failed, by name.
    pub(crate) fn failed(&self) -> Vec<StreamName> {
        let open = self.open();
        let failed = open
            .intakes
            .values()
            .filter(|intake| intake.phase() == Phase::Failed);
        let mut names: Vec<_> = failed.map(|intake| intake.stream().clone()).collect();
        names.sort();
        names
    }

    /// What was handed back so far.
    pub(crate) fn take_leftover(&self) -> Vec<DeliveryError> {
        std::mem::take(&mut *self.leftover.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn open(&self) -> RwLockReadGuard<'_, Open> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, intake: Arc<Intake>) {
        let stream = intake.stream().clone();
        let seed = self.config.seed();
        let task = StreamTask::new(
            &self.config,
            Arc::clone(&self.transport),
            intake,
            Arc::clone(&self.leftover),
            self.attached.outlets(&stream),
            seed.map_or_else(chance, |seed| of_stream(seed, &stream)),
        );
        let span = tracing::debug_span!("kpl.stream", %stream);
        self.tasks.spawn_on(task.run().instrument(span), &self.runtime);
    }
}

impl Drop for Streams {
    /// The last handle is gone. What is being closed goes on without it.
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !open.is_closing {
            for intake in open.intakes.values() {
                intake.go_to(Phase::Abandoned);
            }
        }
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
