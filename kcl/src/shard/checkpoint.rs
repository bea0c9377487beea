//! What may be checkpointed: never backwards, never past what the processor was given, shard end as a fact of its own.
//!
//! Decides only; the lease's keeper writes. Departs from the KCL in two places: "everything so far" leaves out a batch
//! whose processing failed, and at the end of a shard the last position means the end even if it was written before.

use crate::position::{Checkpoint, Position};

/// The state of one lease's checkpoint, for as long as the lease is held.
#[derive(Debug, Clone)]
pub(crate) struct CheckpointRules {
    /// What the table holds.
    written: Checkpoint,
    /// The last position ever given to the processor, failed batches included.
    delivered: Option<Position>,
    /// The last position of the batches that were processed without error.
    processed: Option<Position>,
    /// The last position of the batch in the processor's hands.
    in_hand: Option<Position>,
    ended: bool,
}

/// What the processor asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Everything processed, and the batch in hand.
    All,
    /// Everything up to this record.
    At(Position),
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    Write(Checkpoint),
    /// The table says so already.
    Skip,
    Refuse(Refusal),
}

/// Why a position may not be checkpointed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The table holds a later one.
    Backwards,
    /// No record at or after it was given to the processor.
    Undelivered,
}

impl CheckpointRules {
    pub(crate) fn new(written: Checkpoint) -> Self {
        Self {
            written,
            delivered: None,
            processed: None,
            in_hand: None,
            ended: false,
        }
    }

    /// What the table holds.
    pub(crate) fn written(&self) -> &Checkpoint {
        &self.written
    }

    /// A batch that ends at `last` goes to the processor.
    pub(crate) fn on_batch(&mut self, last: Position) {
        self.delivered = self.delivered.take().max(Some(last.clone()));
        self.in_hand = Some(last);
    }

    /// The processor is done with the batch in hand.
    pub(crate) fn on_processed(&mut self) {
        self.processed = self.processed.take().max(self.in_hand.take());
    }

    /// The processor failed with the batch in hand.
    pub(crate) fn on_failed(&mut self) {
        self.in_hand = None;
    }

    /// All records of the closed shard were processed.
    pub(crate) fn on_shard_end(&mut self) {
        self.ended = true;
    }

    pub(crate) fn on_written(&mut self, checkpoint: Checkpoint) {
        self.written = checkpoint;
    }

    pub(crate) fn verdict(&self, asked: &Asked) -> Verdict {
        if self.written == Checkpoint::ShardEnd {
            return Verdict::Skip;
        }
        match asked {
            Asked::All if self.ended => Verdict::Write(Checkpoint::ShardEnd),
            Asked::All => match self.in_hand.as_ref().max(self.processed.as_ref()) {
                Some(last) if self.written < Checkpoint::At(last.clone()) => {
                    Verdict::Write(Checkpoint::At(last.clone()))
                }
                _ => Verdict::Skip,
            },
            Asked::At(position) => self.verdict_at(position),
        }
    }

    fn verdict_at(&self, position: &Position) -> Verdict {
        let known = self.delivered.as_ref().max(self.written.position());
        if known < Some(position) {
            return Verdict::Refuse(Refusal::Undelivered);
        }
        if self.ended && known == Some(position) {
            return Verdict::Write(Checkpoint::ShardEnd);
        }
        match self
            .written
            .position()
            .map_or(std::cmp::Ordering::Greater, |written| position.cmp(written))
        {
            std::cmp::Ordering::Less => Verdict::Refuse(Refusal::Backwards),
            std::cmp::Ordering::Equal => Verdict::Skip,
            std::cmp::Ordering::Greater => Verdict::Write(Checkpoint::At(position.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::position::SequenceNumber;

    fn at(number: u64, sub: u64) -> Position {
        Position::new(SequenceNumber::parse(&number.to_string()).unwrap(), sub)
    }

    fn write(number: u64, sub: u64) -> Verdict {
        Verdict::Write(Checkpoint::At(at(number, sub)))
    }

    fn processed(written: Checkpoint, last: Position) -> CheckpointRules {
        let mut rules = CheckpointRules::new(written);
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
            assert_eq!(CheckpointRules::new(written).verdict(&Asked::All), Verdict::Skip);
        }
    }

    #[test]
    fn all_is_the_batch_in_hand_while_it_is_processed() {
        let mut rules = CheckpointRules::new(Checkpoint::TrimHorizon);
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
        rules.on_written(Checkpoint::At(at(9, 4)));
        assert_eq!(rules.verdict(&Asked::All), Verdict::Skip);
    }

    #[test]
    fn the_end_is_written_even_if_the_last_record_was() {
        let mut rules = processed(Checkpoint::TrimHorizon, at(9, 0));
        rules.on_written(Checkpoint::At(at(9, 0)));
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
        rules.on_written(Checkpoint::ShardEnd);
        assert_eq!(rules.verdict(&Asked::All), Verdict::Skip);
        assert_eq!(rules.verdict(&Asked::At(at(9, 0))), Verdict::Skip);
    }

    #[test]
    fn the_end_of_a_shard_without_new_records_is_written() {
        let mut rules = CheckpointRules::new(Checkpoint::At(at(9, 0)));
        rules.on_shard_end();
        assert_eq!(
            rules.verdict(&Asked::At(at(9, 0))),
            Verdict::Write(Checkpoint::ShardEnd)
        );
        let mut empty = CheckpointRules::new(Checkpoint::TrimHorizon);
        empty.on_shard_end();
        assert_eq!(empty.verdict(&Asked::All), Verdict::Write(Checkpoint::ShardEnd));
    }

    #[derive(Debug, Clone)]
    enum Act {
        Batch(u64, u64),
        Processed,
        Failed,
        All,
        At(u64, u64),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0..40_u64, 0..3_u64).prop_map(|(n, s)| Act::Batch(n, s)),
            Just(Act::Processed),
            Just(Act::Failed),
            Just(Act::All),
            (0..40_u64, 0..3_u64).prop_map(|(n, s)| Act::At(n, s)),
        ]
    }

    proptest! {
        #[test]
        fn never_backwards_and_never_past_what_was_delivered(
            acts in proptest::collection::vec(act(), 0..60),
            start in 0..10_u64,
            end in any::<bool>(),
        ) {
            let mut rules = CheckpointRules::new(Checkpoint::At(at(start, 0)));
            let mut delivered = Checkpoint::At(at(start, 0));
            let mut ended = false;
            let count = acts.len();
            for (i, act) in acts.into_iter().enumerate() {
                if end && i == count / 2 {
                    rules.on_shard_end();
                    ended = true;
                }
                let asked = match act {
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
                    Act::All => Asked::All,
                    Act::At(n, s) => Asked::At(at(n, s)),
                };
                if let Verdict::Write(checkpoint) = rules.verdict(&asked) {
                    prop_assert!(checkpoint > *rules.written());
                    if checkpoint == Checkpoint::ShardEnd {
                        prop_assert!(ended);
                    } else {
                        prop_assert!(checkpoint <= delivered);
                    }
                    rules.on_written(checkpoint);
                }
            }
        }
    }
}
