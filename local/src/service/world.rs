//! What both halves share: the clock, the faults, the latency model, and what happened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::clock::Clock;
use super::history::Recorder;
use super::kinesis::KinesisService;
use super::latency::{Latency, LatencyKind};
use crate::faults::{
    Call, Caller, Fault, FaultError, FaultId, FaultStatus, FaultTable, Faults, Reshard, Verdict,
};

/// The surroundings of one endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct World {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    faults: Mutex<FaultTable>,
    latency: Latency,
    history: Recorder,
    requests: AtomicU64,
}

impl World {
    pub(crate) fn new(clock: Clock, faults: &Faults, latency: Latency, history: Recorder) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                faults: Mutex::new(FaultTable::new(faults)),
                latency,
                history,
                requests: AtomicU64::new(0),
            }),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub(crate) fn history(&self) -> &Recorder {
        &self.shared.history
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, FaultTable> {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a request; the same order of requests gives the same ids.
    pub(crate) fn request_id(&self) -> String {
        let number = self.shared.requests.fetch_add(1, Ordering::Relaxed) + 1;
        format!("00000000-0000-4000-8000-{number:012x}")
    }

    /// The service's time as a `Date` header, as a caller whose clock is this far ahead takes it.
    pub(crate) fn date(&self, skew_ms: i64) -> Option<String> {
        let millis = i64::try_from(self.shared.clock.now_ms()).unwrap_or(i64::MAX);
        DateTime::from_millis(millis.saturating_sub(skew_ms))
            .fmt(Format::HttpDate)
            .ok()
            // The header has whole seconds.
            .map(|date| whole_seconds(&date))
    }

    /// What goes wrong with a call, and how long it travels.
    pub(crate) fn open(&self, call: &Call<'_>, kind: LatencyKind) -> Opening {
        let now = self.shared.clock.since_start();
        let mut faults = self.faults();
        let verdict = faults.decide(call, now);
        let latency = self.shared.latency.of(kind, |bound| faults.below(bound));
        // In whole milliseconds, which is what timers have: two rounded halves would be more than the whole.
        let travel_ms = u64::try_from(latency.saturating_add(verdict.delay).as_millis()).unwrap_or(u64::MAX);
        let inward_ms = travel_ms / 2;
        Opening {
            verdict,
            inward: Duration::from_millis(inward_ms),
            outward: Duration::from_millis(travel_ms - inward_ms),
        }
    }

    /// How long an event travels.
    pub(crate) fn event_latency(&self) -> Duration {
        let mut faults = self.faults();
        self.shared
            .latency
            .of(LatencyKind::FanOut, |bound| faults.below(bound))
    }
}

/// How a call begins.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) verdict: Verdict,
    pub(crate) inward: Duration,
    pub(crate) outward: Duration,
}

/// `Thu, 01 Jan 2026 00:00:00.123 GMT` without its fraction.
fn whole_seconds(date: &str) -> String {
    match (date.find('.'), date.rfind(' ')) {
        (Some(dot), Some(space)) if dot < space => format!("{}{}", &date[..dot], &date[space..]),
        _ => date.to_owned(),
    }
}

/// Waits, and not at all for nothing: a timer of zero would still take a turn of the runtime.
pub(crate) async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

/// Takes down a call that was opened, as abandoned unless told otherwise.
pub(crate) struct Entry<'a> {
    pub(crate) world: &'a World,
    pub(crate) caller: &'a Caller,
    pub(crate) operation: &'static str,
    pub(crate) request: String,
    pub(crate) outcome: Option<String>,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let history = self.world.history();
        if history.is_on() {
            history.record(
                self.world.clock().since_start(),
                self.caller.name(),
                self.operation,
                std::mem::take(&mut self.request),
                self.outcome.take().unwrap_or_else(|| "abandoned".to_owned()),
            );
        }
    }
}

/// The faults of a running endpoint: add, watch and remove them while it runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FaultControl {
    kinesis: KinesisService,
}

impl FaultControl {
    pub(crate) fn new(kinesis: KinesisService) -> Self {
        Self { kinesis }
    }

    /// Puts a fault in force; its [`after`](Fault::after) counts from now.
    ///
    /// # Errors
    ///
    /// [`FaultError`] if the fault cannot be.
    pub fn add(&self, fault: Fault) -> Result<FaultId, FaultError> {
        let world = self.kinesis.world();
        let now = world.clock().since_start();
        world.faults().add(fault, now)
    }

    /// Takes a fault back. `false` if there is none of this name any more.
    pub fn remove(&self, id: FaultId) -> bool {
        self.kinesis.world().faults().remove(id)
    }

    /// Takes all faults back. Reshards that are still to come stay.
    pub fn clear(&self) {
        self.kinesis.world().faults().clear();
    }

    /// Every fault in force, those that have struck often enough among them, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<FaultStatus> {
        self.kinesis.world().faults().list()
    }

    /// How often a fault has struck; `None` if there is none of this name.
    #[must_use]
    pub fn struck(&self, id: FaultId) -> Option<u64> {
        self.kinesis.world().faults().struck(id)
    }

    /// Has a stream reshard by itself this long from now, whatever its mode or state. One that is impossible by
    /// then does nothing.
    ///
    /// # Errors
    ///
    /// [`FaultError`] if no stream could ever reshard so.
    pub fn reshard(
        &self,
        after: Duration,
        stream: impl Into<String>,
        reshard: Reshard,
    ) -> Result<(), FaultError> {
        reshard.check()?;
        self.kinesis.reshard_after(after, stream.into(), reshard);
        Ok(())
    }
}
