//! Reading one shard by GetRecords.

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use kinesis_aggregation::{HashKeyRange, ShardId};
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::budget::SharedRate;
use super::failure::{Failure, Kind};
use super::kinesis::{KinesisStream, Page};
use super::{Batch, RawRecord, Reader, ShardEnd, unpack};
use crate::metrics::{Meter, Metric};
use crate::position::SequenceNumber;
use crate::process::keeper::chain;
use crate::processor::RecordBatch;
use crate::shard::prefetch::Pace;
use crate::shard::progress::Heard;
use crate::shard::start::StartAt;
use crate::stream::Stream;

/// How far the reading of a shard has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Reached {
    /// The last Kinesis record read.
    pub(super) fetched: Option<SequenceNumber>,
    /// When the service was first asked for the start.
    pub(super) first_asked: Option<SystemTime>,
}

impl Reached {
    /// Leaves out what was read before: after a refused place the oldest record kept may be one we had, and an event may come
    /// twice.
    pub(super) fn accept(&mut self, records: &mut Vec<RawRecord>) {
        if let Some(fetched) = &self.fetched {
            // They come in order, and nearly always there is none.
            let known = records
                .iter()
                .take_while(|record| record.sequence_number <= *fetched)
                .count();
            records.drain(..known);
        }
        if let Some(last) = records.last() {
            self.fetched = Some(last.sequence_number.clone());
        }
    }
}

/// A reader that polls.
#[derive(Debug)]
pub(crate) struct PollingReader {
    source: KinesisStream,
    stream: Stream,
    shard: ShardId,
    range: HashKeyRange,
    start: StartAt,
    iterator: Option<String>,
    /// The service refused an iterator, as it does when the stream is another one.
    in_doubt: bool,
    reached: Reached,
    pace: Pace,
    /// Shared with other applications of this process that poll the shard.
    rate: SharedRate,
    trouble: Trouble,
    meter: Meter,
    rng: SmallRng,
    /// The end of the pause after a failure.
    not_before: Option<Instant>,
}

impl PollingReader {
    /// Reads on where another reader of the shard has come to.
    pub(super) fn from_place(
        source: KinesisStream,
        stream: Stream,
        shard: ShardId,
        range: HashKeyRange,
        start: StartAt,
        reached: Reached,
        meter: Meter,
    ) -> Self {
        let pace = Pace::new(source.config().retrieval.idle, source.cadence());
        let rate = source.rate(&stream, &shard);
        let rng = source.config().rng(&format!("read/{}", stream.lease_key(&shard)));
        Self {
            source,
            stream,
            shard,
            range,
            start,
            iterator: None,
            in_doubt: false,
            reached,
            pace,
            rate,
            trouble: Trouble::default(),
            meter,
            rng,
            not_before: None,
        }
    }

    pub(super) fn reached(&self) -> &Reached {
        &self.reached
    }

