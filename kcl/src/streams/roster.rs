//! The streams of an application over time: whom to ask the service about, and when; what is read in consequence.
//!
//! ```text
//!  the application's list ──on_list──┐
//!  DescribeStreamSummary ──on_described, on_failure──> Roster ──due──> whom to ask about
//!  streams of the lease table ──changes──┘               └──Change…──> read, stop, delete (`tracker`)
//! ```
//!
//! A stream is known by what the service says of it, so that one that was deleted and made again is another. As long as a
//! listed stream cannot be asked about, rows that may be its own are not judged: a missing right deletes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::arn::StreamArn;
use super::listed::{StreamConfig, StreamTarget};
use super::tracker::{Change, FormerStreams, Tracker, Unlisted};
use crate::config::InitialPosition;
use crate::lease::StreamId;
use crate::shard_sync::Start;
use crate::shard_sync::recreated::{Sameness, compare_creation};
use crate::stream::Stream;

/// What the service says a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) id: StreamId,
    pub(crate) arn: StreamArn,
}

/// How often to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cadence {
    /// Whether a stream is still the same; with many streams, one each second.
    pub(crate) verify: Duration,
    /// After a first failure; doubled each time.
    pub(crate) retry: Duration,
    /// After many, and after each answer that there is no such stream.
    pub(crate) patience: Duration,
}

/// All streams that an application reads, read, or was told to read.
#[derive(Debug)]
pub(crate) struct Roster {
    tracker: Tracker,
    unlisted: Unlisted,
    cadence: Cadence,
    default: InitialPosition,
    entries: BTreeMap<StreamTarget, Entry>,
    in_table: BTreeSet<StreamId>,
}

#[derive(Debug)]
struct Entry {
    position: InitialPosition,
    listed: bool,
    known: Option<Described>,
    /// All its shards have, or had, a lease.
    synced: bool,
    due: Instant,
    answered_at: Option<Instant>,
    failures: u32,
}

impl Roster {
    /// `default`: where streams begin that do not say so.
    pub(crate) fn new(
        unlisted: Unlisted,
        former: FormerStreams,
        cadence: Cadence,
        default: InitialPosition,
    ) -> Self {
        Self {
            tracker: Tracker::new(unlisted, former),
            unlisted,
            cadence,
            default,
            entries: BTreeMap::new(),
            in_table: BTreeSet::new(),
        }
    }

    /// Takes in the application's list. Of a stream that is in it twice the first one counts.
    pub(crate) fn on_list(&mut self, list: &[StreamConfig], now: Instant) {
        for entry in self.entries.values_mut() {
            entry.listed = false;
        }
        for config in list.iter().rev() {
            let position = config.position().unwrap_or(self.default);
            let entry = self
                .entries
                .entry(config.target().clone())
                .or_insert_with(|| Entry::new(position, now));
            entry.listed = true;
            entry.position = position;
        }
    }

    /// Whom to ask about at `now`.
    pub(crate) fn due(&self, now: Instant) -> Vec<StreamTarget> {
        let due = self.entries.iter().filter(|(_, entry)| entry.due <= now);
        due.map(|(target, _)| target.clone()).collect()
    }

