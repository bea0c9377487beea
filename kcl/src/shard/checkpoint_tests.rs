use proptest::prelude::*;

use super::*;
use crate::position::SequenceNumber;

fn at(number: u64, sub: u64) -> Position {
    Position::new(SequenceNumber::parse(&number.to_string()).unwrap(), sub)
}

fn rules(written: Checkpoint) -> CheckpointRules {
    CheckpointRules::new(written, None)
}

/// What became of a wish to move the checkpoint.
#[derive(Debug, PartialEq)]
enum Verdict {
    Write(Checkpoint),
    Skip,
    Refuse(Refusal),
}

impl CheckpointRules {
    fn verdict(&self, asked: &Asked) -> Verdict {
        let mut tried = self.clone();
        match (tried.ask(asked, Deed::Move), tried.due()) {
            (Err(why), _) => Verdict::Refuse(why),
            (Ok(_), None) => Verdict::Skip,
            (Ok(place), Some(due)) => {
                assert_eq!(place, due.checkpoint);
                Verdict::Write(place)
            }
        }
    }

    fn write(&mut self, checkpoint: Checkpoint) {
        self.ask(&Asked::Prepared(checkpoint), Deed::Move).unwrap();
        self.on_written();
    }
}

fn write(number: u64, sub: u64) -> Verdict {
    Verdict::Write(Checkpoint::At(at(number, sub)))
}

fn processed(written: Checkpoint, last: Position) -> CheckpointRules {
    let mut rules = rules(written);
    rules.on_batch(last);
    rules.on_processed();
    rules
}

#[test]
fn all_is_nothing_before_the_first_record() {
    for written in [
        Checkpoint::TrimHorizon,
        Checkpoint::Latest,
        Checkpoint::At(at(5, 0)),
    ] {
        assert_eq!(rules(written).verdict(&Asked::All), Verdict::Skip);
    }
}

#[test]
fn all_is_the_batch_in_hand_while_it_is_processed() {
    let mut rules = rules(Checkpoint::TrimHorizon);
    rules.on_batch(at(7, 3));
    assert_eq!(rules.verdict(&Asked::All), write(7, 3));
}

#[test]
fn all_leaves_out_a_batch_that_failed() {
    let mut rules = processed(Checkpoint::TrimHorizon, at(7, 3));
    rules.on_batch(at(9, 0));
    rules.on_failed();
    assert_eq!(rules.verdict(&Asked::All), write(7, 3));
    assert_eq!(
        rules.verdict(&Asked::At(at(8, 0))),
        write(8, 0),
        "the processor may know better how far it came"
    );
}

#[test]
fn positions_are_bounded_on_both_sides() {
    let mut rules = processed(Checkpoint::At(at(5, 2)), at(9, 4));
    let cases = [
        (at(5, 1), Verdict::Refuse(Refusal::Backwards)),
        (at(4, 9), Verdict::Refuse(Refusal::Backwards)),
        (at(5, 2), Verdict::Skip),
        (at(5, 3), write(5, 3)),
        (at(9, 4), write(9, 4)),
        (at(9, 5), Verdict::Refuse(Refusal::Undelivered)),
        (at(10, 0), Verdict::Refuse(Refusal::Undelivered)),
    ];
    for (position, expected) in cases {
        assert_eq!(
            rules.verdict(&Asked::At(position.clone())),
            expected,
            "{position}"
        );
    }
    rules.write(Checkpoint::At(at(9, 4)));
    assert_eq!(rules.verdict(&Asked::All), Verdict::Skip);
}

#[test]
fn the_end_is_written_even_if_the_last_record_was() {
    let mut rules = processed(Checkpoint::TrimHorizon, at(9, 0));
    rules.write(Checkpoint::At(at(9, 0)));
    rules.on_shard_end();
    assert_eq!(rules.verdict(&Asked::All), Verdict::Write(Checkpoint::ShardEnd));
    assert_eq!(
        rules.verdict(&Asked::At(at(9, 0))),
        Verdict::Write(Checkpoint::ShardEnd)
    );
    assert_eq!(
        rules.verdict(&Asked::At(at(8, 0))),
        Verdict::Refuse(Refusal::Backwards)
    );
    rules.write(Checkpoint::ShardEnd);
    assert_eq!(rules.verdict(&Asked::All), Verdict::Skip);
    assert_eq!(rules.verdict(&Asked::At(at(9, 0))), Verdict::Skip);
}

#[test]
fn the_end_of_a_shard_without_new_records_is_written() {
    let mut rules = rules(Checkpoint::At(at(9, 0)));
    rules.on_shard_end();
    assert_eq!(
        rules.verdict(&Asked::At(at(9, 0))),
        Verdict::Write(Checkpoint::ShardEnd)
    );
    let mut empty = CheckpointRules::new(Checkpoint::TrimHorizon, None);
    empty.on_shard_end();
    assert_eq!(empty.verdict(&Asked::All), Verdict::Write(Checkpoint::ShardEnd));
}

