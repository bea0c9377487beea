//! From the reply to a request to the outcomes of its records.

use std::sync::Arc;
use std::time::Instant;

use kinesis_aggregation::ShardId;

use super::Pipeline;
use super::action::{Batch, BatchId, Entry, EntryReply, Stored};
use super::buffered::Buffered;
use super::lanes::{LaneId, Settled, Share};
use super::verdict::{self, Sent, Verdict};
use crate::error::DeliveryErrorKind;
use crate::failure::{Failure, FailureKind};
use crate::outcome::{Attempt, Delivery, History, Landing};

/// A request on its way.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    sent_at: Instant,
    entries: Vec<SentEntry<T>>,
}

/// One entry of it: its records, and where they were expected to land.
#[derive(Debug)]
struct SentEntry<T> {
    lane: LaneId,
    shard: ShardId,
    records: Vec<Buffered<T>>,
    is_aggregate: bool,
}

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

impl<T> Pipeline<T> {
    /// The request of this id has its reply, or failed as a whole.
    pub(crate) fn on_sent(&mut self, id: BatchId, reply: Result<Vec<EntryReply>, Failure>, now: Instant) {
        let Some(in_flight) = self.in_flight.remove(&id) else {
            debug_assert!(false, "a request has one reply");
            return;
        };
        let sent_at = in_flight.sent_at;
        match reply {
            Ok(replies) if replies.len() == in_flight.entries.len() => {
                for (entry, reply) in in_flight.entries.into_iter().zip(replies) {
                    self.on_entry(entry, reply, sent_at, now);
                }
            }
            Ok(replies) => {
                let message = format!("{} replies to {} entries", replies.len(), in_flight.entries.len());
                let failure = Failure::new(FailureKind::BadAnswer, "RecordCountMismatch", message);
                self.on_request_failed(in_flight.entries, &failure, sent_at, now);
            }
            Err(failure) => self.on_request_failed(in_flight.entries, &failure, sent_at, now),
        }
    }

    /// Books a request and gives it its id.
    pub(super) fn send(&mut self, shares: Vec<Share<T>>, now: Instant) -> Batch {
        let id = BatchId(self.next_batch);
        self.next_batch += 1;
        let mut wire: Vec<Entry> = Vec::with_capacity(shares.len());
        let mut entries = Vec::with_capacity(shares.len());
        for Share { lane, packed } in shares {
            wire.push(packed.entry);
            let shard = self.lanes.lane(lane).shard.clone();
            entries.push(SentEntry {
                lane,
                shard,
                records: packed.records,
                is_aggregate: packed.is_aggregate,
            });
        }
        self.in_flight.insert(
            id,
            InFlight {
                sent_at: now,
                entries,
            },
        );
        Batch { id, entries: wire }
    }

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
                decided => self.carry_out(landed.entry, decided, Some(landed.stored), landed.attempt, now),
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

    fn on_entry(&mut self, entry: SentEntry<T>, reply: EntryReply, sent_at: Instant, now: Instant) {
        match reply {
            Ok(stored) => {
                let attempt = Attempt::new(sent_at, now.saturating_duration_since(sent_at), None);
                if stored.shard_id != entry.shard {
                    self.map.invalidate(sent_at, now);
                }
                match self.verdict(&entry, &stored) {
                    Verdict::Undecided => self.postpone(entry, stored, attempt, now),
                    decided => self.carry_out(entry, decided, Some(stored), attempt, now),
                }
            }
            Err(failure) => {
                let verdict = verdict::of_failure(&failure);
                let attempt = Attempt::new(sent_at, now.saturating_duration_since(sent_at), Some(failure));
                self.carry_out(entry, verdict, None, attempt, now);
            }
        }
    }

    fn on_request_failed(
        &mut self,
        entries: Vec<SentEntry<T>>,
        failure: &Failure,
        sent_at: Instant,
        now: Instant,
    ) {
        for entry in entries {
            self.on_entry(entry, Err(failure.clone()), sent_at, now);
        }
    }