    /// When somebody is to be asked about next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.entries.values().map(|entry| entry.due).min()
    }

    /// A reader found something that its stream should not have: ask about all again, unless that was just done.
    pub(crate) fn on_doubt(&mut self, now: Instant) {
        for entry in self.entries.values_mut() {
            let answered = entry.answered_at;
            let is_recent = answered.is_some_and(|at| now.saturating_duration_since(at) < self.cadence.retry);
            if entry.failures == 0 && !is_recent {
                entry.due = entry.due.min(now);
            }
        }
    }

    /// The service says what a stream is.
    pub(crate) fn on_described(&mut self, target: &StreamTarget, described: Described, now: Instant) {
        let verify = self.verify_interval();
        let Some(entry) = self.entries.get_mut(target) else {
            return;
        };
        if let Some(known) = &entry.known {
            match compare_creation(known.id.epoch(), described.id.epoch()) {
                Sameness::Same => {}
                Sameness::StaleDescription => {
                    entry.due = now + self.cadence.retry;
                    return;
                }
                Sameness::Recreated => entry.synced = false,
            }
        }
        self.tracker.on_found(&described.id);
        entry.known = Some(described);
        entry.failures = 0;
        entry.answered_at = Some(now);
        entry.due = now + verify;
    }

    /// The service does not say what a stream is, or which shards it has. `missing`: there is none. How long until it is
    /// asked again, and what changes.
    pub(crate) fn on_failure(
        &mut self,
        target: &StreamTarget,
        missing: bool,
        now: Instant,
    ) -> (Duration, Vec<Change>) {
        let Some(entry) = self.entries.get_mut(target) else {
            return (self.cadence.patience, Vec::new());
        };
        let doublings = entry.failures.min(16);
        entry.failures = entry.failures.saturating_add(1);
        let pause = match missing {
            true => self.cadence.patience,
            false => (self.cadence.retry * (1 << doublings)).min(self.cadence.patience),
        };
        entry.due = now + pause;
        let mut gone = BTreeSet::new();
        if missing {
            match &entry.known {
                Some(known) => gone.extend([known.id.clone()]),
                None => gone.extend(self.in_table.iter().filter(|id| target.may_be(id)).cloned()),
            }
        }
        let changes = gone.iter().flat_map(|id| self.tracker.on_not_found(id));
        (pause, changes.collect())
    }

    /// Every shard of the stream has a lease, or had one.
    pub(crate) fn on_synced(&mut self, target: &StreamTarget) {
        if let Some(entry) = self.entries.get_mut(target) {
            entry.synced = true;
        }
    }

    /// Whether the stream is listed, or read without being listed.
    pub(crate) fn knows(&self, target: &StreamTarget) -> bool {
        self.entries.contains_key(target)
    }

    /// What the stream was when all its shards had, or got, a lease.
    pub(crate) fn synced(&self, target: &StreamTarget) -> Option<&StreamId> {
        let entry = self.entries.get(target).filter(|entry| entry.synced)?;
        entry.known.as_ref().map(|known| &known.id)
    }

    /// How often the service was asked about a stream in vain, in a row.
    pub(crate) fn failures(&self, target: &StreamTarget) -> u32 {
        self.entries.get(target).map_or(0, |entry| entry.failures)
    }

    /// What follows from all that is known, and from the streams that have leases. To be called again and again: waits come to
    /// their ends.
    pub(crate) fn changes(&mut self, in_table: &BTreeSet<StreamId>, now: Instant) -> Vec<Change> {
        self.in_table.clone_from(in_table);
        let read: BTreeSet<StreamId> = self.tracker.read().cloned().collect();
        let mut listed: BTreeMap<StreamId, Start> = BTreeMap::new();
        let mut judged = in_table.clone();
        for (target, entry) in self.entries.iter().filter(|(_, entry)| entry.listed) {
            match &entry.known {
                Some(known) => {
                    listed.insert(known.id.clone(), entry.position.start());
                }
                None => {
                    judged.retain(|id| !target.may_be(id));
                    // It may be one that is read already, named in another way.
                    let same = read.iter().filter(|id| target.may_be(id));
                    listed.extend(same.map(|id| (id.clone(), entry.position.start())));
                }
            }
        }
        let changes = self.tracker.on_list(&listed, &judged, now);
        // Also of earlier rounds: what an ARN looks like here is not known before the first answer.
        if let Unlisted::Read(start) = self.unlisted {
            let read: Vec<StreamId> = self.tracker.read().cloned().collect();
            for id in read {
                self.adopt(&id, start, now);
            }
        }
        let tracker = &self.tracker;
        self.entries.retain(|_, entry| {
            let is_read = |known: &Described| tracker.read().any(|id| *id == known.id);
            entry.listed || entry.known.as_ref().is_some_and(is_read)
        });
        changes
    }

    /// The streams that are read.
    pub(crate) fn reading(&self) -> BTreeMap<StreamId, Stream> {
        let stream = |id: &StreamId| {
            let (known, entry) = self.entry_of(id)?;
            let stream = Stream::one_of_several(id.clone(), known.arn.clone(), entry.position);
            Some((id.clone(), stream))
        };
        self.tracker.read().filter_map(stream).collect()
    }

    /// How many streams are read until a wait is over, and have their leases deleted then.
    pub(crate) fn pending_deletion(&self) -> usize {
        self.tracker.pending_deletion()
    }

    /// Streams that have leases, are not listed, and are not read.
    pub(crate) fn left_alone(&self) -> impl Iterator<Item = &StreamId> {
        self.in_table.iter().filter(|id| {
            let is_listed = |(target, entry): (&StreamTarget, &Entry)| entry.listed && target.may_be(id);
            !self.tracker.read().any(|read| read == *id) && !self.entries.iter().any(is_listed)
        })
    }

    /// Begins with a stream that is read although nobody listed it.
    fn adopt(&mut self, id: &StreamId, start: Start, now: Instant) {
        if self.entry_of(id).is_some() {
            return;
        }
        let Some(arn) = self.arn_like_others(id) else {
            return;
        };
        let position = match start {
            Start::TrimHorizon => InitialPosition::TrimHorizon,
            Start::Latest => InitialPosition::Latest,
            // The time itself is a setting.
            Start::AtTimestamp => self.default,
        };
        let mut entry = Entry::new(position, now);
        let target = StreamTarget::Arn(arn.clone());
        entry.known = Some(Described { id: id.clone(), arn });
        self.entries.entry(target).or_insert(entry);
    }

    fn entry_of(&self, id: &StreamId) -> Option<(&Described, &Entry)> {
        self.entries.values().find_map(|entry| {
            let known = entry.known.as_ref().filter(|known| known.id == *id)?;
            Some((known, entry))
        })
    }

    /// A row tells the account and the name of its stream, others the rest.
    fn arn_like_others(&self, id: &StreamId) -> Option<StreamArn> {
        let mut known = self.entries.values().filter_map(|entry| entry.known.as_ref());
        let like = &known.next()?.arn;
        StreamArn::new(like.partition(), like.region(), id.account(), id.name()).ok()
    }

    fn verify_interval(&self) -> Duration {
        let many = Duration::from_secs(u64::try_from(self.entries.len()).unwrap_or(u64::MAX));
        self.cadence.verify.max(many)
    }
}

impl Entry {
    fn new(position: InitialPosition, now: Instant) -> Self {
        Self {
            position,
            listed: false,
            known: None,
            synced: false,
            due: now,
            answered_at: None,
            failures: 0,
        }
    }
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
