//! The task that uploads metrics: off every record's way, with an owner and an end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand::Rng as _;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::counting::batches;
use super::gathered::Gathered;
use super::sink::{MetricsSink, MetricsUpload};
use crate::failure::in_one_line;
use crate::seldom::Seldom;

/// The running task; dropping it ends the task at once.
#[derive(Debug)]
pub(crate) struct Uploads {
    stop: CancellationToken,
    ended: TaskTracker,
    _task: AbortOnDropHandle<()>,
}

impl Uploads {
    pub(crate) fn start(sink: impl MetricsSink, gathered: Arc<Gathered>, runtime: &Handle) -> Self {
        let stop = CancellationToken::new();
        let ended = TaskTracker::new();
        let task = ended.spawn_on(run(sink, gathered, stop.clone()), runtime);
        ended.close();
        Self {
            stop,
            ended,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Uploads what is left, for at most [`LAST_CALL`], and ends the task. May be called again.
    pub(crate) async fn finish(&self) {
        self.stop.cancel();
        self.ended.wait().await;
    }
}

async fn run<S: MetricsSink>(sink: S, gathered: Arc<Gathered>, stop: CancellationToken) {
    let mut uploader = Uploader {
        sink,
        gathered,
        lost: Seldom::new(QUIET),
    };
    let every = uploader.gathered.config().upload_delay();
    // Producers that were started together shall not upload together.
    let mut next = Instant::now() + every.mul_f64(phase());
    while stop
        .run_until_cancelled(tokio::time::sleep_until(next))
        .await
        .is_some()
    {
        next = Instant::now() + every;
        uploader.upload_until(&stop).await;
    }
    if tokio::time::timeout(LAST_CALL, uploader.upload()).await.is_err() {
        tracing::warn!("the last metrics were not uploaded in time");
    }
}

#[expect(clippy::disallowed_methods, reason = "the shell is where randomness enters")]
fn phase() -> f64 {
    rand::rng().random_range(0.5..1.0)
}

#[expect(clippy::disallowed_methods, reason = "the time of day is sent along")]
fn time_of_day() -> SystemTime {
    SystemTime::now()
}

struct Uploader<S> {
    sink: S,
    gathered: Arc<Gathered>,
    lost: Seldom,
}

impl<S: MetricsSink> Uploader<S> {
    /// Uploads; when told to stop meanwhile, for [`LAST_CALL`] longer at most.
    async fn upload_until(&mut self, stop: &CancellationToken) {
        let upload = std::pin::pin!(self.upload());
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_CALL).await;
        };
        futures::future::select(upload, std::pin::pin!(late)).await;
    }

    async fn upload(&mut self) {
        let at = time_of_day();
        let config = self.gathered.config();
        let batches = batches(self.gathered.take_export(), config);
        for datums in batches {
            let upload = MetricsUpload {
                namespace: config.namespace(),
                at,
                datums: &datums,
            };
            match tokio::time::timeout(CALL, self.sink.upload(upload)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => lost(&mut self.lost, datums.len(), &error),
                Err(late) => lost(&mut self.lost, datums.len(), &late),
            }
        }
    }
}

fn lost(seldom: &mut Seldom, datums: usize, error: &(dyn std::error::Error + 'static)) {
    if let Some(lost) = seldom.happened(datums as u64, Instant::now().into_std()) {
        let error = in_one_line(error);
        tracing::warn!(lost, error, "metrics were not uploaded and are lost");
    }
}

/// How long one batch may take, whatever the sink's own limits are.
const CALL: Duration = Duration::from_secs(10);
/// How long closing waits for the last upload.
const LAST_CALL: Duration = Duration::from_secs(5);
/// Between two warnings.
const QUIET: Duration = Duration::from_secs(300);
