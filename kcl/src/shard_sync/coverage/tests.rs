use super::super::fixture::{id, reference_graph, tenths};
use super::*;
use crate::lease::LeaseKey;
use crate::position::Checkpoint;

fn lease(number: u64, range: Option<HashKeyRange>) -> Lease {
    let mut lease = Lease::new(LeaseKey::of_shard(&id(number)), Checkpoint::Latest);
    lease.hash_range = range;
    lease
}

#[test]
fn finds_the_first_hole() {
    let one = |key| HashKeyRange::new(HashKey::new(key), HashKey::new(key)).unwrap();
    let cases: [(&[HashKeyRange], Option<HashKeyRange>); 9] = [
        (&[], Some(HashKeyRange::FULL)),
        (&[HashKeyRange::FULL], None),
        (&[tenths(5, 9), tenths(0, 4)], None),
        (&[tenths(1, 9)], Some(tenths(0, 0))),
        (&[tenths(0, 8)], Some(tenths(9, 9))),
        (&[tenths(0, 1), tenths(4, 9)], Some(tenths(2, 3))),
        // Overlaps are no holes, whichever way they lie.
        (&[tenths(0, 6), tenths(1, 2), tenths(5, 9)], None),
        (&[tenths(0, 9), tenths(9, 9)], None),
        (&[one(0), one(2)], Some(one(1))),
    ];
    for (ranges, hole) in cases {
        assert_eq!(first_hole(ranges.iter().copied()), hole, "{ranges:?}");
    }
}

#[test]
fn only_unfinished_leases_cover() {
    let shards = reference_graph();
    let mut finished = lease(5, Some(tenths(6, 9)));
    finished.checkpoint = Checkpoint::ShardEnd;
    let leases = [
        lease(8, Some(tenths(0, 3))),
        lease(4, Some(tenths(4, 5))),
        finished,
    ];
    assert_eq!(uncovered(&leases, &shards), Some(tenths(6, 9)));
}

#[test]
fn old_rows_get_their_range_from_the_listing() {
    let shards = reference_graph();
    let leases = [lease(8, None), lease(4, None), lease(9, None), lease(10, None)];
    assert_eq!(uncovered(&leases, &shards), None);
    assert_eq!(uncovered(&leases[..3], &shards), Some(tenths(8, 9)));
    assert_eq!(
        uncovered(&[lease(99, None)], &shards),
        None,
        "nothing is known, so nothing is claimed"
    );
    let odd = Lease::new(LeaseKey::new("no shard id!"), Checkpoint::Latest);
    assert_eq!(uncovered(&[odd], &shards), None);
}

#[test]
fn a_hole_counts_when_it_is_seen_often_enough_in_a_row() {
    let (a, b) = (Some(tenths(1, 2)), Some(tenths(5, 5)));
    // (what each round finds, in which rounds it is reported)
    let cases: [(&[Option<HashKeyRange>], &[usize]); 5] = [
        (&[a, a], &[]),
        (&[a, a, a], &[2]),
        (&[a, a, None, a, a], &[]),
        (&[a, a, b, b, a, a, a], &[6]),
        (&[a, a, a, a, a, a], &[2, 5]),
    ];
    for (rounds, reported) in cases {
        let mut watch = HoleWatch::new(NonZeroU32::new(3).unwrap());
        let found: Vec<usize> = rounds
            .iter()
            .enumerate()
            .filter_map(|(round, hole)| {
                let confirmed = watch.on_round(*hole);
                assert!(confirmed.is_none() || confirmed == *hole);
                confirmed.map(|_| round)
            })
            .collect();
        assert_eq!(found, reported, "{rounds:?}");
    }
}

#[test]
fn a_threshold_of_one_believes_at_once() {
    let mut watch = HoleWatch::new(NonZeroU32::MIN);
    assert_eq!(watch.on_round(Some(tenths(1, 2))), Some(tenths(1, 2)));
    assert_eq!(watch.on_round(None), None);
}
