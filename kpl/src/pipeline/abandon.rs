//! Giving up everything at once: what has no outcome gets one now.

use std::time::Instant;

use super::Pipeline;
use super::buffered::Buffered;
use super::in_flight::InFlight;
use super::isolation::Isolation;
use super::landed::Landed;
use crate::error::DeliveryErrorKind;

impl<T> Pipeline<T> {
    /// Fails each record that has no outcome, in the order they were put. `kind` is told whether a record is on its
    /// way: then it may yet be stored. Replies that come later are not expected any more.
    pub(crate) fn abandon(&mut self, kind: impl Fn(bool) -> DeliveryErrorKind, now: Instant) {
        let waiting = self
            .first_contact
            .abandon()
            .into_iter()
            .chain(self.lanes.drain(now));
        let mut records: Vec<(Buffered<T>, bool)> = waiting.map(|record| (record, false)).collect();
        let held = std::mem::take(&mut self.isolations);
        let held = held.into_values().flat_map(Isolation::into_entries);
        records.extend(held.flat_map(|entry| entry.records).map(|record| (record, false)));
        let sent = std::mem::take(&mut self.in_flight);
        let landed = std::mem::take(&mut self.undecided);
        let under_way = sent.into_values().flat_map(InFlight::into_entries);
        let under_way = under_way.chain(landed.into_iter().map(Landed::into_entry));
        records.extend(
            under_way
                .flat_map(|entry| entry.records)
                .map(|record| (record, true)),
        );
        records.sort_unstable_by_key(|(record, _)| record.number);
        for (record, is_under_way) in records {
            self.outbox.give_up(record, &self.stream, kind(is_under_way));
        }
        debug_assert_eq!(self.outstanding(), 0, "a record was forgotten");
    }

    /// When the oldest record without an outcome arrived.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let held = self.isolations.values().flat_map(Isolation::entries);
        let sent = self.in_flight.values().flat_map(InFlight::entries);
        let landed = self.undecided.iter().map(Landed::entry);
        let packed = held.chain(sent).chain(landed).flat_map(|entry| &entry.records);
        let waiting = self.first_contact.oldest().into_iter().chain(self.lanes.oldest());
        packed.map(|record| record.arrival).chain(waiting).min()
    }
}
