//! What one stream's pipeline counts: plain sums, owned by it, emptied into the registry now and then.
//!
//! Costs an addition per record and a few per entry; nothing is allocated once a shard has been seen. Records of one
//! entry mostly arrived together and have no past, so what is the same for neighbours is counted once for all of them.

use std::collections::HashMap;
use std::time::Duration;

use kinesis_aggregation::{HashKey, ShardId};

use super::metric::Metric;
use super::node::Node;
use super::routes::Routes;
use super::statistics::Statistics;
use super::tally::Tally;
use crate::pipeline::ListedShard;
use crate::stream::StreamName;

/// The counts of one stream since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    stream: Tally,
    shards: HashMap<ShardId, Tally>,
    routes: Routes,
    /// Apart from the rest: it is counted for each record by itself.
    received: u64,
    pending_records: u64,
    pending_bytes: u64,
    is_empty: bool,
}

/// An entry, a Kinesis record, whose request came to an end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentTo<'a> {
    /// The shard it was meant for.
    pub(crate) shard: &'a ShardId,
    /// Of data and partition key.
    pub(crate) bytes: usize,
    pub(crate) records: usize,
}

/// How an entry ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EntryEnd<'a> {
    Stored,
    /// The service answered the request, and refused this entry.
    Refused(&'a str),
    /// The request as a whole failed.
    Unanswered,
}

impl Meter {
    /// A user record was taken.
    pub(crate) fn on_put(&mut self, bytes: usize) {
        self.is_empty = false;
        self.received += 1;
        self.pending_records += 1;
        self.pending_bytes += bytes as u64;
    }

    /// The shards were listed.
    pub(crate) fn on_shards(&mut self, shards: &[ListedShard]) {
        self.is_empty = false;
        self.routes = Routes::new(shards);
        self.stream
            .observe(Metric::OpenShards, as_value(self.routes.len()), 1);
    }

    /// A request came to an end; with a code when it failed as a whole.
    pub(crate) fn on_request(
        &mut self,
        took: Duration,
        entries: usize,
        records: usize,
        failed: Option<&str>,
    ) {
        self.is_empty = false;
        self.stream.observe(Metric::RequestTime, in_ms(took), 1);
        let entries = as_value(entries);
        self.stream
            .observe(Metric::KinesisRecordsPerPutRecordsRequest, entries, 1);
        self.stream
            .observe(Metric::UserRecordsPerPutRecordsRequest, as_value(records), 1);
        if let Some(code) = failed {
            self.stream.error(code);
        }
    }

    /// One of a request's entries came to an end.
    pub(crate) fn on_entry(&mut self, sent: SentTo<'_>, end: EntryEnd<'_>) {
        let tally = self.tally(sent.shard);
        tally.observe(Metric::UserRecordsPerKinesisRecord, as_value(sent.records), 1);
        match end {
            EntryEnd::Stored => {
                tally.add(Metric::KinesisRecordsPut, 1.0, 1);
                tally.add(Metric::KinesisRecordsDataPut, as_value(sent.bytes), 1);
                tally.add(Metric::AllErrors, 0.0, 1);
            }
            EntryEnd::Refused(code) => {
                tally.add(Metric::KinesisRecordsPut, 0.0, 1);
                tally.error(code);
            }
            EntryEnd::Unanswered => {}
        }
    }

    /// Something else went wrong on a shard: an aggregate lies where it does not belong.
    pub(crate) fn on_error(&mut self, shard: &ShardId, code: &str) {
        self.tally(shard).error(code);
    }

    /// How long records waited before an attempt began. In whole milliseconds, as the KPL tells it: so neighbours are
    /// mostly alike.
    pub(crate) fn on_buffered(&mut self, shard: &ShardId, waits: impl Iterator<Item = Duration>) {
        let tally = self.tally(shard);
        let whole = waits.map(|wait| (wait.as_secs(), wait.subsec_millis()));
        for_each_run(whole, |(seconds, millis), n| {
            let wait = Duration::from_secs(seconds) + Duration::from_millis(millis.into());
            tally.observe(Metric::BufferingTime, in_ms(wait), n);
        });
    }

    /// User records were delivered by one entry: the bytes of their data, and their failed attempts before.
    pub(crate) fn on_delivered(&mut self, shard: &ShardId, records: impl Iterator<Item = DeliveredRecord>) {
        let (mut count, mut sum, mut min, mut max) = (0_u64, 0_u64, usize::MAX, 0_usize);
        let (mut with_key, mut twice, mut run) = (0_u64, 0_u64, (0_u32, 0_u64));
        let tally = self.tally(shard);
        for record in records {
            count += 1;
            sum += record.data as u64;
            min = min.min(record.data);
            max = max.max(record.data);
            with_key += (record.data + record.key) as u64;
            twice += u64::from(record.may_be_stored_twice);
            if record.retries != run.0 {
                tally.observe(Metric::RetriesPerRecord, f64::from(run.0), run.1);
                run = (record.retries, 0);
            }
            run.1 += 1;
        }
        if count == 0 {
            return;
        }
        tally.observe(Metric::RetriesPerRecord, f64::from(run.0), run.1);
        tally.add(Metric::UserRecordsPut, 1.0, count);
        let sum = as_total(sum);
        tally.add_many(
            Metric::UserRecordsDataPut,
            count,
            sum,
            as_value(min),
            as_value(max),
        );
        self.stream.add(Metric::PossibleDuplicates, 1.0, twice);
        self.settle(count, with_key);
    }

