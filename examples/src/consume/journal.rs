//! What a worker did: counts that its processors share, and why it should end.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::ConsumeError;
use crate::report::seconds;

/// Shared by all processors of a worker. Its lock is held for a few additions and never across an await.
#[derive(Debug)]
pub struct Journal {
    entries: Mutex<Entries>,
    expect: Option<u64>,
    start: Instant,
    done: CancellationToken,
}

#[derive(Debug)]
struct Entries {
    records: u64,
    bytes: u64,
    shards: BTreeSet<String>,
    leases_taken: u64,
    leases_lost: u64,
    checkpoints: u64,
    failed_checkpoints: u64,
    dead_lettered: u64,
    last_record: Instant,
    failure: Option<ConsumeError>,
}

impl Journal {
    /// An empty journal; done when `expect` records are written.
    #[must_use]
    pub fn new(expect: Option<u64>) -> Self {
        let start = Instant::now();
        let entries = Entries {
            records: 0,
            bytes: 0,
            shards: BTreeSet::new(),
            leases_taken: 0,
            leases_lost: 0,
            checkpoints: 0,
            failed_checkpoints: 0,
            dead_lettered: 0,
            last_record: start,
            failure: None,
        };
        Self {
            entries: Mutex::new(entries),
            expect,
            start,
            done: CancellationToken::new(),
        }
    }

    /// A shard's lease was taken.
    pub fn taken(&self, shard: &str) {
        let mut entries = self.entries();
        entries.leases_taken += 1;
        if !entries.shards.contains(shard) {
            entries.shards.insert(shard.to_owned());
        }
    }

    /// A shard's lease was lost.
    pub fn lost(&self) {
        self.entries().leases_lost += 1;
    }

    /// So many records of so many bytes are written.
    pub fn written(&self, records: u64, bytes: u64) {
        let mut entries = self.entries();
        entries.records += records;
        entries.bytes += bytes;
        entries.last_record = Instant::now();
        if self.expect.is_some_and(|expected| entries.records >= expected) {
            self.done.cancel();
        }
    }

    /// A checkpoint was written, or not.
    pub fn checkpointed(&self, written: bool) {
        let mut entries = self.entries();
        match written {
            true => entries.checkpoints += 1,
            false => entries.failed_checkpoints += 1,
        }
    }

    /// So many checkpoints were written and not written in all, where nobody enters each.
    pub fn checkpoints_in_all(&self, written: u64, failed: u64) {
        let mut entries = self.entries();
        (entries.checkpoints, entries.failed_checkpoints) = (written, failed);
    }

    /// So many records are dead letters in all.
    pub fn dead_lettered_in_all(&self, records: u64) {
        self.entries().dead_lettered = records;
    }

    /// Something happened that no further try heals. The first such thing is what the program reports.
    pub fn fail(&self, error: ConsumeError) {
        self.entries().failure.get_or_insert(error);
        self.done.cancel();
    }

    /// Whether something of the kind has happened.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.entries().failure.is_some()
    }

    /// What happened, handed out once.
    pub fn take_failure(&self) -> Option<ConsumeError> {
        self.entries().failure.take()
    }

    /// Records written so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.entries().records
    }

    /// Waits until the expected records are written, or something failed.
    pub async fn done(&self) {
        self.done.cancelled().await;
    }

    /// For how long no record has come.
    #[must_use]
    pub fn idle_for(&self) -> Duration {
        self.entries().last_record.elapsed()
    }

    /// Waits until no record has come for `limit`.
    pub async fn idle(&self, limit: Duration) {
        loop {
            let due = self.entries().last_record + limit;
            if Instant::now() >= due {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }

    /// The counts.
    #[must_use]
    pub fn summary<'a>(&self, stream: &'a str, application: &'a str, worker_id: &'a str) -> Summary<'a> {
        let entries = self.entries();
        Summary {
            stream,
            application,
            worker_id,
            records: entries.records,
            bytes: entries.bytes,
            dead_lettered: entries.dead_lettered,
            shards: entries.shards.iter().cloned().collect(),
            leases_taken: entries.leases_taken,
            leases_lost: entries.leases_lost,
            checkpoints: entries.checkpoints,
            failed_checkpoints: entries.failed_checkpoints,
            wall_seconds: seconds(self.start.elapsed()),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Counts are whole after each addition, so a thread that died in between took nothing with it.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The object of `--summary`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The application.
    pub application: &'a str,
    /// This worker.
    pub worker_id: &'a str,
    /// Records written.
    pub records: u64,
    /// Their data, in bytes.
    pub bytes: u64,
    /// Records set aside by `--dead-letter`.
    pub dead_lettered: u64,
    /// Shards read from, however short.
    pub shards: Vec<String>,
    /// Leases taken.
    pub leases_taken: u64,
    /// Leases lost to other workers; leases given up at the end are not lost.
    pub leases_lost: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Checkpoints that were not written; a later one made up for each.
    pub failed_checkpoints: u64,
    /// From start to end.
    pub wall_seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_add_up_and_the_expected_number_ends_it() {
        let journal = Journal::new(Some(5));
        for shard in ["s1", "s2", "s1"] {
            journal.taken(shard);
        }
        journal.lost();
        journal.written(3, 30);
        journal.checkpointed(true);
        journal.checkpointed(false);
        journal.dead_lettered_in_all(7);
        assert!(!journal.done.is_cancelled());
        journal.written(2, 20);
        journal.done().await;
        tokio::time::advance(Duration::from_millis(1500)).await;
        let text = serde_json::to_string(&journal.summary("s", "a", "w")).expect("serializable");
        let expected = r#"{"stream":"s","application":"a","worker_id":"w","records":5,"bytes":50,"dead_lettered":7,"shards":["s1","s2"],"leases_taken":3,"leases_lost":1,"checkpoints":1,"failed_checkpoints":1,"wall_seconds":1.5}"#;
        assert_eq!(text, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn idleness_counts_from_the_last_record() {
        let journal = Journal::new(None);
        let limit = Duration::from_secs(10);
        tokio::time::advance(Duration::from_secs(8)).await;
        journal.written(1, 1);
        let before = Instant::now();
        journal.idle(limit).await;
        let waited = before.elapsed();
        assert!((limit..limit * 2).contains(&waited), "{waited:?}");
        assert_eq!(journal.idle_for(), waited);
    }

    #[tokio::test]
    async fn the_first_failure_is_kept() {
        let journal = Journal::new(None);
        for path in ["first", "second"] {
            let source = std::io::ErrorKind::BrokenPipe.into();
            journal.fail(ConsumeError::Output {
                output: path.to_owned(),
                source,
            });
        }
        journal.done().await;
        assert!(journal.has_failed());
        let failure = journal.take_failure().expect("a failure");
        assert_eq!(failure.to_string(), "cannot write first");
        assert!(!journal.has_failed());
    }
}
