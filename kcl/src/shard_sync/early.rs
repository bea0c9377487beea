//! Children to be read beside their parents: when a listing shows any, and which of them get a lease.

use std::collections::BTreeSet;
use std::time::Duration;

use kinesis_aggregation::ShardId;

use super::Shard;
use super::audit::{Distrust, distrust};
use super::graph::ShardGraph;
use super::plan::children_at_once;
use crate::lease::Lease;
use crate::store::Listing;

/// How often one worker lists the shards of the streams that it reads, for their children.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    interval: Duration,
}

impl Pace {
    /// Every ten seconds, or at the audit's interval where that is shorter.
    #[must_use]
    pub fn new(audit_interval: Duration) -> Self {
        Self {
            interval: INTERVAL.min(audit_interval),
        }
    }

    /// Between two of so many streams, each of which is looked at once in an interval: an interval for one alone, and never so
    /// short that more than half of the process's listings are spent here. `lot`, from 0 to 1: workers that began together
    /// need not look together.
    #[must_use]
    pub fn pause(self, streams: usize, lot: f64) -> Duration {
        let share = u32::try_from(streams.max(1)).map_or(Duration::ZERO, |streams| self.interval / streams);
        share.mul_f64(0.9 + 0.2 * lot.clamp(0.0, 1.0)).max(SHORTEST)
    }

    /// Requests to list shards of one worker that reads so many streams of up to 1,000 shards, each second.
    #[must_use]
    pub fn requests_per_second(self, streams: u32) -> f64 {
        let at_most = 1.0 / SHORTEST.as_secs_f64();
        (f64::from(streams) / self.interval.as_secs_f64().max(0.001)).min(at_most)
    }
}

/// Ours: with the taking of the lease, children are read within a dozen seconds.
const INTERVAL: Duration = Duration::from_secs(10);
/// Ours: half of what [`ListingBudget::of_one_process`](super::budget::ListingBudget::of_one_process) allows.
const SHORTEST: Duration = Duration::from_millis(200);

/// What was done about the children of one stream, so that the table is only read when there is something new.
#[derive(Debug, Clone, Default)]
pub struct EarlyChildren {
    /// Shards that need no more looking at. All of them are listed.
    settled: BTreeSet<ShardId>,
}

/// What a shard listing shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// No child that was not dealt with.
    NothingNew,
    /// These shards follow on the ones in progress and were not dealt with: compare with the table.
    Children(BTreeSet<ShardId>),
    /// The listing contradicts itself and counts for nothing.
    Distrusted(Distrust),
}

impl EarlyChildren {
    /// Takes in a listing of **all** shards. `in_progress`: shards that are being read.
    pub fn on_listing(&mut self, shards: &ShardGraph, in_progress: &BTreeSet<ShardId>) -> Sight {
        if let Some(distrust) = distrust(shards) {
            return Sight::Distrusted(distrust);
        }
        self.settled.retain(|id| shards.get(id).is_some());
        let followers: BTreeSet<ShardId> = shards
            .with_descendants(in_progress)
            .into_iter()
            .filter(|id| !in_progress.contains(*id) && !self.settled.contains(*id))
            .filter(|id| shards.get(id).is_some_and(|shard| is_plausible(shards, shard)))
            .cloned()
            .collect();
        match followers.is_empty() {
            true => Sight::NothingNew,
            false => Sight::Children(followers),
        }
    }

    /// These children have leases, or are not for this worker to make: what is left is found by the audit, and by the end of
    /// their parents.
    pub fn on_compared(&mut self, children: BTreeSet<ShardId>) {
        self.settled.extend(children);
    }
}

