use kinesis_aggregation::ShardId;

use super::*;
use crate::lease::LeaseKey;
use crate::position::Checkpoint;

fn row(counter: u64, owner: Option<&str>, checkpoint_owner: Option<&str>) -> Lease {
    let key = LeaseKey::of_shard(&ShardId::from_number(1));
    let mut lease = Lease::new(key, Checkpoint::TrimHorizon);
    lease.counter = counter;
    lease.owner = owner.map(WorkerId::new);
    lease.checkpoint_owner = checkpoint_owner.map(WorkerId::new);
    lease
}

#[derive(Debug, PartialEq)]
enum Kind {
    Held,
    HandOver,
    Lost,
}

fn kind(renewal: &Renewal) -> Kind {
    match renewal {
        Renewal::Held(_) | Renewal::Recovered(_) => Kind::Held,
        Renewal::HandOverRequested(_) => Kind::HandOver,
        Renewal::Lost(_) => Kind::Lost,
    }
}

#[test]
fn a_refused_heartbeat_is_a_loss_only_if_somebody_else_was_there() {
    let mine = || row(7, Some("me"), None);
    let leaving = || row(7, Some("next"), Some("me"));
    let cases = [
        (mine(), row(8, Some("me"), None), Kind::Held, "the reply was lost"),
        (
            mine(),
            row(7, Some("next"), Some("me")),
            Kind::HandOver,
            "asked for",
        ),
        (
            mine(),
            row(8, Some("next"), Some("me")),
            Kind::Held,
            "the reply was lost, and then asked for",
        ),
        (
            mine(),
            row(9, Some("me"), None),
            Kind::Lost,
            "more writes than we made",
        ),
        (
            mine(),
            row(6, Some("me"), None),
            Kind::Lost,
            "another life of the row",
        ),
        (
            mine(),
            row(7, Some("me"), None),
            Kind::Lost,
            "refused for no reason that we know",
        ),
        (mine(), row(8, Some("other"), None), Kind::Lost, "taken"),
        (mine(), row(8, None, None), Kind::Lost, "released in our name"),
        (
            mine(),
            row(7, Some("me"), Some("me")),
            Kind::Lost,
            "a hand-over to oneself",
        ),
        (
            mine(),
            row(8, Some("me"), Some("me")),
            Kind::Lost,
            "a hand-over to oneself",
        ),
        (
            mine(),
            row(7, Some("me"), Some("other")),
            Kind::Lost,
            "somebody else holds it and is asked for it",
        ),
        (
            leaving(),
            row(8, Some("next"), Some("me")),
            Kind::Held,
            "the reply was lost",
        ),
        (leaving(), row(8, Some("next"), None), Kind::Lost, "handed over"),
        (
            leaving(),
            row(9, Some("next"), Some("me")),
            Kind::Lost,
            "more writes than we made",
        ),
        (row(7, None, None), row(8, None, None), Kind::Lost, "never held"),
    ];
    for (held, found, expected, why) in cases {
        let answer = of_renewal(&held, Some(found.clone()));
        assert_eq!(kind(&answer), expected, "{why}");
        match answer {
            Renewal::Held(lease) | Renewal::Recovered(lease) | Renewal::HandOverRequested(lease) => {
                assert_eq!(lease, found);
            }
            Renewal::Lost(lease) => assert_eq!(lease, Some(found)),
        }
    }
    assert_eq!(of_renewal(&mine(), None), Renewal::Lost(None));
}

#[test]
fn a_refused_checkpoint_is_written_again_on_top_of_a_lost_heartbeat() {
    let update = CheckpointUpdate {
        checkpoint: Checkpoint::ShardEnd,
        pending: None,
    };
    let held = row(7, Some("me"), None);
    let without = row(8, Some("me"), None);
    assert_eq!(
        of_checkpoint(&held, &update, Some(without.clone())),
        RefusedCheckpoint::Again(without)
    );

    let with = Lease {
        checkpoint: Checkpoint::ShardEnd,
        ..row(8, Some("me"), None)
    };
    let answer = of_checkpoint(&held, &update, Some(with.clone()));
    assert_eq!(answer, RefusedCheckpoint::Answer(Renewal::Recovered(with)));

    let theirs = row(8, Some("other"), None);
    let answer = of_checkpoint(&held, &update, Some(theirs.clone()));
    assert_eq!(answer, RefusedCheckpoint::Answer(Renewal::Lost(Some(theirs))));
    assert_eq!(
        of_checkpoint(&held, &update, None),
        RefusedCheckpoint::Answer(Renewal::Lost(None))
    );
}

#[test]
fn a_refused_take_may_be_our_own() {
    let seen = row(7, Some("old"), None);
    let me = WorkerId::new("me");
    let ours = row(8, Some("me"), None);
    assert_eq!(of_take(&seen, &me, Some(ours.clone())), Some(ours));
    for other in [
        row(8, Some("other"), None),
        row(9, Some("me"), None),
        row(8, Some("me"), Some("old")),
    ] {
        assert_eq!(of_take(&seen, &me, Some(other)), None);
    }
    assert_eq!(of_take(&seen, &me, None), None);
}

#[test]
fn a_refused_request_may_be_our_own() {
    let seen = row(7, Some("old"), None);
    let me = WorkerId::new("me");
    assert!(of_hand_over_request(
        &seen,
        &me,
        Some(&row(7, Some("me"), Some("old")))
    ));
    assert!(!of_hand_over_request(
        &seen,
        &me,
        Some(&row(7, Some("other"), Some("old")))
    ));
    assert!(!of_hand_over_request(&seen, &me, Some(&row(8, Some("me"), None))));
    assert!(!of_hand_over_request(&seen, &me, None));
}

#[test]
fn a_refused_completion_may_have_happened() {
    let held = row(7, Some("next"), Some("me"));
    assert!(of_completion(&held, Some(&row(8, Some("next"), None))));
    assert!(
        of_completion(&held, Some(&row(12, Some("next"), None))),
        "and the next owner is at work"
    );
    assert!(!of_completion(&held, Some(&row(8, Some("other"), None))));
    assert!(!of_completion(&held, Some(&row(8, Some("next"), Some("me")))));
    assert!(!of_completion(&held, None));
}

#[test]
fn a_refused_release_becomes_a_hand_over_if_one_was_asked_for() {
    let held = row(7, Some("me"), None);
    let asked = row(7, Some("next"), Some("me"));
    assert_eq!(
        of_release(&held, Some(asked.clone())),
        RefusedRelease::HandOver(Box::new(asked.clone()))
    );
    assert_eq!(
        of_release(&held, Some(row(8, None, None))),
        RefusedRelease::Answer(true)
    );
    assert_eq!(
        of_release(&held, Some(row(9, None, None))),
        RefusedRelease::Answer(false)
    );
    assert_eq!(
        of_release(&held, Some(row(8, Some("other"), None))),
        RefusedRelease::Answer(false)
    );
    assert_eq!(
        of_release(&held, Some(row(8, Some("next"), Some("other")))),
        RefusedRelease::Answer(false)
    );
    assert_eq!(of_release(&held, None), RefusedRelease::Answer(false));
    assert_eq!(
        of_release(&asked, Some(row(8, Some("next"), None))),
        RefusedRelease::Answer(true)
    );
    assert_eq!(
        of_release(&asked, Some(row(8, Some("other"), None))),
        RefusedRelease::Answer(false)
    );
}
