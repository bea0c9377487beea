//! How much memory the records of all streams hold, and which shard holds the oldest of them.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Every shard that holds records, by the arrival of its oldest.
#[derive(Debug)]
pub(crate) struct Ledger {
    limit: Option<u64>,
    held: u64,
    by_age: BTreeSet<(u64, Arc<str>, u32)>,
}

impl Ledger {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            held: 0,
            by_age: BTreeSet::new(),
        }
    }

    pub(crate) fn held_bytes(&self) -> u64 {
        self.held
    }

    pub(crate) fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.held > limit)
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.held += bytes;
    }

    pub(crate) fn remove(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// A shard's oldest record is another one now; `None` stands for no records.
    pub(crate) fn moved(&mut self, stream: &Arc<str>, shard: u32, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        if let Some(arrival) = before {
            self.by_age.remove(&(arrival, Arc::clone(stream), shard));
        }
        if let Some(arrival) = after {
            self.by_age.insert((arrival, Arc::clone(stream), shard));
        }
    }

    /// The shard with the oldest record of all.
    pub(crate) fn oldest(&self) -> Option<(Arc<str>, u32)> {
        self.by_age
            .first()
            .map(|(_, stream, shard)| (Arc::clone(stream), *shard))
    }
}
