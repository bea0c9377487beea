use super::super::fixture::{id, reference_graph};
use super::*;
use crate::position::{Position, SequenceNumber};
use crate::store::SkippedRow;

fn at(number: &str) -> Checkpoint {
    Checkpoint::At(Position::new(SequenceNumber::parse(number).unwrap(), 0))
}

/// The row of a shard of the reference graph, with its parents.
fn lease(number: u64, checkpoint: Checkpoint) -> Lease {
    let graph = reference_graph();
    let mut lease = Lease::new(LeaseKey::of_shard(&id(number)), checkpoint);
    if let Some(shard) = graph.get(&id(number)) {
        lease.parents = shard.parents().cloned().collect();
    }
    lease
}

fn removed(leases: Vec<Lease>) -> Vec<(LeaseKey, Needless)> {
    let listing = Listing {
        leases,
        skipped: Vec::new(),
    };
    removable(&listing, &reference_graph())
        .into_iter()
        .map(|removal| (removal.key, removal.reason))
        .collect()
}

fn under_way(number: u64) -> (LeaseKey, Needless) {
    (LeaseKey::of_shard(&id(number)), Needless::ChildrenUnderWay)
}

#[test]
fn a_finished_lease_goes_when_all_children_have_got_somewhere() {
    let cases = [
        (at("5"), at("6"), true),
        (at("5"), Checkpoint::Latest, true),
        (at("5"), Checkpoint::ShardEnd, true),
        (at("5"), Checkpoint::TrimHorizon, false),
        (Checkpoint::AtTimestamp, at("5"), false),
    ];
    for (nine, ten, gone) in cases {
        let leases = vec![
            lease(5, Checkpoint::ShardEnd),
            lease(9, nine.clone()),
            lease(10, ten.clone()),
        ];
        let five = removed(leases).contains(&under_way(5));
        assert_eq!(five, gone, "{nine:?} {ten:?}");
    }
}

#[test]
fn an_unfinished_lease_never_goes() {
    assert_eq!(
        removed(vec![lease(5, at("4")), lease(9, at("5")), lease(10, at("5"))]),
        []
    );
    let shard_gone = Lease::new(LeaseKey::of_shard(&id(99)), at("4"));
    assert_eq!(removed(vec![shard_gone, lease(4, at("1"))]), []);
}

#[test]
fn a_missing_child_keeps_its_parent() {
    assert_eq!(
        removed(vec![lease(5, Checkpoint::ShardEnd), lease(9, at("5"))]),
        []
    );
    let closed_without_known_children = lease(4, Checkpoint::ShardEnd);
    assert_eq!(removed(vec![closed_without_known_children]), []);
}

#[test]
fn a_child_that_cannot_be_read_keeps_its_parent() {
    let listing = Listing {
        leases: vec![lease(5, Checkpoint::ShardEnd), lease(9, at("5"))],
        skipped: vec![SkippedRow {
            key: Some(LeaseKey::of_shard(&id(10))),
            attribute: "checkpoint",
            reason: "odd".to_owned(),
        }],
    };
    assert_eq!(removable(&listing, &reference_graph()), []);
}

#[test]
fn the_oldest_go_first_one_generation_at_a_time() {
    let all = |skip: &[u64]| -> Vec<Lease> {
        let finished = [0, 1, 6, 2, 3, 7]
            .into_iter()
            .map(|n| lease(n, Checkpoint::ShardEnd));
        let leases = finished.chain([lease(8, at("9")), lease(4, at("9"))]);
        leases
            .filter(|lease| !skip.iter().any(|n| lease.key == LeaseKey::of_shard(&id(*n))))
            .collect()
    };
    assert_eq!(removed(all(&[])), [0, 1, 2, 3].map(under_way));
    assert_eq!(removed(all(&[0, 1])), [under_way(6), under_way(2), under_way(3)]);
    assert_eq!(removed(all(&[0, 1, 2, 3])), [6, 7].map(under_way));
    assert_eq!(removed(all(&[0, 1, 2, 3, 6, 7])), []);
}

#[test]
fn the_row_knows_its_children_better_than_the_listing() {
    let mut parent = lease(4, Checkpoint::ShardEnd);
    parent.children = [id(20), id(21)].into();
    let twenty = Lease::new(LeaseKey::of_shard(&id(20)), at("1"));
    assert_eq!(removed(vec![parent.clone(), twenty.clone()]), []);
    let twenty_one = Lease::new(LeaseKey::of_shard(&id(21)), at("1"));
    assert_eq!(removed(vec![parent, twenty, twenty_one]), [under_way(4)]);
}

#[test]
fn a_finished_lease_of_a_shard_past_retention_goes_whatever_its_children_do() {
    let gone = Lease::new(LeaseKey::of_shard(&id(99)), Checkpoint::ShardEnd);
    let expected = [(gone.key.clone(), Needless::ShardGone)];
    assert_eq!(removed(vec![gone.clone(), lease(4, at("1"))]), expected);
    assert_eq!(
        removed(vec![gone]),
        [],
        "no lease of this stream at all: another stream's listing"
    );
}

#[test]
fn an_empty_listing_removes_nothing() {
    let listing = Listing {
        leases: vec![lease(5, Checkpoint::ShardEnd)],
        skipped: Vec::new(),
    };
    assert_eq!(removable(&listing, &ShardGraph::default()), []);
}
