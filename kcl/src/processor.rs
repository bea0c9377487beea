//! The user's code: what it is given, and what it promises.
//!
//! ```text
//! initialize ── process_records ── process_records ── … ──┬── shard_ended          all records done, shard closed
//!                                                         ├── shutdown_requested   this worker stops, or hands over
//!                                                         └── lease_lost           another worker has the shard
//! ```
//!
//! All calls for one shard come one after another; different shards run at the same time. Exactly one of the
//! three ends is the last call, unless the consumer is dropped or the processor panics.

use std::future::{Future, pending, ready};
use std::sync::Arc;
use std::time::Duration;

use crate::error::BoxError;
use crate::initialization::Initialization;
use crate::position::{Checkpoint, Position, SequenceNumber};
use crate::process::Checkpointer;
use crate::record::{ClientRecord, DroppedRecords};
use crate::source::ahead::Hold;
use crate::stream::ShardContext;

/// What is done with the records of one shard (KCL: `ShardRecordProcessor`).
///
/// Write the methods as `async fn`. A method that fails is called again after a pause, with the same input:
/// an error never skips a record. A method that panics ends the processor; its lease is given up, the records
/// since the last checkpoint come again, here or on another worker.
///
/// # Cancel safety
/// When the lease is lost while a method waits, its future is dropped at that point and
/// [`lease_lost`](Self::lease_lost) is called: somebody else may have started on the same records.
pub trait RecordProcessor: Send + 'static {
    /// Whether batches are only accepted by `process_records`, and their records counted and checkpointed as they are done.
    #[doc(hidden)]
    const BY_RECORD: bool = false;

    /// Called before all other methods, once it succeeds. Default: does nothing.
    fn initialize(&mut self, input: Initialization<'_>) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = input;
        ready(Ok(()))
    }

    /// Called with records in their order, never with none unless aggregates were dropped, or it is
    /// [asked for](crate::ConsumerConfigBuilder::call_with_empty_batches).
    ///
    /// Nothing is checkpointed unless you do it. After an error the records that are not checkpointed come again,
    /// with growing pauses, for as long as the lease is held.
    fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Goes on with what [`process_records`](Self::process_records) has accepted and not finished, for processors that
    /// return from it early. Called between the other methods; what it does is subject to the same fencing as they are.
    ///
    /// Default: nothing is left to do, so that there is always room, and everything is finished.
    ///
    /// # Cancel safety
    /// Must lose nothing when its future is dropped at any await, which is what happens when a batch comes: keep what
    /// goes on in `self`.
    fn work_on(&mut self, until: WorkUntil, checkpointer: &Checkpointer) -> impl Future<Output = ()> + Send {
        let _ = checkpointer;
        async move {
            match until {
                WorkUntil::Room | WorkUntil::Finished => {}
                WorkUntil::Interrupted => pending().await,
            }
        }
    }

    /// Another worker has the shard, or may have it soon. Nothing can be checkpointed any more. Default: does
    /// nothing.
    fn lease_lost(&mut self) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// The shard is closed and every record was processed. Must checkpoint, else it is called again: the shards that
    /// follow this one are read only then. Default: checkpoints.
    fn shard_ended(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        async move { checkpointer.checkpoint().await.map_err(BoxError::from) }
    }

    /// This worker stops, or hands the shard to another one that waits for it. Last chance to checkpoint what was
    /// processed: then nothing of it comes again. The lease is given up afterwards, also after an error. Unlike in the
    /// KCL no `lease_lost` follows. Default: does nothing.
    fn shutdown_requested(
        &mut self,
        checkpointer: &Checkpointer,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = checkpointer;
        ready(Ok(()))
    }
}

/// When [`RecordProcessor::work_on`] is to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkUntil {
    /// When another batch may come. Until then none is read.
    Room,
    /// Never: its future is dropped when there is something else to do.
    Interrupted,
    /// When every record is finished, because the shard has ended.
    Finished,
}

/// Makes the processor of each shard whose lease is won (KCL: `ShardRecordProcessorFactory`).
///
/// Every closure `|shard: &ShardContext| …` that returns a [`RecordProcessor`] is one; the closure's argument needs its
/// type written out.
pub trait RecordProcessorFactory: Send + Sync + 'static {
    /// The processor made.
    type Processor: RecordProcessor;

    /// A processor for one shard, for as long as its lease is held.
    fn create(&self, shard: &ShardContext) -> Self::Processor;
}

impl<F, P> RecordProcessorFactory for F
where
    F: Fn(&ShardContext) -> P + Send + Sync + 'static,
    P: RecordProcessor,
{
    type Processor = P;

    fn create(&self, shard: &ShardContext) -> P {
        self(shard)
    }
}

/// Records of one shard, in their order (KCL: `ProcessRecordsInput`). A clone copies no records.
///
/// A batch that is kept counts against [`prefetch_bytes`](crate::ConsumerConfigBuilder::prefetch_bytes) until its last
/// clone is dropped; records taken out of it do not.
#[derive(Debug, Clone, Default)]
pub struct RecordBatch {
    records: Arc<Vec<ClientRecord>>,
    /// Records before this index are checkpointed already and not shown.
    from: usize,
    behind_latest: Option<Duration>,
    dropped: Arc<Vec<DroppedRecords>>,
    /// The part of the memory budget that these records take.
    hold: Option<Hold>,
}

