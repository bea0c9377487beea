//! Waiting for the next batch.

use std::future::pending;
use std::time::{Duration, SystemTime};

use kinesis_aggregation::HashKeyRange;
use tokio::time::Instant;
use tracing::{error, warn};

use super::Hands;
use crate::events::{ConsumerEvent, StallRemedy};
use crate::process::beside::{beside, work_on};
use crate::process::standstill::stuck;
use crate::processor::{RecordProcessorFactory, WorkUntil};
use crate::shard::machine::Event;
use crate::source::Source;
use crate::source::ahead::{HeldBatch, ReadAhead};

impl<S: Source, F: RecordProcessorFactory> Hands<S, F> {
    /// Reads on after what was taken, or from the lease's checkpoint.
    pub(super) fn open_reader(&mut self) {
        let start = self.opening.start().resume(self.taken.as_ref(), self.opened);
        #[expect(
            clippy::disallowed_methods,
            reason = "the service compares it with its own wall clock"
        )]
        self.opened.get_or_insert_with(SystemTime::now);
        let range = self.lease.hash_range.unwrap_or(HashKeyRange::FULL);
        let shard = self.shard.shard_id().clone();
        let (source, meter) = (&self.shop.source, self.pulse.meter().clone());
        let reader = source.open(&self.stream, shard, range, start, meter);
        let (budget, pulse) = (self.shop.budget.clone(), self.pulse.clone());
        let most = self.shop.config.retrieval.max_records as usize;
        // The old one first: it may hold a subscription.
        self.reading = None;
        let empties = self.wants_empty_batches();
        self.reading = Some(ReadAhead::start_with(reader, budget, pulse, most, empties));
    }

    pub(super) async fn read(&mut self) -> Event {
        if let Err(panic) = work_on(&mut self.processor, WorkUntil::Room, &self.checkpointer).await {
            return self.panicked("work_on", &*panic);
        }
        let waiting = Instant::now();
        let mut held = loop {
            let Self {
                reading: Some(reading),
                processor,
                checkpointer,
                pulse,
                watch,
                unasked,
                ..
            } = self
            else {
                return pending().await;
            };
            let next = async {
                tokio::select! {
                    biased;
                    held = reading.next() => Next::Batch(held),
                    remedy = stuck(watch, pulse, waiting) => Next::Stuck(remedy),
                    () = unasked.next() => Next::Checkpointed,
                }
            };
            match beside(processor, checkpointer, next).await {
                Ok(Next::Batch(Some(held))) => break held,
                Ok(Next::Batch(None)) => {
                    error!("reader ended before the end of the shard");
                    return Event::Panicked;
                }
                Ok(Next::Stuck((remedy, still_for))) => {
                    let lease_key = self.shard.lease_key().clone();
                    warn!(lease_key = %lease_key, elapsed_ms = still_for.as_millis(), "reading stands still: {remedy:?}");
                    self.shop.bell.ring(ConsumerEvent::ShardStalled {
                        lease_key,
                        still_for,
                        remedy,
                    });
                    if remedy == StallRemedy::GivenUp {
                        return Event::Stalled;
                    }
                    self.open_reader();
                }
                Ok(Next::Checkpointed) => {}
                Err(panic) => return self.panicked("work_on", &*panic),
            }
        };
        if !self
            .opening
            .is_kept_by(&held.batch.records, &self.shop, &self.lease.key)
        {
            // The consumer ends.
            return pending().await;
        }
        if let Some(last) = held.batch.records.last_position() {
            self.taken = Some(last.sequence_number().clone());
        }
        // Reading starts AT the checkpoint, because the rest of an aggregate may be to do.
        held.batch.records.skip_done(self.opening.done());
        let ended = held.batch.end.is_some();
        if let Some(end) = held.batch.end.take() {
            self.end = end;
        }
        let empty = held.batch.is_empty() && !self.wants_empty_batches();
        self.strays.take_in(
            &mut held.batch,
            self.pulse.meter(),
            &self.shop.bell,
            &self.lease.key,
        );
        self.in_hand = Some(held);
        Event::Batch { empty, ended }
    }
}

/// What a processor that waits for records gets.
enum Next {
    Batch(Option<HeldBatch>),
    Stuck((StallRemedy, Duration)),
    Checkpointed,
}
