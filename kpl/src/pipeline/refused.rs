//! Requests that the service refuses as a whole: who is to blame, and what the others may do meanwhile.

use std::time::{Duration, Instant};

use super::Pipeline;
use super::action::Batch;
use super::in_flight::SentEntry;
use super::isolation::{Isolation, Step};
use super::settle::{Fate, SharedHistory};
use super::verdict;
use crate::error::DeliveryErrorKind;
use crate::failure::Failure;
use crate::outcome::Attempt;

/// Names a refused request until it is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IsolationId(u64);

impl<T> Pipeline<T> {
    /// A request, or a part of a refused one, was refused as a whole.
    pub(super) fn on_refused(
        &mut self,
        mut entries: Vec<SentEntry<T>>,
        failure: &Failure,
        part_of: Option<IsolationId>,
        sent_at: Instant,
        now: Instant,
    ) {
        let attempt = Attempt::new(
            sent_at,
            now.saturating_duration_since(sent_at),
            Some(failure.clone()),
        );
        let is_one = entries.len() == 1 && entries[0].records.len() == 1;
        if !is_one {
            let mut shared = SharedHistory::default();
            for record in entries.iter_mut().flat_map(|entry| &mut entry.records) {
                record.history =
                    shared.after(&record.history, |before| before.with_uncharged(attempt.clone()));
            }
        }
        let blamed = match part_of {
            None if is_one => entries.pop(),
            None if self.refusing_until.is_some_and(|until| now < until) => {
                for entry in entries {
                    self.condemn(entry, failure, now);
                }
                return;
            }
            None => {
                let last = self.isolations.last_key_value();
                let id = last.map_or(IsolationId(0), |(last, _)| IsolationId(last.0 + 1));
                let isolation = Isolation::new(entries, failure.clone());
                self.isolations.insert(id, isolation);
                self.book_cuts(id);
                return;
            }
            Some(id) => match self.isolations.get_mut(&id) {
                Some(isolation) => isolation.on_refused(entries, failure.clone()),
                None => unreachable!("invariant: a refused request is kept until its parts are resolved"),
            },
        };
        if let Some(id) = part_of {
            self.book_cuts(id);
        }
        let Some(entry) = blamed else { return };
        let verdict = verdict::of_failure(failure, &self.policy);
        let fate = self.carry_out(entry, verdict, None, attempt, now);
        if let (Fate::Open, Some(id)) = (fate, part_of) {
            // The policy tries refused records again: then all that is left goes back with them, in order.
            let isolation = self.isolations.remove(&id);
            for entry in isolation.map(Isolation::into_entries).unwrap_or_default() {
                self.withdraw(entry, now);
            }
        }
    }

    /// A part of a refused request has its end otherwise. `fates` are those of its entries.
    pub(super) fn on_part(&mut self, part_of: Option<IsolationId>, fates: &[Fate], now: Instant) {
        let Some(id) = part_of else { return };
        let Some(isolation) = self.isolations.get_mut(&id) else {
            return;
        };
        let behind = if fates.iter().all(|fate| *fate == Fate::Stored) {
            isolation.on_stored();
            Vec::new()
        } else {
            isolation.on_other(fates.contains(&Fate::Stored), fates.contains(&Fate::Open))
        };
        self.book_cuts(id);
        for entry in behind {
            self.withdraw(entry, now);
        }
    }

    /// The next part of a refused request that may be sent.
    pub(super) fn poll_part(&mut self, now: Instant) -> Option<Batch> {
        let mut from = None;
        loop {
            let next = self.isolations.iter_mut().find(|(id, _)| Some(**id) > from);
            let (id, isolation) = next?;
            let id = *id;
            let step = isolation.next();
            self.book_cuts(id);
            match step {
                Step::Wait => from = Some(id),
                Step::Done => {
                    self.isolations.remove(&id);
                }
                Step::GiveUp(entries, failure) => {
                    // The service refuses whatever it is sent: do not take the next requests apart as well.
                    self.refusing_until = Some(now + REFUSING);
                    for entry in entries {
                        self.condemn(entry, &failure, now);
                    }
                }
                Step::Send(entries) => {
                    let entries = self.drop_expired(entries, now);
                    if entries.is_empty() {
                        self.on_part(Some(id), &[Fate::Failed], now);
                        continue;
                    }
                    return Some(self.send_part(entries, id, now));
                }
            }
        }
    }

    /// Fails records that were refused in company only.
    fn condemn(&mut self, mut entry: SentEntry<T>, failure: &Failure, now: Instant) {
        let kind = DeliveryErrorKind::fatal(failure.clone());
        for record in std::mem::take(&mut entry.records) {
            self.outbox.give_up(record, &self.stream, kind.clone());
        }
        self.withdraw(entry, now);
    }

    fn drop_expired(&mut self, entries: Vec<SentEntry<T>>, now: Instant) -> Vec<SentEntry<T>> {
        let mut left = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let ttl = self.ttl;
            let records = std::mem::take(&mut entry.records);
            for record in records {
                if record.expires_at(ttl) > now {
                    entry.records.push(record);
                } else {
                    self.outbox.expire(record, &self.stream);
                }
            }
            if entry.records.is_empty() {
                self.withdraw(entry, now);
            } else {
                left.push(entry);
            }
        }
        left
    }

    fn book_cuts(&mut self, id: IsolationId) {
        let cuts = self.isolations.get_mut(&id).map(Isolation::take_cuts);
        for (lane, share) in cuts.unwrap_or_default() {
            self.lanes.divide(lane, share);
        }
    }
}

/// After the service refused a request whatever was in it: for so long others are not taken apart, unless something is
/// stored meanwhile.
const REFUSING: Duration = Duration::from_secs(5);
