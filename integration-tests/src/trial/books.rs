//! The books of one trial: what was put, what the producer said of it, and what the stream holds. Pure.
//!
//! A few bytes for each record, so that the books are no burden on a process whose memory is measured.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use kpl::DeliveryErrorKind;

/// What was put, what was said of it, what is stored.
#[derive(Debug, Default)]
pub struct Books {
    entries: Vec<Entry>,
    /// Per key, the highest number of which a first copy was read.
    newest: Vec<Option<u32>>,
    failures: BTreeMap<&'static str, u64>,
    order_breaks: u64,
    first_copies: u64,
    strangers: u64,
}

/// One record.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    key: u32,
    /// Where the producer said that it is.
    position: u32,
    outcome: Outcome,
    copies: u8,
    is_where_told: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Outcome {
    #[default]
    None,
    Acknowledged,
    /// Acknowledged, and an attempt before may have stored it as well.
    AcknowledgedAgain,
    Failed,
    /// Failed, and an attempt may have stored it.
    FailedPerhapsStored,
}

/// Where a copy of a record is.
#[derive(Debug, Clone, Copy)]
pub struct Position<'a> {
    /// The shard's id.
    pub shard: &'a str,
    /// The sequence number.
    pub sequence_number: &'a str,
    /// The place in its aggregate; `None` for a record alone.
    pub sub_sequence_number: Option<u64>,
}

impl Position<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
    fn fingerprint(&self) -> u32 {
        let mut hasher = DefaultHasher::new();
        (self.shard, self.sequence_number, self.sub_sequence_number).hash(&mut hasher);
        hasher.finish() as u32
    }
}

/// The books, closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// Records put.
    pub put: u64,
    /// Records acknowledged.
    pub acknowledged: u64,
    /// Records failed, by kind.
    pub failed: BTreeMap<&'static str, u64>,
    /// Records without an outcome.
    pub unanswered: u64,
    /// Records of which consumers see a copy.
    pub stored: u64,
    /// Acknowledged, and no copy is to be seen.
    pub lost: u64,
    /// Acknowledged, and no copy is where the producer said.
    pub elsewhere: u64,
    /// Stored, and neither acknowledged nor reported as perhaps stored.
    pub unexplained: u64,
    /// Copies beyond the first.
    pub duplicates: u64,
    /// Those of records which were not reported as perhaps stored more than once.
    pub unreported_duplicates: u64,
    /// First copies of acknowledged records behind one that was put later under the same key.
    pub order_breaks: u64,
    /// Copies of what was never put.
    pub strangers: u64,
}

impl Balance {
    /// Records failed, of whatever kind.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }
}

impl Books {
    /// A record is put; its number is how many were put before it.
    pub fn put(&mut self, key: u32) -> u32 {
        let number =
            u32::try_from(self.entries.len()).expect("invariant: trials put fewer than 2^32 records");
        self.entries.push(Entry {
            key,
            ..Entry::default()
        });
        number
    }

    /// How many were put.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none was put.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The producer says that the record is stored at `position`, and whether an attempt before may have stored it too.
    pub fn acknowledged(&mut self, number: u32, position: Position<'_>, perhaps_before: bool) {
        let entry = &mut self.entries[number as usize];
        entry.position = position.fingerprint();
        entry.outcome = match perhaps_before {
            true => Outcome::AcknowledgedAgain,
            false => Outcome::Acknowledged,
        };
    }

    /// The producer says that the record failed, and whether it may be stored all the same.
    pub fn failed(&mut self, number: u32, kind: &DeliveryErrorKind, perhaps_stored: bool) {
        *self.failures.entry(name_of(kind)).or_default() += 1;
        self.entries[number as usize].outcome = match perhaps_stored {
            true => Outcome::FailedPerhapsStored,
            false => Outcome::Failed,
        };
    }

    /// A consumer sees a copy. Copies of one key come in the order in which consumers see them.
    pub fn stored(&mut self, number: u32, position: Position<'_>) {
        let Some(entry) = self.entries.get_mut(number as usize) else {
            self.strangers += 1;
            return;
        };
        entry.copies = entry.copies.saturating_add(1);
        entry.is_where_told |= entry.position == position.fingerprint();
        self.first_copies += u64::from(entry.copies == 1);
        // A record that failed is passed over: it has no place in the order.
        if entry.copies > 1 || !entry.is_acknowledged() {
            return;
        }
        let key = entry.key as usize;
        if self.newest.len() <= key {
            self.newest.resize(key + 1, None);
        }
        match &mut self.newest[key] {
            Some(newest) if *newest > number => self.order_breaks += 1,
            newest => *newest = Some(number),
        }
    }

