use proptest::prelude::*;

use super::super::fixture::{id, reference_graph, shard, tenths};
use super::*;
use crate::lease::Lease;
use crate::position::{Position, SequenceNumber};
use crate::store::SkippedRow;

/// A table with leases in the middle of these shards, and finished ones of those.
fn table(under_way: &[u64], finished: &[u64]) -> Listing {
    let at = Checkpoint::At(Position::new(SequenceNumber::parse("777").unwrap(), 0));
    let leases = under_way
        .iter()
        .map(|number| Lease::new(LeaseKey::of_shard(&id(*number)), at.clone()))
        .chain(
            finished
                .iter()
                .map(|n| Lease::new(LeaseKey::of_shard(&id(*n)), Checkpoint::ShardEnd)),
        )
        .collect();
    Listing {
        leases,
        skipped: Vec::new(),
    }
}

fn created(leases: &[Lease]) -> Vec<(String, Checkpoint)> {
    leases
        .iter()
        .map(|lease| (lease.key.as_str().to_owned(), lease.checkpoint.clone()))
        .collect()
}

fn expected(numbers: &[u64], checkpoint: &Checkpoint) -> Vec<(String, Checkpoint)> {
    numbers
        .iter()
        .map(|number| (id(*number).as_str().to_owned(), checkpoint.clone()))
        .collect()
}

const STARTS: [Start; 3] = [Start::TrimHorizon, Start::Latest, Start::AtTimestamp];

#[test]
fn the_worked_example_of_the_reference_library() {
    // (leases there, start, leases to create)
    let cases: [(&[u64], Start, &[u64]); 9] = [
        (&[4, 5, 7], Start::Latest, &[6]),
        (&[4, 5, 7], Start::TrimHorizon, &[0, 1]),
        (&[4, 5, 7], Start::AtTimestamp, &[0, 1]),
        // An empty table and a listing of all shards.
        (&[], Start::Latest, &[4, 8, 9, 10]),
        (&[], Start::TrimHorizon, &[0, 1, 2, 3, 4, 5]),
        (&[], Start::AtTimestamp, &[0, 1, 2, 3, 4, 5]),
        // Everything is on its way already.
        (&[4, 5, 6, 7], Start::TrimHorizon, &[]),
        (&[0, 1, 2, 3, 4, 5], Start::Latest, &[]),
        // Only one half of a split has a lease.
        (&[4, 8, 9], Start::Latest, &[10]),
    ];
    for (leases, start, create) in cases {
        let plan = missing_leases(&reference_graph(), &table(leases, &[]), start);
        assert_eq!(
            created(&plan.create),
            expected(create, &start.checkpoint()),
            "{leases:?} {start:?}"
        );
        assert!(plan.inconsistent.is_empty());
    }
}

#[test]
fn children_of_finished_shards_start_at_their_beginning() {
    for start in STARTS {
        let plan = missing_leases(&reference_graph(), &table(&[4, 8, 9], &[5]), start);
        assert_eq!(
            created(&plan.create),
            expected(&[10], &Checkpoint::TrimHorizon),
            "{start:?}: a lost child"
        );
        let plan = missing_leases(&reference_graph(), &table(&[4, 9, 10], &[6, 7]), start);
        assert_eq!(
            created(&plan.create),
            expected(&[8], &Checkpoint::TrimHorizon),
            "{start:?}: a lost merge"
        );
        let plan = missing_leases(&reference_graph(), &table(&[4, 7, 9, 10], &[6]), start);
        assert_eq!(
            created(&plan.create),
            [],
            "{start:?}: the other parent will create it"
        );
    }
}

#[test]
fn a_row_that_cannot_be_read_is_a_lease_all_the_same() {
    let mut listing = table(&[4, 5], &[]);
    for number in [6, 7] {
        let key = Some(LeaseKey::of_shard(&id(number)));
        listing.skipped.push(SkippedRow {
            key,
            attribute: "checkpoint",
            reason: "odd".to_owned(),
        });
    }
    assert_eq!(
        missing_leases(&reference_graph(), &listing, Start::TrimHorizon),
        SyncPlan::default()
    );
}

#[test]
fn an_open_child_of_an_open_parent_waits_for_a_better_listing() {
    let shards = ShardGraph::new([shard(1), shard(2).child_of(&[1]), shard(3)]);
    for start in STARTS {
        let plan = missing_leases(&shards, &Listing::default(), start);
        assert_eq!(created(&plan.create), expected(&[1, 3], &start.checkpoint()));
        assert_eq!(
            plan.inconsistent,
            [OpenChildOfOpenParent {
                child: id(2),
                parent: id(1)
            }]
        );
    }
}

#[test]
fn parents_that_are_no_longer_listed_do_not_matter() {
    let shards = ShardGraph::new([shard(7).child_of(&[1, 2])]);
    let plan = missing_leases(&shards, &Listing::default(), Start::TrimHorizon);
    assert_eq!(created(&plan.create), expected(&[7], &Checkpoint::TrimHorizon));
    assert_eq!(
        plan.create[0].parents,
        BTreeSet::from([id(1), id(2)]),
        "the row names them all the same"
    );
}

#[test]
fn a_listing_in_a_circle_ends() {
    let shards = ShardGraph::new([
        shard(1).child_of(&[2]).closed(),
        shard(2).child_of(&[1]).closed(),
        shard(3).child_of(&[2]),
    ]);
    assert_eq!(
        missing_leases(&shards, &Listing::default(), Start::TrimHorizon),
        SyncPlan::default()
    );
}

