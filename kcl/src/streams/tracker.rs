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
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn id(name: &str, epoch: u64) -> StreamId {
        StreamId::parse(&format!("123456789012:{name}:{epoch}")).unwrap()
    }

    fn list(streams: &[&StreamId]) -> BTreeMap<StreamId, Start> {
        streams
            .iter()
            .map(|stream| ((*stream).clone(), Start::Latest))
            .collect()
    }

    fn table(streams: &[&StreamId]) -> BTreeSet<StreamId> {
        streams.iter().map(|stream| (*stream).clone()).collect()
    }

    fn read(stream: &StreamId) -> Change {
        Change::Read {
            stream: stream.clone(),
            start: Start::Latest,
        }
    }

    fn delete(stream: &StreamId) -> Change {
        Change::Delete {
            stream: stream.clone(),
        }
    }

    fn stop(stream: &StreamId, why: Why) -> Change {
        Change::Stop {
            stream: stream.clone(),
            why,
        }
    }

    #[test]
    fn streams_are_added_and_told_once() {
        let (a, b) = (id("a", 1), id("b", 1));
        let mut tracker = Tracker::new(Unlisted::LeaveAlone, FormerStreams::Keep);
        let now = origin();
        assert_eq!(tracker.on_list(&list(&[&a]), &table(&[]), now), [read(&a)]);
        assert_eq!(tracker.on_list(&list(&[&a]), &table(&[&a]), now), []);
        assert_eq!(tracker.on_list(&list(&[&a, &b]), &table(&[&a]), now), [read(&b)]);
        assert_eq!(tracker.read().collect::<Vec<_>>(), [&a, &b]);
    }

    #[test]
    fn former_streams_are_kept_or_deleted_after_a_wait() {
        let (a, b) = (id("a", 1), id("b", 1));
        let wait = 10 * MINUTE;
        let provided = |streams: &[&StreamId]| FormerStreams::DeleteTheseAfter {
            streams: table(streams),
            wait,
        };
        let gone = vec![stop(&a, Why::Unlisted), delete(&a)];
        for (former, expected) in [
            (FormerStreams::Keep, vec![]),
            (FormerStreams::DeleteAfter(wait), gone.clone()),
            (provided(&[&b]), vec![]),
            (provided(&[&a]), gone),
        ] {
            let start = origin();
            let mut tracker = Tracker::new(Unlisted::LeaveAlone, former.clone());
            let _ = tracker.on_list(&list(&[&a, &b]), &table(&[&a, &b]), start);
            assert_eq!(tracker.pending_deletion(), 0, "all are listed");
            for minute in 0..10 {
                let changes = tracker.on_list(&list(&[&b]), &table(&[&a, &b]), start + MINUTE * minute);
                assert_eq!(changes, [], "{former:?}, minute {minute}");
                assert_eq!(tracker.read().count(), 2, "it is read on");
                assert_eq!(tracker.pending_deletion(), expected.len() / 2, "{former:?}");
            }
            let changes = tracker.on_list(&list(&[&b]), &table(&[&a, &b]), start + 10 * MINUTE);
            assert_eq!(changes, expected, "{former:?}");
            assert_eq!(tracker.pending_deletion(), 0, "it is for others to do");
            assert_eq!(
                tracker.on_list(&list(&[&b]), &table(&[&b]), start + 11 * MINUTE),
                []
            );
        }
    }

    #[test]
    fn a_stream_that_is_listed_again_in_time_stays() {
        let a = id("a", 1);
        let start = origin();
        let mut tracker = Tracker::new(Unlisted::LeaveAlone, FormerStreams::DeleteAfter(10 * MINUTE));
        let _ = tracker.on_list(&list(&[&a]), &table(&[&a]), start);
        assert_eq!(tracker.on_list(&list(&[]), &table(&[&a]), start + MINUTE), []);
        assert_eq!(
            tracker.on_list(&list(&[&a]), &table(&[&a]), start + 5 * MINUTE),
            []
        );
        assert_eq!(
            tracker.on_list(&list(&[]), &table(&[&a]), start + 12 * MINUTE),
            [],
            "the wait begins anew"
        );
    }

    #[test]
    fn streams_that_nobody_listed_are_left_alone_or_read() {
        let a = id("a", 1);
        let start = origin();
        let mut careful = Tracker::new(Unlisted::LeaveAlone, FormerStreams::DeleteAfter(MINUTE));
        for minute in 0..5 {
            assert_eq!(
                careful.on_list(&list(&[]), &table(&[&a]), start + MINUTE * minute),
                []
            );
        }
        assert_eq!(careful.on_list(&list(&[&a]), &table(&[&a]), start), [read(&a)]);

        let mut eager = Tracker::new(Unlisted::Read(Start::Latest), FormerStreams::DeleteAfter(MINUTE));
        assert_eq!(eager.on_list(&list(&[]), &table(&[&a]), start), [read(&a)]);
        let changes = eager.on_list(&list(&[]), &table(&[&a]), start + MINUTE);
        assert_eq!(changes, [stop(&a, Why::Unlisted), delete(&a)]);
    }

    #[test]
    fn a_stream_made_again_is_another_one() {
        let (old, new) = (id("a", 1), id("a", 2));
        let start = origin();
        let why = Why::Recreated { by: new.clone() };
        for (former, expected) in [
            (FormerStreams::Keep, vec![read(&new), stop(&old, why.clone())]),
            (
                FormerStreams::DeleteAfter(MINUTE),
                vec![read(&new), stop(&old, why), delete(&old)],
            ),
        ] {
            let mut tracker = Tracker::new(Unlisted::Read(Start::Latest), former);
            let _ = tracker.on_list(&list(&[&old]), &table(&[&old]), start);
            let changes = tracker.on_list(&list(&[&new]), &table(&[&old]), start + MINUTE);
            assert_eq!(changes, expected);
            assert_eq!(tracker.read().collect::<Vec<_>>(), [&new], "never both");
            assert_eq!(
                tracker.on_list(&list(&[&new]), &table(&[&old, &new]), start + 9 * MINUTE),
                []
            );
        }
        // A list that names both means the one that is.
        let mut tracker = Tracker::new(Unlisted::LeaveAlone, FormerStreams::Keep);
        assert_eq!(
            tracker.on_list(&list(&[&old, &new]), &table(&[]), start),
            [read(&new)]
        );
    }

    #[test]
    fn a_stream_that_is_not_found_is_stopped_at_once_and_deleted_when_sure() {
        let a = id("a", 1);
        let mut tracker = Tracker::new(Unlisted::LeaveAlone, FormerStreams::Keep);
        let _ = tracker.on_list(&list(&[&a]), &table(&[&a]), origin());
        assert_eq!(tracker.on_not_found(&a), [stop(&a, Why::NotFound)]);
        assert_eq!(tracker.on_not_found(&a), []);
        assert_eq!(tracker.on_not_found(&a), [delete(&a)]);
        assert_eq!(tracker.on_not_found(&a), [], "told once");
        assert_eq!(
            tracker.on_list(&list(&[&a]), &table(&[]), origin()),
            [],
            "not asked for in vain"
        );
        // It is listed still, and may come back.
        tracker.on_found(&a);
        assert_eq!(tracker.on_list(&list(&[&a]), &table(&[]), origin()), [read(&a)]);
    }
}
