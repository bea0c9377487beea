//! What becomes of aggregates with a record outside the shard's hash range.

use std::collections::VecDeque;

use crate::config::Diversion;
use crate::error::BoxError;
use crate::events::{Bell, ConsumerEvent};
use crate::lease::LeaseKey;
use crate::metrics::{Meter, Metric};
use crate::record::{DroppedRecords, StrayAggregate};
use crate::source::Batch;

/// Aggregates of the batch in hand that are still to be diverted.
#[derive(Debug, Default)]
pub(super) struct Strays(VecDeque<StrayAggregate>);

impl Strays {
    /// Takes a batch's aggregates out of it, and counts and tells of those that were dropped.
    pub(super) fn take_in(&mut self, batch: &mut Batch, meter: &Meter, bell: &Bell, lease_key: &LeaseKey) {
        let all = batch.records.dropped();
        meter.add(Metric::DroppedAggregates, all.len());
        meter.add(
            Metric::DroppedRecords,
            all.iter().map(DroppedRecords::records).sum(),
        );
        for dropped in all {
            bell.ring(ConsumerEvent::AggregateDropped {
                lease_key: lease_key.clone(),
                sequence_number: dropped.sequence_number().clone(),
                records: dropped.records(),
            });
        }
        self.0 = std::mem::take(&mut batch.strays).into();
    }

    /// Gives them away, one by one. What failed is the first the next time.
    pub(super) async fn divert(
        &mut self,
        diversion: &Diversion,
        meter: &Meter,
        bell: &Bell,
        lease_key: &LeaseKey,
    ) -> Result<(), BoxError> {
        while let Some(stray) = self.0.front() {
            diversion.take(stray.clone()).await?;
            meter.add(Metric::DivertedAggregates, 1);
            bell.ring(ConsumerEvent::AggregateDiverted {
                lease_key: lease_key.clone(),
                sequence_number: stray.sequence_number().clone(),
                records: stray.records().len(),
            });
            self.0.pop_front();
        }
        Ok(())
    }
}
