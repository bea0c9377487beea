//! A consumer from elsewhere: stopped, looked at, moved.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::by_record::{Counting, RecordCounts};
use crate::coordinator::Worker;
use crate::events::{Ear, Events};
use crate::health::{ConsumerState, Health, Stage};
use crate::metrics::{Counters, MetricsSnapshot};
use crate::seek::{SeekError, SeekShards, SeekTo, Sought, seek};
use crate::source::kinesis::KinesisStream;
use crate::store::LeaseStore;
use crate::streams::directory::Directory;

/// Stops a consumer and looks at it. Cheap to clone; keeps nothing alive.
#[derive(Debug, Clone)]
pub struct ConsumerHandle {
    stop: CancellationToken,
    state: watch::Receiver<ConsumerState>,
    ear: Ear,
    counters: Counters,
    counting: Counting,
    store: Arc<dyn LeaseStore>,
    source: Arc<KinesisStream>,
    streams: watch::Receiver<Directory>,
}

impl ConsumerHandle {
    pub(super) fn of<F>(worker: &Worker<KinesisStream, F>) -> Self {
        Self {
            stop: worker.stop.clone(),
            state: worker.board.subscribe(),
            ear: worker.shop.bell.ear(),
            counters: worker.shop.counters.clone(),
            counting: worker.shop.counting.clone(),
            store: Arc::clone(&worker.shop.store),
            source: Arc::clone(&worker.shop.source),
            streams: worker.shop.streams.subscribe(),
        }
    }

    /// Moves shards of the running application to another place, whichever worker reads them, one of the KCL too.
    ///
    /// Each lease is taken, moved and left to whoever takes it next. Its reader finds out at its next heartbeat or checkpoint, which is
    /// refused, so that no older checkpoint can follow; its processor's `lease_lost` is called, and until then it may process a few
    /// more records. Shards are read on from the new place within seconds. Going back, records come again, and finished shards that are
    /// still kept are read once more, parents before children. A prepared checkpoint is removed. Positions that a processor keeps itself
    /// ([`Initialization::start_after`](crate::Initialization::start_after)) are its own to move.
    ///
    /// # Errors
    /// [`SeekError`]. What was moved before stays moved, and seeking again is safe.
    ///
    /// # Cancel safety
    /// A dropped call has moved some of the leases. One may be held by nobody for the failover time.
    pub async fn seek(&self, shards: SeekShards, to: SeekTo) -> Result<Sought, SeekError> {
        let directory = self.streams.borrow().clone();
        seek(&*self.store, &*self.source, &directory, &shards, &to).await
    }

    /// Asks for a clean stop, without waiting for it.
    pub fn request_shutdown(&self) {
        self.stop.cancel();
    }

    /// Asks for a clean stop and waits for its end: no lease is taken any more, each processor ends its batch and gets
    /// `shutdown_requested`, each lease is given up so that other workers have it at once. A consumer that is neither run nor
    /// dropped never ends.
    ///
    /// # Cancel safety
    /// The stop goes on when the call is dropped.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        // The state goes with the consumer.
        let mut state = self.state.clone();
        while state.changed().await.is_ok() {}
    }

    /// How many leases the consumer holds at the moment.
    #[must_use]
    pub fn leases_held(&self) -> usize {
        if self.has_ended() {
            0
        } else {
            self.state.borrow().leases.len()
        }
    }

    /// How the consumer is: its stage of life and each lease it holds.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.has_ended() {
            Health::ended()
        } else {
            self.state.borrow().health()
        }
    }

    /// Waits until the consumer [is ready](Health::is_ready), or has ended. Whether it is ready.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn ready(&self) -> bool {
        let mut state = self.state.clone();
        state
            .wait_for(|state| state.stage == Stage::Ended || state.health().is_ready())
            .await
            .is_ok()
    }

    /// What the consumer has counted, under the KCL's names: of the worker and of each lease, lag first.
    #[must_use]
    pub fn metrics(&self) -> MetricsSnapshot {
        self.counters.snapshot()
    }

    /// What became of records, where they are handled one by one.
    #[must_use]
    pub fn record_counts(&self) -> RecordCounts {
        self.counting.counts()
    }

    /// What happens to the consumer from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.ear.listen()
    }

    /// Whether the consumer has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state.has_changed().is_err()
    }
}
