//! The books of one trial of the consumer: what was put where, what was handed to the user's code by whom, how far the
//! lease table says that it came. Pure.
//!
//! A *tenure* is one processor's time with one shard, from its first call to its last. What is handed over again must
//! have been left undone by a tenure that ended badly, and must lie behind what the table says; everything else is a
//! broken promise, and counted.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use kcl::lease::LeaseKey;
use kcl::{Checkpoint, Position};

use super::super::latencies::Latencies;

/// What was put, handed over, done and checkpointed.
#[derive(Debug, Default)]
pub struct Books {
    entries: Vec<Entry>,
    keys: Vec<Key>,
    shards: BTreeMap<LeaseKey, Shard>,
    tenures: Vec<Tenure>,
    counts: Counts,
    /// Every record below this number is done.
    done_below: usize,
    stored: usize,
}

/// One record.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    key: u32,
    put_at: Duration,
    /// Who had it last.
    tenure: Option<TenureId>,
    is_done: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Key {
    /// The highest number handed over so far.
    newest: Option<u32>,
    /// What is handed over, and neither done nor failed.
    open: Option<(u32, TenureId)>,
    has_failed: bool,
}

#[derive(Debug, Default)]
struct Shard {
    /// Where the producer was told that its records are.
    placed: BTreeMap<Position, u32>,
    /// What the table was last seen to say.
    checkpoint: Option<Checkpoint>,
    /// Who began last.
    holder: Option<TenureId>,
}

#[derive(Debug, Clone)]
struct Tenure {
    worker: &'static str,
    lease: LeaseKey,
    end: Option<Leaving>,
    /// Whether a batch failed: what is not checkpointed comes again, done or not.
    repeats: bool,
    handed: u64,
}

/// Names a tenure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenureId(u32);

/// How a tenure ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The shard was given up in good order, or is at its end.
    InOrder,
    /// The lease was lost, or the worker died.
    Bad,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    done: u64,
    handed: u64,
    strangers: u64,
    order_breaks: u64,
    strays: u64,
    repeated: BTreeMap<&'static str, u64>,
    retried: u64,
    unexplained: u64,
    passed_over: u64,
    went_back: u64,
    dead: u64,
    wrong_letters: u64,
    waits: Waits,
}

/// How long records waited, put until done.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    /// Those of keys that never had a failure before.
    pub calm: Latencies,
    /// The others.
    pub failing: Latencies,
}

/// The books, closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// Records put.
    pub put: u64,
    /// Records with which the user's code is done.
    pub done: u64,
    /// How often a record was handed to the user's code.
    pub handed: u64,
    /// Handed over again because a worker died or lost its lease before it checkpointed them; by that worker.
    pub repeated: BTreeMap<&'static str, u64>,
    /// Handed over again because the user's code failed.
    pub retried: u64,
    /// Handed over again without such a reason, or behind a checkpoint.
    pub unexplained: u64,
    /// First handed over behind a later record of their key, or while another one of it was not done.
    pub order_breaks: u64,
    /// Handed over by a worker that had died, or after another one had begun with the shard.
    pub strays: u64,
    /// Not done when a checkpoint left them behind.
    pub passed_over: u64,
    /// Checkpoints that went back.
    pub went_back: u64,
    /// Done, and not behind a checkpoint when all was over.
    pub not_checkpointed: u64,
    /// Given to the dead letters.
    pub dead: u64,
    /// Dead letters of records that do not fail for good, or that do not say why.
    pub wrong_letters: u64,
    /// Handed over and never put.
    pub strangers: u64,
    /// Processors that began with a shard.
    pub tenures: u64,
    /// How often a record was handed over, by worker.
    pub by_worker: BTreeMap<&'static str, u64>,
}

impl Balance {
    /// Records with which the user's code was never done.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.put - self.done
    }

    /// How often a record was handed over again because of a loss.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.repeated.values().sum()
    }
}

impl Books {
    /// A record is put; its number is how many were put before it.
    pub fn put(&mut self, key: u32, at: Duration) -> u32 {
        let number =
            u32::try_from(self.entries.len()).expect("invariant: trials put fewer than 2^32 records");
        if self.keys.len() <= key as usize {
            self.keys.resize(key as usize + 1, Key::default());
        }
        self.entries.push(Entry {
            key,
            put_at: at,
            ..Entry::default()
        });
        number
    }

    /// How many were put.
    #[must_use]
    pub fn put_count(&self) -> usize {
        self.entries.len()
    }

    /// Of how many it is known that they are in the stream.
    #[must_use]
    pub fn stored_count(&self) -> usize {
        self.stored
    }

    /// A record was put by somebody else, at a place that nobody told.
    pub fn found(&mut self, key: u32) {
        self.put(key, Duration::ZERO);
        self.stored += 1;
    }