    /// Of how many records a copy was seen.
    #[must_use]
    pub fn first_copies(&self) -> u64 {
        self.first_copies
    }

    /// The books, closed.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let mut balance = Balance {
            put: self.entries.len() as u64,
            failed: self.failures.clone(),
            order_breaks: self.order_breaks,
            strangers: self.strangers,
            ..Balance::default()
        };
        for entry in &self.entries {
            let extra = u64::from(entry.copies.saturating_sub(1));
            balance.stored += u64::from(entry.copies > 0);
            balance.duplicates += extra;
            match entry.outcome {
                Outcome::None => balance.unanswered += 1,
                Outcome::Acknowledged | Outcome::AcknowledgedAgain => {
                    balance.acknowledged += 1;
                    balance.lost += u64::from(entry.copies == 0);
                    balance.elsewhere += u64::from(!entry.is_where_told);
                }
                Outcome::Failed => balance.unexplained += u64::from(entry.copies > 0),
                Outcome::FailedPerhapsStored => {}
            }
            if !matches!(
                entry.outcome,
                Outcome::AcknowledgedAgain | Outcome::FailedPerhapsStored
            ) {
                balance.unreported_duplicates += extra;
            }
        }
        balance
    }
}

impl Entry {
    fn is_acknowledged(&self) -> bool {
        matches!(self.outcome, Outcome::Acknowledged | Outcome::AcknowledgedAgain)
    }
}

fn name_of(kind: &DeliveryErrorKind) -> &'static str {
    match kind {
        DeliveryErrorKind::Expired { .. } => "expired",
        DeliveryErrorKind::Unreachable { .. } => "unreachable",
        DeliveryErrorKind::StreamNotFound { .. } => "stream not found",
        DeliveryErrorKind::AccessDenied { .. } => "access denied",
        DeliveryErrorKind::Credentials { .. } => "credentials",
        DeliveryErrorKind::Rejected { .. } => "rejected",
        DeliveryErrorKind::ProducerGone => "producer gone",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRED: DeliveryErrorKind = DeliveryErrorKind::Expired { failure: None };

    fn at(sequence_number: &str) -> Position<'_> {
        Position {
            shard: "shardId-000000000000",
            sequence_number,
            sub_sequence_number: Some(3),
        }
    }

    /// Three records of one key, acknowledged at 1, 2 and 3.
    fn three() -> Books {
        let mut books = Books::default();
        for sequence_number in ["1", "2", "3"] {
            let number = books.put(0);
            books.acknowledged(number, at(sequence_number), false);
        }
        books
    }

    #[test]
    fn what_is_as_it_should_be_leaves_no_trace() {
        let mut books = three();
        for (number, sequence_number) in (0..).zip(["1", "2", "3"]) {
            books.stored(number, at(sequence_number));
        }
        let expected = Balance {
            put: 3,
            acknowledged: 3,
            stored: 3,
            ..Balance::default()
        };
        assert_eq!(books.balance(), expected);
    }

    #[test]
    fn what_is_missing_or_elsewhere_is_seen() {
        let mut books = three();
        books.put(1);
        books.stored(0, at("1"));
        let elsewhere = Position {
            sub_sequence_number: Some(4),
            ..at("2")
        };
        books.stored(1, elsewhere);
        books.stored(9, at("9"));
        let balance = books.balance();
        assert_eq!((balance.lost, balance.elsewhere), (1, 2));
        assert_eq!((balance.unanswered, balance.strangers), (1, 1));
    }

    #[test]
    fn copies_are_only_explained_by_a_report() {
        let mut books = three();
        books.acknowledged(1, at("2"), true);
        for number in [0, 0, 1, 1, 1, 2] {
            books.stored(number, at(&(number + 1).to_string()));
        }
        let balance = books.balance();
        assert_eq!((balance.duplicates, balance.unreported_duplicates), (3, 1));
        assert_eq!(balance.order_breaks, 0, "later copies have no order");
    }

    #[test]
    fn failures_are_only_explained_by_a_report_and_have_no_order() {
        let mut books = three();
        books.failed(0, &EXPIRED, true);
        books.failed(1, &EXPIRED, false);
        for number in [2, 1, 0] {
            books.stored(number, at(&(number + 1).to_string()));
        }
        let balance = books.balance();
        assert_eq!((balance.failures(), balance.unexplained), (2, 1));
        assert_eq!(balance.order_breaks, 0);
    }

    #[test]
    fn a_record_behind_a_later_one_of_its_key_is_out_of_order() {
        let mut books = three();
        let other = books.put(1);
        books.acknowledged(other, at("0"), false);
        for number in [other, 1, 0, 2] {
            books.stored(number, at("1"));
        }
        assert_eq!(books.balance().order_breaks, 1);
    }
}
