//! What belongs to a producer beside its streams: metrics, dead letters, and where both go.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::config::MetricsConfig;
use crate::dead_letter::{DeadLetter, DeadLetters, Desk, Post};
use crate::metrics::{Gathered, MetricsSink, MetricsSnapshot, StreamMetrics, Uploads};
use crate::pipeline::Outcome;
use crate::producer::permits::Permit;
use crate::producer::ticket::{Origin, Token};
use crate::stream::StreamName;

/// What a producer is to be given, before there is one.
#[derive(Default)]
pub(crate) struct Attachments {
    dead_letters: Option<Starter<Desk>>,
    uploads: Option<Starter<Uploads>>,
}

type Starter<T> = Box<dyn FnOnce(Arc<Gathered>, &Handle) -> T + Send>;

/// What a producer has been given, running.
#[derive(Debug)]
pub(crate) struct Attached {
    gathered: Arc<Gathered>,
    desk: Option<Desk>,
    uploads: Option<Uploads>,
}

/// What one stream's task reports to.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(crate) metrics: StreamMetrics,
    letters: Option<Post>,
}

impl Attachments {
    pub(crate) fn set_dead_letters(&mut self, sink: impl DeadLetters) {
        self.dead_letters = Some(Box::new(|gathered, runtime| Desk::open(sink, gathered, runtime)));
    }

    pub(crate) fn set_metrics_sink(&mut self, sink: impl MetricsSink) {
        self.uploads = Some(Box::new(|gathered, runtime| {
            Uploads::start(sink, gathered, runtime)
        }));
    }

    pub(crate) fn attach(self, config: &MetricsConfig, runtime: &Handle) -> Attached {
        let now = tokio::time::Instant::now().into_std();
        let gathered = Arc::new(Gathered::new(config.clone(), self.uploads.is_some(), now));
        Attached {
            desk: self
                .dead_letters
                .map(|start| start(Arc::clone(&gathered), runtime)),
            uploads: self.uploads.map(|start| start(Arc::clone(&gathered), runtime)),
            gathered,
        }
    }
}

impl std::fmt::Debug for Attachments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachments")
            .field("dead_letters", &self.dead_letters.is_some())
            .field("metrics_sink", &self.uploads.is_some())
            .finish()
    }
}

impl Attached {
    pub(crate) fn snapshot(&self, window: Duration) -> MetricsSnapshot {
        self.gathered
            .snapshot(window, tokio::time::Instant::now().into_std())
    }

    /// For the task of one stream.
    pub(crate) fn outlets(&self, stream: &StreamName) -> Outlets {
        let now = tokio::time::Instant::now().into_std();
        Outlets {
            metrics: StreamMetrics::new(Arc::clone(&self.gathered), stream.clone(), now),
            letters: self.desk.as_ref().map(Desk::post),
        }
    }

    /// Once all streams have ended: hands over what is left of letters, then of metrics.
    pub(crate) async fn finish(&self) {
        if let Some(desk) = &self.desk {
            desk.close().await;
        }
        if let Some(uploads) = &self.uploads {
            uploads.finish().await;
        }
    }

    /// The same for at most [`IN_TIME`].
    pub(crate) async fn finish_in_time(&self) {
        if tokio::time::timeout(IN_TIME, self.finish()).await.is_err() {
            tracing::warn!("dead letters or metrics were not handed over in time");
        }
    }
}

impl Outlets {
    /// The letter about a record's outcome, if one is to be written.
    pub(crate) fn letter(&self, token: &Token, outcome: &Outcome) -> Option<DeadLetter> {
        match (&self.letters, outcome) {
            (Some(_), Err(error)) if token.origin() == Origin::Caller => DeadLetter::new(error),
            _ => None,
        }
    }

    /// Leaves a letter, with its record's room.
    pub(crate) fn post(&self, letter: DeadLetter, room: Permit) {
        if let Some(post) = &self.letters {
            post.leave(letter, room);
        }
    }
}

/// How long a close whose time is over waits for letters and metrics.
const IN_TIME: Duration = Duration::from_secs(5);