    async fn iterator(&mut self) -> Result<String, Failure> {
        if let Some(iterator) = &self.iterator {
            return Ok(iterator.clone());
        }
        // What is read must be of the stream that the lease is of.
        let sure_for = match self.in_doubt {
            true => Duration::ZERO,
            false => SAME_FOR,
        };
        self.source.ensure_same(&self.stream, sure_for).await?;
        self.in_doubt = false;
        let place = self
            .start
            .resume(self.reached.fetched.as_ref(), self.reached.first_asked);
        #[expect(
            clippy::disallowed_methods,
            reason = "the service compares it with its own wall clock"
        )]
        let asked = SystemTime::now();
        let began = Instant::now();
        let answer = self
            .source
            .shard_iterator(&self.stream, &self.shard, &place)
            .await;
        self.meter.took(Metric::GetShardIteratorTime, began);
        self.meter.tried(Metric::GetShardIteratorSuccess, answer.is_ok());
        let iterator = match answer {
            Err(failure) if failure.kind == Kind::InvalidArgument => match place.when_refused() {
                Some(instead) => {
                    self.source.ensure_same(&self.stream, Duration::ZERO).await?;
                    warn!(shard_id = %self.shard, position = ?place, error = %chain(&failure), "place is not usable any more, reading on with the oldest record kept");
                    self.source
                        .shard_iterator(&self.stream, &self.shard, &instead)
                        .await?
                }
                None => return Err(failure),
            },
            other => other?,
        };
        self.reached.first_asked.get_or_insert(asked);
        debug!(shard_id = %self.shard, position = ?place, "reading");
        self.iterator = Some(iterator.clone());
        Ok(iterator)
    }

    async fn page(&mut self) -> Result<Page, Failure> {
        let iterator = self.iterator().await?;
        let _turn = self.source.request().await;
        self.pace.on_call(now());
        let began = Instant::now();
        let answer = self.source.records(&self.stream, &iterator).await;
        self.meter.took(Metric::GetRecordsTime, began);
        self.meter.tried(Metric::GetRecordsSuccess, answer.is_ok());
        let page = answer?;
        self.rate.on_page(page.bytes());
        Ok(page)
    }

    /// A batch from a page. Nothing is awaited from here on, so a dropped call has either read the page or not.
    fn accept(&mut self, page: Page) -> Batch {
        let Page {
            mut records,
            next_iterator,
            behind,
            children,
        } = page;
        self.pace.on_page(records.is_empty(), behind);
        self.reached.accept(&mut records);
        let end = next_iterator.is_none().then(|| ShardEnd::of(children));
        self.iterator = next_iterator;
        let policy = self.source.config().strays.policy();
        let unpacked = unpack(&self.shard, &self.range, policy, records);
        Batch {
            bytes: unpacked.bytes,
            records: RecordBatch::new(unpacked.records, behind).with_dropped(unpacked.dropped),
            strays: unpacked.strays,
            end,
            heard: Heard::Answer,
            ..Batch::default()
        }
    }

    /// What to do about a failed call. It may mean the end of the shard.
    async fn ride_out(&mut self, failure: Failure) -> Batch {
        match failure.kind {
            Kind::IteratorExpired => {
                info!(shard_id = %self.shard, "iterator expired, asking for a new one");
                self.meter.add(Metric::ExpiredIterators, 1);
                self.iterator = None;
            }
            // An iterator that the service calls invalid is as good as expired.
            Kind::InvalidArgument => (self.iterator, self.in_doubt) = (None, true),
            Kind::NotFound => match self.source.end_of_missing(&self.stream, &self.shard).await {
                Ok(Some(end)) => {
                    warn!(shard_id = %self.shard, "shard is gone, with what was not read of it");
                    return Batch {
                        end: Some(end),
                        ..Batch::default()
                    };
                }
                Ok(None) => self.iterator = None,
                Err(listing) => {
                    debug!(shard_id = %self.shard, error = %chain(&listing), "shards cannot be listed");
                }
            },
            _ => {}
        }
        let pause = self.trouble.pause(&mut self.rng);
        let attempt = self.trouble.failures;
        // Throttling is everyday life where several applications read; the first time of anything else is news.
        if failure.kind == Kind::Throttled && attempt < LOUD_AFTER {
            debug!(shard_id = %self.shard, attempt, elapsed_ms = pause.as_millis(), "throttled");
        } else if attempt == 1 || attempt.is_multiple_of(LOUD_AFTER) {
            warn!(shard_id = %self.shard, attempt, error = %chain(&failure), "read failed, trying again");
        } else {
            debug!(shard_id = %self.shard, attempt, error = %chain(&failure), "read failed, trying again");
        }
        self.not_before = Some(Instant::now() + pause);
        Batch {
            heard: Heard::Failure(failure.trouble()),
            ..Batch::default()
        }
    }
}

impl Reader for PollingReader {
    async fn due(&mut self) {
        let paced = self.pace.next_call(now()).into();
        sleep_until(self.not_before.map_or(paced, |pause| pause.max(paced))).await;
        self.rate.turn().await;
    }

    async fn read(&mut self) -> Batch {
        match self.page().await {
            Ok(page) => {
                self.trouble = Trouble::default();
                self.accept(page)
            }
            Err(failure) => self.ride_out(failure).await,
        }
    }
}

/// Failures in a row, and the pauses between.
#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    pauses: Option<ExponentialBackoff>,
}

impl Trouble {
    fn pause(&mut self, rng: &mut SmallRng) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let pauses = self.pauses.get_or_insert_with(|| {
            ExponentialBuilder::new()
                .with_min_delay(MIN_PAUSE)
                .with_max_delay(MAX_PAUSE)
                .with_jitter()
                .with_jitter_seed(rng.random())
                .without_max_times()
                .build()
        });
        pauses.next().unwrap_or(MAX_PAUSE)
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Source: AWS API reference, GetRecords: a shard that gave its share refuses for a second; five calls a second at most.
const MIN_PAUSE: Duration = Duration::from_millis(250);
/// Source: AWS API reference, GetRecords: after 10 MiB in one call a shard refuses for up to five seconds.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// Ours: less than the service takes to delete a stream and make another one, and shards that are opened together ask once. What is
/// refused, or finds nothing, asks at once.
pub(super) const SAME_FOR: Duration = Duration::from_secs(20);
/// Ours: a line a minute or so while it lasts.
const LOUD_AFTER: u32 = 12;

#[cfg(test)]
#[path = "polling_tests.rs"]
mod tests;
