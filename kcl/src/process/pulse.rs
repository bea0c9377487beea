//! How one lease is, shared between who reads, who processes and who asks: the latest only, never waited for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::events::{Bell, ConsumerEvent};
use crate::lease::LeaseKey;
use crate::metrics::{Counters, Meter, Metric};
use crate::shard::progress::{Change, Heard, Nature, Progress, RetrievalMode};

/// The pulse of one lease. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    inner: Arc<Mutex<Inner>>,
    lease_key: LeaseKey,
    bell: Bell,
    counters: Counters,
    meter: Meter,
}

#[derive(Debug)]
struct Inner {
    progress: Progress,
    /// Reading waits for memory that others hold.
    parked: bool,
    call: Option<Call>,
}

/// A call of the processor that has not returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) since: Instant,
}

impl Pulse {
    pub(crate) fn new(lease_key: LeaseKey, bell: Bell, counters: Counters) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                progress: Progress::new(now()),
                parked: false,
                call: None,
            })),
            meter: counters.of_lease(&lease_key),
            lease_key,
            bell,
            counters,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Set in one step each, so a thread that died in between took nothing with it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to count for the lease.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// A read has ended.
    pub(crate) fn on_read(&self, mode: RetrievalMode, heard: Heard, records: bool, lag: Option<Duration>) {
        if let Some(lag) = lag {
            self.meter.behind(Metric::MillisBehindLatest, lag);
        }
        let told = match &heard {
            Heard::Failure(trouble) if matches!(trouble.nature, Nature::Denied | Nature::Silent) => {
                Some(trouble.clone())
            }
            _ => None,
        };
        let (change, silent_for) = {
            let mut inner = self.inner();
            let silent_for = now().saturating_duration_since(inner.progress.moved_at());
            (
                inner.progress.on_read(now(), mode, heard, records, lag),
                silent_for,
            )
        };
        let lease_key = self.lease_key.clone();
        match (change, told) {
            (Change::Denied, Some(trouble)) => {
                warn!(lease_key = %lease_key, error = %trouble.code, "reading is denied: {} is tried again", trouble.operation);
                self.bell.ring(ConsumerEvent::ReadDenied {
                    lease_key,
                    operation: trouble.operation,
                    code: trouble.code,
                });
            }
            (Change::Silent, _) => {
                info!(lease_key = %lease_key, elapsed_ms = silent_for.as_millis(), "subscription is silent, opened anew");
                self.bell.ring(ConsumerEvent::SubscriptionSilent {
                    lease_key,
                    silent_for,
                });
            }
            (Change::Recovered, _) => {
                info!(lease_key = %lease_key, "reading goes on");
                self.bell.ring(ConsumerEvent::ReadRecovered { lease_key });
            }
            (Change::None | Change::Denied, _) => {}
        }
    }

    /// The way of reading has changed for a reason that people should know.
    pub(crate) fn on_switch(&self, mode: RetrievalMode, reason: &str) {
        let lease_key = self.lease_key.clone();
        info!(lease_key = %lease_key, error = reason, "shard is read in another way: {mode:?}");
        self.bell.ring(ConsumerEvent::RetrievalChanged {
            lease_key,
            mode,
            reason: reason.to_owned(),
        });
    }

    /// Reading waits for memory, until the value is dropped.
    pub(crate) fn park(&self) -> Parked<'_> {
        self.inner().parked = true;
        Parked(self)
    }

    /// So many bytes were processed since `turn`.
    pub(crate) fn count(&self, bytes: usize, turn: Instant) {
        self.meter.add(Metric::DataBytesProcessed, bytes);
        self.meter.took(Metric::ProcessTime, turn);
    }

    /// A batch was processed.
    pub(crate) fn on_processed(&self) {
        self.inner().progress.on_moved(now());
    }

    /// What to judge by; `None` while reading waits for memory.
    pub(crate) fn progress(&self) -> Option<Progress> {
        let inner = self.inner();
        (!inner.parked).then(|| inner.progress.clone())
    }

    /// How it is, for whoever looks.
    pub(crate) fn look(&self) -> (Progress, Option<Call>) {
        let inner = self.inner();
        (inner.progress.clone(), inner.call)
    }

    /// A call of the processor begins; it ends with the value.
    pub(crate) fn begin(&self, method: &'static str) -> InCall<'_> {
        self.inner().call = Some(Call {
            method,
            since: Instant::now(),
        });
        InCall(self, method)
    }

    /// Reports each call of the processor that takes longer than this, and again whenever it has taken twice as long. Runs
    /// beside the processor, on another thread where there is one: a call that blocks its thread is reported too.
    pub(crate) async fn report_calls(&self, after: Duration) {
        let mut reported: Option<(Instant, Duration)> = None;
        loop {
            let call = self.inner().call;
            let now = Instant::now();
            let next = match call {
                // One that begins later is not due before this.
                None => now + after,
                Some(call) => {
                    let due = match reported {
                        Some((since, last)) if since == call.since => last * 2,
                        _ => after,
                    };
                    if now < call.since + due {
                        (call.since + due).min(now + after)
                    } else {
                        let running_for = now - call.since;
                        reported = Some((call.since, due.max(running_for)));
                        warn!(lease_key = %self.lease_key, elapsed_ms = running_for.as_millis(), "processor has not returned from {}", call.method);
                        self.bell.ring(ConsumerEvent::ProcessorSlow {
                            lease_key: self.lease_key.clone(),
                            method: call.method,
                            running_for,
                        });
                        now + after
                    }
                }
            };
            sleep_until(next).await;
        }
    }
}

/// A wait for memory.
#[must_use = "the wait ends when it is dropped"]
pub(crate) struct Parked<'a>(&'a Pulse);

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.0.inner().parked = false;
    }
}

/// A call of the processor in progress.
#[must_use = "the call ends when it is dropped"]
pub(crate) struct InCall<'a>(&'a Pulse, &'static str);

impl Drop for InCall<'_> {
    fn drop(&mut self) {
        let Self(pulse, method) = self;
        let Some(Call { since, .. }) = pulse.inner().call.take() else {
            return;
        };
        match *method {
            "initialize" => pulse.counters.took(Metric::InitializeTime, since),
            "shard_ended" | "shutdown_requested" | "lease_lost" => {
                pulse.counters.took(Metric::ShutdownTime, since);
            }
            _ => pulse.meter.took(Metric::ProcessRecordsTime, since),
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

#[cfg(test)]
#[path = "pulse_tests.rs"]
mod tests;
