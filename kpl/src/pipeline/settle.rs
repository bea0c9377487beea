//! From the reply to a request to the outcomes of its records.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use super::Pipeline;
use super::action::{BatchId, EntryReply, Stored};
use super::buffered::Buffered;
use super::in_flight::{InFlight, SentEntry};
use super::lanes::{Effect, Settled, Settlement};
use super::verdict::{self, Sent, Verdict};
use crate::error::DeliveryErrorKind;
use crate::failure::{Failure, FailureKind};
use crate::outcome::{Attempt, Delivery, History, Landing};

/// How an entry fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was stored, and its records are delivered.
    Stored,
    /// Its records have failed.
    Failed,
    /// Its records come back, or it is not known yet whether they do.
    Open,
}

impl<T> Pipeline<T> {
    /// The request of this id has its reply, or failed as a whole.
    pub(crate) fn on_sent(&mut self, id: BatchId, reply: Result<Vec<EntryReply>, Failure>, now: Instant) {
        let Some(in_flight) = self.in_flight.remove(&id) else {
            debug_assert!(false, "a request has one reply");
            return;
        };
        let InFlight {
            sent_at,
            entries,
            part_of,
        } = in_flight;
        let reply = reply.and_then(|replies| {
            if replies.len() == entries.len() {
                return Ok(replies);
            }
            let message = format!("{} replies to {} entries", replies.len(), entries.len());
            let kind = FailureKind::BadAnswer;
            Err(Failure::new(kind, "RecordCountMismatch", message))
        });
        self.measure_request(&entries, &reply, sent_at, now);
        match reply {
            Err(failure) if failure.kind() == FailureKind::Invalid => {
                self.summary.on_refused(now);
                self.on_refused(entries, &failure, part_of, sent_at, now);
            }
            Err(failure) => {
                let mut fates = Vec::with_capacity(entries.len());
                for entry in entries {
                    fates.push(self.on_entry(entry, Err(failure.clone()), sent_at, now));
                }
                self.on_part(part_of, &fates, now);
            }
            Ok(replies) => {
                let mut fates = Vec::with_capacity(if part_of.is_some() { entries.len() } else { 0 });
                for (entry, reply) in entries.into_iter().zip(replies) {
                    let fate = self.on_entry(entry, reply, sent_at, now);
                    if part_of.is_some() {
                        fates.push(fate);
                    }
                }
                self.on_part(part_of, &fates, now);
            }
        }
    }

    fn on_entry(&mut self, entry: SentEntry<T>, reply: EntryReply, sent_at: Instant, now: Instant) -> Fate {
        match reply {
            Ok(stored) => {
                self.refusing_until = None;
                let attempt = Attempt::new(sent_at, now.saturating_duration_since(sent_at), None);
                self.learn_of(&entry, &stored, sent_at, now);
                match self.verdict(&entry, &stored) {
                    Verdict::Undecided => self.postpone(entry, stored, attempt, now),
                    decided => self.carry_out(entry, decided, Some(stored), attempt, now),
                }
            }
            Err(failure) => {
                if failure.kind() == FailureKind::Invalid && entry.records.len() > 1 {
                    self.on_refused(vec![entry], &failure, None, sent_at, now);
                    return Fate::Open;
                }
                if failure.kind() == FailureKind::StreamNotFound {
                    self.lose_stream(sent_at, now);
                }
                let verdict = verdict::of_failure(&failure, &self.policy);
                let attempt = Attempt::new(sent_at, now.saturating_duration_since(sent_at), Some(failure));
                self.carry_out(entry, verdict, None, attempt, now)
            }
        }
    }

    /// What the shard of a stored entry tells about the map, and about who distributes records.
    fn learn_of(&mut self, entry: &SentEntry<T>, stored: &Stored, sent_at: Instant, now: Instant) {
        let is_expected = stored.shard_id == entry.shard;
        if entry.records.len() > 1 {
            self.summary.on_landed(is_expected, now);
        }
        // Where the service distributes records, only a shard that nobody knows of is news.
        let is_news = !self.summary.is_auto() || self.map.range(&stored.shard_id).is_none();
        if !is_expected && is_news {
            self.map.invalidate(sent_at, now);
        }
    }

    pub(super) fn verdict(&self, entry: &SentEntry<T>, stored: &Stored) -> Verdict {
        let members = entry.records.iter().map(|record| record.hash_key);
        verdict::of_stored(
            stored,
            Sent {
                predicted: &entry.shard,
                range: self.lanes.lane(entry.lane).range,
                is_aggregate: entry.is_aggregate,
                members,
            },
            |shard| self.map.range(shard),
        )
    }

