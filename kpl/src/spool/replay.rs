//! Putting again what was kept.

use std::collections::{BTreeMap, VecDeque};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};

use super::frame::{Content, SpooledRecord};
use super::store::{Kind, SegmentId};
use super::{Spool, SpoolError};
use crate::error::{DeliveryError, DeliveryErrorKind, PutError};
use crate::producer::Producer;
use crate::producer::ticket::Origin;

impl Spool {
    /// Puts everything that is kept into the producer, oldest first, and returns once the producer has taken it all.
    ///
    /// What is put afterwards under the same key is stored behind it, which makes this the first thing to do with a new
    /// producer. Then [`finish`](Replay::finish) waits for the outcomes; the program may put new records meanwhile.
    /// What fails again is kept again. What is spooled meanwhile waits for the next replay.
    ///
    /// # Errors
    /// [`SpoolError`] when a file cannot be read, or the producer takes nothing more. What was not delivered, and known
    /// to be, stays where it is.
    ///
    /// # Cancel safety
    /// Dropping the future, or the [`Replay`], deletes nothing: what was put meanwhile is put again by the next replay.
    pub async fn replay(&self, producer: &Producer) -> Result<Replay, SpoolError> {
        let mut replay = Replay {
            spool: self.clone(),
            outcomes: FuturesUnordered::new(),
            open: BTreeMap::new(),
            failed: BTreeMap::new(),
            report: ReplayReport::default(),
        };
        let segments = self.blocking(|store| store.sealed(Kind::Again)).await?;
        for segment in segments {
            let content = self.blocking(move |store| store.read(segment)).await?;
            replay.begin(segment, &content);
            for record in VecDeque::from(content.records) {
                replay.put(producer, segment, record).await?;
            }
            replay.release(segment).await?;
        }
        Ok(replay)
    }
}

/// A replay of which everything has been put, and not everything has its outcome.
#[must_use = "segments are deleted by finishing the replay; else they are put again by the next"]
pub struct Replay {
    spool: Spool,
    outcomes: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Records of each segment without an outcome, and one more while it is being put.
    open: BTreeMap<SegmentId, usize>,
    failed: BTreeMap<SegmentId, Vec<(Kind, SpooledRecord)>>,
    report: ReplayReport,
}

struct Done {
    segment: SegmentId,
    /// What failed again, and why.
    failed: Option<(SpooledRecord, DeliveryError)>,
}

/// What became of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReplayReport {
    /// Records put again.
    pub put: u64,
    /// Those that were delivered.
    pub delivered: u64,
    /// Those that failed again and are kept for the next replay.
    pub kept: u64,
    /// Those that nobody will ever take, and are kept for people to look at.
    pub refused: u64,
    /// Frames that were damaged on disk: their records are lost.
    pub damaged: u64,
    /// Segments whose end was cut short by a crash: what was being written then is lost.
    pub torn: u64,
}

impl Replay {
    /// Waits until all records that were put have their outcomes, and deletes the segments.
    ///
    /// # Errors
    /// [`SpoolError`] when a file cannot be written or deleted. Its records are put again by the next replay.
    ///
    /// # Cancel safety
    /// See [`Spool::replay`].
    pub async fn finish(mut self) -> Result<ReplayReport, SpoolError> {
        while let Some(done) = self.outcomes.next().await {
            self.on_outcome(done).await?;
        }
        Ok(self.report)
    }

    fn begin(&mut self, segment: SegmentId, content: &Content) {
        self.open.insert(segment, 1);
        self.report.damaged += content.damaged as u64;
        if content.torn_bytes > 0 {
            self.report.torn += 1;
            tracing::warn!(
                bytes = content.torn_bytes,
                "the end of a spool file was cut short and is lost"
            );
        }
        if content.damaged > 0 {
            tracing::warn!(
                records = content.damaged,
                "records of a spool file are damaged and lost"
            );
        }
    }

    async fn put(
        &mut self,
        producer: &Producer,
        segment: SegmentId,
        spooled: SpooledRecord,
    ) -> Result<(), SpoolError> {
        let stream = producer.stream(spooled.stream());
        let put = stream.put_from(Origin::Spool, spooled.record().clone()).await;
        match put {
            Ok(ticket) => {
                self.report.put += 1;
                *self.open.entry(segment).or_default() += 1;
                let outcome = ticket.map(move |outcome| Done {
                    segment,
                    failed: outcome.err().map(|error| (spooled, error)),
                });
                self.outcomes.push(outcome.boxed());
            }
            Err(PutError::RecordTooLarge { .. }) => {
                self.report.refused += 1;
                self.failed
                    .entry(segment)
                    .or_default()
                    .push((Kind::Refused, spooled));
            }
            Err(error) => return Err(SpoolError::Put(error)),
        }
        // Outcomes that are there already take no memory until the end.
        while let Some(Some(done)) = self.outcomes.next().now_or_never() {
            self.on_outcome(done).await?;
        }
        Ok(())
    }

    async fn on_outcome(&mut self, done: Done) -> Result<(), SpoolError> {
        match done.failed {
            None => self.report.delivered += 1,
            Some((spooled, error)) => {
                let kind = match error.kind() {
                    DeliveryErrorKind::Rejected { .. } => Kind::Refused,
                    _ => Kind::Again,
                };
                match kind {
                    Kind::Again => self.report.kept += 1,
                    Kind::Refused => self.report.refused += 1,
                }
                let spooled = SpooledRecord::new(spooled.record(), &error);
                self.failed.entry(done.segment).or_default().push((kind, spooled));
            }
        }
        self.release(done.segment).await
    }

    /// One thing less to wait for: when it was the last, what failed is kept anew, and then the segment is deleted.
    async fn release(&mut self, segment: SegmentId) -> Result<(), SpoolError> {
        let open = self.open.entry(segment).or_default();
        *open = open.saturating_sub(1);
        if *open > 0 {
            return Ok(());
        }
        self.open.remove(&segment);
        let failed = self.failed.remove(&segment).unwrap_or_default();
        self.spool
            .blocking(move |store| {
                for wanted in [Kind::Again, Kind::Refused] {
                    let of_kind = failed.iter().filter(|(kind, _)| *kind == wanted);
                    let records: Vec<_> = of_kind.map(|(_, record)| record.clone()).collect();
                    if !records.is_empty() {
                        store.append(wanted, &records)?;
                    }
                }
                store.remove(segment)
            })
            .await
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay")
            .field("spool", &self.spool)
            .field("waiting", &self.outcomes.len())
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}
