//! What the workers tell of themselves, in order. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use kcl::events::ConsumerEvent;

/// Events of all workers, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Diary {
    entries: Vec<Entry>,
    /// When the user's code began to hang.
    hung_at: Option<Duration>,
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

    /// The user's code hangs from now on.
    pub fn hung(&mut self, at: Duration) {
        self.hung_at = Some(at);
    }

    /// How long after the user's code began to hang the first event came that `is_it`.
    #[must_use]
    pub fn told_after_hanging(&self, is_it: impl Fn(&ConsumerEvent) -> bool) -> Option<Duration> {
        let hung_at = self.hung_at?;
        let mut later = self.entries.iter().filter(|entry| entry.at >= hung_at);
        let entry = later.find(|entry| is_it(&entry.event))?;
        Some(entry.at - hung_at)
    }

    /// How often this kind of event was told.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counts().get(name).copied().unwrap_or_default()
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
    let text = match event {
        ConsumerEvent::Record(event) => format!("Record{event:?}"),
        event => format!("{event:?}"),
    };
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
        assert_eq!((diary.count("Started"), diary.count("LeaseLost")), (2, 0));
    }

    #[test]
    fn what_is_told_of_hanging_is_told_afterwards() {
        let started = |event: &ConsumerEvent| matches!(event, ConsumerEvent::Started { .. });
        let mut diary = Diary::default();
        for second in [1, 5, 9] {
            let event = ConsumerEvent::Started { leases_created: 0 };
            diary.note(Duration::from_secs(second), "one", event);
        }
        assert_eq!(diary.told_after_hanging(started), None, "nothing hangs");
        diary.hung(Duration::from_secs(3));
        assert_eq!(diary.told_after_hanging(started), Some(Duration::from_secs(2)));
    }
}
