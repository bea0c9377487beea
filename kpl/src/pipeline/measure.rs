//! What the pipeline counts: its words to the meter, apart from counting puts and shards.

use std::time::{Duration, Instant};

use kinesis_aggregation::{HashKey, ShardId};

use super::Pipeline;
use super::action::EntryReply;
use super::buffered::Buffered;
use super::departures::Departures;
use super::in_flight::SentEntry;
use super::outbox::Outbox;
use super::verdict::Verdict;
use crate::error::{DeliveryError, DeliveryErrorKind};
use crate::failure::{Failure, FailureKind};
use crate::metrics::counting::{DeliveredRecord, EntryEnd, FailedRecord, Meter, SentTo};

impl<T> Pipeline<T> {
    /// What was counted since it was last taken.
    pub(crate) fn meter(&mut self) -> &mut Meter {
        &mut self.outbox.meter
    }

    /// Notes the levels of now in the meter.
    pub(crate) fn sample(&mut self, now: Instant) {
        let age = self
            .map
            .valid_from()
            .map(|from| now.saturating_duration_since(from));
        self.outbox.meter.sample(age);
    }

    /// Why records left since it was last asked.
    pub(crate) fn take_departures(&mut self) -> Departures {
        self.lanes.take_departures()
    }

    /// Requests on their way.
    pub(crate) fn requests_under_way(&self) -> usize {
        self.in_flight.len()
    }

    /// Notes in the meter how fast each shard is written to.
    pub(crate) fn sample_rates(&mut self) {
        for lane in self.lanes.routed() {
            if let Some(share) = lane.limiter.share() {
                self.outbox.meter.sample_rate(&lane.shard, share * 100.0);
            }
        }
    }

    /// Counts a request that came to an end, and its entries.
    pub(super) fn measure_request(
        &mut self,
        entries: &[SentEntry<T>],
        reply: &Result<Vec<EntryReply>, Failure>,
        sent_at: Instant,
        now: Instant,
    ) {
        let meter = &mut self.outbox.meter;
        let took = now.saturating_duration_since(sent_at);
        let records = entries.iter().map(|entry| entry.records.len()).sum();
        let failed = reply.as_ref().err().map(Failure::code);
        meter.on_request(took, entries.len(), records, failed);
        let replies = reply.as_deref().unwrap_or_default();
        for (place, entry) in entries.iter().enumerate() {
            let end = match replies.get(place) {
                Some(Ok(_)) => EntryEnd::Stored,
                Some(Err(failure)) => EntryEnd::Refused(failure.code()),
                None => EntryEnd::Unanswered,
            };
            let shape = SentTo {
                shard: &entry.shard,
                bytes: entry.size,
                records: entry.records.len(),
            };
            meter.on_entry(shape, end);
            let waits = entry.records.iter().map(|record| waited(record, sent_at));
            meter.on_buffered(&entry.shard, waits);
        }
    }

    /// Counts what no reply says: that an aggregate lies where consumers drop it.
    pub(super) fn measure_verdict(&mut self, entry: &SentEntry<T>, verdict: &Verdict) {
        if let Verdict::Retry(failure) = verdict
            && failure.kind() == FailureKind::WrongShard
        {
            self.outbox.meter.on_error(&entry.shard, failure.code());
        }
    }

    /// Counts the records of an entry that is delivered.
    pub(super) fn measure_delivery(&mut self, entry: &SentEntry<T>, shard: &ShardId) {
        let records = entry.records.iter().map(|record| DeliveredRecord {
            data: record.record.data().len(),
            key: record.record.partition_key().len(),
            retries: record.history.count(),
            may_be_stored_twice: record.history.may_have_stored(),
        });
        self.outbox.meter.on_delivered(shard, records);
    }
}

impl<T> Outbox<T> {
    /// Counts a record that failed.
    pub(super) fn measure_failure(&mut self, hash_key: HashKey, bytes: usize, error: &DeliveryError) {
        self.meter.on_failed(&FailedRecord {
            hash_key,
            bytes,
            attempts: error.attempt_count(),
            is_expired: matches!(error.kind(), DeliveryErrorKind::Expired { .. }),
            may_be_stored: error.may_have_been_stored(),
        });
    }
}

/// From a record's arrival, or from the end of its last attempt.
fn waited<T>(record: &Buffered<T>, sent_at: Instant) -> Duration {
    let since = record.history.latest().map_or(record.arrival, |attempt| {
        attempt.started_at() + attempt.duration()
    });
    sent_at.saturating_duration_since(since)
}
