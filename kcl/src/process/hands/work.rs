//! `process_records`: one call for the batch in hand, or what is done about one that failed.

use std::future::pending;
use std::sync::atomic::Ordering;

use tokio::time::Instant;
use tracing::{Span, field};

use super::Hands;
use crate::config::OnStray;
use crate::metrics::Metric;
use crate::process::call::{Broken, watched};
use crate::process::failing::Left;
use crate::process::keeper::chain;
use crate::processor::{RecordBatch, RecordProcessor, RecordProcessorFactory};
use crate::shard::machine::Event;
use crate::source::Source;

impl<S: Source, F: RecordProcessorFactory> Hands<S, F> {
    #[tracing::instrument(name = "kcl.process", skip_all, fields(attempt, records, bytes, position))]
    pub(super) async fn process(&mut self) -> Event {
        if let OnStray::Divert(diversion) = &self.shop.config.strays
            && let Err(error) = self
                .strays
                .divert(diversion, self.pulse.meter(), &self.shop.bell, &self.lease.key)
                .await
        {
            return self.failed("an aggregate cannot be diverted", &*error);
        }
        let Some(batch) = self.next_attempt().await else {
            return Event::Processed;
        };
        if self.failing.is_due() {
            return self.leave_behind(batch).await;
        }
        let records = batch.len();
        let count = records as u64;
        let turn = Instant::now();
        // By our own clock, in case this process stood still and the keeper has not been heard yet.
        if !self.keeper.is_held(Instant::now().into_std()) {
            return pending().await;
        }
        let bytes: usize = batch.records().iter().map(|record| record.data().len()).sum();
        self.keeper.count(bytes as u64);
        let span = Span::current();
        span.record("attempt", self.failures + 1);
        span.record("records", count).record("bytes", bytes);
        if let Some(last) = batch.last_position() {
            span.record("position", field::display(last));
            self.told.delivering(&self.keeper, last.clone()).await;
        }
        let Some(processor) = &mut self.processor else {
            return Event::Processed;
        };
        let (pulse, cancel) = (&self.pulse, self.shop.config.watching.cancel_calls);
        let call = async { processor.process_records(batch, &self.checkpointer).await };
        let answer = watched(pulse, cancel, "process_records", call).await;
        let succeeded = matches!(answer, Ok(Ok(())));
        pulse.meter().tried(Metric::ProcessSuccess, succeeded);
        match answer {
            Ok(Ok(())) => {
                self.told.processed();
                self.pulse.on_processed();
                self.in_hand = None;
                if !F::Processor::BY_RECORD {
                    self.shop.tally.records.fetch_add(count, Ordering::Relaxed);
                    self.pulse.meter().add(Metric::RecordsProcessed, records);
                }
                self.shop.tally.batches.fetch_add(1, Ordering::Relaxed);
                self.pulse.count(bytes, turn);
                self.unasked.on_done(count).await;
                Event::Processed
            }
            Ok(Err(error)) => {
                self.told.failed(&self.keeper).await;
                let event = self.failed("process_records failed, the same records come again", &*error);
                self.after_failure(event, chain(&*error)).await
            }
            Err(broken) => {
                let event = self.broken("process_records", &broken);
                if let Broken::Cancelled(overdue) = &broken {
                    self.told.failed(&self.keeper).await;
                    return self.after_failure(event, overdue.to_string()).await;
                }
                event
            }
        }
    }

    /// Sees whether the batch in hand has failed for good.
    async fn after_failure(&mut self, event: Event, error: String) -> Event {
        let attempts = self.failures;
        match self.next_attempt().await {
            Some(batch) => {
                self.failing
                    .on_failure(&self.shop, &self.shard, &batch, attempts, error);
                match self.failing.is_due() {
                    true => self.leave_behind(batch).await,
                    false => event,
                }
            }
            None => event,
        }
    }

    async fn leave_behind(&mut self, batch: RecordBatch) -> Event {
        match self.failing.leave_behind(&self.shop, &self.shard, &batch).await {
            Left::Passed => {
                if let Some(last) = batch.last_position() {
                    self.told.delivering(&self.keeper, last.clone()).await;
                }
                self.told.processed();
                self.in_hand = None;
                self.unasked.on_done(batch.len() as u64).await;
                Event::Processed
            }
            Left::NotYet(error) => self.failed("dead letters cannot be written yet", &*error),
            Left::Stops => Event::Failed,
        }
    }

    /// The batch in hand without what is done of it. `None`: all of it is.
    async fn next_attempt(&mut self) -> Option<RecordBatch> {
        let wants_empty = self.wants_empty_batches();
        let held = self.in_hand.as_mut()?;
        if self.failures > 0
            && let Some(written) = self.keeper.written().await
            // A checkpoint of an earlier tenure: the processor may have chosen to start before it.
            && written != self.lease.checkpoint
        {
            held.batch.records.skip_done(&written);
        }
        let wanted = wants_empty || !held.batch.is_empty();
        wanted.then(|| held.batch.records.clone())
    }

    pub(super) fn wants_empty_batches(&self) -> bool {
        self.shop.config.processing.empty_batches && !F::Processor::BY_RECORD
    }
}
