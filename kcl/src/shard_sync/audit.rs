//! Shards and leases of one stream compared, round after round.
//!
//! Neither listing is a snapshot, so what looks wrong once is not acted upon: a hole counts when it is seen unchanged in
//! several rounds, a shard is gone when it is missing in several, and a shard listing that contradicts itself counts for
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use kinesis_aggregation::HashKeyRange;

use super::Start;
use super::cleanup::{Needless, Removal, removable};
use super::coverage::{HoleWatch, first_hole, uncovered};
use super::graph::ShardGraph;
use super::plan::{OpenChildOfOpenParent, missing_leases};
use crate::lease::{Lease, LeaseKey};
use crate::store::Listing;

/// The auditor of one stream.
#[derive(Debug, Clone)]
pub struct Audit {
    confidence: NonZeroU32,
    holes: HoleWatch,
    gone: BTreeMap<LeaseKey, u32>,
}

/// What one round wants to be written. All creations are on condition that the row is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// Leases to create, in this order.
    pub create: Vec<Lease>,
    /// Hash ranges to add to rows of old versions (KCL: metadata update; it leaves the counter alone).
    pub fill: Vec<(LeaseKey, HashKeyRange)>,
    /// Leases to delete.
    pub remove: Vec<Removal>,
    /// A hole that has been there for long enough; `create` closes it, if anything can.
    pub hole: Option<HashKeyRange>,
    /// Why the shard listing was not believed.
    pub distrust: Option<Distrust>,
}

/// Why a shard listing was not believed. The next one is looked at afresh.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distrust {
    /// It is empty, and a stream is not.
    Empty,
    /// Its open shards leave hash keys without a shard.
    Incomplete {
        /// The first such keys.
        hole: HashKeyRange,
    },
    /// Both a shard and its parent are open (KCL: an exception, unless `ignoreUnexpectedChildShards`). What concerns
    /// other shards is done all the same.
    OpenFamilies(Vec<OpenChildOfOpenParent>),
}

impl Audit {
    /// `confidence`: in how many rounds in a row the same must be seen (KCL:
    /// `leasesRecoveryAuditorInconsistencyConfidenceThreshold`, default 3).
    #[must_use]
    pub fn new(confidence: NonZeroU32) -> Self {
        Self {
            confidence,
            holes: HoleWatch::new(confidence),
            gone: BTreeMap::new(),
        }
    }

    /// One round over a listing of **all** shards and of this stream's leases ([`rows_of`](super::view::rows_of)).
    pub fn on_round(&mut self, shards: &ShardGraph, listing: &Listing, start: Start) -> Findings {
        let mut findings = Findings {
            distrust: distrust(shards),
            ..Findings::default()
        };
        if findings.distrust.is_some() {
            // Neither a confirmation nor a denial of what was seen before.
            return findings;
        }
        let plan = missing_leases(shards, listing, start);
        if !plan.inconsistent.is_empty() {
            findings.distrust = Some(Distrust::OpenFamilies(plan.inconsistent));
        }
        // No lease at all: a stream that was just added, and nothing to compare with.
        let is_new = listing.leases.is_empty() && listing.skipped.is_empty();
        findings.hole = self.holes.on_round(uncovered(&listing.leases, shards));
        if is_new || findings.hole.is_some() {
            findings.create = plan.create;
        }
        findings.fill = ranges_to_fill(shards, listing);
        findings.remove = self.confirmed(removable(listing, shards));
        findings
    }

    /// Removals that rest on a shard's absence wait until it was absent often enough.
    fn confirmed(&mut self, removals: Vec<Removal>) -> Vec<Removal> {
        let absent: BTreeSet<LeaseKey> = removals
            .iter()
            .filter(|removal| removal.reason == Needless::ShardGone)
            .map(|removal| removal.key.clone())
            .collect();
        self.gone.retain(|key, _| absent.contains(key));
        for key in absent {
            *self.gone.entry(key).or_default() += 1;
        }
        let sure = |removal: &Removal| {
            let rounds = self.gone.get(&removal.key).copied();
            rounds.is_none_or(|rounds| rounds >= self.confidence.get())
        };
        removals.into_iter().filter(sure).collect()
    }
}

/// Whether a listing is one that no stream can have.
pub(super) fn distrust(shards: &ShardGraph) -> Option<Distrust> {
    if shards.is_empty() {
        return Some(Distrust::Empty);
    }
    // Open shards receive every record there is, so together they cover all keys, always.
    first_hole(shards.open().map(|shard| shard.hash_range)).map(|hole| Distrust::Incomplete { hole })
}

fn ranges_to_fill(shards: &ShardGraph, listing: &Listing) -> Vec<(LeaseKey, HashKeyRange)> {
    let lacking = listing
        .leases
        .iter()
        .filter(|lease| lease.hash_range.is_none() && !lease.is_finished());
    lacking
        .filter_map(|lease| {
            let shard = shards
                .shards()
                .find(|shard| shard.id.as_str() == lease.key.as_str())?;
            Some((lease.key.clone(), shard.hash_range))
        })
        .collect()
}

