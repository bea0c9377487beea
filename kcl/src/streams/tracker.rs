//! Which streams an application reads, as its list of them changes.
//!
//! ```text
//!  wanted, not read ──────────────────────────> Read
//!  read, no longer wanted ── policy ──> go on / wait, then Stop and Delete
//!  in the table, never wanted ── policy ──> Read from a given start / leave alone
//!  the same name with a later creation time ──> Stop the old one; it is never mixed with the new one
//!  not found by the service, three times ─────> Delete
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::lease::StreamId;
use crate::shard_sync::Start;

/// What becomes of leases whose stream is not in the list and was not before (KCL: orphaned streams; it reads them from
/// `LATEST`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unlisted {
    /// They are read; shards without a checkpoint from here.
    Read(Start),
    /// Nobody touches them. The default: an application reads what it was told to.
    LeaveAlone,
}

/// What becomes of streams that leave the list (KCL: `FormerStreamsLeasesDeletionStrategy`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormerStreams {
    /// They are read on, as far as they have leases (KCL: `NoLeaseDeletionStrategy`).
    Keep,
    /// They are read on for this long; if they are not listed again by then, they are read no more and their leases are
    /// deleted (KCL: `AutoDetectionAndDeferredDeletionStrategy`, `waitPeriodToDeleteFormerStreams`).
    DeleteAfter(Duration),
    /// The same, for these streams only; others are kept (KCL: `ProvidedStreamsDeferredDeletionStrategy`).
    DeleteTheseAfter {
        /// Which.
        streams: BTreeSet<StreamId>,
        /// How long each waits after it left the list.
        wait: Duration,
    },
}

/// What should change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Sync the stream's shards and read it.
    Read {
        /// Which.
        stream: StreamId,
        /// Where shards without a checkpoint begin.
        start: Start,
    },
    /// Stop reading it; keep its leases.
    Stop {
        /// Which.
        stream: StreamId,
        /// Why.
        why: Why,
    },
    /// Delete all its leases. It is not read any more.
    Delete {
        /// Which.
        stream: StreamId,
    },
}

/// Why a stream is not read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// It left the list, and its time is over.
    Unlisted,
    /// It was deleted and made again.
    Recreated {
        /// The one that has the name now.
        by: StreamId,
    },
    /// The service does not know it.
    NotFound,
}

/// One application's streams, as its leader sees them.
#[derive(Debug)]
pub struct Tracker {
    unlisted: Unlisted,
    former: FormerStreams,
    known: BTreeMap<StreamId, State>,
    missing: BTreeMap<StreamId, u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the list, and read.
    Listed,
    /// Not in the list, and read; left it, or was found without it, then.
    Leaving(Instant),
    /// Not read.
    Left,
    /// Not read, and its leases were to be deleted.
    Deleted,
}

impl Tracker {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(unlisted: Unlisted, former: FormerStreams) -> Self {
        Self {
            unlisted,
            former,
            known: BTreeMap::new(),
            missing: BTreeMap::new(),
        }
    }

    /// The streams that are read.
    pub fn read(&self) -> impl Iterator<Item = &StreamId> {
        let is_read = |state: &State| matches!(state, State::Listed | State::Leaving(_));
        self.known
            .iter()
            .filter(move |(_, state)| is_read(state))
            .map(|(stream, _)| stream)
    }

    /// How many streams are read until a wait is over, and have their leases deleted then.
    #[must_use]
    pub fn pending_deletion(&self) -> usize {
        let waits = |(stream, state): &(&StreamId, &State)| {
            matches!(state, State::Leaving(_)) && self.wait_of(stream).is_some()
        };
        self.known.iter().filter(waits).count()
    }

    /// Changes the list of streams whose leases may be deleted; no effect under another policy.
    pub fn set_deletable(&mut self, deletable: BTreeSet<StreamId>) {
        if let FormerStreams::DeleteTheseAfter { streams, .. } = &mut self.former {
            *streams = deletable;
        }
    }

    /// Compares the list with what is read and with the streams that have leases. To be called again and again, also when
    /// the list has not changed: waits come to their ends.
    pub fn on_list(
        &mut self,
        listed: &BTreeMap<StreamId, Start>,
        in_table: &BTreeSet<StreamId>,
        now: Instant,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let matters = |stream: &StreamId| listed.contains_key(stream) || in_table.contains(stream);
        self.known.retain(|stream, _| matters(stream));
        self.missing.retain(|stream, _| matters(stream));
        for (stream, start) in listed {
            // Reading it would ask for what is not there, again and again.
            if self.missing.contains_key(stream) {
                continue;
            }
            // The older one of two of a name is a mistake of the list: it is no more.
            if let Some(by) = successor(stream, listed) {
                self.retire(stream, by, &mut changes);
                continue;
            }
            let before = self.known.insert(stream.clone(), State::Listed);
            let reads = matches!(before, Some(State::Listed | State::Leaving(_)));
            if !reads {
                changes.push(Change::Read {
                    stream: stream.clone(),
                    start: *start,
                });
            }
        }
        let others: Vec<StreamId> = in_table
            .iter()
            .filter(|stream| !listed.contains_key(*stream))
            .cloned()
            .collect();
        for stream in others {
            match successor(&stream, listed) {
                Some(by) => {
                    self.retire(&stream, by, &mut changes);
                    self.delete_if_due(&stream, now, &mut changes);
                }
                None => self.on_unlisted(&stream, now, &mut changes),
            }
        }
        changes
    }

