//! Aggregates that were stored on a shard which nobody knows yet: the next shard list decides.

use std::time::Instant;

use super::Pipeline;
use super::action::Stored;
use super::in_flight::SentEntry;
use super::settle::Fate;
use super::verdict::{self, Verdict};
use crate::outcome::Attempt;

/// An aggregate that was stored on a shard which is not known.
#[derive(Debug)]
pub(super) struct Landed<T> {
    entry: SentEntry<T>,
    stored: Stored,
    attempt: Attempt,
    /// When it was seen. A list of shards that was asked for later should know the shard.
    seen_at: Instant,
    /// Lists that were asked for later and did not.
    vain_lists: u32,
    /// When the first of its records expires.
    pub(super) give_up_at: Instant,
}

impl<T> Landed<T> {
    pub(super) fn entry(&self) -> &SentEntry<T> {
        &self.entry
    }

    pub(super) fn into_entry(self) -> SentEntry<T> {
        self.entry
    }
}

impl<T> Pipeline<T> {
    /// A new list of shards is there: decide on aggregates whose shard it tells, or should have told.
    pub(super) fn decide_undecided(&mut self, now: Instant) {
        for mut landed in std::mem::take(&mut self.undecided) {
            let is_later = self.map.valid_from().is_some_and(|from| from >= landed.seen_at);
            // A list that has the shard's parent still is behind; one that has neither is past them both.
            let is_behind =
                !self.lanes.lane(landed.entry.lane).is_retired && landed.vain_lists < MAX_VAIN_LISTS;
            match self.verdict(&landed.entry, &landed.stored) {
                Verdict::Undecided if !is_later || is_behind => {
                    landed.vain_lists += u32::from(is_later);
                    self.map.invalidate(now, now);
                    self.undecided.push(landed);
                }
                Verdict::Undecided => self.resend_landed(landed, now),
                decided => {
                    self.carry_out(landed.entry, decided, Some(landed.stored), landed.attempt, now);
                }
            }
        }
    }

    /// Aggregates whose shard stayed unknown until a record of theirs expired.
    pub(super) fn give_up_deciding(&mut self, now: Instant) {
        if self.undecided.iter().all(|landed| landed.give_up_at > now) {
            return;
        }
        for landed in std::mem::take(&mut self.undecided) {
            if landed.give_up_at > now {
                self.undecided.push(landed);
            } else {
                self.resend_landed(landed, now);
            }
        }
    }

    /// Holds an aggregate, and with it its lane, until the shards are known.
    pub(super) fn postpone(
        &mut self,
        entry: SentEntry<T>,
        stored: Stored,
        attempt: Attempt,
        now: Instant,
    ) -> Fate {
        self.map.invalidate(now, now);
        let ttl = self.ttl;
        let give_up_at = entry
            .records
            .iter()
            .map(|record| record.expires_at(ttl))
            .min()
            .unwrap_or(now);
        self.undecided.push(Landed {
            entry,
            stored,
            attempt,
            seen_at: now,
            vain_lists: 0,
            give_up_at,
        });
        Fate::Open
    }

    fn resend_landed(&mut self, landed: Landed<T>, now: Instant) {
        let failure = verdict::wrong_shard(&landed.entry.shard, &landed.stored.shard_id);
        let verdict = verdict::of_failure(&failure, &self.policy);
        self.carry_out(landed.entry, verdict, Some(landed.stored), landed.attempt, now);
    }
}

/// Lists of shards, asked for after an aggregate landed, that may lack its shard before its records are sent again:
/// lists may lag behind a reshard.
const MAX_VAIN_LISTS: u32 = 3;