fn prepared(checkpoint: Checkpoint, state: Option<&'static str>) -> Option<PendingCheckpoint> {
    Some(PendingCheckpoint {
        checkpoint,
        state: state.map(|text| Bytes::from_static(text.as_bytes())),
    })
}

fn prepare(state: Option<&'static str>) -> Deed {
    Deed::Prepare {
        state: state.map(|text| Bytes::from_static(text.as_bytes())),
    }
}

#[test]
fn preparing_moves_nothing_and_committing_does() {
    let mut rules = processed(Checkpoint::TrimHorizon, at(9, 4));
    let place = rules.ask(&Asked::All, prepare(Some("s"))).unwrap();
    assert_eq!(place, Checkpoint::At(at(9, 4)));
    let due = rules.due().unwrap();
    assert_eq!(due.checkpoint, Checkpoint::TrimHorizon);
    assert_eq!(due.pending, prepared(place.clone(), Some("s")));
    rules.on_written();
    rules.ask(&Asked::Prepared(place.clone()), Deed::Move).unwrap();
    assert_eq!(
        rules.due(),
        Some(&CheckpointUpdate {
            checkpoint: place,
            pending: None
        })
    );
}

#[test]
fn preparing_obeys_the_bounds_of_moving() {
    let mut rules = processed(Checkpoint::At(at(5, 0)), at(9, 4));
    for (place, expected) in [
        (at(4, 0), Err(Refusal::Backwards)),
        (at(9, 5), Err(Refusal::Undelivered)),
        (at(6, 0), Ok(Checkpoint::At(at(6, 0)))),
    ] {
        assert_eq!(rules.ask(&Asked::At(place), prepare(None)), expected);
    }
}

#[test]
fn preparing_where_nothing_is_new_writes_only_what_the_application_says() {
    let mut rules = rules(Checkpoint::At(at(5, 0)));
    rules.ask(&Asked::All, prepare(None)).unwrap();
    assert_eq!(rules.due(), None);
    rules.ask(&Asked::All, prepare(Some("s"))).unwrap();
    assert_eq!(
        rules.due().unwrap().pending,
        prepared(Checkpoint::At(at(5, 0)), Some("s"))
    );
    rules.on_written();
    rules.ask(&Asked::All, Deed::Move).unwrap();
    assert_eq!(
        rules.due(),
        None,
        "everything is nothing here, so the prepared one stays"
    );
    rules
        .ask(&Asked::Prepared(Checkpoint::At(at(5, 0))), Deed::Move)
        .unwrap();
    assert_eq!(
        rules.due().unwrap().pending,
        None,
        "committed where it stands, it is done with"
    );
}

#[test]
fn a_prepared_place_that_was_passed_is_refused() {
    let mut rules = processed(Checkpoint::TrimHorizon, at(9, 0));
    let place = rules.ask(&Asked::At(at(7, 0)), prepare(None)).unwrap();
    rules.on_written();
    rules.write(Checkpoint::At(at(9, 0)));
    assert_eq!(
        rules.ask(&Asked::Prepared(place), Deed::Move),
        Err(Refusal::Backwards)
    );
}

#[test]
fn the_end_can_be_prepared_once_it_is_there() {
    let mut rules = processed(Checkpoint::TrimHorizon, at(9, 0));
    let end = Asked::Prepared(Checkpoint::ShardEnd);
    assert_eq!(rules.ask(&end, Deed::Move), Err(Refusal::Undelivered));
    rules.on_shard_end();
    assert_eq!(rules.ask(&Asked::All, prepare(None)), Ok(Checkpoint::ShardEnd));
    rules.on_written();
    assert_eq!(rules.written(), &Checkpoint::TrimHorizon);
    assert_eq!(rules.ask(&end, Deed::Move), Ok(Checkpoint::ShardEnd));
}

#[test]
fn a_start_is_fixed_only_where_there_is_none() {
    let start = |n| Asked::Start(Checkpoint::At(at(n, 0)));
    let mut rules = CheckpointRules::new(Checkpoint::Latest, prepared(Checkpoint::Latest, Some("s")));
    assert_eq!(rules.ask(&start(5), Deed::Move), Ok(Checkpoint::At(at(5, 0))));
    let due = rules.due().unwrap();
    assert_eq!(
        due.pending,
        prepared(Checkpoint::Latest, Some("s")),
        "it is not ours to remove"
    );
    rules.on_written();
    assert_eq!(rules.ask(&start(7), Deed::Move), Ok(Checkpoint::At(at(5, 0))));
    assert_eq!(rules.due(), None);
    let oldest = Asked::Start(Checkpoint::TrimHorizon);
    assert_eq!(
        self::rules(Checkpoint::Latest).verdict(&oldest),
        Verdict::Write(Checkpoint::TrimHorizon)
    );
}