    pub(super) fn carry_out(
        &mut self,
        mut entry: SentEntry<T>,
        verdict: Verdict,
        stored: Option<Stored>,
        attempt: Attempt,
        now: Instant,
    ) -> Fate {
        self.measure_verdict(&entry, &verdict);
        let settlement = Settlement {
            lane: entry.lane,
            share: entry.share,
            sent_at: attempt.started_at(),
            bytes: entry.size,
            is_repetition: entry.is_repetition(),
            effect: match (&stored, attempt.failure()) {
                (Some(_), _) => Effect::Stored,
                (None, Some(failure)) => Effect::of(failure.kind()),
                (None, None) => Effect::Unknown,
            },
            records: Settled::Done,
        };
        let (records, fate) = match (verdict, stored) {
            (Verdict::Deliver, Some(stored)) => {
                self.deliver(entry, stored, attempt);
                (Settled::Done, Fate::Stored)
            }
            (Verdict::Retry(failure), _) => match self.policy.rule(failure.kind()).waits() {
                Some(waits) => {
                    let kept = self.keep(entry, &failure, attempt.failed(failure.clone()), now);
                    let fate = if kept.is_empty() { Fate::Failed } else { Fate::Open };
                    (Settled::Again(kept, waits), fate)
                }
                None => {
                    let attempt = attempt.failed(failure.clone());
                    self.fail(&mut entry, failure, &attempt);
                    (Settled::Done, Fate::Failed)
                }
            },
            (Verdict::Fail(failure), _) => {
                self.fail(&mut entry, failure.clone(), &attempt.failed(failure));
                (Settled::Done, Fate::Failed)
            }
            (Verdict::Deliver | Verdict::Undecided, _) => {
                unreachable!("invariant: only what was stored is delivered, and what is undecided waits")
            }
        };
        let settlement = Settlement {
            records,
            ..settlement
        };
        self.lanes.settle(settlement, now, &mut self.rng);
        fate
    }

    /// An entry whose records go back to their lane, unsent, or have all had their outcomes.
    pub(super) fn withdraw(&mut self, entry: SentEntry<T>, now: Instant) {
        let settlement = Settlement {
            lane: entry.lane,
            share: entry.share,
            sent_at: now,
            bytes: 0,
            is_repetition: false,
            effect: Effect::Unknown,
            records: Settled::Unsent(entry.records),
        };
        self.lanes.settle(settlement, now, &mut self.rng);
    }

    fn deliver(&mut self, entry: SentEntry<T>, stored: Stored, attempt: Attempt) {
        self.measure_delivery(&entry, &stored.shard_id);
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

    fn fail(&mut self, entry: &mut SentEntry<T>, failure: Failure, attempt: &Attempt) {
        let kind = DeliveryErrorKind::fatal(failure);
        let mut shared = SharedHistory::default();
        for mut record in entry.records.drain(..) {
            record.history = shared.after(&record.history, |before| before.with(attempt.clone()));
            self.outbox.give_up(record, &self.stream, kind.clone());
        }
    }

    /// The records that are to be tried again; for the others the attempt was the last.
    fn keep(
        &mut self,
        entry: SentEntry<T>,
        failure: &Failure,
        attempt: Attempt,
        now: Instant,
    ) -> Vec<Buffered<T>> {
        let ttl = self.ttl;
        let most = self.policy.max_attempts().map_or(u32::MAX, NonZeroU32::get);
        let within = self.policy.rule(failure.kind()).time();
        let mut shared = SharedHistory::default();
        let mut kept = Vec::with_capacity(entry.records.len());
        for mut record in entry.records {
            record.history = shared.after(&record.history, |before| before.with(attempt.clone()));
            let began_at = record.history.began_at().unwrap_or(now);
            if record.expires_at(ttl) <= now {
                self.outbox.expire(record, &self.stream);
            } else if record.history.charged() >= most {
                let failure = failure.clone();
                let kind = DeliveryErrorKind::AttemptsExhausted { failure };
                self.outbox.give_up(record, &self.stream, kind);
            } else if within.is_some_and(|time| now.saturating_duration_since(began_at) >= time) {
                let kind = DeliveryErrorKind::fatal(failure.clone());
                self.outbox.give_up(record, &self.stream, kind);
            } else {
                kept.push(record);
            }
        }
        kept
    }
}

impl Effect {
    fn of(failure: FailureKind) -> Self {
        match failure {
            FailureKind::Throttled => Self::Throttled,
            kind if kind.spares_the_shard() => Self::None,
            _ => Self::Unknown,
        }
    }
}

/// Records that were together before share their past, and so what is added to it.
#[derive(Default)]
pub(super) struct SharedHistory {
    last: Option<(History, History)>,
}

impl SharedHistory {
    pub(super) fn after(&mut self, before: &History, add: impl FnOnce(&History) -> History) -> History {
        match &self.last {
            Some((same, after)) if same.is_same(before) => after.clone(),
            _ => {
                let after = add(before);
                self.last = Some((before.clone(), after.clone()));
                after
            }
        }
    }
}
