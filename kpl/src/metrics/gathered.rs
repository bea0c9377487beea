//! The metrics of all streams of a producer, in one place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::counting::{Export, Meter, Metric, MetricsSnapshot, Node, Registry, Statistics};
use crate::config::MetricsConfig;
use crate::pipeline::Pipeline;
use crate::stream::StreamName;

/// Shared by the streams' tasks, the uploads and the handles. Each locks it for a moment, about once a second, and
/// never across an await.
#[derive(Debug)]
pub(crate) struct Gathered {
    registry: Mutex<Registry>,
    config: MetricsConfig,
}

impl Gathered {
    /// `exports` tells whether anybody will call [`take_export`](Self::take_export).
    pub(crate) fn new(config: MetricsConfig, exports: bool, now: Instant) -> Self {
        let registry = Registry::new(config.granularity(), exports, now);
        Self {
            registry: Mutex::new(registry),
            config,
        }
    }

    pub(crate) fn config(&self) -> &MetricsConfig {
        &self.config
    }

    pub(crate) fn snapshot(&self, window: Duration, now: Instant) -> MetricsSnapshot {
        self.lock().snapshot(window, now)
    }

    pub(crate) fn take_export(&self) -> Vec<Export> {
        self.lock().take_export()
    }

    /// Counts something that did not pass through a stream's pipeline.
    pub(crate) fn count(&self, metric: Metric, stream: &StreamName, times: u64, now: Instant) {
        let mut counts = Statistics::default();
        counts.add(1.0, times);
        let node = Node::of_stream(metric, stream);
        #[cfg(feature = "metrics")]
        super::facade::tell(&node, &counts, &self.config);
        self.lock().add(node, &counts, now);
    }

    fn take_from(&self, meter: &mut Meter, stream: &StreamName, now: Instant) {
        let (records, bytes) = meter.pending();
        let mut taken = Vec::new();
        meter.take(stream, |node, counts| taken.push((node, counts.clone())));
        // Whoever records them is a stranger: not under the lock.
        #[cfg(feature = "metrics")]
        for (node, counts) in &taken {
            super::facade::tell(node, counts, &self.config);
        }
        let mut registry = self.lock();
        for (node, counts) in taken {
            registry.add(node, &counts, now);
        }
        registry.level(Metric::UserRecordsPending, stream, as_level(records), now);
        registry.level(Metric::UserBytesPending, stream, as_level(bytes), now);
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        // Counts are whole after each call, whatever panicked.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When one stream's counts are taken, and taking them.
#[derive(Debug)]
pub(crate) struct StreamMetrics {
    gathered: Arc<Gathered>,
    stream: StreamName,
    next_sample: Instant,
    next_taking: Instant,
}

impl StreamMetrics {
    pub(crate) fn new(gathered: Arc<Gathered>, stream: StreamName, now: Instant) -> Self {
        Self {
            gathered,
            stream,
            next_sample: now,
            next_taking: now + TAKING,
        }
    }

    /// Called on each turn of the stream's task, before outcomes are told: takes the counts each second, and at once
    /// when all is done, so that who waits for the last outcome finds it counted.
    pub(crate) fn on_turn<T>(&mut self, pipeline: &mut Pipeline<T>, now: Instant) {
        if pipeline.meter().is_empty() {
            return;
        }
        if now >= self.next_sample {
            self.next_sample = now + SAMPLING;
            pipeline.sample(now);
        }
        let (pending, _) = pipeline.meter().pending();
        if now >= self.next_taking {
            pipeline.sample_rates();
            self.finish(pipeline, now);
        } else if pending == 0 {
            self.gathered.take_from(pipeline.meter(), &self.stream, now);
        }
    }

    /// Takes what there is.
    pub(crate) fn finish<T>(&mut self, pipeline: &mut Pipeline<T>, now: Instant) {
        self.next_taking = now + TAKING;
        self.gathered.take_from(pipeline.meter(), &self.stream, now);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53, which no process holds"
)]
fn as_level(number: u64) -> f64 {
    number as f64
}

/// Source: KPL, which samples the outstanding count every 200 ms.
const SAMPLING: Duration = Duration::from_millis(200);
/// How old a snapshot may be while a stream is busy.
const TAKING: Duration = Duration::from_secs(1);