#[test]
fn a_sequence_number_means_its_whole_aggregate() {
    let whole = |n: u64| Asked::Whole(SequenceNumber::parse(&n.to_string()).unwrap());
    let mut rules = processed(Checkpoint::TrimHorizon, at(9, 4));
    assert_eq!(rules.verdict(&whole(9)), write(9, 4));
    assert_eq!(rules.verdict(&whole(10)), Verdict::Refuse(Refusal::Undelivered));
    let seven = Checkpoint::At(Position::after_all_of(at(7, 0).sequence_number().clone()));
    assert_eq!(rules.verdict(&whole(7)), Verdict::Write(seven));
    rules.ask(&whole(7), Deed::Move).unwrap();
    rules.on_written();
    assert_eq!(rules.verdict(&whole(7)), Verdict::Skip);
    assert_eq!(
        rules.verdict(&Asked::At(at(7, 2))),
        Verdict::Refuse(Refusal::Backwards)
    );
    rules.on_shard_end();
    assert_eq!(rules.verdict(&whole(9)), Verdict::Write(Checkpoint::ShardEnd));
}

#[test]
fn wishes_before_a_write_become_one() {
    let mut rules = processed(Checkpoint::TrimHorizon, at(9, 0));
    for number in [5, 7, 9] {
        rules.ask(&Asked::At(at(number, 0)), Deed::Move).unwrap();
    }
    assert_eq!(
        rules.ask(&Asked::At(at(8, 0)), Deed::Move),
        Err(Refusal::Backwards),
        "as it would have been with a write for each"
    );
    rules.ask(&Asked::All, prepare(Some("s"))).unwrap();
    let due = rules.due().unwrap();
    assert_eq!(due.checkpoint, Checkpoint::At(at(9, 0)));
    assert_eq!(due.pending, prepared(Checkpoint::At(at(9, 0)), Some("s")));
}

#[test]
fn what_was_not_written_may_be_asked_for_again() {
    let mut rules = processed(Checkpoint::TrimHorizon, at(9, 0));
    rules.ask(&Asked::All, Deed::Move).unwrap();
    rules.on_not_written();
    assert_eq!(rules.written(), &Checkpoint::TrimHorizon);
    assert_eq!(rules.verdict(&Asked::All), write(9, 0));
}

#[derive(Debug, Clone)]
enum Act {
    Batch(u64, u64),
    Processed,
    Failed,
    /// With whether it is written at once.
    All(bool),
    At(u64, u64, bool),
    Prepare(u64, u64, bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..40_u64, 0..3_u64).prop_map(|(n, s)| Act::Batch(n, s)),
        Just(Act::Processed),
        Just(Act::Failed),
        any::<bool>().prop_map(Act::All),
        (0..40_u64, 0..3_u64, any::<bool>()).prop_map(|(n, s, flush)| Act::At(n, s, flush)),
        (0..40_u64, 0..3_u64, any::<bool>()).prop_map(|(n, s, flush)| Act::Prepare(n, s, flush)),
    ]
}

proptest! {
    #[test]
    fn never_backwards_and_never_past_what_was_delivered(
        acts in proptest::collection::vec(act(), 0..60),
        start in 0..10_u64,
        end in any::<bool>(),
    ) {
        let mut rules = rules(Checkpoint::At(at(start, 0)));
        let mut delivered = Checkpoint::At(at(start, 0));
        let mut ended = false;
        let count = acts.len();
        for (i, act) in acts.into_iter().enumerate() {
            if end && i == count / 2 {
                rules.on_shard_end();
                ended = true;
            }
            let (asked, deed, flush) = match act {
                Act::Batch(n, s) if !ended => {
                    rules.on_batch(at(n, s));
                    delivered = delivered.max(Checkpoint::At(at(n, s)));
                    continue;
                }
                Act::Batch(..) => continue,
                Act::Processed => {
                    rules.on_processed();
                    continue;
                }
                Act::Failed => {
                    rules.on_failed();
                    continue;
                }
                Act::All(flush) => (Asked::All, Deed::Move, flush),
                Act::At(n, s, flush) => (Asked::At(at(n, s)), Deed::Move, flush),
                Act::Prepare(n, s, flush) => (Asked::At(at(n, s)), prepare(Some("s")), flush),
            };
            let before = rules.told().clone();
            let Ok(place) = rules.ask(&asked, deed) else {
                prop_assert_eq!(rules.told(), &before, "a refusal changes nothing");
                continue;
            };
            let after = rules.told().clone();
            prop_assert!(after.checkpoint >= before.checkpoint);
            if after.checkpoint == Checkpoint::ShardEnd || place == Checkpoint::ShardEnd {
                prop_assert!(ended);
            } else {
                prop_assert!(after.checkpoint <= delivered && place <= delivered);
            }
            if flush {
                rules.on_written();
                prop_assert_eq!(rules.written(), &after.checkpoint);
            }
        }
    }
}
