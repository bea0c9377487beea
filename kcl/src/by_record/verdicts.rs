//! What a call of the handler came to, for each of its records.

use super::answers::Answers;
use crate::lanes::outcome::{Answer, Outcome, Reason};

/// An answer for each record of a call, and whether it is one for all of them. `has_letters`: there is a place for dead
/// letters. `is_draining`: what is not answered goes to whoever reads the shard next.
pub(super) fn verdicts(
    tickets: Vec<u64>,
    answers: Result<Answers, Reason>,
    has_letters: bool,
    is_draining: bool,
) -> (Vec<(u64, Answer)>, bool) {
    let given = |outcome| match outcome {
        Outcome::DeadLetter(_) if !has_letters => Answer::Failed(Reason::Failed(NoDeadLetters.to_string())),
        outcome => Answer::Given(outcome),
    };
    let whole = match answers {
        Ok(Answers::Each(outcomes)) if outcomes.len() == tickets.len() => {
            let each = tickets.into_iter().zip(outcomes.into_iter().map(given));
            return (each.collect(), false);
        }
        Ok(Answers::Each(outcomes)) => {
            let why = WrongCount {
                given: outcomes.len(),
                records: tickets.len(),
            };
            Answer::Failed(Reason::Failed(why.to_string()))
        }
        Ok(Answers::Whole(outcome)) => given(outcome),
        // Whoever it comes to next gets it anyway.
        Err(Reason::Dropped) if is_draining => Answer::Withdrawn,
        Err(reason) => Answer::Failed(reason),
    };
    let all = tickets.into_iter().map(|ticket| (ticket, whole.clone()));
    (all.collect(), true)
}

/// A handler asks for a dead letter, and there is no place for it.
#[derive(Debug, thiserror::Error)]
#[error("no place for dead letters is configured")]
pub(super) struct NoDeadLetters;

/// A handler of batches gave another number of outcomes.
#[derive(Debug, thiserror::Error)]
#[error("{given} outcomes for {records} records")]
struct WrongCount {
    given: usize,
    records: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_gets_its_answer_or_that_of_all() {
        let failed = |why: &str| Answer::Failed(Reason::Failed(why.to_owned()));
        let letter = || Outcome::dead_letter("bad");
        let (ack, skip) = (Answer::Given(Outcome::Ack), Answer::Given(Outcome::Skip));
        let whole = |answer: &Answer| (vec![(1, answer.clone()), (2, answer.clone())], true);
        let dropped = || Err(Reason::Dropped);
        for (answers, has_letters, is_draining, expected) in [
            (
                Ok(Answers::Each(vec![Outcome::Ack, Outcome::Skip])),
                true,
                false,
                (vec![(1, ack.clone()), (2, skip)], false),
            ),
            (
                Ok(Answers::Each(vec![Outcome::Ack])),
                true,
                false,
                whole(&failed("1 outcomes for 2 records")),
            ),
            (Ok(Answers::Whole(Outcome::Ack)), true, false, whole(&ack)),
            (
                Ok(Answers::Whole(letter())),
                true,
                false,
                whole(&Answer::Given(letter())),
            ),
            (
                Ok(Answers::Whole(letter())),
                false,
                false,
                whole(&failed("no place for dead letters is configured")),
            ),
            (dropped(), true, false, whole(&Answer::Failed(Reason::Dropped))),
            (dropped(), true, true, whole(&Answer::Withdrawn)),
            (
                Err(Reason::RetriesAsked),
                true,
                true,
                whole(&Answer::Failed(Reason::RetriesAsked)),
            ),
        ] {
            let case = format!("{answers:?}, letters: {has_letters}, draining: {is_draining}");
            assert_eq!(
                verdicts(vec![1, 2], answers, has_letters, is_draining),
                expected,
                "{case}"
            );
        }
    }
}
