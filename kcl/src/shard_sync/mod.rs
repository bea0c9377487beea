//! Shards and leases made to agree. Pure: a shard listing and a lease listing in, rows to write out.
//!
//! ```text
//!  ListShards ──> ShardGraph ─┬─> plan::initial_leases   an empty table, from a listing at the start position
//!                             ├─> plan::missing_leases   any table, from a listing of all shards
//!  leases ────────────────────┼─> cleanup::removable     finished leases that nobody needs
//!                             └─> coverage::HoleWatch    hash keys that no unfinished lease covers
//!  GetRecords at the end of a shard ──> children::child_leases
//!  children beside their parents ─────> early::early_leases
//! ```
//!
//! [`audit`] does all of this round after round, with confidence before deeds. [`view`] picks one stream's rows from a
//! table of several, [`recreated`] finds leases of an earlier stream of the same name, [`budget`] bounds the listings.
//!
//! All writes that follow from these plans are conditional on the row being absent, or remove rows whose work is
//! done; so two workers that plan at the same time, or one that plans from stale listings, do no harm.

pub mod audit;
pub mod budget;
pub mod children;
pub mod cleanup;
pub mod coverage;
pub mod early;
pub mod graph;
pub mod plan;
pub mod recreated;
pub mod view;

use kinesis_aggregation::{HashKeyRange, ShardId};

use crate::position::{Checkpoint, SequenceNumber};

/// One shard of a listing, in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// The shard's id.
    pub id: ShardId,
    /// The shard it was split or merged from; possibly no longer listed.
    pub parent: Option<ShardId>,
    /// The second shard it was merged from.
    pub adjacent_parent: Option<ShardId>,
    /// The hash keys it receives or received.
    pub hash_range: HashKeyRange,
    /// The first number of its range, when the service told it.
    pub starting_sequence_number: Option<SequenceNumber>,
    /// Whether it receives no more records.
    pub closed: bool,
}

impl Shard {
    /// The ids of its parents, listed or not.
    pub fn parents(&self) -> impl Iterator<Item = &ShardId> {
        self.parent.iter().chain(&self.adjacent_parent)
    }
}

/// Where a lease without a checkpoint begins (KCL: initial position in stream).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record kept.
    TrimHorizon,
    /// At the tip.
    Latest,
    /// At the configured timestamp, which is not stored.
    AtTimestamp,
}

impl Start {
    /// The checkpoint of such a lease.
    #[must_use]
    pub fn checkpoint(self) -> Checkpoint {
        match self {
            Self::TrimHorizon => Checkpoint::TrimHorizon,
            Self::Latest => Checkpoint::Latest,
            Self::AtTimestamp => Checkpoint::AtTimestamp,
        }
    }
}

#[cfg(test)]
mod fixture;
