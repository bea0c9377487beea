//! A service that answers as the test says.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use crate::driver::transport::Transport;
use crate::failure::{Failure, FailureKind};
use crate::pipeline::{Distribution, Entry, EntryReply, ListedShard, Stored, StreamSummary};
use crate::stream::StreamName;

/// What the service does from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Answers after a moment.
    Well,
    /// Refuses connections.
    Down,
    /// Never answers.
    Silent,
    /// Answers each call with this error code.
    Refusing(&'static str),
    /// Breaks the task that asks.
    Broken,
}

/// The service: all entries land on the shard that covers them.
#[derive(Debug)]
pub(crate) struct Scripted {
    shards: u128,
    mood: Mutex<Mood>,
    summary: Mutex<Result<StreamSummary, Failure>>,
    describes: AtomicU64,
    lists: AtomicU64,
    requests: AtomicU64,
    entries: AtomicU64,
}

impl Scripted {
    pub(crate) fn new(shards: u128) -> Arc<Self> {
        Arc::new(Self {
            shards,
            mood: Mutex::new(Mood::Well),
            summary: Mutex::new(Ok(StreamSummary {
                distribution: Distribution::ByKey,
                max_record_size: Some(1 << 20),
            })),
            describes: AtomicU64::new(0),
            lists: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            entries: AtomicU64::new(0),
        })
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.mood.lock().expect("not poisoned") = mood;
    }

    /// What the stream says of itself from now on, while the service is well.
    pub(crate) fn say(&self, summary: Result<StreamSummary, Failure>) {
        *self.summary.lock().expect("not poisoned") = summary;
    }

    pub(crate) fn describes(&self) -> u64 {
        self.describes.load(Ordering::SeqCst)
    }

    pub(crate) fn lists(&self) -> u64 {
        self.lists.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Entries that were stored.
    pub(crate) fn entries(&self) -> u64 {
        self.entries.load(Ordering::SeqCst)
    }

    fn shards(&self) -> Vec<ListedShard> {
        let width = u128::MAX / self.shards;
        let shard = |n: u128| {
            let end = if n + 1 == self.shards {
                u128::MAX
            } else {
                (n + 1) * width - 1
            };
            let range = HashKeyRange::new(HashKey::new(n * width), HashKey::new(end)).expect("in order");
            let number = u64::try_from(n).expect("few");
            ListedShard {
                id: ShardId::from_number(number),
                range,
                is_open: true,
            }
        };
        (0..self.shards).map(shard).collect()
    }

    /// What the service says to a call in its mood; `None` if it does as it is asked.
    fn refusal(&self) -> Option<BoxFuture<'static, Failure>> {
        let mood = self.mood.lock().expect("not poisoned").clone();
        Some(match mood {
            Mood::Well => return None,
            Mood::Down => async {
                tokio::time::sleep(MOMENT).await;
                Failure::new(FailureKind::Connection, "Connection", "connection refused")
            }
            .boxed(),
            Mood::Refusing(code) => async move {
                tokio::time::sleep(MOMENT).await;
                Failure::of_code(code, "scripted")
            }
            .boxed(),
            Mood::Silent => async {
                tokio::time::sleep(Duration::from_secs(6)).await;
                Failure::new(FailureKind::Timeout, "Timeout", "no answer")
            }
            .boxed(),
            Mood::Broken => async { panic!("scripted panic") }.boxed(),
        })
    }
}

impl Transport for Scripted {
    fn put_records(
        &self,
        _stream: &StreamName,
        entries: Vec<Entry>,
    ) -> BoxFuture<'static, Result<Vec<EntryReply>, Failure>> {
        let sequence = self.requests.fetch_add(1, Ordering::SeqCst);
        if let Some(refusal) = self.refusal() {
            return refusal.map(Err).boxed();
        }
        self.entries.fetch_add(entries.len() as u64, Ordering::SeqCst);
        let shards = self.shards();
        let replies = entries
            .iter()
            .map(|entry| {
                let shard = shards
                    .iter()
                    .find(|s| s.range.contains(entry.hash_key))
                    .expect("covered");
                Ok(Stored {
                    shard_id: shard.id.clone(),
                    sequence_number: sequence.to_string().into(),
                })
            })
            .collect();
        async move {
            tokio::time::sleep(MOMENT).await;
            Ok(replies)
        }
        .boxed()
    }

    fn describe(&self, _stream: &StreamName) -> BoxFuture<'static, Result<StreamSummary, Failure>> {
        self.describes.fetch_add(1, Ordering::SeqCst);
        if let Some(refusal) = self.refusal() {
            return refusal.map(Err).boxed();
        }
        let answer = self.summary.lock().expect("not poisoned").clone();
        async move {
            tokio::time::sleep(MOMENT).await;
            answer
        }
        .boxed()
    }

    fn list_shards(&self, _stream: &StreamName) -> BoxFuture<'static, Result<Vec<ListedShard>, Failure>> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        if let Some(refusal) = self.refusal() {
            return refusal.map(Err).boxed();
        }
        let shards = self.shards();
        async move {
            tokio::time::sleep(MOMENT).await;
            Ok(shards)
        }
        .boxed()
    }
}

const MOMENT: Duration = Duration::from_millis(5);