impl RecordBatch {
    /// A batch; also the way to make one for testing a processor. `records` are in the order of their positions.
    #[must_use]
    pub fn new(records: Vec<ClientRecord>, behind_latest: Option<Duration>) -> Self {
        Self {
            records: Arc::new(records),
            from: 0,
            behind_latest,
            dropped: Arc::default(),
            hold: None,
        }
    }

    /// The part of the budget that the records take, for whoever takes them out one by one.
    pub(crate) fn take_hold(&mut self) -> Option<Hold> {
        self.hold.take()
    }

    /// Counts against the budget for as long as the batch or a clone of it is there.
    pub(crate) fn keep(&mut self, hold: Hold) {
        self.hold = Some(hold);
    }

    pub(crate) fn with_dropped(mut self, dropped: Vec<DroppedRecords>) -> Self {
        self.dropped = Arc::new(dropped);
        self
    }

    /// The records.
    #[must_use]
    pub fn records(&self) -> &[ClientRecord] {
        self.records.get(self.from..).unwrap_or_default()
    }

    /// The records, taken out. They are copied, without their data, because the batch is kept for another attempt.
    #[must_use]
    pub fn into_records(self) -> Vec<ClientRecord> {
        match Arc::try_unwrap(self.records) {
            Ok(mut records) => records.split_off(self.from.min(records.len())),
            Err(shared) => shared.get(self.from..).unwrap_or_default().to_vec(),
        }
    }

    /// How far these records were behind the tip of the shard when they were read, as the service says
    /// (`MillisBehindLatest`); zero at the tip.
    #[must_use]
    pub fn behind_latest(&self) -> Option<Duration> {
        self.behind_latest
    }

    /// Aggregates met between these records that were dropped by KCL's rule: one of their records lies outside the
    /// shard's hash range. Each is logged as a warning too.
    #[must_use]
    pub fn dropped(&self) -> &[DroppedRecords] {
        &self.dropped
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records().len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records().is_empty()
    }

    /// The first Kinesis record read, delivered or dropped.
    pub(crate) fn first_number(&self) -> Option<&SequenceNumber> {
        let delivered = self.records.first().map(ClientRecord::sequence_number);
        let dropped = self.dropped.first().map(DroppedRecords::sequence_number);
        delivered.into_iter().chain(dropped).min()
    }

    /// The place of the last record.
    pub(crate) fn last_position(&self) -> Option<&Position> {
        self.records().last().map(ClientRecord::position)
    }

    /// Room for so many records altogether: they are large, and moving them costs.
    pub(crate) fn make_room(&mut self, records: usize) {
        let more = records.saturating_sub(self.records.len());
        if more > 0 {
            Arc::make_mut(&mut self.records).reserve_exact(more);
        }
    }

    /// Puts the records that follow behind these. Before either of them is [kept](Self::keep).
    pub(crate) fn append(&mut self, next: Self) {
        let Self {
            records,
            from,
            behind_latest,
            dropped,
            hold: _,
        } = next;
        let mut more = Arc::try_unwrap(records).unwrap_or_else(|shared| shared.to_vec());
        more.drain(..from.min(more.len()));
        Arc::make_mut(&mut self.records).append(&mut more);
        self.behind_latest = behind_latest.or(self.behind_latest);
        if !dropped.is_empty() {
            Arc::make_mut(&mut self.dropped).extend(dropped.iter().cloned());
        }
    }

    /// Leaves out what is done already.
    pub(crate) fn skip_done(&mut self, checkpoint: &Checkpoint) {
        match checkpoint {
            Checkpoint::At(done) => {
                let first = self.records.partition_point(|record| record.position() <= done);
                self.from = self.from.max(first);
            }
            Checkpoint::ShardEnd => self.from = self.records.len(),
            Checkpoint::AtTimestamp | Checkpoint::TrimHorizon | Checkpoint::Latest => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn number(n: u64) -> SequenceNumber {
        SequenceNumber::parse(&n.to_string()).unwrap()
    }

    fn batch(numbers: &[u64]) -> RecordBatch {
        let records = numbers
            .iter()
            .map(|&n| ClientRecord::plain(number(n), Some("k"), Bytes::new(), None));
        RecordBatch::new(records.collect(), None)
    }

    fn shown(batch: &RecordBatch) -> Vec<String> {
        batch
            .records()
            .iter()
            .map(|r| r.sequence_number().to_string())
            .collect()
    }

    #[test]
    fn done_records_are_left_out_and_stay_out() {
        let mut batch = batch(&[5, 7, 9]);
        batch.skip_done(&Checkpoint::TrimHorizon);
        assert_eq!(shown(&batch), ["5", "7", "9"]);
        batch.skip_done(&Checkpoint::At(Position::new(number(7), 0)));
        assert_eq!(shown(&batch), ["9"]);
        batch.skip_done(&Checkpoint::At(Position::new(number(5), 0)));
        assert_eq!(shown(&batch), ["9"], "a lower checkpoint brings nothing back");
        let taken: Vec<_> = batch
            .clone()
            .into_records()
            .iter()
            .map(|r| r.sequence_number().to_string())
            .collect();
        assert_eq!(taken, ["9"]);
        batch.skip_done(&Checkpoint::ShardEnd);
        assert!(batch.is_empty());
        assert_eq!(batch.into_records(), []);
    }
}
