//! The task that hands dead letters over.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{DeadLetter, DeadLetters};
use crate::metrics::{Gathered, Metric};
use crate::producer::permits::Permit;
use crate::seldom::Seldom;
use crate::stream::StreamName;

/// Where the streams' tasks leave letters; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// Bounded by the budget: each letter holds its record's room.
    letters: mpsc::UnboundedSender<Posted>,
}

/// The task, seen by its owner. Without it, the task ends when no stream's task is left and all letters are taken.
#[derive(Debug)]
pub(crate) struct Desk {
    post: Post,
    closing: CancellationToken,
    ended: TaskTracker,
}

#[derive(Debug)]
struct Posted {
    letter: DeadLetter,
    room: Permit,
}

impl Post {
    /// Leaves a letter.
    pub(crate) fn leave(&self, letter: DeadLetter, room: Permit) {
        // The desk closes after all streams have ended, or has panicked: then the room is given back here.
        let _ = self.letters.send(Posted { letter, room });
    }
}

impl Desk {
    pub(crate) fn open(sink: impl DeadLetters, gathered: Arc<Gathered>, runtime: &Handle) -> Self {
        let (letters, posted) = mpsc::unbounded_channel();
        let closing = CancellationToken::new();
        let ended = TaskTracker::new();
        let clerk = Clerk {
            sink,
            gathered,
            lost: Seldom::new(QUIET),
        };
        ended.spawn_on(clerk.run(posted, closing.clone()), runtime);
        ended.close();
        Self {
            post: Post { letters },
            closing,
            ended,
        }
    }

    pub(crate) fn post(&self) -> Post {
        self.post.clone()
    }

    /// Takes no more letters, and waits until those there are have been handed over. May be called again.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.ended.wait().await;
    }
}

struct Clerk<D> {
    sink: D,
    gathered: Arc<Gathered>,
    lost: Seldom,
}

impl<D: DeadLetters> Clerk<D> {
    async fn run(mut self, mut posted: mpsc::UnboundedReceiver<Posted>, closing: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                taken = posted.recv_many(&mut batch, BATCH) => if taken == 0 { return },
                () = closing.cancelled(), if !posted.is_closed() => { posted.close(); continue }
            }
            // The room is given back when the letters are taken, or lost.
            let (letters, _room): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|posted| (posted.letter, posted.room)).unzip();
            self.hand_over(letters).await;
        }
    }

    async fn hand_over(&mut self, letters: Vec<DeadLetter>) {
        let mut streams: HashMap<StreamName, u64> = HashMap::new();
        for letter in &letters {
            *streams.entry(letter.stream().clone()).or_default() += 1;
        }
        // Whoever takes letters is a stranger: a panic of theirs loses these letters, and not those to come.
        let taking = AssertUnwindSafe(async { self.sink.take(letters).await }).catch_unwind();
        let failed = match tokio::time::timeout(PATIENCE, taking).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(error.to_string()),
            Ok(Err(_panic)) => Some("taking them panicked".to_owned()),
            Err(late) => Some(late.to_string()),
        };
        let metric = match &failed {
            None => Metric::DeadLetters,
            Some(_) => Metric::DeadLettersLost,
        };
        let now = Instant::now().into_std();
        for (stream, count) in &streams {
            self.gathered.count(metric, stream, *count, now);
        }
        if let Some(error) = failed {
            let lost = streams.values().sum();
            if let Some(records) = self.lost.happened(lost, now) {
                tracing::warn!(records, error, "dead letters were not taken and are lost");
            }
        }
    }
}

impl<D> Drop for Clerk<D> {
    fn drop(&mut self) {
        let records = self.lost.untold();
        if records > 0 {
            tracing::warn!(records, "more dead letters were lost");
        }
    }
}

/// Letters of one call.
const BATCH: usize = 256;
/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two warnings: an outage loses many batches.
const QUIET: Duration = Duration::from_secs(10);