#[test]
fn new_leases_come_oldest_first_and_know_their_place() {
    let mut young = shard(1).tenths(0, 4);
    young.starting_sequence_number = SequenceNumber::parse("1000").ok();
    let mut old = shard(2).tenths(5, 9);
    old.starting_sequence_number = SequenceNumber::parse("999").ok();
    let shards = ShardGraph::new([young, old]);
    let plan = missing_leases(&shards, &Listing::default(), Start::Latest);
    assert_eq!(
        created(&plan.create),
        expected(&[2, 1], &Checkpoint::Latest),
        "999 before 1000"
    );
    assert_eq!(plan.create[1].hash_range, Some(tenths(0, 4)));
    assert_eq!((plan.create[1].counter, &plan.create[1].owner), (0, &None));
}

#[test]
fn an_empty_table_gets_a_lease_for_each_shard_of_a_complete_listing() {
    let at_tip = ShardGraph::new(reference_graph().open().cloned());
    for start in STARTS {
        let leases = initial_leases(&at_tip, start).unwrap();
        assert_eq!(created(&leases), expected(&[4, 8, 9, 10], &start.checkpoint()));
    }
    let gap = ShardGraph::new(
        reference_graph()
            .open()
            .filter(|shard| shard.id != id(9))
            .cloned(),
    );
    let error = initial_leases(&gap, Start::Latest).unwrap_err();
    assert_eq!(error, IncompleteListing { hole: tenths(6, 7) });
    assert!(initial_leases(&ShardGraph::default(), Start::Latest).is_err());
}

/// Streams after random splits and merges of the open shards, each with its listing.
fn resharded() -> impl Strategy<Value = ShardGraph> {
    prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..12).prop_map(|steps| {
        let mut shards: Vec<Shard> = (0..3).map(shard).collect();
        for (split, pick) in steps {
            let open: Vec<usize> = (0..shards.len()).filter(|i| !shards[*i].closed).collect();
            let next = shards.len() as u64;
            let at = pick.index(open.len());
            let parents = if split || open.len() < 2 {
                vec![open[at]]
            } else {
                vec![open[at], open[(at + 1) % open.len()]]
            };
            let numbers: Vec<u64> = parents.iter().filter_map(|i| shards[*i].id.number()).collect();
            parents.iter().for_each(|i| shards[*i].closed = true);
            for child in 0..(if numbers.len() == 1 { 2 } else { 1 }) {
                shards.push(shard(next + child).child_of(&numbers));
            }
        }
        ShardGraph::new(shards)
    })
}

proptest! {
    /// After the plan is applied every open shard has a lease or will get one from a parent, nothing is created
    /// twice, and a second plan finds nothing to do.
    #[test]
    fn every_open_shard_is_provided_for(
        shards in resharded(),
        leased in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        start in prop::sample::select(STARTS.to_vec()),
    ) {
        let all: Vec<u64> = shards.shards().filter_map(|s| s.id.number()).collect();
        let leased: BTreeSet<u64> = leased.iter().map(|pick| all[pick.index(all.len())]).collect();
        let leased: Vec<u64> = leased.into_iter().collect();
        let mut listing = table(&leased, &[]);
        let plan = missing_leases(&shards, &listing, start);
        prop_assert!(plan.inconsistent.is_empty());

        let keys: BTreeSet<&LeaseKey> = plan.create.iter().map(|lease| &lease.key).collect();
        prop_assert_eq!(keys.len(), plan.create.len());
        prop_assert!(listing.leases.iter().all(|lease| !keys.contains(&lease.key)));

        listing.leases.extend(plan.create.iter().cloned());
        let has_lease: Vec<ShardId> =
            shards.shards().filter(|s| Leased::of(&listing).has(&s.id)).map(|s| s.id.clone()).collect();
        let provided = shards.with_descendants(&has_lease);
        for open in shards.open() {
            prop_assert!(provided.contains(&open.id), "{} is read by nobody", open.id);
        }
        let again = missing_leases(&shards, &listing, start);
        prop_assert!(again.create.is_empty(), "{:?}", created(&again.create));
    }
}

#[test]
fn children_may_be_read_beside_their_parents() {
    let keys = |under_way: &[u64], finished: &[u64]| -> Vec<String> {
        let leases = children_at_once(&reference_graph(), &table(under_way, finished));
        assert!(
            leases
                .iter()
                .all(|lease| lease.checkpoint == Checkpoint::TrimHorizon)
        );
        leases.iter().map(|lease| lease.key.to_string()).collect()
    };
    let ids = |numbers: &[u64]| -> Vec<String> { numbers.iter().map(|n| id(*n).to_string()).collect() };
    assert_eq!(
        keys(&[0, 1, 2, 3, 4, 5], &[]),
        ids(&[6, 7, 8, 9, 10]),
        "all generations"
    );
    assert_eq!(keys(&[4, 5], &[]), ids(&[9, 10]), "a merge waits for both");
    assert_eq!(keys(&[4, 9, 10], &[5, 6, 7]), ids(&[8]));
    assert_eq!(
        keys(&[4, 8, 9, 10], &[]),
        ids(&[]),
        "what was cleaned up stays away"
    );
}
