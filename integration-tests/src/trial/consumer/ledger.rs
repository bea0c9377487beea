//! The books, shared by all who write in them while a trial runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kcl::events::ConsumerEvent;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::books::{Books, Leaving};
use super::diary::Diary;

/// The books and the diary of a trial. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    books: Mutex<Books>,
    diary: Mutex<Diary>,
    /// Told when something was put or done.
    progress: Notify,
}

impl Ledger {
    /// Empty; its times count from now.
    pub(super) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                start: Instant::now(),
                books: Mutex::default(),
                diary: Mutex::default(),
                progress: Notify::new(),
            }),
        }
    }

    /// How long the trial has run.
    pub(super) fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.shared.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn diary(&self) -> MutexGuard<'_, Diary> {
        self.shared.diary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down what a worker tells.
    pub(super) fn note(&self, worker: &'static str, event: ConsumerEvent) {
        let now = self.now();
        let left = match &event {
            ConsumerEvent::LeaseLost { lease_key, .. } => Some((lease_key, Leaving::Bad)),
            ConsumerEvent::LeaseHandedOver { lease_key, .. } | ConsumerEvent::ShardFinished { lease_key } => {
                Some((lease_key, Leaving::InOrder))
            }
            _ => None,
        };
        if let Some((lease, how)) = left {
            self.books().left(worker, lease, how);
        }
        self.diary().note(now, worker, event);
    }

    /// To be called when something was put or done.
    pub(super) fn tell(&self) {
        self.shared.progress.notify_waiters();
    }

    /// Waits until the books are as wanted.
    pub(super) async fn until(&self, mut is_so: impl FnMut(&Books) -> bool) {
        loop {
            let progress = self.shared.progress.notified();
            if is_so(&self.books()) {
                return;
            }
            progress.await;
        }
    }
}
