//! The task that uploads metrics: off every record's way, with an owner and an end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::counting::{Metric, MetricDatum, Scope, batches};
use super::meter::Counters;
use super::sink::{MetricsSink, MetricsUpload};
use crate::process::keeper::chain;

/// The uploads of one worker, about to run.
pub(crate) struct Uploads {
    run: Box<dyn FnOnce(Counters, Plan) -> Running + Send + Sync>,
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// When and under which name to upload.
#[derive(Debug)]
struct Plan {
    namespace: String,
    phase: f64,
    stop: CancellationToken,
}

/// The running task; dropping it ends the task at once.
#[derive(Debug)]
pub(crate) struct Uploading {
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Uploads {
    pub(crate) fn to(sink: impl MetricsSink) -> Self {
        Self {
            run: Box::new(|counters, plan| Box::pin(upload_until_stopped(sink, counters, plan))),
        }
    }

    /// Starts to upload. `phase`: how much of the first interval to wait, since workers that were started together shall
    /// not upload together.
    pub(crate) fn start(
        self,
        counters: Counters,
        namespace: &str,
        phase: f64,
        runtime: &Handle,
    ) -> Uploading {
        counters.registry().export();
        let stop = CancellationToken::new();
        let plan = Plan {
            namespace: namespace.to_owned(),
            phase,
            stop: stop.clone(),
        };
        let mut task = JoinSet::new();
        task.spawn_on((self.run)(counters, plan), runtime);
        Uploading { stop, task }
    }
}

impl Uploading {
    /// Uploads what is left, for at most [`LAST_CALL`], and ends the task.
    pub(crate) async fn finish(mut self) {
        self.stop.cancel();
        if let Some(Err(defect)) = self.task.join_next().await {
            warn!(error = %defect, "uploads of metrics ended");
        }
    }
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads").finish_non_exhaustive()
    }
}

async fn upload_until_stopped<S: MetricsSink>(sink: S, counters: Counters, plan: Plan) {
    let Plan {
        namespace,
        phase,
        stop,
    } = plan;
    let mut uploader = Uploader {
        sink,
        counters,
        namespace,
        warned: None,
    };
    let every = uploader.counters.config().upload_interval();
    let mut next = Instant::now() + every.mul_f64(phase);
    while stop.run_until_cancelled(sleep_until(next)).await.is_some() {
        next = Instant::now() + every;
        uploader.upload_until(&stop).await;
    }
    if timeout(LAST_CALL, uploader.upload()).await.is_err() {
        warn!("the last metrics were not uploaded in time");
    }
}

struct Uploader<S> {
    sink: S,
    counters: Counters,
    namespace: String,
    /// When a loss was last told of.
    warned: Option<Instant>,
}

impl<S: MetricsSink> Uploader<S> {
    /// Uploads; when told to stop meanwhile, for [`LAST_CALL`] longer at most.
    async fn upload_until(&mut self, stop: &CancellationToken) {
        let late = async {
            stop.cancelled().await;
            sleep(LAST_CALL).await;
        };
        let upload = std::pin::pin!(self.upload());
        futures::future::select(upload, std::pin::pin!(late)).await;
    }

    async fn upload(&mut self) {
        let at = time_of_day();
        let (batches, surplus) = self.take();
        if surplus > 0 {
            self.lost(surplus, "they are more than max_datums");
        }
        for datums in batches {
            let upload = MetricsUpload {
                namespace: &self.namespace,
                at,
                datums: &datums,
            };
            match timeout(CALL, self.sink.upload(upload)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.lost(datums.len(), &chain(&error)),
                Err(late) => self.lost(datums.len(), &late.to_string()),
            }
        }
    }

    fn take(&self) -> (Vec<Vec<MetricDatum>>, usize) {
        let exports = self.counters.registry().take_export();
        let scope = Scope {
            worker_id: self.counters.worker_id(),
            config: self.counters.config(),
        };
        batches(exports, scope)
    }

    fn lost(&mut self, datums: usize, error: &str) {
        self.counters.add(Metric::MetricsLost, datums);
        if self.warned.is_none_or(|warned| warned.elapsed() >= QUIET) {
            self.warned = Some(Instant::now());
            warn!(lost = datums, error, "metrics were not uploaded and are lost");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the time of day is sent along")]
fn time_of_day() -> SystemTime {
    SystemTime::now()
}

/// How long one batch may take, whatever the sink's own limits are.
const CALL: Duration = Duration::from_secs(10);
/// How long a clean stop waits for the last upload.
const LAST_CALL: Duration = Duration::from_secs(5);
/// Between two warnings.
const QUIET: Duration = Duration::from_secs(300);

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
