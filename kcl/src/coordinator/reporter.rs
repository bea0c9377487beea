//! Says how busy this worker is, in its metrics row: while a leader assigns, nobody gets leases who says nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::membership::Membership;
use super::probe::CpuProbe;
use crate::error::StoreError;
use crate::fleet::WorkerStats;
use crate::metrics::Metric;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::store::RetireIf;
use crate::worker_load::platform::Platform;
use crate::worker_load::samples::Samples;

/// Reports for as long as the fleet wants it; removes the row when told to stop, so that no leader assigns anything to a worker
/// that leaves.
pub(super) async fn report<S, F>(
    shop: Arc<Workshop<S, F>>,
    membership: Arc<Membership>,
    measure: Arc<AtomicBool>,
    stop: CancellationToken,
) where
    S: Send + Sync + 'static,
    F: Send + Sync + 'static,
{
    let mut fleet = membership.subscribe();
    loop {
        let wanted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            // The sender is ours.
            wanted = fleet.wait_for(|fleet| fleet.reports_metrics()) => wanted.is_ok(),
        };
        if !wanted {
            return;
        }
        measure.store(true, Ordering::Relaxed);
        let retired = async {
            // The sender is ours.
            let _ = fleet.wait_for(|fleet| !fleet.reports_metrics()).await;
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = retired => {}
            () = report_on(&shop, &membership) => {}
        }
        measure.store(false, Ordering::Relaxed);
        let (home, me) = (membership.borrow().home(), shop.config.worker_id());
        if let Err(error) = shop.store.retire_worker(home, me, RetireIf::Mine).await {
            debug!(error = %chain(&error), "own metrics row cannot be removed");
        }
    }
}

/// The first report is not waited for by anybody's plan but the leader's: it goes out at once.
async fn report_on<S, F>(shop: &Workshop<S, F>, membership: &Membership) {
    let mut gauge = Gauge::start().await;
    let mut samples = Samples::new();
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = sleep_until(due) => {
                let averages = gauge.works().then(|| samples.report());
                let began = Instant::now();
                let written = write(shop, membership, averages).await;
                shop.counters.tried(Metric::ReportSuccess, written.is_ok());
                shop.counters.took(Metric::ReportTime, began);
                let pause = match written {
                    Ok(()) => shop.config.membership.report_interval,
                    Err(error) => {
                        warn!(error = %chain(&error), "metrics row cannot be written");
                        shop.counters.add(Metric::FailedReports, 1);
                        shop.config.membership.report_interval / 6
                    }
                };
                due = Instant::now() + pause;
            }
            _ = ticks.tick(), if gauge.works() => samples.on_sample(gauge.sample().await),
        }
    }
}

async fn write<S, F>(
    shop: &Workshop<S, F>,
    membership: &Membership,
    averages: Option<Vec<f64>>,
) -> Result<(), StoreError> {
    let mut stats = WorkerStats::new(shop.config.worker_id().clone(), shop.config.wall_clock.now());
    // An interval without a sample would keep new leases away; before the first one, nothing is said of the processor.
    if let Some(averages) = averages.filter(|averages| averages.iter().any(|average| *average >= 0.0)) {
        stats = stats.with_metric(CPU, &averages, FULL);
    }
    let home = membership.borrow().home();
    shop.store.report_worker(home, &stats).await
}

/// The processor, looked at where looking may block.
struct Gauge(Option<CpuProbe>);

impl Gauge {
    async fn start() -> Self {
        let probe = spawn_blocking(CpuProbe::detect).await.ok();
        Self(probe.filter(|probe| *probe.platform() != Platform::Unknown))
    }

    fn works(&self) -> bool {
        self.0.is_some()
    }

    async fn sample(&mut self) -> Option<f64> {
        let mut probe = self.0.take()?;
        let sampled = spawn_blocking(move || {
            let sampled = probe.sample();
            (probe, sampled)
        });
        let (probe, sampled) = sampled.await.ok()?;
        self.0 = Some(probe);
        sampled
            .inspect_err(|error| debug!(error = %chain(error), "processor time cannot be read"))
            .ok()
            .flatten()
    }
}

/// Source: KCL 3.x, short name of the CPU metric, and its operating range.
const CPU: &str = "C";
const FULL: f64 = 100.0;
/// Source: KCL 3.x, `inMemoryWorkerMetricsCaptureFrequencyMillis`.
const SAMPLE: Duration = Duration::from_secs(1);
