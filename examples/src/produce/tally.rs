//! Counting what became of the records. Pure.

use std::collections::HashSet;
use std::time::Duration;

use kpl::{Delivery, DeliveryError, ShardId};
use serde::Serialize;

use crate::report::{per_second, seconds};

/// What became of the records so far.
#[derive(Debug, Default)]
pub struct Tally {
    records: u64,
    bytes: u64,
    kinesis_records: u64,
    failed: u64,
    attempts: u64,
    retried: u64,
    first_failure: Option<(u64, Box<DeliveryError>)>,
    shards: HashSet<ShardId>,
}

impl Tally {
    /// The record of `line`, of so many bytes, has its outcome. Outcomes come in the order of putting.
    pub fn count(&mut self, line: u64, bytes: u64, outcome: Result<Delivery, DeliveryError>) {
        match outcome {
            Ok(delivery) => {
                self.records += 1;
                self.bytes += bytes;
                self.attempt(delivery.attempt_count());
                self.landed(delivery.shard_id(), delivery.sub_sequence_number());
            }
            Err(error) => {
                self.failed += 1;
                self.attempt(error.attempt_count());
                self.first_failure.get_or_insert_with(|| (line, Box::new(error)));
            }
        }
    }

    /// How many records failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// How many records were delivered.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.records
    }

    /// The line of the first record that failed, and why; handed out once.
    pub fn take_first_failure(&mut self) -> Option<(u64, Box<DeliveryError>)> {
        self.first_failure.take()
    }

    /// The counts as one object.
    #[must_use]
    pub fn summary<'a>(&self, stream: &'a str, elapsed: Duration) -> Summary<'a> {
        Summary {
            stream,
            records: self.records,
            bytes: self.bytes,
            kinesis_records: self.kinesis_records,
            shards: self.shards.len(),
            failed: self.failed,
            attempts: self.attempts,
            retried: self.retried,
            wall_seconds: seconds(elapsed),
            records_per_second: per_second(self.records, elapsed),
        }
    }

    fn attempt(&mut self, attempts: u32) {
        self.attempts += u64::from(attempts);
        self.retried += u64::from(attempts > 1);
    }

    /// Each Kinesis record has exactly one user record that travelled alone or is the first of its aggregate.
    fn landed(&mut self, shard: &ShardId, sub_sequence_number: Option<u64>) {
        self.kinesis_records += u64::from(sub_sequence_number.is_none_or(|number| number == 0));
        if !self.shards.contains(shard) {
            self.shards.insert(shard.clone());
        }
    }
}

/// The last line on stdout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary<'a> {
    /// The stream.
    pub stream: &'a str,
    /// Records delivered.
    pub records: u64,
    /// Their data, in bytes.
    pub bytes: u64,
    /// Kinesis records which they were packed into.
    pub kinesis_records: u64,
    /// Shards which took them.
    pub shards: usize,
    /// Records not delivered.
    pub failed: u64,
    /// Attempts over all records; equal to `records` when nothing was tried again.
    pub attempts: u64,
    /// Records that took more than one attempt.
    pub retried: u64,
    /// From start to end.
    pub wall_seconds: f64,
    /// Delivered records over that time.
    pub records_per_second: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(number: u64) -> ShardId {
        ShardId::from_number(number)
    }

    #[test]
    fn kinesis_records_are_counted_by_their_first_member() {
        let mut tally = Tally::default();
        // Two aggregates of shard 0, their members in between each other, one of shard 1, and one record alone.
        for (number, member) in [
            (0, Some(0)),
            (0, Some(0)),
            (1, Some(0)),
            (0, Some(1)),
            (0, Some(1)),
            (1, None),
        ] {
            tally.landed(&shard(number), member);
        }
        let summary = tally.summary("s", Duration::ZERO);
        assert_eq!((summary.kinesis_records, summary.shards), (4, 2));
    }

    #[test]
    fn attempts_are_summed_and_retries_counted_by_record() {
        let mut tally = Tally::default();
        for attempts in [1, 1, 3, 2] {
            tally.attempt(attempts);
        }
        let summary = tally.summary("s", Duration::from_secs(2));
        assert_eq!((summary.attempts, summary.retried), (7, 2));
    }

    #[test]
    fn the_summary_is_one_flat_object() {
        let text = serde_json::to_string(&Tally::default().summary("flights", Duration::from_millis(1500)));
        let expected = r#"{"stream":"flights","records":0,"bytes":0,"kinesis_records":0,"shards":0,"failed":0,"attempts":0,"retried":0,"wall_seconds":1.5,"records_per_second":0}"#;
        assert_eq!(text.expect("serializable"), expected);
    }
}
