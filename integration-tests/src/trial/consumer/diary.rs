//! What the workers tell of themselves, in order. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use kcl::events::ConsumerEvent;

/// Events of all workers, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Diary {
    entries: Vec<Entry>,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When, since the start.
    pub at: Duration,
    /// Whose.
    pub worker: &'static str,
    /// What.
    pub event: ConsumerEvent,
}

impl Diary {
    /// Takes down an event.
    pub fn note(&mut self, at: Duration, worker: &'static str, event: ConsumerEvent) {
        self.entries.push(Entry { at, worker, event });
    }

    /// What was told.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How often each kind of event was told, by its name.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for entry in &self.entries {
            *counts.entry(name_of(&entry.event)).or_default() += 1;
        }
        counts
    }
}

/// The variant's name: what its `Debug` begins with.
fn name_of(event: &ConsumerEvent) -> String {
    let text = format!("{event:?}");
    let end = text.find(|letter: char| !letter.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_name() {
        let mut diary = Diary::default();
        for leases_created in [1, 2] {
            diary.note(Duration::ZERO, "one", ConsumerEvent::Started { leases_created });
        }
        diary.note(
            Duration::ZERO,
            "one",
            ConsumerEvent::LeaderChanged { leader: None },
        );
        let counts = diary.counts();
        let counts: Vec<_> = counts
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        assert_eq!(counts, [("LeaderChanged", 1), ("Started", 2)]);
    }
}
