//! What takes the service time: changes that are due at a moment, and what they do then.

use std::collections::BTreeMap;
use std::sync::Arc;

use kinesis_aggregation::HashKey;

use super::Engine;
use super::api::StreamStatus;
use super::scaling;
use super::stream::Stream;

/// A change of a stream's shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reshard {
    /// By shard numbers.
    Split {
        shard: u32,
        at: HashKey,
    },
    Merge {
        shard: u32,
        adjacent: u32,
    },
    /// As UpdateShardCount does it.
    Scale {
        target: u32,
    },
}

/// What happens to a stream when its time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// CREATING ends.
    Created,
    /// DELETING ends.
    Deleted,
    /// UPDATING ends, and the shards are others.
    Resharded(Reshard),
    /// UPDATING ends.
    Updated,
    /// A test asked for it, in whatever state the stream is.
    Scripted(Reshard),
}

/// A change and the moment it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    at_ms: u64,
    stream: Arc<str>,
    /// Which of the streams that had this name; `None` for whichever has it then.
    incarnation: Option<u64>,
    change: Change,
}

/// Changes to come, in the order of their moments and then of their asking.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    due: BTreeMap<(u64, u64), Due>,
    asked: u64,
}

impl Schedule {
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.due.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<Due> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now_ms).then(|| entry.remove())
    }

    pub(crate) fn script(&mut self, stream: Arc<str>, reshard: Reshard, at_ms: u64) {
        self.add(Due {
            at_ms,
            stream,
            incarnation: None,
            change: Change::Scripted(reshard),
        });
    }

    fn add(&mut self, due: Due) {
        self.asked += 1;
        self.due.insert((due.at_ms, self.asked), due);
    }
}

impl Engine {
    /// Has a change happen to a stream after a while; at once if that is 0.
    pub(super) fn change_after(&mut self, name: &str, change: Change, after_ms: u64, now_ms: u64) {
        let Some(stream) = self.streams.get(name) else {
            return;
        };
        let due = Due {
            at_ms: now_ms.saturating_add(after_ms),
            stream: Arc::clone(&stream.name),
            incarnation: Some(stream.incarnation),
            change,
        };
        if after_ms == 0 {
            self.apply(due);
        } else {
            self.schedule.add(due);
        }
    }

    /// Puts a stream into UPDATING for as long as updates take, with nothing else to happen at the end.
    pub(super) fn updating(&mut self, name: &str, now_ms: u64) {
        self.updating_to(name, Change::Updated, now_ms);
    }

    /// Puts a stream into UPDATING for as long as updates take.
    pub(super) fn updating_to(&mut self, name: &str, change: Change, now_ms: u64) {
        if let Some(stream) = self.streams.get_mut(name) {
            stream.status = StreamStatus::Updating;
        }
        let takes_ms = self.settings.durations.update_stream_ms;
        self.change_after(name, change, takes_ms, now_ms);
    }

    pub(super) fn apply(&mut self, due: Due) {
        let Due {
            at_ms,
            stream: name,
            incarnation,
            change,
        } = due;
        let Some(stream) = self.streams.get_mut(&name) else {
            return;
        };
        if incarnation.is_some_and(|wanted| wanted != stream.incarnation) {
            return;
        }
        // A stream that is being deleted stays so, whatever else was on its way.
        let status = match stream.status {
            StreamStatus::Deleting => StreamStatus::Deleting,
            _ => StreamStatus::Active,
        };
        match change {
            Change::Created | Change::Updated => stream.status = status,
            Change::Deleted => self.remove_stream(&name),
            Change::Resharded(reshard) => {
                stream.status = status;
                self.sessions.wake(reshape(stream, &reshard, at_ms));
            }
            Change::Scripted(reshard) => self.sessions.wake(reshape(stream, &reshard, at_ms)),
        }
    }
}

/// Changes the shards, and returns the subscriptions of those that closed.
fn reshape(stream: &mut Stream, reshard: &Reshard, at_ms: u64) -> Vec<super::SubscriptionId> {
    let open_before: Vec<u32> = stream.open().iter().map(|open| open.shard).collect();
    match *reshard {
        Reshard::Split { shard, at } => {
            stream.split(shard, at, at_ms);
        }
        Reshard::Merge { shard, adjacent } => {
            stream.merge(shard, adjacent, at_ms);
        }
        Reshard::Scale { target } => scaling::scale(stream, target, at_ms),
    }
    let shards = open_before.into_iter().filter_map(|number| stream.shard(number));
    shards
        .filter(|shard| !shard.is_open())
        .flat_map(|shard| shard.subscriptions.iter().copied())
        .collect()
}
