//! A consumer at work in a task of its own, and waiting for what it does.

use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use kcl::events::{ConsumerEvent, Events, Notice};
use kcl::{Consumer, ConsumerHandle, RecordProcessorFactory, RunError, RunSummary};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Of virtual time, for what is not about time.
const LONG: Duration = Duration::from_secs(3_600);

pub(crate) struct Running {
    pub(crate) handle: ConsumerHandle,
    events: Events,
    task: JoinSet<Result<RunSummary, RunError>>,
}

impl Running {
    pub(crate) fn of(consumer: Consumer<impl RecordProcessorFactory>) -> Self {
        let handle = consumer.handle();
        let events = handle.events();
        let mut task = JoinSet::new();
        task.spawn(consumer.run());
        Self { handle, events, task }
    }

    pub(crate) fn held(&self) -> usize {
        self.handle.leases_held()
    }

    /// What was told since the last look.
    pub(crate) fn told(&mut self) -> Vec<ConsumerEvent> {
        let mut told = Vec::new();
        while let Some(Some(notice)) = self.events.next().now_or_never() {
            match notice {
                Notice::Event(event) => told.push(event),
                other => panic!("{other:?}"),
            }
        }
        told
    }

    /// Waits for an event of a kind.
    pub(crate) async fn event(&mut self, wanted: impl Fn(&ConsumerEvent) -> bool) -> ConsumerEvent {
        self.wait_for(|event| wanted(event).then(|| event.clone())).await
    }

    /// The same, for what is of interest in it.
    pub(crate) async fn wait_for<T>(&mut self, pick: impl Fn(&ConsumerEvent) -> Option<T>) -> T {
        let picked = async {
            loop {
                let notice = self.events.next().await.expect("the consumer runs");
                if let Notice::Event(event) = notice
                    && let Some(picked) = pick(&event)
                {
                    return picked;
                }
            }
        };
        timeout(LONG, picked).await.expect("the event")
    }

    /// How it ends by itself.
    pub(crate) async fn end(&mut self) -> Result<RunSummary, RunError> {
        self.end_within(LONG).await
    }

    /// The same, before so much time has passed.
    pub(crate) async fn end_within(&mut self, limit: Duration) -> Result<RunSummary, RunError> {
        let ended = timeout(limit, self.task.join_next()).await;
        ended.expect("it ends").unwrap().unwrap()
    }

    pub(crate) async fn stop(mut self) -> RunSummary {
        self.handle.request_shutdown();
        self.end().await.unwrap()
    }

    /// As a crash: nothing is told to anybody.
    pub(crate) async fn kill(mut self) {
        self.task.shutdown().await;
    }
}

/// Waits until a condition holds. How long it took.
pub(crate) async fn within(limit: Duration, what: &str, mut done: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        sleep(20 * MS).await;
    }
    began.elapsed()
}