/// Ours: a look at the table serves the audits of so many streams.
pub(crate) const STREAMS_AT_ONCE: usize = 25;

#[cfg(test)]
mod tests {
    use super::super::fixture::{id, reference_graph, shard, tenths};
    use super::*;
    use crate::position::Checkpoint;

    fn audit() -> Audit {
        Audit::new(NonZeroU32::new(3).unwrap())
    }

    fn table(rows: &[(u64, Checkpoint)]) -> Listing {
        let lease = |(number, checkpoint): &(u64, Checkpoint)| {
            let mut lease = Lease::new(LeaseKey::of_shard(&id(*number)), checkpoint.clone());
            lease.hash_range = reference_graph().get(&id(*number)).map(|s| s.hash_range);
            lease
        };
        Listing {
            leases: rows.iter().map(lease).collect(),
            skipped: Vec::new(),
        }
    }

    fn numbers(leases: &[Lease]) -> Vec<u64> {
        let numbers = leases.iter().filter_map(|lease| {
            kinesis_aggregation::ShardId::new(lease.key.as_str())
                .ok()?
                .number()
        });
        numbers.collect()
    }

    #[test]
    fn a_new_stream_gets_its_leases_in_the_first_round() {
        let findings = audit().on_round(&reference_graph(), &table(&[]), Start::Latest);
        assert_eq!(numbers(&findings.create), [4, 8, 9, 10]);
    }

    #[test]
    fn a_hole_is_closed_in_the_third_round_that_shows_it() {
        let rows = table(&[
            (4, Checkpoint::Latest),
            (8, Checkpoint::Latest),
            (9, Checkpoint::Latest),
        ]);
        let mut audit = audit();
        for round in 1..=2 {
            let findings = audit.on_round(&reference_graph(), &rows, Start::Latest);
            assert_eq!(
                (findings.create, findings.hole),
                (Vec::new(), None),
                "round {round}"
            );
        }
        // A listing that contradicts itself neither confirms nor denies.
        let torn = ShardGraph::new([shard(8).tenths(0, 3)]);
        let findings = audit.on_round(&torn, &rows, Start::Latest);
        assert_eq!(
            findings.distrust,
            Some(Distrust::Incomplete { hole: tenths(4, 9) })
        );
        assert!(findings.create.is_empty() && findings.remove.is_empty());
        let findings = audit.on_round(&reference_graph(), &rows, Start::Latest);
        assert_eq!(
            (numbers(&findings.create), findings.hole),
            (vec![10], Some(tenths(8, 9)))
        );
    }

    #[test]
    fn a_finished_lease_goes_when_its_shard_was_missing_three_times_in_a_row() {
        let without_5 = || ShardGraph::new(reference_graph().shards().filter(|s| s.id != id(5)).cloned());
        let rows = table(&[
            (4, Checkpoint::Latest),
            (5, Checkpoint::ShardEnd),
            (8, Checkpoint::Latest),
            (9, Checkpoint::TrimHorizon),
            (10, Checkpoint::TrimHorizon),
        ]);
        let mut audit = audit();
        let mut removed = |graph: &ShardGraph| audit.on_round(graph, &rows, Start::Latest).remove.len();
        let seen = [
            removed(&without_5()),
            removed(&without_5()),
            removed(&reference_graph()),
        ];
        assert_eq!(seen, [0, 0, 0], "it came back");
        let seen = [
            removed(&without_5()),
            removed(&without_5()),
            removed(&without_5()),
        ];
        assert_eq!(seen, [0, 0, 1]);
    }

    #[test]
    fn ranges_of_old_rows_are_filled_in() {
        let mut rows = table(&[(4, Checkpoint::Latest), (8, Checkpoint::Latest)]);
        rows.leases[0].hash_range = None;
        let findings = audit().on_round(&reference_graph(), &rows, Start::Latest);
        assert_eq!(findings.fill, [(LeaseKey::of_shard(&id(4)), tenths(4, 5))]);
    }

    #[test]
    fn odd_listings_are_told() {
        let findings = audit().on_round(&ShardGraph::new([]), &table(&[]), Start::Latest);
        assert_eq!(findings.distrust, Some(Distrust::Empty));
        assert!(findings.create.is_empty());
        let family = ShardGraph::new([shard(1), shard(2).child_of(&[1])]);
        let findings = audit().on_round(&family, &table(&[]), Start::Latest);
        assert!(matches!(&findings.distrust, Some(Distrust::OpenFamilies(odd)) if odd.len() == 1));
        assert_eq!(numbers(&findings.create), [1], "the parent is no riddle");
    }
}