    /// With how many the user's code is done.
    #[must_use]
    pub fn done_count(&self) -> usize {
        usize::try_from(self.counts.done).unwrap_or(usize::MAX)
    }

    /// The producer was told where a record is.
    pub fn placed(&mut self, number: u32, lease: &LeaseKey, position: Position) {
        let is_done = self.entries[number as usize].is_done;
        let shard = self.shard(lease);
        let is_passed = !is_done && covers(shard.checkpoint.as_ref(), &position);
        shard.placed.insert(position, number);
        self.stored += 1;
        self.counts.passed_over += u64::from(is_passed);
    }

    fn shard(&mut self, lease: &LeaseKey) -> &mut Shard {
        if !self.shards.contains_key(lease) {
            self.shards.insert(lease.clone(), Shard::default());
        }
        self.shards.get_mut(lease).expect("invariant: it was just made")
    }

    /// A worker begins with a shard.
    pub fn begin(&mut self, worker: &'static str, lease: &LeaseKey) -> TenureId {
        let id = TenureId(u32::try_from(self.tenures.len()).expect("invariant: trials are short"));
        self.tenures.push(Tenure {
            worker,
            lease: lease.clone(),
            end: None,
            repeats: false,
            handed: 0,
        });
        self.shard(lease).holder = Some(id);
        id
    }

    /// The end of a tenure. Only the first one counts.
    pub fn leave(&mut self, tenure: TenureId, how: Leaving) {
        self.tenures[tenure.0 as usize].end.get_or_insert(how);
    }

    /// A worker died: what it had it has no more.
    pub fn died(&mut self, worker: &str) {
        for tenure in self.tenures.iter_mut().filter(|tenure| tenure.worker == worker) {
            tenure.end.get_or_insert(Leaving::Bad);
        }
    }

    /// A record is handed to the user's code.
    pub fn handed(&mut self, by: TenureId, number: u32, position: &Position) {
        let Self {
            entries,
            keys,
            shards,
            tenures,
            counts,
            ..
        } = self;
        counts.handed += 1;
        let tenure = &mut tenures[by.0 as usize];
        tenure.handed += 1;
        let Some(entry) = entries.get_mut(number as usize) else {
            counts.strangers += 1;
            return;
        };
        let shard = shards.get(&tenure.lease);
        let is_holder = shard.is_some_and(|shard| shard.holder == Some(by));
        counts.strays += u64::from(!is_holder || tenure.end == Some(Leaving::Bad));

        let key = &mut keys[entry.key as usize];
        let mut is_in_order = true;
        match entry.tenure.replace(by) {
            None => {
                is_in_order = key.newest.is_none_or(|newest| newest < number);
                key.newest = key.newest.max(Some(number));
            }
            Some(before) => {
                let had = &tenures[before.0 as usize];
                let is_covered = shard.is_some_and(|shard| covers(shard.checkpoint.as_ref(), position));
                // A checkpoint that failed may be in the table all the same: within a tenure that is no sin.
                if before == by && (had.repeats || !entry.is_done) {
                    counts.retried += 1;
                } else if before != by && !is_covered && (had.end != Some(Leaving::InOrder) || !entry.is_done)
                {
                    *counts.repeated.entry(had.worker).or_default() += 1;
                } else {
                    counts.unexplained += 1;
                }
            }
        }
        if let Some((open, holder)) = key.open.replace((number, by)) {
            is_in_order &= open == number || tenures[holder.0 as usize].end.is_some();
        }
        counts.order_breaks += u64::from(!is_in_order);
    }

    /// A record is handed to the user's code of a worker that is told neither when it begins with a shard nor when it
    /// ends: a tenure begins where the worker has none.
    pub fn handed_by(&mut self, worker: &'static str, lease: &LeaseKey, number: u32, position: &Position) {
        let tenure = self
            .open_tenure(worker, lease)
            .unwrap_or_else(|| self.begin(worker, lease));
        self.handed(tenure, number, position);
    }

    /// A worker told that a lease is not its any more.
    pub fn left(&mut self, worker: &str, lease: &LeaseKey, how: Leaving) {
        if let Some(tenure) = self.open_tenure(worker, lease) {
            self.leave(tenure, how);
        }
    }

    /// The last one that has not ended.
    fn open_tenure(&self, worker: &str, lease: &LeaseKey) -> Option<TenureId> {
        let is_it =
            |tenure: &Tenure| tenure.worker == worker && tenure.lease == *lease && tenure.end.is_none();
        let at = self.tenures.iter().rposition(is_it)?;
        u32::try_from(at).ok().map(TenureId)
    }