    fn verdict(&self, entry: &SentEntry<T>, stored: &Stored) -> Verdict {
        let members = entry.records.iter().map(|record| record.hash_key);
        verdict::of_stored(
            stored,
            Sent {
                predicted: &entry.shard,
                members,
            },
            |shard| self.map.range(shard),
        )
    }

    /// Holds an aggregate, and with it its lane, until the shards are known.
    fn postpone(&mut self, entry: SentEntry<T>, stored: Stored, attempt: Attempt, now: Instant) {
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
    }

    fn resend_landed(&mut self, landed: Landed<T>, now: Instant) {
        let failure = verdict::wrong_shard(&landed.entry.shard, &landed.stored.shard_id);
        self.carry_out(landed.entry, Verdict::Retry(failure), None, landed.attempt, now);
    }

    fn carry_out(
        &mut self,
        entry: SentEntry<T>,
        verdict: Verdict,
        stored: Option<Stored>,
        attempt: Attempt,
        now: Instant,
    ) {
        let lane = entry.lane;
        let settled = match (verdict, stored) {
            (Verdict::Deliver, Some(stored)) => {
                self.deliver(entry, stored, attempt);
                Settled::Succeeded
            }
            (Verdict::Retry(failure), _) => {
                Settled::Again(self.keep_unexpired(entry, attempt.failed(failure), now))
            }
            (Verdict::Fail(failure), _) => {
                self.fail(entry, failure, &attempt);
                Settled::Done
            }
            (Verdict::Deliver | Verdict::Undecided, _) => {
                unreachable!("invariant: only what was stored is delivered, and what is undecided waits")
            }
        };
        self.lanes.settle(lane, settled, now, &mut self.rng);
    }

    fn deliver(&mut self, entry: SentEntry<T>, stored: Stored, attempt: Attempt) {
        let Stored {
            shard_id,
            sequence_number,
        } = stored;
        let landing = Arc::new(Landing {
            shard_id,
            sequence_number,
            attempt,
        });
        for (place, record) in (0_u32..).zip(entry.records) {
            let sub_sequence = entry.is_aggregate.then_some(place);
            let delivery = Delivery::new(Arc::clone(&landing), sub_sequence, record.history);
            self.outbox.complete(record.number, record.token, Ok(delivery));
        }
    }

    fn fail(&mut self, entry: SentEntry<T>, failure: Failure, attempt: &Attempt) {
        let kind = DeliveryErrorKind::fatal(failure);
        let mut shared = SharedHistory::default();
        for mut record in entry.records {
            record.history = shared.after(&record.history, attempt);
            self.outbox.give_up(record, &self.stream, kind.clone());
        }
    }

    /// The records that are to be tried again; for the others the attempt was the last.
    fn keep_unexpired(&mut self, entry: SentEntry<T>, attempt: Attempt, now: Instant) -> Vec<Buffered<T>> {
        let ttl = self.ttl;
        let mut shared = SharedHistory::default();
        let mut kept = Vec::with_capacity(entry.records.len());
        for mut record in entry.records {
            record.history = shared.after(&record.history, &attempt);
            if record.expires_at(ttl) > now {
                kept.push(record);
            } else {
                self.outbox.expire(record, &self.stream);
            }
        }
        kept
    }
}

/// Records that were together before share their past, and so what is added to it.
#[derive(Default)]
struct SharedHistory {
    last: Option<(History, History)>,
}

impl SharedHistory {
    fn after(&mut self, before: &History, attempt: &Attempt) -> History {
        match &self.last {
            Some((same, after)) if same.is_same(before) => after.clone(),
            _ => {
                let after = before.with(attempt.clone());
                self.last = Some((before.clone(), after.clone()));
                after
            }
        }
    }
}

/// Lists of shards, asked for after an aggregate landed, that may lack its shard before its records are sent again:
/// lists may lag behind a reshard.
const MAX_VAIN_LISTS: u32 = 3;