    /// A user record failed.
    pub(crate) fn on_failed(&mut self, record: &FailedRecord) {
        let shard = self.routes.shard_of(record.hash_key).cloned();
        let tally = match &shard {
            Some(shard) => self.tally(shard),
            None => {
                self.is_empty = false;
                &mut self.stream
            }
        };
        tally.add(Metric::UserRecordsPut, 0.0, 1);
        tally.observe(
            Metric::RetriesPerRecord,
            f64::from(record.attempts.saturating_sub(1)),
            1,
        );
        if record.is_expired {
            tally.add(Metric::UserRecordExpired, 1.0, 1);
            tally.error(EXPIRED);
        }
        if record.may_be_stored {
            self.stream.add(Metric::PossibleDuplicates, 1.0, 1);
        }
        self.settle(1, record.bytes as u64);
    }

    /// Notes the levels of now.
    pub(crate) fn sample(&mut self, map_age: Option<Duration>) {
        self.is_empty = false;
        let (records, bytes) = (as_total(self.pending_records), as_total(self.pending_bytes));
        self.stream.observe(Metric::UserRecordsPending, records, 1);
        self.stream.observe(Metric::UserBytesPending, bytes, 1);
        if let Some(age) = map_age {
            self.stream.observe(Metric::ShardMapAge, in_ms(age), 1);
        }
    }

    /// Notes what is allowed on a shard now, in percent of its quota.
    pub(crate) fn sample_rate(&mut self, shard: &ShardId, percent: f64) {
        self.tally(shard).observe(Metric::ShardRate, percent, 1);
    }

    /// Records and bytes without an outcome, now.
    pub(crate) fn pending(&self) -> (u64, u64) {
        (self.pending_records, self.pending_bytes)
    }

    /// Whether nothing was counted since the last taking.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Hands over all counts, and starts over.
    pub(crate) fn take(&mut self, stream: &StreamName, mut visit: impl FnMut(Node, &Statistics)) {
        let received = std::mem::take(&mut self.received);
        if received > 0 {
            self.stream.add(Metric::UserRecordsReceived, 1.0, received);
        }
        self.stream.take(stream, None, &mut visit);
        for (shard, tally) in &mut self.shards {
            tally.take(stream, Some(shard), &mut visit);
        }
        self.shards.retain(|_, tally| tally.idle() < IDLE_TAKINGS);
        self.is_empty = true;
    }

    fn tally(&mut self, shard: &ShardId) -> &mut Tally {
        self.is_empty = false;
        // Not `entry`, which would want an id of its own each time.
        if !self.shards.contains_key(shard) {
            self.shards.insert(shard.clone(), Tally::default());
        }
        self.shards.get_mut(shard).expect("invariant: inserted above")
    }

    fn settle(&mut self, records: u64, bytes: u64) {
        self.pending_records = self.pending_records.saturating_sub(records);
        self.pending_bytes = self.pending_bytes.saturating_sub(bytes);
    }
}

/// A user record that was delivered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeliveredRecord {
    pub(crate) data: usize,
    pub(crate) key: usize,
    pub(crate) retries: u32,
    pub(crate) may_be_stored_twice: bool,
}

/// A user record that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailedRecord {
    pub(crate) hash_key: HashKey,
    /// Data and key.
    pub(crate) bytes: usize,
    pub(crate) attempts: u32,
    pub(crate) is_expired: bool,
    pub(crate) may_be_stored: bool,
}

/// Calls back once for each run of equal values.
fn for_each_run<V: PartialEq + Copy>(values: impl Iterator<Item = V>, mut each: impl FnMut(V, u64)) {
    let mut run: Option<(V, u64)> = None;
    for value in values {
        match &mut run {
            Some((same, count)) if *same == value => *count += 1,
            _ => {
                if let Some((ended, count)) = run.replace((value, 1)) {
                    each(ended, count);
                }
            }
        }
    }
    if let Some((ended, count)) = run {
        each(ended, count);
    }
}

fn in_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and sizes of one request are far below 2^53"
)]
fn as_value(number: usize) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53 bytes, which no process holds"
)]
fn as_total(number: u64) -> f64 {
    number as f64
}

/// The code under which expired records are counted.
const EXPIRED: &str = "Expired";
/// Takings without anything counted after which a shard's place is given up.
const IDLE_TAKINGS: u32 = 60;