    /// The user's code is done with a record.
    pub fn done(&mut self, number: u32, now: Duration) {
        let Some(entry) = self.entries.get_mut(number as usize) else {
            return;
        };
        if !entry.is_done {
            entry.is_done = true;
            self.counts.done += 1;
            let waits = match self.keys[entry.key as usize].has_failed {
                true => &mut self.counts.waits.failing,
                false => &mut self.counts.waits.calm,
            };
            waits.add(now.saturating_sub(entry.put_at));
        }
        self.close(number);
    }

    /// The user's code failed on a record, which comes again.
    pub fn failed(&mut self, number: u32) {
        if let Some(entry) = self.entries.get(number as usize) {
            self.keys[entry.key as usize].has_failed = true;
        }
        self.close(number);
    }

    /// A record is with the dead letters now; whether it belongs there and its letter says why.
    pub fn dead(&mut self, number: u32, is_right: bool, now: Duration) {
        let is_new = self
            .entries
            .get(number as usize)
            .is_some_and(|entry| !entry.is_done);
        self.counts.dead += u64::from(is_new);
        self.counts.wrong_letters += u64::from(!is_right);
        self.done(number, now);
    }

    /// How long records waited.
    #[must_use]
    pub fn waits(&self) -> &Waits {
        &self.counts.waits
    }

    /// The user's code failed on a batch: all of it that is not checkpointed comes again.
    pub fn batch_failed(&mut self, tenure: TenureId) {
        self.tenures[tenure.0 as usize].repeats = true;
    }

    /// A checkpoint of a processor succeeded: nothing that it was given before comes again to it.
    pub fn settled(&mut self, tenure: TenureId) {
        self.tenures[tenure.0 as usize].repeats = false;
    }

    fn close(&mut self, number: u32) {
        if let Some(entry) = self.entries.get(number as usize) {
            let open = &mut self.keys[entry.key as usize].open;
            open.take_if(|(open, _)| *open == number);
        }
    }

    /// What the lease table says now.
    pub fn checkpoint(&mut self, lease: &LeaseKey, checkpoint: &Checkpoint) {
        let shard = self.shard(lease);
        let before = shard.checkpoint.replace(checkpoint.clone());
        if before.as_ref() == Some(checkpoint) {
            return;
        }
        let (entries, counts) = (&self.entries, &mut self.counts);
        counts.went_back += u64::from(before.as_ref() > Some(checkpoint));
        let from = match &before {
            Some(Checkpoint::At(position)) => Bound::Excluded(position),
            Some(Checkpoint::ShardEnd) => return,
            _ => Bound::Unbounded,
        };
        let placed = self.shards[lease].placed.range((from, Bound::Unbounded));
        let passed = placed.take_while(|(position, _)| covers(Some(checkpoint), position));
        let undone = passed.filter(|(_, number)| !entries[**number as usize].is_done);
        counts.passed_over += undone.count() as u64;
    }

    /// For how long the oldest record that is not done has been waiting.
    pub fn lag(&mut self, now: Duration) -> Duration {
        while self
            .entries
            .get(self.done_below)
            .is_some_and(|entry| entry.is_done)
        {
            self.done_below += 1;
        }
        let oldest = self.entries.get(self.done_below);
        oldest.map_or(Duration::ZERO, |entry| now.saturating_sub(entry.put_at))
    }

    /// The books, closed.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let counts = self.counts.clone();
        let mut by_worker = BTreeMap::new();
        for tenure in &self.tenures {
            *by_worker.entry(tenure.worker).or_default() += tenure.handed;
        }
        let not_checkpointed = self.shards.values().map(|shard| {
            let done = shard
                .placed
                .iter()
                .filter(|(_, number)| self.entries[**number as usize].is_done);
            done.filter(|(position, _)| !covers(shard.checkpoint.as_ref(), position))
                .count() as u64
        });
        Balance {
            put: self.entries.len() as u64,
            done: counts.done,
            handed: counts.handed,
            repeated: counts.repeated,
            retried: counts.retried,
            unexplained: counts.unexplained,
            order_breaks: counts.order_breaks,
            strays: counts.strays,
            passed_over: counts.passed_over,
            went_back: counts.went_back,
            not_checkpointed: not_checkpointed.sum(),
            dead: counts.dead,
            wrong_letters: counts.wrong_letters,
            strangers: counts.strangers,
            tenures: self.tenures.len() as u64,
            by_worker,
        }
    }
}

/// Whether a record at `position` is behind the checkpoint, and so never comes again.
fn covers(checkpoint: Option<&Checkpoint>, position: &Position) -> bool {
    match checkpoint {
        Some(Checkpoint::At(done)) => position <= done,
        Some(Checkpoint::ShardEnd) => true,
        _ => false,
    }
}

#[cfg(test)]
#[path = "books_tests.rs"]
mod tests;