    /// The service says that there is no such stream. After the third time in a row its leases are deleted, listed or not,
    /// and from the first time on it is not read. Says what changes.
    pub fn on_not_found(&mut self, stream: &StreamId) -> Vec<Change> {
        let times = self.missing.entry(stream.clone()).or_default();
        *times += 1;
        let sure = *times >= NOT_FOUND_ROUNDS;
        let mut changes = Vec::new();
        let state = self.known.get(stream).copied();
        if matches!(state, Some(State::Listed | State::Leaving(_))) {
            self.known.insert(stream.clone(), State::Left);
            changes.push(Change::Stop {
                stream: stream.clone(),
                why: Why::NotFound,
            });
        }
        if sure && state != Some(State::Deleted) {
            self.known.insert(stream.clone(), State::Deleted);
            changes.push(Change::Delete {
                stream: stream.clone(),
            });
        }
        changes
    }

    /// The service knows the stream. One that was not found is read again from the next [`on_list`](Self::on_list) on.
    pub fn on_found(&mut self, stream: &StreamId) {
        self.missing.remove(stream);
    }

    fn on_unlisted(&mut self, stream: &StreamId, now: Instant, changes: &mut Vec<Change>) {
        match self.known.get(stream) {
            None => match self.unlisted {
                Unlisted::Read(start) => {
                    self.known.insert(stream.clone(), State::Leaving(now));
                    changes.push(Change::Read {
                        stream: stream.clone(),
                        start,
                    });
                }
                Unlisted::LeaveAlone => {
                    self.known.insert(stream.clone(), State::Left);
                }
            },
            Some(State::Listed) => {
                self.known.insert(stream.clone(), State::Leaving(now));
                self.delete_if_due(stream, now, changes);
            }
            Some(State::Leaving(_)) => self.delete_if_due(stream, now, changes),
            Some(State::Left | State::Deleted) => {}
        }
    }

    fn retire(&mut self, stream: &StreamId, by: &StreamId, changes: &mut Vec<Change>) {
        if matches!(self.known.get(stream), Some(State::Listed | State::Leaving(_))) {
            changes.push(Change::Stop {
                stream: stream.clone(),
                why: Why::Recreated { by: by.clone() },
            });
        }
        self.known
            .entry(stream.clone())
            .and_modify(|state| {
                if *state != State::Deleted {
                    *state = State::Left;
                }
            })
            .or_insert(State::Left);
    }

    /// How long a stream is read after it left the list; `None`: for ever.
    fn wait_of(&self, stream: &StreamId) -> Option<Duration> {
        match &self.former {
            FormerStreams::Keep => None,
            FormerStreams::DeleteAfter(wait) => Some(*wait),
            FormerStreams::DeleteTheseAfter { streams, wait } => streams.contains(stream).then_some(*wait),
        }
    }

    fn delete_if_due(&mut self, stream: &StreamId, now: Instant, changes: &mut Vec<Change>) {
        let Some(wait) = self.wait_of(stream) else {
            return;
        };
        match self.known.get(stream) {
            Some(State::Leaving(since)) if now.saturating_duration_since(*since) >= wait => {
                changes.push(Change::Stop {
                    stream: stream.clone(),
                    why: Why::Unlisted,
                });
            }
            // What was replaced cannot come back, so there is nothing to wait for.
            Some(State::Left) => {}
            _ => return,
        }
        self.known.insert(stream.clone(), State::Deleted);
        changes.push(Change::Delete {
            stream: stream.clone(),
        });
    }
}

/// The listed stream of the same name that was created later.
fn successor<'a>(stream: &StreamId, listed: &'a BTreeMap<StreamId, Start>) -> Option<&'a StreamId> {
    listed.keys().find(|other| {
        other.account() == stream.account() && other.name() == stream.name() && other.epoch() > stream.epoch()
    })
}

/// Ours: one answer may come from a region or an account that was configured wrong for a moment.
const NOT_FOUND_ROUNDS: u32 = 3;

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