/// The leases of all shards that follow on one whose lease is **not finished**, generation after generation, from their
/// beginning: of [`children_at_once`] those that no end of a parent has brought about.
#[must_use]
pub fn early_leases(shards: &ShardGraph, listing: &Listing) -> Vec<Lease> {
    let unfinished = listing.leases.iter().filter(|lease| !lease.is_finished());
    let mut in_progress: BTreeSet<String> = unfinished.map(|lease| lease.key.as_str().to_owned()).collect();
    let mut left_out: BTreeSet<String> = BTreeSet::new();
    let mut leases = children_at_once(shards, listing);
    // Parents come before their children.
    leases.retain(|lease| {
        let mut parents = lease.parents.iter().map(ShardId::as_str);
        let has_all = parents.clone().all(|id| !left_out.contains(id));
        let is_early = has_all && parents.any(|id| in_progress.contains(id));
        let noted = if is_early { &mut in_progress } else { &mut left_out };
        noted.insert(lease.key.as_str().to_owned());
        is_early
    });
    leases
}

/// A child of an open shard is a contradiction, which the next listing solves.
fn is_plausible(shards: &ShardGraph, child: &Shard) -> bool {
    shards.parents(child).all(|parent| parent.closed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{id, reference_graph, shard, tenths};
    use super::*;
    use crate::lease::LeaseKey;
    use crate::position::Checkpoint;

    fn ids(numbers: &[u64]) -> BTreeSet<ShardId> {
        numbers.iter().map(|number| id(*number)).collect()
    }

    fn table(in_progress: &[u64], finished: &[u64]) -> Listing {
        let lease = |number: &u64, checkpoint| Lease::new(LeaseKey::of_shard(&id(*number)), checkpoint);
        let running = in_progress.iter().map(|n| lease(n, Checkpoint::TrimHorizon));
        let done = finished.iter().map(|n| lease(n, Checkpoint::ShardEnd));
        Listing {
            leases: running.chain(done).collect(),
            skipped: Vec::new(),
        }
    }

    fn keys(leases: &[Lease]) -> Vec<String> {
        leases.iter().map(|lease| lease.key.to_string()).collect()
    }

    fn names(numbers: &[u64]) -> Vec<String> {
        numbers.iter().map(|number| id(*number).to_string()).collect()
    }

    #[test]
    fn looks_are_spread_and_leave_half_of_the_listings_to_others() {
        let pace = Pace::new(Duration::from_secs(120));
        for (streams, lot, millis) in [
            (0, 0.5, 10_000),
            (1, 0.0, 9_000),
            (1, 1.0, 11_000),
            (4, 0.5, 2_500),
            (1_000, 0.5, 200),
        ] {
            let pause = pace.pause(streams, lot);
            let expected = Duration::from_millis(millis);
            assert!(
                pause.abs_diff(expected) < Duration::from_millis(1),
                "{streams} {lot}"
            );
        }
        assert_eq!(
            Pace::new(Duration::from_secs(1)).pause(1, 0.5),
            Duration::from_secs(1)
        );
        let rates = [(1, 0.1), (30, 3.0), (1_000, 5.0)];
        for (streams, rate) in rates {
            assert!(
                (pace.requests_per_second(streams) - rate).abs() < 1e-9,
                "{streams}"
            );
        }
    }

    #[test]
    fn a_split_is_seen_once() {
        let before = ShardGraph::new([shard(1)]);
        let after = ShardGraph::new([
            shard(1).closed(),
            shard(2).tenths(0, 4).child_of(&[1]),
            shard(3).tenths(5, 9).child_of(&[1]),
        ]);
        let mut early = EarlyChildren::default();
        assert_eq!(early.on_listing(&before, &ids(&[1])), Sight::NothingNew);
        let seen = Sight::Children(ids(&[2, 3]));
        assert_eq!(early.on_listing(&after, &ids(&[1])), seen);
        assert_eq!(early.on_listing(&after, &ids(&[1])), seen, "not dealt with yet");
        early.on_compared(ids(&[2, 3]));
        assert_eq!(early.on_listing(&after, &ids(&[1, 2])), Sight::NothingNew);
    }

    #[test]
    fn only_what_follows_on_a_shard_in_progress_is_news() {
        let mut early = EarlyChildren::default();
        for (in_progress, expected) in [
            (&[5][..], Sight::Children(ids(&[9, 10]))),
            (&[0], Sight::Children(ids(&[6, 8]))),
            (&[4, 8, 9, 10], Sight::NothingNew),
            (&[], Sight::NothingNew),
        ] {
            let sight = early.on_listing(&reference_graph(), &ids(in_progress));
            assert_eq!(sight, expected, "{in_progress:?}");
        }
    }

    #[test]
    fn a_listing_that_contradicts_itself_shows_nothing_and_denies_nothing() {
        let torn = ShardGraph::new([shard(1).closed(), shard(2).tenths(0, 4).child_of(&[1])]);
        let mut early = EarlyChildren::default();
        let hole = tenths(5, 9);
        assert_eq!(
            early.on_listing(&torn, &ids(&[1])),
            Sight::Distrusted(Distrust::Incomplete { hole })
        );
        assert_eq!(
            early.on_listing(&ShardGraph::default(), &ids(&[1])),
            Sight::Distrusted(Distrust::Empty)
        );
        // Parent and child are both open: the child is left for later, others are not.
        let family = ShardGraph::new([
            shard(1),
            shard(2).child_of(&[1]),
            shard(3).closed(),
            shard(4).child_of(&[3]),
        ]);
        let in_progress = ids(&[1, 3]);
        assert_eq!(
            early.on_listing(&family, &in_progress),
            Sight::Children(ids(&[4]))
        );
        assert_eq!(keys(&early_leases(&family, &table(&[1, 3], &[]))), names(&[4]));
    }

    #[test]
    fn shards_that_are_listed_no_more_are_forgotten() {
        let mut early = EarlyChildren::default();
        early.on_compared(ids(&[6, 8, 77]));
        let _ = early.on_listing(&reference_graph(), &ids(&[0]));
        assert_eq!(early.settled, ids(&[6, 8]));
    }

    #[test]
    fn leases_are_made_after_shards_in_progress_and_no_others() {
        for (in_progress, finished, expected, why) in [
            (
                &[0, 1, 2, 3, 5][..],
                &[][..],
                &[6, 7, 8, 9, 10][..],
                "all generations",
            ),
            (
                &[0, 1, 7],
                &[],
                &[6, 8],
                "a merge of what is there and what is made",
            ),
            (&[0, 5], &[], &[9, 10], "a merge needs both parents"),
            (&[1], &[0], &[6], "one of two parents is done"),
            (
                &[],
                &[0, 1, 5],
                &[],
                "the end of a shard makes these, and the audit",
            ),
            (
                &[6],
                &[2, 3],
                &[],
                "a merge of what is there and what the audit makes",
            ),
            (&[4, 8, 9, 10], &[], &[], "what was cleaned up stays away"),
        ] {
            let leases = early_leases(&reference_graph(), &table(in_progress, finished));
            assert_eq!(keys(&leases), names(expected), "{why}");
            let from_the_beginning = |lease: &Lease| lease.checkpoint == Checkpoint::TrimHorizon;
            assert!(leases.iter().all(from_the_beginning), "{why}");
        }
    }

    proptest! {
        /// Each new lease follows on an unfinished one and has a lease for each listed parent, none is made twice, and after
        /// that there is nothing left to make.
        #[test]
        fn every_lease_has_its_parents_and_a_second_look_finds_nothing(
            states in prop::collection::vec(0_u8..3, 11),
        ) {
            let of = |state| (0_u64..).zip(&states).filter(move |(_, s)| **s == state).map(|(n, _)| n);
            let mut listing = table(&of(1).collect::<Vec<_>>(), &of(2).collect::<Vec<_>>());
            let shards = reference_graph();
            let made = early_leases(&shards, &listing);
            for lease in &made {
                let is_new = listing.leases.iter().all(|row| row.key != lease.key);
                prop_assert!(is_new, "{}", lease.key);
                let row = |parent: &ShardId| listing.leases.iter().find(|row| row.key.as_str() == parent.as_str());
                let rows: Vec<_> = lease.parents.iter().map(row).collect();
                prop_assert!(!rows.is_empty() && rows.iter().all(Option::is_some), "{}", lease.key);
                prop_assert!(rows.into_iter().flatten().any(|row| !row.is_finished()), "{}", lease.key);
                listing.leases.push(lease.clone());
            }
            prop_assert!(early_leases(&shards, &listing).is_empty());
        }
    }
}
